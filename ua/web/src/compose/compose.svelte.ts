// The door to writing: any part of the app opens a window by compose.open(…). This module is small; what a window is made of loads with the first.

import { toasts } from '#/lib/toasts.svelte'
import type { Address, Id } from '#/lib/jmap/types'
import type { Letter } from './letter.svelte'

export type How = 'reply' | 'all' | 'forward' | 'attach' | 'list'

export interface Start {
  to?: Address[] | string
  cc?: Address[] | string
  bcc?: Address[] | string
  subject?: string
  html?: string
  text?: string
  /** A whole mailto: address; only recipients, subject, body and In-Reply-To are taken from it. */
  mailto?: string
  /** A draft that is in the mailbox. */
  draft?: Id
  reply?: { email: Id; how: How }
  files?: File[]
}

/** A window, from the moment it is asked for; letter is there once it is loaded. */
export class Pane {
  readonly key: string
  letter = $state.raw<Letter | null>(null)
  shape = $state<'docked' | 'small' | 'full'>('docked')
  /** What keys do in this window, while it is shown. */
  commands: { send(): void; show(field: 'cc' | 'bcc'): void } | null = null

  constructor(key: string) {
    this.key = key
  }
}

/** How many windows stand open side by side; more are made small. */
const most = () => Math.max(1, Math.min(3, Math.floor((innerWidth - 240) / 400)))

class Compose {
  windows = $state.raw<Pane[]>([])
  /** The window that is written in. */
  active = $state.raw<Pane | null>(null)

  /** Opens a window. A draft that is open already comes to the front. */
  open(start: Start = {}): Pane {
    const there = start.draft ? this.windows.find((w) => w.letter?.draftId === start.draft || w.key === `draft:${start.draft}`) : undefined
    if (there) {
      this.show(there)
      return there
    }
    const pane = new Pane(start.draft ? `draft:${start.draft}` : crypto.randomUUID())
    this.add(pane)
    void this.fill(pane, start)
    return pane
  }

  private async fill(pane: Pane, start: Start): Promise<void> {
    try {
      const { begin } = await import('./begin')
      pane.letter = await begin(start)
    } catch (cause) {
      this.remove(pane)
      toasts.fail(cause, { label: 'Try again', run: () => void this.open(start) })
    }
  }

  /** Shows a letter that is there already: restored, or taken back. */
  put(letter: Letter): Pane {
    const pane = new Pane(crypto.randomUUID())
    pane.letter = letter
    this.add(pane)
    return pane
  }

  private add(pane: Pane): void {
    this.windows = [...this.windows, pane]
    this.show(pane)
  }

  show(pane: Pane): void {
    if (pane.shape === 'small') pane.shape = 'docked'
    this.active = pane
    const open = this.windows.filter((w) => w.shape !== 'small' && w !== pane)
    for (const w of open.slice(0, Math.max(0, open.length - most() + 1))) w.shape = 'small'
    for (const w of open) if (w.shape === 'full') w.shape = 'docked'
  }

  /** Takes a window away; what is in it is kept or not by whoever calls. */
  remove(pane: Pane): void {
    this.windows = this.windows.filter((w) => w !== pane)
    if (this.active === pane) this.active = this.windows.at(-1) ?? null
  }

  /** Somebody logs out: what is written goes to Drafts, and from this device. What cannot be stored stays for the same person's next time. */
  async leave(): Promise<void> {
    await Promise.all(this.windows.map((w) => w.letter?.touched && w.letter.saveNow()))
    const { forgetSaved } = await import('./kept')
    await forgetSaved()
  }

  /** Brings back what was being written when the page went away. Composers.svelte calls it once. */
  async restore(): Promise<void> {
    try {
      const { hasKept } = await import('./kept')
      if (!(await hasKept())) return
      const { restore } = await import('./begin')
      await restore()
    } catch (cause) {
      toasts.fail(cause)
    }
  }
}

export const compose = new Compose()
