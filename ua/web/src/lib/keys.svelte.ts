// The keyboard: parts of the app say what keys mean while they are shown; the '?' sheet lists what holds right now.

import { session } from './session.svelte'

export interface Binding {
  /** "j", "Shift+u", "g i" (one after the other), "Mod+Enter" (Ctrl, or Command on a Mac), "Escape". Several are alternatives. */
  keys: string[]
  /** The same for people with vim's habits, where they differ. */
  vim?: string[]
  label: string
  group: string
  run: (e: KeyboardEvent) => void
  /** Also while a text is being written. */
  always?: boolean
}

class Keys {
  private layers = $state.raw<Binding[][]>([])
  private first = ''
  private timer: ReturnType<typeof setTimeout> | undefined

  /** What holds now, innermost first. */
  current = $derived(this.layers.flat())

  constructor() {
    window.addEventListener('keydown', (e: KeyboardEvent) => this.press(e))
  }

  /** Binds keys for as long as the caller's component lives: use in onMount or an $effect, and return what it gives. */
  bind(bindings: Binding[]): () => void {
    this.layers = [bindings, ...this.layers]
    return () => (this.layers = this.layers.filter((l) => l !== bindings))
  }

  keysOf(b: Binding): string[] {
    return session.settings.keys === 'vim' ? [...(b.vim ?? []), ...b.keys] : b.keys
  }

  private press(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.isComposing) return
    const target = e.target as HTMLElement | null
    const writing = !!target?.closest?.('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable="true"]')
    const dialog = document.querySelector('dialog[open]:not([data-keys])')
    const name = nameOf(e)
    const sequence = this.first ? `${this.first} ${name}` : name
    clearTimeout(this.timer)
    this.first = ''
    for (const b of this.current) {
      if ((writing || dialog || session.settings.keys === 'off') && !b.always) continue
      if (this.keysOf(b).includes(sequence)) {
        e.preventDefault()
        b.run(e)
        return
      }
    }
    if (writing || dialog) return
    if (this.current.some((b) => this.keysOf(b).some((k) => k.startsWith(`${name} `)))) {
      this.first = name
      this.timer = setTimeout(() => (this.first = ''), 1200)
    }
  }
}

function nameOf(e: KeyboardEvent): string {
  const mod = e.ctrlKey || e.metaKey ? 'Mod+' : ''
  const alt = e.altKey ? 'Alt+' : ''
  const letter = e.key.length === 1
  const shift = e.shiftKey && (!letter || /[a-z]/i.test(e.key)) ? 'Shift+' : ''
  return mod + alt + shift + (letter ? e.key.toLowerCase() : e.key)
}

export const keys = new Keys()
