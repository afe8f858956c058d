import { describe, expect, it } from 'vitest'
import { difference, domainsOf, findAccounts, findAliases, ordered } from './find'
import type { Account, Alias } from './types'

const account = (address: string, more: Partial<Account> = {}): Account => ({ address, quota: 0, used: 0, messages: 0, created: '2026-01-01T00:00:00Z', ...more })
const list = [
  account('ann@one.example', { name: 'Ann Lee', admin: true, quota: 100, used: 90, created: '2026-03-01T00:00:00Z' }),
  account('ben@one.example', { disabled: true, used: 500 }),
  account('cid@two.example', { name: 'Cid', quota: 100, used: 10, created: '2026-02-01T00:00:00Z' }),
]
const names = (l: Account[]) => l.map((a) => a.address[0]).join('')

describe('accounts', () => {
  it('are found by every word of address and name', () => {
    const f = (text: string, domain = '', only: '' | 'admin' | 'disabled' | 'full' = '') => names(findAccounts(list, { text, domain, only }))
    expect(f('')).toBe('abc')
    expect(f('LEE one')).toBe('a')
    expect(f('lee two')).toBe('')
    expect(f('', 'one.example')).toBe('ab')
    expect(f('', 'ne.example')).toBe('')
    expect([f('', '', 'admin'), f('', '', 'disabled'), f('', '', 'full')]).toEqual(['a', 'b', 'a'])
  })
  it('stand in order', () => {
    expect([names(ordered(list, 'address')), names(ordered(list, 'used')), names(ordered(list, 'share')), names(ordered(list, 'created'))]).toEqual(['abc', 'bac', 'acb', 'acb'])
    expect(domainsOf(list)).toEqual(['one.example', 'two.example'])
  })
})

describe('aliases', () => {
  it('are found by targets too', () => {
    const all: Alias[] = [{ address: 'info@one.example', targets: ['ann@one.example', 'kim@two.example'], created: '' }, { address: 'x@two.example', targets: ['ben@one.example'], created: '' }]
    expect(findAliases(all, 'kim', '').length).toBe(1)
    expect(findAliases(all, 'one.example', '').length).toBe(2)
    expect(findAliases(all, 'one.example', 'two.example').map((a) => a.address)).toEqual(['x@two.example'])
  })
  it('change by what comes and goes', () => {
    expect(difference(['a@x', 'b@x'], ['B@X', 'c@x'])).toEqual({ add: ['c@x'], remove: ['a@x'] })
    expect(difference([], [])).toEqual({ add: [], remove: [] })
  })
})
