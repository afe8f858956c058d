// The arithmetic of charts: where bars stand, and which numbers are written beside them.

import type { ChartLine } from './types'

/** Round numbers from 0 to at least most, few enough to be read. */
export function ticks(most: number, wanted = 4): number[] {
  if (!(most > 0)) return [0, 1]
  const rough = most / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(1, [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough) ?? 10 * power)
  const out = []
  for (let v = 0; v < most + step; v += step) out.push(v)
  return out
}

export interface Bar {
  day: number
  series: number
  x: number
  y: number
  width: number
  height: number
}

export interface Size {
  width: number
  height: number
}

/** Bars of days, the series upon one another. What is there is at least a pixel high, so that one failure among thousands shows. */
export function stacked(series: number[][], size: Size, top: number): Bar[] {
  const days = Math.max(0, ...series.map((s) => s.length))
  if (days === 0 || top <= 0) return []
  const slot = size.width / days
  const width = Math.max(1, Math.min(28, slot * 0.72))
  const out: Bar[] = []
  for (let day = 0; day < days; day++) {
    let y = size.height
    series.forEach((s, i) => {
      const n = s[day] ?? 0
      if (n <= 0) return
      const height = Math.min(Math.max(1.5, (n / top) * size.height), y)
      y -= height
      out.push({ day, series: i, x: day * slot + (slot - width) / 2, y, width, height })
    })
  }
  return out
}

/** The highest day of series that stand upon one another. */
export function highest(series: number[][]): number {
  const days = Math.max(0, ...series.map((s) => s.length))
  let most = 0
  for (let d = 0; d < days; d++) most = Math.max(most, series.reduce((sum, s) => sum + (s[d] ?? 0), 0))
  return most
}

/** Which days have their name written, so that names of that width do not touch. The last one always has. */
export function named(days: number, width: number, each = 64): number[] {
  if (days === 0 || width <= 0) return []
  const every = Math.max(1, Math.ceil(days / Math.max(1, Math.floor(width / each))))
  const out = []
  for (let d = days - 1; d >= 0; d -= every) out.unshift(d)
  return out
}

const dayForm = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })
const wholeForm = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' })

/** "24 Nov" of "2026-11-24": days are those of UTC everywhere. */
export function dayName(day: string, whole = false): string {
  return (whole ? wholeForm : dayForm).format(new Date(`${day}T00:00:00Z`))
}

export interface Source {
  name: string
  total: number
  passed: number
  failed: number
  counts: number[]
  results: { result: string; count: number; passed: boolean }[]
  rest: boolean
}

/** Sources with all their results together, the greatest first; the rest last. */
export function bySource(lines: ChartLine[], passes: (result: string) => boolean): Source[] {
  const out = new Map<string, Source>()
  for (const l of lines) {
    const key = l.rest ? '' : l.name
    const s = out.get(key) ?? { name: l.name, total: 0, passed: 0, failed: 0, counts: l.counts.map(() => 0), results: [], rest: !!l.rest }
    const passed = passes(l.result ?? '')
    s.total += l.total
    if (!s.rest) s[passed ? 'passed' : 'failed'] += l.total
    s.counts = s.counts.map((n, i) => n + (l.counts[i] ?? 0))
    if (l.result) s.results.push({ result: l.result, count: l.total, passed })
    out.set(key, s)
  }
  return [...out.values()].toSorted((a, b) => Number(a.rest) - Number(b.rest) || b.total - a.total || a.name.localeCompare(b.name))
}
