// What to ask before a letter goes out.

import { domainOf } from './address'
import { speaksOfAttachment } from './forgotten'

export interface Problem {
  kind: 'nobody' | 'wrong' | 'unattached' | 'outside' | 'subject' | 'many' | 'forgotten'
  text: string
  /** Whether it can be sent all the same. */
  anyway: boolean
}

export interface Facts {
  to: { email: string; wrong?: string }[]
  cc: { email: string; wrong?: string }[]
  bcc: { email: string; wrong?: string }[]
  subject: string
  text: string
  /** Names of attachments, without pictures in the text. */
  attached: number
  /** Those that could not be uploaded. */
  failed: string[]
  insideDomains: string[]
  /** My own domains. */
  own: string[]
}

/** From how many visible recipients on Bcc is the better place. */
export const manyVisible = 15

export function check(f: Facts): Problem[] {
  const out: Problem[] = []
  const all = [...f.to, ...f.cc, ...f.bcc]
  const wrong = all.filter((r) => r.wrong)
  if (all.length === 0) out.push({ kind: 'nobody', text: 'There is no recipient. Say whom it is for.', anyway: false })
  if (wrong.length > 0) out.push({ kind: 'wrong', text: `${list(wrong.map((w) => `“${w.email}”`))} ${wrong.length === 1 ? 'is no address' : 'are no addresses'}: ${wrong[0]!.wrong!.charAt(0).toLowerCase()}${wrong[0]!.wrong!.slice(1)}`, anyway: false })
  if (f.failed.length > 0) out.push({ kind: 'unattached', text: `${list(f.failed)} could not be attached. Try again, or take ${f.failed.length === 1 ? 'it' : 'them'} out.`, anyway: false })
  const outside = outsiders(all, f.insideDomains, f.own)
  if (outside.length > 0) out.push({ kind: 'outside', text: `${list(outside)} ${outside.length === 1 ? 'is' : 'are'} outside your organisation.`, anyway: true })
  const word = f.attached === 0 ? speaksOfAttachment(f.subject, f.text) : ''
  if (word) out.push({ kind: 'forgotten', text: `You wrote “${word}”, but nothing is attached.`, anyway: true })
  if (!f.subject.trim()) out.push({ kind: 'subject', text: 'There is no subject.', anyway: true })
  const visible = f.to.length + f.cc.length
  if (visible >= manyVisible) out.push({ kind: 'many', text: `All ${visible} recipients see each other’s addresses. In Bcc nobody does.`, anyway: true })
  return out
}

/** Recipients of other domains, when it was set which are inside. */
function outsiders(all: { email: string; wrong?: string }[], inside: string[], own: string[]): string[] {
  if (inside.length === 0) return []
  const known = [...inside, ...own].map((d) => d.toLowerCase().replace(/^[@.]+/, ''))
  return all.filter((r) => !r.wrong && !known.some((d) => domainOf(r.email) === d || domainOf(r.email).endsWith(`.${d}`))).map((r) => r.email)
}

function list(names: string[]): string {
  const some = names.slice(0, 3)
  const rest = names.length - some.length
  if (rest > 0) return `${some.join(', ')} and ${rest} more`
  return some.length > 1 ? `${some.slice(0, -1).join(', ')} and ${some.at(-1)}` : (some[0] ?? '')
}
