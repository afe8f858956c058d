package client

import "time"

// Mailbox is a place for messages (RFC 8621 2).
type Mailbox struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Parent string `json:"parentId"`
	Role   string `json:"role"` // inbox, sent, drafts, archive, junk, trash; "" for others
	Order  int    `json:"sortOrder"`
	Total  int    `json:"totalEmails"`
	Unread int    `json:"unreadEmails"`
}

// Address is a person or a program that sends or gets mail (RFC 8621 4.1.2.3).
type Address struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

// Part is a part of a message (RFC 8621 4.1.4).
type Part struct {
	ID          string `json:"partId"`
	Blob        string `json:"blobId"`
	Size        int64  `json:"size"`
	Name        string `json:"name"`
	Type        string `json:"type"`
	Charset     string `json:"charset"`
	Disposition string `json:"disposition"`
}

// Value is the text of a part.
type Value struct {
	Text    string `json:"value"`
	Problem bool   `json:"isEncodingProblem"`
	Cut     bool   `json:"isTruncated"`
}

// Email is a message (RFC 8621 4). A list has only what a line of it shows.
type Email struct {
	ID         string           `json:"id"`
	Blob       string           `json:"blobId"`
	Thread     string           `json:"threadId"`
	Mailboxes  map[string]bool  `json:"mailboxIds"`
	Keywords   map[string]bool  `json:"keywords"`
	Size       int64            `json:"size"`
	Received   time.Time        `json:"receivedAt"`
	MessageID  []string         `json:"messageId"`
	InReplyTo  []string         `json:"inReplyTo"`
	References []string         `json:"references"`
	From       []Address        `json:"from"`
	To         []Address        `json:"to"`
	Cc         []Address        `json:"cc"`
	Bcc        []Address        `json:"bcc"`
	ReplyTo    []Address        `json:"replyTo"`
	Subject    string           `json:"subject"`
	Sent       string           `json:"sentAt"` // as the sender wrote it (RFC 3339); "" where there is none
	Attached   bool             `json:"hasAttachment"`
	Preview    string           `json:"preview"`
	Text       []Part           `json:"textBody"`
	HTML       []Part           `json:"htmlBody"`
	Files      []Part           `json:"attachments"`
	Values     map[string]Value `json:"bodyValues"`
}

// Keywords with a meaning (RFC 8621 4.1.1).
const (
	Seen      = "$seen"
	Flagged   = "$flagged"
	Answered  = "$answered"
	Forwarded = "$forwarded"
	Draft     = "$draft"
)

// Identity is who somebody sends as (RFC 8621 6).
type Identity struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	ReplyTo   []Address `json:"replyTo"`
	Bcc       []Address `json:"bcc"`
	Signature string    `json:"textSignature"`
}

// Delivery is what became of one recipient (RFC 8621 7).
type Delivery struct {
	Reply     string `json:"smtpReply"`
	Delivered string `json:"delivered"` // queued, yes, no, unknown: handed to a host that does not tell
}

// Final reports an outcome that will not change: no further attempt is made.
func (d Delivery) Final() bool { return d.Delivered != "" && d.Delivered != "queued" }

// Submission is a message that was handed over to be sent (RFC 8621 7).
type Submission struct {
	ID       string              `json:"id"`
	Email    string              `json:"emailId"`
	Undo     string              `json:"undoStatus"`
	Delivery map[string]Delivery `json:"deliveryStatus"`
}

// Final reports whether every recipient has an outcome.
func (s *Submission) Final() bool {
	for _, d := range s.Delivery {
		if !d.Final() {
			return false
		}
	}
	return len(s.Delivery) > 0
}
