package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
)

// unopened is the error of a store that does not open for its damage. It says what can be done.
type unopened struct {
	cfg   config.Config
	cause error
}

func (u *unopened) Error() string {
	return fmt.Sprintf("%v. See what is damaged with: postrider verify --data %s; get out what can be read with: postrider export --salvage %s DIR",
		u.cause, u.cfg.Data, u.cfg.Data)
}

func (u *unopened) Unwrap() error { return u.cause }

// damaged tells a store that does not open for its damage from other troubles.
func damaged(cfg config.Config, err error) error {
	if err == nil || !beyondOpening(cfg, err) {
		return err
	}
	return &unopened{cfg, err}
}

// beyondOpening reports that a store did not open because its index is damaged, or missing beside packs.
func beyondOpening(cfg config.Config, err error) bool {
	if store.IsDamage(err) {
		return true
	}
	_, index := os.Stat(filepath.Join(cfg.Data, "store.db"))
	_, packs := os.Stat(filepath.Join(cfg.Data, "packs"))
	return mail.Is(err, mail.Conflict) && errors.Is(index, os.ErrNotExist) && packs == nil
}

// survey is verify for a store that does not open.
func (s *session) survey(ctx context.Context, cfg config.Config, cause error) error {
	scratch, err := os.MkdirTemp("", "postrider-verify-")
	if err != nil {
		return errors.Join(cause, err)
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a directory for passing things
	began := s.Now()
	line := s.progress()
	list, err := store.Survey(ctx, cfg.Data, scratch, salvageProgress(line))
	line.end()
	if err != nil {
		return errors.Join(cause, err)
	}
	report := admin.VerifyReport{Checked: []admin.Checked{}, Damage: append([]string{"the store does not open: " + cause.Error()}, list...), Seconds: s.Now().Sub(began).Seconds()}
	err = s.show(report, func(w io.Writer) {
		s.verifyText(w, report)
		fmt.Fprintf(w, "The server cannot start with this index. Put the whole directory back from a backup, or get out what can be read with:\n  postrider export --salvage %s DIR\n", cfg.Data)
	})
	if err != nil {
		return err
	}
	return silent{codeFailed}
}

func salvageProgress(line *progress) func(store.SalvageProgress) {
	return func(p store.SalvageProgress) {
		line.tell(admin.Progress{Stage: p.Stage, Done: p.Done, Total: p.Total})
	}
}

// runSalvage gets everything out of a damaged data directory that can be read: mail as export does, and beside it who there was, the queue, and
// bodies that stand in no mailbox.
func (s *session) runSalvage(ctx context.Context, e exporting, data, dir string) error {
	w, end, err := s.exportWriter(e, dir)
	if err != nil {
		return err
	}
	defer end()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return mail.Errorf(mail.Unavailable, "the export cannot be written: %w", err)
	}
	scratch, err := os.MkdirTemp(dir, export.ScratchPrefix)
	if err != nil {
		return mail.Errorf(mail.Unavailable, "the export cannot be written: %w", err)
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a directory for passing things
	line := s.progress()
	found, err := store.OpenSalvage(ctx, data, scratch, salvageProgress(line))
	line.end()
	if err != nil {
		return err
	}
	defer found.Close() //nolint:errcheck // it was only read
	accounts, err := found.Accounts(ctx)
	if err != nil {
		return err
	}
	if err := export.Walk(ctx, export.Source{Mailboxes: found, Bodies: found}, export.Selection{Accounts: accounts}, w); err != nil {
		return err
	}
	for _, f := range found.Faults() {
		if err := w.Missing(export.Missing{Reason: f}); err != nil {
			return err
		}
	}
	r := &rescue{ctx: ctx, found: found, w: w}
	if err := errors.Join(r.people(accounts), r.queue(), r.lost()); err != nil {
		return err
	}
	end()
	return s.exported(w)
}

// rescue writes what is no mailbox.
type rescue struct {
	ctx   context.Context
	found *store.Salvage
	w     *export.Writer
}

// people writes who there was. Passwords are not exported: they are set anew.
func (r *rescue) people(accounts []mail.Account) error {
	if !r.found.Indexed() {
		return nil
	}
	type account struct {
		Address  string `json:"address"`
		Name     string `json:"name,omitempty"`
		Quota    int64  `json:"quota"`
		Disabled bool   `json:"disabled,omitempty"`
	}
	type alias struct {
		Address string   `json:"address"`
		Targets []string `json:"targets"`
	}
	out := struct {
		Domains  []string  `json:"domains"`
		Accounts []account `json:"accounts"`
		Aliases  []alias   `json:"aliases"`
	}{Domains: []string{}, Accounts: []account{}, Aliases: []alias{}}
	domains, err := r.found.Domains(r.ctx)
	if err != nil {
		return err
	}
	aliases, err := r.found.Aliases(r.ctx)
	if err != nil {
		return err
	}
	for _, d := range domains {
		out.Domains = append(out.Domains, d.Name)
	}
	for _, a := range accounts {
		out.Accounts = append(out.Accounts, account{string(a.Address), a.Name, a.Quota, a.Disabled})
	}
	for _, a := range aliases {
		v := alias{Address: string(a.Address), Targets: []string{}}
		for _, t := range a.Targets {
			v.Targets = append(v.Targets, string(t))
		}
		out.Aliases = append(out.Aliases, v)
	}
	return r.w.Extra("directory.json", func(f io.Writer) error {
		e := json.NewEncoder(f)
		e.SetIndent("", "  ")
		return e.Encode(out)
	})
}

// queue writes the mail that was on its way out, and beside it a line for each message with its sender and who has not got it.
func (r *rescue) queue() error {
	waiting, err := r.found.Waiting(r.ctx)
	if err != nil || len(waiting) == 0 {
		return err
	}
	var lines bytes.Buffer
	for _, q := range waiting {
		name := fmt.Sprintf("queue/%08d.eml", q.ID)
		to := make([]string, len(q.Recipients))
		for i, rcpt := range q.Recipients {
			to[i] = string(rcpt.Address)
		}
		err := r.copyOut(name, q.Prefix, func() (io.ReadCloser, error) { return r.found.Open(r.ctx, q.Blob) })
		if err != nil {
			if err := r.unread(err, export.Missing{Reason: fmt.Sprintf("queue entry %d from %s: %v", q.ID, sender(string(q.From)), err)}); err != nil {
				return err
			}
			name = ""
		}
		line, err := json.Marshal(struct {
			File    string    `json:"file,omitempty"`
			Trace   string    `json:"trace"`
			From    string    `json:"from"`
			To      []string  `json:"to"`
			Created time.Time `json:"created"`
		}{filepath.Base(name), string(q.Trace), string(q.From), to, q.Created})
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	r.w.Note("%d messages were on their way out; they are in queue/, and queue/messages.jsonl tells to whom", len(waiting))
	return r.w.Extra("queue/messages.jsonl", func(f io.Writer) error { _, err := f.Write(lines.Bytes()); return err })
}

// lost writes the bodies that stand in no mailbox, and what is left of damaged ones.
func (r *rescue) lost() error {
	sound, remains := 0, 0
	for b, err := range r.found.Lost(r.ctx) {
		if err != nil {
			return err
		}
		name := fmt.Sprintf("lost+found/%08d.eml", b.ID)
		if b.Damage != "" {
			name = fmt.Sprintf("damaged/%08d.eml", b.ID)
		}
		err := r.copyOut(name, nil, func() (io.ReadCloser, error) { return r.found.OpenLost(r.ctx, b) })
		switch {
		case err != nil:
			if err := r.unread(err, export.Missing{Reason: err.Error()}); err != nil {
				return err
			}
		case b.Damage != "":
			remains++
		default:
			sound++
		}
	}
	if sound > 0 {
		r.w.Note("%d bodies stand in no mailbox that is known any more; they are in lost+found/, without the Received field in front, and mail that had been deleted may be among them", sound)
	}
	if remains > 0 {
		r.w.Note("what is left of %d damaged bodies is in damaged/, as it lies on the disk: some octets in them are wrong", remains)
	}
	return nil
}

// copyOut writes one file. What could not be read leaves no file.
func (r *rescue) copyOut(name string, prefix []byte, open func() (io.ReadCloser, error)) error {
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close()
	return r.w.Extra(name, func(f io.Writer) error {
		_, err := io.Copy(struct{ io.Writer }{f}, io.MultiReader(bytes.NewReader(prefix), body))
		return err
	})
}

// unread notes what could not be read, and tells that from an export that cannot be written or was called off.
func (r *rescue) unread(cause error, m export.Missing) error {
	if r.ctx.Err() != nil || mail.Is(cause, mail.Unavailable) {
		return cause
	}
	return r.w.Missing(m)
}
