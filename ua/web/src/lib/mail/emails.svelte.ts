// Messages as all pages share them: summaries by id, threads, a bounded number of whole messages. Changes show at once and are taken back when the
// server refuses them; what others change comes in with the server's news.
//
// What is shown of a message is what the server last said with the changes on top that are still under way (pending).

import { SvelteMap } from 'svelte/reactivity'
import { Failure } from '#/lib/api'
import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { MethodError, Refused } from '#/lib/jmap/client'
import type { Changes, Email, GetResult, Id, SetError, SetResult, State, Summary } from '#/lib/jmap/types'
import { apply, chunks, idle, inverse, wire, type Patch } from './patch'

export type { Patch } from './patch'

/** What a list wants to know of a message. */
export const summaryProperties = [
  'id', 'blobId', 'threadId', 'mailboxIds', 'keywords', 'from', 'to', 'subject', 'receivedAt', 'preview', 'hasAttachment', 'size',
] as const

/** What a whole message has besides: see Email, and these fields of its header. */
export const wholeProperties = [
  ...summaryProperties, 'sender', 'cc', 'bcc', 'replyTo', 'sentAt', 'messageId', 'inReplyTo', 'references', 'htmlBody', 'textBody', 'attachments',
  'bodyValues', 'header:List-Id:asText', 'header:List-Post:asURLs', 'header:List-Unsubscribe:asURLs', 'header:List-Unsubscribe-Post:asText',
  'header:Disposition-Notification-To:asAddresses',
] as const

const bodyProperties = ['partId', 'blobId', 'size', 'name', 'type', 'charset', 'disposition', 'cid']
const maxBody = 1_000_000 // octets of one text that are shown
const wholeAtMost = 80
const charactersAtMost = 24_000_000
const summariesAtMost = 30_000
const perCall = 250

export interface UpdateOptions {
  /** What the toast says; with none the change is silent. */
  text?: string
  /** Whether the toast offers to undo. Default: yes. */
  undo?: boolean
}

class Emails {
  private base = new Map<Id, Summary>()
  private shown = new SvelteMap<Id, Summary>()
  private threads = new SvelteMap<Id, Id[]>()
  private pending = new Map<Id, Patch[]>()
  private dying = new SvelteMap<Id, true>()
  private bodies = new Map<Id, Email>()
  private loadingBodies = new Map<Id, Promise<Email>>()
  private loading = new Map<Id, Promise<void>>()
  private state: State = ''
  private refreshing: Promise<void> | undefined
  private again = false
  private touched = new Set<(ids: Id[]) => void>()
  private arrivals = new Set<(list: Summary[]) => void>()
  private news = new Set<() => void>()

  constructor() {
    session.onChange((changed) => {
      if (changed['Email'] && changed['Email'] !== this.state) void this.refresh()
    })
  }

  // ---- reading

  /** What is known of a message right now; undefined when it is not loaded or about to be destroyed. Reactive. */
  peek(id: Id): Summary | undefined {
    return this.dying.has(id) ? undefined : this.shown.get(id)
  }

  has(id: Id): boolean {
    return this.base.has(id)
  }

  isDying(id: Id): boolean {
    return this.dying.has(id)
  }

  /** Ids of a thread's messages, oldest first, as far as known. Reactive. */
  members(threadId: Id): Id[] | undefined {
    return this.threads.get(threadId)
  }

  /** The thread of a message, as far as known, also of one that is about to be destroyed. */
  threadOf(id: Id): Id | undefined {
    return this.base.get(id)?.threadId
  }

  /** Summaries of messages, loaded where need be. Those that are gone are left out. */
  async get(ids: readonly Id[]): Promise<Summary[]> {
    await this.load(ids.filter((id) => !this.base.has(id)))
    return ids.map((id) => this.peek(id)).filter((s) => s !== undefined)
  }

  /** Loads summaries, also of those that are known already. */
  async load(ids: readonly Id[]): Promise<void> {
    const wanted = [...new Set(ids)]
    const waits = new Set(wanted.map((id) => this.loading.get(id)).filter((p) => p !== undefined))
    for (const some of chunks(wanted.filter((id) => !this.loading.has(id)), perCall)) {
      const p = session.jmap.call<GetResult<Summary>>('Email/get', { ids: some, properties: summaryProperties })
        .then((r) => this.took(r))
        .finally(() => some.forEach((id) => this.loading.delete(id)))
      some.forEach((id) => this.loading.set(id, p))
      waits.add(p)
    }
    await Promise.all(waits)
  }

  /** Takes in what an Email/get of summaryProperties gave. */
  took(r: GetResult<Summary>): void {
    this.put(r.list)
    for (const id of r.notFound ?? []) this.forget(id)
    if (!this.state) this.state = r.state
  }

  put(list: Summary[]): void {
    for (const s of list) {
      const known = this.base.get(s.id)
      if (known && same(known, s)) continue
      this.base.set(s.id, s)
      this.show(s.id)
    }
    if (this.base.size > summariesAtMost) this.shrink()
  }

  putThreads(list: { id: Id; emailIds: Id[] }[]): void {
    for (const t of list) {
      const known = this.threads.get(t.id)
      if (!known || known.length !== t.emailIds.length || known.some((id, i) => id !== t.emailIds[i])) this.threads.set(t.id, t.emailIds)
    }
  }

  /** A thread's messages, oldest first; always asks the server, and takes what is known meanwhile for granted. */
  async thread(threadId: Id): Promise<Id[]> {
    const r = await session.jmap.call<GetResult<{ id: Id; emailIds: Id[] }>>('Thread/get', { ids: [threadId] })
    this.putThreads(r.list)
    const found = r.list[0]
    if (!found) {
      this.threads.delete(threadId)
      return []
    }
    await this.load(found.emailIds.filter((id) => !this.base.has(id)))
    return found.emailIds
  }

  /** Loads threads and all their messages' summaries, where they are not known. */
  async loadThreads(ids: readonly Id[]): Promise<void> {
    const wanted = [...new Set(ids)].filter((id) => !this.threads.has(id))
    for (const some of chunks(wanted, perCall)) {
      const r = await session.jmap.call<GetResult<{ id: Id; emailIds: Id[] }>>('Thread/get', { ids: some })
      this.putThreads(r.list)
    }
    await this.load(ids.flatMap((id) => this.threads.get(id) ?? []).filter((id) => !this.base.has(id)))
  }

  /** A message with its texts. Its keywords and mailboxes are as they were when it was read: peek tells how they are now. */
  whole(id: Id): Promise<Email> {
    const have = this.bodies.get(id)
    if (have) {
      this.bodies.delete(id) // used last, dropped last
      this.bodies.set(id, have)
      return Promise.resolve(have)
    }
    let p = this.loadingBodies.get(id)
    if (!p) {
      p = this.read(id).finally(() => this.loadingBodies.delete(id))
      this.loadingBodies.set(id, p)
    }
    return p
  }

  /** The whole message when it is at hand. */
  wholeNow(id: Id): Email | undefined {
    return this.bodies.get(id)
  }

  private async read(id: Id): Promise<Email> {
    const r = await session.jmap.call<GetResult<Email>>('Email/get', {
      ids: [id], properties: wholeProperties, bodyProperties, fetchTextBodyValues: true, fetchHTMLBodyValues: true, maxBodyValueBytes: maxBody,
    })
    const email = r.list[0]
    if (!email) {
      this.forget(id)
      throw new MethodError('notFound', 'This message is no longer there.')
    }
    this.put([summaryOf(email)])
    this.bodies.set(id, email)
    let characters = 0
    const newest = [...this.bodies].reverse()
    newest.forEach(([key, e], i) => {
      for (const v of Object.values(e.bodyValues)) characters += v.value.length
      if (i > 0 && (i >= wholeAtMost || characters > charactersAtMost)) this.bodies.delete(key)
    })
    return email
  }

  /** Reads whole messages ahead of their being wanted; what fails is read again when it is. */
  prefetch(ids: readonly Id[]): void {
    for (const id of ids.slice(0, 5)) if (!this.bodies.has(id)) this.whole(id).catch(() => undefined)
  }

  /** Reads whole messages one by one while there is nothing else to do, so that they can be read without the network. */
  async keep(ids: readonly Id[], signal: AbortSignal): Promise<void> {
    for (const id of ids) {
      await new Promise((go) => setTimeout(go, 150))
      if (signal.aborted) return
      if (this.bodies.has(id) || !this.base.has(id) || this.base.get(id)!.size > 2_000_000) continue
      try {
        await this.whole(id)
      } catch {
        return // the network is gone, or the server is busy
      }
    }
  }

  // ---- changing

  /** Calls back with the ids of messages whose keywords, mailboxes or life were changed here. */
  onTouch(f: (ids: Id[]) => void): () => void {
    this.touched.add(f)
    return () => this.touched.delete(f)
  }

  /** Calls back with messages that came in while we were looking. */
  onArrive(f: (list: Summary[]) => void): () => void {
    this.arrivals.add(f)
    return () => this.arrivals.delete(f)
  }

  /** Calls back when the server's messages have changed and what is cached has been brought up to date. */
  onNews(f: () => void): () => void {
    this.news.add(f)
    return () => this.news.delete(f)
  }

  private touch(ids: Id[]): void {
    for (const f of this.touched) f(ids)
  }

  /**
   * Changes messages: shown at once, taken back where the server refuses. A function may give each message its own patch, or null for none.
   * It needs their summaries; those that are not cached are loaded first. Gives whether all went well; errors are told in a toast.
   */
  async update(ids: readonly Id[], patch: Patch | ((s: Summary) => Patch | null), options: UpdateOptions = {}): Promise<boolean> {
    const lacking = ids.filter((id) => !this.base.has(id))
    try {
      if (lacking.length > 0) await this.load(lacking) // with none, the change shows before this function gives its promise
    } catch (cause) {
      toasts.fail(cause)
      return false
    }
    const patches = new Map<Id, Patch>()
    const back = new Map<Id, Patch>()
    for (const id of new Set(ids)) {
      const s = this.shown.get(id)
      const p = s && (typeof patch === 'function' ? patch(s) : patch)
      if (!s || !p || idle(s, p)) continue
      patches.set(id, p)
      back.set(id, inverse(s, p))
    }
    if (patches.size === 0) return true
    const sent = this.send(patches)
    let close = () => {}
    if (options.text) {
      const undo = async () => {
        await sent
        if (!(await this.send(back))) toasts.show('Not everything could be undone.', { tone: 'bad' })
      }
      close = toasts.show(options.text, options.undo === false ? {} : { action: { label: 'Undo', run: undo } })
    }
    const fine = await sent
    if (!fine) close()
    return fine
  }

  /** Sends patches by id. */
  async send(patches: Map<Id, Patch>): Promise<boolean> {
    const ids = [...patches.keys()]
    for (const [id, p] of patches) this.pending.set(id, [...(this.pending.get(id) ?? []), p])
    ids.forEach((id) => this.show(id))
    this.touch(ids)
    let failure: unknown
    await Promise.all(chunks(ids, Math.min(perCall, session.jmap.limit('maxObjectsInSet'))).map(async (some) => {
      let refused: Record<Id, SetError> = {}
      let lost = false
      try {
        const r = await insist(() => session.jmap.call<SetResult<Summary>>('Email/set', { update: Object.fromEntries(some.map((id) => [id, wire(patches.get(id)!)])) }))
        refused = r.notUpdated ?? {}
      } catch (cause) {
        lost = true
        failure = cause
      }
      const back: Id[] = []
      for (const id of some) {
        this.settle(id, patches.get(id)!, !lost && !refused[id])
        if (lost || refused[id]) back.push(id)
        if (refused[id]?.type === 'notFound') this.forget(id)
        else if (refused[id]) failure ??= new Refused(refused[id])
      }
      if (back.length > 0) this.touch(back)
    }))
    if (failure) toasts.fail(failure, { label: 'Try again', run: async () => void (await this.send(patches)) })
    return !failure
  }

  private settle(id: Id, patch: Patch, done: boolean): void {
    const left = (this.pending.get(id) ?? []).filter((p) => p !== patch)
    if (left.length > 0) this.pending.set(id, left)
    else this.pending.delete(id)
    const s = this.base.get(id)
    if (s && done) this.base.set(id, apply(s, patch))
    this.show(id)
  }

  /** Destroys messages for good; there is no undo, so ask first. */
  async destroy(ids: readonly Id[]): Promise<boolean> {
    const all = [...new Set(ids)]
    all.forEach((id) => this.dying.set(id, true))
    this.touch(all)
    let failure: unknown
    for (const some of chunks(all, perCall)) {
      let kept: Record<Id, SetError> = {}
      let lost = false
      try {
        const r = await insist(() => session.jmap.call<SetResult>('Email/set', { destroy: some }))
        kept = r.notDestroyed ?? {}
      } catch (cause) {
        lost = true
        failure = cause
      }
      const back = some.filter((id) => lost || (kept[id] && kept[id].type !== 'notFound'))
      some.forEach((id) => this.dying.delete(id))
      some.filter((id) => !back.includes(id)).forEach((id) => this.forget(id))
      if (back.length > 0) {
        failure ??= new Refused(kept[back[0]!]!)
        this.touch(back)
      }
    }
    if (failure) toasts.fail(failure)
    return !failure
  }

  /**
   * Changes very many messages in pieces, without loading what lists show of them. Gives what turns it back, as far as it came;
   * progress is told the number done.
   */
  async sweep(
    ids: readonly Id[], patch: (s: Pick<Summary, 'keywords' | 'mailboxIds'>) => Patch | null, progress: (done: number) => void, signal: AbortSignal,
  ): Promise<Map<Id, Patch>> {
    const back = new Map<Id, Patch>()
    let done = 0
    for (const some of chunks(ids, Math.min(500, session.jmap.limit('maxObjectsInSet'), session.jmap.limit('maxObjectsInGet')))) {
      if (signal.aborted) break
      const r = await session.jmap.call<GetResult<Summary>>('Email/get', { ids: some, properties: ['id', 'keywords', 'mailboxIds'] })
      const update: Record<Id, Record<string, unknown>> = {}
      const patches = new Map<Id, Patch>()
      for (const s of r.list) {
        const p = patch(s)
        if (!p || idle(s, p)) continue
        update[s.id] = wire(p)
        patches.set(s.id, p)
        back.set(s.id, inverse(s, p))
      }
      if (patches.size > 0) await this.store(update, patches, back)
      done += some.length
      progress(done)
    }
    return back
  }

  /** Turns back what a sweep did. */
  async restore(back: Map<Id, Patch>, progress: (done: number) => void, signal: AbortSignal): Promise<void> {
    let done = 0
    for (const some of chunks([...back], Math.min(500, session.jmap.limit('maxObjectsInSet')))) {
      if (signal.aborted) return
      await this.store(Object.fromEntries(some.map(([id, p]) => [id, wire(p)])), new Map(some), new Map())
      done += some.length
      progress(done)
    }
  }

  private async store(update: Record<Id, Record<string, unknown>>, patches: Map<Id, Patch>, back: Map<Id, Patch>): Promise<void> {
    const set = await session.jmap.call<SetResult<Summary>>('Email/set', { update })
    for (const id of Object.keys(set.notUpdated ?? {})) {
      patches.delete(id)
      back.delete(id)
    }
    for (const [id, p] of patches) {
      const s = this.base.get(id)
      if (!s) continue
      this.base.set(id, apply(s, p))
      this.show(id)
    }
    this.touch([...patches.keys()])
  }

  // ---- news

  /** Brings what is cached up to date. Calls of the same time share one. */
  refresh(): Promise<void> {
    if (this.refreshing) {
      this.again = true
      return this.refreshing
    }
    this.refreshing = this.follow()
      .catch(() => undefined) // the next news bring it
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
    if (!this.state) {
      this.tellNews()
      return
    }
    const made: Id[] = []
    for (let more = true; more; ) {
      let changes: Changes
      try {
        changes = await session.jmap.call<Changes>('Email/changes', { sinceState: this.state, maxChanges: 1000 })
      } catch (cause) {
        if (!(cause instanceof MethodError)) throw cause
        await this.reload()
        return
      }
      this.tellNews() // lists ask at the same time as we do
      changes.destroyed.forEach((id) => this.forget(id))
      await this.load(changes.updated.filter((id) => this.base.has(id)))
      made.push(...changes.created)
      this.state = changes.newState
      more = changes.hasMoreChanges
    }
    await this.greet(made)
  }

  private tellNews(): void {
    for (const f of this.news) f()
  }

  /** What came in: threads that we know get longer, and whoever listens hears of it. */
  private async greet(made: Id[]): Promise<void> {
    if (made.length === 0) return
    const fresh = made.slice(-100)
    const list = await this.get(fresh)
    const stale = new Set(list.map((s) => s.threadId).filter((id) => this.threads.has(id)))
    if (stale.size > 0) {
      const r = await session.jmap.call<GetResult<{ id: Id; emailIds: Id[] }>>('Thread/get', { ids: [...stale] })
      this.putThreads(r.list)
    }
    for (const f of this.arrivals) f(list)
  }

  /** The server does not know any more what has changed: all that is known is asked for anew. */
  private async reload(): Promise<void> {
    this.state = ''
    const newest = [...this.base.keys()].slice(-1000)
    const keep = new Set(newest)
    for (const id of [...this.base.keys()]) if (!keep.has(id)) this.drop(id)
    this.threads.clear()
    this.tellNews()
    for (const some of chunks(newest, perCall)) {
      this.took(await session.jmap.call<GetResult<Summary>>('Email/get', { ids: some, properties: summaryProperties }))
    }
  }

  // ---- within

  private show(id: Id): void {
    const s = this.base.get(id)
    if (s) this.shown.set(id, (this.pending.get(id) ?? []).reduce((a, p) => apply(a, p), s))
  }

  /** A message that is no longer there. */
  private forget(id: Id): void {
    const s = this.base.get(id)
    this.drop(id)
    this.bodies.delete(id)
    if (!s) return
    const members = this.threads.get(s.threadId)
    if (members?.includes(id)) this.threads.set(s.threadId, members.filter((m) => m !== id))
  }

  private drop(id: Id): void {
    this.base.delete(id)
    this.shown.delete(id)
  }

  /** Drops those that have been known longest. Lists load them again when they are shown. */
  private shrink(): void {
    let n = this.base.size - summariesAtMost * 0.8
    for (const id of this.base.keys()) {
      if (n-- <= 0) break
      if (!this.pending.has(id)) this.drop(id)
    }
  }
}

/** Does something again once somebody has logged in again, when the session has ended under it. */
async function insist<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run()
    } catch (cause) {
      if (!(cause instanceof Failure) || cause.kind !== 'unauthenticated') throw cause
      await new Promise<void>((resolve) => {
        const stop = $effect.root(() => {
          $effect(() => {
            if (session.phase !== 'in') return
            resolve()
            queueMicrotask(() => stop())
          })
        })
      })
    }
  }
}

function same(a: Summary, b: Summary): boolean {
  const keys = (r: Record<string, true>) => Object.keys(r).sort().join(' ')
  return a.threadId === b.threadId && a.preview === b.preview && keys(a.keywords) === keys(b.keywords) && keys(a.mailboxIds) === keys(b.mailboxIds)
}

function summaryOf(e: Email): Summary {
  return Object.fromEntries(summaryProperties.map((p) => [p, e[p]])) as unknown as Summary
}

export const emails = new Emails()
