// The ids of a query's results as far as they are known: a long list with holes, which pages fill and changes shift (RFC 8620 5.5, RFC 8620 5.6).
//
// `server` is the list as the server has it. Ids that are hidden (moved away by an act whose change is not yet confirmed) stay in it, so that the
// server's indexes hold, and are left out of what is shown. Pages in `doubt` show what was there before until they are loaded again.

import type { Id } from '#/lib/jmap/types'

export const pageSize = 50

export class Rows {
  private server: (Id | undefined)[] = []
  private hidden = new Set<Id>()
  private doubt = new Set<number>()
  private shown: (Id | undefined)[] = []
  /** Whether the server has ever said anything. */
  private asked = false

  get length(): number {
    return this.shown.length
  }

  at(i: number): Id | undefined {
    return this.shown[i]
  }

  indexOf(id: Id): number {
    return this.shown.indexOf(id)
  }

  /** All that are known, in order. */
  known(): Id[] {
    return this.shown.filter((id) => id !== undefined)
  }

  slice(from: number, to: number): (Id | undefined)[] {
    return this.shown.slice(from, to)
  }

  /** Those of some ids that are in the list, shown or not. */
  present(ids: ReadonlySet<Id>): Id[] {
    return this.server.filter((id) => id !== undefined && ids.has(id)) as Id[]
  }

  /** Those that are kept out of sight, wherever they are now. */
  away(): Id[] {
    return [...this.hidden]
  }

  /** The pages that rows from…to of what is shown need, which are not known for sure. */
  missing(from: number, to: number): number[] {
    if (this.server.length === 0) return this.asked && !this.doubt.has(0) ? [] : [0]
    const last = Math.min(this.place(to), this.server.length)
    const out: number[] = []
    for (let p = Math.floor(Math.max(0, this.place(from)) / pageSize); p * pageSize < last; p++) if (!this.complete(p)) out.push(p)
    return out
  }

  private complete(page: number): boolean {
    if (this.doubt.has(page)) return false
    const end = Math.min((page + 1) * pageSize, this.server.length)
    for (let i = page * pageSize; i < end; i++) if (this.server[i] === undefined) return false
    return true
  }

  /** The server's index of what is shown at i. */
  private place(i: number): number {
    if (this.hidden.size === 0) return i
    let at = i
    for (let j = 0; j <= at && j < this.server.length; j++) {
      const id = this.server[j]
      if (id !== undefined && this.hidden.has(id)) at++
    }
    return at
  }

  /** Takes a page in. sameState: the rest of the list is of the same state as the page. */
  page(position: number, ids: readonly Id[], total: number, sameState: boolean): void {
    this.asked = true
    if (!sameState || total !== this.server.length) {
      if (this.server.length > 0) this.doubtAll()
      if (this.hidden.size > 0) this.server = this.server.filter((id) => id === undefined || !this.hidden.has(id)) // gone by now, or the page has them
      this.server.length = total
    }
    const fresh = new Set(ids)
    for (let i = 0; i < this.server.length; i++) {
      const id = this.server[i]
      if (id !== undefined && fresh.has(id)) this.server[i] = undefined
    }
    ids.forEach((id, i) => (this.server[position + i] = id))
    this.doubt.delete(Math.floor(position / pageSize))
    for (const p of this.doubt) if (p * pageSize >= total) this.doubt.delete(p)
    this.settle()
  }

  /** Takes in what a queryChanges told. */
  change(removed: readonly Id[], added: readonly { id: Id; index: number }[], total: number): void {
    const away = new Set([...removed, ...added.map((a) => a.id)])
    const before = this.server.length
    const prefix = this.prefix()
    const rest = this.server.filter((id) => id === undefined || !away.has(id))
    const found = before - rest.length
    const next: (Id | undefined)[] = []
    let from = 0
    for (const a of [...added].sort((x, y) => x.index - y.index)) {
      const n = Math.max(0, a.index - next.length)
      for (let i = 0; i < n; i++) next.push(rest[from++])
      next.push(a.id)
    }
    for (; from < rest.length; from++) next.push(rest[from])
    const exact = total === before - found + added.length // else something went that we had not seen: from the first hole on all may have shifted
    next.length = total
    this.server = next
    if (!exact || this.doubt.size > 0) {
      for (let p = Math.floor(Math.min(prefix, total) / pageSize); p * pageSize < total; p++) this.doubt.add(p)
    }
    for (const id of removed) if (!added.some((a) => a.id === id)) this.hidden.delete(id)
    this.settle()
  }

  /** How many rows from the top are known without a hole or a doubt. */
  private prefix(): number {
    const hole = this.server.indexOf(undefined)
    let first = hole < 0 ? this.server.length : hole
    for (const p of this.doubt) first = Math.min(first, p * pageSize)
    return first
  }

  /** Nothing is sure any more; what is known is shown until it is. */
  doubtAll(): void {
    for (let p = 0; p * pageSize < Math.max(1, this.server.length); p++) this.doubt.add(p)
  }

  /** Hides or shows again. */
  hide(ids: Iterable<Id>, away: boolean): void {
    for (const id of ids) {
      if (away) this.hidden.add(id)
      else this.hidden.delete(id)
    }
    this.settle()
  }

  private settle(): void {
    // holes must be undefined and not absent, or filter would pass over them
    for (let i = 0; i < this.server.length; i++) if (this.server[i] === undefined) this.server[i] = undefined
    this.shown = this.hidden.size === 0 ? this.server : this.server.filter((id) => id === undefined || !this.hidden.has(id))
  }
}
