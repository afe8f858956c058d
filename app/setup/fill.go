package setup

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/records"
)

// fill makes the domain, the account and the keys, tells the records, and publishes them where that is configured.
func (r *run) fill(ctx context.Context) (err error) {
	if err := r.disk.before("open"); err != nil {
		return err
	}
	r.con.Doing("opening the store")
	system, err := r.open(ctx, r.cfg)
	if err != nil {
		return errors.Join(err, r.disk.giveAll(r.o.Data, r.owner))
	}
	defer func() {
		// What was made here belongs to the server's user, also after a failure: a run that is broken off before this is
		// followed by another, which comes here again.
		err = errors.Join(err, system.Close(), r.disk.giveAll(r.o.Data, r.owner))
	}()
	r.con.Title("Making " + r.domain)
	made, err := system.EnsureDomain(ctx, r.domain)
	if err != nil {
		return err
	}
	r.done("domain-made", r.domain+" is "+either(made, "a domain of ours from now on", "a domain of ours already"))
	if err := r.account(ctx, system); err != nil {
		return err
	}
	if err := r.aliases(ctx, system); err != nil {
		return err
	}
	if err := r.disk.before("keys"); err != nil {
		return err
	}
	r.con.Doing("making DKIM keys")
	if made, err = system.EnsureKeys(ctx, r.domain); err != nil {
		return err
	}
	r.done("keys", "DKIM keys (RSA and Ed25519, each with a spare) "+either(made, "were made", "are there already"))
	if r.report.Records, err = system.Records(ctx, r.domain, r.report.Addresses); err != nil {
		return err
	}
	return r.tellRecords(ctx, system)
}

// either tells whether this run made something.
func either(made bool, now, before string) string {
	if made {
		return now
	}
	return before
}

// pending is the account whose password was made up and not shown yet.
type pending struct {
	Address  string `json:"address"`
	Password string `json:"password"`
}

// pendingPath is where it waits.
func (r *run) pendingPath() string { return filepath.Join(r.o.Data, "setup-password") }

// account makes the first account, where the person in charge has an address in the domain.
func (r *run) account(ctx context.Context, system System) error {
	if !within(r.admin, r.domain) {
		r.tell(Step{Name: "account", Level: Note, Text: r.admin + " is not in " + r.domain + ", so no account was made",
			Remedy: "Make accounts with: " + r.command("account add somebody@"+r.domain)})
		return nil
	}
	p := pending{Address: r.admin, Password: r.o.Password}
	waits := false
	if p.Password == "" {
		var err error
		if p, waits, err = r.waitingPassword(); err != nil {
			return err
		}
	}
	if err := r.disk.before("account"); err != nil {
		return err
	}
	made, err := system.EnsureAccount(ctx, p.Address, p.Password)
	if err != nil {
		return err
	}
	if err := r.disk.before("password shown"); err != nil {
		return err
	}
	r.report.Account = &Account{Address: p.Address, Made: made}
	switch {
	case r.o.Password != "" && made:
		r.done("account", "the account "+p.Address+" was made, with the password that was given")
	case !made && !waits:
		r.done("account", "the account "+p.Address+" is there already; a new password is set with: "+r.command("account set-password "+p.Address))
	default:
		r.report.Account.Password = p.Password
		r.done("account", "the account "+p.Address+" was made"+either(made, "", " by the run before, which was broken off"))
		r.con.Say("\n    Address:  " + p.Address + "\n    Password: " + p.Password + "\n    It is not shown again.\n")
	}
	return r.disk.remove(r.pendingPath())
}

// waitingPassword makes up a password and keeps it until it was shown, so that a run that is broken off loses none. waits says that it is
// one of an earlier run, for an account that may have been made with it.
func (r *run) waitingPassword() (p pending, waits bool, err error) {
	text, there, err := r.disk.read(r.pendingPath())
	if err != nil {
		return p, false, err
	}
	if there && json.Unmarshal(text, &p) == nil && p.Address == r.admin && p.Password != "" {
		return p, true, nil
	}
	p = pending{Address: r.admin, Password: r.host.Password()}
	line, err := json.Marshal(p)
	if err != nil {
		return p, false, err
	}
	return p, false, r.disk.write(r.pendingPath(), string(line)+"\n", 0o600, r.owner)
}

// aliases leads the addresses that every domain must have to the person in charge. RFC 2142 4 and 5.
func (r *run) aliases(ctx context.Context, system System) error {
	var made, there []string
	for _, name := range []string{"postmaster", "abuse", "dmarc", "tlsrpt"} {
		address := name + "@" + r.domain
		if address == r.admin {
			continue
		}
		if err := r.disk.before("alias " + name); err != nil {
			return err
		}
		isNew, err := system.EnsureAlias(ctx, address, r.admin)
		if err != nil {
			return err
		}
		if isNew {
			made = append(made, name+"@")
		} else {
			there = append(there, name+"@")
		}
	}
	var parts []string
	if len(made) > 0 {
		parts = append(parts, strings.Join(made, ", ")+" lead to "+r.admin)
	}
	if len(there) > 0 {
		parts = append(parts, strings.Join(there, ", ")+" are there already")
	}
	r.done("aliases", strings.Join(parts, "; "))
	return nil
}

// tellRecords shows the records, writes them as a zone file, and publishes them.
func (r *run) tellRecords(ctx context.Context, system System) error {
	r.con.Title("DNS records")
	var table, zone strings.Builder
	if err := errors.Join(records.Table(&table, r.report.Records), records.WriteZone(&zone, r.report.Records)); err != nil {
		return err
	}
	r.con.Say(table.String())
	r.report.Zone = filepath.Join(r.o.Data, r.domain+".zone")
	old, there, err := r.disk.read(r.report.Zone)
	if err != nil {
		return err
	}
	action := Unchanged
	if !there || string(old) != zone.String() {
		if err := r.disk.write(r.report.Zone, zone.String(), 0o644, r.owner); err != nil {
			return err
		}
		if action = Written; there {
			action = Replaced
		}
	}
	r.report.Files = append(r.report.Files, File{r.report.Zone, action})
	r.done("zone", "the same as a zone file is in "+r.report.Zone)
	if r.cfg.Publish.Provider == "" {
		r.needsPublishing = true
		return nil
	}
	if err := r.disk.before("publish"); err != nil {
		return err
	}
	r.con.Doing("publishing through " + r.cfg.Publish.Provider)
	said, err := system.Publish(ctx, r.report.Records)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.needsPublishing = true
		r.tell(Step{Name: "publish", Level: Fail, Text: "the records could not be published: " + short(mail.Sentence(err)),
			Remedy: "See whether [publish] in the configuration is right, and run setup again; or publish them by hand."})
		return nil
	}
	r.report.Published = true
	r.done("publish", said)
	return nil
}

// defaultWait is how long published records are waited for, and lookEvery how often they are looked for.
const (
	defaultWait = 3 * time.Minute
	lookEvery   = 5 * time.Second
)

// await waits until published records are seen.
func (r *run) await(ctx context.Context) error {
	wait := r.o.Wait
	if wait == 0 {
		wait = defaultWait
	}
	if !r.report.Published {
		r.already(ctx)
		return ctx.Err()
	}
	if wait < 0 {
		return nil
	}
	own := r.own()
	end := r.host.Clock.Now().Add(wait)
	for untold := 0; ; {
		open, unknown := r.look(ctx, own)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(open) == 0 && unknown > 0 {
			untold++
		}
		switch {
		case len(open) == 0 && unknown == 0:
			r.report.Visible = true
			r.done("visible", "all published records can be seen in the DNS")
			return nil
		case len(open) == 0 && untold == 3:
			r.done("visible", "the published records can be seen in the DNS, as far as this resolver can tell")
			return nil
		case !r.host.Clock.Now().Before(end):
			r.tell(Step{Name: "visible", Level: Warn, Text: seen(len(own)-len(open)-unknown, len(own)) + firstOpen(open),
				Remedy: "Name servers may need a while; look again later with: " + r.command("doctor "+r.domain)})
			return nil
		}
		r.con.Doing(seen(len(own)-len(open)-unknown, len(own)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.host.Clock.After(lookEvery):
		}
	}
}

// own are the records that are in our hands.
func (r *run) own() (own []records.Record) {
	for _, rec := range r.report.Records {
		if rec.Zone != "" {
			own = append(own, rec)
		}
	}
	return own
}

// look compares records with the live DNS: those that are not as they should be, and how many cannot be told.
func (r *run) look(ctx context.Context, own []records.Record) (open []records.Difference, unknown int) {
	for _, d := range records.Compare(ctx, records.Plain(r.names), own) {
		switch d.Kind {
		case records.Missing, records.Differs:
			open = append(open, d)
		case records.Unknown:
			unknown++
		}
	}
	return open, unknown
}

// already looks once how many of the records that a person publishes are there.
func (r *run) already(ctx context.Context) {
	if r.o.SkipChecks {
		return
	}
	r.con.Doing("looking for the records in the DNS")
	limited, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	own := r.own()
	open, unknown := r.look(limited, own)
	switch {
	case ctx.Err() != nil:
	case len(open) == 0 && unknown == 0:
		r.needsPublishing, r.report.Visible = false, true
		r.done("visible", "all of the records can be seen in the DNS already")
	default:
		r.tell(Step{Name: "visible", Level: Note, Text: seen(len(own)-len(open)-unknown, len(own)) + firstOpen(open) + untold(unknown)})
	}
}
