import { expect, it } from 'vitest'
import { hue, initial, nameOf, pieces, recipients, senders } from './names'

const m = (name: string, email: string, ...keywords: string[]) => ({ from: [{ name, email }], keywords: Object.fromEntries(keywords.map((k) => [k, true as const])) })
const own = new Set(['me@one.example'])

it('names the senders of a conversation', () => {
  expect(senders([m('Bob Smith', 'bob@x.example')], own)).toEqual([{ text: 'Bob Smith', unread: true }])
  expect(senders([m('Bob Smith', 'bob@x.example', '$seen'), m('', 'me@one.example', '$seen')], own)).toEqual([{ text: 'Bob', unread: false }, { text: 'me', unread: false }])
  expect(senders([m('Smith, Bob', 'bob@x.example', '$seen'), m('Ann', 'a@x.example', '$seen'), m('Bob', 'bob@x.example')], own).map((p) => p.text)).toEqual(['Ann', 'Bob'])
  expect(senders(['a', 'b', 'c', 'd'].map((n) => m(n, `${n}@x.example`, '$seen')), own).map((p) => p.text)).toEqual(['a', '…', 'c', 'd'])
  expect(senders([m('Bob', 'bob@x.example', '$seen'), m('', 'me@one.example', '$seen', '$draft')], own).map((p) => p.text)).toEqual(['Bob', 'Draft'])
})

it('names people as well as it can', () => {
  expect(nameOf({ name: null, email: 'ann@x.example' })).toBe('ann')
  expect(nameOf({ name: "'Ann B'", email: 'ann@x.example' })).toBe('Ann B')
  expect(nameOf(undefined)).toBe('Nobody')
  expect(recipients(null)).toBe('Nobody yet')
  expect(recipients([1, 2, 3, 4, 5].map((n) => ({ name: `P${n} X`, email: 'p@x.example' })))).toBe('P1, P2, P3 and 2 more')
  expect(initial('  "ß')).toBe('SS')
  expect(initial('---')).toBe('?')
  expect(hue('A@x.example')).toBe(hue('a@x.example'))
})

it('reads snippets as text', () => {
  expect(pieces('a <mark>b</mark> &lt;img src=x onerror=1&gt; &amp;lt;')).toEqual([
    { text: 'a ', mark: false }, { text: 'b', mark: true }, { text: ' <img src=x onerror=1> &lt;', mark: false },
  ])
  expect(pieces('<b>x</b>')).toEqual([{ text: '<b>x</b>', mark: false }])
})
