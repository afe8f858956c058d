// The way of one message, put in order for each recipient.

import type { Passage, Recipient, TrailEvent } from './types'

export interface Leg {
  recipient: Recipient
  events: TrailEvent[]
}

export interface Way {
  legs: Leg[]
  /** What is about the whole message, or about an address that is no recipient at the end. */
  whole: TrailEvent[]
}

/** What happened for each recipient, the earliest first; what is troubled comes before what is settled. */
export function wayOf(p: Passage): Way {
  const events = [...(p.events ?? [])].sort((a, b) => a.at.localeCompare(b.at))
  const known = new Set(p.recipients.map((r) => r.address))
  const legs = p.recipients.map((recipient) => ({ recipient, events: events.filter((e) => e.to === recipient.address) }))
  return { legs: legs.toSorted((a, b) => rank(a.recipient) - rank(b.recipient)), whole: events.filter((e) => !e.to || !known.has(e.to)) }
}

function rank(r: Recipient): number {
  if (['bounced', 'rejected', 'discarded'].includes(r.outcome)) return 0
  return r.final ? 2 : 1
}

/** How a message as a whole stands: the outcome that an operator cares for most. */
export function gist(p: Passage): { outcome: string; count: number; of: number } {
  const order = ['bounced', 'rejected', 'discarded', 'deferred', 'queued', 'accepted', 'expanded', 'reported', 'relayed', 'delivered']
  const all = p.recipients.length > 0 ? p.recipients.map((r) => r.outcome) : (p.events ?? []).slice(-1).map((e) => e.outcome)
  const outcome = order.find((o) => all.includes(o)) ?? all[0] ?? 'accepted'
  return { outcome, count: all.filter((o) => o === outcome).length, of: all.length }
}

export interface Asked {
  text: string
  since: string
  until: string
  outcome: string
}
