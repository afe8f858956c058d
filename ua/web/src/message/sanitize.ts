// Makes a message's HTML harmless. What comes out has no script, no form, nothing that loads by itself and no link but to the web, mail or a
// telephone; it is shown in a frame that may neither run scripts nor load anything (see Body.svelte), so each of the two would do alone.

import DOMPurify, { type Config } from 'dompurify'

export interface Clean {
  /** The contents of the frame's body, and of the message's own style sheets. */
  body: HTMLElement
  styles: string
  /** Addresses of pictures elsewhere, without those that only tell the sender that the message was opened. */
  remote: string[]
  /** How many of those there were. */
  trackers: number
  /** Whether it brings colours or backgrounds of its own, so that it must be shown on white. */
  coloured: boolean
}

const config: Config = {
  RETURN_DOM: true,
  WHOLE_DOCUMENT: true,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOW_UNKNOWN_PROTOCOLS: false,
  SANITIZE_DOM: true,
  KEEP_CONTENT: true,
  ADD_TAGS: ['style', 'center', 'font'],
  FORBID_TAGS: [
    'form', 'input', 'button', 'select', 'option', 'optgroup', 'textarea', 'label', 'fieldset', 'legend', 'datalist', 'output', 'progress', 'meter',
    'iframe', 'frame', 'frameset', 'object', 'embed', 'applet', 'audio', 'video', 'source', 'track', 'canvas', 'svg', 'math', 'template', 'slot', 'dialog',
    'link', 'meta', 'base', 'noscript', 'noembed', 'noframes', 'portal', 'marquee', 'bgsound', 'map', 'area', 'picture', 'details', 'summary', 'menu', 'title',
  ],
  FORBID_ATTR: [
    'srcset', 'sizes', 'ping', 'target', 'download', 'autofocus', 'tabindex', 'contenteditable', 'popover', 'popovertarget', 'accesskey', 'draggable', 'is', 'part',
    'slot', 'nonce', 'integrity', 'crossorigin', 'fetchpriority', 'loading', 'decoding', 'usemap', 'ismap', 'longdesc', 'lowsrc', 'dynsrc', 'poster', 'action',
    'formaction', 'inert', 'autoplay', 'controls', 'form', 'list', 'name',
  ],
  // DOMPurify holds every attribute's value against this, so values without a scheme must pass; what is an address is looked at again below.
  ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto|tel|cid):|data:image\/(?:png|jpeg|gif|webp|bmp)[;,]|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
}

/** Bounds on what is looked at: a message that is larger is shown as text. */
export const maxHTML = 4_000_000

const urlInStyle = /url\(\s*(?:"([^"]*)"|'([^']*)'|([^'")\s]*))\s*\)/gi
const dangerousStyle = /expression\s*\(|-moz-binding|behavior\s*:|@import[^;]*;?|@font-face\s*\{[^}]*\}|@charset[^;]*;?|@namespace[^;]*;?/gi

/**
 * Cleans a message's HTML. Attributes of pictures that are elsewhere are kept as data-remote and data-remote-style. It is parsed in the given window: the
 * frame's, where nothing runs. (In a page with scripts some browsers fire error handlers of media that were parsed and are nowhere shown; there only the
 * policy would stop them.)
 */
export function clean(html: string, where: Window = window): Clean {
  const purify = DOMPurify(where as unknown as typeof window)
  const root = purify.sanitize(html, config) as unknown as HTMLElement
  const doc = root.ownerDocument
  const body = root.querySelector('body') ?? root
  const remote = new Set<string>()
  let trackers = 0

  let styles = ''
  for (const s of root.querySelectorAll('style')) {
    styles += cleanStyle(s.textContent ?? '') + '\n'
    s.remove()
  }
  for (const img of body.querySelectorAll('img')) {
    const src = (img.getAttribute('src') ?? '').trim()
    if (/^cid:/i.test(src)) {
      img.removeAttribute('src') // the page puts the part's own picture there
      img.setAttribute('data-cid', src.slice(4))
      continue
    }
    if (!/^https?:/i.test(src)) {
      if (!/^(data:image\/(png|jpeg|gif|webp|bmp)[;,])/i.test(src)) img.removeAttribute('src')
      continue
    }
    img.removeAttribute('src')
    if (isTracker(img)) {
      trackers++
      img.remove()
      continue
    }
    img.setAttribute('data-remote', src)
    remote.add(src)
  }
  for (const e of body.querySelectorAll('[background]')) {
    const src = e.getAttribute('background') ?? ''
    e.removeAttribute('background')
    if (/^https?:/i.test(src)) {
      e.setAttribute('data-remote-background', src)
      remote.add(src)
    }
  }
  for (const e of [body, ...body.querySelectorAll('[style]')]) {
    const text = e.getAttribute('style')
    if (text === null) continue
    for (const m of text.matchAll(urlInStyle)) {
      const src = (m[1] ?? m[2] ?? m[3] ?? '').trim()
      if (/^https?:/i.test(src) && !e.hasAttribute('data-remote-background')) {
        e.setAttribute('data-remote-background', src)
        remote.add(src)
      }
    }
    e.setAttribute('style', cleanStyle(text))
  }
  for (const a of body.querySelectorAll('a[href]')) {
    const href = a.getAttribute('href') ?? ''
    if (!/^(https?:|mailto:|tel:)/i.test(href.trim())) a.removeAttribute('href')
    a.setAttribute('rel', 'noopener noreferrer nofollow')
  }
  // What is not a link has no business with an address.
  for (const e of body.querySelectorAll('[href]:not(a)')) e.removeAttribute('href')
  for (const e of body.querySelectorAll('[src]:not(img)')) e.removeAttribute('src')
  foldQuote(doc, body)
  return { body: body as HTMLElement, styles, remote: [...remote], trackers, coloured: isColoured(body, styles) }
}

/** Takes out of a style what loads or runs. */
export function cleanStyle(text: string): string {
  // Escapes and comments are how words are hidden from whoever looks for them: they are resolved first.
  const plain = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\\([0-9a-f]{1,6})\s?/gi, (_, hex: string) => {
    const n = Number.parseInt(hex, 16)
    return n > 0x1f && n < 0x110000 && !(n >= 0xd800 && n < 0xe000) ? String.fromCodePoint(n) : ''
  })
  return plain
    .replace(/<\/?style/gi, '')
    .replace(dangerousStyle, '')
    .replace(urlInStyle, (whole, a?: string, b?: string, c?: string) => (/^data:image\/(png|jpeg|gif|webp)[;,]/i.test((a ?? b ?? c ?? '').trim()) ? whole : 'none'))
    .replace(/image-set\s*\(|cross-fade\s*\(|\bsrc\s*\(|paint\s*\(|element\s*\(/gi, 'none(')
    .replace(/position\s*:\s*(fixed|sticky)/gi, 'position: static')
}

/** Whether a picture is there to be loaded, not to be seen. */
function isTracker(img: Element): boolean {
  const size = (name: string) => {
    const inStyle = new RegExp(`(?:^|[;\\s])${name}\\s*:\\s*([\\d.]+)px`, 'i').exec(img.getAttribute('style') ?? '')
    const value = img.getAttribute(name) ?? inStyle?.[1]
    return value === undefined || value === '' ? Number.NaN : Number.parseFloat(value)
  }
  const style = (img.getAttribute('style') ?? '').replace(/\s/g, '').toLowerCase()
  return size('width') <= 2 || size('height') <= 2 || /display:none|visibility:hidden|opacity:0(\.0+)?(;|$)/.test(style)
}

function isColoured(body: Element, styles: string): boolean {
  if (/background|(^|[^-])color\s*:/i.test(styles)) return true
  if (body.matches('[bgcolor],[text]') || body.querySelector('[bgcolor]')) return true
  for (const e of [body, ...body.querySelectorAll('[style],font[color]')]) {
    if (e.tagName === 'FONT') return true
    if (/background|(^|[;\s])color\s*:/i.test(e.getAttribute('style') ?? '')) return true
  }
  return false
}

/** Folds the quoted letter at the end away: it stands in what was written before. */
function foldQuote(doc: Document, body: Element): void {
  const marks = 'blockquote[type=cite], .gmail_quote, .gmail_quote_container, .moz-cite-prefix + blockquote, .yahoo_quoted, #divRplyFwdMsg, .protonmail_quote, .postrider_quote'
  const quote = [...body.querySelectorAll(marks)].find((q) => !q.parentElement?.closest(marks))
  if (!quote || textAfter(quote, body).trim() !== '') return
  if ((body.textContent ?? '').trim() === (quote.textContent ?? '').trim()) return // there is nothing else: show it
  const fold = doc.createElement('details')
  fold.setAttribute('class', 'postrider-fold')
  const handle = doc.createElement('summary')
  handle.textContent = '•••'
  handle.setAttribute('title', 'Show what is quoted')
  quote.before(fold)
  fold.append(handle, quote)
}

function textAfter(e: Element, root: Element): string {
  let text = ''
  for (let at: Element | null = e; at && at !== root; at = at.parentElement) {
    for (let next = at.nextSibling; next; next = next.nextSibling) text += next.textContent ?? ''
  }
  return text
}
