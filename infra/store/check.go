package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// rules are what must hold in the index between commits. Each is a query that gives a sentence for every
// breach. They read rows, never bodies.
var rules = [...]string{
	// Counters of mailboxes.
	`SELECT printf('mailbox %d counts %d messages, %d unseen, %d deleted, %d octets; its rows are %d, %d, %d, %d',
		m.id, m.messages, m.unseen, m.deleted, m.size, coalesce(p.n, 0), coalesce(p.unseen, 0), coalesce(p.deleted, 0), coalesce(p.size, 0))
	FROM mailbox m LEFT JOIN (SELECT mailbox, count(*) n, sum(bits & 1 = 0) unseen, sum(bits & 8 <> 0) deleted, sum(size) size
		FROM placement GROUP BY mailbox) p ON p.mailbox = m.id
	WHERE (m.messages, m.unseen, m.deleted, m.size) IS NOT (coalesce(p.n, 0), coalesce(p.unseen, 0), coalesce(p.deleted, 0), coalesce(p.size, 0))`,

	// UIDs and modseqs.
	`SELECT printf('mailbox %d has a message with UID %d, but UIDNEXT is %d', m.id, max(p.uid), m.uidnext)
	FROM mailbox m JOIN placement p ON p.mailbox = m.id GROUP BY m.id HAVING max(p.uid) >= m.uidnext`,
	`SELECT printf('mailbox %d has a message with modseq %d, but its own is %d', m.id, max(p.modseq), m.modseq)
	FROM mailbox m JOIN placement p ON p.mailbox = m.id GROUP BY m.id HAVING max(p.modseq) > m.modseq`,
	`SELECT printf('mailbox %d: the message with UID %d changed at modseq %d, before it came at %d', mailbox, uid, modseq, born)
	FROM placement WHERE modseq < born`,
	`SELECT printf('mailbox %d: the message with UID %d came at modseq %d, one before it at %d', mailbox, uid, born, before)
	FROM (SELECT mailbox, uid, born, lag(born) OVER (PARTITION BY mailbox ORDER BY uid) before FROM placement) WHERE born < before`,
	`SELECT printf('mailbox %d says that UID %d is expunged, but it is there', e.mailbox, p.uid)
	FROM expunged e JOIN placement p ON p.mailbox = e.mailbox AND p.uid BETWEEN e.first AND e.last`,
	`SELECT printf('mailbox %d has a tombstone for UIDs %d to %d at modseq %d, past its UIDNEXT %d or modseq %d', m.id, e.first, e.last, e.modseq, m.uidnext, m.modseq)
	FROM expunged e JOIN mailbox m ON m.id = e.mailbox WHERE e.first > e.last OR e.last >= m.uidnext OR e.modseq > m.modseq`,
	`SELECT printf('there are tombstones of mailbox %d, which does not exist', mailbox)
	FROM expunged WHERE mailbox NOT IN (SELECT id FROM mailbox) GROUP BY mailbox`,

	// History.
	`SELECT printf('mailbox %d: the message with UID %d came at modseq %d, message %d only at %d', p.mailbox, p.uid, p.born, m.id, m.born)
	FROM placement p JOIN message m ON m.id = p.email WHERE p.born < m.born`,
	`SELECT printf('mailbox %d came at modseq %d, but its own are %d and %d', id, born, modseq, changed) FROM mailbox WHERE min(modseq, changed) < born OR born < 1`,
	`SELECT printf('account %d remembers a change of its history at modseq %d, but its own is %d', h.account, max(h.modseq), a.modseq)
	FROM (SELECT account, max(modseq, born) modseq FROM departed UNION ALL SELECT account, max(modseq, born) FROM deleted_mailbox
		UNION ALL SELECT account, changed FROM mailbox UNION ALL SELECT id, forgotten FROM account) h
	JOIN (SELECT a.id, max(a.modseq, coalesce(max(m.modseq), 0)) modseq FROM account a LEFT JOIN mailbox m ON m.account = a.id GROUP BY a.id) a ON a.id = h.account
	GROUP BY h.account HAVING max(h.modseq) > a.modseq`,
	`SELECT printf('the history of account %d is remembered, but it does not exist', account)
	FROM (SELECT account FROM departed UNION SELECT account FROM deleted_mailbox) WHERE account NOT IN (SELECT id FROM account)`,
	`SELECT printf('mailbox %d was deleted, but is there', mailbox) FROM deleted_mailbox WHERE mailbox IN (SELECT id FROM mailbox)`,
	`SELECT printf('mailbox %d was deleted, but there was none of that number yet', mailbox) FROM deleted_mailbox WHERE mailbox > (SELECT mailbox FROM counter)`,

	// Accounts and mailboxes.
	`SELECT printf('mailbox %d is of account %d, which does not exist', id, account) FROM mailbox WHERE account NOT IN (SELECT id FROM account)`,
	`SELECT printf('account %s has no INBOX', address) FROM account a
	WHERE NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.account = a.id AND m.name = 'INBOX' AND m.use = 'inbox')`,
	`SELECT printf('account %d has %d mailboxes for the use %s', account, count(*), use) FROM mailbox WHERE use <> '' GROUP BY account, use HAVING count(*) > 1`,
	`SELECT printf('UIDVALIDITY %d is of %d mailboxes', uidvalidity, count(*)) FROM mailbox GROUP BY uidvalidity HAVING count(*) > 1`,
	`SELECT printf('%s is in the domain %s, which is not ours', address, domain)
	FROM (SELECT address, domain FROM account UNION ALL SELECT address, domain FROM alias) WHERE domain NOT IN (SELECT name FROM domain)`,
	`SELECT printf('%s is both an account and an alias', address) FROM account WHERE address IN (SELECT address FROM alias)`,
	`SELECT printf('credential %d is of account %d, which does not exist', id, account) FROM credential WHERE account NOT IN (SELECT id FROM account)`,
	`SELECT printf('conversations of account %d are remembered, but it does not exist', account)
	FROM thread_key WHERE account NOT IN (SELECT id FROM account) GROUP BY account`,

	`SELECT printf('a note %s is of account %d, which does not exist', kind, account) FROM note WHERE account > 0 AND account NOT IN (SELECT id FROM account)`,

	// Messages and their places.
	`SELECT printf('message %d is in mailbox %d %d times', email, mailbox, count(*)) FROM placement GROUP BY email, mailbox HAVING count(*) > 1`,
	`SELECT printf('mailbox %d has messages, but does not exist', mailbox) FROM placement WHERE mailbox NOT IN (SELECT id FROM mailbox) GROUP BY mailbox`,
	`SELECT printf('mailbox %d: the message with UID %d is number %d, which does not exist or differs', p.mailbox, p.uid, p.email)
	FROM placement p JOIN mailbox b ON b.id = p.mailbox LEFT JOIN message m ON m.id = p.email
	WHERE (m.account, m.size, m.thread) IS NOT (b.account, p.size, p.thread)`,
	`SELECT printf('message %d is in no mailbox', id) FROM message m WHERE NOT EXISTS (SELECT 1 FROM placement p WHERE p.email = m.id)`,
	`SELECT printf('message %d has different flags in its mailboxes', email) FROM placement
	GROUP BY email HAVING count(*) > 1 AND (min(bits) <> max(bits) OR min(keywords) <> max(keywords))`,
	`SELECT printf('message %d has %d octets; its prefix and body %d have %d', m.id, m.size, m.blob, b.size + length(coalesce(m.prefix, b.prefix, '')))
	FROM message m JOIN blob b ON b.id = m.blob WHERE m.size <> b.size + length(coalesce(m.prefix, b.prefix, ''))`,

	// Bodies and who refers to them.
	`SELECT printf('body %d is referred to %d times, but counts %d', coalesce(b.id, r.blob), coalesce(r.n, 0), coalesce(1 + coalesce(x.refs, 0), 0))
	FROM (SELECT blob, count(*) n FROM (SELECT blob FROM message UNION ALL SELECT blob FROM queued) GROUP BY blob) r
		FULL JOIN blob b ON b.id = r.blob LEFT JOIN blob_extra x ON x.blob = b.id
	WHERE b.id IS NULL OR r.n IS NOT 1 + coalesce(x.refs, 0)`,
	`SELECT printf('references to body %d are counted, but it does not exist', blob) FROM blob_extra WHERE blob NOT IN (SELECT id FROM blob)`,
	`SELECT printf('pack %d counts %d living octets; the bodies in it have %d', coalesce(p.id, b.pack), coalesce(p.live, 0), coalesce(b.live, 0))
	FROM pack p FULL JOIN (SELECT pack, sum(stored + 40) live FROM blob GROUP BY pack) b ON b.pack = p.id
	WHERE coalesce(p.live, 0) <> coalesce(b.live, 0) OR p.id IS NULL`,
	`SELECT printf('body %d ends at %d, past the end of pack %d', b.id, b.start + b.stored + 40, p.id)
	FROM blob b JOIN pack p ON p.id = b.pack WHERE b.start + b.stored + 40 > p.octets OR b.start < 0`,
	`SELECT printf('bodies %d and %d overlap in pack %d', before, id, pack)
	FROM (SELECT id, pack, start, lag(id) OVER w before, lag(start + stored + 40) OVER w ended FROM blob WINDOW w AS (PARTITION BY pack ORDER BY start))
	WHERE ended > start`,

	// The queue.
	`SELECT printf('queue entry %d has no recipients', id) FROM queued q WHERE NOT EXISTS (SELECT 1 FROM queued_recipient r WHERE r.queue = q.id)`,
	`SELECT printf('there are recipients of queue entry %d, which does not exist', queue) FROM queued_recipient
	WHERE queue NOT IN (SELECT id FROM queued) GROUP BY queue`,
	`SELECT printf('queue entry %d: recipient %d is due at a wrong time', queue, n) FROM queued_recipient
	WHERE due IS NOT CASE WHEN held OR lease > 0 THEN NULL ELSE next END OR (held AND lease > 0)`,
	`SELECT printf('queue entry %d has %d octets; its prefix and body %d have %d', q.id, q.size, q.blob, b.size + length(coalesce(q.prefix, '')))
	FROM queued q JOIN blob b ON b.id = q.blob WHERE q.size <> b.size + length(coalesce(q.prefix, ''))`,

	// The trail.
	`SELECT printf('an index of the trail names event %d, which does not exist', event) FROM event_key WHERE event NOT IN (SELECT id FROM event) GROUP BY event`,

	// Numbers given out.
	`SELECT printf('number %d of %s was never given out: the highest is %d', n, what, last) FROM (
		SELECT 'account' what, (SELECT max(id) FROM account) n, account last FROM counter
		UNION ALL SELECT 'mailbox', (SELECT max(id) FROM mailbox), mailbox FROM counter
		UNION ALL SELECT 'message', (SELECT max(id) FROM message), email FROM counter
		UNION ALL SELECT 'body', (SELECT max(id) FROM blob), blob FROM counter
		UNION ALL SELECT 'pack', (SELECT max(id) FROM pack), pack FROM counter
		UNION ALL SELECT 'queue entry', (SELECT max(id) FROM queued), queue FROM counter
		UNION ALL SELECT 'lease', (SELECT max(lease) FROM queued_recipient), lease FROM counter
		UNION ALL SELECT 'event', (SELECT max(id) FROM event), event FROM counter
		UNION ALL SELECT 'UIDVALIDITY', (SELECT max(uidvalidity) FROM mailbox), uidvalidity FROM counter) WHERE n > last`,
}

// maxFaults is how many breaches of one rule are named.
const maxFaults = 100

// Check proves the index's invariants, without reading bodies. Its error names each breach. It is what tests call at
// their end; Verify does more.
func (s *Store) Check(ctx context.Context) error {
	var errs []error
	for _, f := range s.Breaches(ctx) {
		errs = append(errs, errors.New(f.Text))
	}
	return errors.Join(errs...)
}

// Breaches lists what of the index's invariants does not hold. It looks at every rule, also when one cannot be read, and at no bodies.
func (s *Store) Breaches(ctx context.Context) []Fault {
	var faults []Fault
	unread := map[string]bool{} // why rules could not be looked at: many for one reason
	for _, rule := range rules {
		list, err := collect(ctx, s, func(r *sql.Rows) (text string, err error) { return text, r.Scan(&text) }, rule+` LIMIT 101`)
		if err != nil && !unread[err.Error()] {
			unread[err.Error()] = true
			faults = append(faults, Fault{Text: fmt.Sprintf("a part of the index cannot be read, and so not compared with the rest: %v", plain(err))})
		}
		for _, text := range list[:min(len(list), maxFaults)] {
			faults = append(faults, Fault{Text: text})
		}
		if len(list) > maxFaults {
			faults = append(faults, Fault{Text: "and more of that kind"})
		}
	}
	return faults
}
