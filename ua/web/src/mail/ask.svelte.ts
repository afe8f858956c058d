// A question before something that cannot be undone, or that needs a name. One at a time; Mail.svelte shows it (Asking.svelte).

export interface Question {
  title: string
  text?: string
  yes: string
  bad?: boolean
}

export interface Wish extends Question {
  label: string
  value: string
  hint?: string
}

class Asking {
  question = $state.raw<(Question & { answer: (yes: boolean) => void }) | (Wish & { answer: (text: string | null) => void }) | null>(null)
}

export const asking = new Asking()

/** Asks for a yes. */
export function ask(q: Question): Promise<boolean> {
  return new Promise((resolve) => {
    asking.question = { ...q, answer: (yes: boolean) => resolve(yes) }
  })
}

/** Asks for a text; null when nothing is wanted. */
export function wish(q: Wish): Promise<string | null> {
  return new Promise((resolve) => {
    asking.question = { ...q, answer: (text: string | null) => resolve(text) }
  })
}
