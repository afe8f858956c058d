import { describe, expect, it } from 'vitest'
import { certificateEnd, certificateTone, concerns, gather, glance } from './attention'
import type { Certificate, DoctorReport, Finding, Near, Node } from './types'

const now = Date.parse('2026-11-24T12:00:00Z')
const finding = (level: Finding['level'], text: string): Finding => ({ check: 'mx', subject: 'host', level, text })
const report = (domain: string, ...findings: Finding[]): DoctorReport => ({
  domain, at: '', took_ns: 0, findings,
  counts: { ok: 0, notes: 0, warnings: findings.filter((f) => f.level === 'warning').length, faults: findings.filter((f) => f.level === 'fault').length },
})
const certificate = (days: number, more: Partial<Certificate> = {}): Certificate => ({ names: ['mail.one.example'], renewal: 'file', until: new Date(now + days * 86_400_000 + 1000).toISOString(), ...more })

describe('gather', () => {
  it('tells once what is said of the host, the gravest first', () => {
    const got = gather([report('one.example', finding('warning', 'w'), finding('fault', 'f')), report('two.example', finding('warning', 'w'))])
    expect(got.map((g) => [g.finding.text, g.domains])).toEqual([['f', ['one.example']], ['w', ['one.example', 'two.example']]])
  })
})

describe('glance', () => {
  it('is one word for a domain', () => {
    expect(glance(undefined).word).toBe('Not examined yet')
    expect(glance(report('x'))).toEqual({ word: 'All is well', tone: 'good' })
    expect(glance(report('x', finding('warning', 'w'))).word).toBe('1 warning')
    expect(glance(report('x', finding('warning', 'w'), finding('fault', 'f'), finding('fault', 'g')))).toEqual({ word: '2 faults', tone: 'bad' })
  })
})

describe('certificates', () => {
  it('are urgent by who renews them', () => {
    expect(certificateTone(certificate(60), now)).toBe('good')
    expect(certificateTone(certificate(20), now)).toBe('warn')
    expect(certificateTone(certificate(20, { renewal: 'acme' }), now)).toBe('good')
    expect(certificateTone(certificate(20, { renewal: 'acme', trouble: 'no' }), now)).toBe('warn')
    expect(certificateTone(certificate(3, { renewal: 'acme' }), now)).toBe('bad')
    expect(certificateTone(certificate(-3), now)).toBe('bad')
    expect(certificateTone({ names: null, renewal: 'acme', trouble: 'no' }, now)).toBe('bad')
  })
  it('say when they end', () => {
    expect([certificate(0), certificate(1), certificate(9), certificate(-1), { names: [], renewal: 'acme' } as Certificate].map((c) => certificateEnd(c, now)))
      .toEqual(['Ends today', 'Ends tomorrow', 'Ends in 9 days', 'Expired', 'There is none yet'])
  })
})

describe('concerns', () => {
  it('are none where all is well', () => {
    expect(concerns({}, now)).toEqual([])
    expect(concerns({ certificates: [certificate(60)], nodes: [{ alive: true } as Node], queue: { messages: 1, recipients: 1, held: 0, sending: 0, deferred: 0, octets: 1, oldest: '2026-11-24T11:00:00Z' } }, now)).toEqual([])
  })
  it('come from everywhere, the gravest first', () => {
    const near = (address: string, used: number, what: Near['what'] = 'quota'): Near => ({ address, what, used, most: 100, share: used / 100 })
    const got = concerns({
      certificates: [certificate(20)], nodes: [{ name: 'b', alive: false } as Node],
      queue: { messages: 1, recipients: 1, held: 2, sending: 0, deferred: 0, octets: 1, oldest: '2026-11-20T11:00:00Z' },
      near: [near('full@one.example', 100), near('near@one.example', 96, 'recipients'), near('fine@one.example', 60)],
    }, now)
    expect(got.map((c) => c.tone)).toEqual(['bad', 'bad', 'warn', 'warn', 'warn', 'warn'])
    expect(got.map((c) => c.text).join(' ')).toMatch(/node b.*full@one.*mail\.one\.example: ends in 20 days.*waited.*held.*near@one/)
    expect(concerns({ near: Array.from({ length: 9 }, (_, i) => near(`a${i}`, 100)) }, now).at(-1)!.text).toMatch(/^4 more/)
  })
})
