import { describe, expect, it } from 'vitest'
import { replacing } from './drafts'
import { swapHtml, swapText, withQuote } from './letter.svelte'

const old = '<div data-part="signature"><div>Ada</div></div>'
const next = '<div data-part="signature"><div>Countess</div></div>'

describe('another signature', () => {
  it('takes the place of the old one', () => expect(swapHtml(`<div>x</div>${old}`, old, next)).toBe(`<div>x</div>${next}`))
  it('does not where somebody changed it', () => expect(swapHtml('<div>x</div><div data-part="signature"><div>Ada!</div></div>', old, next)).toContain('Ada!'))
  it('goes above a quote', () => expect(swapHtml('<div>x</div><div data-part="quote">q</div>', '', next)).toBe(`<div>x</div><div><br></div>${next}<div><br></div><div data-part="quote">q</div>`))
  it('of nothing takes it out', () => expect(swapHtml(`<div>x</div>${old}`, old, '')).toBe('<div>x</div>'))
  it('in plain text', () => {
    expect(swapText('x\n\n-- \nAda', 'Ada', 'Countess')).toBe('x\n\n-- \nCountess')
    expect(swapText('x\n\n-- \nAda', 'Ada', '')).toBe('x\n')
    expect(swapText('x', '', 'Countess')).toBe('x\n\n-- \nCountess')
    expect(swapText('x\n\n-- \nsomething else', 'Ada', 'Countess')).toBe('x\n\n-- \nsomething else')
  })
})

it('has one free line before a quote, however often it is opened', () => {
  const q = { html: '<div data-part="quote">q</div>', text: '> q' }
  expect(withQuote('<div>x</div><div><br></div><div><br></div>', q)).toBe('<div>x</div><div><br></div><div data-part="quote">q</div>')
  expect(withQuote('<div><br></div>', q)).toBe('<div><br></div><div><br></div><div data-part="quote">q</div>')
})

describe('RFC 8620 3.7: a draft that replaces another', () => {
  it('destroys the old one only by a reference into the new one', () => {
    const calls = replacing({ subject: 'x' }, 'M1')
    expect(calls.map((c) => c[0])).toEqual(['Email/set', 'Email/get', 'Email/set'])
    expect(calls[0]![1]).not.toHaveProperty('destroy')
    expect(calls[1]![1]).toMatchObject({ ids: ['M1'], '#maxBodyValueBytes': { resultOf: 'c0', path: '/created/m/size' } })
    expect(calls[2]![1]).toEqual({ '#destroy': { resultOf: 'c1', name: 'Email/get', path: '/list/*/id' } })
  })
  it('the first one replaces nothing', () => expect(replacing({}, null)).toHaveLength(1))
})
