package admin

import (
	"context"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
)

// ExportOperator carries mail out.
type ExportOperator interface {
	// Export hands mail to the sink, which takes it as it comes. What cannot be read is handed to it as export.Missing and ends nothing.
	// NotFound when an account, or every mailbox named, does not exist.
	Export(ctx context.Context, r ExportRequest, sink export.Sink) error
}

// ExportRequest says whose mail is exported. What is streamed are the types of service/export, whose JSON names are as
// lasting as those here.
type ExportRequest struct {
	Accounts  []string `json:"accounts,omitempty"` // addresses
	All       bool     `json:"all,omitempty"`      // in place of Accounts: everybody's
	Mailboxes []string `json:"mailboxes,omitempty"`
}

func (o *Operations) export(ctx context.Context, r ExportRequest, sink export.Sink) error {
	if o.p.Blobs == nil {
		return mail.Errorf(mail.Unavailable, "this store has no bodies to export")
	}
	sel := export.Selection{Mailboxes: r.Mailboxes}
	switch {
	case r.All && len(r.Accounts) > 0:
		return mail.Errorf(mail.Invalid, "ask for some accounts or for all, not for both")
	case r.All:
		accounts, err := o.p.Directory.Accounts(ctx, "")
		if err != nil {
			return err
		}
		sel.Accounts = accounts
	case len(r.Accounts) == 0:
		return mail.Errorf(mail.Invalid, "name the accounts to export, or ask for all")
	}
	for _, address := range r.Accounts {
		a, err := o.account(ctx, address)
		if err != nil {
			return err
		}
		sel.Accounts = append(sel.Accounts, a)
	}
	return export.Walk(ctx, export.Source{Mailboxes: o.p.Mailboxes, Bodies: o.p.Blobs}, sel, sink)
}
