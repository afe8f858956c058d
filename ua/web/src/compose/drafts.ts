// Drafts on the server. A message never changes (RFC 8621 4): a draft is saved by making the new one and destroying the old one, in one request, and
// the old one only goes when the new one is there.

import { session } from '#/lib/session.svelte'
import { MethodError, Refused } from '#/lib/jmap/client'
import { mailboxes } from '#/lib/mail/mailboxes.svelte'
import type { GetResult, Id, SetError, SetResult } from '#/lib/jmap/types'
import { build, leaves, newMessageId, type Part } from './build'
import type { Letter } from './letter.svelte'

export async function mailboxOf(role: 'drafts' | 'sent'): Promise<Id> {
  if (!mailboxes.role(role)) await mailboxes.refresh()
  const there = mailboxes.role(role)?.id
  if (there) return there
  return mailboxes.create(role === 'drafts' ? 'Drafts' : 'Sent')
}

/** The Email/set creation of a letter. */
export async function creation(l: Letter, how: { draft: boolean; date?: Date }): Promise<Record<string, unknown>> {
  l.messageId ||= newMessageId(l.from.email)
  const { html, text } = l.body()
  const right = (list: { name: string; email: string; wrong?: string }[]) => list.filter((c) => !c.wrong)
  const email = build({
    from: l.from, to: right(l.to), cc: right(l.cc), bcc: right(l.bcc), replyTo: right(l.replyTo), subject: l.subject.replace(/\s+/g, ' ').trim(), messageId: l.messageId,
    inReplyTo: l.inReplyTo, references: l.references, html, text, pieces: l.pieces().map((p) => p.piece), receipt: !how.draft && l.receipt, high: !how.draft && l.high,
    mailboxId: await mailboxOf('drafts'), keywords: ['$draft', '$seen'], ...(how.date ? { date: how.date } : {}), ...(how.draft ? { draft: l.notes() } : {}),
  })
  // Recipients that are no addresses cannot be in a header: a draft keeps them aside.
  const wrong = how.draft ? [...l.recipients].filter((c) => c.wrong).map((c) => c.email) : []
  if (wrong.length > 0) email['header:X-Postrider-Unfinished:asText'] = JSON.stringify(wrong).slice(0, 2000)
  return email
}

/** The calls that make an email and, once it is there, destroy the one it replaces. */
export function replacing(email: Record<string, unknown>, old: Id | null): [string, Record<string, unknown>][] {
  const calls: [string, Record<string, unknown>][] = [['Email/set', { create: { m: email } }]]
  if (old) {
    calls.push(
      // The reference only resolves when the new one was made (RFC 8620 3.7), so that otherwise neither this nor the destruction is done.
      ['Email/get', { ids: [old], properties: ['id'], '#maxBodyValueBytes': { resultOf: 'c0', name: 'Email/set', path: '/created/m/size' } }],
      ['Email/set', { '#destroy': { resultOf: 'c1', name: 'Email/get', path: '/list/*/id' } }],
    )
  }
  return calls
}

interface Made {
  id: Id
  size: number
}

/** What became of those calls. Blobs that are gone are told apart: they can be uploaded again. */
export function made(answers: (Record<string, unknown> | MethodError)[]): { id: Id; missed: boolean } {
  const set = answers[0]!
  if (set instanceof MethodError) throw set
  const r = set as unknown as SetResult<Made>
  const refused = r.notCreated?.['m']
  if (refused) throw new Refused(refused)
  const got = answers[1]
  return { id: r.created!['m']!.id, missed: got !== undefined && !(got instanceof MethodError) && ((got['notFound'] as Id[] | null) ?? []).length > 0 }
}

/** Whether blobs were missing and are being uploaded again, so that the call can be made once more. */
export async function lostBlobs(cause: unknown, l: Letter): Promise<boolean> {
  if (!(cause instanceof Refused) || cause.error.type !== 'blobNotFound') return false
  const gone = new Set((cause.error as SetError & { notFound?: Id[] }).notFound ?? [])
  const lost = l.attachments.filter((a) => a.blobId && (gone.size === 0 || gone.has(a.blobId)))
  if (lost.length === 0) return false
  await Promise.all(lost.map((a) => a.again() && l.send1(a)))
  return true
}

/** Saves a draft. conflict: the old one was gone, so somebody else has changed or removed it. */
export async function storeDraft(l: Letter): Promise<{ conflict: boolean }> {
  for (let tries = 0; ; tries++) {
    const pieces = l.pieces()
    const email = await creation(l, { draft: true })
    try {
      const done = made(await session.jmap.settled(replacing(email, l.draftId)))
      l.draftId = done.id
      if (pieces.length > 0) await adopt(l, done.id, email['bodyStructure'] as Part)
      return { conflict: done.missed }
    } catch (cause) {
      if (tries > 1 || !(await lostBlobs(cause, l))) throw cause
    }
  }
}

/** Attachments are from now on what the stored draft has: its parts live as long as it does. */
async function adopt(l: Letter, id: Id, sent: Part): Promise<void> {
  const r = await session.jmap.call<GetResult<{ bodyStructure: Part }>>('Email/get', { ids: [id], properties: ['bodyStructure'], bodyProperties: ['partId', 'blobId', 'type', 'subParts'] })
  const there = r.list[0]
  if (!there) return
  const mine = leaves(sent)
  const theirs = leaves(there.bodyStructure)
  if (mine.length !== theirs.length) return
  mine.forEach((m, i) => {
    const blob = theirs[i]!.blobId
    if (!m.blobId || !blob) return
    for (const a of l.attachments) if (a.blobId === m.blobId) a.blobId = blob
  })
}

export async function destroyDraft(id: Id): Promise<void> {
  const r = await session.jmap.call<SetResult>('Email/set', { destroy: [id] })
  const refused = r.notDestroyed?.[id]
  if (refused && refused.type !== 'notFound') throw new Refused(refused)
}

export interface Found {
  id: Id
  draft: boolean
  inDrafts: boolean
  inTrash: boolean
}

/** Where messages with a Message-ID are, but for one; also looks at one by its id. */
export async function whereIs(messageId: string, besides: Id | null, also?: Id): Promise<Found[]> {
  const [found, got, known] = (await session.jmap.batch([
    ['Email/query', { filter: { header: ['Message-ID', messageId] }, sort: [{ property: 'receivedAt', isAscending: false }], limit: 10 }],
    ['Email/get', { '#ids': { resultOf: 'c0', name: 'Email/query', path: '/ids' }, properties: ['id', 'keywords', 'mailboxIds'] }],
    ['Email/get', { ids: also ? [also] : [], properties: ['id', 'keywords', 'mailboxIds'] }],
  ])) as unknown as [unknown, GetResult<Where>, GetResult<Where>]
  void found
  const drafts = mailboxes.role('drafts')?.id ?? ''
  const trash = mailboxes.role('trash')?.id ?? ''
  const all = new Map([...got.list, ...known.list].map((e) => [e.id, e]))
  return [...all.values()].filter((e) => e.id !== besides).map((e) => ({ id: e.id, draft: '$draft' in e.keywords, inDrafts: drafts in e.mailboxIds, inTrash: trash in e.mailboxIds }))
}

interface Where {
  id: Id
  keywords: Record<string, true>
  mailboxIds: Record<Id, true>
}
