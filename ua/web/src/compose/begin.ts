// How letters begin: empty, from a link, from a draft, as an answer, or from what this device kept.

import { request } from '#/lib/api'
import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import type { Address, BodyPart, BodyValue, GetResult, Id } from '#/lib/jmap/types'
import { MethodError } from '#/lib/jmap/client'
import { parseAddresses, type Entry } from './address'
import { Attached } from './attached.svelte'
import { draftHeader, newMessageId, referencesOf, type DraftNotes } from './build'
import { cleanHtml } from './clean'
import { compose, type How, type Start } from './compose.svelte'
import { identities } from './identities.svelte'
import { allKept, forget, hold, release } from './kept'
import { Letter, signatureHtml, signatureText, letters, type KeptLetter } from './letter.svelte'
import { parseMailto } from './mailto'
import { quoteForward, quoteReply, splitQuote, splitQuoteHtml, subjectFor } from './quote'
import { addressed, isMine, recipientsOf } from './recipients'
import { toHtml, toText } from './text'

const bodyProperties = ['partId', 'blobId', 'size', 'name', 'type', 'charset', 'disposition', 'cid']
const most = 2_000_000

/** A message as answers and drafts need it. */
interface Source {
  id: Id
  blobId: Id
  size: number
  from: Address[] | null
  to: Address[] | null
  cc: Address[] | null
  bcc: Address[] | null
  replyTo: Address[] | null
  subject: string | null
  sentAt: string | null
  receivedAt: string
  messageId: string[] | null
  inReplyTo: string[] | null
  references: string[] | null
  keywords: Record<string, true>
  htmlBody: BodyPart[]
  textBody: BodyPart[]
  attachments: BodyPart[]
  bodyValues: Record<string, BodyValue>
  'header:List-Post:asURLs'?: string[] | null
  'header:Mail-Followup-To:asAddresses'?: Address[] | null
  'header:Delivered-To:asText:all'?: string[] | null
  'header:X-Original-To:asText:all'?: string[] | null
  'header:Disposition-Notification-To:asAddresses'?: Address[] | null
  'header:Importance:asText'?: string | null
  'header:X-Postrider-Draft:asText'?: string | null
  'header:X-Postrider-Unfinished:asText'?: string | null
}

async function read(id: Id): Promise<Source> {
  const r = await session.jmap.call<GetResult<Source>>('Email/get', {
    ids: [id], bodyProperties, fetchTextBodyValues: true, fetchHTMLBodyValues: true, maxBodyValueBytes: most,
    properties: ['id', 'blobId', 'size', 'from', 'to', 'cc', 'bcc', 'replyTo', 'subject', 'sentAt', 'receivedAt', 'messageId', 'inReplyTo', 'references', 'keywords', 'htmlBody', 'textBody',
      'attachments', 'bodyValues', 'header:List-Post:asURLs', 'header:Mail-Followup-To:asAddresses', 'header:Delivered-To:asText:all', 'header:X-Original-To:asText:all',
      'header:Disposition-Notification-To:asAddresses', 'header:Importance:asText', draftHeader, 'header:X-Postrider-Unfinished:asText'],
  })
  const m = r.list[0]
  if (!m) throw new MethodError('notFound', 'This message is no longer there.')
  return m
}

interface Texts {
  html: string | null
  text: string
  truncated: boolean
}

/** A message's text in the forms that it has, not cleaned. */
function textsOf(m: Source): Texts {
  const value = (p: BodyPart) => (p.partId ? m.bodyValues[p.partId] : undefined)
  const html = m.htmlBody.filter((p) => p.type === 'text/html')
  const join = (list: BodyPart[], by: string) => list.map((p) => value(p)?.value ?? '').join(by)
  const mixed = m.htmlBody.map((p) => (p.type === 'text/html' ? (value(p)?.value ?? '') : p.type === 'text/plain' ? toHtml(value(p)?.value ?? '') : p.cid ? `<div><img src="cid:${encodeURIComponent(p.cid)}"></div>` : '')).join('')
  return {
    html: html.length > 0 ? mixed : null,
    text: join(m.textBody.filter((p) => p.type === 'text/plain'), '\n') || (html.length > 0 ? '' : join(m.htmlBody, '\n')),
    truncated: Object.values(m.bodyValues).some((v) => v.isTruncated),
  }
}

const asEntries = (v: Address[] | string | undefined): Entry[] => (typeof v === 'string' ? parseAddresses(v) : (v ?? []).map((a) => ({ name: a.name ?? '', email: a.email })))

export async function begin(start: Start): Promise<Letter> {
  await identities.load()
  if (start.draft) return openDraft(start.draft)
  if (start.reply) return answer(start.reply.email, start.reply.how)
  const l = fresh()
  const from = start.mailto ? parseMailto(start.mailto) : null
  for (const f of ['to', 'cc', 'bcc'] as const) {
    const list = from ? from[f] : asEntries(start[f])
    if (list.length > 0) l.setRecipients(f, list)
  }
  l.subject = from ? from.subject : (start.subject ?? '')
  const text = from ? from.body : (start.text ?? '')
  if (from?.inReplyTo) {
    l.inReplyTo = [from.inReplyTo]
    l.references = [from.inReplyTo]
  }
  const html = start.html ? cleanHtml(start.html, { from: 'quote' }) : text ? toHtml(text) : ''
  blank(l, html, start.html ? toText(html) : text)
  l.start = l.to.length === 0 ? 'to' : 'top'
  if (start.files?.length) l.attach(start.files)
  if (html || l.recipients.length > 0 || l.subject) l.touch()
  return l
}

function fresh(identity: Id | null = null): Letter {
  const l = new Letter()
  l.identityId = identity ?? identities.get(null)?.id ?? null
  l.mode = session.settings.writeAs
  l.receipt = session.settings.requestReceipts
  l.messageId = newMessageId(l.from.email)
  const i = l.identity
  if (i?.bcc?.length) l.setRecipients('bcc', i.bcc)
  if (i?.replyTo?.length) l.setRecipients('replyTo', i.replyTo)
  return l
}

/** The text of a letter at its beginning: what is given, and the signature. */
function blank(l: Letter, html: string, text: string): void {
  const i = l.identity
  const sign = i ? signatureHtml(i) : ''
  const plain = i ? signatureText(i) : ''
  l.html = `${html || '<div><br></div>'}${sign ? `<div><br></div>${sign}` : ''}`
  l.text = `${text}${plain ? `\n\n-- \n${plain}` : ''}`
}

async function answer(id: Id, how: How): Promise<Letter> {
  const m = await read(id)
  const mine = identities.mine
  const at = addressed({ ...m, delivered: [...(m['header:Delivered-To:asText:all'] ?? []), ...(m['header:X-Original-To:asText:all'] ?? [])].map((t) => parseAddresses(t)[0]?.email ?? '') },
    identities.list.map((i) => i.email))
  const l = fresh(identities.list[at]?.id ?? null)
  const forward = how === 'forward' || how === 'attach'
  const r = recipientsOf({ ...m, listPost: m['header:List-Post:asURLs'], followupTo: m['header:Mail-Followup-To:asAddresses'] }, how, mine)
  l.setRecipients('to', r.to)
  if (r.cc.length > 0) l.setRecipients('cc', r.cc)
  l.subject = subjectFor(forward ? 'forward' : 'reply', m.subject)
  l.reply = { email: id, how }
  const refs = referencesOf(m)
  l.references = refs.references
  if (!forward) l.inReplyTo = refs.inReplyTo
  const texts = textsOf(m)
  if (how === 'attach' || (how === 'forward' && texts.truncated)) {
    blank(l, '', '')
    l.attachments = [new Attached({ name: `${(m.subject ?? 'message').replace(/[/\\\p{Cc}]+/gu, ' ').trim().slice(0, 80) || 'message'}.eml`, type: 'message/rfc822', size: m.size, blobId: m.blobId })]
    if (how === 'forward') l.notice = 'The message is too long to be quoted whole, so it is attached.'
  } else quoteInto(l, m, texts, forward)
  l.start = forward ? 'to' : session.settings.quote === 'above' ? 'end' : 'top'
  return l
}

function quoteInto(l: Letter, m: Source, texts: Texts, forward: boolean): void {
  const html = texts.html === null ? null : cleanHtml(forward ? texts.html : unsigned(texts.html), { from: 'quote' })
  const body = { html, text: texts.text }
  const quote = forward ? quoteForward(m, body) : quoteReply(m, body)
  const used = new Set([...(html ?? '').matchAll(/data-cid="([^"]*)"/g)].map((x) => x[1]!.replaceAll('&amp;', '&')))
  const parts = [...new Map([...m.attachments, ...m.htmlBody.filter((p) => !/^text\/(html|plain)$/.test(p.type))].map((p) => [p.blobId, p])).values()]
  l.attachments = parts.filter((p) => p.blobId && ((p.cid && used.has(p.cid)) || forward)).map((p) => new Attached({
    name: p.name ?? (p.type.startsWith('message/') ? 'message.eml' : 'attachment'), type: p.type, size: p.size, blobId: p.blobId, cid: p.cid && used.has(p.cid) ? p.cid : null,
  }))
  const i = l.identity
  const sign = i ? signatureHtml(i) : ''
  const plain = i ? signatureText(i) : ''
  if (!forward && session.settings.quote === 'above') {
    l.html = `${quote.html}<div><br></div><div><br></div>${sign}`
    l.text = `${quote.text}\n\n${plain ? `\n\n-- \n${plain}` : ''}`
    return
  }
  blank(l, '', '')
  l.quote = quote
  if (forward) l.openQuote()
}

/** Marks of other programs for what is no part of what was said. */
function unsigned(html: string): string {
  const doc = new DOMParser().parseFromString(html, 'text/html')
  for (const el of doc.querySelectorAll('.moz-signature, .gmail_signature, .gmail_signature_prefix, #Signature, [data-part="signature"]')) el.remove()
  return doc.body.innerHTML
}

// ---- drafts

async function openDraft(id: Id): Promise<Letter> {
  const waiting = [...letters].find((l) => l.draftId === id)
  if (waiting) return waiting // closed, but not stored yet: newer than what the server has
  // What this device kept of it is newer than the server's, when it was not saved.
  for (const k of await allKept<KeptLetter>().catch(() => [])) {
    if (k.letter.draftId === id && !k.letter.saved && (await hold(k.key))) return Letter.fromKept(k.key, k.letter)
  }
  const l = new Letter()
  try {
    await fill(l, id)
  } catch (cause) {
    await l.end()
    throw cause
  }
  return l
}

/** Shows a newer version of the same draft in a letter that is open. */
export async function reload(l: Letter, id: Id): Promise<void> {
  await fill(l, id)
  l.revision++
}

async function fill(l: Letter, id: Id): Promise<void> {
  const m = await read(id)
  const notes = notesOf(m['header:X-Postrider-Draft:asText'])
  const texts = textsOf(m)
  const from = m.from?.[0]?.email
  const known = identities.list.find((i) => i.id === notes?.identity) ?? identities.list.find((i) => i.email.toLowerCase() === from?.toLowerCase())
  l.identityId = known?.id ?? identities.get(null)?.id ?? null
  for (const f of ['to', 'cc', 'bcc', 'replyTo'] as const) l.setRecipients(f, m[f] ?? [])
  l.typed.to = unfinished(m['header:X-Postrider-Unfinished:asText'])
  l.settleTyped('to')
  l.subject = m.subject ?? ''
  l.mode = notes?.mode ?? (texts.html === null ? 'plain' : 'rich')
  const old = l.attachments
  l.attachments = m.attachments.filter((p) => p.blobId).map((p) => new Attached({
    name: p.name ?? 'attachment', type: p.type, size: p.size, blobId: p.blobId, cid: p.cid && texts.html?.includes('cid:') && p.disposition !== 'attachment' ? p.cid : null,
  }))
  for (const a of old) a.dispose()
  const html = texts.html === null ? toHtml(texts.text) : cleanHtml(texts.html, { from: 'own' })
  const parted = splitQuoteHtml(html)
  const plain = splitQuote(texts.text || toText(html))
  l.quote = null
  if (l.mode === 'rich') {
    l.html = parted.quote ? parted.own.replace(/<div><br><\/div>$/, '') : html
    l.text = toText(l.html)
    if (parted.quote) l.quote = { html: parted.quote, text: toText(parted.quote) }
  } else {
    l.text = plain.quote ? plain.own : texts.text
    l.html = toHtml(l.text)
    if (plain.quote) l.quote = { html: `<div data-part="quote">${toHtml(plain.quote)}</div>`, text: plain.quote }
  }
  l.receipt = notes?.receipt ?? !!m['header:Disposition-Notification-To:asAddresses']?.length
  l.high = notes?.high ?? /high/i.test(m['header:Importance:asText'] ?? '')
  l.inReplyTo = m.inReplyTo ?? []
  l.references = m.references ?? []
  l.reply = notes?.reply ? { email: notes.reply.email, how: notes.reply.how as How } : null
  l.messageId = m.messageId?.[0] ?? newMessageId(l.from.email)
  l.draftId = id
  l.start = l.to.length === 0 ? 'to' : 'end'
  l.settled()
}

function notesOf(text: string | null | undefined): DraftNotes | null {
  try {
    const n = JSON.parse(text ?? '') as Partial<DraftNotes>
    return n.v === 1 && (n.mode === 'rich' || n.mode === 'plain') ? (n as DraftNotes) : null
  } catch {
    return null
  }
}

function unfinished(text: string | null | undefined): string {
  try {
    const list = JSON.parse(text ?? '[]') as unknown
    return Array.isArray(list) ? list.filter((x) => typeof x === 'string').join('; ') : ''
  } catch {
    return ''
  }
}

// ---- what this device kept

let restored = false

/** Opens again what was being written when the page went away: once for each load of the page, whatever comes and goes on it. */
export async function restore(): Promise<void> {
  if (restored) return
  restored = true
  const found = await allKept<KeptLetter>()
  if (found.length === 0) return
  await identities.load()
  let opened = 0
  for (const k of found) {
    if (!(await hold(k.key))) continue // another window of this browser writes it
    if (k.letter.v !== 1) continue
    if (k.letter.saved && !(await stillDraft(k.letter.draftId))) {
      await forget(k.key)
      release(k.key)
      continue
    }
    const l = await Letter.fromKept(k.key, k.letter)
    if (!k.letter.saved) {
      l.notice = 'This was being written when the page went away. Nothing is lost.'
      l.touch()
    }
    const pane = compose.put(l)
    if (opened++ > 0 || k.letter.saved) pane.shape = 'small'
  }
  if (opened > 0) toasts.show(opened === 1 ? 'What you were writing is open again.' : `${opened} messages that you were writing are open again.`)
}

async function stillDraft(id: Id | null): Promise<boolean> {
  if (!id) return false
  const r = await session.jmap.call<GetResult<{ keywords: Record<string, true> }>>('Email/get', { ids: [id], properties: ['id', 'keywords'] })
  return r.list.length > 0 && '$draft' in r.list[0]!.keywords
}

/** Fetches a picture of a message to show it in the text. Only kinds that browsers show as pictures and that hold no code. */
export async function showPicture(a: Attached): Promise<string | null> {
  if (a.url) return a.url
  if (!a.blobId || !/^image\/(png|jpeg|gif|webp|avif|bmp)$/i.test(a.type)) return null
  const response = await request(session.jmap.downloadUrl(a.blobId, a.name, a.type))
  a.url = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: a.type }))
  return a.url
}

export { isMine }
