// Addresses in any spelling that people type or paste: RFC 5322 3.4 lists with quotes, comments and groups, and what programs make of them:
// semicolons, new lines, "Doe, John <j@d>", bare addresses beside one another.

export interface Entry {
  name: string
  email: string
  /** Why nothing can be sent to it. */
  wrong?: string
}

/** Why an address cannot be right; the empty text when it can. */
export function wrongness(email: string): string {
  if (!email) return 'There is no address.'
  const at = email.lastIndexOf('@')
  if (at < 0) return 'An address has an @, as in name@example.org.'
  const local = email.slice(0, at)
  const domain = email.slice(at + 1)
  if (!local) return 'Something is missing before the @.'
  if (!domain) return 'Something is missing after the @.'
  if (new TextEncoder().encode(local).length > 64) return 'The part before the @ is longer than 64 letters.'
  if (domain.length > 253) return 'The part after the @ is too long.'
  if (/^".*"$/.test(local)) {
    if (/[^\\]"./.test(local.slice(0, -1).slice(1)) || /[\r\n]/.test(local)) return 'The quotation marks do not fit.'
  } else if (/\s/.test(local)) return 'There is a space before the @.'
  else if (local.includes('@')) return 'There is more than one @.'
  else if (/[()<>[\]:;\\,"]/.test(local)) return `A ${/[()<>[\]:;\\,"]/.exec(local)![0]} cannot be before the @.`
  else if (local.startsWith('.') || local.endsWith('.') || local.includes('..')) return 'A dot is in the wrong place before the @.'
  if (/^\[(IPv6:[\da-f:.]+|\d{1,3}(\.\d{1,3}){3})\]$/i.test(domain)) return ''
  if (/\s/.test(domain)) return 'There is a space after the @.'
  if (/[^\p{L}\p{M}\p{N}.-]/u.test(domain)) return `A ${/[^\p{L}\p{M}\p{N}.-]/u.exec(domain)![0]} cannot be after the @.`
  const labels = domain.split('.')
  if (labels.some((l) => !l)) return 'A dot is in the wrong place after the @.'
  if (labels.some((l) => l.startsWith('-') || l.endsWith('-') || l.length > 63)) return 'The part after the @ is not a host name.'
  if (labels.length < 2) return `Is “${domain}” complete? A domain has a dot, as in example.org.`
  if (/^\d+$/.test(labels.at(-1)!)) return 'The part after the @ is not a host name.'
  return ''
}

function entry(name: string, email: string): Entry {
  const wrong = wrongness(email)
  return wrong ? { name: name.trim(), email, wrong } : { name: name.trim(), email }
}

interface Segment {
  text: string
  /** What ended it. */
  by: string
}

/** Parts a list at the separators that are in no quotes, comments or angle brackets, and takes group names off. */
function segments(text: string): Segment[] {
  const out: Segment[] = []
  let current = ''
  let quoted = false
  let comment = 0
  let angle = false
  const end = (by: string) => {
    if (current.trim()) out.push({ text: current.trim(), by })
    current = ''
    angle = false
    comment = 0
    quoted = false
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    const hard = c === '\n' || c === '\r'
    if (hard && /^\r?\n[ \t]+\S/.test(text.slice(i)) && (quoted || angle)) current += ' ' // a folded line
    else if (hard) end('\n') // quotes that are left open end with the line
    else if (c === '\\' && (quoted || comment > 0)) current += c + (text[++i] ?? '')
    else if (quoted) {
      current += c
      if (c === '"') quoted = false
    } else if (c === '"' && comment === 0 && (!current.trim() || /[\s<,]$/.test(current)) && text.indexOf('"', i + 1) > i) {
      quoted = true
      current += c
    } else if (c === '(' && !angle && text.indexOf(')', i) > i) {
      comment++
      current += c
    } else if (c === ')' && comment > 0) {
      comment--
      current += c
    } else if (comment > 0) current += c
    else if (c === '<' && text.indexOf('>', i) > i) {
      angle = true
      current += c
    } else if (c === '>') {
      angle = false
      current += c
    } else if (angle) current += c
    else if (c === ',' || c === ';' || c === '，' || c === '；' || c === '、') end(c)
    else if (c === ':' && !current.includes('@')) current = '' // "mailto:" or the name of a group
    else current += c
  }
  end('')
  return out
}

function unquote(text: string): string {
  const t = text.trim()
  const inner = /^"((?:[^"\\]|\\.)*)"$/.exec(t) ?? /^'([^']*)'$/.exec(t)
  return decodeWords((inner ? inner[1]! : t.replace(/"((?:[^"\\]|\\.)*)"/g, '$1')).replace(/\\(.)/g, '$1').replace(/\s+/g, ' ').trim())
}

/** Encoded words (RFC 2047), as they come by paste from a message's source. */
export function decodeWords(text: string): string {
  return text.replace(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)\s+(?==\?)/gi, '$1').replace(/=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi, (whole, charset: string, how: string, data: string) => {
    try {
      const raw = /b/i.test(how) ? atob(data) : data.replaceAll('_', ' ').replace(/=([\da-f]{2})/gi, (_, h: string) => String.fromCharCode(parseInt(h, 16)))
      return new TextDecoder(charset).decode(Uint8Array.from(raw, (c) => c.charCodeAt(0)))
    } catch {
      return whole
    }
  })
}

/** Splits at spaces that are in no quotes. */
function words(text: string): string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|[^\s"]|")+/g) ?? []
}

function bare(word: string): string {
  return word.replace(/^mailto:/i, '').replace(/^[[('<]+(?=[^@]*@)/, (m) => (/^\[\d/.test(word) ? m : '')).replace(/(?<=@[^[]*)[\])'>.,;:]+$/, '')
}

function parseSegment(text: string): Entry[] {
  const angle = /^(.*?)<\s*([^<>]*?)\s*>(.*)$/s.exec(text)
  if (angle) {
    const before = withoutComments(angle[1]!)
    const inner = angle[2]!.replace(/^mailto:/i, '').replace(/^@[^:]*:/, '').trim() // a source route says nothing today
    const after = angle[3]!.trim()
    const one = entry(unquote(before.text) || before.comment || withoutComments(after).comment, inner)
    const rest = withoutComments(after).text.trim()
    return rest.includes('@') ? [one, ...parseSegment(rest)] : [one]
  }
  const { text: plain, comment } = withoutComments(text)
  const out: Entry[] = []
  let name: string[] = []
  for (const w of words(plain)) {
    if (w.includes('@')) {
      out.push(entry(unquote(name.join(' ')), bare(w)))
      name = []
    } else name.push(w)
  }
  if (out.length === 0) return [entry('', unquote(plain) || text)]
  const last = out.at(-1)!
  if (!last.name) last.name = unquote(name.join(' ')) || comment
  return out
}

function withoutComments(text: string): { text: string; comment: string } {
  const comments: string[] = []
  const rest = text.replace(/("(?:[^"\\]|\\.)*")|\(([^()]*)\)/g, (_, q: string | undefined, c: string) => {
    if (q) return q
    comments.push(c.trim())
    return ' '
  })
  return { text: rest.trim(), comment: decodeWords(comments.join(' ')) }
}

/** All addresses of a text. What is none is in the list too, with why. */
export function parseAddresses(text: string): Entry[] {
  const out: Entry[] = []
  const list = segments(text)
  for (let i = 0; i < list.length; i++) {
    const { text: part, by } = list[i]!
    const next = list[i + 1]
    // "Doe, John <john@example.org>": a comma in a name that nobody quoted
    if (!part.includes('@') && by === ',' && next && /^[^<@"]*\S[^<@"]*<[^<>]*@[^<>]*>/.test(next.text) && part.split(/\s+/).length <= 3) {
      const joined = parseSegment(next.text)
      joined[0]!.name = `${unquote(part)}, ${joined[0]!.name}`
      out.push(...joined)
      i++
    } else out.push(...parseSegment(part))
  }
  return out
}

/** An address as people write it in a list. */
export function written(p: { name: string | null; email: string }): string {
  if (!p.name || p.name === p.email) return p.email
  const plain = /^[\p{L}\p{M}\p{N} !#$%&'*+/=?^_`{|}~-]+$/u.test(p.name)
  return `${plain ? p.name : `"${p.name.replace(/[\\"]/g, '\\$&')}"`} <${p.email}>`
}

/** Whether two addresses are the same for all practical purposes. */
export function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

export function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1).toLowerCase()
}

/** The address without a "+tag". */
export function withoutTag(email: string): string {
  const at = email.lastIndexOf('@')
  const plus = email.indexOf('+')
  return (plus > 0 && plus < at ? email.slice(0, plus) + email.slice(at) : email).toLowerCase()
}
