// Puts somebody into the contacts (RFC 9610).

import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { ref, Refused } from '#/lib/jmap/client'
import { path, route } from '#/lib/router.svelte'
import type { Address, GetResult, Id, SetResult } from '#/lib/jmap/types'
import { cardFor, type Card } from '#/contacts/card'
import { nameOf } from '../names'

export async function addContact(a: Address): Promise<void> {
  try {
    const [books, found] = (await session.jmap.batch([
      ['AddressBook/get', { ids: null }],
      ['ContactCard/query', { filter: { email: a.email }, limit: 50 }],
      ['ContactCard/get', { '#ids': ref(1, 'ContactCard/query', '/ids'), properties: ['id', 'emails'] }],
    ]).then((r) => [r[0], r[2]])) as unknown as [GetResult<{ id: Id; isDefault?: boolean }>, GetResult<Card & { id: Id }>]
    // The server's search finds parts of addresses too.
    const same = found.list.find((c) => Object.values(c.emails ?? {}).some((e) => e.address.toLowerCase() === a.email.toLowerCase()))
    if (same) {
      toasts.show(`${nameOf(a)} is in your contacts already.`, { action: { label: 'Show', run: () => route.go(path('contacts', same.id)) } })
      return
    }
    const book = books.list.find((b) => b.isDefault) ?? books.list[0]
    const card = { ...cardFor(a.name ?? '', a.email), ...(book ? { addressBookIds: { [book.id]: true } } : {}) }
    const r = await session.jmap.call<SetResult>('ContactCard/set', { create: { new: card } })
    const refused = r.notCreated?.['new']
    if (refused) throw new Refused(refused)
    const id = r.created!['new']!.id
    toasts.show(`${nameOf(a)} is in your contacts.`, { action: { label: 'Undo', run: async () => void (await session.jmap.call('ContactCard/set', { destroy: [id] })) } })
  } catch (cause) {
    toasts.fail(cause)
  }
}
