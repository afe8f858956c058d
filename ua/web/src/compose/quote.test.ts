import { describe, expect, it } from 'vitest'
import { attribution, quoteForward, quoteReply, quoteText, splitQuote, splitQuoteHtml, subjectFor, withoutSignature } from './quote'

const m = {
  from: [{ name: 'Ada', email: 'ada@example.org' }], to: [{ name: null, email: 'me@example.org' }], cc: null, subject: 'Plans <1>', sentAt: '2026-11-24T10:00:00Z', receivedAt: '2026-11-24T10:00:01Z',
}

describe('subjects', () => {
  const cases: [string | null, string, string][] = [
    ['Plans', 'Re: Plans', 'Fwd: Plans'], ['Re: Plans', 'Re: Plans', 'Fwd: Re: Plans'], ['RE: re: Plans', 'Re: Plans', 'Fwd: RE: re: Plans'], ['AW: Plans', 'Re: Plans', 'Fwd: AW: Plans'],
    ['Re[2]: Plans', 'Re: Plans', 'Fwd: Re[2]: Plans'], ['Fwd: Plans', 'Re: Fwd: Plans', 'Fwd: Plans'], ['WG: Fw: Plans', 'Re: WG: Fw: Plans', 'Fwd: Plans'],
    ['[list] Re: Plans', 'Re: [list] Plans', 'Fwd: [list] Re: Plans'], ['Re: [list] Re: Plans', 'Re: [list] Plans', 'Fwd: Re: [list] Re: Plans'], ['[list] Plans', 'Re: [list] Plans', 'Fwd: [list] Plans'],
    ['回复：Plans', 'Re: Plans', 'Fwd: 回复：Plans'], ['Return: now', 'Re: Return: now', 'Fwd: Return: now'], ['', 'Re:', 'Fwd:'], [null, 'Re:', 'Fwd:'], ['Re:', 'Re:', 'Fwd: Re:'],
  ]
  for (const [s, reply, forward] of cases)
    it(String(s), () => {
      expect(subjectFor('reply', s)).toBe(reply)
      expect(subjectFor('forward', s)).toBe(forward)
    })
})

describe('quotes', () => {
  it('of text', () => expect(quoteText('a\n\n> b\r\nc\n\n')).toBe('> a\n>\n>> b\n> c'))
  it('leave signatures out (RFC 3676 4.3)', () => expect(withoutSignature('a\n-- \nAda')).toBe('a'))
  it('tell who wrote', () => expect(attribution(m)).toMatch(/^On .*2026.*, Ada <ada@example\.org> wrote:$/))
  it('are the same in both forms', () => {
    const q = quoteReply(m, { html: '<p>Hi</p>', text: '' })
    expect(q.html).toContain('Ada &lt;ada@example.org&gt; wrote:</div><blockquote type="cite"><p>Hi</p></blockquote></div>')
    expect(q.text).toMatch(/wrote:\n> Hi$/)
  })
  it('of plain text in HTML are escaped', () => expect(quoteReply(m, { html: null, text: '<b>x</b>' }).html).toContain('&lt;b&gt;x'))
  it('forwarded', () => {
    const q = quoteForward(m, { html: null, text: 'Hi\n-- \nAda' })
    expect(q.text).toContain('Subject: Plans <1>\nTo: me@example.org\n\nHi\n-- \nAda')
    expect(q.html).toContain('<b>Subject:</b> Plans &lt;1&gt;')
  })
})

describe('what was written and what is quoted', () => {
  it('text', () => expect(splitQuote('Hello\n\nOn Monday, Ada wrote:\n> a\n>\n> b\n')).toEqual({ own: 'Hello', quote: 'On Monday, Ada wrote:\n> a\n>\n> b' }))
  it('who wrote on two lines', () => expect(splitQuote('x\n\nOn Monday\nAda wrote:\n> a').quote).toBe('On Monday\nAda wrote:\n> a'))
  it('no quote at the end', () => expect(splitQuote('> a\nanswer')).toEqual({ own: '> a\nanswer', quote: '' }))
  it('HTML', () => expect(splitQuoteHtml('<div>x</div><div data-part="quote">q</div>')).toEqual({ own: '<div>x</div>', quote: '<div data-part="quote">q</div>' }))
  it('HTML without', () => expect(splitQuoteHtml('<div>x</div>')).toEqual({ own: '<div>x</div>', quote: '' }))
})
