// Doctor: what it found last, and an examination that is under way.

import { Failure } from '#/lib/api'
import { ask, follow } from './ask'
import type { DoctorReport, Domain, Finding } from './types'

/** The last report of every domain that has one. One call where all have, else one for each, a few at a time. */
export async function lastReports(domains: Domain[]): Promise<Map<string, DoctorReport>> {
  const out = new Map<string, DoctorReport>()
  try {
    for (const r of (await ask<{ reports: DoctorReport[] }>('doctor', { domain: '', last: true })).reports) out.set(r.domain, r)
    return out
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.kind !== 'not_found') throw cause
  }
  const rest = domains.slice(0, 200).map((d) => d.name)
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let name = rest.pop(); name; name = rest.pop()) {
      const r = await lastReport(name)
      if (r) out.set(name, r)
    }
  }))
  return out
}

/** The last report of one domain; undefined when nobody has looked yet. */
export async function lastReport(domain: string): Promise<DoctorReport | undefined> {
  try {
    return (await ask<{ reports: DoctorReport[] }>('doctor', { domain, last: true })).reports[0]
  } catch (cause) {
    if (cause instanceof Failure && cause.kind === 'not_found') return undefined
    throw cause
  }
}

export class Examination {
  running = $state(false)
  done = $state(0)
  total = $state(0)
  stage = $state('')
  found = $state.raw<Finding[]>([])
  reports = $state.raw<DoctorReport[]>([])
  trouble = $state('')
  private stopper: AbortController | undefined

  /** Looks at one domain, or at all with ''. */
  async run(domain: string): Promise<void> {
    this.stop()
    const stopper = (this.stopper = new AbortController())
    this.running = true
    this.trouble = this.stage = ''
    this.found = this.reports = []
    this.done = this.total = 0
    try {
      const reply = await follow<{ reports: DoctorReport[] }>('doctor/run', { domain }, (p) => {
        if (this.stopper !== stopper) return
        this.stage = p.stage
        this.done = p.done
        this.total = p.total
        if (p.finding) this.found = [...this.found, p.finding]
      }, stopper.signal)
      if (this.stopper === stopper) this.reports = reply.reports
    } catch (cause) {
      if (this.stopper === stopper && !stopper.signal.aborted) this.trouble = (cause as Error).message
    } finally {
      if (this.stopper === stopper) this.running = false
    }
  }

  stop = (): void => {
    this.stopper?.abort()
    this.stopper = undefined
    this.running = false
  }
}
