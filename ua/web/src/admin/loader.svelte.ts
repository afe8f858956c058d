// What a page reads from the server: shown while it is read anew, and still shown when that fails.

import { Failure } from '#/lib/api'

export class Loader<T> {
  value = $state.raw<T>()
  /** Why the last reading failed; '' when it did not. */
  trouble = $state('')
  kind = $state<Failure['kind'] | ''>('')
  busy = $state(false)
  private turn = 0

  constructor(private readonly read: () => Promise<T>) {}

  /** Reads. Of several that overlap, the last one asked counts. */
  load = async (): Promise<void> => {
    const turn = ++this.turn
    this.busy = true
    try {
      const value = await this.read()
      if (turn !== this.turn) return
      this.value = value
      this.trouble = this.kind = ''
    } catch (cause) {
      if (turn !== this.turn) return
      this.trouble = cause instanceof Error ? cause.message : 'Something went wrong.'
      this.kind = cause instanceof Failure ? cause.kind : 'internal'
    } finally {
      if (turn === this.turn) this.busy = false
    }
  }

  /** Forgets what was read, for when something else is asked for. */
  clear(): void {
    this.turn++
    this.value = undefined
    this.trouble = this.kind = ''
    this.busy = false
  }

  /** Reads now, and then every so often while the page can be seen. For onMount and $effect: it gives what ends it. */
  start = (seconds = 0): (() => void) => {
    void this.load()
    if (!seconds) return () => void this.turn++
    const again = () => {
      if (document.visibilityState === 'visible' && !this.busy) void this.load()
    }
    const timer = setInterval(again, seconds * 1000)
    document.addEventListener('visibilitychange', again)
    return () => {
      this.turn++
      clearInterval(timer)
      document.removeEventListener('visibilitychange', again)
    }
  }
}
