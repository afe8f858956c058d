// Foreign HTML made harmless for the editor, which is in the page itself: only a short list of elements and attributes comes through, styles that
// change letters and boxes but not where they are, no classes, no ids, no addresses that load anything. Remote pictures are remembered but not
// loaded, pictures of a message are shown from blobs that the page has fetched.

import DOMPurify, { type Config } from 'dompurify'

const tags = ['a', 'abbr', 'address', 'b', 'bdi', 'bdo', 'blockquote', 'br', 'caption', 'center', 'cite', 'code', 'col', 'colgroup', 'dd', 'del', 'dfn', 'div', 'dl', 'dt', 'em',
  'figcaption', 'figure', 'font', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'img', 'ins', 'kbd', 'li', 'ol', 'p', 'pre', 'q', 's', 'samp', 'small', 'span', 'strike',
  'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'tfoot', 'th', 'thead', 'tr', 'tt', 'u', 'ul', 'var']
const attributes = ['href', 'alt', 'title', 'src', 'width', 'height', 'align', 'valign', 'bgcolor', 'color', 'face', 'size', 'border', 'cellpadding', 'cellspacing', 'colspan',
  'rowspan', 'dir', 'lang', 'start', 'type', 'value', 'style', 'data-part', 'data-cid', 'data-remote', 'class']
const editorClasses = new Set(['color', 'font', 'size', 'highlight'])

const letterStyles = ['color', 'background-color', 'font-family', 'font-size', 'font-weight', 'font-style', 'text-decoration', 'text-decoration-line', 'text-align', 'line-height',
  'vertical-align', 'white-space', 'direction', 'list-style-type', 'letter-spacing', 'text-transform']
const boxStyles = ['width', 'max-width', 'min-width', 'height', 'border-collapse', 'border-spacing',
  ...['top', 'right', 'bottom', 'left'].flatMap((s) => [`padding-${s}`, `margin-${s}`, `border-${s}-width`, `border-${s}-style`, `border-${s}-color`]),
  'border', 'padding', 'margin', 'border-left', 'border-right', 'border-top', 'border-bottom', 'border-radius']
const pasteStyles = ['font-weight', 'font-style', 'text-decoration', 'text-decoration-line', 'text-align']

export type From =
  /** The editor's own text (undo), drafts, signatures. */
  | 'own'
  /** The message that is answered or forwarded. */
  | 'quote'
  /** The clipboard and what is dropped. */
  | 'paste'

export interface Cleaning {
  from: From
  /** Addresses of blobs that this page made, by Content-ID. */
  cids?: Map<string, string>
}

let working: Cleaning = { from: 'paste' }
const purify = DOMPurify(window)

const config: Config = {
  ALLOWED_TAGS: [...tags, '#text'], ALLOWED_ATTR: attributes, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, KEEP_CONTENT: true, RETURN_DOM_FRAGMENT: true, WHOLE_DOCUMENT: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|blob:|data:image\/(?:png|jpeg|gif|webp);base64,|cid:)/i, SANITIZE_DOM: true, SANITIZE_NAMED_PROPS: false,
  FORBID_CONTENTS: ['script', 'style', 'template', 'noscript', 'title', 'head', 'svg', 'math', 'iframe', 'object', 'embed', 'audio', 'video', 'select', 'textarea', 'xmp', 'plaintext'],
  ADD_URI_SAFE_ATTR: attributes.filter((a) => a !== 'href' && a !== 'src'), // values that are no addresses; data-remote and data-cid are looked at below
}

purify.addHook('uponSanitizeElement', (node) => {
  if (!(node instanceof Element) && (node as Node).nodeType !== 1) return
  const el = node as HTMLElement
  if (working.from !== 'own' && hidden(el)) el.remove()
})

purify.addHook('afterSanitizeAttributes', (node) => {
  const el = node as HTMLElement
  const name = el.getAttribute('class')
  if (name !== null && (working.from !== 'own' || !editorClasses.has(name))) el.removeAttribute('class')
  if (working.from !== 'own') el.removeAttribute('data-part')
  if (el.hasAttribute('style')) restyle(el)
  if (el.tagName === 'IMG') picture(el)
  if (el.tagName === 'A') {
    const href = el.getAttribute('href') ?? ''
    if (!/^(https?:|mailto:|tel:)/i.test(href)) el.removeAttribute('href')
  }
  if (el.tagName !== 'IMG') for (const a of ['src', 'data-cid', 'data-remote']) el.removeAttribute(a)
})

/** What a message hides is not quoted: nobody sends on what they have not seen. */
function hidden(el: HTMLElement): boolean {
  const s = el.style
  if (!s || el.tagName === 'BODY') return false
  return s.display === 'none' || s.visibility === 'hidden' || s.opacity === '0' || (s.fontSize !== '' && parseFloat(s.fontSize) === 0) || (s.maxHeight !== '' && parseFloat(s.maxHeight) === 0 && s.overflow === 'hidden')
}

function restyle(el: HTMLElement): void {
  const allowed = working.from === 'paste' ? pasteStyles : [...letterStyles, ...boxStyles]
  const kept: string[] = []
  for (const name of allowed) {
    const value = el.style.getPropertyValue(name).trim()
    if (!value || /url\(|expression|image\(|var\(|attr\(|env\(|[\\@{}<>]/i.test(value) || value.length > 200) continue
    if (/^(margin|width|height|letter)/.test(name) && value.includes('-')) continue
    if (boxStyles.includes(name) && /^(padding|margin|border)$/.test(name) === false && /\b\d{4,}/.test(value)) continue
    if (name === 'font-weight' && working.from === 'paste' && /^(normal|400)$/.test(value)) continue
    kept.push(`${name}: ${value}`)
  }
  // Longhands of a shorthand that is there already say the same again.
  const names = new Set(kept.map((k) => k.slice(0, k.indexOf(':'))))
  const said = (name: string): boolean => {
    const cut = name.lastIndexOf('-')
    if (cut < 0 || /^border-(collapse|spacing|radius)$/.test(name)) return false
    const shorter = name.slice(0, cut)
    return names.has(shorter) || said(shorter)
  }
  const short = kept.filter((k) => !/^(padding|margin|border|text-decoration)-/.test(k) || !said(k.slice(0, k.indexOf(':'))))
  if (short.length > 0) el.setAttribute('style', short.join('; '))
  else el.removeAttribute('style')
}

/** Pictures: ours are shown, a message's by their Content-ID, remote ones wait, and the tiniest, which only count readers, go. */
function picture(el: HTMLElement): void {
  if (!el.hasAttribute('alt')) el.setAttribute('alt', '')
  const src = el.getAttribute('src') ?? ''
  if (/^(cid:)/i.test(src)) el.setAttribute('data-cid', decode(src.slice(4)))
  const cid = el.getAttribute('data-cid')
  if (cid) {
    const url = working.cids?.get(cid)
    if (url) el.setAttribute('src', url)
    else if (working.from === 'paste') return el.remove() // a picture of another letter
    else if (!(working.from === 'own' && src.startsWith('blob:'))) el.removeAttribute('src')
    el.removeAttribute('data-remote')
    return
  }
  if (working.from !== 'own') el.removeAttribute('data-remote')
  const remote = /^https?:/i.test(src) ? src : (el.getAttribute('data-remote') ?? '')
  if (remote && /^https?:/i.test(remote)) {
    const tiny = (a: string) => el.hasAttribute(a) && parseFloat(el.getAttribute(a)!) <= 2
    if (tiny('width') || tiny('height')) return el.remove()
    el.removeAttribute('src')
    el.setAttribute('data-remote', remote)
    return
  }
  el.removeAttribute('data-remote')
  if (!/^data:image\/(png|jpeg|gif|webp);base64,/i.test(src)) el.remove() // nobody can load it
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Harmless nodes, which belong to this document. */
export function clean(html: string, how: Cleaning): DocumentFragment {
  working = how
  try {
    const out = purify.sanitize(html, config) as unknown as DocumentFragment
    if (how.from === 'paste') unwrap(out)
    return document.importNode(out, true)
  } finally {
    working = { from: 'paste' }
  }
}

/** Text programs wrap all in a bold that is not bold. */
function unwrap(out: DocumentFragment): void {
  for (const b of out.querySelectorAll('b[style*="font-weight"], font:not([color]), span:not([style])')) {
    if (b.tagName === 'B' && !/normal|400/.test((b as HTMLElement).style.fontWeight)) continue
    b.replaceWith(...b.childNodes)
  }
}

export function cleanHtml(html: string, how: Cleaning): string {
  const box = document.createElement('div')
  box.append(clean(html, how))
  return box.innerHTML
}
