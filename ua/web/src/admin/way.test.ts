import { describe, expect, it } from 'vitest'
import { gist, wayOf } from './way'
import type { Passage, Recipient, TrailEvent } from './types'

const event = (at: string, outcome: string, to?: string): TrailEvent => ({ at, outcome, from: 'ann@one.example', role: 'mta', ...(to ? { to } : {}) })
const recipient = (address: string, outcome: string, final = false): Recipient => ({ address, outcome, at: '', final })
const passage = (recipients: Recipient[], events: TrailEvent[] | null): Passage => ({ trace: 't', from: 'ann@one.example', began: '', recipients, events })

describe('wayOf', () => {
  it('gives each recipient its own events in order, the troubled first', () => {
    const w = wayOf(passage([recipient('a@x', 'delivered', true), recipient('b@x', 'deferred'), recipient('c@x', 'bounced', true)],
      [event('3', 'relayed', 'b@x'), event('1', 'accepted'), event('2', 'deferred', 'b@x'), event('2', 'delivered', 'a@x'), event('4', 'expanded', 'list@x')]))
    expect(w.legs.map((l) => l.recipient.address)).toEqual(['c@x', 'b@x', 'a@x'])
    expect(w.legs[1]!.events.map((e) => e.outcome)).toEqual(['deferred', 'relayed'])
    expect(w.whole.map((e) => e.outcome)).toEqual(['accepted', 'expanded'])
  })
  it('bears nothing at all', () => {
    expect(wayOf(passage([], null))).toEqual({ legs: [], whole: [] })
  })
})

describe('gist', () => {
  it('is the worst of them', () => {
    expect(gist(passage([recipient('a@x', 'delivered', true), recipient('b@x', 'bounced', true), recipient('c@x', 'bounced', true)], []))).toEqual({ outcome: 'bounced', count: 2, of: 3 })
    expect(gist(passage([recipient('a@x', 'relayed', true)], [])).outcome).toBe('relayed')
    expect(gist(passage([], [event('1', 'rejected')])).outcome).toBe('rejected')
    expect(gist(passage([], null)).outcome).toBe('accepted')
  })
})
