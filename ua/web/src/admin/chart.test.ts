import { describe, expect, it } from 'vitest'
import { bySource, dayName, highest, named, stacked, ticks } from './chart'

describe('ticks', () => {
  it('are round and reach the top', () => {
    for (const most of [1, 3, 7, 12, 99, 100, 101, 4321, 1e6]) {
      const t = ticks(most)
      expect(t[0]).toBe(0)
      expect(t.at(-1)).toBeGreaterThanOrEqual(most)
      expect(t.length).toBeLessThanOrEqual(7)
      expect(t.every(Number.isInteger)).toBe(true)
    }
    expect(ticks(0)).toEqual([0, 1])
    expect(ticks(Number.NaN)).toEqual([0, 1])
  })
})

describe('stacked', () => {
  it('puts bars upon one another inside the size', () => {
    const bars = stacked([[10, 0], [5, 1]], { width: 100, height: 150 }, 15)
    expect(bars.map((b) => [b.day, b.series])).toEqual([[0, 0], [0, 1], [1, 1]])
    expect(bars[0]).toMatchObject({ y: 50, height: 100 })
    expect(bars[1]).toMatchObject({ y: 0, height: 50 })
    for (const b of bars) {
      expect(b.x).toBeGreaterThanOrEqual(0)
      expect(b.x + b.width).toBeLessThanOrEqual(100)
    }
  })
  it('shows one among thousands', () => {
    expect(stacked([[100_000], [1]], { width: 10, height: 100 }, 100_000).every((b) => b.height > 0 || b.y === 0)).toBe(true)
    expect(stacked([[0], [1]], { width: 10, height: 100 }, 100_000)[0]!.height).toBe(1.5)
  })
  it('has none of nothing', () => {
    expect(stacked([], { width: 10, height: 10 }, 5)).toEqual([])
    expect(stacked([[0, 0]], { width: 10, height: 10 }, 5)).toEqual([])
  })
})

describe('highest', () => {
  it('is the fullest day', () => {
    expect(highest([[1, 5], [2, 1]])).toBe(6)
    expect(highest([])).toBe(0)
  })
})

describe('named', () => {
  it('leaves room between names and keeps the last', () => {
    const got = named(30, 400)
    expect(got.at(-1)).toBe(29)
    expect(got.length).toBeLessThanOrEqual(6)
    expect(named(3, 1000)).toEqual([0, 1, 2])
    expect(named(0, 100)).toEqual([])
    expect(named(5, 0)).toEqual([])
  })
})

describe('dayName', () => {
  it('does not slip into the day before', () => {
    expect(dayName('2026-11-24')).toContain('24')
  })
})

describe('bySource', () => {
  it('joins results of one source, with the rest last', () => {
    const got = bySource([
      { name: '192.0.2.1', result: 'DKIM pass, SPF pass, none', total: 5, counts: [5, 0] },
      { name: '', rest: true, total: 100, counts: [50, 50] },
      { name: '192.0.2.9', result: 'DKIM fail, SPF fail, reject', total: 7, counts: [0, 7] },
      { name: '192.0.2.1', result: 'DKIM fail, SPF fail, none', total: 3, counts: [0, 3] },
    ], (r) => r.includes('pass'))
    expect(got.map((s) => [s.name, s.total, s.passed, s.failed])).toEqual([['192.0.2.1', 8, 5, 3], ['192.0.2.9', 7, 0, 7], ['', 100, 0, 0]])
    expect(got[0]!.counts).toEqual([5, 3])
  })
})
