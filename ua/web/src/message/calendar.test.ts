import { describe, expect, it } from 'vitest'
import { parse } from './calendar'

describe('calendar', () => {
  it('reads an invitation (RFC 5545 3.6.1)', () => {
    const [e] = parse('BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nDTSTART:20261128T090000Z\r\nSUMMARY:Boat\\, trip\r\n  long\r\nORGANIZER;CN="Mara: L":mailto:m@x\r\nATTENDEE:mailto:a@x\r\nRRULE:FREQ=DAILY\r\nBEGIN:VALARM\r\nSUMMARY:no\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n')
    expect(e).toMatchObject({ summary: 'Boat, trip long', organizer: 'Mara: L', attendees: ['a@x'], recurring: true, cancelled: false })
    expect(e!.start).toContain('2026')
  })

  it('makes nothing of nonsense', () => {
    expect(parse('')).toEqual([])
    expect(parse('BEGIN:VEVENT\nBEGIN:VEVENT\nEND:X\n:::\n')).toEqual([])
    expect(parse('BEGIN:VEVENT\nDTSTART:junk\nEND:VEVENT').map((e) => e.start)).toEqual(['junk'])
  })
})
