import { describe, expect, it } from 'vitest'
import type { Filter } from '#/lib/jmap/types'
import { dateOf, keywordOf, nothing, parse, scoped, sizeOf, tokens, type Context } from './parse'

const context: Context = {
  now: new Date(2024, 4, 31, 15, 30),
  me: ['ann@one.example'],
  mailbox: (name) => ({ inbox: 'I', trash: 'T', 'my stuff': 'S' })[name.toLowerCase()],
  label: (name) => ({ work: 'work', 'big client': 'big-client' })[name.toLowerCase()],
}
const filter = (input: string) => parse(input, context).filter
const local = (y: number, m: number, d: number) => new Date(y, m - 1, d).toISOString().replace('.000Z', 'Z')

describe('the search box', () => {
  const cases: [string, Filter | null][] = [
    ['', null],
    ['   ', null],
    ['hello', { text: 'hello' }],
    ['hello world', { text: 'hello world' }],
    ['"hello world"', { text: '"hello world"' }],
    ['"hello world', { text: '"hello world"' }],
    ['from:bob', { from: 'bob' }],
    ['FROM:bob', { from: 'bob' }],
    ['from:me', { from: 'ann@one.example' }],
    ['from:"Bob Smith" hi', { operator: 'AND', conditions: [{ text: 'hi' }, { from: '"Bob Smith"' }] }],
    ['subject:lunch', { subject: 'lunch' }],
    ['in:inbox', { inMailbox: 'I' }],
    ['in:"my stuff"', { inMailbox: 'S' }],
    ['in:anywhere', null],
    ['in:nowhere', nothing],
    ['is:unread', { notKeyword: '$seen' }],
    ['is:starred', { hasKeyword: '$flagged' }],
    ['is:constructor', { text: '"is:constructor"' }],
    ['is:lovely', { text: '"is:lovely"' }],
    ['has:attachment', { hasAttachment: true }],
    ['label:Work', { hasKeyword: 'work' }],
    ['label:"big client"', { hasKeyword: 'big-client' }],
    ['label:other', { hasKeyword: 'other' }],
    ['larger:5M', { minSize: 5_000_000 }],
    ['smaller:100k', { maxSize: 100_000 }],
    ['after:2024-05-01', { after: local(2024, 5, 1) }],
    ['before:7d', { before: local(2024, 5, 24) }],
    ['older_than:1y', { before: local(2023, 5, 31) }],
    ['-from:bob', { operator: 'NOT', conditions: [{ from: 'bob' }] }],
    ['a -b', { operator: 'AND', conditions: [{ text: 'a' }, { operator: 'NOT', conditions: [{ text: 'b' }] }] }],
    ['a OR b', { operator: 'OR', conditions: [{ text: 'a' }, { text: 'b' }] }],
    ['a OR b OR c', { operator: 'OR', conditions: [{ text: 'a' }, { text: 'b' }, { text: 'c' }] }],
    ['a b OR c', { operator: 'AND', conditions: [{ text: 'a' }, { operator: 'OR', conditions: [{ text: 'b' }, { text: 'c' }] }] }],
    ['OR a', { text: 'a' }],
    ['a OR', { text: 'a' }],
    ['a AND b', { text: 'a b' }],
    ['from:(bob)', { text: 'bob' }],
    ['(a b) OR c', { operator: 'OR', conditions: [{ text: 'a b' }, { text: 'c' }] }],
    ['-(a OR b)', { operator: 'NOT', conditions: [{ operator: 'OR', conditions: [{ text: 'a' }, { text: 'b' }] }] }],
    [')) a', { text: 'a' }],
    ['((a', { text: 'a' }],
    ['https://one.example/x', { text: 'https://one.example/x' }],
    ['re:', { text: 're:' }],
    ['from:', null],
    ['- a', { text: '- a' }],
    ['__proto__:x', { text: '__proto__:x' }],
    ['toString:x', { text: 'toString:x' }],
  ]
  it.each(cases)('%s', (input, want) => expect(filter(input)).toEqual(want))

  it('says what it could not understand', () => {
    expect(parse('in:nowhere', context).problems).toEqual(['There is no mailbox named “nowhere”.'])
    expect(parse('before:soon larger:huge', context).problems).toHaveLength(2)
    expect(parse('before:2024-02-31', context).problems).toHaveLength(1)
  })

  it('leaves Junk and Trash out unless mailboxes are named', () => {
    const at = { leaveOut: ['J', 'T'] }
    expect(scoped(parse('a', context), at)).toEqual({ operator: 'AND', conditions: [{ inMailboxOtherThan: ['J', 'T'] }, { text: 'a' }] })
    expect(scoped(parse('a in:trash', context), at)).toEqual({ operator: 'AND', conditions: [{ text: 'a' }, { inMailbox: 'T' }] })
    expect(scoped(parse('a in:anywhere', context), at)).toEqual({ text: 'a' })
    expect(scoped(parse('a', context), { mailbox: 'I', leaveOut: [] })).toEqual({ operator: 'AND', conditions: [{ inMailbox: 'I' }, { text: 'a' }] })
    expect(scoped(parse('', context), { mailbox: 'I', leaveOut: [] })).toEqual({ inMailbox: 'I' })
  })

  it('knows dates and sizes', () => {
    const now = new Date(2024, 4, 31, 15, 30)
    expect(dateOf('today', now)).toEqual(new Date(2024, 4, 31))
    expect(dateOf('yesterday', now)).toEqual(new Date(2024, 4, 30))
    expect(dateOf('2w', now)).toEqual(new Date(2024, 4, 17))
    expect(dateOf('31.5.2024', now)).toEqual(new Date(2024, 4, 31))
    expect(dateOf('2024', now)).toEqual(new Date(2024, 0, 1))
    expect(dateOf('2024/13/1', now)).toBeUndefined()
    expect(dateOf('9999y', now)).toBeUndefined()
    expect(sizeOf('1.5MB')).toBe(1_500_000)
    expect(sizeOf('2 g')).toBe(2e9)
    expect(sizeOf('5x')).toBeUndefined()
    expect(keywordOf('Großes Büro (neu)')).toMatch(/^[a-z0-9$_.-]+$/)
    expect(keywordOf('***')).toBe('label')
  })

  it('takes whatever is written, and always gives a filter the server can read', () => {
    let seed = 3
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
    const bits = ['from:', 'in:', 'is:unread', 'before:', '7d', '"', '(', ')', '-', ' ', 'OR', 'AND', 'a', 'ü', '\u3000', '\\', 'label:', 'larger:', '5M', ':', '{', '😀', 'has:attachment', '\t', '--']
    const names = new Set(['text', 'from', 'to', 'cc', 'bcc', 'subject', 'body', 'inMailbox', 'hasKeyword', 'notKeyword', 'hasAttachment', 'before', 'after', 'minSize', 'maxSize'])
    const check = (f: Filter, depth: number) => {
      expect(depth).toBeLessThan(30)
      if ('operator' in f) {
        expect(f.conditions.length).toBeGreaterThan(0)
        f.conditions.forEach((c) => check(c, depth + 1))
        return
      }
      const entries = Object.entries(f)
      expect(entries).toHaveLength(1)
      for (const [name, value] of entries) {
        expect(names).toContain(name)
        expect(value).not.toBe('')
        if (name === 'hasKeyword' || name === 'notKeyword') expect(value).toMatch(/^[\x21-\x7e]+$/)
        if (name === 'before' || name === 'after') expect(value).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      }
    }
    for (let i = 0; i < 3000; i++) {
      const input = Array.from({ length: random(14) }, () => bits[random(bits.length)]).join('')
      const parsed = parse(input, context)
      if (parsed.filter) check(parsed.filter, 0)
      let last = 0
      for (const t of tokens(input)) {
        expect(t.from).toBeGreaterThanOrEqual(last)
        expect(t.to).toBeGreaterThan(t.from)
        last = t.to
      }
    }
  })

  it('bounds what it reads', () => {
    const deep = '('.repeat(5000) + 'a'
    expect(() => parse(deep, context)).not.toThrow()
    expect(() => parse('a OR '.repeat(2000), context)).not.toThrow()
  })
})
