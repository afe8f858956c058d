package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// moveBytes is how much compaction moves in one commit: enough to be quick, little enough that deliveries in the same
// group do not wait long.
const moveBytes = 1 << 20

// relocate puts moved records' new places into the index. A body that was deleted meanwhile is not there any more: its
// copy is dead space.
func (g *group) relocate(pack int64) error {
	l := g.s.ledger
	old, err := l.packRow(pack)
	if err != nil {
		return err
	}
	l.set.wrote, old.dirty = true, true // so that its row goes when nothing of it is alive
	for _, m := range g.moved {
		from := m.Move.From
		if from.Pack != pack {
			continue
		}
		n, err := l.exec(`UPDATE blob SET pack = ?, start = ? WHERE id = ? AND pack = ? AND start = ?`,
			m.Ref.Pack, m.Ref.Offset, m.ID, from.Pack, from.Offset)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		for _, c := range []struct{ pack, octets int64 }{{from.Pack, -from.Octets()}, {m.Ref.Pack, m.Ref.Octets()}} {
			p, err := l.packRow(c.pack)
			if err != nil {
				return err
			}
			p.live += c.octets
			p.dirty = true
		}
	}
	return nil
}

// Compact reclaims dead space: packs more than half of which nothing refers to are copied, the living records
// only, to the active pack, and removed. Deliveries go on meanwhile. A crash is harmless at any moment: each step is
// a commit like any other, and a record that was copied but not committed is cut off with the end of its pack. A pack with a damaged
// record is left as it is, and the error names it. It returns how many octets of packs were freed.
//
// It also forgets what Options say is too old: tombstones and history past Options.Tombstones, events past Options.KeepTrail, and notes past their time.
func (s *Store) Compact(ctx context.Context) (freed int64, err error) {
	type packed struct{ id, octets, live int64 }
	list, err := collect(ctx, s, func(r *sql.Rows) (p packed, err error) { return p, r.Scan(&p.id, &p.octets, &p.live) },
		`SELECT id, octets, live FROM pack WHERE own = 0 AND live < octets - live AND id < (SELECT max(id) FROM pack WHERE own = 0) ORDER BY id`)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, p := range list {
		if err := s.compactPack(ctx, p.id, p.octets); err != nil {
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		freed += p.octets - p.live
	}
	if ctx.Err() == nil {
		errs = append(errs, s.forgetTombstones(ctx), s.forgetHistory(ctx), s.forgetTrail(ctx), s.forgetNotes(ctx))
	}
	return freed, errors.Join(errs...)
}

func (s *Store) compactPack(ctx context.Context, pack, octets int64) error {
	var batch []blob.Append
	var size int64
	send := func() error {
		r := &request{move: batch, chore: func(g *group) error { return g.relocate(pack) }, answer: make(chan answer, 1)}
		_, err := s.submit(ctx, r)
		batch, size = nil, 0
		return err
	}
	err := s.packs.Scan(ctx, pack, octets, func(m blob.Moved) error {
		ref, err := s.ref(ctx, m.Header.ID)
		if mail.Is(err, mail.NotFound) || err == nil && (ref.Pack != pack || ref.Offset != m.From.Offset) {
			return nil
		}
		if err != nil {
			return err
		}
		batch = append(batch, blob.Append{ID: m.Header.ID, Move: &m})
		if size += m.From.Octets(); size < moveBytes {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send()
}
