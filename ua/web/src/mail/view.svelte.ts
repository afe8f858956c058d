// What the mail page shows: a mailbox or a search as a list, the cursor and the selection in it, and the conversation that is open. The address bar
// says where we are; everything else follows it.

import { SvelteSet } from 'svelte/reactivity'
import { path, route } from '#/lib/router.svelte'
import { session } from '#/lib/session.svelte'
import { emails } from '#/lib/mail/emails.svelte'
import { List, type Query } from '#/lib/mail/list.svelte'
import { mailboxes } from '#/lib/mail/mailboxes.svelte'
import type { Filter, Id, Mailbox, Role } from '#/lib/jmap/types'
import { keywordOf, nothing, parse, scoped, type Context, type Parsed } from './search/parse'

const roles: string[] = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash']
const listsAtMost = 8

export type Where = { kind: 'mailbox'; mailbox: Mailbox } | { kind: 'search'; q: string; mailbox: Mailbox | undefined } | { kind: 'gone' } | { kind: 'waiting' }

class View {
  /** The row that the keyboard is at. */
  cursor = $state<Id | null>(null)
  /** Where the next shift-click begins. */
  private mark: Id | null = null
  selected = new SvelteSet<Id>()
  /** Everything in the list is meant, not only what is selected one by one. */
  everything = $state(false)
  /** An act that runs over very many messages. */
  sweep = $state<{ text: string; done: number; total: number; stop: () => void } | null>(null)
  /** Set by the list that is on screen: brings a row into view. */
  reveal: (index: number) => void = () => undefined
  /** The first row in view. */
  topRow: () => number = () => 0
  /** Takes the keyboard to the list. */
  focusList: () => void = () => undefined
  /** One pane at a time. */
  narrow = $state(false)
  /** The drawer with the mailboxes, where there is no pane for them. */
  drawer = $state(false)
  /** The index of the row that was opened last, for when it is no longer in the list. */
  private openedAt = 0
  private lists = new Map<string, List>()
  /** What is written into the search box and not yet in the address bar. */
  typing = $state<string | null>(null)

  where = $derived.by((): Where => {
    if (route.parts[0] === 'search') {
      return { kind: 'search', q: route.query.get('q') ?? '', mailbox: this.byRef(route.query.get('in') ?? '') }
    }
    const ref = route.parts[0] === 'mail' ? (route.parts[1] ?? 'inbox') : 'inbox'
    const mailbox = this.byRef(ref)
    if (mailbox) return { kind: 'mailbox', mailbox }
    return mailboxes.loaded ? { kind: 'gone' } : { kind: 'waiting' }
  })

  /** The conversation that is open: a thread's id, or a message's where threads are off. */
  open = $derived(route.parts[0] === 'search' ? route.query.get('c') : route.parts[0] === 'mail' ? (route.parts[2] ?? null) : null)

  /** The mailbox that acts move messages out of. */
  mailbox = $derived(this.where.kind === 'mailbox' ? this.where.mailbox : undefined)
  role = $derived<Role>(this.mailbox?.role ?? null)

  parsed = $derived.by((): Parsed | null => (this.where.kind === 'search' ? parse(this.where.q, this.context()) : null))

  private key = $derived.by((): { key: string; query: Query } | null => {
    const collapse = session.settings.threads
    let filter: Filter | null
    if (this.where.kind === 'mailbox') {
      filter = { inMailbox: this.where.mailbox.id }
    } else if (this.where.kind === 'search') {
      const leaveOut = [mailboxes.role('junk')?.id, mailboxes.role('trash')?.id].filter((id) => id !== undefined)
      filter = this.parsed ? scoped(this.parsed, { mailbox: this.where.mailbox?.id, leaveOut }) : nothing
    } else {
      return null
    }
    return { key: JSON.stringify([filter, collapse]), query: { filter, collapse } }
  })

  private keyText = $derived(this.key?.key ?? '')

  /** The list that is shown. One that was shown lately is there at once and catches up. */
  list = $derived.by((): List | null => {
    const key = this.keyText
    return key ? this.listOf(key) : null
  })

  title = $derived.by(() => {
    switch (this.where.kind) {
      case 'mailbox': return mailboxes.title(this.where.mailbox)
      case 'search': {
        const only = /^\s*(?:is:starred|label:("?)([^"\s]+(?: [^"]+)?)\1)\s*$/.exec(this.where.q)
        return only ? (only[2] ?? 'Starred') : 'Search'
      }
      default: return 'Mail'
    }
  })

  noun = $derived(session.settings.threads ? 'conversation' : 'message')

  private listOf(key: string): List {
    let list = this.lists.get(key)
    if (list) {
      this.lists.delete(key)
    } else {
      const [filter, collapse] = JSON.parse(key) as [Filter | null, boolean]
      list = new List({ filter, collapse })
    }
    this.lists.set(key, list)
    for (const [old, l] of this.lists) {
      if (this.lists.size <= listsAtMost) break
      l.close()
      this.lists.delete(old)
    }
    return list
  }

  context(): Context {
    return {
      now: new Date(),
      me: session.me ? [session.me.address] : [],
      mailbox: (name) => this.byName(name)?.id,
      label: (name) => labelNamed(name)?.keyword,
    }
  }

  /** A mailbox by what stands in the address bar: its role, or its id. */
  byRef(ref: string): Mailbox | undefined {
    return roles.includes(ref) ? mailboxes.role(ref as Exclude<Role, null>) : mailboxes.byId.get(ref)
  }

  /** A mailbox by what people call it: its role, its title, or its path. */
  byName(name: string): Mailbox | undefined {
    const low = name.trim().toLowerCase()
    const all = [...mailboxes.byId.values()]
    return all.find((m) => m.role === low) ?? all.find((m) => mailboxes.title(m).toLowerCase() === low) ?? all.find((m) => m.name.toLowerCase() === low)
      ?? all.find((m) => pathOf(m).toLowerCase() === low)
  }

  // ---- going somewhere

  hrefOfMailbox(m: Mailbox, conversation?: string | null): string {
    const ref = m.role ?? m.id
    return conversation ? path('mail', ref, conversation) : path('mail', ref)
  }

  hrefOfSearch(q: string, mailbox?: Mailbox | undefined, conversation?: string | null): string {
    const p = new URLSearchParams({ q })
    if (mailbox) p.set('in', mailbox.role ?? mailbox.id)
    if (conversation) p.set('c', conversation)
    return `/search?${p}`
  }

  /** The address of a conversation in what is shown. */
  hrefOf(row: Id): string {
    const s = emails.peek(row)
    return this.hrefOfOpen(session.settings.threads ? (s?.threadId ?? row) : row)
  }

  private hrefOfOpen(conversation: string | null): string {
    const w = this.where
    if (w.kind === 'search') return this.hrefOfSearch(w.q, w.mailbox, conversation)
    if (w.kind === 'mailbox') return this.hrefOfMailbox(w.mailbox, conversation)
    return '/mail'
  }

  openRow(row: Id): void {
    this.cursor = row
    this.mark = row
    this.openedAt = Math.max(0, this.list?.indexOf(row) ?? 0)
    route.go(this.hrefOf(row), { replace: this.open !== null && !this.narrow })
  }

  /** Back to the list. */
  close(): void {
    route.go(this.hrefOfOpen(null))
  }

  /** Whether a row shows the conversation that is open. */
  isOpen(row: Id): boolean {
    return this.open !== null && (this.open === row || emails.peek(row)?.threadId === this.open)
  }

  /** The index of the open conversation; where it is no longer in the list, of what has taken its place. */
  openIndex(): number {
    const list = this.list
    if (!list || this.open === null) return -1
    const at = session.settings.threads ? list.indexOfThread(this.open) : list.indexOf(this.open)
    if (at >= 0) this.openedAt = at
    return at
  }

  /** Opens the conversation below (1) or above (-1) the open one. */
  async step(by: 1 | -1): Promise<boolean> {
    const list = this.list
    if (!list) return false
    const at = this.openIndex()
    const to = at < 0 ? (by > 0 ? this.openedAt : this.openedAt - 1) : at + by
    return this.openAt(to)
  }

  private async openAt(index: number): Promise<boolean> {
    const list = this.list
    if (!list || index < 0 || index >= list.length) return false
    let row = list.at(index)
    if (row === undefined) row = (await list.idsBetween(index, index + 1))[0]
    if (row === undefined) return false
    await emails.get([row])
    this.openRow(row)
    this.reveal(index)
    return true
  }

  /** After an act took the open conversation away: the one that has its place now, else the list. */
  async onward(by: 1 | -1 = 1): Promise<void> {
    if (this.narrow) return this.close()
    const to = Math.min(by > 0 ? this.openedAt : this.openedAt - 1, (this.list?.length ?? 0) - 1)
    if (!(await this.openAt(Math.max(0, to)))) this.close()
  }

  // ---- the cursor and the selection

  /** Moves the cursor; the first press shows it. */
  move(by: number, extend = false): void {
    const list = this.list
    if (!list || list.length === 0) return
    const at = this.cursor === null ? -1 : list.indexOf(this.cursor)
    const to = Math.max(0, Math.min(list.length - 1, at >= 0 ? at + by : Math.abs(by) >= list.length ? by : this.topRow()))
    void this.cursorTo(to, extend)
  }

  async cursorTo(index: number, extend = false): Promise<void> {
    const list = this.list
    if (!list || list.length === 0) return
    const to = Math.max(0, Math.min(list.length - 1, index))
    this.reveal(to)
    const row = list.at(to) ?? (await list.idsBetween(to, to + 1))[0]
    if (row === undefined) return
    if (extend && this.cursor !== null) this.selected.add(this.cursor)
    if (extend) this.selected.add(row)
    this.cursor = row
  }

  /** Selects a row or takes it out; with shift all from the last one. */
  async toggle(row: Id, shift = false): Promise<void> {
    const list = this.list
    if (!list) return
    this.everything = false
    const on = !this.selected.has(row)
    const from = shift && this.mark !== null ? list.indexOf(this.mark) : -1
    if (from >= 0) {
      const to = list.indexOf(row)
      for (const id of await list.idsBetween(Math.min(from, to), Math.max(from, to) + 1)) {
        if (on) this.selected.add(id)
        else this.selected.delete(id)
      }
    } else if (on) {
      this.selected.add(row)
    } else {
      this.selected.delete(row)
    }
    this.mark = row
    this.cursor = row
  }

  /** Selects of the loaded rows those that a test picks. */
  select(test: (row: Id) => boolean): void {
    this.everything = false
    this.selected.clear()
    for (const id of this.list?.known() ?? []) if (test(id)) this.selected.add(id)
  }

  deselect(): void {
    this.everything = false
    this.selected.clear()
  }

  /** What an act is about: the selection, else the open conversation, else the row at the cursor. */
  targets(): Id[] {
    if (this.selected.size > 0) return [...this.selected]
    if (this.open !== null) {
      const at = this.openIndex()
      const row = at >= 0 ? this.list?.at(at) : undefined
      if (row !== undefined) return [row]
      const members = session.settings.threads ? emails.members(this.open) : [this.open]
      return members?.slice(-1) ?? []
    }
    return this.cursor !== null && (this.list?.indexOf(this.cursor) ?? -1) >= 0 ? [this.cursor] : []
  }
}

export function pathOf(m: Mailbox): string {
  const parts = [mailboxes.title(m)]
  for (let p = m.parentId, n = 0; p !== null && n < 20; n++) {
    const parent = mailboxes.byId.get(p)
    if (!parent) break
    parts.unshift(mailboxes.title(parent))
    p = parent.parentId
  }
  return parts.join('/')
}

export function labelNamed(name: string): { name: string; colour: string; keyword: string } | undefined {
  const low = name.trim().toLowerCase()
  return session.settings.labels.find((l) => l.name.toLowerCase() === low) ?? session.settings.labels.find((l) => l.keyword === low || l.keyword === keywordOf(name))
}

export const view = new View()
