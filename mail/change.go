package mail

import "time"

// Change is one thing a ChangeSet does. The list is closed; every engine handles all of them.
type Change interface{ change() }

// AddDomain makes a domain ours. Exists.
type AddDomain struct{ Domain Domain }

// UpdateDomain replaces a domain's settings. NotFound.
type UpdateDomain struct{ Domain Domain }

// RemoveDomain gives a domain up. NotFound; Conflict while accounts or aliases have addresses in it.
type RemoveDomain struct{ Name string }

// AddAccount makes an account with its mailboxes; one with UseInbox must be among them, and their parents are made
// as needed. Exists when an account or alias has the address; NotFound when its domain is not ours. Result: Account.
type AddAccount struct {
	Account   Account // ID, Used, Messages and ModSeq are ignored
	Mailboxes []NewMailbox
}

// NewMailbox is a mailbox to be made.
type NewMailbox struct {
	Name       string
	Use        SpecialUse
	Subscribed bool
}

// UpdateAccount replaces an account's Name, Quota, Disabled and Admin. NotFound.
type UpdateAccount struct{ Account Account }

// RemoveAccount deletes an account, all its mail and all its notes. NotFound.
type RemoveAccount struct{ Account AccountID }

// PutAlias makes or replaces an alias. Exists when an account has the address; NotFound when its domain is not ours;
// Invalid without a target.
type PutAlias struct{ Alias Alias }

// RemoveAlias deletes an alias. NotFound.
type RemoveAlias struct{ Address Path }

// PutCredential adds a credential, or replaces the account's credential with the same label. NotFound.
type PutCredential struct{ Credential Credential }

// RemoveCredential deletes the account's credential with that label. NotFound.
type RemoveCredential struct {
	Account AccountID
	Label   string
}

// CreateMailbox makes a mailbox, and the levels above it that do not exist. Exists (names compare exactly, INBOX in any
// letter case), Exists also when another mailbox of the account has the same Use. Result: Mailbox, UIDValidity.
type CreateMailbox struct {
	Account AccountID
	NewMailbox
}

// RenameMailbox renames a mailbox and every one below it, and makes the levels above that do not exist.
// NotFound; Exists; Invalid for INBOX or a name below the mailbox itself.
type RenameMailbox struct {
	Account AccountID
	Mailbox MailboxID
	Name    string
}

// DeleteMailbox deletes a mailbox with its messages; those below it stay. NotFound; Denied for INBOX.
type DeleteMailbox struct {
	Account AccountID
	Mailbox MailboxID
}

// UpdateMailbox replaces a mailbox's Use and Sort. NotFound; Denied when it would give INBOX another use, or another mailbox its;
// Exists when another mailbox of the account has the Use.
type UpdateMailbox struct {
	Account AccountID
	Mailbox MailboxID
	Use     SpecialUse
	Sort    uint32
}

// Subscribe sets or clears a mailbox's subscription. NotFound.
type Subscribe struct {
	Account AccountID
	Mailbox MailboxID
	On      bool
}

// AddMessage files a body in a mailbox as a new message. NotFound (mailbox); OverQuota when CheckQuota is set and the
// account's Used would pass its Quota. Result: Mailbox, UIDValidity, UID, Email, Thread, Blob, ModSeq.
type AddMessage struct {
	Account    AccountID
	Mailbox    MailboxID
	Body       Body // several changes of a set may share one; it is stored once
	Prefix     []byte
	Summary    []byte
	Flags      Flags
	Received   time.Time
	Saved      time.Time
	Thread     ThreadKeys
	CheckQuota bool
}

// ThreadKeys say which conversation a message belongs to: that of any message of the account that has one of the
// IDs as its own or among its references, and the same base subject (RFC 8621 3, RFC 5256 2.1).
type ThreadKeys struct {
	MessageID  string   // without angle brackets, may be empty
	References []string // In-Reply-To and References, at most the last 32
	Subject    string   // base subject
}

// FlagsOp says how SetFlags combines.
type FlagsOp uint8

// The operations.
const (
	FlagsAdd FlagsOp = iota
	FlagsRemove
	FlagsReplace
)

// SetFlags changes flags of messages; a message in several mailboxes changes in all of them. UIDs that do not exist are
// passed over. Messages whose modseq is greater than UnchangedSince (when CheckModSeq) are left alone and listed.
// A message whose flags already are so keeps its modseq. NotFound (mailbox); Invalid past MaxKeywords.
// Result: Placements (of this mailbox that matched, changed or not), Unchanged, ModSeq.
type SetFlags struct {
	Account        AccountID
	Mailbox        MailboxID
	UIDs           []UIDRange
	Op             FlagsOp
	Flags          Flags
	CheckModSeq    bool
	UnchangedSince uint64
}

// Expunge removes messages from a mailbox for good and leaves tombstones. UIDs that do not exist are passed over.
// NotFound (mailbox). Result: Expunged, ModSeq.
type Expunge struct {
	Account     AccountID
	Mailbox     MailboxID
	UIDs        []UIDRange
	OnlyDeleted bool // only those with \Deleted
}

// CopyMessages copies messages to another (or the same) mailbox of the account as new messages that share the body, in
// UID order, with flags and INTERNALDATE. NotFound; OverQuota. Result: Mailbox and UIDValidity of To, Copied, ModSeq.
type CopyMessages struct {
	Account  AccountID
	From, To MailboxID
	UIDs     []UIDRange
	Saved    time.Time
}

// MoveMessages moves messages: each keeps its EmailID, gets a new UID, and leaves a tombstone (RFC 6851). One that is in To already is there once
// afterwards, under the new UID.
// NotFound. Result: Mailbox and UIDValidity of To, Copied, Expunged, ModSeq.
type MoveMessages struct {
	Account  AccountID
	From, To MailboxID
	UIDs     []UIDRange
	Saved    time.Time
}

// PlaceMessage puts a message into one more mailbox of its account, under its EmailID and with its flags and INTERNALDATE: an Email of
// JMAP in several mailboxes (RFC 8621 4.1.1). In a mailbox that has it already, nothing changes. NotFound; OverQuota, because every
// placement counts. Result: Mailbox, UIDValidity, UID, Email, Thread, ModSeq.
type PlaceMessage struct {
	Account AccountID
	Email   EmailID
	To      MailboxID
	Saved   time.Time
}

// Enqueue puts a message on its way out. Message.ID, and N of its recipients, are given by the store. A recipient whose Lease
// has an Owner and an Until is leased from the start, as if a Claim had followed at once: its Lease.ID is given by the store, and
// the jobs come back as Claimed, one for each route. Invalid when such a recipient is held.
// Result: Queue, Blob, Claimed.
type Enqueue struct {
	Message Queued // Blob is ignored
	Body    Body
}

// Claim leases up to Limit recipients that are due at Now and not leased (or whose lease has run out), earliest first, with at
// most PerRoute of one route in all leases that are running. Recipients of one message with one route come as one Job.
// Result: Claimed.
type Claim struct {
	Owner    string // node and process, for people
	Now      time.Time
	Until    time.Time
	Limit    int
	PerRoute int // 0: no bound
}

// Settle ends a job: each recipient is taken out of the queue, or put back with its next attempt. A message without
// recipients leaves the queue. Conflict when the lease is not the running one any more: nothing is changed then.
type Settle struct {
	Queue   QueueID
	Lease   LeaseID
	Results []Settlement
}

// Settlement is one recipient's part of a Settle.
type Settlement struct {
	N     int
	Done  bool      // leaves the queue; else it waits until Next
	Next  time.Time // of a recipient that is not done
	Reply string    // the remote's own words, or ours
	Delay bool      // a delay report was sent: remembered
	Spent bool      // this was an attempt: counts
	Route string    // "" leaves it
}

// QueueAct is an operator's act on queue entries. NotFound when the entry is not there. Leased recipients are acted on too:
// the lease is broken and its Settle will find a Conflict; with Unleased it is a Conflict for the act when one of them is leased at Now.
type QueueAct struct {
	Queue    QueueID
	Act      Act
	Now      time.Time
	Unleased bool
}

// Act is what a QueueAct does.
type Act uint8

// The acts.
const (
	ActRetry   Act = iota // due now
	ActHold               // not tried until released
	ActRelease            // due now, no longer held
	ActDelete             // taken out without a report
)

// Record appends an event to the trail.
type Record struct{ Event Event }

func (AddDomain) change()        {}
func (UpdateDomain) change()     {}
func (RemoveDomain) change()     {}
func (AddAccount) change()       {}
func (UpdateAccount) change()    {}
func (RemoveAccount) change()    {}
func (PutAlias) change()         {}
func (RemoveAlias) change()      {}
func (PutCredential) change()    {}
func (RemoveCredential) change() {}
func (CreateMailbox) change()    {}
func (RenameMailbox) change()    {}
func (DeleteMailbox) change()    {}
func (UpdateMailbox) change()    {}
func (Subscribe) change()        {}
func (AddMessage) change()       {}
func (SetFlags) change()         {}
func (Expunge) change()          {}
func (CopyMessages) change()     {}
func (MoveMessages) change()     {}
func (PlaceMessage) change()     {}
func (Enqueue) change()          {}
func (Claim) change()            {}
func (Settle) change()           {}
func (QueueAct) change()         {}
func (Record) change()           {}
