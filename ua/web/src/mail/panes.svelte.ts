// The widths of the panes, remembered on this device, and how many fit.

const key = 'postrider-panes'

export const limits = { side: [180, 360], list: [320, 760] } as const

class Panes {
  width = $state(window.innerWidth)
  side = $state(232)
  list = $state(420)
  /** Mailboxes whose children are not shown. */
  folded = $state<string[]>([])

  count = $derived<1 | 2 | 3>(this.width < 700 ? 1 : this.width < 1100 ? 2 : 3)
  /** The width of the list as it fits now: the conversation keeps at least 380. */
  listNow = $derived(Math.max(limits.list[0], Math.min(this.list, this.width - (this.count === 3 ? this.side : 0) - 380)))

  constructor() {
    try {
      const kept = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Record<'side' | 'list', number>> & { folded?: string[] }
      if (Number.isFinite(kept.side)) this.side = clamp(kept.side!, 'side')
      if (Number.isFinite(kept.list)) this.list = clamp(kept.list!, 'list')
      if (Array.isArray(kept.folded)) this.folded = kept.folded.filter((f) => typeof f === 'string')
    } catch {
      // the widths are as they come
    }
    window.addEventListener('resize', () => (this.width = window.innerWidth))
  }

  set(which: 'side' | 'list', width: number): void {
    this[which] = clamp(width, which)
    this.keep()
  }

  fold(id: string): void {
    this.folded = this.folded.includes(id) ? this.folded.filter((f) => f !== id) : [...this.folded.slice(-200), id]
    this.keep()
  }

  private keep(): void {
    try {
      localStorage.setItem(key, JSON.stringify({ side: this.side, list: this.list, folded: this.folded }))
    } catch {
      // a browser that keeps nothing begins anew each time
    }
  }
}

function clamp(n: number, which: 'side' | 'list'): number {
  return Math.round(Math.max(limits[which][0], Math.min(limits[which][1], n)))
}

export const panes = new Panes()
