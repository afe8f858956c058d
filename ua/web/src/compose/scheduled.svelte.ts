// Messages that the server holds back until a time. Pages show a mark for them, and offer to change the time or to take them back.

import { session } from '#/lib/session.svelte'
import { Refused } from '#/lib/jmap/client'
import type { GetResult, Id, SetResult } from '#/lib/jmap/types'

export interface Scheduled {
  submission: Id
  email: Id
  at: Date
}

interface Submission {
  id: Id
  emailId: Id
  identityId: Id
  sendAt: string
  undoStatus: string
  envelope: { mailFrom: { email: string; parameters: Record<string, string> | null }; rcptTo: { email: string; parameters: null }[] }
}

/** What waits only to be taken back is no appointment. */
const shortest = 90_000

class ScheduledList {
  list = $state.raw<Scheduled[]>([])
  /** By the message's id. */
  byEmail = $derived(new Map(this.list.map((s) => [s.email, s])))
  private state = ''
  private busy: Promise<void> | undefined
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    session.onChange((changed) => {
      if (changed['EmailSubmission'] && changed['EmailSubmission'] !== this.state) void this.refresh()
    })
  }

  /** Reads them. Call it once where they are shown; news come by themselves after. */
  refresh(): Promise<void> {
    this.busy ??= this.read().catch(() => undefined).finally(() => (this.busy = undefined)) // the next news bring it
    return this.busy
  }

  private async read(): Promise<void> {
    if (!session.jmap.has('submission')) return
    const [, got] = (await session.jmap.batch([
      ['EmailSubmission/query', { filter: { undoStatus: 'pending', after: new Date().toISOString().replace(/\.\d+Z$/, 'Z') }, sort: [{ property: 'sentAt', isAscending: true }], limit: 250 }],
      ['EmailSubmission/get', { '#ids': { resultOf: 'c0', name: 'EmailSubmission/query', path: '/ids' }, properties: ['id', 'emailId', 'sendAt', 'undoStatus'] }],
    ])) as unknown as [unknown, GetResult<Submission>]
    this.state = got.state
    const now = Date.now()
    this.list = got.list.filter((s) => new Date(s.sendAt).getTime() - now > shortest).map((s) => ({ submission: s.id, email: s.emailId, at: new Date(s.sendAt) }))
    clearTimeout(this.timer)
    const next = this.list[0]
    if (next) this.timer = setTimeout(() => void this.refresh(), Math.min(next.at.getTime() - now + 2000, 2 ** 31 - 1))
  }

  /** Takes it back to Drafts. */
  async cancel(s: Scheduled): Promise<void> {
    const { cancel } = await import('./send')
    await cancel(s.submission)
    this.list = this.list.filter((o) => o.submission !== s.submission)
  }

  /** Gives it another time: it is taken back and handed over anew, and stays in Sent. */
  async change(s: Scheduled, at: Date): Promise<void> {
    const known = await session.jmap.call<GetResult<Submission>>('EmailSubmission/get', { ids: [s.submission] })
    const old = known.list[0]
    if (!old) throw new Error('It is no longer waiting.')
    const back = await session.jmap.call<SetResult>('EmailSubmission/set', { update: { [s.submission]: { undoStatus: 'canceled' } } })
    const refused = back.notUpdated?.[s.submission]
    if (refused) throw new Refused(refused)
    const parameters = { HOLDUNTIL: at.toISOString().replace(/\.\d+Z$/, 'Z') }
    const made = await session.jmap.call<SetResult>('EmailSubmission/set', {
      create: { s: { identityId: old.identityId, emailId: old.emailId, envelope: { ...old.envelope, mailFrom: { ...old.envelope.mailFrom, parameters } } } },
    })
    const failed = made.notCreated?.['s']
    if (failed) {
      // Neither the old time nor the new: it is a draft again rather than a message that looks sent.
      const { mailboxOf } = await import('./drafts')
      await session.jmap.call('Email/set', { update: { [old.emailId]: { mailboxIds: { [await mailboxOf('drafts')]: true }, 'keywords/$draft': true } } })
      throw new Refused({ ...failed, description: `${failed.description ?? 'The new time was refused.'} The message is in Drafts.` })
    }
    await this.refresh()
  }
}

export const scheduled = new ScheduledList()
