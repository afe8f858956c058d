import { describe, expect, it } from 'vitest'
import { parseMailto, startOf } from './mailto'

const emails = (l: { email: string }[]) => l.map((e) => e.email)

describe('RFC 6068', () => {
  it('2 and 6.1: addresses, encoded', () => {
    expect(emails(parseMailto('mailto:chris@example.com').to)).toEqual(['chris@example.com'])
    expect(emails(parseMailto('mailto:addr1@an.example,addr2@an.example').to)).toEqual(['addr1@an.example', 'addr2@an.example'])
    expect(emails(parseMailto('mailto:?to=addr1@an.example,addr2@an.example').to)).toEqual(['addr1@an.example', 'addr2@an.example'])
    expect(emails(parseMailto('mailto:addr1@an.example?to=addr2@an.example').to)).toEqual(['addr1@an.example', 'addr2@an.example'])
    expect(emails(parseMailto('mailto:gorby%25kremvax@example.com').to)).toEqual(['gorby%kremvax@example.com'])
    expect(emails(parseMailto('mailto:%22not%40me%22@example.org').to)).toEqual(['"not@me"@example.org'])
    expect(emails(parseMailto('mailto:unlikely%3Faddress@example.com?blat=foop').to)).toEqual(['unlikely?address@example.com'])
  })
  it('6.1: subject, body, copies', () => {
    const m = parseMailto('mailto:list@example.org?In-Reply-To=%3C3469A91.D10AF4C@example.com%3E&cc=a@x.example&bcc=b@x.example&subject=caf%C3%A9&body=one%0D%0Atwo')
    expect(m.inReplyTo).toBe('3469A91.D10AF4C@example.com')
    expect(emails(m.cc)).toEqual(['a@x.example'])
    expect(emails(m.bcc)).toEqual(['b@x.example'])
    expect(m.subject).toBe('café')
    expect(m.body).toBe('one\ntwo')
  })
  it('a plus is a plus', () => expect(parseMailto('mailto:a+b@example.org?subject=1+1').subject).toBe('1+1'))
  it('HTML in links is undone', () => expect(parseMailto('mailto:a@example.org?subject=x&amp;body=y').body).toBe('y'))
})

describe('what is hostile', () => {
  it('other fields are not taken (RFC 6068 4)', () => {
    const m = parseMailto('mailto:a@example.org?attach=/etc/passwd&from=boss@example.org&content-type=text/html&x-evil=1')
    expect(m).toEqual({ to: [{ name: '', email: 'a@example.org' }], cc: [], bcc: [], subject: '', body: '', inReplyTo: '' })
  })
  it('line ends make no fields (RFC 6068 7)', () => {
    expect(parseMailto('mailto:a@example.org?subject=x%0D%0ABcc:%20evil@example.org').subject).toBe('x Bcc: evil@example.org')
  })
  it('octets that are no UTF-8, half escapes, no mailto', () => {
    expect(parseMailto('mailto:a@example.org?subject=%E4').subject).toBe('\ufffd')
    expect(parseMailto('mailto:a@example.org?subject=100%').subject).toBe('100%')
    expect(parseMailto('javascript:alert(1)').to).toEqual([])
    expect(parseMailto('').to).toEqual([])
  })
})

it('reads the address of the page', () => {
  expect(startOf(new URLSearchParams('mailto=mailto:a@example.org'))).toEqual({ mailto: 'mailto:a@example.org' })
  expect(startOf(new URLSearchParams('to=a@example.org&subject=Hi&body=There'))).toEqual({ to: 'a@example.org', subject: 'Hi', text: 'There' })
  expect(startOf(new URLSearchParams('title=Page&url=https://example.org/'))).toEqual({ subject: 'Page', text: 'https://example.org/' })
  expect(startOf(new URLSearchParams('url=javascript:alert(1)'))).toEqual({})
})
