// What the server's package admin asks for and replies, by its JSON names. Times are ISO, sizes octets.

export type Level = 'ok' | 'note' | 'warning' | 'fault'

export interface Finding {
  check: string
  subject: string
  level: Level
  text: string
  remedy?: string
  record?: string
  link?: string
  untold?: boolean
}

export interface DoctorReport {
  domain: string
  at: string
  took_ns: number
  findings: Finding[]
  counts: { ok: number; notes: number; warnings: number; faults: number }
}

export interface Progress {
  stage: string
  done: number
  total: number
  finding?: Finding
}

export interface QueueSize {
  messages: number
  recipients: number
  held: number
  sending: number
  deferred: number
  octets: number
  oldest?: string
  next_due?: string
}

export interface Listener {
  service: string
  address: string
}

export interface Status {
  version: string
  hostname: string
  data: string
  serving: boolean
  started?: string
  uptime_seconds: number
  listening?: Listener[]
  domains: number
  accounts: number
  aliases: number
  messages: number
  used: number
  queue: QueueSize
  counters?: Record<string, number>
}

export interface Domain {
  name: string
  unicode?: string
  catch_all?: string
  accounts: number
  aliases: number
  created: string
  warnings?: string[]
}

export interface DNSRecord {
  name: string
  type: string
  ttl: number
  value: string
  text?: string
  zone?: string
  for: string
  need: 'must' | 'should' | 'may'
}

export interface RecordList {
  domain: string
  records: DNSRecord[] | null
  changed?: string[]
}

export interface Key {
  selector: string
  algorithm: string
  state: string
  since: string
  seen?: string
  record: string
}

export interface Rotation {
  domain: string
  done?: string[]
  waiting?: string[]
  publish?: string[]
}

export interface Account {
  address: string
  name?: string
  quota: number
  used: number
  messages: number
  disabled?: boolean
  admin?: boolean
  created: string
  /** When somebody last logged in, where the server tells. */
  seen?: string
}

export interface AccountDetail extends Account {
  mailboxes: { name: string; use?: string; messages: number; unseen: number; size: number }[]
  aliases: string[]
  credentials: string[]
}

export interface AddedAccount extends Account {
  password?: string
  domain_created?: boolean
}

export interface Member {
  address: string
  kind: 'account' | 'alias' | 'missing' | 'outside'
  name?: string
  warning?: string
}

export interface Alias {
  address: string
  targets: string[]
  created: string
  warnings?: string[]
  members?: Member[]
}

export interface QueuedRecipient {
  address: string
  original?: string
  route: string
  state: 'waiting' | 'held' | 'sending'
  attempts: number
  next?: string
  last?: string
  delay_reported?: boolean
}

export interface QueueEntry {
  id: number
  trace: string
  from: string
  message_id?: string
  size: number
  created: string
  expires: string
  recipients: QueuedRecipient[]
}

export interface Passage {
  trace: string
  message_id?: string
  from: string
  began: string
  recipients: Recipient[]
  events: TrailEvent[] | null
}

export interface Recipient {
  address: string
  outcome: string
  at: string
  final: boolean
  queue?: number
  state?: string
  attempts?: number
  next?: string
}

export interface TrailEvent {
  at: string
  outcome: string
  from: string
  to?: string
  role: string
  peer?: string
  tls?: string
  reason?: string
  queue?: number
}

export interface Report {
  kind: 'dmarc' | 'tls'
  organization: string
  domain: string
  begin: string
  end: string
  passed: number
  failed: number
  policy?: string
  details?: { subject: string; count: number; result: string }[]
  cut?: boolean
}

export interface ChartLine {
  name: string
  result?: string
  rest?: boolean
  total: number
  counts: number[]
}

export interface ReportChart {
  reports: number
  passed: ChartLine
  failed: ChartLine
  sources: ChartLine[]
  senders: ChartLine[]
  cut?: boolean
}

export interface Charts {
  days: string[]
  dmarc: ReportChart
  tls: ReportChart
  volumes: ChartLine[]
}

export interface LimitSettings {
  connections_per_minute: number
  messages_per_minute: number
  sender_messages_per_hour: number
  account_recipients_per_day: number
  account_new_recipients_per_day: number
  login_failures: number
  login_window_seconds: number
  ban_for_seconds: number
  default_quota: number
  message_size: number
}

export interface Near {
  address: string
  what: 'recipients' | 'new_recipients' | 'quota'
  used: number
  most: number
  share: number
}

export interface LimitReport {
  set: LimitSettings
  near: Near[]
  cut?: boolean
}

export interface Ban {
  prefix: string
  since: string
  until: string
  failures: number
  times: number
}

export interface Certificate {
  names: string[] | null
  issuer?: string
  from?: string
  until?: string
  renewal: 'acme' | 'file' | 'development'
  next?: string
  trouble?: string
  expired?: boolean
}

export interface Node {
  name: string
  hostname: string
  version: string
  started: string
  seen: string
  alive: boolean
  this?: boolean
  roles: string[]
  listening: Listener[]
  load: { uptime_seconds: number; goroutines: number; memory: number; cpus: number; connections?: Record<string, number> }
}

export interface AuditEntry {
  id: string
  at: string
  actor: { way: string; name: string; from?: string }
  act: string
  subject?: string
  asked?: string
  outcome: 'begun' | 'done' | 'refused' | 'failed'
  text?: string
}

export interface LogLine {
  seq: number
  at: string
  level: string
  role?: string
  text: string
  attrs?: string
}
