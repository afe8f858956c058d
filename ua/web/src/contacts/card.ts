// Cards of people and groups (RFC 9553) as far as these pages use them, and what is read out of one. What is not known here stays in a card as it is.

import { fold } from '#/lib/people.svelte'
import type { Id } from '#/lib/jmap/types'

export type Flags = Record<string, true>

export interface Component {
  kind: string
  value: string
  [more: string]: unknown
}

/** What addresses, numbers and the like have in common. */
export interface Entry {
  contexts?: Flags
  label?: string
  pref?: number
  [more: string]: unknown
}

export interface Name {
  full?: string
  components?: Component[]
  isOrdered?: boolean
  defaultSeparator?: string
  [more: string]: unknown
}

export interface PartialDate {
  '@type'?: string
  year?: number
  month?: number
  day?: number
  /** Of a Timestamp, which may stand in its place. */
  utc?: string
  [more: string]: unknown
}

export interface Card {
  id?: Id
  addressBookIds?: Record<Id, true>
  '@type'?: string
  version?: string
  uid?: string
  kind?: string
  created?: string
  updated?: string
  name?: Name
  nicknames?: Record<string, Entry & { name: string }>
  organizations?: Record<string, Entry & { name?: string; units?: { name: string }[] }>
  titles?: Record<string, { name: string; kind?: string; [more: string]: unknown }>
  emails?: Record<string, Entry & { address: string }>
  phones?: Record<string, Entry & { number: string; features?: Flags }>
  addresses?: Record<string, Entry & { components?: Component[]; full?: string; countryCode?: string }>
  anniversaries?: Record<string, Entry & { kind: string; date: PartialDate }>
  notes?: Record<string, { note: string; [more: string]: unknown }>
  media?: Record<string, Entry & { kind: string; uri: string; mediaType?: string }>
  links?: Record<string, Entry & { uri: string }>
  onlineServices?: Record<string, Entry & { service?: string; uri?: string; user?: string }>
  keywords?: Flags
  members?: Flags
  [more: string]: unknown
}

/** What the list and its search need of every card. */
export const summaryProperties = ['id', 'uid', 'kind', 'addressBookIds', 'name', 'nicknames', 'organizations', 'titles', 'emails', 'phones', 'members', 'updated']

export interface Book {
  id: Id
  name: string
  isDefault: boolean
  sortOrder: number
  myRights: { mayWrite: boolean; mayDelete: boolean }
}

export const isGroup = (c: Card): boolean => c.kind === 'group'

/** The values of a map, those that are preferred first, else in their order. */
export function listed<T extends { pref?: number }>(map: Record<string, T> | undefined): T[] {
  return Object.values(map ?? {}).map((v, i) => ({ v, i })).sort((a, b) => (a.v.pref ?? 101) - (b.v.pref ?? 101) || a.i - b.i).map(({ v }) => v)
}

export function component(c: Card, kind: string): string {
  return (c.name?.components ?? []).filter((p) => p.kind === kind).map((p) => p.value).join(' ').trim()
}

/** The name as it is written in whole; '' when the card has none. */
export function fullName(name: Name | undefined): string {
  if (!name) return ''
  if (name.full?.trim()) return name.full.trim()
  const parts = name.components ?? []
  if (name.isOrdered) {
    let out = ''
    let glued = true
    for (const p of parts) {
      if (p.kind === 'separator') {
        out += p.value
        glued = true
      } else {
        out += (glued ? '' : (name.defaultSeparator ?? ' ')) + p.value
        glued = false
      }
    }
    return out.trim()
  }
  return nameOrder.flatMap((kind) => parts.filter((p) => p.kind === kind)).map((p) => p.value).join(' ').trim()
}

/** The kinds of the parts of a name in the order in which they are written when a card does not say. */
export const nameOrder = ['title', 'given', 'given2', 'surname', 'surname2', 'generation', 'credential']

/** What a card is called: its name, else the next best thing. */
export function titleOf(c: Card): string {
  return fullName(c.name) || listed(c.nicknames)[0]?.name || Object.values(c.organizations ?? {})[0]?.name || mainEmail(c)
    || listed(c.phones)[0]?.number || (isGroup(c) ? 'Group without a name' : 'No name')
}

export function mainEmail(c: Card): string {
  return listed(c.emails)[0]?.address ?? ''
}

/** Where somebody works, in one line: "Baker, Bread & Co". */
export function workLine(c: Card): string {
  const org = Object.values(c.organizations ?? {})[0]
  const parts = [Object.values(c.titles ?? {})[0]?.name, org?.units?.[0]?.name, org?.name].filter((s): s is string => !!s && s !== titleOf(c))
  return parts.join(', ')
}

/** First and last name of a name that was only ever written in whole. "Doe, Jane" is turned around. */
export function split(full: string): { given: string; surname: string } {
  const text = full.trim().replace(/\s+/g, ' ')
  const comma = /^([^,]+), ([^,]+)$/.exec(text)
  if (comma) return { given: comma[2]!, surname: comma[1]! }
  const words = text.split(' ')
  if (words.length < 2) return { given: text, surname: '' }
  let from = words.length - 1
  while (from > 1 && /^(von|van|der|den|de|di|da|la|le|zu|zur|af|bin|al)$/i.test(words[from - 1]!)) from--
  return { given: words.slice(0, from).join(' '), surname: words.slice(from).join(' ') }
}

export type Order = 'first' | 'last'

/** What a card is sorted by. */
export function sortKey(c: Card, order: Order): string {
  if (isGroup(c) || c.kind === 'org' || !c.name) return titleOf(c)
  const full = fullName(c.name)
  const guess = c.name.components?.length ? { given: component(c, 'given'), surname: component(c, 'surname') } : split(full)
  if (order === 'last') return [guess.surname, guess.given].filter(Boolean).join(' ') || titleOf(c)
  return [guess.given, component(c, 'given2'), guess.surname].filter(Boolean).join(' ') || titleOf(c)
}

/** The letter that a name stands under; "#" for what begins with none. */
export function letterOf(key: string): string {
  const first = /^[^\p{L}\p{N}]*(.)/u.exec(key.normalize('NFKD').replace(/\p{M}/gu, ''))?.[1] ?? ''
  return /\p{L}/u.test(first) ? first.toLocaleUpperCase() : '#'
}

export interface Row {
  card: Card
  title: string
  letter: string
  /** Whether it is the first under its letter. */
  first: boolean
}

const collator = new Intl.Collator(undefined, { sensitivity: 'base', numeric: true })

/** People in order, each letter once, what has none at the end. */
export function rowsOf(cards: Iterable<Card>, order: Order): Row[] {
  const keyed = [...cards].map((card) => {
    const key = sortKey(card, order)
    return { card, key, title: titleOf(card), letter: letterOf(key) }
  })
  keyed.sort((a, b) => (a.letter === b.letter ? 0 : a.letter === '#' ? 1 : b.letter === '#' ? -1 : collator.compare(a.letter, b.letter) || (a.letter < b.letter ? -1 : 1))
    || collator.compare(a.key, b.key) || (a.card.id ?? '').localeCompare(b.card.id ?? ''))
  return keyed.map(({ card, title, letter }, i) => ({ card, title, letter, first: i === 0 || keyed[i - 1]!.letter !== letter }))
}

/** Everything of a card that is searched, folded, each word after a blank; numbers once more as digits alone. */
export function haystack(c: Card): string {
  const texts = [
    fullName(c.name), ...(c.name?.components ?? []).map((p) => p.value), ...listed(c.nicknames).map((n) => n.name),
    ...Object.values(c.organizations ?? {}).flatMap((o) => [o.name ?? '', ...(o.units ?? []).map((u) => u.name)]), ...Object.values(c.titles ?? {}).map((t) => t.name),
    ...listed(c.emails).flatMap((e) => [e.address, e.address.replace(/[@._+-]/g, ' ')]),
  ]
  return ` ${fold(texts.join(' '))} ${listed(c.phones).map((p) => p.number.replace(/\D/g, '')).join(' ')}`
}

/** Whether all words of a search are in a haystack: at the start of a word, or anywhere from three letters on. */
export function found(hay: string, asked: readonly string[]): boolean {
  return asked.every((w) => hay.includes(` ${w}`) || (w.length > 2 && hay.includes(w)))
}

/** The words of a search; a telephone number, however it is written, is one. */
export function asked(text: string): string[] {
  const t = fold(text.trim())
  if (/^\+?[\d\s()/.-]{3,}$/.test(t)) return [t.replace(/\D/g, '').replace(/^00/, '').replace(/^0(?=\d{3})/, '')].filter(Boolean)
  return t.split(/[\s,]+/).filter(Boolean)
}

// ---- labels

/** Words for what a card says of an address or a number: "Home", "Work mobile", or the label that somebody gave. */
export function labelOf(e: Entry & { features?: Flags }): string {
  if (e.label) return e.label
  const where = e.contexts?.['work'] ? 'Work' : e.contexts?.['private'] ? 'Home' : e.contexts?.['billing'] ? 'Billing' : e.contexts?.['delivery'] ? 'Delivery' : ''
  const f = e.features ?? {}
  const what = f['mobile'] || f['cell'] ? 'Mobile' : f['fax'] ? 'Fax' : f['pager'] ? 'Pager' : ''
  return where && what ? `${where} ${what.toLowerCase()}` : where || what
}

/** The same entry with another label. */
export function withLabel<T extends Entry>(e: T, text: string): T {
  const { contexts, label, features, ...rest } = e as T & { features?: Flags }
  void label
  const words = text.trim().toLowerCase().split(' ')
  const where: Record<string, string> = { home: 'private', work: 'work', billing: 'billing', delivery: 'delivery' }
  const what: Record<string, string> = { mobile: 'mobile', fax: 'fax', pager: 'pager' }
  const known = words.every((w) => w in where || w in what)
  if (text.trim() === '') return rest as unknown as T
  if (!known) return { ...rest, ...(contexts ? { contexts } : {}), ...(features ? { features } : {}), label: text.trim() } as unknown as T
  const c = words.flatMap((w) => where[w] ?? [])
  const f = words.flatMap((w) => what[w] ?? [])
  return {
    ...rest, ...(c.length ? { contexts: Object.fromEntries(c.map((k) => [k, true])) } : {}), ...(f.length ? { features: Object.fromEntries(f.map((k) => [k, true])) } : {}),
  } as unknown as T
}

// ---- addresses and dates

const placeKinds = ['locality', 'region', 'postcode', 'country']

export interface Place {
  street: string
  locality: string
  region: string
  postcode: string
  country: string
}

export function placeOf(a: { components?: Component[]; full?: string }): Place {
  const parts = a.components ?? []
  const of = (kind: string) => parts.filter((p) => p.kind === kind).map((p) => p.value).join(' ')
  const street = parts.filter((p) => !placeKinds.includes(p.kind) && p.kind !== 'separator').map((p) => p.value).join(' ')
  return { street: parts.length ? street : (a.full ?? ''), locality: of('locality'), region: of('region'), postcode: of('postcode'), country: of('country') }
}

/** The lines of an address as they are put on an envelope. */
export function placeLines(a: { components?: Component[]; full?: string }): string[] {
  if (a.full) return a.full.split('\n').filter((l) => l.trim())
  const p = placeOf(a)
  const town = [p.postcode, p.locality].filter(Boolean).join(' ')
  return [...p.street.split('\n'), [town, p.region].filter(Boolean).join(', '), p.country].map((l) => l.trim()).filter(Boolean)
}

/** A date as people read it; the year may be missing. */
export function dateText(d: PartialDate, locale?: string): string {
  const p = partial(d)
  if (p.day && p.month) {
    const how: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'long', timeZone: 'UTC', ...(p.year ? { year: 'numeric' } : {}) }
    return new Intl.DateTimeFormat(locale, how).format(new Date(Date.UTC(p.year ?? 2000, p.month - 1, p.day)))
  }
  if (p.month && p.year) return new Intl.DateTimeFormat(locale, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(new Date(Date.UTC(p.year, p.month - 1, 1)))
  return p.year ? String(p.year) : ''
}

/** A date or a moment as a date. */
export function partial(d: PartialDate): { year?: number; month?: number; day?: number } {
  const m = d.utc ? /^(\d{4})-(\d\d)-(\d\d)/.exec(d.utc) : null
  if (m) return { year: Number(m[1]), month: Number(m[2]), day: Number(m[3]) }
  return { ...(d.year ? { year: d.year } : {}), ...(d.month ? { month: d.month } : {}), ...(d.day ? { day: d.day } : {}) }
}

/** How old somebody is today, who was born in a known year. */
export function age(d: PartialDate, now = new Date()): number | undefined {
  const p = partial(d)
  if (!p.year || !p.month || !p.day) return undefined
  const had = now.getMonth() + 1 > p.month || (now.getMonth() + 1 === p.month && now.getDate() >= p.day)
  const n = now.getFullYear() - p.year - (had ? 0 : 1)
  return n >= 0 && n < 130 ? n : undefined
}

/** The picture of somebody, when it is in the card itself: nothing is fetched for it. */
export function photoOf(c: Card): string | undefined {
  return Object.values(c.media ?? {}).find((m) => m.kind === 'photo' && /^data:image\/(jpeg|png|gif|webp)[;,]/i.test(m.uri ?? ''))?.uri
}

// ---- making and changing

export const newUid = (): string => `urn:uuid:${crypto.randomUUID()}`

/** A card of somebody of whom name and address are known. */
export function cardFor(name: string, email: string): Card {
  const text = name.trim().replace(/^['"]+|['"]+$/g, '').trim()
  return {
    '@type': 'Card', version: '1.0', uid: newUid(), kind: 'individual', ...(text && text.toLowerCase() !== email.toLowerCase() ? { name: nameFrom(text) } : {}),
    ...(email ? { emails: { e1: { address: email } } } : {}),
  }
}

function nameFrom(full: string): Name {
  const { given, surname } = split(full)
  const turned = [given, surname].filter(Boolean).join(' ')
  const components = [...(given ? [{ kind: 'given', value: given }] : []), ...(surname ? [{ kind: 'surname', value: surname }] : [])]
  return { components, isOrdered: true, full: turned }
}

/** "Ann Baker <ann@x.example>" or an address alone. */
export function readPerson(text: string): { name: string; email: string } {
  const m = /^\s*(.*?)\s*<\s*([^<>\s]+)\s*>\s*$/.exec(text)
  if (m) return { name: m[1]!.replace(/^"|"$/g, ''), email: m[2]! }
  const t = text.trim()
  return t.includes('@') && !/\s/.test(t) ? { name: '', email: t } : { name: t, email: '' }
}

export type Patch = Record<string, unknown>

/** What must be set to make one card the other (RFC 8620 5.3): whole properties; null takes one away. */
export function patchOf(from: Card, to: Card): Patch {
  const patch: Patch = {}
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (key === 'id' || key === 'updated' || key === 'created' || key === '@type' || key === 'version') continue
    if (!same(from[key], to[key])) patch[key] = to[key] ?? null
  }
  return patch
}

export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false
  const ka = Object.keys(a)
  return ka.length === Object.keys(b).length && ka.every((k) => k in b && same((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k]))
}

/** A card as it would be after a patch of whole properties. */
export function patched(c: Card, patch: Patch): Card {
  const out: Card = { ...c }
  for (const [k, v] of Object.entries(patch)) {
    if (v === null) delete out[k]
    else out[k] = v
  }
  return out
}

/** A key that a map does not have yet. */
export function freeKey(map: Record<string, unknown>, prefix: string): string {
  for (let n = 1; ; n++) if (!(`${prefix}${n}` in map)) return `${prefix}${n}`
}
