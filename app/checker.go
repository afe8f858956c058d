package app

import (
	"context"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/store"
)

// checker looks after the store for the operator. It implements admin.Checker.
type checker struct{ store *store.Store }

// Verify implements admin.Checker: the rules of the index alone when quick, else every page and every body.
func (c checker) Verify(ctx context.Context, r admin.VerifyRequest, progress func(admin.Progress)) (admin.VerifyReport, error) {
	began := time.Now()
	var faults []store.Fault
	var err error
	var octets int64
	if r.Quick {
		faults = c.store.Breaches(ctx)
	} else {
		faults, err = c.store.Verify(ctx, func(p store.Progress) {
			octets = p.Done
			if progress != nil {
				progress(admin.Progress{Stage: "bodies", Done: p.Done, Total: p.Total})
			}
		})
	}
	if err != nil {
		return admin.VerifyReport{}, err
	}
	out := admin.VerifyReport{Damage: []string{}, Seconds: time.Since(began).Seconds()}
	for _, f := range faults {
		out.Damage = append(out.Damage, f.Text)
	}
	accounts, err := c.store.Accounts(ctx, "")
	if err != nil {
		return out, err
	}
	var messages int64
	for _, a := range accounts {
		messages += a.Messages
	}
	out.Checked = []admin.Checked{{What: "accounts", Count: int64(len(accounts))}, {What: "messages", Count: messages}}
	if !r.Quick {
		out.Checked = append(out.Checked, admin.Checked{What: "octets of bodies", Count: octets})
	}
	return out, nil
}

// Compact implements admin.Checker.
func (c checker) Compact(ctx context.Context) (admin.CompactReport, error) {
	freed, err := c.store.Compact(ctx)
	return admin.CompactReport{Freed: freed}, err
}
