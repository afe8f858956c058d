// One thing that goes with a letter: a file that is uploaded, or a part of another message that is on the server already.

import { Failure } from '#/lib/api'
import { session } from '#/lib/session.svelte'
import type { Id } from '#/lib/jmap/types'

export type Stage =
  /** Kept on this device; it goes up when the server can be reached. */
  | 'waiting'
  | 'going'
  | 'there'
  | 'failed'

export interface KeptAttached {
  key: string
  name: string
  type: string
  size: number
  cid: string | null
  blobId: Id | null
  hasFile: boolean
}

export class Attached {
  readonly key: string
  name = $state('')
  readonly type: string
  readonly size: number
  /** Of a picture in the text. */
  readonly cid: string | null
  blobId = $state<Id | null>(null)
  stage = $state<Stage>('waiting')
  sent = $state(0)
  why = $state('')
  /** What is uploaded; null for what was on the server from the start. */
  file: Blob | null
  /** Where the page shows a picture from. */
  url: string | null = null
  private abort: AbortController | undefined
  private running: Promise<void> | undefined

  constructor(a: { key?: string; name: string; type: string; size: number; cid?: string | null; blobId?: Id | null; file?: Blob | null }) {
    this.key = a.key ?? crypto.randomUUID()
    this.name = a.name
    this.type = a.type || 'application/octet-stream'
    this.size = a.size
    this.cid = a.cid ?? null
    this.blobId = a.blobId ?? null
    this.file = a.file ?? null
    if (this.blobId) this.stage = 'there'
    if (this.cid && this.file) this.url = URL.createObjectURL(this.file)
  }

  get tooLarge(): boolean {
    return this.size > session.jmap.limit('maxSizeUpload')
  }

  /** Uploads it. Never throws: stage and why tell. */
  upload(): Promise<void> {
    this.running ??= this.go().finally(() => (this.running = undefined))
    return this.running
  }

  private async go(): Promise<void> {
    if (this.stage === 'there' || !this.file) return
    if (this.tooLarge) {
      this.stage = 'failed'
      this.why = `Larger than the ${Math.floor(session.jmap.limit('maxSizeUpload') / 1e6)} MB that can be attached.`
      return
    }
    this.stage = 'going'
    this.why = ''
    this.sent = 0
    this.abort = new AbortController()
    try {
      const typed = this.file.type === this.type ? this.file : this.file.slice(0, this.file.size, this.type)
      for (let tries = 0; ; tries++) {
        try {
          const r = await session.jmap.upload(typed, (n) => (this.sent = n), this.abort.signal)
          this.blobId = r.blobId
          break
        } catch (cause) {
          // The server takes few uploads at a time: wait for a turn.
          if (!(cause instanceof Failure) || cause.kind !== 'unavailable' || !/429|at a time/.test(cause.message) || tries > 20) throw cause
          await new Promise((r) => setTimeout(r, 1000 + Math.random() * 500))
          this.abort.signal.throwIfAborted()
        }
      }
      this.stage = 'there'
    } catch (cause) {
      if (cause instanceof DOMException && cause.name === 'AbortError') {
        this.stage = 'failed'
        this.why = 'Stopped.'
      } else if (cause instanceof Failure && (cause.kind === 'offline' || cause.kind === 'unauthenticated')) this.stage = 'waiting'
      else {
        this.stage = 'failed'
        this.why = cause instanceof Error ? cause.message : 'The upload failed.'
      }
    }
  }

  cancel(): void {
    this.abort?.abort()
  }

  /** The server has lost the upload (they live some hours): from the beginning. */
  again(): boolean {
    if (!this.file) {
      this.stage = 'failed'
      this.why = 'It is no longer on the server. Attach it again.'
      return false
    }
    this.blobId = null
    this.stage = 'waiting'
    return true
  }

  dispose(): void {
    this.cancel()
    if (this.url) URL.revokeObjectURL(this.url)
    this.url = null
  }

  kept(): KeptAttached {
    return { key: this.key, name: this.name, type: this.type, size: this.size, cid: this.cid, blobId: this.blobId, hasFile: this.file !== null }
  }
}
