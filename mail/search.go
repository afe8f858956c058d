package mail

import "context"

// TextField says which texts of a message a TextQuery is about. All are decoded: transfer encodings, charsets, encoded words.
type TextField uint8

// The fields (RFC 9051 6.4.4). From to Subject are those of the message's envelope, an address list being searched
// address by address, as `Name <local@domain>`.
const (
	FieldText   TextField = iota // the header, field by field as `Name: value`, and what FieldBody is
	FieldBody                    // parts of type text, and headers of messages within the message
	FieldHeader                  // the field Name
	FieldFrom
	FieldTo
	FieldCc
	FieldBcc
	FieldSubject
)

// TextQuery asks whether a text has a string in it, in any letter case.
type TextQuery struct {
	Field TextField
	Name  string // of FieldHeader
	Text  string // UTF-8
}

// Finding is what a Searcher knows of one message.
type Finding uint8

// The findings.
const (
	FindingOpen Finding = iota // the message must be read to tell
	FindingYes                 // it has the text
	FindingNo                  // it does not
)

// Searcher answers questions about texts without reading the messages, as far as it can. Everything it leaves open is read by who
// asks, so that an answer is always complete, however far an index has come. Protocols differ in what they do with findings,
// not in what a text is.
type Searcher interface {
	// Find tells of each of an account's messages whether it answers the query, in the order of the list. Messages of other accounts and
	// unknown ones are open. An error is only for a search that is to fail; trouble with an index leaves messages open.
	Find(ctx context.Context, account AccountID, q TextQuery, of []EmailID) ([]Finding, error)
	// Emails gives the message of each UID of a mailbox, in order; UIDs must ascend. 0 stands where a UID never was or is gone.
	Emails(ctx context.Context, mailbox MailboxID, uids []uint32) ([]EmailID, error)
}

// SegmentID is a number of a Segment. It is never used twice.
type SegmentID int64

// Segment is one piece of an account's search index: two immutable values of proto/textindex over some of its messages.
type Segment struct {
	ID          SegmentID
	First, Last EmailID // its messages lie between, both included; no two segments of an account overlap
	Documents   int64   // how many messages it has
	Octets      int64   // of its parts together
}

// SearchMark is how far an account's index has come.
type SearchMark struct {
	Upto     EmailID   // messages up to here are in a segment, or were none of its when they were looked for
	Segments []Segment // by First
}

// SearchHorizon is how far the index of all accounts has come.
type SearchHorizon struct {
	Last  EmailID // the highest number given to a message
	Noted EmailID // what ChangeSegments said last: all messages up to here are indexed
}

// Arrivals are new messages of one account.
type Arrivals struct {
	Account  AccountID
	Messages int64
	First    EmailID // the lowest of them
}

// PlacedEmail is which message a UID stands for. It never changes.
type PlacedEmail struct {
	UID   uint32
	Email EmailID
}

// SegmentPart is one of a segment's values.
type SegmentPart uint8

// The parts. They are read apart: lines are small, words are not.
const (
	SegmentLines SegmentPart = iota
	SegmentWords
)

// SegmentData is a segment's values by their part. Neither may be empty.
type SegmentData [2][]byte

// SegmentChange is one step of an account's index: some segments go, one comes. It happens whole or not at all.
type SegmentChange struct {
	Account AccountID
	Drop    []SegmentID // Conflict when one is not there any more
	Put     *Segment    // ID is given by the store; nil puts none
	Data    SegmentData // of Put
	Upto    EmailID     // the new SearchMark.Upto; 0 leaves it, a negative number puts it back to the start
	Noted   EmailID     // the new SearchHorizon.Noted; 0 leaves it. With this alone, Account may be 0
}

// SearchStore keeps search indexes beside the mail they are of. EmailIDs are given in ascending order, so that what an index does
// not have yet are the messages past a number. An account's index goes with the account. No method slows deliveries down: nothing is
// written for a message but by ChangeSegments, which commits like a change set.
type SearchStore interface {
	SearchHorizon(ctx context.Context) (SearchHorizon, error)
	// Arrivals counts the messages with numbers past after and up to upto, by account. Accounts without a SearchMark are left out: most
	// people never search on the server, and nobody pays for an index they do not use.
	Arrivals(ctx context.Context, after, upto EmailID) ([]Arrivals, error)
	// AccountEmails lists the numbers past after of an account's messages, ascending.
	AccountEmails(ctx context.Context, account AccountID, after EmailID) ([]EmailID, error)
	// MailboxEmails lists which message each UID of a range stands for, by UID.
	MailboxEmails(ctx context.Context, mailbox MailboxID, in UIDRange) ([]PlacedEmail, error)
	// SearchMark tells an account's segments; an account without any, or that does not exist, has none.
	SearchMark(ctx context.Context, account AccountID) (SearchMark, error)
	// SegmentPart reads one part of a segment. NotFound once it was dropped.
	SegmentPart(ctx context.Context, id SegmentID, part SegmentPart) ([]byte, error)
	// ChangeSegments makes a step durable. NotFound (account); Conflict; Invalid when Put overlaps a segment that stays.
	ChangeSegments(ctx context.Context, c SegmentChange) error
}
