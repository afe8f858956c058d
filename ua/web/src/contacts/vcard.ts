// vCard files (3.0 and 4.0; 2.1 as far as old programs still write it) into cards, and cards into vCard files. What people keep of one another is
// taken over; lines with anything else are counted, so that they can be told of.

import { freeKey, fullName, isGroup, labelOf, listed, nameOrder, partial, placeOf, split, titleOf, withLabel, newUid, type Card, type Component, type Entry, type PartialDate } from './card'
import { escape, fold, param, parseLine, parts, unescape, unfold, type Property } from './lines'

export interface Parsed {
  cards: Card[]
  /** How often each kind of line was left out. */
  left: Map<string, number>
  /** Lines of no form. */
  broken: number
}

/** Reads a file of cards. */
export function parse(text: string): Parsed {
  const out: Parsed = { cards: [], left: new Map(), broken: 0 }
  let lines: Property[] | undefined
  let depth = 0
  const end = () => {
    if (lines) {
      const card = cardOf(lines, out)
      if (card) out.cards.push(card)
    }
    lines = undefined
  }
  for (const line of unfold(text)) {
    const p = parseLine(line)
    if (p?.name === 'BEGIN' && /^vcard$/i.test(p.value.trim())) {
      if (depth++ === 0) lines = []
    } else if (p?.name === 'END' && /^vcard$/i.test(p.value.trim())) {
      if (depth > 0 && --depth === 0) end()
    } else if (!p) {
      out.broken++
    } else if (depth === 1) {
      lines!.push(p)
    }
  }
  if (depth > 0) end() // the file breaks off: what is there counts
  const uids = new Set(out.cards.map((c) => c.uid))
  for (const c of out.cards) if (c.members) c.members = Object.fromEntries(Object.keys(c.members).map((m) => [uids.has(m) ? m : (tidyUid(m)), true as const]))
  return out
}

/** Programs write the same uid with and without "urn:uuid:". */
export function tidyUid(uid: string): string {
  const m = /^(?:urn:uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(uid.trim())
  return m ? `urn:uuid:${m[1]!.toLowerCase()}` : uid.trim().slice(0, 255)
}

/** Lines that say nothing about a person, or that another line says as well. */
const silent = new Set(['VERSION', 'PRODID', 'REV', 'X-ABLABEL', 'X-ABADR', 'X-ABUID', 'X-ABSHOWAS', 'X-ADDRESSBOOKSERVER-KIND', 'SORT-STRING', 'NAME', 'PROFILE', 'MAILER'])

function cardOf(lines: Property[], out: Parsed): Card | undefined {
  const c: Card = { '@type': 'Card', version: '1.0' }
  const labels = new Map(lines.filter((p) => p.name === 'X-ABLABEL' && p.group).map((p) => [p.group, unescape(p.value)]))
  let full = ''
  let components: Component[] = []
  for (const p of lines) {
    if (!p.value.trim() || silent.has(p.name)) continue
    if (p.name === 'FN') full ||= unescape(p.value)
    else if (p.name === 'N') components = components.length ? components : nameParts(p.value)
    else if (!take(c, p, labels.get(p.group))) out.left.set(p.name, (out.left.get(p.name) ?? 0) + 1)
  }
  const shown = lines.find((p) => p.name === 'X-ABSHOWAS' || p.name === 'X-ADDRESSBOOKSERVER-KIND')
  if (shown && /^company$/i.test(shown.value.trim())) c.kind = 'org'
  if (shown && /^group$/i.test(shown.value.trim())) c.kind = 'group'
  if (c.kind === 'group' || c.kind === 'org') components = [] // their name is one
  if (components.length > 0) c.name = { components, isOrdered: true, full: full || components.map((x) => x.value).join(' ') }
  else if (full) c.name = { full }
  c.kind ??= 'individual'
  if (c.members && c.kind !== 'group') delete c.members
  c.uid ??= newUid()
  return Object.keys(c).length > 4 ? c : undefined
}

function nameParts(value: string): Component[] {
  const [surname, given, given2, title, suffix] = parts(value, ';').map((v) => parts(v, ',').map(unescape).filter(Boolean))
  const of = (kind: string, list: string[] | undefined): Component[] => (list ?? []).map((v) => ({ kind, value: v }))
  const all = [
    ...of('title', title), ...of('given', given), ...of('given2', given2), ...of('surname', surname),
    ...(suffix ?? []).map((v) => ({ kind: /^(jr|sr|jun|sen|[ivx]+)\.?$/i.test(v) ? 'generation' : 'credential', value: v })),
  ]
  return nameOrder.flatMap((kind) => all.filter((p) => p.kind === kind))
}

const features: Record<string, string> = { cell: 'mobile', iphone: 'mobile', mobile: 'mobile', fax: 'fax', pager: 'pager', text: 'text', video: 'video', textphone: 'textphone', main: 'main-number' }

function types(p: Property): string[] {
  return (p.params['TYPE'] ?? []).flatMap((t) => t.split(',')).map((t) => t.trim().toLowerCase())
}

/** What the parameters and the label of a line say of an entry. */
function entry<T extends object>(value: T, p: Property, label: string | undefined, phone = false): T & Entry {
  const t = types(p)
  const contexts: Record<string, true> = {}
  if (t.includes('home')) contexts['private'] = true
  if (t.includes('work')) contexts['work'] = true
  const f: Record<string, true> = {}
  if (phone) for (const x of t) if (features[x]) f[features[x]] = true
  const pref = Number(p.params['PREF']?.[0]) || (t.includes('pref') ? 1 : 0)
  const e = {
    ...value, ...(Object.keys(contexts).length ? { contexts } : {}), ...(Object.keys(f).length ? { features: f } : {}), ...(pref >= 1 && pref <= 100 ? { pref: Math.trunc(pref) } : {}),
  } as T & Entry
  const own = label?.replace(/^_\$!<(.*)>!\$_$/, '$1')
  return own && !/^(other|homepage|internet)$/i.test(own) ? withLabel(e, own) : e
}

function add(c: Card, map: keyof Card & string, prefix: string, value: object): true {
  const m = (c[map] ?? {}) as Record<string, unknown>
  c[map] = { ...m, [freeKey(m, prefix)]: value }
  return true
}

/** Takes a line into a card; false when there is no place for it. */
function take(c: Card, p: Property, label: string | undefined): boolean {
  const text = unescape(p.value)
  switch (p.name) {
    case 'UID':
      c.uid = tidyUid(text)
      return true
    case 'KIND':
      if (!/^(individual|group|org|location|device|application)$/i.test(text)) return false
      c.kind = text.toLowerCase()
      return true
    case 'NICKNAME': return parts(p.value, ',').map(unescape).filter(Boolean).every((name) => add(c, 'nicknames', 'n', { name }))
    case 'EMAIL': return add(c, 'emails', 'e', entry({ address: text.replace(/^mailto:/i, '') }, p, label))
    case 'TEL': return add(c, 'phones', 'p', entry({ number: text.replace(/^tel:/i, '') }, p, label, true))
    case 'ADR': return address(c, p, label)
    case 'ORG': {
      const [name, ...units] = parts(p.value, ';').map(unescape)
      const real = units.filter(Boolean).map((n) => ({ name: n }))
      return !!(name || real.length) && add(c, 'organizations', 'o', { ...(name ? { name } : {}), ...(real.length ? { units: real } : {}) })
    }
    case 'TITLE': return add(c, 'titles', 't', { name: text })
    case 'ROLE': return add(c, 'titles', 't', { name: text, kind: 'role' })
    case 'NOTE': return add(c, 'notes', 'n', { note: text })
    case 'URL': return add(c, 'links', 'l', entry({ uri: text }, p, label))
    case 'IMPP': return add(c, 'onlineServices', 's', entry({ uri: text, ...service(p) }, p, label))
    case 'X-SOCIALPROFILE': {
      const kind = types(p).find((t) => t !== 'pref')
      return add(c, 'onlineServices', 's', { ...(/^[a-z][a-z0-9+.-]*:/i.test(text) ? { uri: text } : { user: text }), ...(kind ? { service: kind } : {}) })
    }
    case 'CATEGORIES':
      c.keywords = { ...c.keywords, ...Object.fromEntries(parts(p.value, ',').map(unescape).filter(Boolean).map((k) => [k, true as const])) }
      return true
    case 'BDAY': return date(c, p, 'birth')
    case 'ANNIVERSARY':
    case 'X-ANNIVERSARY': return date(c, p, 'wedding')
    case 'PHOTO': return photo(c, p)
    case 'MEMBER':
    case 'X-ADDRESSBOOKSERVER-MEMBER':
      c.members = { ...c.members, [tidyUid(text)]: true }
      return true
    default: return false
  }
}

function service(p: Property): { service?: string } {
  const s = p.params['X-SERVICE-TYPE']?.[0] ?? p.params['SERVICE-TYPE']?.[0]
  return s ? { service: s } : {}
}

function address(c: Card, p: Property, label: string | undefined): boolean {
  const kinds = ['postOfficeBox', 'apartment', 'name', 'locality', 'region', 'postcode', 'country']
  const values = parts(p.value, ';').map((v) => parts(v, ',').map(unescape).filter(Boolean).join(', '))
  const components = kinds.map((kind, i) => ({ kind, value: values[i] ?? '' })).filter((x) => x.value)
  const full = p.params['LABEL']?.[0]
  if (components.length === 0 && !full) return true
  return add(c, 'addresses', 'a', entry({ ...(components.length ? { components } : {}), ...(full ? { full } : {}) }, p, label))
}

function date(c: Card, p: Property, kind: string): boolean {
  const d = readDate(unescape(p.value))
  const omitted = p.params['X-APPLE-OMIT-YEAR']?.[0]
  if (d && omitted && String(d.year) === omitted) delete d.year
  return !!d && add(c, 'anniversaries', kind === 'birth' ? 'b' : 'w', { kind, date: d })
}

/** "1985-04-12", "19850412", "--0412", "1985-04", "1985", with a time or without. */
export function readDate(text: string): PartialDate | undefined {
  const t = text.replace(/[T ].*$/, '')
  let m = /^(\d{4})-?(\d\d)-?(\d\d)$/.exec(t)
  const d: PartialDate = {}
  if (m) Object.assign(d, { year: Number(m[1]), month: Number(m[2]), day: Number(m[3]) })
  else if ((m = /^--(\d\d)-?(\d\d)$/.exec(t))) Object.assign(d, { month: Number(m[1]), day: Number(m[2]) })
  else if ((m = /^(\d{4})-(\d\d)$/.exec(t))) Object.assign(d, { year: Number(m[1]), month: Number(m[2]) })
  else if ((m = /^(\d{4})$/.exec(t))) d.year = Number(m[1])
  else return undefined
  if (d.month !== undefined && (d.month < 1 || d.month > 12)) return undefined
  if (d.day !== undefined && (d.day < 1 || d.day > 31)) return undefined
  return d
}

function photo(c: Card, p: Property): boolean {
  const raw = p.value.trim()
  if (/^data:image\//i.test(raw)) return add(c, 'media', 'm', { kind: 'photo', uri: raw.replace(/\\([,;])/g, '$1').replace(/\s+/g, '') })
  if (p.params['ENCODING']?.some((e) => /^(b|base64)$/i.test(e))) {
    const type = types(p).map((t) => t.replace(/^image\//, '')).find((t) => /^(jpe?g|png|gif|webp)$/.test(t)) ?? guess(raw)
    return add(c, 'media', 'm', { kind: 'photo', uri: `data:image/${type === 'jpg' ? 'jpeg' : type};base64,${raw.replace(/\s+/g, '')}` })
  }
  return /^https:\/\//i.test(raw) && add(c, 'media', 'm', { kind: 'photo', uri: unescape(raw) })
}

function guess(base64: string): string {
  return base64.startsWith('iVBOR') ? 'png' : base64.startsWith('R0lGOD') ? 'gif' : base64.startsWith('UklGR') ? 'webp' : 'jpeg'
}

// ---- writing

export type Version = '3.0' | '4.0'

/** Cards as a file. 3.0 is what most programs and telephones read. */
export function print(cards: Iterable<Card>, version: Version = '3.0'): string {
  let out = ''
  for (const c of cards) out += new Writer(version).card(c)
  return out
}

class Writer {
  private lines: string[] = []
  private items = 0

  constructor(private version: Version) {}

  card(c: Card): string {
    const v4 = this.version === '4.0'
    this.lines = ['BEGIN:VCARD', `VERSION:${this.version}`, 'PRODID:-//Postrider//Webmail//EN']
    if (c.uid) this.put('UID', escape(c.uid))
    if (v4 && c.kind && c.kind !== 'individual') this.put('KIND', c.kind)
    if (!v4 && isGroup(c)) this.put('X-ADDRESSBOOKSERVER-KIND', 'group')
    if (!v4 && c.kind === 'org') this.put('X-ABShowAs', 'COMPANY')
    this.put('FN', escape(titleOf(c)))
    this.name(c)
    const nicknames = listed(c.nicknames).map((n) => escape(n.name))
    if (nicknames.length) this.put('NICKNAME', nicknames.join(','))
    for (const o of Object.values(c.organizations ?? {})) this.put('ORG', [o.name ?? '', ...(o.units ?? []).map((u) => u.name)].map(escape).join(';'))
    for (const t of Object.values(c.titles ?? {})) this.put(t.kind === 'role' ? 'ROLE' : 'TITLE', escape(t.name))
    for (const e of Object.values(c.emails ?? {})) this.entry('EMAIL', e, escape(e.address), v4 ? [] : ['INTERNET'])
    for (const p of Object.values(c.phones ?? {})) this.entry('TEL', p, escape(p.number))
    for (const a of Object.values(c.addresses ?? {})) this.address(a)
    for (const l of Object.values(c.links ?? {})) this.entry('URL', l, escape(l.uri))
    for (const s of Object.values(c.onlineServices ?? {})) this.online(s)
    for (const a of Object.values(c.anniversaries ?? {})) this.date(a.kind, a.date)
    for (const n of Object.values(c.notes ?? {})) this.put('NOTE', escape(n.note))
    if (c.keywords) this.put('CATEGORIES', Object.keys(c.keywords).map(escape).join(','))
    for (const m of Object.values(c.media ?? {})) if (m.kind === 'photo') this.photo(m.uri)
    for (const m of Object.keys(c.members ?? {})) this.put(v4 ? 'MEMBER' : 'X-ADDRESSBOOKSERVER-MEMBER', v4 ? m : escape(m))
    if (c.updated) this.put('REV', v4 ? c.updated.replace(/[-:]|\.\d+/g, '') : c.updated)
    return [...this.lines, 'END:VCARD'].map(fold).join('\r\n') + '\r\n'
  }

  private put(name: string, value: string): void {
    this.lines.push(`${name}:${value}`)
  }

  private name(c: Card): void {
    const all = c.name?.components ?? []
    const of = (...kinds: string[]) => all.filter((p) => kinds.includes(p.kind)).map((p) => escape(p.value)).join(',')
    if (all.length > 0) {
      this.put('N', [of('surname', 'surname2'), of('given'), of('given2'), of('title'), of('generation', 'credential')].join(';'))
    } else if (this.version === '3.0') { // which must have one
      const whole = isGroup(c) || c.kind === 'org' || !c.name
      const { given, surname } = whole ? { given: '', surname: titleOf(c) } : split(fullName(c.name))
      this.put('N', `${escape(surname)};${escape(given)};;;`)
    }
  }

  /** An entry with its kinds; a label of somebody's own goes into a line beside it, as most programs write it. */
  private entry(name: string, e: Entry & { features?: Record<string, true> }, value: string, more: string[] = [], params = ''): void {
    const v4 = this.version === '4.0'
    const types = [...more, ...(e.contexts?.['private'] ? ['HOME'] : []), ...(e.contexts?.['work'] ? ['WORK'] : [])]
    for (const f of Object.keys(e.features ?? {})) types.push(f === 'mobile' ? 'CELL' : f === 'main-number' ? 'MAIN' : f.toUpperCase())
    if (e.pref === 1 && !v4) types.push('PREF')
    const list = types.length === 0 ? '' : v4 ? `;TYPE=${types.length > 1 ? `"${types.join(',').toLowerCase()}"` : types[0]!.toLowerCase()}` : types.map((t) => `;TYPE=${t}`).join('')
    const own = e.label && labelOf(e) === e.label
    const group = own ? `item${++this.items}.` : ''
    this.put(`${group}${name}${list}${e.pref && v4 ? `;PREF=${e.pref}` : ''}${params}`, value)
    if (own) this.put(`item${this.items}.X-ABLabel`, escape(e.label!))
  }

  private address(a: NonNullable<Card['addresses']>[string]): void {
    const p = placeOf(a)
    const of = (kind: string) => (a.components ?? []).filter((x) => x.kind === kind).map((x) => x.value).join(' ')
    const rest = (a.components ?? []).filter((x) => !['postOfficeBox', 'apartment', 'locality', 'region', 'postcode', 'country', 'separator'].includes(x.kind)).map((x) => x.value).join(' ')
    const street = a.components?.length ? rest : this.version === '4.0' ? '' : p.street
    const label = a.full && this.version === '4.0' ? `;LABEL=${param(a.full)}` : ''
    this.entry('ADR', a, [of('postOfficeBox'), of('apartment'), street, p.locality, p.region, p.postcode, p.country].map(escape).join(';'), [], label)
  }

  private online(s: NonNullable<Card['onlineServices']>[string]): void {
    if (s.uri && !/^https?:/i.test(s.uri)) this.entry('IMPP', s, s.uri, [], s.service ? `;X-SERVICE-TYPE=${param(s.service)}` : '')
    else this.put(`X-SOCIALPROFILE${s.service ? `;TYPE=${param(s.service)}` : ''}`, escape(s.uri ?? s.user ?? ''))
  }

  private date(kind: string, date: PartialDate): void {
    const d = partial(date)
    const name = kind === 'birth' ? 'BDAY' : kind === 'wedding' ? (this.version === '4.0' ? 'ANNIVERSARY' : 'X-ANNIVERSARY') : ''
    if (!name) return
    const two = (n: number) => String(n).padStart(2, '0')
    const year = d.year ? String(d.year).padStart(4, '0') : ''
    if (d.month && d.day && this.version === '4.0') this.put(name, year ? `${year}${two(d.month)}${two(d.day)}` : `--${two(d.month)}${two(d.day)}`)
    else if (d.month && d.day) this.put(year ? name : `${name};X-APPLE-OMIT-YEAR=1604`, `${year || '1604'}-${two(d.month)}-${two(d.day)}`)
    else if (year) this.put(name, d.month ? `${year}-${two(d.month)}` : year)
  }

  private photo(uri: string): void {
    const m = /^data:image\/([a-z]+);base64,(.*)$/i.exec(uri)
    if (this.version === '4.0' || !m) this.put(m || this.version === '4.0' ? 'PHOTO' : 'PHOTO;VALUE=URI', uri)
    else this.put(`PHOTO;ENCODING=b;TYPE=${m[1]!.toUpperCase()}`, m[2]!)
  }
}

/** The text of a file, which old programs did not write in UTF-8. */
export function decode(octets: ArrayBuffer): string {
  const b = new Uint8Array(octets)
  if (b[0] === 0xff && b[1] === 0xfe) return new TextDecoder('utf-16le').decode(octets)
  if (b[0] === 0xfe && b[1] === 0xff) return new TextDecoder('utf-16be').decode(octets)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    return new TextDecoder('windows-1252').decode(octets)
  }
}
