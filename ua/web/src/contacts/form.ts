// A card as a form, and back. A form shows what most people want to say; what a card has besides stays as it is, and so does what was not changed.

import { component, freeKey, fullName, labelOf, nameOrder, partial, photoOf, placeOf, same, split, withLabel, type Card, type Component, type Entry, type Place } from './card'

export interface Line {
  /** The key in the card; '' for a new one. */
  key: string
  value: string
  label: string
}

export interface PlaceLine extends Place {
  key: string
  label: string
}

export interface Form {
  prefix: string
  given: string
  given2: string
  surname: string
  suffix: string
  nickname: string
  organization: string
  unit: string
  title: string
  emails: Line[]
  phones: Line[]
  links: Line[]
  addresses: PlaceLine[]
  day: string
  month: string
  year: string
  notes: string
  photo: string
}

export function formOf(c: Card): Form {
  const org = Object.values(c.organizations ?? {})[0]
  const birth = Object.values(c.anniversaries ?? {}).find((a) => a.kind === 'birth')
  const date = birth ? partial(birth.date) : {}
  const names = c.name?.components?.length
    ? { given: component(c, 'given'), surname: [component(c, 'surname'), component(c, 'surname2')].filter(Boolean).join(' ') }
    : c.kind === 'org' ? { given: fullName(c.name), surname: '' } : split(fullName(c.name))
  const lines = <T extends Entry>(map: Record<string, T> | undefined, value: (e: T) => string): Line[] =>
    Object.entries(map ?? {}).map(([key, e]) => ({ key, value: value(e), label: labelOf(e) }))
  return {
    prefix: component(c, 'title'), given: names.given, given2: component(c, 'given2'), surname: names.surname,
    suffix: [component(c, 'generation'), component(c, 'credential')].filter(Boolean).join(' '), nickname: Object.values(c.nicknames ?? {})[0]?.name ?? '',
    organization: org?.name ?? '', unit: org?.units?.[0]?.name ?? '', title: Object.values(c.titles ?? {})[0]?.name ?? '',
    emails: lines(c.emails, (e) => e.address), phones: lines(c.phones, (e) => e.number), links: lines(c.links, (e) => e.uri),
    addresses: Object.entries(c.addresses ?? {}).map(([key, a]) => ({ key, label: labelOf(a), ...placeOf(a) })),
    day: date.day ? String(date.day) : '', month: date.month ? String(date.month) : '', year: date.year ? String(date.year) : '',
    notes: Object.values(c.notes ?? {}).map((n) => n.note).join('\n\n'), photo: photoOf(c) ?? '',
  }
}

/** What is wrong with a form: the field and a sentence. Nothing is refused that a card can hold. */
export function problem(f: Form): { field: string; text: string } | undefined {
  const bad = f.emails.findIndex((l) => l.value.trim() && !/^[^\s@]+@[^\s@]+$/.test(l.value.trim()))
  if (bad >= 0) return { field: `emails-${bad}`, text: 'This is no mail address: one has a name, an @ and a domain.' }
  if (f.day || f.month || f.year) {
    const [d, m, y] = [Number(f.day || 0), Number(f.month || 0), Number(f.year || 0)]
    if (f.year && !(Number.isInteger(y) && y >= 1 && y <= 9999)) return { field: 'year', text: 'Write the year with four digits, or leave it out.' }
    if (!f.day && !f.year) return { field: 'day', text: 'Add the day, or take the month away.' }
    if (f.day && !f.month) return { field: 'day', text: 'Choose the month as well.' }
    if (f.day && !(Number.isInteger(d) && d >= 1 && d <= new Date(Date.UTC(y || 2000, m, 0)).getUTCDate())) return { field: 'day', text: 'That month has no such day.' }
  }
  if (isEmpty(f)) return { field: 'given', text: 'Write a name, an organisation, an address or a number first.' }
  return undefined
}

export function isEmpty(f: Form): boolean {
  return ![f.prefix, f.given, f.given2, f.surname, f.suffix, f.nickname, f.organization, f.notes, f.photo, ...f.emails.map((l) => l.value), ...f.phones.map((l) => l.value)].some((s) => s.trim())
}

/** The card that a form and the card it was made of give together. */
export function cardOf(f: Form, base: Card): Card {
  const was = formOf(base)
  const c: Card = { ...base }
  const put = (key: string, value: Record<string, unknown> | undefined) => {
    if (value && Object.keys(value).length > 0) c[key] = value
    else delete c[key]
  }
  if (f.prefix !== was.prefix || f.given !== was.given || f.given2 !== was.given2 || f.surname !== was.surname || f.suffix !== was.suffix) put('name', nameOf(f, was, base))
  if (f.nickname !== was.nickname) put('nicknames', first(base.nicknames, 'n', f.nickname.trim() ? { name: f.nickname.trim() } : null))
  if (f.title !== was.title) put('titles', first(base.titles, 't', f.title.trim() ? { name: f.title.trim() } : null))
  if (f.organization !== was.organization || f.unit !== was.unit) put('organizations', first(base.organizations, 'o', orgOf(f, base)))
  put('emails', entries(f.emails, base.emails, 'e', 'address'))
  put('phones', entries(f.phones, base.phones, 'p', 'number'))
  put('links', entries(f.links.map((l) => ({ ...l, value: uri(l.value) })), base.links, 'l', 'uri'))
  put('addresses', places(f.addresses, base.addresses))
  if (f.day !== was.day || f.month !== was.month || f.year !== was.year) put('anniversaries', birthday(f, base.anniversaries))
  if (f.notes !== was.notes) put('notes', f.notes.trim() ? { [Object.keys(base.notes ?? {})[0] ?? 'n1']: { note: f.notes.trim() } } : undefined)
  if (f.photo !== was.photo) put('media', photo(f.photo, base.media))
  return c
}

function nameOf(f: Form, was: Form, base: Card): Record<string, unknown> | undefined {
  const old = base.name?.components ?? []
  // Parts of one kind that were not changed stay as they were, with what is known of how they are said.
  const part = (kinds: string[], text: string, before: string, make: (t: string) => Component[]): Component[] => {
    const kept = old.filter((p) => kinds.includes(p.kind))
    return text === before && kept.length > 0 ? kept : text.trim() ? make(text.trim()) : []
  }
  const one = (kind: string) => (value: string): Component[] => [{ kind, value }]
  const suffix = (text: string): Component[] => text.split(/\s+/).map((value) => ({ kind: /^(jr|sr|jun|sen|[ivx]+)\.?,?$/i.test(value) ? 'generation' : 'credential', value }))
  const parts = [
    ...part(['title'], f.prefix, was.prefix, one('title')), ...part(['given'], f.given, was.given, one('given')), ...part(['given2'], f.given2, was.given2, one('given2')),
    ...part(['surname', 'surname2'], f.surname, was.surname, one('surname')), ...part(['generation', 'credential'], f.suffix, was.suffix, suffix),
  ]
  if (parts.length === 0) return undefined
  const surnameFirst = base.name?.isOrdered && old.findIndex((p) => p.kind === 'surname') >= 0 && old.findIndex((p) => p.kind === 'surname') < old.findIndex((p) => p.kind === 'given')
  const order = surnameFirst ? ['title', 'surname', 'surname2', 'given', 'given2', 'generation', 'credential'] : nameOrder
  const components = order.flatMap((kind) => parts.filter((p) => p.kind === kind))
  const { phoneticScript, phoneticSystem } = base.name ?? {}
  const name = { components, isOrdered: true, ...(phoneticScript ? { phoneticScript } : {}), ...(phoneticSystem ? { phoneticSystem } : {}) }
  return { ...name, full: components.map((p) => p.value).join(' ') }
}

/** A map with another first value; null takes it away. */
function first<T extends object>(map: Record<string, T> | undefined, prefix: string, value: object | null): Record<string, unknown> {
  const key = Object.keys(map ?? {})[0]
  const { [key ?? '']: old, ...rest } = map ?? {}
  return value ? { [key ?? `${prefix}1`]: { ...old, ...value }, ...rest } : rest
}

function orgOf(f: Form, base: Card): object | null {
  const old = Object.values(base.organizations ?? {})[0]
  const units = [...(f.unit.trim() ? [{ ...old?.units?.[0], name: f.unit.trim() }] : []), ...(old?.units ?? []).slice(1)]
  const name = f.organization.trim()
  if (!name && units.length === 0) return null
  return { name: name || undefined, units: units.length ? units : undefined }
}

function entries<T extends Entry>(lines: Line[], base: Record<string, T> | undefined, prefix: string, property: string): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const l of lines) {
    const value = l.value.trim()
    if (!value) continue
    const old = l.key ? base?.[l.key] : undefined
    const entry = { ...old, [property]: value } as Entry
    out[l.key || freeKey({ ...base, ...out }, prefix)] = labelOf(entry) === l.label ? entry : withLabel(entry, l.label)
  }
  return out
}

function places(lines: PlaceLine[], base: Card['addresses']): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const l of lines) {
    const old = l.key ? base?.[l.key] : undefined
    const place: Place = { street: l.street, locality: l.locality, region: l.region, postcode: l.postcode, country: l.country }
    if (!Object.values(place).some((v) => v.trim())) continue
    let a: NonNullable<Card['addresses']>[string] = old ?? {}
    if (!old || !same(place, placeOf(old))) {
      const { full, components, isOrdered, coordinates, timeZone, countryCode, defaultSeparator, ...rest } = a
      void [full, components, isOrdered, coordinates, timeZone, defaultSeparator]
      const kinds: [string, string][] = [['name', l.street], ['locality', l.locality], ['region', l.region], ['postcode', l.postcode], ['country', l.country]]
      const keepCode = old && placeOf(old).country === l.country && countryCode
      a = { ...rest, components: kinds.filter(([, v]) => v.trim()).map(([kind, v]) => ({ kind, value: v.trim() })), ...(keepCode ? { countryCode } : {}) }
    }
    out[l.key || freeKey({ ...base, ...out }, 'a')] = labelOf(a) === l.label ? a : withLabel(a, l.label)
  }
  return out
}

function birthday(f: Form, base: Card['anniversaries']): Record<string, unknown> {
  const key = Object.keys(base ?? {}).find((k) => base![k]!.kind === 'birth')
  const { [key ?? '']: old, ...rest } = base ?? {}
  if (!f.day && !f.month && !f.year) return rest
  const date = { ...(f.year ? { year: Number(f.year) } : {}), ...(f.month ? { month: Number(f.month) } : {}), ...(f.day ? { day: Number(f.day) } : {}) }
  return { ...rest, [key ?? freeKey(rest, 'b')]: { ...old, kind: 'birth', date } }
}

function photo(uri: string, base: Card['media']): Record<string, unknown> {
  const rest = Object.fromEntries(Object.entries(base ?? {}).filter(([, m]) => m.kind !== 'photo'))
  if (!uri) return rest
  const mediaType = /^data:([^;,]+)/.exec(uri)?.[1]
  return { ...rest, [freeKey(rest, 'm')]: { kind: 'photo', uri, ...(mediaType ? { mediaType } : {}) } }
}

/** A web address as somebody types it. */
function uri(text: string): string {
  const t = text.trim()
  return t && !/^[a-z][a-z0-9+.-]*:/i.test(t) ? `https://${t}` : t
}
