// Forms that were left while something was written in them: they are found again as they were, until the page is loaded anew (which asks first).

import type { Form } from './form'

export interface Begun {
  form: Form
  book: string
}

const kept = new Map<string, Begun>()

export const begun = {
  get: (key: string): Begun | undefined => kept.get(key),
  keep(key: string, what: Begun): void {
    kept.set(key, what)
  },
  forget(key: string): void {
    kept.delete(key)
  },
}

/** A page that is left by closing it asks first while anything is kept. */
addEventListener('beforeunload', (e) => {
  if (kept.size > 0) e.preventDefault()
})
