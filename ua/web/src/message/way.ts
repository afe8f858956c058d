// The letter's way, as /api/way tells it.

export interface Step {
  at: string
  outcome: string
  text: string
  host?: string
  tls?: string
}

export type State = 'accepted' | 'trying' | 'delivered' | 'relayed' | 'bounced' | 'expanded' | 'discarded' | 'held'

export interface Recipient {
  address: string
  state: State
  at: string
  host?: string
  tls?: string
  words?: string
  next?: string
  attempts?: number
  advice?: string
  link?: string
  events: Step[]
}

export interface Check {
  method: string
  result: string
  domain: string
  text: string
}

export interface Arrival {
  from: string
  tls: string
  at: string
  hops: { from: string; by: string; at: string; delay_seconds: number; tls?: string }[]
  checks: Check[]
  junk: { filed: boolean; score: number; why: string[]; advice: string }
}

export interface Way {
  direction: 'out' | 'in'
  messageId: string
  trace: string[]
  recipients: Recipient[]
  arrival?: Arrival
}

export const states: Record<State, { label: string; tone: 'good' | 'warn' | 'bad' | 'plain' }> = {
  accepted: { label: 'Accepted, on its way', tone: 'plain' },
  trying: { label: 'Not there yet, trying', tone: 'warn' },
  delivered: { label: 'In the mailbox', tone: 'good' },
  relayed: { label: 'Handed over', tone: 'good' },
  bounced: { label: 'Came back', tone: 'bad' },
  expanded: { label: 'Went on to others', tone: 'plain' },
  discarded: { label: 'Discarded', tone: 'bad' },
  held: { label: 'Held by the administrator', tone: 'warn' },
}
