// Whether a message still belongs to a list, as far as its mailboxes tell: so much is known here without asking the server. What depends on texts
// or keywords is left to the server ("maybe"), so that a message that was just read does not vanish under the reader's eyes.

import type { Filter, Id } from '#/lib/jmap/types'

type Verdict = 'yes' | 'no' | 'maybe'

export function belongs(filter: Filter | null, mailboxIds: Record<Id, true>): Verdict {
  if (!filter) return 'yes'
  if (!('operator' in filter)) {
    if (filter.inMailbox !== undefined && !(filter.inMailbox in mailboxIds)) return 'no'
    const { inMailboxOtherThan: others, inMailbox: _, ...rest } = filter
    if (others && Object.keys(mailboxIds).every((id) => others.includes(id))) return 'no'
    return Object.keys(rest).length > 0 ? 'maybe' : 'yes'
  }
  const parts = filter.conditions.map((c) => belongs(c, mailboxIds))
  switch (filter.operator) {
    case 'AND': return parts.includes('no') ? 'no' : parts.includes('maybe') ? 'maybe' : 'yes'
    case 'OR': return parts.includes('yes') || parts.length === 0 ? 'yes' : parts.includes('maybe') ? 'maybe' : 'no'
    case 'NOT': return parts.includes('yes') ? 'no' : parts.includes('maybe') ? 'maybe' : 'yes'
  }
}
