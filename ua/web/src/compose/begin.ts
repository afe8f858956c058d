import type { Start } from './compose.svelte'
import { Letter } from './letter.svelte'

export async function begin(start: Start): Promise<Letter> {
  const letter = new Letter()
  letter.subject = start.subject ?? ''
  return letter
}

export async function restore(): Promise<void> {}
