// What the server answered last to a question that only reads: shown again while the server cannot be reached. Kept on devices that are to be
// remembered, and nowhere else.

import { keep, run } from './database'

const most = 1500
const largest = 400_000 // characters of one answer
let writes = 0

export const remember = {
  get on(): boolean {
    return localStorage.getItem('postrider-remember') === '1'
  },
  set on(yes: boolean) {
    if (yes) localStorage.setItem('postrider-remember', '1')
    else localStorage.removeItem('postrider-remember')
  },
}

interface Row {
  key: string
  at: number
  text: string
}

/** Keeps an answer. Failure is no harm: it is not kept then. */
export function put(account: string, question: unknown, answer: unknown): void {
  if (!remember.on || !('indexedDB' in globalThis)) return
  const text = JSON.stringify(answer)
  if (text.length > largest) return
  const row: Row = { key: account + JSON.stringify(question), at: Date.now(), text }
  if (row.key.length > 20_000) return
  void run('answers', 'readwrite', (s) => s.put(row)).then(() => {
    if (++writes % 100 === 0) return keep('answers', most)
    return undefined
  }).catch(() => undefined)
}

/** The latest answer to a question, or undefined. */
export async function recall<T>(account: string, question: unknown): Promise<T | undefined> {
  if (!remember.on || !('indexedDB' in globalThis)) return undefined
  try {
    const row = (await run('answers', 'readonly', (s) => s.get(account + JSON.stringify(question)) as IDBRequest<Row | undefined>))
    return row ? (JSON.parse(row.text) as T) : undefined
  } catch {
    return undefined
  }
}

/** Whether a method only reads, and answers the same to the same question until something changes. */
export function reads(name: string): boolean {
  return /\/(get|query)$/.test(name)
}
