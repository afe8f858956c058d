import { describe, expect, it } from 'vitest'
import { build, leaves, newMessageId, outgoing, referencesOf, type Part, type Parts } from './build'

const parts = (change: Partial<Parts> = {}): Parts => ({
  from: { name: 'Me', email: 'me@example.org' }, to: [{ name: '', email: 'ada@example.org' }], cc: [], bcc: [], replyTo: [], subject: 'Hi', messageId: 'x@example.org', inReplyTo: [], references: [],
  html: '<div>Hi</div>', text: 'Hi', pieces: [], receipt: false, high: false, mailboxId: 'D', keywords: ['$draft', '$seen'], ...change,
})
const shape = (p: Part): string => (p.subParts ? `${p.type.slice(10)}(${p.subParts.map(shape).join(' ')})` : (p.partId ?? p.blobId!))
const picture = { blobId: 'B1', type: 'image/png', name: 'a.png', cid: 'c1@x' }
const file = { blobId: 'B2', type: 'application/pdf', name: 'a.pdf' }
const withPicture = '<div>Hi <img src="blob:x" data-cid="c1@x"></div>'

describe('RFC 8621 4.6: structures', () => {
  const cases: [string, Partial<Parts>, string][] = [
    ['plain', { html: null }, 't'],
    ['rich', {}, 'alternative(t h)'],
    ['picture', { html: withPicture, pieces: [picture] }, 'alternative(t related(h B1))'],
    ['a picture that was taken out', { pieces: [picture] }, 'alternative(t h)'],
    ['file', { pieces: [file] }, 'mixed(alternative(t h) B2)'],
    ['file with plain text', { html: null, pieces: [file, picture] }, 'mixed(t B2)'],
    ['all', { html: withPicture, pieces: [picture, file] }, 'mixed(alternative(t related(h B1)) B2)'],
  ]
  for (const [name, change, want] of cases) it(name, () => expect(shape(build(parts(change))['bodyStructure'] as Part)).toBe(want))
})

describe('headers', () => {
  it('only those that are there', () => {
    expect(Object.keys(build(parts())).sort()).toEqual(['bodyStructure', 'bodyValues', 'from', 'keywords', 'mailboxIds', 'messageId', 'subject', 'to'])
  })
  it('all', () => {
    const e = build(parts({
      cc: [{ name: 'C', email: 'c@example.org' }], bcc: [{ name: '', email: 'b@example.org' }], replyTo: [{ name: '', email: 'r@example.org' }], inReplyTo: ['p@x'], references: ['o@x', 'p@x'],
      receipt: true, high: true, date: new Date('2026-11-24T10:00:00.123Z'), draft: { v: 1, mode: 'rich' },
    }))
    expect(e['header:Disposition-Notification-To:asAddresses']).toEqual([{ name: 'Me', email: 'me@example.org' }])
    expect(e['header:Importance:asText']).toBe('high')
    expect(e['sentAt']).toBe('2026-11-24T10:00:00Z')
    expect(e['header:X-Postrider-Draft:asText']).toBe('{"v":1,"mode":"rich"}')
    expect(e['to']).toEqual([{ name: null, email: 'ada@example.org' }])
    expect(e['references']).toEqual(['o@x', 'p@x'])
  })
})

describe('HTML as it goes out', () => {
  it('names pictures', () => {
    const { html, cids } = outgoing(withPicture + '<img data-remote="https://x.example/a.png"><img src="blob:y"><img>', false)
    expect(html).toContain('<img src="cid:c1@x">')
    expect(html).toContain('<img src="https://x.example/a.png">')
    expect(html).not.toContain('blob:')
    expect([...cids]).toEqual(['c1@x'])
  })
  it('has nothing of the editor', () => expect(outgoing('<div class="size" data-part="signature" id="q">a\u200b</div><input type="hidden">', false).html).toContain('<body><div>a</div></body>'))
  it('keeps parts in drafts', () => expect(outgoing('<div data-part="quote">a</div>', true).html).toContain('data-part="quote"'))
})

it('RFC 5322 3.6.4: references', () => {
  expect(referencesOf({ messageId: ['c@x'], inReplyTo: ['b@x'], references: ['a@x', 'b@x'] })).toEqual({ inReplyTo: ['c@x'], references: ['a@x', 'b@x', 'c@x'] })
  expect(referencesOf({ messageId: ['c@x'], inReplyTo: ['b@x'], references: null })).toEqual({ inReplyTo: ['c@x'], references: ['b@x', 'c@x'] })
  expect(referencesOf({ messageId: ['c@x'], inReplyTo: ['a@x', 'b@x'], references: null }).references).toEqual(['c@x'])
  expect(referencesOf({ messageId: null, inReplyTo: null, references: null })).toEqual({ inReplyTo: [], references: [] })
  const long = referencesOf({ messageId: ['z@x'], inReplyTo: null, references: Array.from({ length: 100 }, (_, i) => `${i}@x`) }).references
  expect([long.length, long[0], long.at(-1)]).toEqual([40, '0@x', 'z@x'])
})

it('finds leaves in order', () => expect(leaves(build(parts({ html: withPicture, pieces: [picture, file] }))['bodyStructure'] as Part).map((p) => p.partId ?? p.blobId)).toEqual(['t', 'h', 'B1', 'B2']))
it('makes message ids of the sender', () => expect(newMessageId('me@Example.org')).toMatch(/^[\da-f-]{36}@example\.org$/))
