import { describe, expect, it } from 'vitest'
import { checkOf, grouped, parseLine, relative, stateOf, unquoted, zoneText } from './records'
import type { DNSRecord, Finding } from './types'

const record = (name: string, type: string, value: string, more: Partial<DNSRecord> = {}): DNSRecord => ({ name, type, value, ttl: 3600, for: 'So that it works.', need: 'must', zone: 'one.example', ...more })
const mx = record('one.example', 'MX', '10 mail.one.example.')
const spf = record('one.example', 'TXT', '"v=spf1 mx -all"')
const dmarc = record('_dmarc.one.example', 'TXT', '"v=DMARC1; p=quarantine"')
const finding = (check: string, level: Finding['level'], more: Partial<Finding> = {}): Finding => ({ check, level, subject: 'one.example', text: `${check} is ${level}.`, ...more })

describe('lines of zone files', () => {
  it('are taken apart', () => {
    expect(parseLine('One.example. IN MX 10 mail.one.example.')).toEqual({ name: 'one.example', type: 'MX', value: '10 mail.one.example.' })
    expect(parseLine('_dmarc.one.example. 3600 IN TXT "v=DMARC1; p=none"')).toEqual({ name: '_dmarc.one.example', type: 'TXT', value: '"v=DMARC1; p=none"' })
    expect(parseLine('')).toBeNull()
    expect(parseLine('; a comment')).toBeNull()
  })
  it('have their strings joined', () => {
    expect(unquoted('"v=DKIM1; p=AB" "CD"')).toBe('v=DKIM1; p=ABCD')
    expect(unquoted('"a\\"b\\059c"')).toBe('a"b;c')
    expect(unquoted('plain')).toBe('plain')
  })
})

describe('names', () => {
  it('are relative to their zone', () => {
    expect(relative('one.example', 'one.example')).toBe('@')
    expect(relative('_dmarc.one.example', 'one.example')).toBe('_dmarc')
    expect(relative('notone.example', 'one.example')).toBe('notone.example')
    expect(relative('1.2.0.192.in-addr.arpa', '')).toBe('1.2.0.192.in-addr.arpa')
  })
})

describe('checkOf', () => {
  it('knows who looks at what', () => {
    expect([mx, spf, dmarc, record('a._domainkey.one.example', 'TXT', '"v=DKIM1; p=x"'), record('_smtp._tls.one.example', 'TXT', '"v=TLSRPTv1"'), record('mta-sts.one.example', 'CNAME', 'x.'),
      record('autoconfig.one.example', 'CNAME', 'x.'), record('mail.one.example', 'AAAA', '2001:db8::1'), record('one.example', 'TXT', '"other"')].map(checkOf))
      .toEqual(['mx', 'spf', 'dmarc', 'dkim', 'tlsrpt', 'mta-sts', 'autoconfig', 'hostname', ''])
  })
})

describe('stateOf', () => {
  it('is unknown when nobody has looked', () => {
    expect(stateOf(mx, undefined).level).toBe('unknown')
    expect(stateOf(mx, { findings: [] }).level).toBe('unknown')
  })
  it('is what is said of the record itself', () => {
    const findings = [finding('spf', 'fault', { record: 'one.example. IN TXT "v=spf1 mx -all"' }), finding('mx', 'ok')]
    expect(stateOf(spf, { findings })).toEqual({ level: 'fault', text: 'spf is fault.' })
    expect(stateOf(mx, { findings }).level).toBe('ok')
  })
  it('takes the worst of several, and one of several lines', () => {
    const findings = [finding('mx', 'warning', { record: 'x. IN A 192.0.2.1\none.example. IN MX 10 mail.one.example.' }), finding('mx', 'fault', { record: 'one.example. IN MX 10 mail.one.example.' })]
    expect(stateOf(mx, { findings }).level).toBe('fault')
  })
  it('takes what its check says of no record at all', () => {
    expect(stateOf(mx, { findings: [finding('mx', 'fault', { subject: 'mail.one.example' }), finding('mx', 'note')] }).level).toBe('fault')
  })
  it('does not take one text for another of the same name', () => {
    const findings = [finding('spf', 'fault', { record: 'one.example. IN TXT "v=spf1 mx -all"' })]
    expect(stateOf(record('one.example', 'TXT', '"v=other"'), { findings }).level).toBe('unknown')
  })
  it('is unknown where it could not be told', () => {
    expect(stateOf(dmarc, { findings: [finding('dmarc', 'note', { untold: true })] })).toEqual({ level: 'unknown', text: 'dmarc is note.' })
  })
  it('does not call right what its check finds fault with', () => {
    const other = record('b._domainkey.one.example', 'TXT', '"v=DKIM1; p=y"')
    const findings = [finding('dkim', 'ok', { subject: 'a._domainkey.one.example' }), finding('dkim', 'fault', { subject: 'c._domainkey.one.example' })]
    expect(stateOf(other, { findings }).level).toBe('unknown')
    expect(stateOf({ ...other, name: 'a._domainkey.one.example' }, { findings }).level).toBe('ok')
  })
})

describe('grouped', () => {
  it('has the domain first, others last, and what must be before what may', () => {
    const may = record('x.one.example', 'SRV', '0 0 0 .', { need: 'may' })
    const ptr = record('1.2.0.192.in-addr.arpa', 'PTR', 'mail.one.example.', { zone: undefined })
    const other = record('y.two.example', 'TXT', '"v=DMARC1"', { zone: 'two.example' })
    const got = grouped([ptr, other, may, mx], 'one.example')
    expect(got.map((g) => g.zone)).toEqual(['one.example', 'two.example', ''])
    expect(got[0]!.records).toEqual([mx, may])
  })
})

describe('zoneText', () => {
  it('tells once what several are for', () => {
    expect(zoneText([mx, spf])).toBe('; So that it works.\none.example. 3600 IN MX 10 mail.one.example.\none.example. 3600 IN TXT "v=spf1 mx -all"\n')
  })
})
