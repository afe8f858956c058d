// Times to send at that people mean.

export interface Suggestion {
  label: string
  at: Date
}

function on(base: Date, days: number, hour: number): Date {
  return new Date(base.getFullYear(), base.getMonth(), base.getDate() + days, hour, 0, 0, 0)
}

/** Times that make sense as seen from now. */
export function suggestions(now = new Date()): Suggestion[] {
  const out: Suggestion[] = []
  const hour = now.getHours()
  if (hour < 7) out.push({ label: 'This morning', at: on(now, 0, 8) })
  if (hour < 12) out.push({ label: 'This afternoon', at: on(now, 0, 13) })
  else if (hour < 17) out.push({ label: 'This evening', at: on(now, 0, 18) })
  const tomorrow = hour < 4 ? 0 : 1 // after midnight, tomorrow is the day that has begun
  if (!(hour < 4)) {
    out.push({ label: 'Tomorrow morning', at: on(now, tomorrow, 8) })
    out.push({ label: 'Tomorrow afternoon', at: on(now, tomorrow, 13) })
  }
  const untilMonday = (8 - now.getDay()) % 7 || 7
  if (untilMonday > 1) out.push({ label: 'Monday morning', at: on(now, untilMonday, 8) })
  return out
}

/** For an input of type datetime-local. */
export function local(d: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`
}

const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** "today at 18:00", "tomorrow at 08:00", "on Monday, 30 November at 08:00" */
export function inWords(at: Date, now = new Date()): string {
  const days = Math.round((on(at, 0, 0).getTime() - on(now, 0, 0).getTime()) / 86_400_000)
  const when = days === 0 ? 'today' : days === 1 ? 'tomorrow' : `on ${day.format(at)}`
  return `${when} at ${hour.format(at)}`
}
