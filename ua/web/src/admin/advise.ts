// What somebody who runs the server can do about mail that waits, by the words of the other side.

import type { QueuedRecipient } from './types'

const rules: [RegExp, string][] = [
  [/spamhaus|spamcop|barracudacentral|dnsbl|block ?list|blacklist|is listed|listed (in|at|on)/i,
    'A block list has our address: look at what doctor says about block lists, ask to be taken off it, and hold the message until then.'],
  [/\bptr\b|reverse (dns|lookup|hostname)|rdns|\b[45]\.7\.25\b/i, 'Our address has no matching reverse name: have whoever rents it to you set the PTR record.'],
  [/gr[ae]y-?list|postgrey/i, 'Nothing is to be done: the other side wants to see whether we try again, and we do within minutes.'],
  [/over ?quota|mailbox (is )?full|quota exceeded|out of (storage|quota)|\b[45]\.2\.2\b/i, "The recipient's mailbox is full: it is tried again until the time of the message runs out."],
  [/too (large|big)|size limit|exceeds .*size|\b[45]\.(3\.4|2\.3)\b/i, 'The message is larger than the other side takes: delete it, and ask the sender for a smaller one.'],
  [/dmarc|\b[45]\.7\.26\b/i, 'The other side cannot see that the mail is from its domain: look at DMARC, DKIM and SPF on the page of the domain.'],
  [/dkim|\b[45]\.7\.2[012]\b/i, 'The other side finds no signature that it believes: look at the DKIM keys on the page of the domain.'],
  [/\bspf\b|sender policy framework|\b[45]\.7\.2[34]\b/i, "The domain's SPF record does not name this server: see the records on the page of the domain."],
  [/rate.?limit|too many|too fast|throttl|limit exceeded|temporarily deferred|unusual rate|\b4\.7\.28\b/i, 'Nothing is to be done: the other side wants less mail at a time, and it is tried again later.'],
  [/mail loop|loops? back|too many hops|routing loop|\b[45]\.4\.6\b/i, 'Two hosts send the mail back to each other: look at the MX record and at aliases that lead to one another.'],
  [/null ?mx|takes no mail|does not accept mail/i, 'That domain takes no mail at all: delete the message.'],
  [/mta-sts|dane|tlsa|requiretls|certificate|starttls|\btls\b/i, 'A connection as safe as their policy asks for cannot be made: their postmaster has to mend it; it is tried again.'],
  [/authentication (required|failed)|must authenticate|\b535\b|\b530\b/i, 'The host that takes our mail wants another login: look at [outbound.smarthost] in the configuration.'],
  [/took too long|timed? ?out|could not be reached|cannot (connect|be reached)|refused|no route|unreachable|was closed|\b4\.4\.[127]\b/i,
    'The other host does not answer: nothing is to be done for one host; if it is so for all, see whether the provider blocks port 25 outward.'],
  [/\bdns\b|servfail|name ?server|cannot be looked up|bogus|\b4\.4\.3\b/i, 'The domain cannot be looked up: if it is so for many domains, look at the resolver of this machine.'],
  [/spam|junk|reputation|suspicious|policy reasons/i, 'The other side takes it for spam: look at what the sender sends, and at what doctor says of the domain.'],
  [/user unknown|no such user|mailbox (unavailable|not found)|unknown (user|recipient)|\b[45]\.1\.1\b/i, 'The other side does not know the address now: if it is a typing mistake, delete it and tell the sender.'],
]

export function advise(r: Pick<QueuedRecipient, 'state' | 'attempts' | 'last' | 'route'>): string {
  if (r.state === 'held') return 'It waits until you release it.'
  if (r.state === 'sending') return 'An attempt is running.'
  if (r.attempts === 0) return r.last ? '' : 'It was not tried yet.'
  const words = r.last ?? ''
  for (const [says, text] of rules) if (says.test(words)) return text
  return 'It is tried again by itself.'
}
