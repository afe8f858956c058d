package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// Fault is one thing that is damaged.
type Fault struct {
	Text     string         // a sentence that names what, where, and who is affected
	Blob     mail.BlobID    // of a damaged body
	Messages []mail.EmailID // the messages it makes unreadable
	Queued   []mail.QueueID
}

// Progress tells how far a Verify is, in octets of bodies.
type Progress struct{ Done, Total int64 }

// Verify reads everything: every page of the index, every rule of Check, every record of every pack with its
// checksum. It keeps going past damage and lists it. progress may be nil. The error is only for a Verify that could not go on
// (ctx ended). Deliveries and reads go on meanwhile; what they change is seen before or after the change.
func (s *Store) Verify(ctx context.Context, progress func(Progress)) ([]Fault, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	faults := s.checkPages(ctx)
	faults = append(faults, s.Breaches(ctx)...)
	bodies, err := s.checkBodies(ctx, progress)
	faults = append(faults, bodies...)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return faults, readError(ctx, err)
	}
	return faults, nil
}

// checkPages has SQLite look at each page of the index. What is damaged is named by its table, with what that means for people.
func (s *Store) checkPages(ctx context.Context) []Fault {
	faults := surveyPages(func(pragma string) (list []string, err error) {
		rows, err := s.query(ctx, pragma)
		if err != nil {
			return nil, err
		}
		return complaints(rows)
	}, func() ([]root, error) { return collect(ctx, s, scanRoot, rootQuery) })
	if len(faults) > 0 {
		faults = append(faults, s.checkMailboxes(ctx)...)
	}
	return faults
}

// complaints are the rows of an integrity check, also when it breaks off.
func complaints(rows *sql.Rows) (list []string, err error) {
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return list, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// surveyPages checks the whole index, and where that breaks off each table on its own.
func surveyPages(check func(pragma string) ([]string, error), tables func() ([]root, error)) []Fault {
	list, err := check(`PRAGMA integrity_check(100)`)
	roots, _ := tables() // without it pages are named by their numbers alone
	faults := pageFaults(list, roots)
	if err == nil {
		return faults
	}
	if len(roots) == 0 {
		return append(faults, Fault{Text: fmt.Sprintf("the index cannot be checked to its end: %v", plain(err))})
	}
	faults = nil
	for _, r := range roots {
		if r.name != r.table {
			continue
		}
		list, err := check(`PRAGMA integrity_check("` + r.table + `")`)
		faults = append(faults, pageFaults(list, roots)...)
		if err != nil {
			faults = append(faults, Fault{Text: fmt.Sprintf("the index is damaged: %v; this is the table %q: %s", plain(err), r.table, meaning(r.table))})
		}
	}
	return faults
}

// plain is the cause of an error without the advice to run verify.
func plain(err error) error {
	var e *mail.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

// root is where a table or an index begins.
type root struct {
	page  int64
	name  string
	table string
}

const rootQuery = `SELECT rootpage, name, tbl_name FROM sqlite_schema WHERE rootpage > 0`

func scanRoot(r *sql.Rows) (v root, err error) { return v, r.Scan(&v.page, &v.name, &v.table) }

// pageFaults makes sentences of what SQLite says about its pages.
func pageFaults(list []string, roots []root) []Fault {
	var faults []Fault
	byPage := map[string]root{}
	for _, r := range roots {
		byPage[fmt.Sprint(r.page)] = r
	}
	for _, text := range list {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line == "ok" || line == "" || strings.HasPrefix(line, "***") {
				continue
			}
			faults = append(faults, Fault{Text: "the index is damaged: " + line + concerning(line, byPage, roots)})
		}
	}
	return faults
}

// concerning says which table a complaint of SQLite is about and what that means. It knows "Tree ROOT page ..." and complaints that end in an
// index's name.
func concerning(line string, byPage map[string]root, roots []root) string {
	var r root
	found := false
	if rest, ok := strings.CutPrefix(line, "Tree "); ok {
		number, _, _ := strings.Cut(rest, " ")
		r, found = byPage[strings.TrimSuffix(number, ":")]
	}
	for i := 0; i < len(roots) && !found; i++ {
		if found = strings.HasSuffix(line, " "+roots[i].name); found {
			r = roots[i]
		}
	}
	switch {
	case !found:
		return ""
	case r.name != r.table:
		return fmt.Sprintf("; this is an index of the table %q (%s)", r.table, meaning(r.table))
	}
	return fmt.Sprintf("; this is the table %q: %s", r.table, meaning(r.table))
}

// checkMailboxes names the messages that cannot be found in the index, because of its damage.
func (s *Store) checkMailboxes(ctx context.Context) []Fault {
	type box struct {
		id      mail.MailboxID
		last    uint32
		address string
		name    string
	}
	boxes, err := collect(ctx, s, func(r *sql.Rows) (b box, err error) { return b, r.Scan(&b.id, &b.last, &b.address, &b.name) },
		`SELECT b.id, b.uidnext - 1, a.address, b.name FROM mailbox b JOIN account a ON a.id = b.account`)
	var faults []Fault
	if err != nil {
		faults = append(faults, Fault{Text: fmt.Sprintf("the list of mailboxes cannot be read to its end: %v", plain(err))})
	}
	for _, b := range boxes {
		var gaps []mail.UIDRange
		probes := 0
		s.gaps(ctx, b.id, mail.UIDRange{First: 1, Last: b.last}, &probes, func(first, last uint32) {
			if n := len(gaps); n > 0 && gaps[n-1].Last+1 == first {
				gaps[n-1].Last = last
				return
			}
			gaps = append(gaps, mail.UIDRange{First: first, Last: last})
		})
		for _, g := range gaps {
			which := fmt.Sprintf("UID %d", g.First)
			if g.Last > g.First {
				which = fmt.Sprintf("UIDs %d to %d, as many as there were,", g.First, g.Last)
			}
			faults = append(faults, Fault{Text: fmt.Sprintf("%s of %s in %q cannot be read, because the index is damaged there", which, b.address, b.name)})
		}
	}
	return faults
}

// gaps finds the UIDs of a range at which the index cannot be read, by halving.
func (s *Store) gaps(ctx context.Context, id mail.MailboxID, in mail.UIDRange, probes *int, gap func(first, last uint32)) {
	for in.First <= in.Last && ctx.Err() == nil {
		broken := false
		for m, err := range s.Messages(ctx, id, in) {
			if broken = err != nil; !broken {
				in.First = m.UID + 1
			}
		}
		if !broken || in.First > in.Last {
			return
		}
		if *probes++; in.First == in.Last || *probes > maxProbes {
			gap(in.First, in.Last)
			return
		}
		half := in.First + (in.Last-in.First)/2
		s.gaps(ctx, id, mail.UIDRange{First: in.First, Last: half}, probes, gap)
		in.First = half + 1
	}
}

// placed is a body and where the index says it is.
type placed struct {
	id  mail.BlobID
	ref blob.Ref
}

// checkBodies reads every body.
func (s *Store) checkBodies(ctx context.Context, progress func(Progress)) ([]Fault, error) {
	var faults []Fault
	var p Progress
	total, err := collect(ctx, s, func(r *sql.Rows) (n int64, err error) { return n, r.Scan(&n) }, `SELECT coalesce(sum(live), 0) FROM pack`)
	if err != nil {
		faults = append(faults, Fault{Text: fmt.Sprintf("the list of packs cannot be read: %v", err)})
	} else if len(total) == 1 {
		p.Total = total[0]
	}
	last := mail.BlobID(0)
	for {
		page, err := collect(ctx, s, func(r *sql.Rows) (b placed, err error) {
			return b, r.Scan(&b.id, &b.ref.Pack, &b.ref.Offset, &b.ref.Stored, &b.ref.Size, &b.ref.Codec)
		}, `SELECT id, pack, start, stored, size, codec FROM blob WHERE id > ? ORDER BY id LIMIT ?`, int64(last), placementPage)
		if ctx.Err() != nil {
			return faults, ctx.Err()
		}
		if err != nil {
			// The page of the index is damaged: go on behind it, as far as numbers were given out.
			faults = append(faults, Fault{Text: fmt.Sprintf("the places of bodies %d and following cannot be read: %v", last+1, err)})
			last += placementPage
			if blobs, _ := s.packs.Numbers(); last > blobs {
				return faults, nil
			}
			continue
		}
		for _, b := range page {
			if err := s.checkBody(ctx, b); err != nil {
				if ctx.Err() != nil {
					return faults, ctx.Err()
				}
				faults = append(faults, s.bodyFault(ctx, b.id, err))
			}
			p.Done += b.ref.Octets()
			last = b.id
		}
		progress(p)
		if len(page) < placementPage {
			return faults, nil
		}
	}
}

// checkBody reads one body. One that was moved or deleted since its place was read is looked up again.
func (s *Store) checkBody(ctx context.Context, b placed) error {
	err := s.packs.Check(ctx, b.id, b.ref)
	if err == nil {
		return nil
	}
	now, lookErr := s.ref(ctx, b.id)
	switch {
	case mail.Is(lookErr, mail.NotFound):
		return nil
	case lookErr != nil || now == b.ref:
		return err
	}
	return s.packs.Check(ctx, b.id, now)
}

// bodyFault names who is affected by a damaged body.
func (s *Store) bodyFault(ctx context.Context, id mail.BlobID, cause error) Fault {
	f := Fault{Blob: id}
	var who []string
	messages, err := collect(ctx, s, func(r *sql.Rows) (email mail.EmailID, err error) {
		var address, box string
		var uid uint32
		err = r.Scan(&email, &address, &box, &uid)
		who = append(who, fmt.Sprintf("message %d of %s in %q, UID %d", email, address, box, uid))
		return email, err
	}, `SELECT m.id, a.address, b.name, p.uid FROM message m JOIN account a ON a.id = m.account JOIN placement p ON p.email = m.id
		JOIN mailbox b ON b.id = p.mailbox WHERE m.blob = ? LIMIT 1000`, int64(id))
	if err == nil {
		slices.Sort(messages)
		f.Messages = slices.Compact(messages) // one may be in several mailboxes
	}
	queued, err := collect(ctx, s, func(r *sql.Rows) (q mail.QueueID, err error) {
		err = r.Scan(&q)
		who = append(who, fmt.Sprintf("queue entry %d", q))
		return q, err
	}, `SELECT id FROM queued WHERE blob = ?`, int64(id))
	if err == nil {
		f.Queued = queued
	}
	f.Text = cause.Error()
	if len(who) > 0 {
		f.Text += "; it is the body of " + strings.Join(who, ", ")
	}
	return f
}
