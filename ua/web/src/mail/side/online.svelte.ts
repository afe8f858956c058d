// Whether the server is there, as people see it: a moment without its news is not worth a word.

import { session } from '#/lib/session.svelte'

class Online {
  private browser = $state(navigator.onLine)
  private late = $state(false)

  state = $derived<'on' | 'off' | 'connecting'>(!this.browser ? 'off' : this.late ? 'connecting' : 'on')

  constructor() {
    window.addEventListener('online', () => (this.browser = true))
    window.addEventListener('offline', () => (this.browser = false))
    $effect.root(() => {
      $effect(() => {
        if (session.connected) {
          this.late = false
          return
        }
        const timer = setTimeout(() => (this.late = true), 1500)
        return () => clearTimeout(timer)
      })
    })
  }
}

export const online = new Online()
