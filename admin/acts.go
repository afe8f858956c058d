package admin

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/postrider/postrider/admin/audit"
	"github.com/postrider/postrider/service/export"
	"github.com/postrider/postrider/service/seal"
)

// This file has every operation that changes something, so that each is recorded: what it does is in the function of the same name, in
// lower case.

// Actor is who asks for an operation, as the audit log has it.
type Actor = audit.Actor

// As gives a context in which the actor asks. Without one it is the user that runs the process.
func As(ctx context.Context, a Actor) context.Context { return audit.As(ctx, a) }

// AuditFilter selects records of acts, AuditList is some of them, and AuditEntry one.
type (
	AuditFilter = audit.Filter
	AuditList   = audit.List
	AuditEntry  = audit.Entry
)

// Audit implements AuditOperator.
func (o *Operations) Audit(ctx context.Context, r AuditFilter) (AuditList, error) {
	return o.audit.List(ctx, r)
}

// acted does an act and records it.
func acted[Q, A any](ctx context.Context, o *Operations, w audit.What, do func(context.Context, Q) (A, error), r Q) (reply A, err error) {
	err = o.audit.Do(ctx, w, func(ctx context.Context) (err error) {
		reply, err = do(ctx, r)
		return err
	})
	return reply, err
}

// whose is an address as records have it: canonical, or as it was given when it is none.
func whose(s string) string {
	if path, err := ours(s); err == nil {
		return string(path)
	}
	return s
}

// which is the same of a domain.
func which(s string) string {
	if name, err := domainName(s); err == nil {
		return name
	}
	return s
}

// words says what was asked for: the formatted of those that were.
type words []string

func (w *words) add(asked bool, format string, args ...any) {
	if asked {
		*w = append(*w, fmt.Sprintf(format, args...))
	}
}

func (w words) String() string { return strings.Join(w, ", ") }

// shortly lists a few of many.
func shortly(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// AddDomain implements DomainOperator.
func (o *Operations) AddDomain(ctx context.Context, r NewDomain) (Domain, error) {
	var w words
	w.add(r.CatchAll != "", "catch-all to %s", r.CatchAll)
	return acted(ctx, o, audit.What{Act: "domain.add", Subject: which(r.Name), Asked: w.String()}, o.addDomain, r)
}

// UpdateDomain implements DomainOperator.
func (o *Operations) UpdateDomain(ctx context.Context, r DomainUpdate) (Domain, error) {
	var w words
	if r.CatchAll != nil {
		w.add(*r.CatchAll == "", "no catch-all")
		w.add(*r.CatchAll != "", "catch-all to %s", *r.CatchAll)
	}
	return acted(ctx, o, audit.What{Act: "domain.update", Subject: which(r.Name), Asked: w.String()}, o.updateDomain, r)
}

// RemoveDomain implements DomainOperator.
func (o *Operations) RemoveDomain(ctx context.Context, r DomainName) (Domain, error) {
	return acted(ctx, o, audit.What{Act: "domain.remove", Subject: which(r.Name)}, o.removeDomain, r)
}

// AddAccount implements AccountOperator.
func (o *Operations) AddAccount(ctx context.Context, r NewAccount) (AddedAccount, error) {
	var w words
	w.add(r.Name != "", "name %q", r.Name)
	w.add(r.Quota != nil, "quota %d", value(r.Quota))
	w.add(r.Admin, "may administer")
	w.add(r.CreateDomain, "with its domain")
	return acted(ctx, o, audit.What{Act: "account.add", Subject: whose(r.Address), Asked: w.String()}, o.addAccount, r)
}

// UpdateAccount implements AccountOperator.
func (o *Operations) UpdateAccount(ctx context.Context, r AccountUpdate) (Account, error) {
	var w words
	w.add(r.Name != nil, "name %q", value(r.Name))
	w.add(r.Quota != nil, "quota %d", value(r.Quota))
	w.add(r.Disabled != nil && *r.Disabled, "disabled")
	w.add(r.Disabled != nil && !*r.Disabled, "enabled")
	w.add(r.Admin != nil && *r.Admin, "may administer")
	w.add(r.Admin != nil && !*r.Admin, "may not administer")
	return acted(ctx, o, audit.What{Act: "account.update", Subject: whose(r.Address), Asked: w.String()}, o.updateAccount, r)
}

// value is what a pointer leads to, or nothing.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// SetPassword implements AccountOperator.
func (o *Operations) SetPassword(ctx context.Context, r PasswordChange) (PasswordChanged, error) {
	asked := "one that was given"
	if r.Password == "" {
		asked = "one that is made up"
	}
	return acted(ctx, o, audit.What{Act: "account.password", Subject: whose(r.Address), Asked: asked}, o.setPassword, r)
}

// RemoveAccount implements AccountOperator.
func (o *Operations) RemoveAccount(ctx context.Context, r AccountName) (Account, error) {
	return acted(ctx, o, audit.What{Act: "account.remove", Subject: whose(r.Address)}, o.removeAccount, r)
}

// AddAlias implements AliasOperator.
func (o *Operations) AddAlias(ctx context.Context, r NewAlias) (Alias, error) {
	w := words{"to " + shortly(r.Targets)}
	w.add(r.Replace, "in place of what there is")
	return acted(ctx, o, audit.What{Act: "alias.add", Subject: whose(r.Address), Asked: w.String()}, o.addAlias, r)
}

// UpdateAlias implements AliasOperator.
func (o *Operations) UpdateAlias(ctx context.Context, r AliasUpdate) (Alias, error) {
	var w words
	w.add(len(r.Add) > 0, "with %s", shortly(r.Add))
	w.add(len(r.Remove) > 0, "without %s", shortly(r.Remove))
	return acted(ctx, o, audit.What{Act: "alias.update", Subject: whose(r.Address), Asked: w.String()}, o.updateAlias, r)
}

// RemoveAlias implements AliasOperator.
func (o *Operations) RemoveAlias(ctx context.Context, r AliasName) (Alias, error) {
	return acted(ctx, o, audit.What{Act: "alias.remove", Subject: whose(r.Address)}, o.removeAlias, r)
}

// ActOnQueue implements QueueOperator.
func (o *Operations) ActOnQueue(ctx context.Context, r QueueAction) (QueueActed, error) {
	var w words
	w.add(len(r.IDs) > 0, "messages %s", shortly(numbers(r.IDs)))
	w.add(r.All, "all")
	w.add(r.Address != "", "of or for %s", r.Address)
	w.add(r.Domain != "", "for %s", r.Domain)
	return acted(ctx, o, audit.What{Act: "queue." + actName(r.Act), Asked: w.String()}, o.actOnQueue, r)
}

func actName(s string) string {
	if _, ok := acts[s]; ok {
		return s
	}
	return "act"
}

func numbers(ids []int64) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = fmt.Sprint(id)
	}
	return out
}

// Send implements MessageOperator.
func (o *Operations) Send(ctx context.Context, r SendRequest, message io.Reader) (Sent, error) {
	w := words{"to " + shortly(r.To)}
	w.add(r.From != "", "from %s", r.From)
	return acted(ctx, o, audit.What{Act: "message.send", Subject: whose(r.Account), Asked: w.String(), Outside: true}, func(ctx context.Context, r SendRequest) (Sent, error) {
		sent, err := o.send(ctx, r, message)
		if err == nil {
			audit.Tell(ctx, "trace "+sent.Trace)
		}
		return sent, err
	}, r)
}

// Export implements ExportOperator. It changes nothing, and is recorded because mail leaves its owner's hands.
func (o *Operations) Export(ctx context.Context, r ExportRequest, sink export.Sink) error {
	w := words{}
	w.add(r.All, "of all accounts")
	w.add(len(r.Mailboxes) > 0, "only %s", shortly(r.Mailboxes))
	names := make([]string, len(r.Accounts))
	for i, s := range r.Accounts {
		names[i] = whose(s)
	}
	_, err := acted(ctx, o, audit.What{Act: "mail.export", Subject: shortly(names), Asked: w.String(), Outside: true}, func(ctx context.Context, r ExportRequest) (Nothing, error) {
		return Nothing{}, o.export(ctx, r, sink)
	}, r)
	return err
}

// Publish implements TrustOperator.
func (o *Operations) Publish(ctx context.Context, r RecordsFor) (RecordList, error) {
	return acted(ctx, o, audit.What{Act: "dns.publish", Subject: which(r.Name), Outside: true}, func(ctx context.Context, r RecordsFor) (RecordList, error) {
		list, err := o.publish(ctx, r)
		audit.Tell(ctx, shortly(list.Changed))
		return list, err
	}, r)
}

// RotateKeys implements TrustOperator.
func (o *Operations) RotateKeys(ctx context.Context, r DomainName) (Rotation, error) {
	return acted(ctx, o, audit.What{Act: "dkim.rotate", Subject: which(r.Name), Outside: true}, func(ctx context.Context, r DomainName) (Rotation, error) {
		rotation, err := o.rotateKeys(ctx, r)
		audit.Tell(ctx, shortly(append(rotation.Done, rotation.Waiting...)))
		return rotation, err
	}, r)
}

// makeKeys makes the keys of a domain that has none, and gives them. Where mail is not signed there are none after it, and no record.
func (o *Operations) makeKeys(ctx context.Context, name string) ([]seal.Key, error) {
	return acted(ctx, o, audit.What{Act: "dkim.make", Subject: name}, func(ctx context.Context, name string) ([]seal.Key, error) {
		if err := o.p.Trust.Ensure(ctx, name); err != nil {
			return nil, err
		}
		keys, err := o.p.Trust.Keys(ctx, name)
		if len(keys) == 0 {
			audit.Idle(ctx)
		}
		return keys, err
	}, name)
}

// Unban implements TrustOperator.
func (o *Operations) Unban(ctx context.Context, r BanName) (BanList, error) {
	return acted(ctx, o, audit.What{Act: "ban.remove", Subject: r.Prefix, Outside: true}, o.unban, r)
}

// Compact implements SystemOperator.
func (o *Operations) Compact(ctx context.Context, r Nothing) (CompactReport, error) {
	return acted(ctx, o, audit.What{Act: "store.compact", Outside: true}, func(ctx context.Context, r Nothing) (CompactReport, error) {
		report, err := o.compact(ctx, r)
		if err == nil {
			audit.Tell(ctx, fmt.Sprintf("%d octets were freed", report.Freed))
		}
		return report, err
	}, r)
}
