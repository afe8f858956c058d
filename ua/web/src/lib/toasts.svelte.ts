// Short news at the edge of the window, with at most one thing to do about each (undo, try again).

export interface Toast {
  id: number
  text: string
  tone: 'plain' | 'good' | 'bad'
  action?: { label: string; run: () => void | Promise<void> }
  seconds: number
}

class Toasts {
  list = $state<Toast[]>([])
  private next = 1

  /** Shows a text and gives a function that takes it away. */
  show(text: string, more: Partial<Omit<Toast, 'id' | 'text'>> = {}): () => void {
    const id = this.next++
    const toast: Toast = { id, text, tone: 'plain', seconds: more.action ? 8 : 5, ...more }
    this.list = [...this.list.slice(-3), toast]
    const close = () => void (this.list = this.list.filter((t) => t.id !== id))
    if (toast.seconds > 0) setTimeout(close, toast.seconds * 1000)
    return close
  }

  /** Tells of an error in its own words. */
  fail(cause: unknown, action?: Toast['action']): void {
    if (cause instanceof DOMException && cause.name === 'AbortError') return
    const text = cause instanceof Error ? cause.message : 'Something went wrong.'
    this.show(text, action ? { tone: 'bad', seconds: 10, action } : { tone: 'bad', seconds: 10 })
  }
}

export const toasts = new Toasts()
