// What may be meant by what stands before the cursor in the search box.

import { operators, tokens } from './parse'

export interface Sources {
  people: (text: string) => { name: string; email: string }[]
  mailboxes: { title: string; value: string }[]
  labels: string[]
  recent: string[]
}

export interface Suggestion {
  kind: 'recent' | 'operator' | 'value' | 'person' | 'mailbox' | 'label'
  label: string
  detail?: string
  /** The whole input once it is taken. */
  input: string
  /** Where the cursor is then. */
  caret: number
  /** Whether more is to be written after it: the search does not run yet. */
  open: boolean
}

const values: Record<string, string[]> = {
  is: ['unread', 'read', 'starred', 'unstarred', 'answered', 'unanswered', 'forwarded', 'draft'], has: ['attachment', 'star'],
  before: ['today', 'yesterday', '7d', '30d', '1y'], after: ['today', 'yesterday', '7d', '30d', '1y'], larger: ['1M', '5M', '10M'], smaller: ['100k', '1M'],
}

const atMost = 8

export function suggest(input: string, caret: number, from: Sources): Suggestion[] {
  const before = input.slice(0, caret)
  const t = tokens(before).at(-1)
  const writing = t && t.to === before.length && !/\s$/.test(before) ? t : undefined
  if (!writing) return input.trim() === '' ? recents(from, '') : []
  const start = writing.from + (writing.negated ? 1 : 0)
  const put = (text: string, open = false): Pick<Suggestion, 'input' | 'caret' | 'open'> => {
    const rest = input.slice(caret)
    const space = open || /^\s/.test(rest) ? '' : ' '
    return { input: input.slice(0, start) + text + space + rest, caret: start + text.length + space.length, open }
  }
  if (writing.kind === 'op') return valuesOf(writing.name, writing.value, from, put).slice(0, atMost)
  if (writing.kind !== 'word' || writing.quoted) return []
  const typed = writing.value.toLowerCase()
  const ops = Object.keys(operators).filter((o) => o.startsWith(typed))
    .map((o): Suggestion => ({ kind: 'operator', label: `${o}:`, detail: operators[o]!, ...put(`${o}:`, true) }))
  const whole = tokens(input).length === 1
  const people = typed.length < 2 ? [] : from.people(writing.value).slice(0, 4).map((p): Suggestion => ({ kind: 'person', label: p.name || p.email, detail: p.email, ...put(`from:${quoted(p.email)}`) }))
  const boxes = typed.length < 2 ? [] : from.mailboxes.filter((m) => m.title.toLowerCase().startsWith(typed)).slice(0, 2)
    .map((m): Suggestion => ({ kind: 'mailbox', label: m.title, detail: 'in this mailbox', ...put(`in:${quoted(m.value)}`) }))
  return [...(whole ? recents(from, input).slice(0, 3) : []), ...ops, ...people, ...boxes].slice(0, atMost)
}

type Put = (text: string, open?: boolean) => Pick<Suggestion, 'input' | 'caret' | 'open'>

function valuesOf(name: string, typed: string, from: Sources, put: Put): Suggestion[] {
  const low = typed.toLowerCase()
  switch (name) {
    case 'from': case 'to': case 'cc': case 'bcc': {
      const me: Suggestion[] = 'me'.startsWith(low) ? [{ kind: 'person', label: 'me', detail: 'your own addresses', ...put(`${name}:me`) }] : []
      return [...me, ...from.people(typed).map((p): Suggestion => ({ kind: 'person', label: p.name || p.email, detail: p.email, ...put(`${name}:${quoted(p.email)}`) }))]
    }
    case 'in':
      return [...from.mailboxes, { title: 'Anywhere', value: 'anywhere' }].filter((m) => m.title.toLowerCase().includes(low) || m.value.toLowerCase().startsWith(low))
        .map((m): Suggestion => ({ kind: 'mailbox', label: m.title, ...put(`in:${quoted(m.value)}`) }))
    case 'label':
      return from.labels.filter((l) => l.toLowerCase().includes(low)).map((l): Suggestion => ({ kind: 'label', label: l, ...put(`label:${quoted(l)}`) }))
    default:
      return (values[name] ?? []).filter((v) => v.startsWith(low) && v !== low).map((v): Suggestion => ({ kind: 'value', label: `${name}:${v}`, ...put(`${name}:${v}`) }))
  }
}

function recents(from: Sources, typed: string): Suggestion[] {
  const low = typed.trim().toLowerCase()
  return from.recent.filter((r) => r.toLowerCase().startsWith(low) && r.toLowerCase() !== low).slice(0, atMost)
    .map((r) => ({ kind: 'recent', label: r, input: r, caret: r.length, open: false }))
}

export function quoted(value: string): string {
  return /[\s()]/.test(value) ? `"${value.replaceAll('"', '')}"` : value
}

/** The recent searches with one more in front. */
export function remembered(recent: readonly string[], search: string): string[] {
  const s = search.trim().replace(/\s+/g, ' ')
  if (s.length < 2 || s.length > 200) return [...recent]
  return [s, ...recent.filter((r) => r.toLowerCase() !== s.toLowerCase())].slice(0, 12)
}
