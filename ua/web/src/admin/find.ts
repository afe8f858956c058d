// Finding accounts and aliases in their lists.

import type { Account, Alias } from './types'

function has(texts: (string | undefined)[], words: string[]): boolean {
  const all = texts.join(' ').toLowerCase()
  return words.every((w) => all.includes(w))
}

const wordsOf = (text: string) => text.toLowerCase().split(/\s+/).filter(Boolean)

export interface AccountFilter {
  text: string
  domain: string
  only: '' | 'admin' | 'disabled' | 'full'
}

export function findAccounts(list: Account[], f: AccountFilter): Account[] {
  const words = wordsOf(f.text)
  return list.filter((a) => {
    if (f.domain && !a.address.endsWith(`@${f.domain}`)) return false
    if (f.only === 'admin' && !a.admin) return false
    if (f.only === 'disabled' && !a.disabled) return false
    if (f.only === 'full' && !(a.quota > 0 && a.used >= a.quota * 0.85)) return false
    return has([a.address, a.name], words)
  })
}

/** By the address of the alias or of a target. */
export function findAliases(list: Alias[], text: string, domain: string): Alias[] {
  const words = wordsOf(text)
  return list.filter((a) => (!domain || a.address.endsWith(`@${domain}`)) && has([a.address, ...a.targets], words))
}

export type Order = 'address' | 'used' | 'share' | 'created'

/** A list in order; what is largest or latest comes first. */
export function ordered(list: Account[], by: Order): Account[] {
  const share = (a: Account) => (a.quota > 0 ? a.used / a.quota : 0)
  return list.toSorted((a, b) => {
    const first = by === 'used' ? b.used - a.used : by === 'share' ? share(b) - share(a) : by === 'created' ? b.created.localeCompare(a.created) : 0
    return first || a.address.localeCompare(b.address)
  })
}

/** Which targets come and go between two lists, whatever their spelling. */
export function difference(before: string[], after: string[]): { add: string[]; remove: string[] } {
  const fold = (s: string) => s.toLowerCase()
  const old = new Set(before.map(fold))
  const fresh = new Set(after.map(fold))
  return { add: after.filter((t) => !old.has(fold(t))), remove: before.filter((t) => !fresh.has(fold(t))) }
}

/** The domains that addresses of a list are in. */
export function domainsOf(list: { address: string }[]): string[] {
  return [...new Set(list.map((a) => a.address.slice(a.address.lastIndexOf('@') + 1)))].toSorted()
}
