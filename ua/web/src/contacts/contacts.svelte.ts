// The contacts of the account (RFC 9610): of all cards what lists and searches need, whole cards as they are opened, and every change with its way back.

import { SvelteMap } from 'svelte/reactivity'
import { MethodError, Refused } from '#/lib/jmap/client'
import type { Changes, GetResult, Id, QueryResult, SetError, SetResult, State } from '#/lib/jmap/types'
import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { asked, found, haystack, isGroup, patched, rowsOf, same, summaryProperties, type Book, type Card, type Order, type Patch } from './card'
import { duplicates, merged, remembered } from './merge'

export type Kept = Card & { id: Id }

interface Change {
  create?: Card[]
  update?: { id: Id; patch: Patch }[]
  destroy?: Id[]
}

interface Done {
  /** Ids of what was made, in the order it was given; undefined where it was refused. */
  made: (Id | undefined)[]
  refused: SetError[]
}

class Contacts {
  /** Summaries of all cards. */
  private cards = $state.raw(new Map<Id, Kept>())
  private whole = new SvelteMap<Id, Kept>()
  books = $state.raw<Book[]>([])
  loaded = $state(false)
  failure = $state.raw<unknown>(null)
  search = $state('')
  /** The address book that is shown; '' for all. */
  book = $state('')

  private state: State = ''
  private loading: Promise<void> | undefined
  private refreshing: Promise<void> = Promise.resolve()
  private hays = new WeakMap<Card, string>()

  order = $derived<Order>(session.settings['contactOrder'] === 'last' ? 'last' : 'first')
  private inBook = $derived([...this.cards.values()].filter((c) => !this.book || c.addressBookIds?.[this.book]))
  private all = $derived(rowsOf(this.inBook, this.order))
  people = $derived(this.all.filter((r) => !isGroup(r.card)))
  groups = $derived(this.all.filter((r) => isGroup(r.card)))
  /** What the list shows. */
  shown = $derived.by(() => {
    const words = asked(this.search)
    if (words.length === 0) return { groups: this.groups, people: this.people }
    const hit = (c: Card) => found(this.hay(c), words)
    const people = this.people.filter((r) => hit(r.card))
    return { groups: this.groups.filter((r) => hit(r.card)), people: people.map((r, i) => ({ ...r, first: i === 0 || people[i - 1]!.letter !== r.letter })) }
  })
  private byUid = $derived(new Map([...this.cards.values()].map((c) => [c.uid ?? '', c])))
  private byEmail = $derived.by(() => {
    const map = new Map<string, Kept>()
    for (const c of this.cards.values()) if (!isGroup(c)) for (const e of Object.values(c.emails ?? {})) map.set(e.address.trim().toLowerCase(), c)
    return map
  })
  size = $derived(this.cards.size)
  /** Those who are there more than once. */
  twins = $derived(duplicates(this.cards.values()) as Kept[][])
  /** Where the list was scrolled to. */
  place = 0

  constructor() {
    session.onChange((changed) => {
      if (!this.loaded) return
      if (changed['AddressBook']) void this.loadBooks().catch(() => undefined)
      if (changed['ContactCard'] && changed['ContactCard'] !== this.state) void this.refresh()
    })
  }

  private hay(c: Card): string {
    let h = this.hays.get(c)
    if (h === undefined) this.hays.set(c, (h = haystack(c)))
    return h
  }

  /** What is known of a card without asking: the whole of it, or what the list has. */
  peek(id: Id): Kept | undefined {
    return this.whole.get(id) ?? this.cards.get(id)
  }

  isWhole(id: Id): boolean {
    return this.whole.has(id)
  }

  summaries(): Kept[] {
    return [...this.cards.values()]
  }

  ofUid(uid: string): Kept | undefined {
    return this.byUid.get(uid)
  }

  withEmail(address: string): Kept | undefined {
    return this.byEmail.get(address.trim().toLowerCase())
  }

  membersOf(group: Card): Kept[] {
    return rowsOf(Object.keys(group.members ?? {}).map((uid) => this.byUid.get(uid)).filter((c) => c !== undefined), this.order).map((r) => r.card as Kept)
  }

  groupsOf(card: Card): Kept[] {
    return this.groups.filter((g) => card.uid !== undefined && g.card.members?.[card.uid]).map((g) => g.card as Kept)
  }

  get defaultBook(): Id {
    const writable = this.books.filter((b) => b.myRights.mayWrite)
    return (writable.find((b) => b.id === this.book) ?? writable.find((b) => b.isDefault) ?? writable[0] ?? this.books[0])?.id ?? ''
  }

  // ---- reading

  load(): Promise<void> {
    if (this.loaded) return this.refresh()
    this.loading ??= this.readAll().finally(() => (this.loading = undefined))
    return this.loading
  }

  private async loadBooks(): Promise<void> {
    const r = await session.jmap.call<GetResult<Book>>('AddressBook/get', { ids: null })
    this.books = r.list.sort((a, b) => a.sortOrder - b.sortOrder || a.name.localeCompare(b.name))
    if (this.book && !this.books.some((b) => b.id === this.book)) this.book = ''
  }

  private async readAll(): Promise<void> {
    this.failure = null
    try {
      const size = Math.min(500, session.jmap.limit('maxObjectsInGet'))
      const books = this.loadBooks()
      const ids: Id[] = []
      let state = ''
      for (;;) {
        const [r, none] = (await session.jmap.batch([['ContactCard/query', { position: ids.length }], ['ContactCard/get', { ids: [] }]])) as unknown as [QueryResult, GetResult<Card>]
        state ||= none.state // what changes from here on is asked for afterwards
        ids.push(...r.ids)
        if (r.ids.length < 5000) break
      }
      const next = new Map<Id, Kept>()
      const pages = Array.from({ length: Math.ceil(ids.length / size) }, (_, i) => ids.slice(i * size, (i + 1) * size))
      const worker = async () => {
        for (let page = pages.shift(); page; page = pages.shift()) {
          const [got] = (await session.jmap.batch([['ContactCard/get', { ids: page, properties: summaryProperties }]])) as unknown as [GetResult<Kept>]
          for (const c of got.list) next.set(c.id, c)
        }
      }
      await Promise.all([books, worker(), worker(), worker()])
      this.cards = next
      for (const id of [...this.whole.keys()]) if (!next.has(id) || !same(next.get(id)!.updated, this.whole.get(id)!.updated)) this.whole.delete(id)
      this.state = state
      this.loaded = true
      void this.refresh()
    } catch (cause) {
      this.failure = cause
      throw cause
    }
  }

  /** Gets what changed since. Calls that come while one is under way wait for a later one. */
  refresh(): Promise<void> {
    this.refreshing = this.refreshing.then(() => this.catchUp()).catch(() => undefined)
    return this.refreshing
  }

  private async catchUp(): Promise<void> {
    try {
      for (let more = true; more;) {
        const ch = await session.jmap.call<Changes>('ContactCard/changes', { sinceState: this.state, maxChanges: 500 })
        const touched = [...ch.created, ...ch.updated]
        const open = touched.filter((id) => this.whole.has(id))
        const [light, heavy] = await Promise.all([this.get(touched, summaryProperties), this.get(open)])
        const next = new Map(this.cards)
        for (const c of light) next.set(c.id, c)
        for (const id of ch.destroyed) {
          next.delete(id)
          this.whole.delete(id)
        }
        for (const c of heavy) this.whole.set(c.id, c)
        if (touched.length + ch.destroyed.length > 0) this.cards = next
        this.state = ch.newState
        more = ch.hasMoreChanges
      }
    } catch (cause) {
      if (!(cause instanceof MethodError) || cause.type !== 'cannotCalculateChanges') throw cause
      await this.readAll()
    }
  }

  private async get(ids: Id[], properties?: string[]): Promise<Kept[]> {
    const out: Kept[] = []
    const size = Math.min(properties ? 500 : 100, session.jmap.limit('maxObjectsInGet'))
    for (let i = 0; i < ids.length; i += size) {
      const [r] = (await session.jmap.batch([['ContactCard/get', { ids: ids.slice(i, i + size), ...(properties ? { properties } : {}) }]])) as unknown as [GetResult<Kept>]
      out.push(...r.list)
    }
    return out
  }

  /** Whole cards; those that are gone are not among them. */
  async open(ids: readonly Id[]): Promise<Kept[]> {
    const missing = ids.filter((id) => !this.whole.has(id))
    for (const c of await this.get(missing)) this.whole.set(c.id, c)
    return ids.map((id) => this.whole.get(id)).filter((c) => c !== undefined)
  }

  /** Every card in whole, for a file: not kept. */
  everything(): Promise<Kept[]> {
    return this.get(this.all.map((r) => r.card.id!))
  }

  // ---- changing

  private drop(ids: readonly Id[]): void {
    const next = new Map(this.cards)
    for (const id of ids) {
      next.delete(id)
      this.whole.delete(id)
    }
    this.cards = next
  }

  /** A card as the server takes it. */
  private sendable(c: Card): Card {
    const { id, ...card } = c
    void id
    const known = Object.keys(c.addressBookIds ?? {}).filter((b) => this.books.length === 0 || this.books.some((x) => x.id === b))
    return { ...card, addressBookIds: Object.fromEntries((known.length ? known : [this.defaultBook]).map((b) => [b, true as const])) }
  }

  /** Makes a change on the server, then here. Throws when a part of it was refused, unless the caller lives with that. */
  private async set(change: Change, how: { lenient?: boolean; progress?: (done: number) => void } = {}): Promise<Done> {
    const done: Done = { made: [], refused: [] }
    const create = (change.create ?? []).map((c) => this.sendable(c))
    const most = Math.min(100, session.jmap.limit('maxObjectsInSet'))
    const calls: Record<string, unknown>[] = []
    // What is made comes before what is changed, and what is taken away last: what is refused on the way ends it while everything is still there.
    for (const slice of slices(create, most)) calls.push({ create: Object.fromEntries(slice.items.map((c, i) => [`k${slice.at + i}`, c])) })
    for (const slice of slices(change.update ?? [], most)) calls.push({ update: Object.fromEntries(slice.items.map((u) => [u.id, u.patch])) })
    for (const slice of slices(change.destroy ?? [], most)) calls.push({ destroy: slice.items })
    try {
      for (const args of calls) {
        const r = await session.jmap.call<SetResult<Card>>('ContactCard/set', args)
        const kept: Kept[] = []
        for (const [key, made] of Object.entries(r.created ?? {})) {
          const i = Number(key.slice(1))
          done.made[i] = made.id
          kept.push({ ...create[i]!, ...made, id: made.id })
          if (create.length === 1) this.whole.set(made.id, kept[0]!)
        }
        for (const u of change.update ?? []) {
          if (!r.updated || !(u.id in r.updated)) continue
          const [light, whole] = [this.cards.get(u.id), this.whole.get(u.id)]
          if (whole) this.whole.set(u.id, { ...patched(whole, u.patch), ...r.updated[u.id], id: u.id })
          if (light) kept.push({ ...patched(light, u.patch), ...r.updated[u.id], id: u.id })
        }
        if (kept.length > 0 && !how.lenient) this.cards = new Map([...this.cards, ...kept.map((c) => [c.id, c] as const)])
        if (r.destroyed?.length) this.drop(r.destroyed)
        done.refused.push(...Object.values({ ...r.notCreated, ...r.notUpdated, ...r.notDestroyed }))
        if (done.refused.length > 0 && !how.lenient) throw new Refused(done.refused[0]!)
        how.progress?.(done.made.length)
      }
    } finally {
      const caughtUp = this.refresh()
      if (how.lenient) await caughtUp // many at once come into the list this way
    }
    return done
  }

  async add(card: Card): Promise<Id> {
    const { made } = await this.set({ create: [card] })
    return made[0]!
  }

  async addAll(cards: Card[], progress: (done: number) => void): Promise<Done> {
    return this.set({ create: cards }, { lenient: true, progress })
  }

  async update(id: Id, patch: Patch): Promise<void> {
    if (Object.keys(patch).length > 0) await this.set({ update: [{ id, patch }] })
  }

  /** Changes at once what is shown, then the server; what it refuses is as before. */
  async updateNow(id: Id, patch: Patch): Promise<void> {
    const before = { light: this.cards.get(id), whole: this.whole.get(id) }
    if (before.light) this.cards = new Map(this.cards).set(id, { ...patched(before.light, patch), id })
    if (before.whole) this.whole.set(id, { ...patched(before.whole, patch), id })
    try {
      await this.update(id, patch)
    } catch (cause) {
      if (before.light) this.cards = new Map(this.cards).set(id, before.light)
      if (before.whole) this.whole.set(id, before.whole)
      throw cause
    }
  }

  async removeAll(ids: Id[]): Promise<void> {
    await this.set({ destroy: ids })
  }

  /** Takes a card away, and gives what brings it back: it then has a new id. Groups go by uid, and have it again. */
  async remove(id: Id): Promise<() => Promise<Id>> {
    const [card] = await this.open([id])
    const light = this.cards.get(id)
    this.drop([id])
    try {
      await this.set({ destroy: [id] })
    } catch (cause) {
      if (cause instanceof Refused && cause.error.type === 'notFound') return () => this.add(card ?? {})
      if (light) this.cards = new Map(this.cards).set(id, light)
      if (card) this.whole.set(id, card)
      throw cause
    }
    return () => this.add(card!)
  }

  /** Makes one card of several, and gives what undoes it. */
  async merge(list: readonly Id[]): Promise<{ id: Id; undo: () => Promise<void> }> {
    const cards = await this.open(list)
    const [main, ...others] = cards
    if (!main || others.length === 0) throw new Error('These contacts are not here any more.')
    const next = merged(cards)
    const keys = Object.keys({ ...main, ...next }).filter((k) => k !== 'id' && k !== 'updated' && !same(main[k], next[k]))
    const patch: Patch = Object.fromEntries(keys.map((k) => [k, next[k] ?? null]))
    const back: Patch = Object.fromEntries(keys.map((k) => [k, main[k] ?? null]))
    const groups = this.summaries().filter(isGroup).flatMap((g) => {
      const members = remembered(g.members, others.map((c) => c.uid), main.uid!)
      return members ? [{ id: g.id, members, was: g.members }] : []
    })
    const update = [...(keys.length ? [{ id: main.id, patch }] : []), ...groups.map((g) => ({ id: g.id, patch: { members: g.members } }))]
    await this.set({ update, destroy: others.map((c) => c.id) })
    const undo = async () => {
      await this.set({
        create: others, update: [...(keys.length ? [{ id: main.id, patch: back }] : []), ...groups.map((g) => ({ id: g.id, patch: { members: g.was ?? null } }))],
      })
    }
    return { id: main.id, undo }
  }

  /** Puts somebody into a group, or takes them out of it. */
  async setMember(group: Kept, uid: string, is: boolean): Promise<void> {
    const members = { ...group.members }
    if (is) members[uid] = true
    else delete members[uid]
    try {
      await this.updateNow(group.id, { members: Object.keys(members).length > 0 ? members : null })
    } catch (cause) {
      toasts.fail(cause)
    }
  }
}

function slices<T>(list: readonly T[], size: number): { at: number; items: T[] }[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => ({ at: i * size, items: list.slice(i * size, (i + 1) * size) }))
}

export const contacts = new Contacts()
