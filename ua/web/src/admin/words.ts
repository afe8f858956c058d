// Plain words for what the server names in short.

import type { AuditEntry, Certificate, Level, Near, Node } from './types'

export type Tone = 'good' | 'warn' | 'bad' | 'plain'

export const levels: Record<Level | 'unknown', { word: string; tone: Tone }> = {
  fault: { word: 'Fault', tone: 'bad' },
  warning: { word: 'Warning', tone: 'warn' },
  note: { word: 'Note', tone: 'plain' },
  ok: { word: 'Right', tone: 'good' },
  unknown: { word: 'Not known', tone: 'plain' },
}

export const needs = { must: 'Needed', should: 'Advised', may: 'Good to have' }

const outcomes: Record<string, { word: string; tone: Tone }> = {
  accepted: { word: 'Taken over', tone: 'plain' },
  queued: { word: 'In the queue', tone: 'plain' },
  delivered: { word: 'Filed in a mailbox', tone: 'good' },
  relayed: { word: 'Handed to the next host', tone: 'good' },
  deferred: { word: 'Put off', tone: 'warn' },
  bounced: { word: 'Failed for good', tone: 'bad' },
  rejected: { word: 'Refused', tone: 'bad' },
  discarded: { word: 'Dropped', tone: 'bad' },
  expanded: { word: 'Sent on to members', tone: 'good' },
  reported: { word: 'Reported to the sender', tone: 'plain' },
}

export function outcome(name: string): { word: string; tone: Tone } {
  return outcomes[name] ?? { word: name, tone: 'plain' }
}

export const outcomeNames = Object.keys(outcomes)

/** What a line of a DMARC report says, for somebody who does not know DMARC. */
export function dmarcMeaning(result: string): string {
  const dkim = /DKIM pass/i.test(result)
  const spf = /SPF pass/i.test(result)
  const done = /reject/i.test(result) ? 'it was refused' : /quarantine/i.test(result) ? 'it went to junk' : 'it was let in'
  if (dkim && spf) return `Signed by you and sent from a host of yours; ${done}.`
  if (dkim) return `Signed by you, from a host that your SPF record does not name, such as a mailing list or a forwarder; ${done}.`
  if (spf) return `From a host of yours, but without a signature that holds; ${done}.`
  return `Neither signed by you nor from a host of yours: forwarded mail that was changed, or somebody who uses your name; ${done}.`
}

export function dmarcPassed(result: string): boolean {
  return /(DKIM|SPF) pass/i.test(result)
}

// RFC 8460 4.3.
const tls: Record<string, string> = {
  'starttls-not-supported': 'Our host offered no TLS. Something between may have taken the offer out.',
  'certificate-host-mismatch': 'The certificate that was shown is for another name.',
  'certificate-expired': 'The certificate had expired.',
  'certificate-not-trusted': 'The certificate is from nobody the sender trusts.',
  'validation-failure': 'TLS failed for another reason.',
  'tlsa-invalid': 'The TLSA record does not fit the certificate.',
  'dnssec-invalid': 'The signatures of our DNS zone do not hold.',
  'dane-required': 'The sender asks for DANE, and found no usable TLSA record.',
  'sts-policy-fetch-error': 'Our MTA-STS policy could not be fetched.',
  'sts-policy-invalid': 'Our MTA-STS policy cannot be read.',
  'sts-webpki-invalid': 'The certificate of the web server that has our MTA-STS policy is not trusted.',
}

export function tlsMeaning(result: string): string {
  return tls[result.toLowerCase()] ?? 'TLS failed.'
}

export const services: Record<string, string> = {
  smtp: 'Mail from other hosts', submission: 'Sending by programs', submissions: 'Sending by programs, TLS', lmtp: 'Delivery from a proxy', imap: 'Reading by programs',
  imaps: 'Reading by programs, TLS', pop3: 'Fetching by programs', pop3s: 'Fetching by programs, TLS', http: 'Web, without TLS', https: 'Web and webmail', managesieve: 'Filter rules', metrics: 'Measurements',
}

export const roleNames: Record<string, string> = {
  ua: 'webmail', msa: 'sending for users', mta: 'mail with other hosts', mda: 'delivery', maa: 'access to mailboxes', admin: 'administration',
}

export const renewals: Record<Certificate['renewal'], string> = {
  acme: 'Renewed by itself.',
  file: 'Read from files: whoever writes them has to renew it.',
  development: 'Self-made, renewed by itself. Strangers do not believe it: name an authority in [tls.acme].',
}

export const nearNames: Record<Near['what'], string> = {
  recipients: 'Recipients today', new_recipients: 'New recipients today', quota: 'Room',
}

export const keyStates: Record<string, { word: string; tone: Tone; text: string }> = {
  published: { word: 'Waiting', tone: 'warn', text: 'It signs as soon as its record has been seen in the DNS.' },
  active: { word: 'Signs', tone: 'good', text: 'Mail is signed with it.' },
  retiring: { word: 'Retiring', tone: 'plain', text: 'It signs no more. Leave its record where it is until the key is gone from this list, for mail that is still on its way.' },
}

export const auditOutcomes: Record<AuditEntry['outcome'], { word: string; tone: Tone }> = {
  done: { word: 'Done', tone: 'good' },
  refused: { word: 'Refused', tone: 'warn' },
  failed: { word: 'Failed', tone: 'bad' },
  begun: { word: 'Begun', tone: 'plain' },
}

export const ways: Record<string, string> = { socket: 'command', web: 'these pages', command: 'command, server stopped', server: 'the server itself' }

const acts: Record<string, string> = {
  'domain.add': 'Added a domain', 'domain.update': 'Changed a domain', 'domain.remove': 'Removed a domain',
  'account.add': 'Added an account', 'account.update': 'Changed an account', 'account.password': 'Set a password', 'account.remove': 'Removed an account',
  'alias.add': 'Added an alias', 'alias.update': 'Changed an alias', 'alias.remove': 'Removed an alias',
  'queue.retry': 'Had queued mail tried', 'queue.hold': 'Held queued mail', 'queue.release': 'Released queued mail', 'queue.delete': 'Deleted queued mail', 'queue.act': 'Queue',
  'dns.publish': 'Published records', 'dkim.rotate': 'Changed DKIM keys', 'dkim.make': 'Made DKIM keys', 'ban.remove': 'Lifted a ban',
  'message.send': 'Sent a message', 'mail.export': 'Exported mail', 'store.compact': 'Compacted the store',
}

export function act(name: string): string {
  return acts[name] ?? name
}

export const actGroups: Record<string, string> = {
  domain: 'Domains', account: 'Accounts', alias: 'Aliases and groups', queue: 'Queue', dns: 'DNS records', dkim: 'DKIM keys', ban: 'Bans', message: 'Messages', mail: 'Exports', store: 'Store',
}

export const volumes: Record<string, { word: string; text: string }> = {
  in: { word: 'Came in', text: 'filed in mailboxes here' },
  out: { word: 'Went out', text: 'taken over by other hosts' },
  junk: { word: 'Junk', text: 'of what came in' },
  refused: { word: 'Refused', text: 'not let in' },
  bounced: { word: 'Failed', text: 'could not be delivered' },
}

export function nodeWord(n: Node): { word: string; tone: Tone } {
  return n.alive ? { word: n.this ? 'Running, answers you' : 'Running', tone: 'good' } : { word: 'Not heard of', tone: 'bad' }
}
