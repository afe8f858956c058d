// The lines of a log that is followed: the latest of them, and which are shown.

import type { LogLine } from './types'

export const keep = 2000

/** Lines with new ones behind them, at most so many. What was there already is not taken twice, also when a stream begins again. */
export function append(have: LogLine[], more: LogLine[], most = keep): LogLine[] {
  const seen = new Set(have.map((l) => `${l.seq} ${l.at}`))
  const fresh = more.filter((l) => {
    const key = `${l.seq} ${l.at}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
  if (fresh.length === 0) return have
  const all = [...have, ...fresh]
  return all.length > most ? all.slice(all.length - most) : all
}

const rank: Record<string, number> = { DEBUG: 0, INFO: 1, WARN: 2, ERROR: 3 }

/** How grave a level is; what lies between two ("INFO+2") is as the lower. */
export function grave(level: string): number {
  return rank[/^[A-Z]+/.exec(level.toUpperCase())?.[0] ?? ''] ?? 1
}

export interface LineFilter {
  /** At least this level. */
  level: string
  /** The beginning of a role: "mta" has "mta/outbound". */
  role: string
  text: string
}

export function shown(lines: LogLine[], f: LineFilter): LogLine[] {
  const least = f.level ? grave(f.level) : 0
  const words = f.text.toLowerCase().split(/\s+/).filter(Boolean)
  return lines.filter((l) => {
    if (grave(l.level) < least) return false
    if (f.role && l.role !== f.role && !l.role?.startsWith(`${f.role}/`)) return false
    if (words.length === 0) return true
    const all = `${l.text} ${l.attrs ?? ''} ${l.role ?? ''}`.toLowerCase()
    return words.every((w) => all.includes(w))
  })
}

/** The roles that lines are from. */
export function roles(lines: LogLine[]): string[] {
  return [...new Set(lines.flatMap((l) => (l.role ? [l.role] : [])))].toSorted()
}

/** Lines as text, to be kept or sent to somebody. */
export function asText(lines: LogLine[]): string {
  return lines.map((l) => [l.at, l.level, l.role, l.text, l.attrs].filter(Boolean).join(' ')).join('\n')
}
