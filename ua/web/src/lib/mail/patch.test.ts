import { describe, expect, it } from 'vitest'
import { apply, chunks, idle, inverse, wire, type Patch } from './patch'

const message = (keywords: string[], mailboxIds: string[]) => ({
  keywords: Object.fromEntries(keywords.map((k) => [k, true as const])),
  mailboxIds: Object.fromEntries(mailboxIds.map((k) => [k, true as const])),
})

describe('patches', () => {
  it('change keywords and mailboxes', () => {
    const m = message(['$seen'], ['inbox'])
    expect(apply(m, { keywords: { $seen: false, $flagged: true } })).toEqual(message(['$flagged'], ['inbox']))
    expect(apply(m, { mailboxes: { inbox: false, archive: true } })).toEqual(message(['$seen'], ['archive']))
    expect(apply(m, { only: ['trash'] })).toEqual(message(['$seen'], ['trash']))
    expect(m).toEqual(message(['$seen'], ['inbox']))
  })

  it('never leave a message nowhere', () => {
    const m = message([], ['inbox'])
    expect(apply(m, { mailboxes: { inbox: false } })).toEqual(m)
  })

  it('are turned round by their inverse, whatever they are', () => {
    let seed = 7
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
    const some = (of: string[]) => of.filter(() => random(2) === 1)
    for (let i = 0; i < 500; i++) {
      const m = message(some(['$seen', '$flagged', 'work', 'a/b~c']), ['inbox', ...some(['x', 'y'])])
      const patch: Patch = {}
      if (random(2)) patch.keywords = Object.fromEntries(some(['$seen', 'work', 'new']).map((k) => [k, random(2) === 1]))
      if (random(2)) patch.mailboxes = Object.fromEntries(some(['inbox', 'x', 'z']).map((k) => [k, random(2) === 1]))
      if (random(3) === 0) patch.only = ['trash', ...some(['x'])]
      expect(apply(apply(m, patch), inverse(m, patch))).toEqual(m)
      expect(idle(apply(m, patch), patch)).toBe(true)
    }
  })

  it('are written as RFC 8620 5.3 wants them', () => {
    expect(wire({ keywords: { $seen: true, 'a/b~c': false } })).toEqual({ 'keywords/$seen': true, 'keywords/a~1b~0c': null })
    expect(wire({ mailboxes: { a: false, b: true } })).toEqual({ 'mailboxIds/a': null, 'mailboxIds/b': true })
    expect(wire({ only: ['t'] })).toEqual({ mailboxIds: { t: true } })
  })

  it('go in bounded pieces', () => {
    expect(chunks([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]])
  })
})
