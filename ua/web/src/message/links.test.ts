import { describe, expect, it } from 'vitest'
import { claimedHost, examine, punycode, sameSite, unicode } from './links'

describe('links', () => {
  it.each([
    ['https://evil.example/x', 'https://www.bank.example/login', 1],
    ['https://www.bank.example/x', 'https://www.bank.example/login', 0],
    ['https://login.bank.example/x', 'bank.example', 0],
    ['https://mail.shop.co.uk/', 'www.shop.co.uk', 0],
    ['https://evil.co.uk/', 'www.shop.co.uk', 1],
    ['https://x.example/', 'Read on', 0],
    ['https://x.example/', 'report.pdf', 0],
    ['https://bank.example@evil.example/', 'here', 1],
    ['https://xn--bnk-6na.example/', 'here', 0],
    ['https://xn--pple-43d.com/', 'here', 1],
    ['https://xn--80ak6aa92e.com/', 'apple', 1],
    ['https://xn--bcher-kva.example/', 'here', 0],
    ['http://192.0.2.1/login', 'here', 1],
    ['mailto:a@b.example', 'a@b.example', 0],
  ])('%s as %s', (href, text, doubts) => {
    expect(examine(href, text)?.doubts).toHaveLength(doubts)
  })

  it('goes nowhere else', () => {
    for (const href of ['javascript:alert(1)', ' java\nscript:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', 'blob:https://x/1', 'nonsense'])
      expect(examine(href, 'x')).toBeNull()
  })

  it('decodes names (RFC 3492 7.1)', () => {
    expect(punycode('bcher-kva')).toBe('bücher')
    expect(punycode('ihqwcrb4cv8a8dqg056pqjye')).toBe('他们为什么不说中文')
    expect(punycode('4dbcagdahymbxekheh6e0a7fei0b')).toBe('למההםפשוטלאמדבריםעברית')
    expect(punycode('!!')).toBeNull()
    expect(unicode('xn--bcher-kva.example')).toBe('bücher.example')
  })

  it('knows sites', () => {
    expect(sameSite('a.b.example', 'b.example')).toBe(true)
    expect(sameSite('b.example', 'c.example')).toBe(false)
    expect(claimedHost('see https://a.example/x')).toBe('a.example')
    expect(claimedHost('ann@a.example')).toBe('')
  })
})
