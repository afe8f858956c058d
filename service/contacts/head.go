package contacts

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/postrider/postrider/mail"
)

// The kinds of notes.
const (
	kindHead = "contacts"
	kindCard = "card"
	kindLog  = "contactlog"
)

// Limits of an account.
const (
	MaxBooks       = 100
	MaxCards       = 25_000
	MaxOctets      = 256 << 20 // of all cards
	MaxName        = 255       // octets of an address book's name (RFC 9610 2)
	MaxDescription = 2000      // octets of its description
	MaxSort        = 1<<31 - 1
)

// DefaultBook is the id of the address book that every account has from the start.
const DefaultBook = "B1"

// Book is an address book (RFC 9610 2).
type Book struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Sort        int64  `json:"sort,omitempty"`
	Hidden      bool   `json:"hidden,omitempty"` // not subscribed
}

// State is the numbers of the latest changes.
type State struct {
	Books, Cards uint64
}

// head is what the head note says.
type head struct {
	N       uint64 `json:"n"`      // the latest change
	Books   uint64 `json:"bn"`     // the latest of a book
	Cards   uint64 `json:"cn"`     // the latest of a card
	Floor   uint64 `json:"floor"`  // the log has every change after this one
	Logged  int    `json:"logged"` // changes in the log
	Count   int    `json:"count"`  // cards
	Octets  int64  `json:"octets"` // of them
	Default string `json:"default"`
	List    []Book `json:"books"`

	raw []byte // as it is stored; nil: it is not
}

// firstHead is the head of an account that never wrote.
func firstHead() head {
	return head{N: 1, Books: 1, Cards: 1, Floor: 1, Default: DefaultBook, List: []Book{{ID: DefaultBook, Name: "Contacts"}}}
}

// own begins the keys of an account's notes.
func own(id mail.AccountID) string { return "A" + strconv.FormatInt(int64(id), 10) + "/" }

// headKey ends the key of a head.
const headKey = "head"

func (s *Service) head(ctx context.Context, id mail.AccountID) (head, error) {
	n, err := s.cfg.Notes.Note(ctx, kindHead, own(id)+headKey)
	if mail.Is(err, mail.NotFound) {
		return firstHead(), nil
	}
	if err != nil {
		return head{}, err
	}
	var h head
	if err := json.Unmarshal(n.Value, &h); err != nil {
		return head{}, mail.Errorf(mail.Internal, "the head of the contacts of account %d cannot be read: %w", id, err)
	}
	h.raw = n.Value
	return h, nil
}

func (h *head) book(id string) *Book {
	if i := slices.IndexFunc(h.List, func(b Book) bool { return b.ID == id }); i >= 0 {
		return &h.List[i]
	}
	return nil
}

// State reads the numbers of the latest changes.
func (s *Service) State(ctx context.Context, id mail.AccountID) (State, error) {
	h, err := s.head(ctx, id)
	return State{Books: h.Books, Cards: h.Cards}, err
}
