package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"

	"github.com/postrider/postrider/infra/blob"
	"github.com/postrider/postrider/mail"
)

// body is a new body of the running group.
type body struct {
	id   mail.BlobID
	ref  blob.Ref
	own  bool
	set  int // the set whose changes wrote its row, or -1
	head head
}

// head is what a blob's row says in front of and about the body.
type head struct{ prefix, summary []byte }

// use refers to a body once more and gives its number and head. The first use of a new body writes its row.
func (l *ledger) use(b mail.Body) (mail.BlobID, head, error) {
	switch b := b.(type) {
	case mail.StoredBody:
		return l.useStored(b.ID, b.Octets)
	case *blob.Sealed:
		if nb := l.bodies[b]; nb != nil {
			return l.useNew(b, nb)
		}
		if id := b.Filed(); id != 0 {
			return l.useStored(id, b.Size())
		}
	}
	return 0, head{}, mail.Errorf(mail.Invalid, "a %T is no body of this store", b)
}

func (l *ledger) useStored(id mail.BlobID, size int64) (mail.BlobID, head, error) {
	var h head
	var have int64
	found, err := l.conn.one(func(r row) { have, h.prefix, h.summary = r.int(0), r.bytes(1), r.bytes(2) },
		`SELECT size, prefix, summary FROM blob WHERE id = ?`, id)
	if err != nil {
		return 0, h, err
	}
	if !found {
		return 0, h, noBody(id)
	}
	if have != size {
		return 0, h, mail.Errorf(mail.Invalid, "body %d has %d octets, not %d", id, have, size)
	}
	l.set.wrote = true
	l.set.more[id]++
	return id, h, nil
}

func (l *ledger) useNew(s *blob.Sealed, nb *body) (mail.BlobID, head, error) {
	l.set.wrote = true
	if nb.set >= 0 {
		l.set.more[nb.id]++
		return nb.id, nb.head, nil
	}
	first := l.set.first[s]
	nb.set, nb.head = l.set.index, head{first.Prefix, first.Summary}
	_, err := l.exec(`INSERT INTO blob (id, pack, start, stored, size, codec, prefix, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		nb.id, nb.ref.Pack, nb.ref.Offset, nb.ref.Stored, nb.ref.Size, int64(nb.ref.Codec), orNull(first.Prefix), orNull(first.Summary))
	if err != nil {
		return 0, head{}, err
	}
	p, err := l.packRow(nb.ref.Pack)
	if err != nil {
		return 0, head{}, err
	}
	p.live += nb.ref.Octets()
	p.dirty = true
	if nb.own {
		p.own, p.octets = true, nb.ref.Octets()
	}
	return nb.id, nb.head, nil
}

// undoBodies forgets which rows a set wrote that was rolled back; -1 means all sets.
func (l *ledger) undoBodies(set int) {
	for _, nb := range l.bodies {
		if set < 0 || nb.set == set {
			nb.set = -1
		}
	}
}

// addReferences writes the further references that changes of the set made so far.
func (l *ledger) addReferences() error {
	for id, n := range l.set.more {
		if _, err := l.exec(`INSERT INTO blob_extra (blob, refs) VALUES (?, ?) ON CONFLICT (blob) DO UPDATE SET refs = refs + excluded.refs`, id, n); err != nil {
			return err
		}
	}
	clear(l.set.more)
	return nil
}

// orNull is nil for an empty value, so that it takes no room.
func orNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// unless is b, or nil when the blob's row has the same.
func unless(b, have []byte) any {
	if bytes.Equal(b, have) {
		return nil
	}
	if len(b) == 0 {
		return "" // none, though the blob has one; an empty []byte would be bound as NULL
	}
	return b
}

// releaseLost takes the references listed in the table lost away, and removes bodies without any.
func (l *ledger) releaseLost() error {
	for _, q := range []string{
		`UPDATE blob_extra SET refs = refs - (SELECT n FROM lost WHERE lost.blob = blob_extra.blob) WHERE blob IN (SELECT blob FROM lost)`,
		`DELETE FROM lost WHERE blob IN (SELECT x.blob FROM lost CROSS JOIN blob_extra x ON x.blob = lost.blob WHERE x.refs >= 0)`,
		`DELETE FROM blob_extra WHERE blob IN (SELECT blob FROM lost)`,
	} {
		if _, err := l.exec(q); err != nil {
			return err
		}
	}
	type dead struct{ pack, octets int64 }
	var packs []dead
	err := l.conn.each(func(r row) error {
		packs = append(packs, dead{r.int(0), r.int(1)})
		return nil
	}, `SELECT pack, sum(stored + 40) FROM blob WHERE id IN (SELECT blob FROM lost) GROUP BY pack`)
	if err != nil {
		return err
	}
	for _, d := range packs {
		p, err := l.packRow(d.pack)
		if err != nil {
			return err
		}
		p.live -= d.octets
		p.dirty = true
	}
	for _, q := range []string{`DELETE FROM blob WHERE id IN (SELECT blob FROM lost)`, `DELETE FROM lost`} {
		if _, err := l.exec(q); err != nil {
			return err
		}
	}
	return nil
}

// packRow is a pack's row while the group changes it.
type packRow struct {
	id     int64
	own    bool
	octets int64
	live   int64
	dirty  bool
}

func (l *ledger) packRow(id int64) (*packRow, error) {
	if p := l.packRows[id]; p != nil {
		return p, nil
	}
	p := &packRow{id: id}
	_, err := l.conn.one(func(r row) { p.own, p.octets, p.live = r.int(0) != 0, r.int(1), r.int(2) },
		`SELECT own, octets, live FROM pack WHERE id = ?`, id)
	if err != nil {
		return nil, err
	}
	l.packRows[id] = p
	return p, nil
}

// savePacks writes the packs' rows. One that holds nothing any more and is not being written loses its row; its
// file goes after the commit.
func (l *ledger) savePacks() error {
	for id, p := range l.packRows {
		if !p.dirty {
			continue
		}
		p.dirty = false
		if p.live == 0 && id != l.packs.Active() {
			if _, err := l.exec(`DELETE FROM pack WHERE id = ?`, id); err != nil {
				return err
			}
			l.gone = append(l.gone, id)
			continue
		}
		_, err := l.exec(`INSERT INTO pack (id, own, octets, live) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET octets = excluded.octets, live = excluded.live`, id, p.own, p.octets, p.live)
		if err != nil {
			return err
		}
	}
	return nil
}

func noBody(id mail.BlobID) error {
	return mail.Errorf(mail.NotFound, "there is no body number %d", id)
}

// Create starts a new body.
func (s *Store) Create(ctx context.Context) (mail.BlobWriter, error) {
	w, err := s.packs.Create(ctx)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Open reads a stored body.
func (s *Store) Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error) {
	if ref, ok := s.ledger.places.of(id); ok {
		if r, err := s.packs.Open(ctx, id, ref); err == nil {
			return r, nil
		}
	}
	var last blob.Ref
	for {
		ref, err := s.ref(ctx, id)
		if err != nil {
			return nil, err
		}
		r, err := s.packs.Open(ctx, id, ref)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || ref == last {
			return r, err
		}
		last = ref // compaction moved it between the two: look once more
	}
}

func (s *Store) ref(ctx context.Context, id mail.BlobID) (blob.Ref, error) {
	return one(collect(ctx, s, func(r *sql.Rows) (f blob.Ref, err error) {
		err = r.Scan(&f.Pack, &f.Offset, &f.Stored, &f.Size, &f.Codec)
		return f, err
	}, `SELECT pack, start, stored, size, codec FROM blob WHERE id = ?`, int64(id)))(noBody(id))
}
