import { describe, expect, it } from 'vitest'
import { append, asText, grave, roles, shown } from './lines'
import type { LogLine } from './types'

const line = (seq: number, more: Partial<LogLine> = {}): LogLine => ({ seq, at: `2026-11-24T10:00:${String(seq % 60).padStart(2, '0')}Z`, level: 'INFO', text: `line ${seq}`, ...more })

describe('append', () => {
  it('keeps the latest', () => {
    let all: LogLine[] = []
    for (let i = 1; i <= 50; i++) all = append(all, [line(i)], 20)
    expect(all.length).toBe(20)
    expect(all[0]!.seq).toBe(31)
    expect(append([], Array.from({ length: 100 }, (_, i) => line(i)), 20)[0]!.seq).toBe(80)
  })
  it('takes none twice, and those of a server that began anew', () => {
    const have = [line(1), line(2)]
    expect(append(have, [line(2)])).toBe(have)
    expect(append(have, [line(1, { at: '2026-11-25T00:00:00Z' })]).length).toBe(3)
    expect(append([], [line(1), line(1)]).length).toBe(1)
  })
})

describe('shown', () => {
  const all = [line(1, { role: 'mta/outbound', text: 'connected', attrs: 'host=mx.far.example' }), line(2, { level: 'WARN', role: 'mta', text: 'slow' }), line(3, { level: 'ERROR', role: 'mtax' }), line(4, { level: 'DEBUG' })]
  const seqs = (f: { level?: string; role?: string; text?: string }) => shown(all, { level: '', role: '', text: '', ...f }).map((l) => l.seq)
  it('goes by level, role and every word', () => {
    expect(seqs({})).toEqual([1, 2, 3, 4])
    expect(seqs({ level: 'WARN' })).toEqual([2, 3])
    expect(seqs({ role: 'mta' })).toEqual([1, 2])
    expect(seqs({ text: 'FAR connected' })).toEqual([1])
    expect(seqs({ text: 'far slow' })).toEqual([])
  })
  it('places levels between', () => {
    expect(['DEBUG-4', 'INFO+2', 'warn', 'ERROR+4', '?'].map(grave)).toEqual([0, 1, 2, 3, 1])
  })
})

describe('texts', () => {
  it('list roles once, and lines whole', () => {
    expect(roles([line(1, { role: 'b' }), line(2, { role: 'a' }), line(3, { role: 'b' }), line(4)])).toEqual(['a', 'b'])
    expect(asText([line(1, { role: 'mta', attrs: 'a=1' })])).toBe('2026-11-24T10:00:01Z INFO mta line 1 a=1')
  })
})
