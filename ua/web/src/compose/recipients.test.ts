import { describe, expect, it } from 'vitest'
import { addressed, listAddress, recipientsOf, type Answered } from './recipients'
import type { How } from './compose.svelte'

const a = (email: string, name: string | null = null) => ({ name, email })
const base: Answered = { from: [a('ada@x.example', 'Ada')], to: [a('me@home.example'), a('bob@x.example', 'Bob')], cc: [a('cy@x.example'), a('ME+tag@home.example')], replyTo: null }
const mine = ['me@home.example', 'alias@home.example']
const show = (m: Answered, how: How) => {
  const r = recipientsOf(m, how, mine)
  return `${r.to.map((x) => x.email).join(' ')} | ${r.cc.map((x) => x.email).join(' ')}`.trim()
}

describe('RFC 5322 3.6.3: who gets an answer', () => {
  const cases: [name: string, change: Partial<Answered>, how: How, want: string][] = [
    ['reply', {}, 'reply', 'ada@x.example |'],
    ['all, without me', {}, 'all', 'ada@x.example bob@x.example | cy@x.example'],
    ['Reply-To', { replyTo: [a('desk@x.example')] }, 'reply', 'desk@x.example |'],
    ['Reply-To, all', { replyTo: [a('desk@x.example')] }, 'all', 'desk@x.example bob@x.example | cy@x.example'],
    ['nobody twice', { cc: [a('ADA@x.example'), a('bob@X.example')] }, 'all', 'ada@x.example bob@x.example |'],
    ['my own letter', { from: [a('alias@home.example')], to: [a('bob@x.example')] }, 'reply', 'bob@x.example |'],
    ['my own letter, all', { from: [a('me@home.example')], to: [a('bob@x.example')] }, 'all', 'bob@x.example | cy@x.example'],
    ['my own letter to myself', { from: [a('me@home.example')], to: [a('me@home.example')], cc: null }, 'reply', 'me@home.example |'],
    ['my own letter to myself, all', { from: [a('me@home.example')], to: [a('me@home.example')], cc: null }, 'all', 'me@home.example |'],
    ['list', { listPost: ['mailto:list@x.example?subject=x'] }, 'list', 'list@x.example |'],
    ['list that takes nothing', { listPost: null }, 'list', 'ada@x.example bob@x.example | cy@x.example'],
    ['Mail-Followup-To', { followupTo: [a('list@x.example'), a('me@home.example')] }, 'all', 'list@x.example |'],
    ['Mail-Followup-To is not for one', { followupTo: [a('list@x.example')] }, 'reply', 'ada@x.example |'],
    ['forward', {}, 'forward', '|'],
    ['no sender', { from: null }, 'reply', '|'],
  ]
  for (const [name, change, how, want] of cases) it(name, () => expect(show({ ...base, ...change }, how)).toBe(want))
  it('the name of From goes with the same address in Reply-To', () => expect(recipientsOf({ ...base, replyTo: [a('ada@x.example')] }, 'reply', mine).to[0]!.name).toBe('Ada'))
})

it('RFC 2369 3.4: the address of a list', () => {
  expect(listAddress(['https://x.example', 'mailto:list%2Bx@x.example?subject=post'])).toBe('list+x@x.example')
  expect(listAddress(['NO'])).toBe('')
})

it('finds whom a message came to', () => {
  expect(addressed({ from: [a('ada@x.example')], to: [a('bob@x.example')], cc: [a('alias@home.example')] }, mine)).toBe(1)
  expect(addressed({ from: [a('ada@x.example')], to: [a('alias+news@home.example')], cc: null }, mine)).toBe(1)
  expect(addressed({ from: [a('alias@home.example')], to: [a('me@home.example')], cc: null }, mine)).toBe(1)
  expect(addressed({ from: null, to: null, cc: null, delivered: ['alias@home.example'] }, mine)).toBe(1)
  expect(addressed({ from: [a('ada@x.example')], to: null, cc: null }, mine)).toBe(-1)
})
