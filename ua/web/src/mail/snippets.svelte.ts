// What a search found in each message, with the words to mark (RFC 8621 5). It comes after the rows: making snippets means reading messages.

import { SvelteMap } from 'svelte/reactivity'
import { session } from '#/lib/session.svelte'
import type { Filter, Id } from '#/lib/jmap/types'

interface Snippet {
  emailId: Id
  subject: string | null
  preview: string | null
}

const atMost = 2000

class Snippets {
  private found = new SvelteMap<Id, Snippet>()
  private asked = new Set<Id>()
  private key = ''

  of(id: Id): Snippet | undefined {
    return this.found.get(id)
  }

  /** Loads those of some messages for a search, unless they are there. */
  async load(filter: Filter, ids: Id[], signal: AbortSignal): Promise<void> {
    const key = JSON.stringify(filter)
    if (key !== this.key || this.asked.size > atMost) {
      this.key = key
      this.asked.clear()
      this.found.clear()
    }
    const lacking = ids.filter((id) => !this.asked.has(id)).slice(0, 50)
    if (lacking.length === 0) return
    lacking.forEach((id) => this.asked.add(id))
    try {
      const [r] = (await session.jmap.batch([['SearchSnippet/get', { filter, emailIds: lacking }]], signal)) as unknown as [{ list: Snippet[] }]
      if (key === this.key) for (const s of r.list) this.found.set(s.emailId, s)
    } catch {
      lacking.forEach((id) => this.asked.delete(id)) // the rows show their previews; the next look asks again
    }
  }

  clear(): void {
    this.key = ''
    this.asked.clear()
    if (this.found.size > 0) this.found.clear()
  }
}

export const snippets = new Snippets()
