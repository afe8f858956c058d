// What people write into the search box, as a filter for the server (RFC 8621 4.4.1).
//
//   words and "phrases"; from: to: cc: bcc: subject: body: in: is: has: label: before: after: older_than: newer_than: larger: smaller:
//   a minus before a term means not; OR between two terms means either; round brackets keep terms together
//
// Nothing that is written is an error: what is no operator is searched as text. What cannot be found as it was meant (a mailbox that is not there, a
// date that is none) is told in `problems`.

import type { Filter, FilterCondition, Id } from '#/lib/jmap/types'

export interface Context {
  now: Date
  /** The own addresses, for "from:me". */
  me: string[]
  /** The mailbox that people mean by a name or a role. */
  mailbox: (name: string) => Id | undefined
  /** The keyword of a label. */
  label: (name: string) => string | undefined
}

export interface Parsed {
  filter: Filter | null
  /** Sentences about what could not be understood as it was meant. */
  problems: string[]
  /** Whether mailboxes were named, "anywhere" among them. */
  placed: boolean
  /** Whether there is any text to mark in results. */
  text: boolean
}

export interface Token {
  kind: 'word' | 'op' | 'or' | 'open' | 'close'
  /** Where it stands in the input. */
  from: number
  to: number
  negated: boolean
  name: string
  value: string
  quoted: boolean
}

export const operators: Readonly<Record<string, string>> = {
  from: 'who sent it', to: 'who it went to', cc: 'who got a copy', bcc: 'who got a hidden copy', subject: 'words in the subject',
  body: 'words in the text', in: 'a mailbox, or anywhere', is: 'unread, read, starred, answered, forwarded, draft', has: 'attachment, star, label', label: 'a label',
  before: '2024-05-31, or 7d', after: '2024-05-31, or 7d', larger: '5M', smaller: '100k',
}

const alias: Record<string, string> = { older_than: 'before', newer_than: 'after', older: 'before', newer: 'after', size: 'larger', keyword: 'label', tag: 'label' }
const known = (name: string) => Object.hasOwn(operators, name) || Object.hasOwn(alias, name)

/** Parts the input. Every token tells where it stands, for suggestions. */
export function tokens(input: string): Token[] {
  const out: Token[] = []
  let i = 0
  const space = (c: string | undefined) => c === undefined || /\s/.test(c)
  const quoted = (): string => {
    const end = input.indexOf('"', i + 1)
    const text = input.slice(i + 1, end < 0 ? input.length : end)
    i = end < 0 ? input.length : end + 1
    return text
  }
  const word = (): string => {
    const from = i
    while (i < input.length && !space(input[i]) && input[i] !== '"' && input[i] !== '(' && input[i] !== ')') i++
    return input.slice(from, i)
  }
  while (i < input.length) {
    if (space(input[i])) {
      i++
      continue
    }
    const from = i
    const negated = input[i] === '-' && !space(input[i + 1]) && input[i + 1] !== ')'
    if (negated) i++
    const base = { from, negated, name: '', value: '', quoted: false }
    if (input[i] === '(' || input[i] === ')') {
      out.push({ ...base, kind: input[i] === '(' ? 'open' : 'close', to: ++i })
      continue
    }
    if (input[i] === '"') {
      const value = quoted()
      out.push({ ...base, kind: 'word', value, quoted: true, to: i })
      continue
    }
    const m = /^([a-z_]+):/i.exec(input.slice(i, i + 16))
    const name = m?.[1]!.toLowerCase() ?? ''
    if (m && known(name)) {
      i += m[0].length
      const isQuoted = input[i] === '"'
      const value = isQuoted ? quoted() : word()
      out.push({ ...base, kind: 'op', name: alias[name] ?? name, value, quoted: isQuoted, to: i })
      continue
    }
    const value = word()
    if (value === 'OR' && !negated) out.push({ ...base, kind: 'or', to: i })
    else if (value !== 'AND' || negated) out.push({ ...base, kind: 'word', value, to: i })
  }
  return out
}

/** How deep brackets go; what lies deeper is read as if it had none. The server bounds filters too. */
const deepest = 6
const longest = 1000

export function parse(input: string, context: Context): Parsed {
  const reader = new Reader(tokens(input.slice(0, longest)), context)
  const filter = reader.either(0)
  return { filter, problems: reader.problems, placed: reader.placed, text: reader.text }
}

class Reader {
  problems: string[] = []
  placed = false
  text = false
  private at = 0

  constructor(private readonly list: Token[], private readonly c: Context) {}

  /** Terms and ORs, up to the closing bracket. OR binds its two neighbours, as people know it: "a b OR c d" is a and (b or c) and d. */
  either(depth: number): Filter | null {
    const all: Filter[] = []
    let or = false
    for (;;) {
      const t = this.list[this.at]
      if (!t || (t.kind === 'close' && depth > 0)) break
      this.at++
      if (t.kind === 'close') continue
      if (t.kind === 'or') {
        or = all.length > 0
        continue
      }
      let one: Filter | null
      if (t.kind === 'open') {
        if (depth >= deepest) continue
        one = this.either(depth + 1)
        this.at++ // the closing bracket
      } else {
        one = this.term(t)
      }
      if (!one) continue
      if (t.negated) one = { operator: 'NOT', conditions: [one] }
      const last = or ? all.pop() : undefined
      all.push(last ? joined('OR', last, one) : one)
      or = false
    }
    return and(all)
  }

  private term(t: Token): Filter | null {
    if (t.value.trim() === '') return null
    if (t.kind === 'word') {
      this.text = true
      return { text: phrase(t) }
    }
    switch (t.name) {
      case 'from': case 'to': case 'cc': case 'bcc': return this.who(t.name, t)
      case 'subject': case 'body':
        this.text = true
        return { [t.name]: phrase(t) }
      case 'in': return this.place(t.value)
      case 'is': return this.is(t)
      case 'has': return this.has(t)
      case 'label': return { hasKeyword: this.c.label(t.value) ?? keywordOf(t.value) }
      case 'before': case 'after': return this.date(t.name, t)
      default: return this.size(t.name as 'larger' | 'smaller', t)
    }
  }

  private who(name: 'from' | 'to' | 'cc' | 'bcc', t: Token): Filter {
    if (t.value.toLowerCase() !== 'me' || this.c.me.length === 0) return { [name]: phrase(t) }
    const own: Filter[] = this.c.me.map((address) => ({ [name]: address }))
    return own.length === 1 ? own[0]! : { operator: 'OR', conditions: own }
  }

  private place(value: string): Filter | null {
    this.placed = true
    if (/^(any|anywhere|all)$/i.test(value)) return null
    const id = this.c.mailbox(value)
    if (id !== undefined) return { inMailbox: id }
    this.problems.push(`There is no mailbox named “${value}”.`)
    return nothing
  }

  private is(t: Token): Filter {
    const found = states[t.value.toLowerCase()]
    return found ?? this.plain(t)
  }

  private has(t: Token): Filter {
    switch (t.value.toLowerCase()) {
      case 'attachment': case 'attachments': case 'file': return { hasAttachment: true }
      case 'star': return { hasKeyword: '$flagged' }
      default: return this.plain(t)
    }
  }

  /** What has the form of an operator but no meaning is text. */
  private plain(t: Token): Filter {
    this.text = true
    return { text: quote(`${t.name}:${t.value}`) }
  }

  private date(name: 'before' | 'after', t: Token): Filter | null {
    const found = dateOf(t.value, this.c.now)
    if (found) return { [name]: found.toISOString().replace(/\.\d+Z$/, 'Z') }
    this.problems.push(`“${t.value}” is no date. Write 2024-05-31, or 7d for seven days ago.`)
    return null
  }

  private size(name: 'larger' | 'smaller', t: Token): Filter | null {
    const found = sizeOf(t.value)
    if (found !== undefined) return name === 'larger' ? { minSize: found } : { maxSize: found }
    this.problems.push(`“${t.value}” is no size. Write 5M or 100k.`)
    return null
  }
}

/** A filter that nothing matches. */
export const nothing: Filter = { operator: 'AND', conditions: [{ hasKeyword: '$seen' }, { notKeyword: '$seen' }] }

const states: Record<string, Filter> = Object.assign(Object.create(null) as Record<string, Filter>, {
  unread: { notKeyword: '$seen' }, unseen: { notKeyword: '$seen' }, read: { hasKeyword: '$seen' }, seen: { hasKeyword: '$seen' },
  starred: { hasKeyword: '$flagged' }, flagged: { hasKeyword: '$flagged' }, unstarred: { notKeyword: '$flagged' },
  answered: { hasKeyword: '$answered' }, replied: { hasKeyword: '$answered' }, unanswered: { notKeyword: '$answered' },
  forwarded: { hasKeyword: '$forwarded' }, draft: { hasKeyword: '$draft' },
} satisfies Record<string, FilterCondition>)

function joined(operator: 'OR', a: Filter, b: Filter): Filter {
  if ('operator' in a && a.operator === operator) return { operator, conditions: [...a.conditions, b] }
  return { operator, conditions: [a, b] }
}

/** All together; texts of the same field become one condition, which the server answers quicker. */
function and(all: Filter[]): Filter | null {
  const texts: string[] = []
  const rest: Filter[] = []
  for (const f of all) {
    if (!('operator' in f) && Object.keys(f).length === 1 && f.text !== undefined) texts.push(f.text)
    else rest.push(f)
  }
  const parts: Filter[] = [...(texts.length > 0 ? [{ text: texts.join(' ') }] : []), ...rest]
  if (parts.length === 0) return null
  return parts.length === 1 ? parts[0]! : { operator: 'AND', conditions: parts }
}

function phrase(t: Token): string {
  return t.quoted || /\s/.test(t.value) ? quote(t.value) : t.value
}

function quote(text: string): string {
  return `"${text.replaceAll('"', ' ').trim()}"`
}

/** What a label's name would be as a keyword (RFC 8621 4.1.1: no spaces and none of ( ) { ] % * " \). */
export function keywordOf(name: string): string {
  const s = name.trim().toLowerCase().normalize('NFKD').replace(/[\u0300-\u036f]/g, '').replace(/[^a-z0-9$_.-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '')
  return s.slice(0, 80) || 'label'
}

/** "2024-05-31", "31.5.2024", "2024/5/31", "2024-05", "2024", "today", "yesterday", "7d" (days ago), "2w", "3m", "1y". Days begin at midnight here. */
export function dateOf(text: string, now: Date): Date | undefined {
  const s = text.trim().toLowerCase()
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate())
  if (s === 'today') return midnight
  if (s === 'yesterday') return new Date(midnight.getFullYear(), midnight.getMonth(), midnight.getDate() - 1)
  const ago = /^(\d{1,4})([dwmy])$/.exec(s)
  if (ago) {
    const n = Number(ago[1])
    const [y, m, d] = [midnight.getFullYear(), midnight.getMonth(), midnight.getDate()]
    const found = { d: new Date(y, m, d - n), w: new Date(y, m, d - 7 * n), m: new Date(y, m - n, d), y: new Date(y - n, m, d) }[ago[2] as 'd' | 'w' | 'm' | 'y']
    return found.getFullYear() >= 1 ? found : undefined
  }
  const iso = /^(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?$/.exec(s)
  if (iso) return day(Number(iso[1]), Number(iso[2] ?? 1), Number(iso[3] ?? 1))
  const european = /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/.exec(s)
  if (european) return day(Number(european[3]), Number(european[2]), Number(european[1]))
  return undefined
}

function day(y: number, m: number, d: number): Date | undefined {
  const date = new Date(y, m - 1, d)
  return y >= 1000 && date.getMonth() === m - 1 && date.getDate() === d ? date : undefined
}

/** "500", "100k", "5M", "1.5mb", "2G", in octets. */
export function sizeOf(text: string): number | undefined {
  const m = /^(\d{1,9}(?:[.,]\d{1,3})?)\s*([kmg]?)i?b?$/i.exec(text.trim())
  if (!m) return undefined
  const unit = { '': 1, k: 1e3, m: 1e6, g: 1e9 }[m[2]!.toLowerCase() as '' | 'k' | 'm' | 'g']
  const n = Math.round(Number(m[1]!.replace(',', '.')) * unit)
  return Number.isSafeInteger(n) ? n : undefined
}

/** The filter of a search that says nothing of mailboxes: all but Junk and Trash, or one mailbox. */
export function scoped(parsed: Parsed, scope: { mailbox?: Id | undefined; leaveOut: Id[] }): Filter | null {
  if (parsed.placed) return parsed.filter
  const where: Filter | null = scope.mailbox !== undefined ? { inMailbox: scope.mailbox } : scope.leaveOut.length > 0 ? { inMailboxOtherThan: scope.leaveOut } : null
  if (!where) return parsed.filter
  if (!parsed.filter) return where
  if ('operator' in parsed.filter && parsed.filter.operator === 'AND') return { operator: 'AND', conditions: [where, ...parsed.filter.conditions] }
  return { operator: 'AND', conditions: [where, parsed.filter] }
}
