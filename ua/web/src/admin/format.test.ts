import { describe, expect, it } from 'vitest'
import { addresses, dayMoment, daysLeft, parseSize, percent, sameName, say, span, toneOf, writeSize } from './format'

describe('sizes', () => {
  it('are read as people write them', () => {
    for (const [text, want] of [
      ['5 GB', 5e9], ['500MB', 5e8], ['1.5 tb', 1.5e12], ['1,5 GB', 1.5e9], ['2g', 2e9], ['1 GiB', 1_073_741_824], ['0', 0], ['1234', 1234], ['10 b', 10],
      ['', null], ['GB', null], ['-1 GB', null], ['5 XB', null], ['5 GB 3', null], ['99999999999 TB', null],
    ] as const) expect(parseSize(text), text).toBe(want)
  })
  it('come back from what was written', () => {
    for (const n of [0, 1, 999, 1000, 1500, 5e9, 1.25e12, 123_456_789, 1_073_741_824]) expect(parseSize(writeSize(n)), writeSize(n)).toBe(n)
  })
})

describe('span', () => {
  it('tells the two greatest parts', () => {
    for (const [n, want] of [[0, '0 seconds'], [1, '1 second'], [61, '1 minute 1 second'], [3600, '1 hour'], [90_061, '1 day 1 hour'], [172_800 + 60, '2 days']] as const) {
      expect(span(n)).toBe(want)
    }
  })
})

describe('shares', () => {
  it('have a tone, and none without a limit', () => {
    expect(percent(5, 10)).toBe(50)
    expect(percent(5, 0)).toBe(0)
    expect([0.2, 0.85, 0.99, 1, 1.4].map(toneOf)).toEqual(['good', 'warn', 'warn', 'bad', 'bad'])
  })
})

describe('addresses', () => {
  it('are taken from lists of any sort, each once', () => {
    expect(addresses('ann@a.example, Ben <ben@a.example>;\n\nANN@a.example\n kim@b.example ')).toEqual(['ann@a.example', 'ben@a.example', 'kim@b.example'])
    expect(addresses(' \n,;')).toEqual([])
  })
})

describe('names', () => {
  it('are the same whatever the case', () => {
    expect(sameName(' Example.ORG. ', 'example.org')).toBe(true)
    expect(sameName('@example.org', 'example.org')).toBe(true)
    expect(sameName('', '')).toBe(false)
    expect(sameName('example.or', 'example.org')).toBe(false)
  })
})

describe('days', () => {
  it('begin and end at midnight here', () => {
    expect(dayMoment('2026-11-24')).toBe(new Date(2026, 10, 24).toISOString())
    expect(dayMoment('2026-11-24', true)).toBe(new Date(2026, 10, 25).toISOString())
    expect(dayMoment('yesterday')).toBeUndefined()
  })
  it('are counted down', () => {
    const now = Date.parse('2026-11-24T12:00:00Z')
    expect(daysLeft('2026-11-26T11:00:00Z', now)).toBe(1)
    expect(daysLeft('2026-11-24T11:00:00Z', now)).toBe(-1)
  })
})

describe('say', () => {
  it('makes sentences, and leaves names and addresses as they are', () => {
    for (const [text, want] of [
      ['nobody has the address x@one.example yet; add it with: postrider account add x@one.example', 'Nobody has the address x@one.example yet.'],
      ['Nobody has it yet; add it with: postrider account add x.', 'Nobody has it yet.'],
      ['ann@one.example is not served here; spam counts', 'ann@one.example is not served here; spam counts.'],
      ['one.example is served here already', 'one.example is served here already.'],
      ["another's", "Another's."],
      ['name a provider in [publish], or copy them from: postrider dns records', 'Name a provider in [publish], or copy them from: postrider dns records.'],
    ] as const) expect(say(text)).toBe(want)
  })
})
