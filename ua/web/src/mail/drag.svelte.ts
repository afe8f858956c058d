// What is being dragged: rows of the list, or a mailbox. The browser does not tell a drop target what hangs at the pointer, so it is kept here.

import type { Id } from '#/lib/jmap/types'

class Drag {
  rows = $state.raw<Id[] | null>(null)
  mailbox = $state.raw<Id | null>(null)

  /** Begins a drag of rows with a small sign of how many. */
  start(e: DragEvent, rows: Id[], text: string): void {
    this.rows = rows
    this.begin(e, text)
  }

  startMailbox(e: DragEvent, id: Id, text: string): void {
    this.mailbox = id
    this.begin(e, text)
  }

  private begin(e: DragEvent, text: string): void {
    if (!e.dataTransfer) return
    e.dataTransfer.effectAllowed = 'move'
    e.dataTransfer.setData('application/x-postrider', text)
    const sign = document.createElement('div')
    sign.textContent = text
    Object.assign(sign.style, {
      position: 'fixed', top: '-100px', left: '0', padding: '6px 14px', borderRadius: '999px', background: 'var(--accent)', color: 'var(--accent-ink)',
      fontWeight: '600', fontSize: '14px', maxWidth: '260px', overflow: 'hidden', whiteSpace: 'nowrap', textOverflow: 'ellipsis',
    })
    document.body.append(sign)
    e.dataTransfer.setDragImage(sign, -8, -8)
    setTimeout(() => sign.remove())
  }

  end(): void {
    this.rows = null
    this.mailbox = null
  }
}

export const drag = new Drag()
