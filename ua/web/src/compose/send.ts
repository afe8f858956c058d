// Sending. A letter is made anew without the marks of a draft, handed over, and filed in Sent by the server in the same request. Where the server
// holds messages back (RFC 4865), it is held there for the seconds in which it can be taken back, or until the time that was chosen; else it waits here.

import { Failure } from '#/lib/api'
import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { emails } from '#/lib/mail/emails.svelte'
import { mailboxes } from '#/lib/mail/mailboxes.svelte'
import { MethodError, Refused } from '#/lib/jmap/client'
import { people } from '#/lib/people.svelte'
import { outbox } from '#/offline/outbox.svelte' // at hand before the network is gone
import type { Id, SetError, SetResult } from '#/lib/jmap/types'
import { domainOf } from './address'
import { check, type Problem } from './checks'
import { compose, type Pane } from './compose.svelte'
import { creation, lostBlobs, made, mailboxOf, replacing, storeDraft } from './drafts'
import { identities } from './identities.svelte'
import { wordsOf, type Letter } from './letter.svelte'
import { scheduled } from './scheduled.svelte'
import { inWords } from './times'

interface Envelope {
  mailFrom: { email: string; parameters: Record<string, string> | null }
  rcptTo: { email: string; parameters: null }[]
}

interface Submitted {
  id: Id
  undoStatus: 'pending' | 'final' | 'canceled'
  sendAt: string
}

/** For how many seconds the server can hold a message back. */
export function longestHold(): number {
  const c = session.jmap
  return Number(c.session.accounts[c.account]?.accountCapabilities['urn:ietf:params:jmap:submission']?.['maxDelayedSend'] ?? 0)
}

/** What is to be asked before the letter goes. */
export function problemsOf(l: Letter): Problem[] {
  l.settleTyped()
  l.flush?.()
  return check({
    to: l.to, cc: l.cc, bcc: l.bcc, subject: l.subject, text: l.ownText(), attached: l.attachments.filter((a) => !a.cid).length,
    failed: l.attachments.filter((a) => a.stage === 'failed').map((a) => a.name), insideDomains: session.settings.insideDomains, own: identities.mine.map(domainOf),
  })
}

function envelopeOf(l: Letter, hold: { seconds: number } | { until: Date } | null): Envelope {
  const seen = new Set<string>()
  const to = l.recipients.filter((r) => !seen.has(r.email.toLowerCase()) && seen.add(r.email.toLowerCase()))
  const parameters: Record<string, string> | null = hold === null ? null : 'until' in hold ? { HOLDUNTIL: hold.until.toISOString().replace(/\.\d+Z$/, 'Z') } : { HOLDFOR: String(hold.seconds) }
  return { mailFrom: { email: l.from.email, parameters }, rcptTo: to.map((r) => ({ email: r.email, parameters: null })) }
}

/** Who gets it, in few words. */
function whom(l: Letter): string {
  const first = l.recipients[0]
  if (!first) return ''
  return ` to ${first.name || first.email}${l.recipients.length > 1 ? ` and ${l.recipients.length - 1} more` : ''}`
}

/** Sends a letter whose problems were asked. The window goes at once; it comes back when the letter cannot be sent, or is taken back. */
export async function send(l: Letter, pane: Pane, at: Date | null = null): Promise<void> {
  if (l.sending) return
  l.sending = true
  l.problem = ''
  try {
    await Promise.all(l.attachments.filter((a) => a.stage === 'going' || a.stage === 'waiting').map((a) => a.upload()))
  } finally {
    l.sending = false
  }
  const failed = l.attachments.find((a) => a.stage === 'failed')
  if (failed) {
    l.problem = `${failed.name} could not be attached.`
    return
  }
  l.flush?.()
  l.flush = null
  l.ended = null
  l.sending = true
  await l.keep()
  compose.remove(pane)
  const flight = new Flight(l, at)
  await flight.start()
}

/** A letter on its way out. */
class Flight {
  private close = () => {}
  private stopped = false
  private done = false

  constructor(
    private readonly l: Letter,
    private readonly at: Date | null,
  ) {}

  async start(): Promise<void> {
    const seconds = this.at ? 0 : Math.max(0, Math.min(60, Math.round(session.settings.undoSeconds)))
    const most = longestHold()
    if (this.at) {
      if ((this.at.getTime() - Date.now()) / 1000 > most) return this.back(new Error(most > 0 ? `A message can wait for ${Math.floor(most / 86_400)} days at most.` : 'This server cannot send later.'))
      return this.submit({ until: this.at })
    }
    if (seconds > 0 && most < seconds) return this.waitHere(seconds)
    return this.submit(seconds > 0 ? { seconds } : null)
  }

  /** The server holds nothing back: the draft waits in this page. Where the page goes, the draft stays, and is opened again next time. */
  private async waitHere(seconds: number): Promise<void> {
    const stored = storeDraft(this.l).catch(() => undefined) // it is kept on this device in any case
    const ask = (e: BeforeUnloadEvent) => e.preventDefault()
    window.addEventListener('beforeunload', ask)
    this.close = toasts.show('Sending…', { seconds: 0, action: { label: 'Undo', run: () => void (this.stopped = true) } })
    const end = Date.now() + seconds * 1000
    while (Date.now() < end && !this.stopped) await new Promise((r) => setTimeout(r, 200))
    window.removeEventListener('beforeunload', ask)
    this.close()
    await stored
    if (this.stopped) return this.reopen('')
    return this.submit(null)
  }

  private async submit(hold: { seconds: number } | { until: Date } | null): Promise<void> {
    const l = this.l
    // Undo is there from the first moment: a wish that comes before the server's answer is heard when that is there.
    if (hold) this.close = toasts.show(this.at ? 'Setting the time…' : 'Sending…', { seconds: 0, action: { label: 'Undo', run: () => void (this.stopped = true) } })
    else this.close = toasts.show('Sending…', { seconds: 0 })
    try {
      const submission = await this.handOver(hold)
      this.close()
      people.wroteTo(l.recipients)
      if (this.stopped) return await this.takeBack(submission)
      void this.markOriginal(true)
      await this.tell(hold, submission)
    } catch (cause) {
      this.close()
      if (cause instanceof Failure && cause.kind === 'offline') return this.intoOutbox(cause)
      this.back(cause)
    }
  }

  private async handOver(hold: { seconds: number } | { until: Date } | null): Promise<Submitted> {
    const l = this.l
    const sent = await mailboxOf('sent')
    for (let tries = 0; ; tries++) {
      try {
        await l.settledSaves()
        const email = await creation(l, { draft: false, ...(this.at ? { date: this.at } : {}) })
        const calls = replacing(email, l.draftId)
        calls.push(['EmailSubmission/set', {
          create: { s: { identityId: l.identity?.id, emailId: '#m', envelope: envelopeOf(l, hold) } },
          onSuccessUpdateEmail: { '#s': { mailboxIds: { [sent]: true }, 'keywords/$draft': null, 'keywords/$seen': true } },
        }])
        const answers = await session.jmap.settled(calls)
        l.draftId = made(answers).id
        const last = answers[calls.length - 1]!
        if (last instanceof MethodError) throw last
        const r = last as unknown as SetResult<Submitted>
        const refused = r.notCreated?.['s']
        if (refused) throw new Refused(inPlainWords(refused))
        return r.created!['s']!
      } catch (cause) {
        if (tries > 1 || !(await lostBlobs(cause, l))) throw cause
      }
    }
  }

  /** Says that it is sent, with the way back for as long as there is one. */
  private async tell(hold: { seconds: number } | { until: Date } | null, s: Submitted): Promise<void> {
    const l = this.l
    if (hold && 'until' in hold) {
      void scheduled.refresh()
      toasts.show(`Will be sent ${inWords(hold.until)}.`, { action: { label: 'Undo', run: () => this.takeBack(s) }, seconds: 10 })
      await l.sent()
      await new Promise((r) => setTimeout(r, 10_000))
      if (!this.done) await l.end()
      return
    }
    if (!hold || s.undoStatus !== 'pending') {
      toasts.show(`Sent${whom(l)}.`, { tone: 'good' })
      await l.end()
      return
    }
    const seconds = Math.max(1, Math.min(hold.seconds, (new Date(s.sendAt).getTime() - Date.now()) / 1000 || hold.seconds))
    toasts.show('Sending…', { seconds, action: { label: 'Undo', run: () => this.takeBack(s) } })
    await l.sent()
    await new Promise((r) => setTimeout(r, seconds * 1000))
    if (this.done) return
    this.done = true
    toasts.show(`Sent${whom(l)}.`, { tone: 'good' })
    await l.end()
  }

  /** Takes it back to Drafts, and opens it again. */
  private async takeBack(s: Submitted): Promise<void> {
    this.done = true
    try {
      await cancel(s.id)
      void this.markOriginal(false)
      void scheduled.refresh()
      await this.reopen('Taken back. It was not sent.')
    } catch (cause) {
      toasts.fail(cause)
      await this.l.end()
    }
  }

  private async reopen(text: string): Promise<void> {
    const l = this.l
    l.sending = false
    l.revive()
    compose.put(l)
    if (text) toasts.show(text)
  }

  /** Opens the window again with what went wrong. */
  private back(cause: unknown): void {
    const l = this.l
    l.sending = false
    l.revive()
    l.problem = wordsOf(cause, 'It could not be sent.')
    l.status = 'failed'
    compose.put(l)
    toasts.fail(new Error(l.problem))
  }

  /** The server cannot be reached: the letter waits on this device and goes out by itself later. */
  private async intoOutbox(cause: Failure): Promise<void> {
    const l = this.l
    try {
      const files: Blob[] = []
      const email = await creation(l, { draft: false, ...(this.at ? { date: this.at } : {}) })
      const local = (blobId: Id): Id => {
        const a = l.attachments.find((o) => o.blobId === blobId && o.file)
        return a ? `local:${files.push(a.file!) - 1}` : blobId
      }
      // What has no blob yet is not in the creation: give it a name for the moment.
      const waiting = l.attachments.filter((a) => !a.blobId && a.file)
      for (const a of waiting) {
        a.blobId = `wait:${a.key}`
        a.stage = 'there'
      }
      const whole = waiting.length > 0 ? await creation(l, { draft: false, ...(this.at ? { date: this.at } : {}) }) : email
      walk(whole['bodyStructure'], local)
      for (const a of waiting) {
        a.blobId = null
        a.stage = 'waiting'
      }
      const also: Record<Id, Record<string, unknown>> = {}
      if (l.reply) also[l.reply.email] = { [`keywords/${keywordOf(l)}`]: true }
      const trash = mailboxes.role('trash')?.id
      if (l.draftId && trash) also[l.draftId] = { mailboxIds: { [trash]: true }, 'keywords/$draft': null } // what is sent replaces it
      const identity = l.identity?.id
      if (!identity) throw cause
      await outbox.send({
        email: whole as Record<string, unknown> & { messageId: string[] }, files, identityId: identity, envelope: envelopeOf(l, this.at ? { until: this.at } : null),
        ...(Object.keys(also).length > 0 ? { also } : {}),
      })
      toasts.show('The server cannot be reached. This is sent as soon as it can be.', { seconds: 8 })
      await l.end()
    } catch {
      this.back(cause)
    }
  }

  /** Marks what was answered or forwarded; taken back when the answer is. */
  private async markOriginal(on: boolean): Promise<void> {
    const l = this.l
    if (!l.reply) return
    await emails.update([l.reply.email], { keywords: { [keywordOf(l)]: on } })
  }
}

function keywordOf(l: Letter): string {
  return l.reply?.how === 'forward' || l.reply?.how === 'attach' ? '$forwarded' : '$answered'
}

function walk(part: unknown, f: (blobId: Id) => Id): void {
  const p = part as { blobId?: Id; subParts?: unknown[] }
  if (p.blobId) p.blobId = f(p.blobId)
  for (const s of p.subParts ?? []) walk(s, f)
}

/** Takes a submission back that still waits; its message goes to Drafts (RFC 8621 7.5). */
export async function cancel(submission: Id): Promise<void> {
  const drafts = await mailboxOf('drafts')
  const r = await session.jmap.call<SetResult>('EmailSubmission/set', {
    update: { [submission]: { undoStatus: 'canceled' } },
    onSuccessUpdateEmail: { [submission]: { mailboxIds: { [drafts]: true }, 'keywords/$draft': true } },
  })
  const refused = r.notUpdated?.[submission]
  if (refused) throw new Refused(refused.type === 'cannotUnsend' ? { ...refused, description: 'It is on its way already and cannot be taken back.' } : refused)
}

/** What the server says of a message it does not take, for people (RFC 8621 7.5). */
function inPlainWords(e: SetError & { invalidRecipients?: string[]; maxRecipients?: number; maxSize?: number }): SetError {
  const said = e.description ? `: ${e.description}` : ''
  switch (e.type) {
    case 'invalidRecipients': return { ...e, description: e.invalidRecipients?.length ? `These recipients are not taken: ${e.invalidRecipients.join(', ')}.` : `A recipient is not taken${said}` }
    case 'tooManyRecipients': return { ...e, description: `A message can have ${e.maxRecipients ?? 'fewer'} recipients at most.` }
    case 'noRecipients': return { ...e, description: 'There is no recipient.' }
    case 'tooLarge': return { ...e, description: 'The message is too large to be sent.' }
    case 'forbiddenFrom':
    case 'forbiddenMailFrom': return { ...e, description: `You cannot send from this address${said}` }
    case 'forbiddenToSend': return { ...e, description: `You cannot send at the moment${said}` }
    case 'rateLimit': return { ...e, description: `You have sent very much in a short time${said}` }
    default: return e
  }
}
