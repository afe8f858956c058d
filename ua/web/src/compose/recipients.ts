// Who gets an answer.

import type { Address } from '#/lib/jmap/types'
import type { How } from './compose.svelte'
import { same, withoutTag } from './address'

export interface Answered {
  from: Address[] | null
  to: Address[] | null
  cc: Address[] | null
  replyTo: Address[] | null
  listPost?: string[] | null
  followupTo?: Address[] | null
}

export interface Recipients {
  to: Address[]
  cc: Address[]
}

/** The address that a mailing list takes letters at (RFC 2369 3.4), if it does. */
export function listAddress(listPost: string[] | null | undefined): string {
  for (const url of listPost ?? []) {
    const m = /^mailto:([^?]+)/i.exec(url.trim())
    if (m) return safely(m[1]!)
  }
  return ''
}

function safely(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Whether an address is one of mine, with or without a tag. */
export function isMine(email: string, mine: readonly string[]): boolean {
  return mine.some((m) => same(m, email) || withoutTag(m) === withoutTag(email))
}

/** Recipients of an answer (RFC 5322 3.6.3), my own addresses left out unless nobody else is there. */
export function recipientsOf(m: Answered, how: How, mine: readonly string[]): Recipients {
  if (how === 'forward' || how === 'attach') return { to: [], cc: [] }
  const from = list(m.from)
  const to = list(m.to)
  const cc = list(m.cc)
  const replyTo = list(m.replyTo)
  const post = listAddress(m.listPost)
  if (how === 'list' && post) return { to: [named({ name: null, email: post }, [...to, ...cc, ...replyTo])], cc: [] }
  const own = from.length > 0 && from.every((a) => isMine(a.email, mine))
  if (how === 'reply') {
    // An answer to what one wrote oneself goes on to those it was for.
    const target = own ? (to.length > 0 ? to : from) : replyTo.length > 0 ? named1(replyTo, from) : from
    return { to: unique(target, []), cc: [] }
  }
  const follow = list(m.followupTo)
  if (follow.length > 0 && !own) return { to: unique(without(follow, mine, follow), []), cc: [] }
  const first = own ? to : [...(replyTo.length > 0 ? named1(replyTo, from) : from), ...to]
  const main = unique(without(first, mine, own ? to : from), [])
  return { to: main, cc: unique(without(cc, mine, []), main) }
}

const list = (l: Address[] | null | undefined) => (l ?? []).filter((a) => a.email)

/** Takes my addresses out; what is left when all are mine is said by rest. */
function without(all: Address[], mine: readonly string[], rest: Address[]): Address[] {
  const others = all.filter((a) => !isMine(a.email, mine))
  return others.length > 0 ? others : rest
}

function unique(all: Address[], besides: Address[]): Address[] {
  const seen = new Set(besides.map((a) => a.email.toLowerCase()))
  return all.filter((a) => !seen.has(a.email.toLowerCase()) && seen.add(a.email.toLowerCase()))
}

function named(a: Address, among: Address[]): Address {
  return a.name ? a : { email: a.email, name: among.find((o) => same(o.email, a.email) && o.name)?.name ?? null }
}

/** Reply-To often has no name where From has one. */
function named1(all: Address[], from: Address[]): Address[] {
  return all.map((a) => named(a, from))
}

/** Which of my addresses a message came to, or was written as: the index, or -1. */
export function addressed(m: { from: Address[] | null; to: Address[] | null; cc: Address[] | null; bcc?: Address[] | null; delivered?: string[] }, mine: readonly string[]): number {
  const candidates = [...list(m.from).filter((a) => mine.some((e) => same(e, a.email))), ...list(m.to), ...list(m.cc), ...list(m.bcc)].map((a) => a.email).concat(m.delivered ?? [])
  for (const c of candidates) {
    const i = mine.findIndex((e) => same(e, c))
    if (i >= 0) return i
  }
  for (const c of candidates) {
    const i = mine.findIndex((e) => withoutTag(e) === withoutTag(c))
    if (i >= 0) return i
  }
  return -1
}
