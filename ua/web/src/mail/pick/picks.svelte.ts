// Which picker is open: where to move, or which labels. What it is about is fixed when it opens.

import type { Id, Mailbox } from '#/lib/jmap/types'
import { view } from '../view.svelte'

export interface Pick {
  kind: 'move' | 'label'
  rows: Id[]
  everything: boolean
  /** Takes the place of moving rows. */
  chosen?: (to: Mailbox) => void
}

class Picks {
  open = $state.raw<Pick | null>(null)

  move(chosen?: (to: Mailbox) => void, rows = view.targets()): void {
    if (rows.length > 0 || view.everything || chosen) this.open = { kind: 'move', rows, everything: view.everything, ...(chosen ? { chosen } : {}) }
  }

  label(rows = view.targets()): void {
    if (rows.length > 0 || view.everything) this.open = { kind: 'label', rows, everything: view.everything }
  }
}

export const picks = new Picks()
