import { describe, expect, it } from 'vitest'
import { check, type Facts } from './checks'

const facts = (change: Partial<Facts> = {}): Facts => ({ to: [{ email: 'a@x.example' }], cc: [], bcc: [], subject: 'Hi', text: 'Hello', attached: 0, failed: [], insideDomains: [], own: ['home.example'], ...change })
const kinds = (change: Partial<Facts>) => check(facts(change)).map((p) => p.kind + (p.anyway ? '' : '!')).join(' ')

describe('before sending', () => {
  const cases: [string, Partial<Facts>, string][] = [
    ['nothing to ask', {}, ''],
    ['nobody', { to: [] }, 'nobody!'],
    ['only Bcc is enough', { to: [], bcc: [{ email: 'a@x.example' }] }, ''],
    ['a wrong address', { cc: [{ email: 'bob', wrong: 'An address has an @.' }] }, 'wrong!'],
    ['a failed attachment', { failed: ['a.pdf'] }, 'unattached!'],
    ['forgotten', { text: 'see attached' }, 'forgotten'],
    ['not forgotten', { text: 'see attached', attached: 1 }, ''],
    ['no subject', { subject: ' ' }, 'subject'],
    ['outside is not asked when nothing was set', { to: [{ email: 'a@far.example' }] }, ''],
    ['outside', { to: [{ email: 'a@far.example' }, { email: 'b@in.example' }, { email: 'c@sub.in.example' }, { email: 'd@home.example' }], insideDomains: ['in.example'] }, 'outside'],
    ['a domain that only ends alike', { to: [{ email: 'a@notin.example' }], insideDomains: ['in.example'] }, 'outside'],
    ['many', { to: Array.from({ length: 15 }, (_, i) => ({ email: `p${i}@x.example` })) }, 'many'],
    ['many in Bcc', { bcc: Array.from({ length: 50 }, (_, i) => ({ email: `p${i}@x.example` })) }, ''],
  ]
  for (const [name, change, want] of cases) it(name, () => expect(kinds(change)).toBe(want))
  it('says it in words', () => {
    expect(check(facts({ to: [{ email: 'a@far.example' }], insideDomains: ['in.example'] }))[0]!.text).toBe('a@far.example is outside your organisation.')
    expect(check(facts({ text: 'anbei' }))[0]!.text).toBe('You wrote “anbei”, but nothing is attached.')
  })
})
