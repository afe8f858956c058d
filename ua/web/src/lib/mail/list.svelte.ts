// A query as a list of any length: rows are known by index, pages of ids and summaries load as rows come into view, and changes on the server shift
// what is known instead of loading it again.

import { session } from '#/lib/session.svelte'
import { MethodError, ref } from '#/lib/jmap/client'
import type { Filter, GetResult, Id, QueryChanges, QueryResult, State, Summary } from '#/lib/jmap/types'
import { emails, summaryProperties } from './emails.svelte'
import { belongs } from './match'
import { pageSize, Rows } from './rows'

export interface Query {
  filter: Filter | null
  /** One row for a thread, its latest message that matches. */
  collapse: boolean
}

type Threads = GetResult<{ id: Id; emailIds: Id[] }>

const sort = [{ property: 'receivedAt', isAscending: false }]
const idsPerQuery = 10_000
const triesAtMost = 5

export class List {
  /** null until the first answer. */
  total = $state<number | null>(null)
  /** Grows with every change of the rows; at, indexOf and known read it. */
  version = $state(0)
  failure = $state.raw<unknown>(null)
  private rows = new Rows()
  private state: State = ''
  private range: [from: number, to: number] = [0, pageSize / 2]
  private flights = new Map<number, AbortController>()
  /** How often pages were asked for since one last looked elsewhere: a server that contradicts itself is not asked for ever. */
  private tries = new Map<number, number>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private refreshing: Promise<void> | undefined
  private again = false
  private stale = false
  private active = false
  private offs: (() => void)[]

  constructor(readonly query: Query) {
    this.offs = [emails.onNews(() => this.hear()), emails.onTouch((ids) => this.reconsider(ids))]
  }

  /** Ends the list for good. */
  close(): void {
    this.rest()
    this.offs.forEach((off) => off())
  }

  /** The list is shown: it loads, and follows the server's news. */
  wake(): void {
    this.active = true
    if (this.stale) void this.refresh()
    else this.pump()
  }

  /** The list is out of sight. What is known is kept. */
  rest(): void {
    this.active = false
    clearTimeout(this.timer)
    this.timer = undefined
    this.flights.forEach((f) => f.abort())
    this.flights.clear()
  }

  // ---- rows

  at(i: number): Id | undefined {
    void this.version
    return this.rows.at(i)
  }

  indexOf(id: Id): number {
    void this.version
    return this.rows.indexOf(id)
  }

  known(): Id[] {
    void this.version
    return this.rows.known()
  }

  get length(): number {
    void this.version
    return this.rows.length
  }

  /** The index of the row that shows a thread, or -1 when it is not known. */
  indexOfThread(threadId: Id): number {
    const members = new Set(emails.members(threadId) ?? [])
    const known = this.known()
    const row = known.find((id) => members.has(id)) ?? known.find((id) => emails.peek(id)?.threadId === threadId)
    return row === undefined ? -1 : this.indexOf(row)
  }

  /** Says which rows are in view; what is missing there and close by is loaded. */
  look(from: number, to: number): void {
    const jump = Math.abs(from - this.range[0]) > 2 * pageSize
    if (from !== this.range[0] || to !== this.range[1]) this.tries.clear()
    this.range = [Math.max(0, from), to]
    if (!this.active || this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, jump ? 60 : 16) // who drags the scrollbar passes over many pages
  }

  /** Tries again what failed. */
  retry(): void {
    this.failure = null
    this.tries.clear()
    this.pump()
  }

  private pump(): void {
    if (!this.active) return
    const [from, to] = this.range
    const ahead = pageSize / 2
    const wanted = this.rows.missing(Math.max(0, from - ahead), to + ahead)
    for (const [page, flight] of this.flights) {
      if (wanted.includes(page)) continue
      flight.abort()
      this.flights.delete(page)
    }
    for (const page of wanted) {
      const tries = this.tries.get(page) ?? 0
      if (this.flights.has(page) || tries >= triesAtMost) continue
      this.tries.set(page, tries + 1)
      void this.fetch(page)
    }
    const lacking = this.rows.slice(from, to).filter((id) => id !== undefined && !emails.has(id)) as Id[]
    if (lacking.length > 0) emails.load(lacking).catch(() => undefined)
  }

  private async fetch(page: number): Promise<void> {
    const flight = new AbortController()
    this.flights.set(page, flight)
    try {
      const query = { ...this.args(), position: page * pageSize, limit: pageSize, calculateTotal: true }
      const found = await this.read<QueryResult>('Email/query', query, '/ids', flight.signal)
      if (flight.signal.aborted) return
      this.flights.delete(page)
      this.failure = null
      this.rows.page(found.position, found.position === page * pageSize ? found.ids : [], found.total ?? 0, found.queryState === this.state)
      this.state = found.queryState
      this.changed()
      this.pump() // what is in doubt now
    } catch (cause) {
      if (flight.signal.aborted) return
      this.flights.delete(page)
      this.failure = cause
    }
  }

  private args(): Record<string, unknown> {
    return { filter: this.query.filter, sort, collapseThreads: this.query.collapse }
  }

  /** A query, and in the same request what rows show of its results. */
  private async read<T>(name: string, query: Record<string, unknown>, path: string, signal?: AbortSignal): Promise<T> {
    const summaries = { properties: summaryProperties }
    if (!this.query.collapse) {
      const [found, list] = (await session.jmap.batch([[name, query], ['Email/get', { '#ids': ref(0, name, path), ...summaries }]], signal)) as unknown as [T, GetResult<Summary>]
      emails.took(list)
      return found
    }
    try {
      const [found, , threads, list] = (await session.jmap.batch([
        [name, query],
        ['Email/get', { '#ids': ref(0, name, path), properties: ['threadId'] }],
        ['Thread/get', { '#ids': ref(1, 'Email/get', '/list/*/threadId') }],
        ['Email/get', { '#ids': ref(2, 'Thread/get', '/list/*/emailIds'), ...summaries }],
      ], signal)) as unknown as [T, unknown, Threads, GetResult<Summary>]
      emails.took(list)
      emails.putThreads(threads.list)
      return found
    } catch (cause) {
      if (!(cause instanceof MethodError) || cause.type !== 'requestTooLarge') throw cause
    }
    // very long threads: their messages come in pieces, after the rows
    const [found, list, threads] = (await session.jmap.batch([
      [name, query],
      ['Email/get', { '#ids': ref(0, name, path), ...summaries }],
      ['Thread/get', { '#ids': ref(1, 'Email/get', '/list/*/threadId') }],
    ], signal)) as unknown as [T, GetResult<Summary>, Threads]
    emails.took(list)
    emails.putThreads(threads.list)
    void emails.loadThreads(threads.list.map((t) => t.id)).catch(() => undefined)
    return found
  }

  private changed(): void {
    const back = this.rows.away().filter((id) => this.holds(id)) // taken back, here or elsewhere
    if (back.length > 0) this.rows.hide(back, false)
    this.total = this.rows.length
    this.version++
  }

  // ---- news

  private hear(): void {
    if (this.active) void this.refresh()
    else this.stale = true
  }

  /** Asks what has changed since. */
  refresh(): Promise<void> {
    if (this.refreshing) {
      this.again = true
      return this.refreshing
    }
    this.stale = false
    this.refreshing = this.follow()
      .catch(() => void (this.stale = true))
      .finally(() => {
        this.refreshing = undefined
        if (this.again) {
          this.again = false
          void this.refresh()
        }
      })
    return this.refreshing
  }

  private async follow(): Promise<void> {
    this.tries.clear()
    if (this.total === null || !this.state) {
      this.pump()
      return
    }
    const since = this.state
    try {
      const query = { ...this.args(), sinceQueryState: since, maxChanges: 300, calculateTotal: true }
      const c = await this.read<QueryChanges>('Email/queryChanges', query, '/added/*/id')
      if (this.state !== since) return // a page brought a newer state meanwhile
      this.rows.change(c.removed, c.added, c.total ?? this.rows.length)
      this.state = c.newQueryState
    } catch (cause) {
      if (!(cause instanceof MethodError)) throw cause
      this.rows.doubtAll()
    }
    this.changed()
    this.pump()
  }

  /** Messages were changed here: rows that no longer belong go at once, and come back when the change is taken back. */
  private reconsider(ids: Id[]): void {
    const candidates = new Set<Id>(ids)
    for (const id of ids) {
      const s = emails.peek(id)
      if (s && this.query.collapse) for (const m of emails.members(s.threadId) ?? []) candidates.add(m)
    }
    const away = this.rows.present(candidates).filter((id) => !this.holds(id))
    if (away.length === 0 && this.rows.away().length === 0) return
    this.rows.hide(away, true)
    this.changed()
    if (this.active) this.pump()
  }

  private holds(id: Id): boolean {
    const fits = (one: Id) => {
      const s = emails.peek(one)
      return s !== undefined && belongs(this.query.filter, s.mailboxIds) !== 'no'
    }
    if (fits(id)) return true
    if (!this.query.collapse) return false
    const threadId = emails.threadOf(id)
    return threadId !== undefined && (emails.members(threadId) ?? []).some(fits)
  }

  // ---- for acts

  /** Ids of rows from…to, also of those that are not loaded. */
  async idsBetween(from: number, to: number): Promise<Id[]> {
    const known = this.rows.slice(from, to)
    if (known.every((id) => id !== undefined)) return known as Id[]
    return this.ids(this.query.collapse, from, to)
  }

  /** Ids of all messages that match, without regard to threads. */
  allMessages(): Promise<Id[]> {
    return this.ids(false, 0, Infinity)
  }

  private async ids(collapse: boolean, from: number, to: number): Promise<Id[]> {
    const out: Id[] = []
    for (let at = from; at < to; ) {
      const limit = Math.min(idsPerQuery, to - at)
      const r = await session.jmap.call<QueryResult>('Email/query', { ...this.args(), collapseThreads: collapse, position: at, limit })
      out.push(...r.ids)
      at += r.ids.length
      if (r.ids.length < limit) break
    }
    return out
  }
}
