// The people one writes to: correspondents by how often, and contacts where the server has them. What is typed is completed from here.

import { get } from '#/lib/api'
import { session } from '#/lib/session.svelte'
import type { GetResult, Id } from '#/lib/jmap/types'

export interface Person {
  name: string
  email: string
}

/** A name for several people, which expands to all of them. */
export interface Group {
  name: string
  members: Person[]
}

interface Known extends Person {
  count: number
  /** Folded words that what is typed is looked for in. */
  words: string[]
}

/** A contact as far as it matters here (RFC 9553). */
interface Card {
  id: Id
  uid?: string
  kind?: string
  name?: { full?: string; components?: { kind: string; value: string }[] }
  organizations?: Record<string, { name?: string }>
  emails?: Record<string, { address: string; label?: string }>
  members?: Record<string, boolean>
}

/** Letters without case and marks, so that "muller" finds "Müller". */
export function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLocaleLowerCase().replace(/ß/g, 'ss')
}

function wordsOf(p: Person): string[] {
  const local = p.email.split('@')[0] ?? ''
  return [...fold(p.name).split(/[\s,.'"()-]+/), fold(p.email), ...fold(local).split(/[._+-]+/)].filter(Boolean)
}

export function nameOf(c: Card): string {
  if (c.name?.full) return c.name.full
  const parts = (c.name?.components ?? []).filter((p) => p.kind !== 'separator').map((p) => p.value)
  return parts.join(' ') || Object.values(c.organizations ?? {})[0]?.name || ''
}

class People {
  private known = $state.raw(new Map<string, Known>())
  private groups = $state.raw<Group[]>([])
  private loading: Promise<void> | undefined
  private loadedAt = 0

  constructor() {
    session.onChange((changed) => {
      if (changed['ContactCard']) this.loadedAt = 0
    })
  }

  /** Loads them, once in a while. find works with what is there. */
  load(): Promise<void> {
    if (Date.now() - this.loadedAt < 10 * 60_000) return Promise.resolve()
    this.loading ??= this.read().finally(() => (this.loading = undefined))
    return this.loading
  }

  private async read(): Promise<void> {
    const known = new Map<string, Known>()
    const add = (p: Person, count: number) => {
      const key = p.email.toLowerCase()
      const old = known.get(key)
      const name = p.name || old?.name || ''
      known.set(key, { name, email: p.email, count: Math.max(count, old?.count ?? 0), words: wordsOf({ name, email: p.email }) })
    }
    const [correspondents, cards] = await Promise.allSettled([get<{ people: (Person & { count: number })[] }>('/api/correspondents'), this.cards()])
    if (correspondents.status === 'fulfilled') for (const p of correspondents.value.people) add(p, p.count)
    const people = new Map<string, Person>()
    if (cards.status === 'fulfilled') {
      for (const c of cards.value) {
        for (const e of Object.values(c.emails ?? {})) {
          const p = { name: nameOf(c), email: e.address }
          add(p, 1)
          if (c.uid && !people.has(c.uid)) people.set(c.uid, p)
        }
      }
      this.groups = cards.value.filter((c) => c.kind === 'group').map((c) => ({
        name: nameOf(c), members: Object.keys(c.members ?? {}).map((uid) => people.get(uid)).filter((p) => p !== undefined),
      })).filter((g) => g.members.length > 0)
    }
    for (const [key, k] of this.known) if (!known.has(key)) known.set(key, k)
    this.known = known
    if (correspondents.status === 'fulfilled') this.loadedAt = Date.now()
  }

  /** Contacts, in as many calls as the server's limit asks for. */
  private async cards(): Promise<Card[]> {
    if (!session.jmap.has('contacts')) return []
    const size = Math.min(500, session.jmap.limit('maxObjectsInGet'))
    const all: Card[] = []
    for (let position = 0; position < 5000; position += size) {
      const [found, got] = (await session.jmap.batch([
        ['ContactCard/query', { position, limit: size }],
        ['ContactCard/get', {
          '#ids': { resultOf: 'c0', name: 'ContactCard/query', path: '/ids' },
          properties: ['id', 'uid', 'kind', 'name', 'organizations', 'emails', 'members'],
        }],
      ])) as unknown as [{ ids: Id[] }, GetResult<Card>]
      all.push(...got.list)
      if (found.ids.length < size) break
    }
    return all
  }

  /** People whom a text may mean, the likeliest first. */
  find(text: string, most = 8): Person[] {
    void this.load().catch(() => undefined) // completion is a comfort; what is typed counts without it
    const asked = fold(text.trim()).split(/\s+/).filter(Boolean)
    if (asked.length === 0) return []
    const scored: { k: Known; score: number }[] = []
    for (const k of this.known.values()) {
      let score = Math.log2(k.count + 1)
      for (const a of asked) {
        // A name says more than the host somebody writes from.
        const best = k.words.some((w) => w === a) ? 3 : k.words.some((w) => w.startsWith(a)) ? 2 : fold(k.email).includes(`@${a}`) ? 1 : a.length > 2 && k.words.some((w) => w.includes(a)) ? 0.5 : -1
        if (best < 0) {
          score = -1
          break
        }
        score += best * 3
      }
      if (score >= 0) scored.push({ k, score })
    }
    scored.sort((a, b) => b.score - a.score || a.k.email.localeCompare(b.k.email))
    return scored.slice(0, most).map(({ k }) => ({ name: k.name, email: k.email }))
  }

  /** Groups whose name begins so. */
  findGroups(text: string, most = 3): Group[] {
    const asked = fold(text.trim())
    return asked ? this.groups.filter((g) => fold(g.name).split(/\s+/).some((w) => w.startsWith(asked)) || fold(g.name).startsWith(asked)).slice(0, most) : []
  }

  /** The name that goes with an address, as far as it is known. */
  nameFor(email: string): string {
    return this.known.get(email.toLowerCase())?.name ?? ''
  }

  /** Counts people who were just written to. */
  wroteTo(list: Person[]): void {
    const known = new Map(this.known)
    for (const p of list) {
      const key = p.email.toLowerCase()
      const old = known.get(key)
      const name = p.name || old?.name || ''
      known.set(key, { name, email: old?.email ?? p.email, count: (old?.count ?? 0) + 1, words: wordsOf({ name, email: p.email }) })
    }
    this.known = known
  }
}

export const people = new People()
