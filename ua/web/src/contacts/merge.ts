// People who are in the contacts more than once, and one card made of several. Nothing that a card says gets lost when it is merged.

import { freeKey, fullName, isGroup, same, type Card } from './card'
import { fold } from '#/lib/people.svelte'

/** The sets of cards that share a mail address, directly or by way of a third. */
export function duplicates(cards: Iterable<Card>): Card[][] {
  const root = new Map<Card, Card>()
  const find = (c: Card): Card => {
    let r = c
    while (root.get(r) !== r) r = root.get(r)!
    for (let at = c; at !== r;) {
      const next = root.get(at)!
      root.set(at, r)
      at = next
    }
    return r
  }
  const owner = new Map<string, Card>()
  for (const c of cards) {
    if (isGroup(c)) continue
    root.set(c, c)
    for (const e of Object.values(c.emails ?? {})) {
      const key = e.address.trim().toLowerCase()
      if (!key) continue
      const other = owner.get(key)
      if (other) root.set(find(c), find(other))
      else owner.set(key, c)
    }
  }
  const sets = new Map<Card, Card[]>()
  for (const c of root.keys()) {
    const r = find(c)
    sets.set(r, [...(sets.get(r) ?? []), c])
  }
  return [...sets.values()].filter((s) => s.length > 1)
}

/** How much a card says: the one that says most keeps its name. */
function weight(c: Card): number {
  const maps = Object.values(c).reduce<number>((n, v) => n + (v && typeof v === 'object' ? Object.keys(v).length : 0), 0)
  return maps + (c.name?.components?.length ? 5 : 0) + (fullName(c.name).includes(' ') ? 10 : 0)
}

/** Cards with the one first that the others go into. */
export function ranked(cards: readonly Card[]): Card[] {
  return [...cards].sort((a, b) => weight(b) - weight(a) || (b.updated ?? '').localeCompare(a.updated ?? '') || (a.id ?? '').localeCompare(b.id ?? ''))
}

/** What makes two entries of a map the same to people. */
const sameness: Record<string, (v: Record<string, unknown>) => string> = {
  emails: (v) => String(v['address']).trim().toLowerCase(),
  phones: (v) => String(v['number']).replace(/[^\d+]/g, ''),
  links: (v) => String(v['uri']).replace(/\/$/, '').toLowerCase(),
  notes: (v) => String(v['note']).trim(),
  nicknames: (v) => fold(String(v['name'])),
  titles: (v) => fold(String(v['name'])),
}

/** One card of several: the first one's name, and everything that any of them says. id and uid are the first one's. */
export function merged(cards: readonly Card[]): Card {
  const [main, ...others] = cards
  const out: Card = structuredClone(main!)
  for (const c of others) {
    for (const [key, value] of Object.entries(c)) {
      if (['id', 'uid', '@type', 'version', 'updated', 'created', 'kind', 'name'].includes(key)) continue
      if (out[key] === undefined) out[key] = structuredClone(value)
      else if (isMap(value) && isMap(out[key])) out[key] = joined(key, out[key], value)
    }
    if (c.created && out.created && c.created < out.created) out.created = c.created
    const name = fullName(c.name)
    if (!name) continue
    if (!fullName(out.name)) out.name = structuredClone(c.name!)
    else if (fold(name) !== fold(fullName(out.name))) out.nicknames = joined('nicknames', out.nicknames ?? {}, { n: { name } }) as Card['nicknames']
  }
  const photos = Object.entries(out.media ?? {}).filter(([, m]) => m.kind === 'photo')
  for (const [key] of photos.slice(1)) delete out.media![key]
  return out
}

function isMap(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v)
}

function joined(property: string, into: Record<string, unknown>, from: Record<string, unknown>): Record<string, unknown> {
  const out = { ...into }
  const key = sameness[property]
  for (const [k, v] of Object.entries(from)) {
    if (!isMap(v)) {
      if (!(k in out)) out[k] = v // a set: books, keywords
      continue
    }
    const twin = Object.entries(out).find(([, o]) => isMap(o) && (key ? key(o) === key(v) : same(o, v)))
    if (twin) {
      if (key && isMap(twin[1])) out[twin[0]] = { ...structuredClone(v), ...twin[1] } // a label that only one of them has
      continue
    }
    const { pref, ...rest } = v
    void pref // the first card's preference stands
    out[k in out ? freeKey(out, property[0]!) : k] = structuredClone(rest)
  }
  return out
}

/** A group's members with the merged cards' places taken by the one that is left; undefined when it has none of them. */
export function remembered(members: Record<string, true> | undefined, gone: readonly (string | undefined)[], kept: string): Record<string, true> | undefined {
  if (!members || !gone.some((uid) => uid !== undefined && uid in members)) return undefined
  const out: Record<string, true> = {}
  for (const uid of Object.keys(members)) out[gone.includes(uid) ? kept : uid] = true
  return out
}
