package store

import (
	"context"
	"database/sql"
	"iter"
	"math"

	"github.com/postrider/postrider/mail"
)

const placementColumns = `mailbox, uid, email, thread, modseq, bits, keywords, size, received, saved`

func readPlacement(r row) mail.Placement {
	return mail.Placement{
		Mailbox: mail.MailboxID(r.int(0)), UID: uint32(r.int(1)), Email: mail.EmailID(r.int(2)), Thread: mail.ThreadID(r.int(3)),
		ModSeq: uint64(r.int(4)), Flags: mail.Flags{Bits: mail.FlagBits(r.int(5)), Keywords: r.str(6)},
		Size: r.int(7), Received: fromSeconds(r.int(8)), Saved: fromMicros(r.int(9)),
	}
}

// Placements yields placements in UID order whose modseq is greater than since. It reads page by page, so that a slow
// caller holds nothing up: each page is of one state, no older than the commits that returned before the call. A
// placement that changes meanwhile shows its old or its new state; one that is expunged meanwhile may be left out;
// one that is added meanwhile is not shown; none is shown twice. With since, a placement that first changes during the
// reading may be left out: its modseq is then greater than the mailbox's was at the call.
func (s *Store) Placements(ctx context.Context, id mail.MailboxID, in mail.UIDRange, since uint64) iter.Seq2[mail.Placement, error] {
	return func(yield func(mail.Placement, error) bool) {
		if err := s.placements(ctx, id, in, since, yield); err != nil {
			yield(mail.Placement{}, err)
		}
	}
}

func (s *Store) placements(ctx context.Context, id mail.MailboxID, in mail.UIDRange, since uint64, yield func(mail.Placement, error) bool) error {
	if since == 0 && width(in) <= placementPage {
		// One page has all of it: what was added meanwhile cannot get in, and where there is a row there is a mailbox.
		page, err := s.placementPage(ctx, id, in)
		if err != nil || len(page) > 0 {
			each(page, yield)
			return err
		}
	}
	end, _, err := s.ceiling(ctx, id)
	if err != nil {
		return err
	}
	if in.Last = min(lastUID(in), end); since > 0 {
		return s.changed(ctx, id, in, since, yield)
	}
	_, err = s.pages(ctx, id, in, yield)
	return err
}

// width is how many UIDs a range has.
func width(in mail.UIDRange) uint32 {
	if last := lastUID(in); last >= in.First && last-in.First < math.MaxUint32 {
		return last - in.First + 1
	}
	return math.MaxUint32
}

// each yields what was read. It reports false when the caller has enough.
func each[T any](page []T, yield func(T, error) bool) bool {
	for i := range page {
		if !yield(page[i], nil) {
			return false
		}
	}
	return true
}

// placementPage reads the first placements of a range.
func (s *Store) placementPage(ctx context.Context, id mail.MailboxID, in mail.UIDRange) ([]mail.Placement, error) {
	n := int(min(placementPage, width(in)))
	var page []mail.Placement
	err := s.rows(ctx, n, func(r row) error {
		if page == nil {
			page = make([]mail.Placement, 0, min(n, placementPage/4))
		}
		page = append(page, readPlacement(r))
		return nil
	}, `SELECT `+placementColumns+` FROM placement
		WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT ?`, int64(id), int64(in.First), int64(lastUID(in)), int64(placementPage))
	return page, err
}

// pages yields all placements of a range whose Last is set. It reports false when the caller has enough.
func (s *Store) pages(ctx context.Context, id mail.MailboxID, in mail.UIDRange, yield func(mail.Placement, error) bool) (bool, error) {
	for in.First <= in.Last {
		page, err := s.placementPage(ctx, id, in)
		if err != nil {
			return false, err
		}
		if !each(page, yield) {
			return false, nil
		}
		if len(page) < placementPage {
			break
		}
		in.First = page[len(page)-1].UID + 1
	}
	return true, nil
}

// changed yields the placements of a range with a modseq greater than since: those that changed after they came, found by
// their index, and all from the first on that came after since. It remembers four octets for each of the former.
func (s *Store) changed(ctx context.Context, id mail.MailboxID, in mail.UIDRange, since uint64, yield func(mail.Placement, error) bool) error {
	young, err := s.firstBorn(ctx, id, in, since)
	if err != nil {
		return err
	}
	old := in
	old.Last = young - 1
	if in.First < young {
		var uids []uint32
		err := s.rows(ctx, 1, func(r row) error {
			uids = append(uids, uint32(r.int(0)))
			return nil
		}, `SELECT uid FROM placement INDEXED BY placement_changed
			WHERE mailbox = ? AND modseq > ? AND modseq > born AND uid BETWEEN ? AND ? ORDER BY uid`,
			int64(id), int64(since), int64(old.First), int64(old.Last))
		if err != nil {
			return err
		}
		if more, err := s.those(ctx, id, uids, since, yield); !more || err != nil {
			return err
		}
	}
	if in.First = max(in.First, young); in.First <= in.Last {
		_, err = s.pages(ctx, id, in, yield)
	}
	return err
}

// those yields the placements of some UIDs, in their order, that changed since.
func (s *Store) those(ctx context.Context, id mail.MailboxID, uids []uint32, since uint64, yield func(mail.Placement, error) bool) (bool, error) {
	for len(uids) > 0 {
		// One page spans UIDs that lie together, or single ones far apart.
		n := 1
		for n < len(uids) && n < placementPage && uids[n]-uids[0] < 4*placementPage {
			n++
		}
		page := make([]mail.Placement, 0, n)
		err := s.rows(ctx, n, func(r row) error {
			page = append(page, readPlacement(r))
			return nil
		}, `SELECT `+placementColumns+` FROM placement
			WHERE mailbox = ? AND uid BETWEEN ? AND ? AND modseq > ? ORDER BY uid`, int64(id), int64(uids[0]), int64(uids[n-1]), int64(since))
		if err != nil {
			return false, err
		}
		if !each(page, yield) {
			return false, nil
		}
		uids = uids[n:]
	}
	return true, nil
}

// firstBorn is the lowest UID of a range from which on all placements came after since, or one past the range: what came later has the
// greater UID. The last ones are looked at first, one by one, because a reader that asks often asks for few.
func (s *Store) firstBorn(ctx context.Context, id mail.MailboxID, in mail.UIDRange, since uint64) (uint32, error) {
	first, n, done := in.Last+1, 0, true
	err := s.rows(ctx, 1, func(r row) error {
		done = uint64(r.int(1)) <= since
		if n++; done || n == placementPage {
			return errEnough
		}
		first, done = uint32(r.int(0)), true // should it be the last row
		return nil
	}, `SELECT uid, born FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid DESC`, int64(id), int64(in.First), int64(in.Last))
	if err != nil || done {
		return first, err
	}
	return s.halve(ctx, id, mail.UIDRange{First: in.First, Last: first - 1}, since)
}

// halve is firstBorn by halving the range.
func (s *Store) halve(ctx context.Context, id mail.MailboxID, in mail.UIDRange, since uint64) (uint32, error) {
	lo, hi := in.First, in.Last+1 // the answer is in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		var uid uint32
		var born uint64
		// The first placement from mid on, if any before hi.
		err := s.rows(ctx, 1, func(r row) error {
			uid, born = uint32(r.int(0)), uint64(r.int(1))
			return nil
		}, `SELECT uid, born FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT 1`, int64(id), int64(mid), int64(hi-1))
		switch {
		case err != nil:
			return 0, err
		case uid == 0 || born > since:
			hi = mid
		default:
			lo = uid + 1
		}
	}
	return hi, nil
}

// PlacementsOf lists every mailbox a message is in.
func (s *Store) PlacementsOf(ctx context.Context, account mail.AccountID, id mail.EmailID) ([]mail.Placement, error) {
	var list []mail.Placement
	err := s.rows(ctx, 1, func(r row) error {
		list = append(list, readPlacement(r))
		return nil
	}, `SELECT `+placementColumns+` FROM placement
		WHERE email = ?1 AND EXISTS (SELECT 1 FROM message WHERE id = ?1 AND account = ?2) ORDER BY mailbox, uid`, int64(id), int64(account))
	if err == nil && len(list) == 0 {
		return nil, noMessage(id)
	}
	return list, err
}

// Expunged lists the UIDs that left a mailbox with a modseq greater than since (RFC 7162 3.2.5.1).
func (s *Store) Expunged(ctx context.Context, id mail.MailboxID, since uint64) ([]mail.UIDRange, error) {
	list, err := collect(ctx, s, func(r *sql.Rows) (u mail.UIDRange, err error) { return u, r.Scan(&u.First, &u.Last) },
		`SELECT first, last FROM expunged WHERE mailbox = ? AND modseq > ?`, int64(id), int64(since))
	if err != nil {
		return nil, err
	}
	// Asked after the list was read: what is not forgotten now was not then.
	end, forgotten, err := s.ceiling(ctx, id)
	if err != nil {
		return nil, err
	}
	if since < forgotten {
		return s.absent(ctx, id, end)
	}
	return normalise(list), nil
}

// absent lists every UID up to end that is not there.
func (s *Store) absent(ctx context.Context, id mail.MailboxID, end uint32) ([]mail.UIDRange, error) {
	var gaps []mail.UIDRange
	next := uint32(1)
	for next <= end {
		page, err := collect(ctx, s, func(r *sql.Rows) (uid uint32, err error) { return uid, r.Scan(&uid) },
			`SELECT uid FROM placement WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT ?`, int64(id), next, end, 4*placementPage)
		if err != nil {
			return nil, err
		}
		for _, uid := range page {
			if uid > next {
				gaps = append(gaps, mail.UIDRange{First: next, Last: uid - 1})
			}
			next = uid + 1
		}
		if len(page) < 4*placementPage {
			break
		}
	}
	if next <= end {
		gaps = append(gaps, mail.UIDRange{First: next, Last: end})
	}
	return gaps, nil
}
