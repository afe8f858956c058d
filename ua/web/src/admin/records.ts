// The records that a domain must have, and how doctor found each of them.

import type { DNSRecord, DoctorReport, Finding, Level } from './types'

export interface ZoneLine {
  name: string
  type: string
  value: string
}

/** A line of a zone file taken apart; null when it is none. The time to live and the class may be left out. */
export function parseLine(line: string): ZoneLine | null {
  const m = /^\s*(\S+?)\.?\s+(?:\d+\s+)?(?:IN\s+)?([A-Z][A-Z0-9]*)\s+(\S.*?)\s*$/.exec(line)
  return m ? { name: m[1]!.toLowerCase(), type: m[2]!, value: m[3]! } : null
}

/** A name as forms on the web want it: relative to its zone, "@" for the zone itself. */
export function relative(name: string, zone = ''): string {
  if (!zone) return name
  if (name === zone) return '@'
  return name.endsWith(`.${zone}`) ? name.slice(0, -zone.length - 1) : name
}

/** The strings of a TXT record as one, without quotes. */
export function unquoted(value: string): string {
  if (!value.startsWith('"')) return value
  return [...value.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]!.replace(/\\(\d{3}|.)/g, (_, c: string) => (c.length === 3 ? String.fromCharCode(Number(c)) : c))).join('')
}

/** The first word of a TXT record, which tells what it is ("v=spf1"): a name may have several. */
function tag(value: string): string {
  return (/^\s*(v=[a-z0-9]+)/i.exec(unquoted(value))?.[1] ?? '').toLowerCase()
}

/** Which of doctor's checks looks at a record; '' when none does. */
export function checkOf(r: Pick<DNSRecord, 'name' | 'type' | 'value'>): string {
  switch (r.type) {
    case 'MX': return 'mx'
    case 'A': case 'AAAA': return /^(mta-sts|autoconfig|autodiscover)\./.test(r.name) ? checkOf({ ...r, type: 'CNAME' }) : 'hostname'
    case 'PTR': return 'ptr'
    case 'TLSA': return 'tlsa'
    case 'CAA': return 'caa'
    case 'SRV': return 'srv'
    case 'CNAME': return r.name.startsWith('mta-sts.') ? 'mta-sts' : 'autoconfig'
    case 'TXT':
      if (r.name.includes('._domainkey.')) return 'dkim'
      if (r.name.startsWith('_dmarc.') || r.name.includes('._report._dmarc.')) return 'dmarc'
      if (r.name.startsWith('_mta-sts.')) return 'mta-sts'
      if (r.name.startsWith('_smtp._tls.')) return 'tlsrpt'
      return tag(r.value) === 'v=spf1' ? 'spf' : ''
  }
  return ''
}

export interface RecordState {
  /** unknown: nobody has looked, or it could not be told. */
  level: Level | 'unknown'
  text: string
}

const worse: Record<Level, number> = { ok: 0, note: 1, warning: 2, fault: 3 }

/** How a record stood when doctor looked last. */
export function stateOf(r: DNSRecord, report: Pick<DoctorReport, 'findings'> | undefined): RecordState {
  if (!report) return { level: 'unknown', text: 'Nobody has looked yet.' }
  const check = checkOf(r)
  let named: Finding | undefined
  let untold: Finding | undefined
  let well: Finding | undefined
  let clean = true
  for (const f of report.findings) {
    const about = (f.record ?? '').split('\n').some((line) => {
      const z = parseLine(line)
      return z && z.name === r.name && z.type === r.type && (r.type !== 'TXT' || tag(z.value) === tag(r.value))
    })
    if (about && f.level !== 'ok' && !f.untold) {
      if (!named || worse[f.level] > worse[named.level]) named = f
    }
    if (check === '' || f.check !== check) continue
    if (f.untold) untold ??= f
    else if (f.level === 'ok') {
      if (!well || f.subject === r.name) well = f
    } else if (!f.record && f.level !== 'note' && (f.subject === r.name || check === 'mx' || check === 'spf')) {
      // Of these two there is one record, so that whatever is said is about it.
      if (!named || worse[f.level] > worse[named.level]) named = f
    }
    if (f.level === 'fault' || f.level === 'warning') clean = false
  }
  if (named) return { level: named.level, text: named.text }
  if (untold) return { level: 'unknown', text: untold.text }
  if (well && (clean || well.subject === r.name)) return { level: 'ok', text: 'It is there and right.' }
  return { level: 'unknown', text: check === '' ? 'Doctor does not look at this one.' : 'Doctor said nothing of this one.' }
}

export interface Group {
  /** '': names that are in nobody's zone of ours. */
  zone: string
  records: DNSRecord[]
}

const needs = { must: 0, should: 1, may: 2 }

/** Records by zone, those of the domain first, what matters most first, and what others have to set last. */
export function grouped(all: DNSRecord[], domain: string): Group[] {
  const groups = new Map<string, DNSRecord[]>()
  for (const r of all) groups.set(r.zone ?? '', [...(groups.get(r.zone ?? '') ?? []), r])
  const rank = (zone: string) => (zone === domain ? 0 : zone === '' ? 2 : 1)
  return [...groups].map(([zone, records]) => ({ zone, records: records.toSorted((a, b) => needs[a.need] - needs[b.need]) }))
    .toSorted((a, b) => rank(a.zone) - rank(b.zone) || a.zone.localeCompare(b.zone))
}

/** Lines for a zone file, each with what it is for above it. */
export function zoneText(records: DNSRecord[]): string {
  const out: string[] = []
  let why = ''
  for (const r of records) {
    if (r.for !== why) out.push(`; ${r.for}`)
    why = r.for
    out.push(`${r.name}. ${r.ttl} IN ${r.type} ${r.value}`)
  }
  return `${out.join('\n')}\n`
}
