import { describe, expect, it } from 'vitest'
import { inWords, local, suggestions } from './times'

const show = (now: Date) => suggestions(now).map((s) => `${s.label} ${local(s.at)}`)

describe('times to send at', () => {
  it('in the morning of a Tuesday', () => expect(show(new Date(2026, 10, 24, 9, 5))).toEqual([
    'This afternoon 2026-11-24T13:00', 'Tomorrow morning 2026-11-25T08:00', 'Tomorrow afternoon 2026-11-25T13:00', 'Monday morning 2026-11-30T08:00',
  ]))
  it('in the afternoon', () => expect(show(new Date(2026, 10, 24, 14, 0))[0]).toBe('This evening 2026-11-24T18:00'))
  it('in the evening', () => expect(show(new Date(2026, 10, 24, 20, 0))[0]).toBe('Tomorrow morning 2026-11-25T08:00'))
  it('on a Sunday, tomorrow is Monday', () => expect(show(new Date(2026, 10, 29, 20, 0))).toEqual(['Tomorrow morning 2026-11-30T08:00', 'Tomorrow afternoon 2026-11-30T13:00']))
  it('on a Monday, Monday is next week', () => expect(show(new Date(2026, 10, 30, 20, 0)).at(-1)).toBe('Monday morning 2026-12-07T08:00'))
  it('at the end of a year', () => expect(show(new Date(2026, 11, 31, 20, 0))[0]).toBe('Tomorrow morning 2027-01-01T08:00'))
  it('all lie ahead, at any hour', () => {
    for (let h = 0; h < 24; h++) for (const s of suggestions(new Date(2026, 10, 24, h, 59))) expect(s.at.getTime()).toBeGreaterThan(new Date(2026, 10, 24, h, 59).getTime())
  })
})

it('says times in words', () => {
  const now = new Date(2026, 10, 24, 9, 0)
  expect(inWords(new Date(2026, 10, 24, 18, 0), now)).toMatch(/^today at /)
  expect(inWords(new Date(2026, 10, 25, 0, 30), now)).toMatch(/^tomorrow at /)
  expect(inWords(new Date(2026, 10, 30, 8, 0), now)).toMatch(/^on .*30.* at /)
})
