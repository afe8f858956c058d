// How times, sizes and names are written for people, in the reader's own language.

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const whole = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

/** Short, for lists: the time today, the weekday this week, the day this year. */
export function when(iso: string, now = new Date()): string {
  const d = new Date(iso)
  if (d.toDateString() === now.toDateString()) return time.format(d)
  const age = now.getTime() - d.getTime()
  if (age > 0 && age < 6 * 86_400_000) return weekday.format(d)
  return d.getFullYear() === now.getFullYear() ? day.format(d) : whole.format(d)
}

export function exactly(iso: string): string {
  return exact.format(new Date(iso))
}

/** "in 5 minutes", "2 hours ago". */
export function fromNow(iso: string, now = Date.now()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86_400], ['hour', 3_600], ['minute', 60]]
  for (const [unit, size] of steps) if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit)
  return relative.format(Math.round(seconds), 'second')
}

export function octets(n: number): string {
  if (n < 1000) return `${n} B`
  for (const unit of ['kB', 'MB', 'GB']) {
    n /= 1000
    if (n < 999.5 || unit === 'GB') return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${unit}`
  }
  return ''
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`
}
