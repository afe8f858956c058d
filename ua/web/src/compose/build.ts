// A letter as an Email/set creation (RFC 8621 4.6): header, and the body as text beside HTML, pictures with the HTML that shows them, attachments
// after all of it.

import type { Address, Id } from '#/lib/jmap/types'
import { toText } from './text'

export interface Piece {
  blobId: Id
  type: string
  name: string
  /** Of a picture in the text. */
  cid?: string | null
}

/** What only we read, and only in a draft: how to go on with it on another device. */
export interface DraftNotes {
  v: 1
  mode: 'rich' | 'plain'
  identity?: Id
  reply?: { email: Id; how: string }
  receipt?: boolean
  high?: boolean
}

export interface Parts {
  from: Address
  to: Address[]
  cc: Address[]
  bcc: Address[]
  replyTo: Address[]
  subject: string
  messageId: string
  inReplyTo: string[]
  references: string[]
  date?: Date
  /** null for plain text alone. */
  html: string | null
  text: string
  pieces: Piece[]
  receipt: boolean
  high: boolean
  mailboxId: Id
  keywords: string[]
  draft?: DraftNotes
}

export interface Part {
  type: string
  partId?: string
  blobId?: Id
  name?: string
  disposition?: string
  cid?: string
  subParts?: Part[]
}

export const draftHeader = 'header:X-Postrider-Draft:asText'

export function build(p: Parts): Record<string, unknown> {
  const values: Record<string, { value: string }> = { t: { value: p.text } }
  let body: Part = { partId: 't', type: 'text/plain' }
  let shown = new Set<string>()
  if (p.html !== null) {
    const out = outgoing(p.html, p.draft !== undefined)
    shown = out.cids
    values['h'] = { value: out.html }
    const html: Part = { partId: 'h', type: 'text/html' }
    const pictures = p.pieces.filter((a) => a.cid && shown.has(a.cid)).map((a): Part => ({ blobId: a.blobId, type: a.type, name: a.name, disposition: 'inline', cid: a.cid! }))
    body = { type: 'multipart/alternative', subParts: [body, pictures.length > 0 ? { type: 'multipart/related', subParts: [html, ...pictures] } : html] }
  }
  const attached = p.pieces.filter((a) => !a.cid).map((a): Part => ({ blobId: a.blobId, type: a.type, name: a.name, disposition: 'attachment' }))
  if (attached.length > 0) body = { type: 'multipart/mixed', subParts: [body, ...attached] }
  const email: Record<string, unknown> = {
    mailboxIds: { [p.mailboxId]: true },
    keywords: Object.fromEntries(p.keywords.map((k) => [k, true])),
    from: [addressOf(p.from)],
    subject: p.subject,
    messageId: [p.messageId],
    bodyStructure: body,
    bodyValues: values,
  }
  for (const name of ['to', 'cc', 'bcc', 'replyTo'] as const) if (p[name].length > 0) email[name] = p[name].map(addressOf)
  if (p.inReplyTo.length > 0) email['inReplyTo'] = p.inReplyTo
  if (p.references.length > 0) email['references'] = p.references
  if (p.date) email['sentAt'] = p.date.toISOString().replace(/\.\d+Z$/, 'Z')
  if (p.receipt) email['header:Disposition-Notification-To:asAddresses'] = [addressOf(p.from)] // RFC 8098 2.1
  if (p.high) {
    email['header:Importance:asText'] = 'high' // RFC 2156 5.3.4
    email['header:X-Priority:asText'] = '2'
  }
  if (p.draft) email[draftHeader] = JSON.stringify(p.draft)
  return email
}

const addressOf = (a: Address): Address => ({ name: a.name || null, email: a.email })

/** Leaves of a structure in order: those of what was sent stand where those of what is stored stand. */
export function leaves<T extends { subParts?: T[] | null }>(part: T): T[] {
  return part.subParts?.length ? part.subParts.flatMap(leaves) : [part]
}

/** The editor's HTML as it goes out: pictures by Content-ID or by their own address, nothing of the editor's. */
export function outgoing(html: string, draft: boolean): { html: string; cids: Set<string> } {
  const doc = new DOMParser().parseFromString(html, 'text/html')
  const cids = new Set<string>()
  for (const img of doc.body.querySelectorAll('img')) {
    const cid = img.getAttribute('data-cid')
    const remote = img.getAttribute('data-remote')
    if (cid) {
      img.setAttribute('src', `cid:${encodeURIComponent(cid).replaceAll('%40', '@')}`)
      cids.add(cid)
    } else if (remote) img.setAttribute('src', remote)
    else if (!img.getAttribute('src')?.startsWith('data:image/')) img.remove()
    img.removeAttribute('data-cid')
    img.removeAttribute('data-remote')
  }
  for (const el of doc.body.querySelectorAll('[class], [id]')) {
    el.removeAttribute('class')
    el.removeAttribute('id')
  }
  for (const el of doc.body.querySelectorAll('input, [data-squire]')) el.remove()
  if (!draft) for (const el of doc.body.querySelectorAll('[data-part]')) el.removeAttribute('data-part')
  for (const q of doc.body.querySelectorAll('blockquote:not([style])')) q.setAttribute('style', 'margin:0 0 0 .8ex;border-left:2px solid #c8c3ba;padding-left:1ex')
  return { html: `<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>${doc.body.innerHTML.replace(/[\u200b\ufeff]/g, '')}</body></html>\n`, cids }
}

/** The plain text that goes beside HTML. */
export function plainOf(html: string): string {
  return toText(html)
}

/** References of an answer (RFC 5322 3.6.4): the parent's, and the parent. Very long ones keep the first and the last. */
export function referencesOf(parent: { messageId: string[] | null; inReplyTo: string[] | null; references: string[] | null }): { inReplyTo: string[]; references: string[] } {
  const id = parent.messageId ?? []
  const before = parent.references?.length ? parent.references : (parent.inReplyTo?.length === 1 ? parent.inReplyTo : [])
  const all = [...new Set([...before, ...id])].filter((i) => !/[\s<>]/.test(i) && i.length < 900)
  return { inReplyTo: id.filter((i) => !/[\s<>]/.test(i)), references: all.length > 40 ? [all[0]!, ...all.slice(-39)] : all }
}

/** A new Message-ID for a letter from an address. */
export function newMessageId(from: string): string {
  return `${crypto.randomUUID()}@${from.slice(from.lastIndexOf('@') + 1).toLowerCase() || 'localhost'}`
}
