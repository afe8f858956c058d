// A letter that is being written.

import type { Id } from '#/lib/jmap/types'

export class Letter {
  draftId = $state<Id | null>(null)
  subject = $state('')
}
