// What can be done with mailboxes themselves.

import { toasts } from '#/lib/toasts.svelte'
import { mailboxes } from '#/lib/mail/mailboxes.svelte'
import type { Id, Mailbox } from '#/lib/jmap/types'
import { count } from '#/lib/format'
import { route } from '#/lib/router.svelte'
import { ask, wish } from '../ask.svelte'
import { view } from '../view.svelte'

export async function newMailbox(parent: Mailbox | null): Promise<void> {
  const name = await wish({ title: parent ? `New mailbox in ${mailboxes.title(parent)}` : 'New mailbox', label: 'Name', value: '', yes: 'Create' })
  if (!name) return
  try {
    await mailboxes.create(name, parent?.id ?? null)
  } catch (cause) {
    toasts.fail(cause)
  }
}

export async function rename(m: Mailbox): Promise<void> {
  const name = await wish({ title: `Rename ${mailboxes.title(m)}`, label: 'Name', value: m.name, yes: 'Rename' })
  if (!name || name === m.name) return
  await change(m.id, { name }, `Renamed to ${name}.`, { name: m.name })
}

/** Whether one mailbox lies in another. */
export function within(id: Id, other: Id): boolean {
  for (let at: Id | null | undefined = id, n = 0; at && n < 50; n++) {
    if (at === other) return true
    at = mailboxes.byId.get(at)?.parentId
  }
  return false
}

export async function reparent(id: Id, parent: Id | null): Promise<void> {
  const m = mailboxes.byId.get(id)
  if (!m || m.parentId === parent || (parent !== null && within(parent, id))) return
  const to = parent ? mailboxes.byId.get(parent) : undefined
  await change(id, { parentId: parent }, `${mailboxes.title(m)} moved ${to ? `into ${mailboxes.title(to)}` : 'to the top'}.`, { parentId: m.parentId })
}

async function change(id: Id, to: Partial<Mailbox>, text: string, back: Partial<Mailbox>): Promise<void> {
  try {
    await mailboxes.update(id, to)
    toasts.show(text, { action: { label: 'Undo', run: () => mailboxes.update(id, back) } })
  } catch (cause) {
    toasts.fail(cause)
  }
}

export async function remove(m: Mailbox): Promise<void> {
  if ([...mailboxes.byId.values()].some((o) => o.parentId === m.id)) {
    toasts.show('Move or delete the mailboxes inside it first.', { tone: 'bad' })
    return
  }
  const text = m.totalEmails === 0 ? 'It is empty.' : `${count(m.totalEmails, 'message')} in it will be gone for good.`
  if (!(await ask({ title: `Delete ${mailboxes.title(m)}`, text, yes: 'Delete', bad: true }))) return
  try {
    const here = view.mailbox?.id === m.id
    await mailboxes.remove(m.id)
    if (here) route.go('/mail', { replace: true })
    toasts.show(`${mailboxes.title(m)} is deleted.`)
  } catch (cause) {
    toasts.fail(cause)
  }
}
