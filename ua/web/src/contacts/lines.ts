// The lines of a vCard (RFC 6350 3, RFC 2426, and what older programs write): unfolding, parameters, escapes; and writing them.

export interface Property {
  /** "item1" of "item1.EMAIL", in lower case; '' for none. */
  group: string
  name: string
  params: Record<string, string[]>
  /** As it is written, but for what an encoding did to it. */
  value: string
}

/** Joins lines that were folded; of quoted-printable ones also those that end with "=". */
export function unfold(text: string): string[] {
  const out: string[] = []
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)) {
    const last = out.at(-1)
    if (last !== undefined && /^[ \t]/.test(line)) out[out.length - 1] = last + line.slice(1)
    else if (last !== undefined && last.endsWith('=') && /^[^:]*QUOTED-PRINTABLE[^:]*:/i.test(last)) out[out.length - 1] = last.slice(0, -1) + line
    else if (line.trim()) out.push(line)
  }
  return out
}

/** Reads a line; undefined when it is none. */
export function parseLine(line: string): Property | undefined {
  const head = /^(?:([A-Za-z0-9-]+)\.)?([A-Za-z0-9-]+)(?=[;:])/.exec(line)
  if (!head) return undefined
  const params: Record<string, string[]> = {}
  let at = head[0].length
  while (line[at] === ';') {
    const m = /^;([A-Za-z0-9-]+)(=?)/.exec(line.slice(at))
    if (!m) return undefined
    at += m[0].length
    const values: string[] = []
    if (m[2]) {
      do {
        if (values.length > 0) at++ // the comma
        const v = /^(?:"([^"]*)"|([^",;:]*))/.exec(line.slice(at))!
        at += v[0].length
        values.push((v[1] ?? v[2] ?? '').replace(/\^(n|\^|')/g, (_, c: string) => (c === 'n' ? '\n' : c === "'" ? '"' : '^'))) // RFC 6868
      } while (line[at] === ',')
    }
    // "TEL;HOME:" of version 2.1 has the value alone.
    const name = m[2] ? m[1]!.toUpperCase() : /^(QUOTED-PRINTABLE|BASE64|B|8BIT|7BIT)$/i.test(m[1]!) ? 'ENCODING' : 'TYPE'
    const list = m[2] ? values : [m[1]!]
    params[name] = [...(params[name] ?? []), ...list]
  }
  if (line[at] !== ':') return undefined
  const raw = line.slice(at + 1)
  const quoted = params['ENCODING']?.some((e) => /^quoted-printable$/i.test(e))
  return { group: (head[1] ?? '').toLowerCase(), name: head[2]!.toUpperCase(), params, value: quoted ? unquote(raw, params['CHARSET']?.[0]) : raw }
}

function unquote(text: string, charset = 'utf-8'): string {
  const octets: number[] = []
  for (let i = 0; i < text.length; i++) {
    const hex = /^=([0-9A-Fa-f]{2})/.exec(text.slice(i, i + 3))
    if (hex) {
      octets.push(parseInt(hex[1]!, 16))
      i += 2
    } else {
      octets.push(...new TextEncoder().encode(text[i]))
    }
  }
  let decoder: TextDecoder
  try {
    decoder = new TextDecoder(charset)
  } catch {
    decoder = new TextDecoder()
  }
  return decoder.decode(new Uint8Array(octets)).replace(/\r\n?/g, '\n').replace(/\\?\n/g, '\\n')
}

/** Text without its escapes. */
export function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_, c: string) => (c === 'n' || c === 'N' ? '\n' : c)).trim()
}

/** The parts between separators that are not escaped; each part stays escaped. */
export function parts(text: string, separator: ';' | ','): string[] {
  const out = ['']
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && i + 1 < text.length) out[out.length - 1] += text[i]! + text[++i]!
    else if (text[i] === separator) out.push('')
    else out[out.length - 1] += text[i]!
  }
  return out
}

export function escape(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\r\n?|\n/g, '\\n').replace(/,/g, '\\,').replace(/;/g, '\\;')
}

/** A parameter's value, in quotes where it must be. */
export function param(text: string): string {
  const t = text.replace(/\^/g, '^^').replace(/\n/g, '^n').replace(/"/g, "^'")
  return /[,;:]/.test(t) ? `"${t}"` : t
}

/** A line in pieces of at most 75 octets, none of which cuts a character. */
export function fold(line: string): string {
  const encoder = new TextEncoder()
  if (line.length <= 75 && encoder.encode(line).length <= 75) return line
  const out: string[] = []
  let piece = ''
  let length = 0
  for (const c of line) {
    const n = c.codePointAt(0)! < 0x80 ? 1 : encoder.encode(c).length
    if (length + n > (out.length === 0 ? 75 : 74)) {
      out.push(piece)
      piece = ''
      length = 0
    }
    piece += c
    length += n
  }
  out.push(piece)
  return out.join('\r\n ')
}
