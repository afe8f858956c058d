// How people are named in lists: a conversation's senders in a few words, the first letter and the colour of a person.

import type { Address, Summary } from '#/lib/jmap/types'

export interface Part {
  text: string
  unread: boolean
}

/** The name of an address, or the part before the @ that says more than nothing. */
export function nameOf(a: Address | undefined): string {
  if (!a) return 'Nobody'
  const name = a.name?.trim().replace(/^['"]+|['"]+$/g, '').trim()
  return name || a.email.split('@')[0] || a.email || 'Nobody'
}

function short(name: string): string {
  const first = name.includes(',') ? (name.split(',')[1] ?? '').trim().split(/\s+/)[0] : name.split(/\s+/)[0]
  return first || name
}

/** Who wrote the messages of a conversation, oldest first: one by name, several by first names, the first and the last ones of many. */
export function senders(messages: readonly Pick<Summary, 'from' | 'keywords'>[], own: ReadonlySet<string>): Part[] {
  const by = new Map<string, { name: string; unread: boolean }>()
  for (const m of messages) {
    const a = m.from?.[0]
    const key = a?.email.toLowerCase() ?? ''
    const unread = !('$seen' in m.keywords) && !('$draft' in m.keywords)
    const name = '$draft' in m.keywords ? 'Draft' : own.has(key) ? 'me' : nameOf(a)
    const id = name === 'Draft' || name === 'me' ? name : key
    const known = by.get(id)
    if (known) {
      known.unread ||= unread
      by.delete(id) // the latest comes last
      by.set(id, known)
    } else {
      by.set(id, { name, unread })
    }
  }
  const all = [...by.values()]
  if (all.length <= 1) return all.map((p) => ({ text: p.name, unread: p.unread }))
  const shown = all.length > 3 ? [all[0]!, ...all.slice(-2)] : all
  const parts = shown.map((p) => ({ text: short(p.name), unread: p.unread }))
  if (all.length > 3) parts.splice(1, 0, { text: '…', unread: false })
  return parts
}

/** Whom a message went to, for Sent and Drafts. */
export function recipients(to: readonly Address[] | null): string {
  if (!to || to.length === 0) return 'Nobody yet'
  if (to.length === 1) return nameOf(to[0])
  const names = to.slice(0, 3).map((a) => short(nameOf(a)))
  return names.join(', ') + (to.length > 3 ? ` and ${to.length - 3} more` : '')
}

/** The letter that stands for somebody. */
export function initial(name: string): string {
  const m = /[\p{L}\p{N}]/u.exec(name)
  return m ? m[0].toLocaleUpperCase() : '?'
}

/** A hue, the same for the same address. */
export function hue(email: string): number {
  let h = 2166136261
  for (const c of email.toLowerCase()) h = Math.imul(h ^ c.codePointAt(0)!, 16777619)
  return ((h >>> 0) % 24) * 15
}

/** A snippet (RFC 8621 5) as pieces of text; what is to be marked is told, and nothing of it is ever read as HTML. */
export function pieces(snippet: string): { text: string; mark: boolean }[] {
  const out: { text: string; mark: boolean }[] = []
  let mark = false
  for (const part of snippet.split(/(<\/?mark>)/)) {
    if (part === '<mark>') mark = true
    else if (part === '</mark>') mark = false
    else if (part !== '') out.push({ text: plain(part), mark })
  }
  return out
}

const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#34;': '"', '&#39;': "'", '&apos;': "'", '&nbsp;': '\u00a0', '&amp;': '&' }

function plain(html: string): string {
  return html.replace(/&(?:lt|gt|quot|apos|nbsp|amp|#34|#39);/g, (e) => entities[e]!)
}
