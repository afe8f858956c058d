// Letters that were sent while the server could not be reached. They wait in the browser's database and go out, once each, when it can be.

import { Failure } from '#/lib/api'
import { Refused, type Client } from '#/lib/jmap/client'
import type { Id, QueryResult, SetResult } from '#/lib/jmap/types'
import { mailboxes } from '#/lib/mail/mailboxes.svelte'
import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { run } from './database'

/** A letter that waits. */
export interface Job {
  id: string
  account: Id
  at: number
  /** The object for Email/set; a blobId "local:<n>" stands for the n-th file. Its messageId must be set: by it a letter is known that went out already. */
  email: Record<string, unknown> & { messageId: string[]; subject?: string | null }
  files: Blob[]
  identityId: Id
  envelope: { mailFrom: { email: string; parameters?: Record<string, string | null> | null }; rcptTo: { email: string; parameters?: Record<string, string | null> | null }[] }
  /** Keywords and mailboxes to set on the letter it answers. */
  also?: Record<Id, Record<string, unknown>>
  /** What the server said when it refused it for good. */
  trouble?: string
}

class Outbox {
  jobs = $state.raw<Job[]>([])
  private busy = false

  constructor() {
    addEventListener('online', () => void this.flush())
    $effect.root(() => {
      $effect(() => {
        if (session.phase === 'in' && session.connected) void this.load().then(() => this.flush())
      })
    })
  }

  /** Takes a letter over. It is safe once this returns. */
  async send(job: Omit<Job, 'id' | 'account' | 'at'>): Promise<void> {
    const whole: Job = { ...job, id: crypto.randomUUID(), account: session.jmap.account, at: Date.now() }
    await run('outbox', 'readwrite', (s) => s.put(whole))
    this.jobs = [...this.jobs, whole]
    void this.flush()
  }

  /** Gives a letter back, so that it can be changed; it is not sent then. */
  async take(id: string): Promise<Job | undefined> {
    const job = this.jobs.find((j) => j.id === id)
    await this.forget(id)
    return job
  }

  private async load(): Promise<void> {
    const all = await run('outbox', 'readonly', (s) => s.getAll() as IDBRequest<Job[]>).catch(() => [] as Job[])
    this.jobs = all.filter((j) => j.account === session.jmap.account).sort((a, b) => a.at - b.at)
  }

  private async forget(id: string): Promise<void> {
    await run('outbox', 'readwrite', (s) => s.delete(id))
    this.jobs = this.jobs.filter((j) => j.id !== id)
  }

  /** Sends what waits, the oldest first; stops at the first that the server cannot be reached for. One tab at a time does so. */
  async flush(): Promise<void> {
    if (this.busy || session.phase !== 'in' || !this.jobs.some((j) => !j.trouble)) return
    this.busy = true
    try {
      await (navigator.locks ? navigator.locks.request('postrider-outbox', () => this.work()) : this.work())
    } finally {
      this.busy = false
    }
  }

  private async work(): Promise<void> {
    await this.load() // another tab may have sent them meanwhile
    for (const job of this.jobs.filter((j) => !j.trouble)) {
      try {
        await deliver(session.jmap, job)
        await this.forget(job.id)
        toasts.show(`Sent: ${job.email.subject || 'a message without subject'}`, { tone: 'good' })
      } catch (cause) {
        if (cause instanceof Failure && (cause.kind === 'offline' || cause.kind === 'unavailable' || cause.kind === 'unauthenticated' || cause.kind === 'too_many')) return
        job.trouble = (cause as Error).message
        await run('outbox', 'readwrite', (s) => s.put(job)).catch(() => undefined)
        this.jobs = [...this.jobs]
        toasts.fail(new Error(`"${job.email.subject || 'A message'}" was not sent: ${job.trouble}`))
      }
    }
  }
}

/** Sends one letter, unless it went out before an answer was lost. */
export async function deliver(client: Client, job: Job): Promise<void> {
  await mailboxes.refresh()
  const sent = mailboxes.role('sent'), drafts = mailboxes.role('drafts')
  if (!sent || !drafts) throw new Error('The account has no mailbox for sent messages or for drafts.')
  const [known] = (await client.batch([['Email/query', { filter: { header: ['Message-ID', job.email.messageId[0]], inMailbox: sent.id }, limit: 1 }]])) as unknown as [QueryResult]
  if (known.ids.length > 0) return
  const blobs: Id[] = []
  for (const file of job.files) blobs.push((await client.upload(file)).blobId)
  const email = withBlobs(job.email, blobs) as Record<string, unknown>
  const [made, submitted] = (await client.batch([
    ['Email/set', { create: { letter: { ...email, mailboxIds: { [drafts.id]: true }, keywords: { $draft: true, $seen: true } } } }],
    ['EmailSubmission/set', {
      create: { submission: { emailId: '#letter', identityId: job.identityId, envelope: job.envelope } },
      onSuccessUpdateEmail: { '#submission': { [`mailboxIds/${drafts.id}`]: null, [`mailboxIds/${sent.id}`]: true, 'keywords/$draft': null } },
    }],
    ...(job.also ? [['Email/set', { update: job.also }] as [string, Record<string, unknown>]] : []),
  ])) as unknown as [SetResult, SetResult]
  const refused = made.notCreated?.['letter'] ?? submitted.notCreated?.['submission']
  if (refused) throw new Refused(refused)
}

/** Puts real blob ids where "local:<n>" stands. */
export function withBlobs(value: unknown, blobs: Id[]): unknown {
  if (Array.isArray(value)) return value.map((v) => withBlobs(v, blobs))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => {
    const local = k === 'blobId' && typeof v === 'string' ? /^local:(\d+)$/.exec(v) : null
    return [k, local ? (blobs[Number(local[1])] ?? v) : withBlobs(v, blobs)]
  }))
}

export const outbox = new Outbox()
