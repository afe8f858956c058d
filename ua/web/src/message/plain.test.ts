import { describe, expect, it } from 'vitest'
import { parse, pieces } from './plain'

describe('plain', () => {
  it('finds links and leaves what ends a sentence', () => {
    expect(pieces('See (https://a.example/x_(y)) or <https://b.example/>, and mail ann@a.example.').filter((p) => 'href' in p)).toEqual([
      { href: 'https://a.example/x_(y)', text: 'https://a.example/x_(y)' }, { href: 'https://b.example/', text: 'https://b.example/' }, { href: 'mailto:ann@a.example', text: 'ann@a.example' }])
  })

  it('loses no character', () => {
    for (const line of ['', 'a', 'https://a.example', 'x https://a.example. y', 'ä@b.example <c@d.example>', 'http://', ')))https://x.example)))'])
      expect(pieces(line).map((p) => p.text).join('')).toBe(line)
  })

  it('parts quotes and signature', () => {
    const b = parse('Yes.\n\n> one\n> > two\n> three\n\nfine\n-- \nAnn\n')
    expect(b.map((x) => x.kind)).toEqual(['text', 'quote', 'text', 'signature'])
    expect(b[1]!.inner!.map((x) => x.kind)).toEqual(['text', 'quote', 'text'])
  })

  it('survives a tower of quotes', () => {
    expect(() => parse('>'.repeat(100_000) + 'x')).not.toThrow()
  })

  it('joins flowed lines (RFC 3676 4.1)', () => {
    const b = parse('one \ntwo\n> q \n> r\n', true)
    expect(b[0]!.pieces).toEqual([[{ text: 'one two' }]])
    expect(b[1]!.inner![0]!.pieces).toEqual([[{ text: 'q r' }]])
  })
})
