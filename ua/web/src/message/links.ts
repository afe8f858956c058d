// Whether a link is what it seems: where it really leads, and what speaks against it.

export interface Link {
  href: string
  /** Host as people read it (Unicode), and as it is asked for. */
  host: string
  ascii: string
  /** What is wrong, one sentence each. */
  doubts: string[]
}

const scripts: [string, RegExp][] = [
  ['Latin', /\p{Script=Latin}/u], ['Cyrillic', /\p{Script=Cyrillic}/u], ['Greek', /\p{Script=Greek}/u], ['Armenian', /\p{Script=Armenian}/u],
  ['Hebrew', /\p{Script=Hebrew}/u], ['Arabic', /\p{Script=Arabic}/u], ['Cherokee', /\p{Script=Cherokee}/u], ['Thai', /\p{Script=Thai}/u],
  ['Han', /\p{Script=Han}/u], ['Hiragana', /\p{Script=Hiragana}/u], ['Katakana', /\p{Script=Katakana}/u], ['Hangul', /\p{Script=Hangul}/u],
]
const together = new Set(['Han', 'Hiragana', 'Katakana', 'Hangul', 'Latin'])
// Letters of other scripts that cannot be told from Latin ones.
const twins = /^[асԁеһіјӏорԛѕԝхуъьґкмтвнг\u03bf\u03b1\u03bd\u03c1\u03c5\u03b9\u03ba\-0-9.]+$/u

/** Looks at a link. text is what is shown for it. null: it leads nowhere we go. */
export function examine(href: string, text: string): Link | null {
  let url: URL
  try {
    url = new URL(href.trim())
  } catch {
    return null
  }
  if (url.protocol === 'mailto:' || url.protocol === 'tel:') return { href: url.href, host: '', ascii: '', doubts: [] }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
  const ascii = url.hostname
  const host = unicode(ascii)
  const doubts: string[] = []
  const claimed = claimedHost(text)
  if (claimed && !sameSite(claimed, ascii)) doubts.push(`The text says ${claimed}, but the link leads to ${host}.`)
  if (url.username || url.password) doubts.push(`What stands before the @ is no part of the address: the link leads to ${host}.`)
  const mixed = mixedScripts(host)
  if (mixed.length > 1) doubts.push(`The name mixes ${mixed.slice(0, -1).join(', ')} and ${mixed.at(-1)} letters, which can look like another name.`)
  else if (host !== ascii && twins.test(host.replace(/\.[a-z]{2,}$/, ''))) doubts.push(`The name ${host} is written in letters that look like Latin ones; it is really ${ascii}.`)
  if (/^(\d{1,3}(\.\d{1,3}){3}|\[.*\])$/.test(ascii)) doubts.push('The link leads to a bare number instead of a name.')
  return { href: url.href, host, ascii, doubts }
}

/** The host that a link's text claims, or '' when it claims none. */
export function claimedHost(text: string): string {
  const m = /(?:^|[\s<("'])(?:https?:\/\/)?((?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+\p{L}{2,})(?=$|[\s/:?#>)"',.;!])/iu.exec(text.trim())
  if (!m || /@/.test(text)) return ''
  const host = m[1]!.toLowerCase()
  const explicit = /https?:\/\/|^www\./i.test(text.trim())
  // Words with a full stop in them ("e.g", "report.pdf") claim nothing.
  if (!explicit && !/\.(com|org|net|edu|gov|io|co|info|biz|eu|de|uk|fr|nl|at|ch|es|it|se|no|dk|fi|pl|us|ca|au|jp|cn|in|br|example|test)$/.test(host)) return ''
  try {
    return unicode(new URL(`http://${host}`).hostname)
  } catch {
    return host
  }
}

/** Whether two hosts are of one owner, as far as their last labels say. */
export function sameSite(a: string, b: string): boolean {
  const site = (h: string) => {
    const parts = unicode(h).replace(/^www\./, '').split('.')
    const short = parts.length > 2 && /^(co|com|org|net|gov|ac|edu)$/.test(parts.at(-2)!) && parts.at(-1)!.length === 2
    return parts.slice(short ? -3 : -2).join('.')
  }
  return site(a) === site(b)
}

function mixedScripts(host: string): string[] {
  for (const label of host.split('.')) {
    const found = scripts.filter(([, re]) => re.test(label)).map(([name]) => name)
    if (found.length > 1 && !found.every((s) => together.has(s))) return found
  }
  return []
}

/** A host name in the letters it stands for (RFC 3492). */
export function unicode(ascii: string): string {
  return ascii.split('.').map((label) => (label.startsWith('xn--') ? (punycode(label.slice(4)) ?? label) : label)).join('.')
}

/** Decodes one label of Punycode (RFC 3492 6.2); null when it is none. */
export function punycode(input: string): string | null {
  const base = 36, tMin = 1, tMax = 26, skew = 38, damp = 700
  const out: number[] = []
  const edge = input.lastIndexOf('-')
  for (const c of edge > 0 ? input.slice(0, edge) : '') out.push(c.codePointAt(0)!)
  let n = 128, i = 0, bias = 72
  for (let at = edge > 0 ? edge + 1 : 0; at < input.length; ) {
    const before = i
    for (let w = 1, k = base; ; k += base) {
      const c = input.charCodeAt(at++)
      const digit = c >= 48 && c < 58 ? c - 22 : c >= 97 && c < 123 ? c - 97 : c >= 65 && c < 91 ? c - 65 : -1
      if (digit < 0) return null
      i += digit * w
      const t = k <= bias ? tMin : k >= bias + tMax ? tMax : k - bias
      if (digit < t) break
      w *= base - t
      if (w > 0x7fffffff) return null
    }
    const size = out.length + 1
    let delta = before === 0 ? Math.floor((i - before) / damp) : (i - before) >> 1
    delta += Math.floor(delta / size)
    let k = 0
    for (; delta > ((base - tMin) * tMax) >> 1; k += base) delta = Math.floor(delta / (base - tMin))
    bias = k + Math.floor(((base - tMin + 1) * delta) / (delta + skew))
    n += Math.floor(i / size)
    i %= size
    if (n > 0x10ffff) return null
    out.splice(i++, 0, n)
  }
  return String.fromCodePoint(...out)
}
