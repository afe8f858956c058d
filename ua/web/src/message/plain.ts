// A text message taken apart: paragraphs, links, quotes by depth, the signature. Nothing here makes HTML: the page builds elements of the pieces.

export type Piece = { text: string } | { href: string; text: string }

export interface Block {
  kind: 'text' | 'quote' | 'signature'
  pieces: Piece[][] // one list a line
  /** Of a quote: deeper quotes inside, as blocks. */
  inner?: Block[]
}

const link = /\bhttps?:\/\/[^\s<>"'`]+|\bmailto:[^\s<>"'`]+|\b[\w.+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+\b/giu
const maxDepth = 20

/** Takes a text apart. flowed says that it is format=flowed (RFC 3676): soft line ends are joined. */
export function parse(text: string, flowed = false, delsp = false): Block[] {
  let lines = text.replace(/\r\n?/g, '\n').replace(/\n+$/, '').split('\n')
  if (flowed) lines = unflow(lines, delsp)
  return blocks(lines, 0)
}

function blocks(lines: string[], depth: number): Block[] {
  const out: Block[] = []
  for (let i = 0; i < lines.length; ) {
    const line = lines[i]!
    if (line.startsWith('>') && depth < maxDepth) {
      const inside: string[] = []
      for (; i < lines.length && lines[i]!.startsWith('>'); i++) inside.push(lines[i]!.replace(/^> ?/, ''))
      out.push({ kind: 'quote', pieces: [], inner: blocks(inside, depth + 1) })
      continue
    }
    if (depth === 0 && /^-- ?$/.test(line) && lines.length - i < 20) {
      out.push({ kind: 'signature', pieces: lines.slice(i).map(pieces) })
      break
    }
    const start = i
    while (i < lines.length && !(lines[i]!.startsWith('>') && depth < maxDepth) && !(depth === 0 && i > start && /^-- ?$/.test(lines[i]!) && lines.length - i < 20)) i++
    out.push({ kind: 'text', pieces: lines.slice(start, i).map(pieces) })
  }
  return out
}

/** Finds the links of a line. */
export function pieces(line: string): Piece[] {
  const out: Piece[] = []
  let at = 0
  for (const m of line.matchAll(link)) {
    let found = m[0]
    // What ends a sentence or closes a bracket opened before is no part of the address.
    for (;;) {
      const last = found.at(-1)!
      const open = { ')': '(', ']': '[', '}': '{' }[last]
      if (/[.,;:!?*_~]/.test(last) || (open && count(found, open) < count(found, last))) found = found.slice(0, -1)
      else break
    }
    if (m.index > at) out.push({ text: line.slice(at, m.index) })
    out.push({ href: /^(https?:|mailto:)/i.test(found) ? found : `mailto:${found}`, text: found })
    at = m.index + found.length
  }
  if (at < line.length || out.length === 0) out.push({ text: line.slice(at) })
  return out
}

function count(s: string, c: string): number {
  return s.split(c).length - 1
}

/** Joins soft line ends (RFC 3676 4.1 and 4.2). */
function unflow(lines: string[], delsp: boolean): string[] {
  const out: string[] = []
  let open = false
  let depth = 0
  for (const raw of lines) {
    const quote = /^>*/.exec(raw)![0].length
    let text = raw.slice(quote)
    if (text.startsWith(' ')) text = text.slice(1)
    const signature = text === '-- '
    const soft = text.endsWith(' ') && !signature
    if (soft && delsp) text = text.slice(0, -1)
    if (open && quote === depth && !signature) out[out.length - 1] += text
    else out.push('>'.repeat(quote) + (quote ? ' ' : '') + text)
    open = soft
    depth = quote
  }
  return out
}
