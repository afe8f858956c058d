package contacts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Op is what happened to one object.
type Op struct {
	ID   string
	Book bool // else a card
	What What
}

// What is what happened.
type What byte

// What may happen.
const (
	Created   What = '+'
	Updated   What = '~'
	Destroyed What = '-'
)

// text is an op as the log has it: what happened, b or c, the id.
func (o Op) text() string {
	kind := "c"
	if o.Book {
		kind = "b"
	}
	return string(rune(o.What)) + kind + o.ID
}

func parseOp(s string) (Op, bool) {
	const fixed = 2
	if len(s) <= fixed {
		return Op{}, false
	}
	return Op{What: What(s[0]), Book: s[1] == 'b', ID: s[fixed:]}, true
}

// ErrTooOld says that it is not known any more what happened after a state.
var ErrTooOld = errors.New("what changed since that state is not known any more")

// logKey is the key of the log of a change set by the number of its last change. Keys sort as numbers do.
func logKey(account mail.AccountID, n uint64) string { return own(account) + fmt.Sprintf("%016x", n) }

// log gives what happened after a state, in order, with its number, until yield says that it is enough.
func (s *Service) log(ctx context.Context, account mail.AccountID, since uint64, yield func(n uint64, op Op) bool) error {
	const few = 200
	q := mail.NoteQuery{Kind: kindLog, Prefix: own(account), After: logKey(account, since), Limit: few}
	for {
		list, err := s.cfg.Notes.Notes(ctx, q)
		if err != nil {
			return err
		}
		for _, note := range list {
			last, err := strconv.ParseUint(strings.TrimPrefix(note.Key, q.Prefix), 16, 64)
			var ops []string
			if err != nil || json.Unmarshal(note.Value, &ops) != nil || uint64(len(ops)) > last {
				return mail.Errorf(mail.Internal, "the log of the contacts of account %d cannot be read", account)
			}
			for i, text := range ops {
				n := last - uint64(len(ops)) + 1 + uint64(i)
				if op, ok := parseOp(text); ok && n > since && !yield(n, op) {
					return nil
				}
			}
		}
		if len(list) < few {
			return nil
		}
		q.After = list[len(list)-1].Key
	}
}

// Changes is what happened to the objects of one type between two states.
type Changes struct {
	Created, Updated, Destroyed []string
	To                          uint64
	More                        bool // there is more after To
}

// Changes tells what happened after a state to books or to cards, to so many objects at most, the earliest first. ErrTooOld.
func (s *Service) Changes(ctx context.Context, account mail.AccountID, books bool, since uint64, most int) (Changes, error) {
	h, err := s.head(ctx, account)
	if err != nil {
		return Changes{}, err
	}
	latest := h.Cards
	if books {
		latest = h.Books
	}
	if since > h.N || since < latest && since < h.Floor {
		return Changes{}, ErrTooOld
	}
	out := Changes{To: max(latest, since)}
	if since >= latest {
		return out, nil
	}
	var order []string
	happened := map[string]What{} // in all; 0: made and deleted
	upto := since
	err = s.log(ctx, account, since, func(n uint64, op Op) bool {
		if n > h.N {
			return false
		}
		if op.Book != books {
			return true
		}
		was, seen := happened[op.ID]
		if !seen {
			if len(order) == most {
				out.To, out.More = upto, true
				return false
			}
			order = append(order, op.ID)
		}
		upto = n
		happened[op.ID] = join(was, op.What)
		return true
	})
	if err != nil {
		return Changes{}, err
	}
	// The log may have been cut while it was read.
	now, err := s.head(ctx, account)
	if err != nil {
		return Changes{}, err
	}
	if now.Floor > since {
		return Changes{}, ErrTooOld
	}
	for _, id := range order {
		switch happened[id] {
		case Created:
			out.Created = append(out.Created, id)
		case Updated:
			out.Updated = append(out.Updated, id)
		case Destroyed:
			out.Destroyed = append(out.Destroyed, id)
		}
	}
	return out, nil
}

// join is what two things that happened one after the other come to (RFC 8620 5.2). An id is never given twice.
func join(before, after What) What {
	switch {
	case before == 0:
		return after
	case before == Created && after == Updated:
		return Created
	case before == Created && after == Destroyed:
		return never
	}
	return after
}

// never is what happened to an object that was made and deleted.
const never What = '0'
