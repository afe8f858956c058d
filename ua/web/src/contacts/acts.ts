// What is done with contacts, each with a word of what was done and a way back.

import { mainEmail, titleOf, type Card } from './card'
import { compose } from '#/compose/compose.svelte'
import type { Id } from '#/lib/jmap/types'
import { route } from '#/lib/router.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { contacts, type Kept } from './contacts.svelte'

type Undo = () => void | Promise<void>
let last: Undo | undefined

/** Says what was done. The latest one can be undone by a key as well. */
export function told(text: string, undo: Undo): void {
  let used = false
  const run: Undo = async () => {
    if (used) return
    used = true
    if (last === run) last = undefined
    await undo()
  }
  last = run
  toasts.show(text, { action: { label: 'Undo', run } })
}

export async function undoLast(): Promise<void> {
  if (!last) return
  try {
    await last()
    toasts.show('Undone.')
  } catch (cause) {
    toasts.fail(cause)
  }
}

export const hrefOf = (id: Id): string => `/contacts/${encodeURIComponent(id)}`

export function write(card: Card, email = mainEmail(card)): void {
  compose.open({ to: [{ name: titleOf(card) === email ? null : titleOf(card), email }] })
}

export function writeAll(members: readonly Kept[]): void {
  compose.open({ to: members.filter(mainEmail).map((c) => ({ name: titleOf(c), email: mainEmail(c) })) })
}

export const mailHref = (email: string): string => `/search?${new URLSearchParams({ q: `from:${email}` })}`

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    toasts.show('Copied.')
  } catch {
    toasts.show(text, { seconds: 20 }) // to be copied by hand
  }
}

export async function remove(card: Kept): Promise<void> {
  const name = titleOf(card)
  try {
    const whole = contacts.remove(card.id)
    if (route.path.startsWith(hrefOf(card.id))) route.go('/contacts', { replace: true })
    const back = await whole
    told(card.kind === 'group' ? `The group ${name} was deleted. Its people stay.` : `${name} was deleted.`, async () => {
      const id = await back()
      if (route.path === '/contacts') route.go(hrefOf(id), { replace: true })
    })
  } catch (cause) {
    toasts.fail(cause)
  }
}

export async function merge(set: readonly Kept[]): Promise<void> {
  try {
    const { id, undo } = await contacts.merge(set.map((c) => c.id))
    told(`${titleOf(contacts.peek(id) ?? set[0]!)} is one contact now.`, undo)
  } catch (cause) {
    toasts.fail(cause)
  }
}

/** Gives a file to keep. */
export function download(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/vcard' }))
  const a = document.createElement('a')
  a.href = url
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

export async function save(which: readonly Id[] | 'all', name: string): Promise<void> {
  try {
    const cards = which === 'all' ? await contacts.everything() : await contacts.open(which)
    const { print } = await import('./vcard')
    download(print(cards), `${name.replace(/[^\p{L}\p{N} ._-]/gu, '').trim().slice(0, 80) || 'contact'}.vcf`)
  } catch (cause) {
    toasts.fail(cause)
  }
}
