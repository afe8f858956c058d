// A letter that is being written. What changes is kept on this device at once and in Drafts soon after; closing keeps it, sending ends it.

import { Failure } from '#/lib/api'
import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import type { Address, Id, Identity } from '#/lib/jmap/types'
import { parseAddresses, wrongness, type Entry } from './address'
import { Attached, type KeptAttached } from './attached.svelte'
import { newMessageId, plainOf, type DraftNotes, type Piece } from './build'
import { whereIs, storeDraft, destroyDraft } from './drafts'
import { fromOf, identities } from './identities.svelte'
import * as kept from './kept'
import type { Quote } from './quote'
import { cleanHtml } from './clean'
import { isEmptyHtml, toHtml, toText } from './text'
import type { How } from './compose.svelte'

export type Field = 'to' | 'cc' | 'bcc' | 'replyTo'
export const fields: readonly Field[] = ['to', 'cc', 'bcc', 'replyTo']

export interface Chip extends Entry {
  key: string
}

export type Status = 'new' | 'edited' | 'saving' | 'saved' | 'here' | 'failed'

/** What is kept on the device. */
export interface KeptLetter {
  v: 1
  identityId: Id | null
  recipients: Record<Field, Entry[]>
  typed: Record<Field, string>
  subject: string
  mode: 'rich' | 'plain'
  html: string
  text: string
  quote: Quote | null
  attachments: KeptAttached[]
  receipt: boolean
  high: boolean
  inReplyTo: string[]
  references: string[]
  reply: { email: Id; how: How } | null
  draftId: Id | null
  messageId: string
  saved: boolean
}

const saveAfter = 2000
const keepAfter = 300
let chipNumber = 0

/** Letters that are open, or closed but not yet stored. */
export const letters = new Set<Letter>()

export class Letter {
  readonly key: string
  identityId = $state<Id | null>(null)
  to = $state.raw<Chip[]>([])
  cc = $state.raw<Chip[]>([])
  bcc = $state.raw<Chip[]>([])
  replyTo = $state.raw<Chip[]>([])
  /** Text in the fields that is no recipient yet. */
  typed = $state<Record<Field, string>>({ to: '', cc: '', bcc: '', replyTo: '' })
  shown = $state<Record<Field, boolean>>({ to: true, cc: false, bcc: false, replyTo: false })
  subject = $state('')
  mode = $state<'rich' | 'plain'>('rich')
  html = $state.raw('')
  text = $state('')
  /** What is answered, while it is folded away. */
  quote = $state.raw<Quote | null>(null)
  attachments = $state.raw<Attached[]>([])
  receipt = $state(false)
  high = $state(false)
  inReplyTo: string[] = []
  references: string[] = []
  reply: { email: Id; how: How } | null = null
  draftId = $state<Id | null>(null)
  messageId = ''
  status = $state<Status>('new')
  problem = $state('')
  savedAt = $state.raw<Date | null>(null)
  /** News about the letter itself, at its top. */
  notice = $state('')
  /** Goes up when the text was changed by other than the editor, which then shows it anew. */
  revision = $state(0)
  /** Where the cursor goes at first. */
  start: 'to' | 'top' | 'end' = 'to'
  sending = $state(false)
  /** The editor hands its text over. */
  flush: (() => void) | null = null

  private edits = 0
  private savedEdits = 0
  private keepTimer: ReturnType<typeof setTimeout> | undefined
  private saveTimer: ReturnType<typeof setTimeout> | undefined
  private running: Promise<boolean> | undefined
  private checkTimer: ReturnType<typeof setTimeout> | undefined
  private stopNews: () => void
  private over = false

  constructor(key: string = crypto.randomUUID()) {
    this.key = key
    letters.add(this)
    void kept.hold(key)
    this.stopNews = session.onChange((changed) => {
      if (changed['Email'] && this.draftId && !this.running) {
        clearTimeout(this.checkTimer)
        this.checkTimer = setTimeout(() => void this.look(), 700)
      }
    })
  }

  get identity(): Identity | undefined {
    return identities.get(this.identityId)
  }

  get from(): Address & { name: string } {
    return fromOf(this.identity)
  }

  /** Whether anything is not in Drafts yet. */
  get dirty(): boolean {
    return this.edits !== this.savedEdits
  }

  get touched(): boolean {
    return this.edits > 0 || this.draftId !== null
  }

  get recipients(): Chip[] {
    return [...this.to, ...this.cc, ...this.bcc]
  }

  // ---- changes

  /** Says that something has changed. */
  touch(): void {
    if (this.over) return
    this.edits++
    if (this.status !== 'saving') this.status = 'edited'
    clearTimeout(this.keepTimer)
    this.keepTimer = setTimeout(() => void this.keep(), keepAfter)
    this.later(saveAfter + this.weight())
  }

  private later(ms: number): void {
    clearTimeout(this.saveTimer)
    this.saveTimer = setTimeout(() => void this.save(), ms)
  }

  /** A letter with much attached is written anew as a whole: less often. */
  private weight(): number {
    return Math.min(20_000, this.attachments.reduce((n, a) => n + (a.blobId ? a.size : 0), 0) / 1000)
  }

  chip(e: Entry): Chip {
    return { ...e, key: `c${++chipNumber}` }
  }

  setRecipients(field: Field, list: (Address | Entry)[]): void {
    this[field] = list.map((a) => this.chip({ name: a.name ?? '', email: a.email, ...(wrongness(a.email) ? { wrong: wrongness(a.email) } : {}) }))
    if (list.length > 0) this.shown[field] = true
  }

  add(field: Field, list: Entry[], at = this[field].length): void {
    const have = new Set(this[field].map((c) => c.email.toLowerCase()))
    const fresh = list.filter((e) => !have.has(e.email.toLowerCase()) && have.add(e.email.toLowerCase()))
    this[field] = this[field].toSpliced(at, 0, ...fresh.map((e) => this.chip(e)))
    this.shown[field] = true
    this.touch()
  }

  remove(field: Field, key: string): void {
    this[field] = this[field].filter((c) => c.key !== key)
    this.touch()
  }

  move(from: Field, to: Field, key: string): void {
    const chip = this[from].find((c) => c.key === key)
    if (!chip || from === to) return
    this[from] = this[from].filter((c) => c.key !== key)
    this.add(to, [chip])
  }

  /** Makes recipients of what stands in the fields. */
  settleTyped(field?: Field): void {
    for (const f of field ? [field] : fields) {
      const text = this.typed[f].trim()
      this.typed[f] = ''
      if (text) this.add(f, parseAddresses(text))
    }
  }

  /** Changes who it is from, and the signature with it where nobody has changed that. */
  setIdentity(id: Id): void {
    const old = this.identity
    this.flush?.()
    this.identityId = id
    const next = this.identity
    if (old && next) {
      this.html = swapHtml(this.html, signatureHtml(old), signatureHtml(next))
      this.text = swapText(this.text, signatureText(old), signatureText(next))
      for (const [field, was, is] of [['replyTo', old.replyTo, next.replyTo], ['bcc', old.bcc, next.bcc]] as const) {
        const gone = new Set((was ?? []).map((a) => a.email.toLowerCase()))
        const left = this[field].filter((c) => !gone.has(c.email.toLowerCase()))
        if (left.length !== this[field].length || is?.length) this.setRecipients(field, [...left, ...(is ?? [])])
      }
      this.revision++
    }
    this.touch()
  }

  /** Between rich and plain; the text stays. */
  setMode(mode: 'rich' | 'plain'): void {
    if (mode === this.mode) return
    this.flush?.()
    const i = this.identity
    if (mode === 'plain') this.text = toText(this.html)
    else {
      const sign = i ? signatureText(i) : ''
      const at = sign ? this.text.lastIndexOf(`-- \n${sign}`) : -1
      this.html = at < 0 ? toHtml(this.text) : toHtml(this.text.slice(0, at).replace(/\n$/, '')) + signatureHtml(i!) + (this.text.slice(at + 4 + sign.length).trim() ? toHtml(this.text.slice(at + 4 + sign.length).replace(/^\n/, '')) : '')
    }
    this.mode = mode
    this.revision++
    this.touch()
  }

  /** Takes the quote into the text, where it can be changed. */
  openQuote(): void {
    if (!this.quote) return
    this.flush?.()
    this.html = withQuote(this.html, this.quote)
    this.text = `${this.text.replace(/\n+$/, '')}\n\n${this.quote.text}`
    this.quote = null
    this.revision++
    this.touch()
  }

  /** Leaves the quote out. */
  dropQuote(): void {
    this.quote = null
    this.touch()
  }

  /** Puts a text into the letter (a template): at the top, above the signature and quotes. */
  insert(html: string, subject = ''): void {
    this.flush?.()
    const safe = cleanHtml(html, { from: 'own' })
    const empty = isEmptyHtml(this.html.replace(/<div data-part="signature">[\s\S]*$/, ''))
    const rest = empty ? this.html.replace(/^(<div>(<br>|\u200b)*<\/div>)+/, '') : this.html
    this.html = `${safe}${rest.startsWith('<div data-part') ? '<div><br></div>' : ''}${rest}`
    this.text = `${toText(safe)}\n${this.text.replace(/^\n/, '')}`
    if (!this.subject && subject) this.subject = subject
    this.revision++
    this.touch()
  }

  // ---- attachments

  /** How many octets all attachments may have together. */
  get room(): number {
    const c = session.jmap
    return Number(c.session.accounts[c.account]?.accountCapabilities['urn:ietf:params:jmap:mail']?.['maxSizeAttachmentsPerEmail'] ?? c.limit('maxSizeUpload'))
  }

  get total(): number {
    return this.attachments.reduce((n, a) => n + a.size, 0)
  }

  attach(files: Iterable<File>): void {
    for (const f of files) {
      this.take(new Attached({ name: f.name || 'file', type: f.type, size: f.size, file: f }))
    }
  }

  /** A picture for the text; the editor shows it from what this gives. */
  picture(file: Blob, name = 'image'): Attached {
    const cid = `${crypto.randomUUID()}@${this.from.email.split('@').at(-1) || 'localhost'}`
    const a = new Attached({ name: (file as File).name || `${name}.${file.type.split('/')[1] ?? 'png'}`, type: file.type, size: file.size, cid, file })
    this.take(a)
    return a
  }

  private take(a: Attached): void {
    this.attachments = [...this.attachments, a]
    if (a.file) void kept.keepFile(this.key, a.key, a.file).catch(() => undefined) // without a store on the device it is in memory only
    void this.send1(a)
    this.touch()
  }

  /** Uploads one, where there is room for it. */
  async send1(a: Attached): Promise<void> {
    const others = this.attachments.reduce((n, o) => n + (o === a || o.stage === 'failed' ? 0 : o.size), 0)
    if (a.stage !== 'there' && !a.tooLarge && others + a.size > this.room) {
      a.stage = 'failed'
      a.why = `With it, the attachments have more than the ${Math.floor(this.room / 1e6)} MB that fit in a message.`
      return
    }
    await a.upload()
    if (a.stage === 'there' && this.attachments.includes(a)) this.touch()
  }

  detach(a: Attached): () => void {
    a.cancel()
    const at = this.attachments.indexOf(a)
    this.attachments = this.attachments.filter((o) => o !== a)
    this.touch()
    return () => {
      this.attachments = this.attachments.toSpliced(at, 0, a)
      if (a.stage !== 'there') void this.send1(a)
      this.touch()
    }
  }

  /** Addresses of the pictures that are shown in the text. */
  get cids(): Map<string, string> {
    return new Map(this.attachments.filter((a) => a.cid && a.url).map((a) => [a.cid!, a.url!]))
  }

  // ---- what goes out

  /** The whole text in both forms. */
  body(): { html: string | null; text: string } {
    const q = this.quote
    if (this.mode === 'plain') return { html: null, text: q ? `${this.text.replace(/\n+$/, '')}\n\n${q.text}` : this.text }
    const own = plainOf(this.html)
    return { html: q ? withQuote(this.html, q) : this.html, text: q ? `${own}\n\n${q.text}` : own }
  }

  /** Text that was written now, for the checks. */
  ownText(): string {
    return this.mode === 'plain' ? this.text : toText(this.html.replace(/<div data-part="signature">[\s\S]*?<\/div>\s*$/, ''), { ownOnly: true })
  }

  pieces(): { piece: Piece; of: Attached }[] {
    return this.attachments.filter((a) => a.blobId && a.stage === 'there').map((a) => ({ piece: { blobId: a.blobId!, type: a.type, name: a.name, cid: a.cid }, of: a }))
  }

  notes(): DraftNotes {
    const notes: DraftNotes = { v: 1, mode: this.mode }
    if (this.identityId) notes.identity = this.identityId
    if (this.reply) notes.reply = this.reply
    if (this.receipt) notes.receipt = true
    if (this.high) notes.high = true
    return notes
  }

  // ---- keeping

  snapshot(): KeptLetter {
    const plainEntry = (c: Chip): Entry => ({ name: c.name, email: c.email, ...(c.wrong ? { wrong: c.wrong } : {}) })
    return {
      v: 1, identityId: this.identityId, recipients: { to: this.to.map(plainEntry), cc: this.cc.map(plainEntry), bcc: this.bcc.map(plainEntry), replyTo: this.replyTo.map(plainEntry) },
      typed: $state.snapshot(this.typed), subject: this.subject, mode: this.mode, html: this.html, text: this.text, quote: this.quote, attachments: this.attachments.map((a) => a.kept()),
      receipt: this.receipt, high: this.high, inReplyTo: this.inReplyTo, references: this.references, reply: this.reply, draftId: this.draftId, messageId: this.messageId, saved: !this.dirty,
    }
  }

  /** Keeps it on this device. */
  async keep(): Promise<boolean> {
    clearTimeout(this.keepTimer)
    if (this.over) return true
    this.flush?.()
    try {
      await kept.keep(this.key, this.snapshot())
      return true
    } catch {
      return false // status tells whether the server has it
    }
  }

  /** Keeps it while the page goes away: what takes time is not finished then. */
  keepAtOnce(): void {
    if (this.over) return
    this.flush?.()
    kept.keepAtOnce(this.key, this.snapshot())
    void this.keep()
  }

  static async fromKept(key: string, k: KeptLetter): Promise<Letter> {
    const l = new Letter(key)
    l.identityId = k.identityId
    for (const f of fields) {
      l.setRecipients(f, k.recipients[f])
      l.typed[f] = k.typed[f] ?? ''
    }
    Object.assign(l, { subject: k.subject, mode: k.mode, html: k.html, text: k.text, quote: k.quote, receipt: k.receipt, high: k.high, inReplyTo: k.inReplyTo, references: k.references,
      reply: k.reply, draftId: k.draftId, messageId: k.messageId, status: k.saved ? 'saved' : 'edited' })
    const list: Attached[] = []
    for (const a of k.attachments) {
      const file = a.hasFile ? await kept.keptFile(key, a.key).catch(() => null) : null
      // Uploads live a few hours: what the draft does not have is uploaded again when the server says so.
      const one = new Attached({ ...a, file })
      if (!one.blobId && !file) {
        one.stage = 'failed'
        one.why = 'It was not kept. Attach it again.'
      }
      list.push(one)
    }
    l.attachments = list
    for (const a of list) if (a.stage === 'waiting') void l.send1(a)
    l.edits = 1
    l.savedEdits = k.saved ? 1 : 0
    l.start = 'end'
    return l
  }

  /** Saves to Drafts. Gives whether all is there now. */
  save(): Promise<boolean> {
    clearTimeout(this.saveTimer)
    if (this.over || this.sending) return Promise.resolve(true)
    this.running ??= this.store().finally(() => (this.running = undefined))
    return this.running
  }

  private async store(): Promise<boolean> {
    for (let round = 0; round < 5; round++) {
      this.flush?.()
      if (!this.dirty) return true
      const edits = this.edits
      this.status = 'saving'
      try {
        const done = await storeDraft(this)
        this.savedEdits = edits
        this.savedAt = new Date()
        this.problem = ''
        if (done.conflict) await this.parted()
        if (!this.dirty) {
          this.status = 'saved'
          await this.keep()
          this.tidy()
          return true
        }
        this.status = 'edited'
        if (!this.hurry) {
          this.later(saveAfter + this.weight())
          return false
        }
      } catch (cause) {
        await this.keep()
        const away = cause instanceof Failure && ['offline', 'unauthenticated', 'unavailable', 'too_many'].includes(cause.kind)
        this.status = away ? 'here' : 'failed'
        this.problem = away ? '' : wordsOf(cause, 'The draft could not be saved.')
        this.later(away ? 5000 : 20_000)
        return false
      }
    }
    return false
  }

  /** Waits for a save that is under way; none begins by itself after. */
  async settledSaves(): Promise<void> {
    clearTimeout(this.saveTimer)
    if (this.running) await this.running
    clearTimeout(this.saveTimer)
  }

  /** It is handed over: nothing is to be restored, though it can still be taken back. */
  async sent(): Promise<void> {
    clearTimeout(this.keepTimer)
    clearTimeout(this.saveTimer)
    letters.delete(this)
    await kept.forget(this.key).catch(() => undefined)
  }

  /** It is written again after it was taken back, or could not be sent. */
  revive(): void {
    letters.add(this)
    for (const a of this.attachments) if (a.file) void kept.keepFile(this.key, a.key, a.file).catch(() => undefined)
    this.start = 'end'
    this.revision++
    this.touch()
  }

  /** Whether somebody waits for all to be stored. */
  private hurry = false

  /** Saves until all that is written now is there, or it cannot be. */
  async saveNow(): Promise<boolean> {
    this.hurry = true
    try {
      if (this.running) await this.running
      return await this.save()
    } finally {
      this.hurry = false
    }
  }

  /** Files that the draft on the server has need not be kept here. */
  private tidy(): void {
    for (const a of this.attachments) if (a.file && a.blobId && !a.blobId.startsWith('U') && a.stage === 'there') void kept.forgetFile(this.key, a.key).catch(() => undefined)
  }

  /** The draft was replaced by another device while we saved: both stay, ours under its own name. */
  private async parted(): Promise<void> {
    const others = await whereIs(this.messageId, this.draftId)
    if (others.length === 0) {
      this.notice = 'This draft was removed elsewhere while you were writing. What you wrote is kept.'
      return
    }
    this.messageId = newMessageId(this.from.email)
    this.notice = others.some((o) => o.draft)
      ? 'This draft was also changed on another device. Both versions are in Drafts.'
      : 'This message was sent from another device meanwhile. What you wrote here is kept as a draft.'
    this.edits++ // its new name is stored too
  }

  /** Looks whether the draft is still what we think it is. */
  private async look(): Promise<void> {
    if (!this.draftId || this.running || this.sending || this.over) return
    try {
      const id = this.draftId
      const now = await whereIs(this.messageId, null, id)
      if (this.draftId !== id || this.running || this.sending || this.over || now.some((o) => o.id === id && o.draft && o.inDrafts)) return
      const newer = now.find((o) => o.id !== id && o.draft && o.inDrafts)
      if (this.dirty) return // saving finds out, and keeps both
      if (newer) {
        const { reload } = await import('./begin')
        await reload(this, newer.id)
        this.notice = 'Changed on another device just now. This is the newer text.'
      } else {
        this.ended?.(now.some((o) => !o.draft && !o.inTrash) ? 'This message was sent from elsewhere.' : 'This draft was discarded elsewhere.')
      }
    } catch {
      // the next news, or the next save, find out
    }
  }

  /** The window is told that there is nothing more to write. */
  ended: ((why: string) => void) | null = null

  /** All is as the server has it. */
  settled(): void {
    this.savedEdits = this.edits = Math.max(1, this.edits)
    this.status = 'saved'
  }

  /** Marks it as changed without a change by the person. */
  unsettled(): void {
    this.edits++
    this.status = 'edited'
  }

  /** Ends a letter: it is sent, discarded, or stored and closed. */
  async end(): Promise<void> {
    this.over = true
    clearTimeout(this.keepTimer)
    clearTimeout(this.saveTimer)
    clearTimeout(this.checkTimer)
    this.stopNews()
    letters.delete(this)
    for (const a of this.attachments) a.dispose()
    await kept.forget(this.key).catch(() => undefined)
    kept.release(this.key)
  }

  /** Closes the window and keeps the draft. What cannot be stored now is kept on this device, and stored as soon as it can be. */
  async close(): Promise<void> {
    this.settleTyped()
    this.flush?.()
    this.flush = null
    this.ended = null
    if (!this.touched) return this.end()
    if (this.dirty && this.draftId === null && this.empty) return this.end()
    await this.keep()
    if (await this.saveNow()) {
      toasts.show('Kept in Drafts.')
      return this.end()
    }
    if (this.status === 'failed') toasts.show(`The draft is kept on this device only. ${this.problem}`, { tone: 'bad', seconds: 10 })
    else toasts.show('Kept on this device, and in Drafts as soon as the server can be reached.', { seconds: 8 })
  }

  /** Nothing in it that anybody wrote. */
  get empty(): boolean {
    const text = this.mode === 'plain' ? this.text : toText(this.html.replace(/<div data-part="signature">[\s\S]*?<\/div>/, ''))
    const sign = this.identity ? signatureText(this.identity) : ''
    const own = text.replace(/^-- \n/m, '').replace(sign, '').trim()
    return !own && this.attachments.length === 0 && (this.reply !== null || (this.recipients.length === 0 && !this.subject.trim()))
  }

  /** Throws it away, and gives the way back. */
  async discard(): Promise<() => Promise<Letter>> {
    this.flush?.()
    const snapshot = this.snapshot()
    const files = new Map(this.attachments.filter((a) => a.file).map((a) => [a.key, a.file!]))
    const id = this.draftId
    if (this.running) await this.running
    const draft = this.draftId ?? id
    await this.end()
    if (draft) await destroyDraft(draft)
    return async () => {
      const key = crypto.randomUUID()
      for (const [a, file] of files) await kept.keepFile(key, a, file).catch(() => undefined)
      const back = await Letter.fromKept(key, { ...snapshot, draftId: null, saved: false })
      for (const a of back.attachments) {
        a.file ??= files.get(a.key) ?? null
        if (!a.blobId?.startsWith('U') && a.file) a.again()
        if (a.stage !== 'there' && a.file) void back.send1(a)
      }
      back.touch()
      return back
    }
  }
}

/** An error in its own words, as a sentence. */
export function wordsOf(cause: unknown, otherwise: string): string {
  const text = cause instanceof Error && cause.message ? cause.message : otherwise
  const s = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(s) ? s : `${s}.`
}

/** The text with the quote after it, one free line between them. */
export function withQuote(html: string, quote: Quote): string {
  return `${html.replace(/(<div>(<br>|\u200b)*<\/div>)+$/, '') || '<div><br></div>'}<div><br></div>${quote.html}`
}

export function signatureHtml(i: Identity): string {
  const html = i.htmlSignature ? cleanHtml(i.htmlSignature, { from: 'own' }) : i.textSignature ? toHtml(i.textSignature.replace(/^-- \n/, '').replace(/\n$/, '')) : ''
  return isEmptyHtml(html) ? '' : `<div data-part="signature">${html}</div>`
}

export function signatureText(i: Identity): string {
  return (i.textSignature || (i.htmlSignature ? toText(i.htmlSignature) : '')).replace(/^-- \n/, '').replace(/\s+$/, '')
}

/** Puts another signature where the old one is, unless somebody has changed it. */
export function swapHtml(html: string, old: string, next: string): string {
  const body = new DOMParser().parseFromString(html, 'text/html').body
  const at = body.querySelector('[data-part="signature"]')
  if (at) {
    const was = new DOMParser().parseFromString(old, 'text/html').body
    if (toText(at).trim() !== toText(was.firstElementChild ?? was).trim()) return html
    if (next) at.outerHTML = next
    else at.remove()
    return body.innerHTML
  }
  if (!next) return html
  const quote = body.querySelector('[data-part="quote"]')
  if (quote) quote.insertAdjacentHTML('beforebegin', `<div><br></div>${next}<div><br></div>`)
  else body.insertAdjacentHTML('beforeend', `<div><br></div>${next}`)
  return body.innerHTML
}

export function swapText(text: string, old: string, next: string): string {
  const mark = old ? `-- \n${old}` : ''
  const at = mark ? text.lastIndexOf(mark) : -1
  if (at >= 0) return text.slice(0, at).replace(/\n+$/, next ? '\n\n' : '\n') + (next ? `-- \n${next}` : '') + text.slice(at + mark.length)
  return next && !/(^|\n)-- \n/.test(text) ? `${text.replace(/\n+$/, '')}\n\n-- \n${next}` : text
}

// What could not be stored is tried again as soon as the server can be reached, also for letters whose window is closed.
async function again(): Promise<void> {
  if (session.phase !== 'in') return
  for (const l of [...letters]) {
    for (const a of l.attachments) if (a.stage === 'waiting') void l.send1(a)
    if (l.status === 'here' && !l.sending && (await l.saveNow()) && l.flush === null && l.ended === null) {
      toasts.show('Kept in Drafts.')
      await l.end()
    }
  }
}
window.addEventListener('online', () => void again())
setInterval(() => {
  if ([...letters].some((l) => l.status === 'here' || l.attachments.some((a) => a.stage === 'waiting'))) void again()
}, 5000)
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'hidden') return
  for (const l of letters) {
    if (!l.dirty) continue
    void l.keep()
    void l.save()
  }
})
window.addEventListener('pagehide', () => {
  for (const l of letters) if (l.dirty) l.keepAtOnce()
})
