// A JMAP server in memory for the tests of the stores: it knows as much of RFC 8621 as they ask.

import type { Id, Summary } from '#/lib/jmap/types'

type Args = Record<string, unknown>
type Answer = Record<string, unknown>

interface Event {
  at: number
  id: Id
  threadId: Id
  kind: 'created' | 'updated' | 'destroyed'
}

export class TestServer {
  messages = new Map<Id, Summary>()
  log: Event[] = []
  state = 0
  calls: string[] = []
  /** Changes older than this are forgotten. */
  horizon = 0
  /** The next Email/set is refused for these. */
  refuse = new Set<Id>()
  offline = false
  private next = 1

  add(threadId: Id, mailbox: Id, keywords: string[] = []): Id {
    const id = `m${this.next++}`
    this.messages.set(id, {
      id, blobId: `b${id}`, threadId, mailboxIds: { [mailbox]: true }, keywords: Object.fromEntries(keywords.map((k) => [k, true as const])), from: [{ name: null, email: `${id}@x.example` }],
      to: null, subject: id, receivedAt: new Date(Date.UTC(2024, 0, 1) + this.next * 60_000).toISOString(), preview: id, hasAttachment: false, size: 100,
    })
    this.note(id, threadId, 'created')
    return id
  }

  patch(id: Id, change: Partial<Summary>): void {
    const m = this.messages.get(id)
    if (!m) return
    this.messages.set(id, { ...m, ...change })
    this.note(id, m.threadId, 'updated')
  }

  remove(id: Id): void {
    const m = this.messages.get(id)
    if (!m) return
    this.messages.delete(id)
    this.note(id, m.threadId, 'destroyed')
  }

  private note(id: Id, threadId: Id, kind: Event['kind']): void {
    this.log.push({ at: ++this.state, id, threadId, kind })
  }

  query(mailbox: Id, collapse: boolean): Id[] {
    const all = [...this.messages.values()].filter((m) => mailbox in m.mailboxIds).sort((a, b) => b.receivedAt.localeCompare(a.receivedAt))
    const seen = new Set<Id>()
    return all.filter((m) => !collapse || (!seen.has(m.threadId) && seen.add(m.threadId))).map((m) => m.id)
  }

  // ---- as the client sees it

  limit(): number {
    return 1000
  }

  async call(name: string, args: Args = {}): Promise<Answer> {
    await Promise.resolve()
    return this.answer(name, args)
  }

  async batch(calls: [string, Args][], signal?: AbortSignal): Promise<Answer[]> {
    await new Promise((r) => setTimeout(r))
    if (signal?.aborted) throw new DOMException('aborted', 'AbortError')
    const out: Answer[] = []
    for (const [name, args] of calls) {
      const resolved: Args = {}
      for (const [key, value] of Object.entries(args)) {
        if (!key.startsWith('#')) resolved[key] = value
        else resolved[key.slice(1)] = pointer(out[Number((value as { resultOf: string }).resultOf.slice(1))], (value as { path: string }).path)
      }
      out.push(this.answer(name, resolved))
    }
    return structuredClone(out)
  }

  /** How errors are made; the client's own classes are given by the test. */
  fail: (type: string) => Error = (type) => new Error(type)

  private answer(name: string, args: Args): Answer {
    this.calls.push(name)
    if (this.offline) throw this.fail('offline')
    switch (name) {
      case 'Email/query': {
        const all = this.query((args['filter'] as { inMailbox: Id }).inMailbox, args['collapseThreads'] === true)
        const position = Math.min(Number(args['position'] ?? 0), all.length)
        return { ids: all.slice(position, position + Number(args['limit'] ?? 1e9)), position, total: all.length, queryState: String(this.state), canCalculateChanges: true }
      }
      case 'Email/queryChanges': return this.queryChanges(args)
      case 'Email/get': {
        const ids = args['ids'] as Id[]
        return { list: ids.map((id) => this.messages.get(id)).filter(Boolean), notFound: ids.filter((id) => !this.messages.has(id)), state: String(this.state) }
      }
      case 'Thread/get': {
        const ids = [...new Set(args['ids'] as Id[])]
        const list = ids.map((id) => ({ id, emailIds: [...this.messages.values()].filter((m) => m.threadId === id).map((m) => m.id) })).filter((t) => t.emailIds.length > 0)
        return { list, notFound: [], state: String(this.state) }
      }
      case 'Email/changes': {
        const since = Number(args['sinceState'])
        if (since < this.horizon) throw this.fail('cannotCalculateChanges')
        const news = this.log.filter((e) => e.at > since)
        const made = new Set(news.filter((e) => e.kind === 'created').map((e) => e.id))
        const gone = new Set(news.filter((e) => e.kind === 'destroyed').map((e) => e.id))
        const touched = new Set(news.filter((e) => e.kind === 'updated').map((e) => e.id))
        return {
          oldState: String(since), newState: String(this.state), hasMoreChanges: false, created: [...made].filter((id) => !gone.has(id)), destroyed: [...gone].filter((id) => !made.has(id)),
          updated: [...touched].filter((id) => !made.has(id) && !gone.has(id)),
        }
      }
      case 'Email/set': return this.set(args)
      default: throw this.fail('unknownMethod')
    }
  }

  private queryChanges(args: Args): Answer {
    const since = Number(args['sinceQueryState'])
    if (since < this.horizon) throw this.fail('cannotCalculateChanges')
    const collapse = args['collapseThreads'] === true
    const news = this.log.filter((e) => e.at > since)
    const moved = new Set(news.map((e) => e.id))
    if (collapse) for (const m of this.messages.values()) if (news.some((e) => e.threadId === m.threadId)) moved.add(m.id)
    const all = this.query((args['filter'] as { inMailbox: Id }).inMailbox, collapse)
    const added = all.flatMap((id, index) => (moved.has(id) ? [{ id, index }] : []))
    if (added.length + moved.size > Number(args['maxChanges'])) throw this.fail('tooManyChanges')
    return { removed: [...moved], added, total: all.length, oldQueryState: String(since), newQueryState: String(this.state) }
  }

  private set(args: Args): Answer {
    const notUpdated: Record<Id, { type: string }> = {}
    for (const [id, patch] of Object.entries((args['update'] ?? {}) as Record<Id, Record<string, unknown>>)) {
      const m = this.messages.get(id)
      if (!m || this.refuse.has(id)) {
        notUpdated[id] = { type: m ? 'forbidden' : 'notFound' }
        continue
      }
      const next = { keywords: { ...m.keywords }, mailboxIds: { ...m.mailboxIds } } as unknown as Record<string, Record<string, unknown>>
      for (const [path, value] of Object.entries(patch)) {
        const [name, key] = path.split('/')
        if (key === undefined) next[name!] = value as Record<string, unknown>
        else if (value === null) delete next[name!]![key]
        else next[name!]![key] = value
      }
      this.patch(id, next as unknown as Partial<Summary>)
    }
    const destroyed = ((args['destroy'] ?? []) as Id[]).filter((id) => this.messages.has(id))
    destroyed.forEach((id) => this.remove(id))
    return { oldState: '', newState: String(this.state), updated: {}, notUpdated, destroyed, notDestroyed: {} }
  }
}

function pointer(from: Answer | undefined, path: string): unknown {
  let at: unknown[] = [from]
  let many = false
  for (const part of path.split('/').slice(1)) {
    if (part === '*') {
      at = at.flat()
      many = true
    } else at = at.map((a) => (a as Record<string, unknown>)[part])
  }
  return many ? at.flat() : at[0]
}
