-- Times are microseconds since 1970 UTC, but placement.received: seconds. Numbers of 0 mean none.

-- +goose Up

-- The highest numbers given out. One row, written once for each group of change sets.
CREATE TABLE counter (
	one         INTEGER PRIMARY KEY CHECK (one = 1),
	account     INTEGER NOT NULL,
	mailbox     INTEGER NOT NULL,
	email       INTEGER NOT NULL,
	blob        INTEGER NOT NULL,
	pack        INTEGER NOT NULL,
	queue       INTEGER NOT NULL,
	lease       INTEGER NOT NULL,
	event       INTEGER NOT NULL,
	uidvalidity INTEGER NOT NULL
);
INSERT INTO counter VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0);

CREATE TABLE domain (
	name      TEXT PRIMARY KEY,
	catch_all TEXT NOT NULL,
	created   INTEGER NOT NULL
) WITHOUT ROWID;

-- An account's modseq is the greatest of this one and its mailboxes'; octets and messages used are its
-- mailboxes' sums. So a delivery writes one counter row, the mailbox's. forgotten is the modseq up to which departed and deleted_mailbox
-- do not tell everything any more.
CREATE TABLE account (
	id        INTEGER PRIMARY KEY,
	address   TEXT NOT NULL UNIQUE,
	domain    TEXT NOT NULL,
	name      TEXT NOT NULL,
	quota     INTEGER NOT NULL,
	modseq    INTEGER NOT NULL,
	disabled  INTEGER NOT NULL,
	admin     INTEGER NOT NULL,
	created   INTEGER NOT NULL,
	forgotten INTEGER NOT NULL
);
CREATE INDEX account_domain ON account (domain, address);

CREATE TABLE alias (
	address TEXT PRIMARY KEY,
	domain  TEXT NOT NULL,
	targets TEXT NOT NULL, -- JSON array of addresses
	created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX alias_domain ON alias (domain);

CREATE TABLE credential (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	account    INTEGER NOT NULL,
	label      TEXT NOT NULL,
	hash       TEXT NOT NULL,
	salt       BLOB,
	iterations INTEGER NOT NULL,
	stored_key BLOB,
	server_key BLOB,
	scope      INTEGER NOT NULL,
	created    INTEGER NOT NULL,
	expires    INTEGER NOT NULL,
	UNIQUE (account, label)
);

-- born is the modseq a mailbox came with, changed the one at which something other than what is in it changed last.
CREATE TABLE mailbox (
	id          INTEGER PRIMARY KEY,
	account     INTEGER NOT NULL,
	name        TEXT NOT NULL,
	use         TEXT NOT NULL,
	uidvalidity INTEGER NOT NULL,
	uidnext     INTEGER NOT NULL,
	modseq      INTEGER NOT NULL,
	messages    INTEGER NOT NULL,
	unseen      INTEGER NOT NULL,
	deleted     INTEGER NOT NULL,
	size        INTEGER NOT NULL,
	subscribed  INTEGER NOT NULL,
	sort        INTEGER NOT NULL,
	created     INTEGER NOT NULL,
	forgotten   INTEGER NOT NULL, -- tombstones up to this modseq are gone
	born        INTEGER NOT NULL,
	changed     INTEGER NOT NULL,
	UNIQUE (account, name)
);

CREATE TABLE pack (
	id     INTEGER PRIMARY KEY,
	own    INTEGER NOT NULL, -- 1: one body alone
	octets INTEGER NOT NULL, -- how far it is filled
	live   INTEGER NOT NULL  -- octets of records that are referred to
);

-- A body, with the prefix and summary its first message had. Its references are one more than blob_extra says, so that
-- the common body with one message has no second row.
CREATE TABLE blob (
	id      INTEGER PRIMARY KEY,
	pack    INTEGER NOT NULL,
	start   INTEGER NOT NULL,
	stored  INTEGER NOT NULL,
	size    INTEGER NOT NULL,
	codec   INTEGER NOT NULL,
	prefix  BLOB,
	summary BLOB
);
CREATE TABLE blob_extra (
	blob INTEGER PRIMARY KEY,
	refs INTEGER NOT NULL
);

-- born is the modseq a message came with. prefix and summary are NULL where they are the blob's.
CREATE TABLE message (
	id      INTEGER PRIMARY KEY,
	account INTEGER NOT NULL,
	thread  INTEGER NOT NULL,
	blob    INTEGER NOT NULL,
	size    INTEGER NOT NULL,
	born    INTEGER NOT NULL,
	prefix  BLOB,
	summary BLOB
);

-- born is the modseq a placement came with. In one mailbox it grows with the UID, so that only placements that
-- changed since need an index by modseq.
CREATE TABLE placement (
	mailbox  INTEGER NOT NULL,
	uid      INTEGER NOT NULL,
	email    INTEGER NOT NULL,
	thread   INTEGER NOT NULL,
	modseq   INTEGER NOT NULL,
	born     INTEGER NOT NULL,
	bits     INTEGER NOT NULL,
	keywords TEXT NOT NULL,
	size     INTEGER NOT NULL,
	received INTEGER NOT NULL,
	saved    INTEGER NOT NULL,
	PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
CREATE INDEX placement_email ON placement (email);
CREATE INDEX placement_changed ON placement (mailbox, modseq) WHERE modseq > born;

CREATE TABLE expunged (
	mailbox INTEGER NOT NULL,
	modseq  INTEGER NOT NULL,
	first   INTEGER NOT NULL,
	last    INTEGER NOT NULL,
	PRIMARY KEY (mailbox, modseq, first)
) WITHOUT ROWID;

-- What left a mailbox of an account and went to no other at that moment, and the mailboxes that were deleted: the history of what is
-- not there any more. A message that departed may be in another mailbox.
CREATE TABLE departed (
	account INTEGER NOT NULL,
	modseq  INTEGER NOT NULL,
	email   INTEGER NOT NULL,
	thread  INTEGER NOT NULL,
	born    INTEGER NOT NULL,
	PRIMARY KEY (account, modseq, email)
) WITHOUT ROWID;
CREATE TABLE deleted_mailbox (
	account INTEGER NOT NULL,
	modseq  INTEGER NOT NULL,
	mailbox INTEGER NOT NULL,
	born    INTEGER NOT NULL,
	PRIMARY KEY (account, modseq, mailbox)
) WITHOUT ROWID;

-- hash is of a message id together with the base subject.
CREATE TABLE thread_key (
	account INTEGER NOT NULL,
	hash    INTEGER NOT NULL,
	thread  INTEGER NOT NULL,
	PRIMARY KEY (account, hash)
) WITHOUT ROWID;

CREATE TABLE queued (
	id         INTEGER PRIMARY KEY,
	trace      TEXT NOT NULL,
	sender     TEXT NOT NULL,
	account    INTEGER NOT NULL,
	blob       INTEGER NOT NULL,
	prefix     BLOB,
	size       INTEGER NOT NULL,
	body       INTEGER NOT NULL,
	utf8       INTEGER NOT NULL,
	tls        INTEGER NOT NULL, -- 1: required, 2: optional
	unproven   INTEGER NOT NULL,
	message_id TEXT NOT NULL,
	created    INTEGER NOT NULL,
	expires    INTEGER NOT NULL
);
CREATE INDEX queued_trace ON queued (trace);

-- due is when the recipient may be claimed: its next time; NULL while it is held or leased, so that one that is leased from
-- the start and then done has an entry in one index alone. A lease that ran out may be claimed from then on.
CREATE TABLE queued_recipient (
	queue    INTEGER NOT NULL,
	n        INTEGER NOT NULL,
	address  TEXT NOT NULL,
	original TEXT, -- NULL where it equals address
	route    TEXT NOT NULL,
	held     INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	next     INTEGER NOT NULL,
	last     TEXT NOT NULL,
	delayed  INTEGER NOT NULL,
	lease    INTEGER NOT NULL,
	owner    TEXT NOT NULL,
	until    INTEGER NOT NULL,
	due      INTEGER,
	PRIMARY KEY (queue, n)
) WITHOUT ROWID;
CREATE INDEX recipient_due ON queued_recipient (due) WHERE due IS NOT NULL;
CREATE INDEX recipient_route ON queued_recipient (route, due) WHERE due IS NOT NULL;
CREATE INDEX recipient_lease ON queued_recipient (until, route) WHERE lease > 0;

-- What one change set told of one trace. list is a JSON array of events; id is the number of the first, the others follow. at is the
-- time of the latest.
CREATE TABLE event (
	id         INTEGER PRIMARY KEY,
	at         INTEGER NOT NULL,
	trace      TEXT NOT NULL,
	message_id TEXT NOT NULL,
	sender     TEXT NOT NULL,
	list       TEXT NOT NULL
);
CREATE INDEX event_trace ON event (trace);

-- Finds rows of event by the hash of a message id or address. A bucket is a run of event ids, so that all
-- writing happens in one small part of the tree however many events there are.
CREATE TABLE event_key (
	bucket INTEGER NOT NULL,
	hash   INTEGER NOT NULL,
	event  INTEGER NOT NULL,
	PRIMARY KEY (bucket, hash, event)
) WITHOUT ROWID;
