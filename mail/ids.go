package mail

import (
	"encoding/base32"
	"encoding/binary"
	"time"
)

// The store's own numbers. Zero is never a valid one. The names follow RFC 8474 (OBJECTID).
type (
	AccountID int64 // one person's or program's mail
	MailboxID int64 // one mailbox of an account
	EmailID   int64 // one message of an account, in whatever mailboxes
	ThreadID  int64 // one conversation of an account
	BlobID    int64 // one stored body
	QueueID   int64 // one message on its way out
)

// TraceID names one message's passage through this system: the id in its Received field, in the
// reply to end-of-data and on each of its events. Lower-case base32 of time and random bits, 16 characters.
type TraceID string

// NewTraceID makes a TraceID of a time and 32 random bits. IDs of later times sort later.
func NewTraceID(now time.Time, random uint32) TraceID {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	binary.BigEndian.PutUint32(b[6:], random)
	return TraceID(traceEncoding.EncodeToString(b[:]))
}

// traceEncoding keeps the order of what it encodes, as the alphabet of RFC 4648 7 does.
var traceEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
