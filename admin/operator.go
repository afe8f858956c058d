package admin

import (
	"context"
	"io"
)

// Operator is everything an operator can do. Operations does it; httpapi.Client asks a running server to.
type Operator interface {
	DomainOperator
	AccountOperator
	AliasOperator
	QueueOperator
	MessageOperator
	ExportOperator
	TrustOperator
	SystemOperator
	PageOperator
	AuditOperator
}

// DomainOperator looks after the domains that are ours.
type DomainOperator interface {
	// AddDomain makes a domain ours. Exists.
	AddDomain(ctx context.Context, r NewDomain) (Domain, error)
	// Domains lists the domains by name.
	Domains(ctx context.Context, r Nothing) (DomainList, error)
	// UpdateDomain changes a domain's settings. NotFound.
	UpdateDomain(ctx context.Context, r DomainUpdate) (Domain, error)
	// RemoveDomain gives a domain up. NotFound; Conflict while it has accounts or aliases.
	RemoveDomain(ctx context.Context, r DomainName) (Domain, error)
}

// AccountOperator looks after accounts.
type AccountOperator interface {
	// AddAccount makes an account. Exists; NotFound when its domain is not ours.
	AddAccount(ctx context.Context, r NewAccount) (AddedAccount, error)
	// Accounts lists accounts by address.
	Accounts(ctx context.Context, r AccountFilter) (AccountList, error)
	// Account shows one account with what belongs to it. NotFound.
	Account(ctx context.Context, r AccountName) (AccountDetail, error)
	// UpdateAccount changes an account's settings. NotFound.
	UpdateAccount(ctx context.Context, r AccountUpdate) (Account, error)
	// SetPassword replaces an account's password. NotFound.
	SetPassword(ctx context.Context, r PasswordChange) (PasswordChanged, error)
	// RemoveAccount deletes an account and all its mail. NotFound.
	RemoveAccount(ctx context.Context, r AccountName) (Account, error)
}

// AliasOperator looks after aliases.
type AliasOperator interface {
	// AddAlias makes an alias. Exists; NotFound when its domain is not ours.
	AddAlias(ctx context.Context, r NewAlias) (Alias, error)
	// Aliases lists aliases by address.
	Aliases(ctx context.Context, r AliasFilter) (AliasList, error)
	// Alias shows an alias and what each of its targets is. NotFound.
	Alias(ctx context.Context, r AliasName) (Alias, error)
	// CheckAlias says what AddAlias would make, and what speaks against it, and changes nothing.
	CheckAlias(ctx context.Context, r NewAlias) (Alias, error)
	// UpdateAlias has targets come and go. NotFound.
	UpdateAlias(ctx context.Context, r AliasUpdate) (Alias, error)
	// RemoveAlias deletes an alias. NotFound.
	RemoveAlias(ctx context.Context, r AliasName) (Alias, error)
}

// QueueOperator looks after mail on its way out.
type QueueOperator interface {
	// Queued lists messages by number.
	Queued(ctx context.Context, r QueueFilter) (QueueList, error)
	// QueuedMessage shows one message. NotFound.
	QueuedMessage(ctx context.Context, r QueueNumber) (QueueEntry, error)
	// ActOnQueue does something to messages. NotFound when none of those named is there.
	ActOnQueue(ctx context.Context, r QueueAction) (QueueActed, error)
}

// MessageOperator follows and sends messages.
type MessageOperator interface {
	// Trace shows the whole way of messages. NotFound when nothing is known.
	Trace(ctx context.Context, r TraceQuery) (TraceReport, error)
	// Send hands in a message as one of our accounts. Lines may end in LF or CRLF.
	Send(ctx context.Context, r SendRequest, message io.Reader) (Sent, error)
}

// TrustOperator looks after what makes others believe our mail, and keeps guessers out.
type TrustOperator interface {
	// Records lists what a domain must have in the DNS. NotFound when it is not ours.
	Records(ctx context.Context, r RecordsFor) (RecordList, error)
	// Publish writes it there. Unavailable where [publish] names no provider.
	Publish(ctx context.Context, r RecordsFor) (RecordList, error)
	// Examine makes doctor's checks of a domain, or of all.
	Examine(ctx context.Context, r Examination) (Diagnosis, error)
	// Keys lists a domain's DKIM keys, which are made where there are none; RotateKeys begins to change them.
	Keys(ctx context.Context, r DomainName) (KeyList, error)
	RotateKeys(ctx context.Context, r DomainName) (Rotation, error)
	// Bans lists who is kept out; Unban lets somebody in.
	Bans(ctx context.Context, r Nothing) (BanList, error)
	Unban(ctx context.Context, r BanName) (BanList, error)
	// Reports lists what others told of our domains.
	Reports(ctx context.Context, r ReportFilter) (ReportList, error)
}

// SystemOperator looks at the system itself.
type SystemOperator interface {
	// Status tells how the system is.
	Status(ctx context.Context, r Nothing) (Status, error)
	// Verify reads everything that is stored and names what is damaged. progress, where given, is called now and
	// then, by one goroutine at a time.
	Verify(ctx context.Context, r VerifyRequest, progress func(Progress)) (VerifyReport, error)
	// Compact gives the room of deleted mail back to the disk.
	Compact(ctx context.Context, r Nothing) (CompactReport, error)
	// Watch is Examine that tells what it finds as it finds it. progress, where given, is called by one goroutine at a time.
	Watch(ctx context.Context, r Examination, progress func(Progress)) (Diagnosis, error)
}

// PageOperator shows what the pages of administration have beyond lists.
type PageOperator interface {
	// Charts sums by day: what others reported of our mail and of TLS to us, and how much mail there was.
	Charts(ctx context.Context, r ChartQuery) (Charts, error)
	// Certificates lists those that clients are shown, and the names that have none yet. Unavailable when no server runs.
	Certificates(ctx context.Context, r Nothing) (CertificateList, error)
	// Nodes lists the processes of the system.
	Nodes(ctx context.Context, r Nothing) (NodeList, error)
	// Limits tells what is set and who is near it.
	Limits(ctx context.Context, r Nothing) (LimitReport, error)
}

// AuditOperator tells what operators did.
type AuditOperator interface {
	// Audit lists records of acts, the latest first.
	Audit(ctx context.Context, r AuditFilter) (AuditList, error)
}

// Nothing is the request of an operation that needs to be told nothing.
type Nothing struct{}
