// What an operator should look at, gathered from everywhere and put in order.

import { octets } from '#/lib/format'
import { daysLeft } from './format'
import type { Certificate, DoctorReport, Finding, Near, Node, QueueSize } from './types'
import { nearNames, type Tone } from './words'

export interface Gathered {
  finding: Finding
  domains: string[]
}

const rank = { fault: 0, warning: 1, note: 2, ok: 3 }

/** Findings of several domains, each once: what is said of the host stands in every report. The gravest come first. */
export function gather(reports: DoctorReport[]): Gathered[] {
  const out = new Map<string, Gathered>()
  for (const r of reports) {
    for (const f of r.findings) {
      const key = JSON.stringify([f.check, f.subject, f.level, f.text])
      const g = out.get(key) ?? { finding: f, domains: [] }
      if (r.domain && !g.domains.includes(r.domain)) g.domains.push(r.domain)
      out.set(key, g)
    }
  }
  return [...out.values()].toSorted((a, b) => rank[a.finding.level] - rank[b.finding.level])
}

/** How a domain stands, in a word. */
export function glance(r: DoctorReport | undefined): { word: string; tone: Tone } {
  if (!r) return { word: 'Not examined yet', tone: 'plain' }
  const { faults, warnings } = r.counts
  if (faults > 0) return { word: `${faults} ${faults === 1 ? 'fault' : 'faults'}`, tone: 'bad' }
  if (warnings > 0) return { word: `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`, tone: 'warn' }
  return { word: 'All is well', tone: 'good' }
}

export interface Concern {
  tone: 'bad' | 'warn'
  text: string
  remedy?: string
  href?: string
}

/** How urgent the end of a certificate is. One that renews itself has until its last days; others want somebody. */
export function certificateTone(c: Certificate, now = Date.now()): Tone {
  if (c.expired || (c.until && daysLeft(c.until, now) < 0)) return 'bad'
  if (!c.until) return c.trouble ? 'bad' : 'warn'
  const left = daysLeft(c.until, now)
  if (c.trouble) return left < 7 ? 'bad' : 'warn'
  if (c.renewal === 'acme') return left < 7 ? 'bad' : 'good'
  if (c.renewal === 'development') return 'warn'
  return left < 7 ? 'bad' : left < 30 ? 'warn' : 'good'
}

export function certificateEnd(c: Certificate, now = Date.now()): string {
  if (!c.until) return 'There is none yet'
  const left = daysLeft(c.until, now)
  if (c.expired || left < 0) return 'Expired'
  return left === 0 ? 'Ends today' : left === 1 ? 'Ends tomorrow' : `Ends in ${left} days`
}

export interface Sources {
  certificates?: Certificate[] | undefined
  nodes?: Node[] | undefined
  queue?: QueueSize | undefined
  near?: Near[] | undefined
}

/** What is amiss beside doctor's findings, the gravest first. */
export function concerns(s: Sources, now = Date.now()): Concern[] {
  const out: Concern[] = []
  for (const c of s.certificates ?? []) {
    const tone = certificateTone(c, now)
    if ((tone !== 'bad' && tone !== 'warn') || c.renewal === 'development') continue
    const name = c.names?.[0] ?? 'a host'
    out.push({ tone, text: `The certificate of ${name}: ${certificateEnd(c, now).toLowerCase()}.`, remedy: c.trouble ?? (c.renewal === 'file' ? 'Renew the files that the configuration names; they are read again by themselves.' : undefined), href: '/admin/certificates' })
  }
  for (const n of s.nodes ?? []) {
    if (!n.alive) out.push({ tone: 'bad', text: `The node ${n.name} has not been heard of.`, remedy: 'See whether it runs and reaches the store.', href: '/admin/nodes' })
  }
  const q = s.queue
  if (q?.oldest && now - new Date(q.oldest).getTime() > 86_400_000) out.push({ tone: 'warn', text: 'Some mail has waited in the queue for more than a day.', remedy: 'See what the other side says.', href: '/admin/queue' })
  if (q && q.held > 0) out.push({ tone: 'warn', text: `${q.held} ${q.held === 1 ? 'recipient is' : 'recipients are'} held in the queue.`, remedy: 'Release or delete what is no longer needed.', href: '/admin/queue?held=1' })
  const near = (s.near ?? []).filter((n) => n.share >= 0.95)
  for (const n of near.slice(0, 5)) {
    const write = n.what === 'quota' ? octets : (v: number) => v.toLocaleString()
    out.push({ tone: n.share >= 1 ? 'bad' : 'warn', text: n.what === 'quota' ? `The mailbox of ${n.address} is ${n.share >= 1 ? 'full' : 'nearly full'}.` : `${n.address} is ${n.share >= 1 ? 'at' : 'near'} its limit.`, remedy: `${nearNames[n.what]}: ${write(n.used)} of ${write(n.most)}.`, href: `/admin/accounts/${encodeURIComponent(n.address)}` })
  }
  if (near.length > 5) out.push({ tone: 'warn', text: `${near.length - 5} more accounts are near a limit.`, href: '/admin/limits' })
  return out.toSorted((a, b) => Number(a.tone === 'warn') - Number(b.tone === 'warn'))
}
