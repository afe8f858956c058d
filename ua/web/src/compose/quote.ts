// What an answer or a forwarded message begins with: its subject, who wrote when, and the quoted text.

import type { Address } from '#/lib/jmap/types'
import { written } from './address'
import { escape, toHtml, toText } from './text'

/** Answer marks of many languages' programs: "Re:", "AW[2]:", "Antw:", "SV:", "回复：" */
const re = /^(?:re|aw|antw(?:ort)?|sv|vs|ref|rif|r|res|odp|ynt|ang|bls|vá|yn|atb|hs|回复|回覆|答复|답장|отв(?:ет)?|σχετ|απ)\s*(?:\[\d+\]|\(\d+\)|\^\d+)?\s*[:：]\s*/iu
const fwd = /^(?:fwd?|wg|tr|i|rv|enc|vb|vl|doorst|pd|ilt|továbbítás|转发|轉寄|전달|пер(?:есл)?|πρθ)\s*(?:\[\d+\])?\s*[:：]\s*/iu
const tag = /^(\[[^\]\n]{1,60}\])\s*/

/** "Re: …" or "Fwd: …", never twice; the tag of a mailing list stays where it is. */
export function subjectFor(how: 'reply' | 'forward', subject: string | null): string {
  let rest = (subject ?? '').replace(/\s+/g, ' ').trim()
  const mark = how === 'reply' ? 're' : 'fwd'
  const own = mark === 're' ? re : fwd
  let listTag = ''
  for (;;) {
    const t = tag.exec(rest)
    const inner = t ? rest.slice(t[0].length) : ''
    if (own.test(rest)) rest = rest.replace(own, '')
    else if (t && !listTag && own.test(inner)) {
      listTag = t[1]! + ' '
      rest = inner
    } else break
  }
  return `${mark === 're' ? 'Re' : 'Fwd'}: ${listTag}${rest}`.trimEnd()
}

const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })

export interface Quoted {
  from: Address[] | null
  to: Address[] | null
  cc: Address[] | null
  subject: string | null
  sentAt: string | null
  receivedAt: string
}

const time = (m: Quoted) => date.format(new Date(m.sentAt ?? m.receivedAt))
const people = (l: Address[] | null) => (l ?? []).map(written).join(', ')

export function attribution(m: Quoted): string {
  return `On ${time(m)}, ${people(m.from) || 'somebody'} wrote:`
}

function forwardLines(m: Quoted): [string, string][] {
  const lines: [string, string][] = [['From', people(m.from)], ['Date', time(m)], ['Subject', m.subject ?? ''], ['To', people(m.to)]]
  if (m.cc?.length) lines.push(['Cc', people(m.cc)])
  return lines
}

const forwardTitle = '---------- Forwarded message ----------'

/** A quote in both forms. */
export interface Quote {
  html: string
  text: string
}

/** The text of somebody's signature is not answered (RFC 3676 4.3). */
export function withoutSignature(text: string): string {
  const at = text.search(/(^|\n)-- (\r?\n|$)/)
  return at < 0 ? text : text.slice(0, at)
}

export function quoteText(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/\s+$/, '').split('\n').map((l) => (l === '' ? '>' : l.startsWith('>') ? `>${l}` : `> ${l}`)).join('\n')
}

/** html is clean already. */
export function quoteReply(m: Quoted, body: { html: string | null; text: string }): Quote {
  const says = attribution(m)
  const html = body.html ?? toHtml(withoutSignature(body.text))
  return {
    html: `<div data-part="quote"><div>${escape(says)}</div><blockquote type="cite">${html}</blockquote></div>`,
    text: `${says}\n${quoteText(withoutSignature(body.html !== null ? toText(body.html) : body.text))}`,
  }
}

export function quoteForward(m: Quoted, body: { html: string | null; text: string }): Quote {
  const lines = forwardLines(m)
  return {
    html: `<div data-part="quote"><div>${forwardTitle}</div>${lines.map(([k, v]) => `<div><b>${k}:</b> ${escape(v)}</div>`).join('')}<div><br></div>${body.html ?? toHtml(body.text)}</div>`,
    text: `${forwardTitle}\n${lines.map(([k, v]) => `${k}: ${v}`).join('\n')}\n\n${body.html !== null ? toText(body.html) : body.text.replace(/\r\n?/g, '\n')}`.trimEnd(),
  }
}

/** Parts a plain text into what was written and the quote at its end (with the line that says who wrote); the quote may be empty. */
export function splitQuote(text: string): { own: string; quote: string } {
  const lines = text.split('\n')
  let at = lines.length
  while (at > 0 && (/^\s*>/.test(lines[at - 1]!) || lines[at - 1]!.trim() === '')) at--
  const quoted = lines.slice(at)
  if (quoted.filter((l) => /^\s*>/.test(l)).length === 0) return { own: text, quote: '' }
  while (quoted[0]?.trim() === '') {
    quoted.shift()
    at++
  }
  if (at > 0 && /:\s*$/.test(lines[at - 1]!)) at--
  if (at > 0 && /^(On|Am|Le|El|Il|Op|Den) /.test(lines[at - 1]!) && !/:\s*$/.test(lines[at - 1]!) && /:\s*$/.test(lines[at]!)) at--
  return { own: lines.slice(0, at).join('\n').replace(/\s+$/, ''), quote: lines.slice(at).join('\n').replace(/\s+$/, '') }
}

/** Parts our own draft's HTML into what was written and the quote at its end. */
export function splitQuoteHtml(html: string): { own: string; quote: string } {
  const body = new DOMParser().parseFromString(html, 'text/html').body
  const part = body.querySelector(':scope > [data-part="quote"]:last-child')
  if (!part) return { own: html, quote: '' }
  part.remove()
  return { own: body.innerHTML, quote: part.outerHTML }
}
