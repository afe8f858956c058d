// Changes of messages as values: made here at once, sent to the server, and turned round for an undo.

import type { Id, Summary } from '#/lib/jmap/types'

/** What is to change of a message. Of mailboxes either some are named, or `only` says all that it is to be in. */
export interface Patch {
  keywords?: Record<string, boolean>
  mailboxes?: Record<Id, boolean>
  only?: Id[]
}

type Mutable = Pick<Summary, 'keywords' | 'mailboxIds'>

const trueKeys = (map: Record<string, boolean>) => Object.keys(map).filter((k) => map[k])

function merged(have: Record<string, true>, change: Record<string, boolean> | undefined): Record<string, true> {
  if (!change) return have
  const out = { ...have }
  for (const [key, on] of Object.entries(change)) {
    if (on) out[key] = true
    else delete out[key]
  }
  return out
}

function mailboxesAfter(have: Record<Id, true>, patch: Patch): Record<Id, true> {
  const all = patch.only ? Object.fromEntries(patch.only.map((id) => [id, true as const])) : have
  const after = merged(all, patch.mailboxes)
  return Object.keys(after).length > 0 ? after : have // a message is always somewhere
}

export function apply<T extends Mutable>(message: T, patch: Patch): T {
  return { ...message, keywords: merged(message.keywords, patch.keywords), mailboxIds: mailboxesAfter(message.mailboxIds, patch) }
}

/** What makes a message as it was before. */
export function inverse(before: Mutable, patch: Patch): Patch {
  const out: Patch = {}
  if (patch.keywords) out.keywords = Object.fromEntries(Object.keys(patch.keywords).map((k) => [k, k in before.keywords]))
  if (patch.mailboxes || patch.only) out.only = Object.keys(before.mailboxIds)
  return out
}

/** Whether a patch changes nothing of a message. */
export function idle(before: Mutable, patch: Patch): boolean {
  const after = apply(before, patch)
  const same = (a: Record<string, true>, b: Record<string, true>) =>
    Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((k) => k in b)
  return same(before.keywords, after.keywords) && same(before.mailboxIds, after.mailboxIds)
}

const escaped = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1')

/** The patch as Email/set takes it (RFC 8620 5.3). */
export function wire(patch: Patch): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [key, on] of Object.entries(patch.keywords ?? {})) out[`keywords/${escaped(key)}`] = on ? true : null
  if (patch.only) {
    const all = new Set([...patch.only, ...trueKeys(patch.mailboxes ?? {})])
    for (const [id, on] of Object.entries(patch.mailboxes ?? {})) if (!on) all.delete(id)
    out['mailboxIds'] = Object.fromEntries([...all].map((id) => [id, true]))
  } else {
    for (const [id, on] of Object.entries(patch.mailboxes ?? {})) out[`mailboxIds/${escaped(id)}`] = on ? true : null
  }
  return out
}

export function chunks<T>(list: readonly T[], size: number): T[][] {
  const out: T[][] = []
  for (let i = 0; i < list.length; i += size) out.push(list.slice(i, i + size))
  return out
}
