import { describe, expect, it } from 'vitest'
import { advise } from './advise'

const told = (last: string) => advise({ state: 'waiting', attempts: 2, last, route: '' })

describe('advise', () => {
  it('goes by the words of the other side', () => {
    for (const [last, want] of [
      ['mx.far.example[192.0.2.1] said: 450 4.7.1 Greylisted, try again', /within minutes/],
      ['mx.far.example[192.0.2.1] said: 452 4.2.2 Over quota', /mailbox is full/],
      ['mx.far.example said: 421 4.7.28 unusual rate of mail', /less mail/],
      ['mx.far.example said: 451 4.7.1 blocked using zen.spamhaus.org', /block list/],
      ['mx.far.example said: 450 4.7.25 no PTR', /reverse name/],
      ['mx.far.example could not be reached: connection timed out', /does not answer/],
      ['the certificate of mx.far.example does not fit its MTA-STS policy', /as safe/],
      ['far.example cannot be looked up: SERVFAIL', /looked up/],
      ['mx.far.example said: 451 4.3.0 something', /tried again by itself/],
    ] as const) expect(told(last), last).toMatch(want)
  })
  it('knows states', () => {
    expect(advise({ state: 'held', attempts: 3, last: 'greylisted', route: '' })).toMatch(/release/)
    expect(advise({ state: 'sending', attempts: 0, route: '' })).toMatch(/running/)
    expect(advise({ state: 'waiting', attempts: 0, route: '' })).toMatch(/not tried yet/)
  })
})
