// mailto: addresses (RFC 6068) and what other programs share with us. Both come from outside: only recipients, subject, body and In-Reply-To are
// taken, the body as text, and nothing is ever sent or attached by them.

import type { Start } from './compose.svelte'
import { parseAddresses, type Entry } from './address'

export interface Mailto {
  to: Entry[]
  cc: Entry[]
  bcc: Entry[]
  subject: string
  body: string
  inReplyTo: string
}

const most = 100_000

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Octets that are no UTF-8: what can be read is read.
    return text.replace(/(%[\da-f]{2})+/gi, (run) => {
      const octets = run.split('%').slice(1).map((h) => parseInt(h, 16))
      return new TextDecoder().decode(Uint8Array.from(octets))
    })
  }
}

/** One line: header values of outside have no line ends. */
const line = (text: string) => text.replace(/[\r\n\0]+/g, ' ').trim().slice(0, 1000)

export function parseMailto(url: string): Mailto {
  const out: Mailto = { to: [], cc: [], bcc: [], subject: '', body: '', inReplyTo: '' }
  const m = /^(?:web\+)?mailto:(?:\/\/)?([^?#]*)(?:\?([^#]*))?/i.exec(url.trim().slice(0, most))
  if (!m) return out
  const addresses = (text: string) => text.split(',').flatMap((part) => parseAddresses(line(decode(part))))
  out.to.push(...addresses(m[1] ?? ''))
  for (const field of (m[2] ?? '').replaceAll('&amp;', '&').split('&')) {
    const cut = field.indexOf('=')
    if (cut < 1) continue
    const name = decode(field.slice(0, cut)).toLowerCase()
    const value = field.slice(cut + 1)
    if (name === 'to' || name === 'cc' || name === 'bcc') out[name].push(...addresses(value))
    else if (name === 'subject') out.subject = line(decode(value))
    else if (name === 'body') out.body += (out.body ? '\n' : '') + decode(value).replace(/\r\n?/g, '\n').replaceAll('\0', '')
    else if (name === 'in-reply-to') out.inReplyTo = /<?([^<>\s]+@[^<>\s]+)>?/.exec(line(decode(value)))?.[1] ?? ''
  }
  return out
}

/** What the address of /compose says: ?mailto=, or ?to=&cc=&subject=&body=, or what the share target gives (title, text, url). */
export function startOf(query: URLSearchParams): Start {
  const mailto = query.get('mailto')
  if (mailto) return { mailto }
  const start: Start = {}
  for (const name of ['to', 'cc', 'bcc'] as const) {
    const value = query.getAll(name).join(', ')
    if (value) start[name] = line(value)
  }
  const subject = query.get('subject') ?? query.get('title')
  if (subject) start.subject = line(subject)
  const url = query.get('url') ?? ''
  const text = query.get('body') ?? query.get('text') ?? ''
  const body = [text.slice(0, most), /^https?:\/\//i.test(url) && !text.includes(url) ? url.slice(0, 4000) : ''].filter(Boolean).join('\n\n')
  if (body) start.text = body.replace(/\r\n?/g, '\n')
  return start
}
