// HTML as plain text, and back. The text is what people without HTML read, so lists, links, quotes and tables stay what they are.

const block = new Set(['ADDRESS', 'ARTICLE', 'ASIDE', 'BLOCKQUOTE', 'CENTER', 'DD', 'DIV', 'DL', 'DT', 'FIGCAPTION', 'FIGURE', 'FOOTER', 'FORM', 'H1', 'H2', 'H3', 'H4', 'H5',
  'H6', 'HEADER', 'HR', 'LI', 'MAIN', 'NAV', 'OL', 'P', 'PRE', 'SECTION', 'TABLE', 'TBODY', 'TD', 'TFOOT', 'TH', 'THEAD', 'TR', 'UL', 'BODY'])
const spaced = new Set(['P', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'TABLE', 'PRE', 'FIGURE'])
const silent = new Set(['SCRIPT', 'STYLE', 'HEAD', 'TITLE', 'TEMPLATE', 'NOSCRIPT', 'OBJECT', 'IFRAME', 'SELECT', 'BUTTON', 'INPUT', 'TEXTAREA', 'SVG', 'MATH', 'META', 'LINK'])

export interface Options {
  /** Leaves quotes out: what was written now. */
  ownOnly?: boolean
}

/** Lines of a block; gap tells that a free line is wanted before it. */
class Lines {
  list: string[] = []
  private current = ''
  private open = false
  private gap = false

  text(s: string): void {
    if (!s) return
    if (!this.open && this.gap && this.list.length > 0 && this.list.at(-1) !== '') this.list.push('')
    this.gap = false
    this.open = true
    this.current += s
  }

  /** Inline text: white space counts once. */
  flow(s: string): void {
    let t = s.replace(/[\u200b\ufeff]/g, '').replace(/[ \t\r\n\f]+/g, ' ')
    if (!this.open || /\s$/.test(this.current)) t = t.replace(/^ /, '')
    if (t) this.text(t.replaceAll('\u00a0', ' '))
  }

  end(): void {
    if (!this.open) return
    this.list.push(this.current.replace(/ +$/, ''))
    this.current = ''
    this.open = false
  }

  /** A line end that is wanted even where the line is empty. */
  hard(): void {
    if (this.gap && this.list.length > 0 && this.list.at(-1) !== '') this.list.push('')
    this.gap = false
    this.list.push(this.current.replace(/ +$/, ''))
    this.current = ''
    this.open = false
  }

  apart(): void {
    this.end()
    this.gap = true
  }

  /** The line before a signature (RFC 3676 4.3), whose space at the end counts. */
  dashes(): void {
    this.end()
    if (this.list.length > 0 && this.list.at(-1) !== '') this.list.push('')
    this.gap = false
    this.list.push('-- ')
  }

  /** Adds lines of a block inside, each with something before it. */
  inside(lines: string[], first: string, rest = first): void {
    this.end()
    if (lines.length === 0) return
    if (this.gap && this.list.length > 0 && this.list.at(-1) !== '') this.list.push('')
    this.gap = false
    lines.forEach((l, i) => this.list.push(((i === 0 ? first : rest) + l).replace(/[ \t]+$/, '')))
  }

  done(): string[] {
    this.end()
    return this.list
  }
}

export function toText(html: string | Node, options: Options = {}): string {
  const root = typeof html === 'string' ? new DOMParser().parseFromString(html, 'text/html').body : html
  const lines = linesOf(root, options, 0)
  while (lines.length > 0 && lines[0] === '') lines.shift()
  while (lines.length > 0 && lines.at(-1) === '') lines.pop()
  return lines.join('\n')
}

const deepest = 60

function linesOf(node: Node, options: Options, depth: number): string[] {
  const out = new Lines()
  walk(node, out, options, depth)
  return out.done()
}

function walk(parent: Node, out: Lines, options: Options, depth: number): void {
  if (depth > deepest) {
    out.flow(parent.textContent ?? '')
    return
  }
  const children = [...parent.childNodes]
  children.forEach((n, i) => {
    if (n.nodeType === 3) out.flow(n.nodeValue ?? '')
    else if (n.nodeType === 1) element(n as HTMLElement, out, options, depth, i === children.length - 1)
  })
}

function element(el: HTMLElement, out: Lines, options: Options, depth: number, last: boolean): void {
  const tag = el.tagName.toUpperCase()
  if (silent.has(tag) || el.style?.display === 'none') return
  switch (tag) {
    case 'BR':
      // The last BR of a block holds its line open and is no line of its own, unless the block has nothing else.
      if (last && block.has(el.parentElement?.tagName ?? '') && (el.parentElement!.textContent ?? '').trim() !== '' && el.previousSibling?.nodeName !== 'BR') return
      out.hard()
      return
    case 'HR':
      out.inside(['----------'], '')
      return
    case 'IMG': {
      const alt = el.getAttribute('alt')?.trim()
      if (alt) out.flow(`[${alt}]`)
      return
    }
    case 'A':
      link(el, out, options, depth)
      return
    case 'PRE':
      out.apart()
      out.inside((el.textContent ?? '').replace(/\n$/, '').split('\n'), '')
      out.apart()
      return
    case 'BLOCKQUOTE':
      if (options.ownOnly) return
      out.inside(trimmed(linesOf(el, options, depth + 1)), '> ')
      return
    case 'UL':
    case 'OL':
      list(el, out, options, depth)
      return
    case 'TR':
      row(el, out, options, depth)
      return
  }
  if (options.ownOnly && el.dataset['part'] === 'quote') return
  if (!block.has(tag)) {
    walk(el, out, options, depth + 1)
    return
  }
  if (spaced.has(tag)) out.apart()
  else out.end()
  if (el.dataset['part'] === 'signature') {
    const lines = trimmed(linesOf(el, options, depth + 1))
    if (lines.length > 0) out.dashes()
    out.inside(lines, '')
    return
  }
  walk(el, out, options, depth + 1)
  if (spaced.has(tag)) out.apart()
  else out.end()
}

function trimmed(lines: string[]): string[] {
  let from = 0
  let to = lines.length
  while (from < to && lines[from] === '') from++
  while (to > from && lines[to - 1] === '') to--
  return lines.slice(from, to)
}

function link(el: HTMLElement, out: Lines, options: Options, depth: number): void {
  const inner = linesOf(el, options, depth + 1).join(' ').trim()
  const href = el.getAttribute('href') ?? ''
  const bare = (u: string) => u.replace(/^(mailto:|tel:|https?:\/\/)/i, '').replace(/\/$/, '').toLowerCase()
  walk(el, out, options, depth + 1)
  if (/^(https?|ftp|mailto|tel):/i.test(href) && bare(decodeSafe(href)) !== bare(inner) && bare(href) !== bare(inner)) out.flow(`${inner ? ' ' : ''}<${href.replace(/^mailto:/i, '')}>`)
}

function decodeSafe(text: string): string {
  try {
    return decodeURI(text)
  } catch {
    return text
  }
}

function list(el: HTMLElement, out: Lines, options: Options, depth: number): void {
  let number = Number(el.getAttribute('start') ?? 1) || 1
  for (const child of el.childNodes) {
    if (child.nodeType !== 1) continue
    const item = child as HTMLElement
    const lines = trimmed(item.tagName === 'LI' ? linesOf(item, options, depth + 1) : wrapped(item, options, depth))
    if (item.tagName !== 'LI') {
      out.inside(lines, '  ')
      continue
    }
    const mark = el.tagName === 'OL' ? `${number++}. ` : '- '
    out.inside(lines.length > 0 ? lines : [''], mark, ' '.repeat(mark.length))
  }
}

/** A list inside a list that is not inside an item, as editors make them. */
function wrapped(el: HTMLElement, options: Options, depth: number): string[] {
  const out = new Lines()
  element(el, out, options, depth + 1, false)
  return out.done()
}

/** Cells of a row go beside one another when each is a line; tables that lay out a page go below one another. */
function row(el: HTMLElement, out: Lines, options: Options, depth: number): void {
  const cells = [...el.children].map((c) => trimmed(linesOf(c, options, depth + 1)))
  out.end()
  if (cells.every((c) => c.length <= 1) && cells.length > 1 && cells.some((c) => c.length > 0)) out.inside([cells.map((c) => c[0] ?? '').join('  ').trim()], '')
  else for (const c of cells) out.inside(c, '')
}

export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const linkable = /\b(?:https?:\/\/[^\s<>"]+[^\s<>".,;:!?')\]}]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)/giu

/** Text of one line with its links as links. */
function inline(text: string): string {
  let out = ''
  let at = 0
  for (const m of text.matchAll(linkable)) {
    out += escape(text.slice(at, m.index))
    const href = m[0].includes('://') ? m[0] : `mailto:${m[0]}`
    out += `<a href="${escape(href)}">${escape(m[0])}</a>`
    at = m.index + m[0].length
  }
  out += escape(text.slice(at))
  return out.replace(/^ /, '&nbsp;').replace(/ {2}/g, ' &nbsp;')
}

/** Plain text as HTML: a block a line, quotes as quotes, links as links. */
export function toHtml(text: string): string {
  let depth = 0
  let out = ''
  const lines = text.replace(/\r\n?/g, '\n').split('\n')
  for (const l of lines) {
    const m = /^((?:> ?)*)(.*)$/.exec(l)!
    const deep = Math.min(m[1]!.replaceAll(' ', '').length, 20)
    while (depth < deep) {
      out += '<blockquote type="cite">'
      depth++
    }
    while (depth > deep) {
      out += '</blockquote>'
      depth--
    }
    out += `<div>${inline(m[2]!) || '<br>'}</div>`
  }
  return out + '</blockquote>'.repeat(depth)
}

/** Whether there is anything to read or see. */
export function isEmptyHtml(html: string): boolean {
  if (/<img\b/i.test(html)) return false
  return (new DOMParser().parseFromString(html, 'text/html').body.textContent ?? '').replace(/[\u200b\ufeff\s]/g, '') === ''
}
