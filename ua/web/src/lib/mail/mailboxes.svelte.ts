// The account's mailboxes, kept up to date by the server's news.

import { session } from '#/lib/session.svelte'
import { Refused } from '#/lib/jmap/client'
import type { Changes, GetResult, Id, Mailbox, Role, SetResult } from '#/lib/jmap/types'

export interface Node {
  mailbox: Mailbox
  depth: number
  children: Node[]
}

const order: Role[] = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash']
const names: Record<string, string> = { inbox: 'Inbox', drafts: 'Drafts', sent: 'Sent', archive: 'Archive', junk: 'Junk', trash: 'Trash' }

class Mailboxes {
  byId = $state.raw(new Map<Id, Mailbox>())
  loaded = $state(false)
  private state = ''
  private busy: Promise<void> | undefined

  tree = $derived.by(() => {
    const children = new Map<Id | null, Mailbox[]>()
    for (const m of this.byId.values()) {
      const parent = m.parentId && this.byId.has(m.parentId) ? m.parentId : null
      children.set(parent, [...(children.get(parent) ?? []), m])
    }
    const build = (parent: Id | null, depth: number): Node[] =>
      (children.get(parent) ?? []).sort(compare).map((mailbox) => ({ mailbox, depth, children: build(mailbox.id, depth + 1) }))
    return build(null, 0)
  })

  constructor() {
    session.onChange((changed) => {
      if (changed['Mailbox'] && changed['Mailbox'] !== this.state) this.refresh().catch(() => undefined) // the next news bring it
    })
  }

  role(role: Exclude<Role, null>): Mailbox | undefined {
    for (const m of this.byId.values()) if (m.role === role) return m
    return undefined
  }

  /** The name that people see. */
  title(m: Mailbox): string {
    return m.role ? (names[m.role] ?? m.name) : m.name
  }

  /** Loads all, or what changed since. */
  refresh(): Promise<void> {
    this.busy ??= this.load().finally(() => (this.busy = undefined))
    return this.busy
  }

  private async load(): Promise<void> {
    if (this.state) {
      try {
        const [changes, made, altered] = await session.jmap.batch([
          ['Mailbox/changes', { sinceState: this.state }],
          ['Mailbox/get', { '#ids': { resultOf: 'c0', name: 'Mailbox/changes', path: '/created' } }],
          ['Mailbox/get', { '#ids': { resultOf: 'c0', name: 'Mailbox/changes', path: '/updated' } }],
        ]) as unknown as [Changes, GetResult<Mailbox>, GetResult<Mailbox>]
        const next = new Map(this.byId)
        for (const id of changes.destroyed) next.delete(id)
        for (const m of [...made.list, ...altered.list]) next.set(m.id, m)
        this.byId = next
        this.state = changes.newState
        if (changes.hasMoreChanges) await this.load()
        return
      } catch {
        this.state = '' // too old: read all
      }
    }
    const all = await session.jmap.call<GetResult<Mailbox>>('Mailbox/get', { ids: null })
    this.byId = new Map(all.list.map((m) => [m.id, m]))
    this.state = all.state
    this.loaded = true
  }

  async create(name: string, parentId: Id | null = null): Promise<Id> {
    const r = await session.jmap.call<SetResult<Mailbox>>('Mailbox/set', { create: { new: { name, parentId, isSubscribed: true } } })
    const refused = r.notCreated?.['new']
    if (refused) throw new Refused(refused)
    await this.refresh()
    return r.created!['new']!.id
  }

  async update(id: Id, change: Partial<Mailbox>): Promise<void> {
    const r = await session.jmap.call<SetResult<Mailbox>>('Mailbox/set', { update: { [id]: change } })
    const refused = r.notUpdated?.[id]
    if (refused) throw new Refused(refused)
    await this.refresh()
  }

  async remove(id: Id): Promise<void> {
    const r = await session.jmap.call<SetResult<Mailbox>>('Mailbox/set', { destroy: [id], onDestroyRemoveEmails: true })
    const refused = r.notDestroyed?.[id]
    if (refused) throw new Refused(refused)
    await this.refresh()
  }
}

function compare(a: Mailbox, b: Mailbox): number {
  const rank = (m: Mailbox) => (m.role ? order.indexOf(m.role) : order.length)
  return rank(a) - rank(b) || a.sortOrder - b.sortOrder || a.name.localeCompare(b.name, undefined, { numeric: true })
}

export const mailboxes = new Mailboxes()
