// Sizes, spans and names as operators read and write them.

const units: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, tib: 1024 ** 4 }

/** Reads "5 GB", "500MB", "1.5 tb" or a count of octets; null when it is none of these. */
export function parseSize(text: string): number | null {
  const m = /^\s*(\d+(?:[.,]\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  if (!m) return null
  const unit = units[(m[2] || 'b').toLowerCase().replace(/^([kmgt])$/, '$1b')]
  if (!unit) return null
  const n = Math.round(Number(m[1]!.replace(',', '.')) * unit)
  return Number.isSafeInteger(n) ? n : null
}

/** A size as parseSize reads it, with nothing lost. */
export function writeSize(n: number): string {
  for (const [name, unit] of [['TB', 1e12], ['GB', 1e9], ['MB', 1e6], ['kB', 1e3]] as const) {
    const v = n / unit
    if (v >= 1 && Number.isInteger(v * 100)) return `${v} ${name}`
  }
  return `${n} B`
}

/** "3 days 4 hours", "12 minutes": the two greatest parts. */
export function span(seconds: number): string {
  const parts: [string, number][] = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]]
  const first = parts.findIndex(([, size]) => seconds >= size)
  if (first < 0) return '0 seconds'
  const out: string[] = []
  let rest = Math.floor(seconds)
  for (const [name, size] of parts.slice(first, first + 2)) {
    const n = Math.floor(rest / size)
    rest -= n * size
    if (n > 0) out.push(`${n} ${name}${n === 1 ? '' : 's'}`)
  }
  return out.join(' ')
}

/** How much of most is used, in percent, for bars and words; 0 without a limit. */
export function percent(used: number, most: number): number {
  return most > 0 ? Math.round((used / most) * 100) : 0
}

/** How it is to be looked at that so much is used. */
export function toneOf(share: number): 'good' | 'warn' | 'bad' {
  return share >= 1 ? 'bad' : share >= 0.85 ? 'warn' : 'good'
}

/** Addresses as people write lists of them: lines, commas, semicolons, with or without angle brackets; each once. */
export function addresses(text: string): string[] {
  const out = new Map<string, string>()
  for (const part of text.split(/[\n,;]+/)) {
    const address = (/<([^<>]*)>/.exec(part)?.[1] ?? part).trim()
    if (address && !out.has(address.toLowerCase())) out.set(address.toLowerCase(), address)
  }
  return [...out.values()]
}

/** Whether two names are the same for somebody who types one of them. */
export function sameName(a: string, b: string): boolean {
  const fold = (s: string) => s.trim().toLowerCase().replace(/^@/, '').replace(/\.$/, '')
  return fold(a) !== '' && fold(a) === fold(b)
}

/** A day in a date field as a moment: its begin, or its end, in the reader's own zone. */
export function dayMoment(value: string, end = false): string | undefined {
  const m = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value)
  if (!m) return undefined
  const d = new Date(Number(m[1]), Number(m[2]) - 1, Number(m[3]) + (end ? 1 : 0))
  return Number.isNaN(d.getTime()) ? undefined : d.toISOString()
}

/** Whole days from now to then; negative when it is past. */
export function daysLeft(iso: string, now = Date.now()): number {
  return Math.floor((new Date(iso).getTime() - now) / 86_400_000)
}

/** What the server says as a sentence of the page: without the command that does here what a button does, and with its full stop. */
export function say(text: string): string {
  const bare = text.trim().replace(/; [^;]*: postrider [^;]*$/, '')
  const s = /^[a-z]+(?=[\s,;:']|$)/.test(bare) ? bare.charAt(0).toUpperCase() + bare.slice(1) : bare
  return /[.!?]$/.test(s) ? s : `${s}.`
}
