// Puts somebody into the contacts (RFC 9610).

import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { Refused } from '#/lib/jmap/client'
import type { Address, GetResult, Id, SetResult } from '#/lib/jmap/types'
import { nameOf } from '../names'

export async function addContact(a: Address): Promise<void> {
  try {
    const [books, found] = await Promise.all([
      session.jmap.call<GetResult<{ id: Id; isDefault?: boolean }>>('AddressBook/get', { ids: null }),
      session.jmap.call<{ ids: Id[] }>('ContactCard/query', { filter: { email: a.email }, limit: 1 }),
    ])
    if (found.ids.length > 0) {
      toasts.show(`${nameOf(a)} is in your contacts already.`)
      return
    }
    const book = books.list.find((b) => b.isDefault) ?? books.list[0]
    const name = a.name?.trim()
    const card = {
      '@type': 'Card', version: '1.0', uid: `urn:uuid:${crypto.randomUUID()}`, kind: 'individual', ...(book ? { addressBookIds: { [book.id]: true } } : {}),
      ...(name ? { name: { full: name } } : {}), emails: { e1: { address: a.email } },
    }
    const r = await session.jmap.call<SetResult>('ContactCard/set', { create: { new: card } })
    const refused = r.notCreated?.['new']
    if (refused) throw new Refused(refused)
    const id = r.created!['new']!.id
    toasts.show(`${nameOf(a)} is in your contacts.`, { action: { label: 'Undo', run: async () => void (await session.jmap.call('ContactCard/set', { destroy: [id] })) } })
  } catch (cause) {
    toasts.fail(cause)
  }
}
