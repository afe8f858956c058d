// What a person wants to know of a calendar file (RFC 5545): the events in it. It is read, not understood: recurrences and zones are shown as they are written.

export interface Event {
  summary: string
  start: string
  end: string
  location: string
  organizer: string
  attendees: string[]
  recurring: boolean
  cancelled: boolean
}

const most = 20

/** Reads the events of a calendar file. */
export function parse(text: string): Event[] {
  const lines = text.replace(/\r?\n[ \t]/g, '').split(/\r?\n/)
  const out: Event[] = []
  let event: Event | undefined
  let method = ''
  let inside = 0 // alarms and the like inside an event
  for (const line of lines) {
    const m = /^([A-Za-z-]+)((?:;[^:"]*(?:"[^"]*"[^:"]*)*)?):(.*)$/.exec(line)
    if (!m) continue
    const name = m[1]!.toUpperCase(), parameters = m[2]!, value = m[3]!
    if (name === 'METHOD') method = value.toUpperCase()
    if (name === 'BEGIN') {
      if (value.toUpperCase() === 'VEVENT') event = { summary: '', start: '', end: '', location: '', organizer: '', attendees: [], recurring: false, cancelled: method === 'CANCEL' }
      else if (event) inside++
      continue
    }
    if (name === 'END') {
      if (inside > 0) inside--
      else if (event && value.toUpperCase() === 'VEVENT') {
        out.push(event)
        event = undefined
        if (out.length === most) break
      }
      continue
    }
    if (!event || inside > 0) continue
    switch (name) {
      case 'SUMMARY': event.summary = unescape(value); break
      case 'LOCATION': event.location = unescape(value); break
      case 'DTSTART': event.start = time(value, parameters); break
      case 'DTEND': event.end = time(value, parameters); break
      case 'ORGANIZER': event.organizer = person(value, parameters); break
      case 'ATTENDEE': if (event.attendees.length < 50) event.attendees.push(person(value, parameters)); break
      case 'RRULE': event.recurring = true; break
      case 'STATUS': event.cancelled ||= value.toUpperCase() === 'CANCELLED'; break
    }
  }
  return out
}

function unescape(s: string): string {
  return s.replace(/\\([\\;,nN])/g, (_, c: string) => (c === 'n' || c === 'N' ? '\n' : c))
}

function person(value: string, parameters: string): string {
  const name = /;CN=(?:"([^"]*)"|([^;:]*))/i.exec(parameters)
  return name?.[1] ?? name?.[2] ?? value.replace(/^mailto:/i, '')
}

/** A time in the reader's words; in a zone of its own, with its name. */
function time(value: string, parameters: string): string {
  const m = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?$/.exec(value)
  if (!m) return value
  const [year, month, day, hour, minute] = m.slice(1, 6).map(Number) as [number, number, number, number, number]
  if (!m[4]) return new Intl.DateTimeFormat(undefined, { dateStyle: 'full' }).format(new Date(year, month - 1, day))
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
  if (m[7]) return format.format(new Date(Date.UTC(year, month - 1, day, hour, minute)))
  const zone = /;TZID=(?:"([^"]*)"|([^;:]*))/i.exec(parameters)
  return format.format(new Date(year, month - 1, day, hour, minute)) + (zone ? ` (${zone[1] ?? zone[2]})` : '')
}
