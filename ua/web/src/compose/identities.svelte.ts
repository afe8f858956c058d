// Who the person can write as.

import { session } from '#/lib/session.svelte'
import type { GetResult, Id, Identity } from '#/lib/jmap/types'

class Identities {
  list = $state.raw<Identity[]>([])
  private loading: Promise<Identity[]> | undefined

  constructor() {
    session.onChange((changed) => {
      if (changed['Identity'] && this.list.length > 0) void this.read().catch(() => undefined) // those that are known do until then
    })
  }

  async load(): Promise<Identity[]> {
    if (this.list.length > 0) return this.list
    this.loading ??= this.read().finally(() => (this.loading = undefined))
    return this.loading
  }

  private async read(): Promise<Identity[]> {
    const r = await session.jmap.call<GetResult<Identity>>('Identity/get', { ids: null })
    const own = session.me?.address.toLowerCase()
    this.list = [...r.list].sort((a, b) => Number(b.email.toLowerCase() === own) - Number(a.email.toLowerCase() === own))
    return this.list
  }

  get(id: Id | null): Identity | undefined {
    return this.list.find((i) => i.id === id) ?? this.list[0]
  }

  /** My addresses. */
  get mine(): string[] {
    const own = session.me?.address
    return [...new Set([...this.list.map((i) => i.email), ...(own ? [own] : [])])]
  }
}

export const identities = new Identities()

/** What goes in the message's From: an identity for a whole domain ("*@example.org") cannot be written as it is. */
export function fromOf(i: Identity | undefined): { name: string; email: string } {
  if (!i) return { name: session.me?.name ?? '', email: session.me?.address ?? '' }
  return { name: i.name || (i.email === session.me?.address ? (session.me?.name ?? '') : ''), email: i.email.startsWith('*@') ? (session.me?.address ?? i.email) : i.email }
}
