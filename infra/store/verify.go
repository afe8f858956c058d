package store

import (
	"context"
	"database/sql"
	"fmt"
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
	faults = append(faults, s.checkRules(ctx)...)
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

// checkPages has SQLite look at each page of the index.
func (s *Store) checkPages(ctx context.Context) []Fault {
	var faults []Fault
	list, err := collect(ctx, s, func(r *sql.Rows) (text string, err error) { return text, r.Scan(&text) }, `PRAGMA integrity_check(100)`)
	if err != nil {
		faults = append(faults, Fault{Text: fmt.Sprintf("the index cannot be checked to its end: %v", err)})
	}
	for _, text := range list {
		if text != "ok" {
			faults = append(faults, Fault{Text: "the index is damaged: " + text})
		}
	}
	return faults
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
		err = r.Scan(&email, &address, &box)
		who = append(who, fmt.Sprintf("message %d of %s in %q", email, address, box))
		return email, err
	}, `SELECT m.id, a.address, b.name FROM message m JOIN account a ON a.id = m.account JOIN placement p ON p.email = m.id
		JOIN mailbox b ON b.id = p.mailbox WHERE m.blob = ? LIMIT 1000`, int64(id))
	if err == nil {
		f.Messages = messages
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
