package session

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Kind is the kind of the notes that sessions are. Their keys are "<account id>/<hex SHA-256 of the token>".
const Kind = "session"

// Times and bounds.
const (
	Idle        = 12 * time.Hour       // without use
	Remembered  = 30 * 24 * time.Hour  // without use, of one that is to be remembered
	Longest     = 180 * 24 * time.Hour // in all
	SeenEvery   = 10 * time.Minute     // how often a use is written down
	MaxSessions = 100                  // of an account
	tokenLength = 32                   // octets
	maxAgent    = 200                  // octets
)

// Session is one browser that has logged in.
type Session struct {
	ID       string // in lower-case hexadecimal; no secret
	Account  mail.AccountID
	Created  time.Time
	Seen     time.Time // the latest use, within SeenEvery
	Expires  time.Time // unless it is used before
	Address  netip.Addr
	Agent    string
	Remember bool

	raw []byte // the note's value as it was read
}

// value is what a note holds.
type value struct {
	Created  time.Time  `json:"created"`
	Seen     time.Time  `json:"seen"`
	Address  netip.Addr `json:"address"`
	Agent    string     `json:"agent,omitempty"`
	Remember bool       `json:"remember,omitempty"`
	Proof    []byte     `json:"proof"` // of the password it was made under
}

// Client is who a session is made for, as its owner will see it in a list.
type Client struct {
	Address  netip.Addr // the zero one when it has none
	Agent    string
	Remember bool
}

// Sessions makes, finds and ends them.
type Sessions struct {
	Notes     mail.Notes
	Journal   mail.Journal
	Directory mail.Directory
	Clock     mail.Clock
}

func ended() error {
	return mail.Errorf(mail.Unauthenticated, "you are not logged in, or your session has ended; log in again")
}

// Make begins a session of somebody who has proved themselves, and gives the cookie value that stands for it.
func (s *Sessions) Make(ctx context.Context, account mail.Account, c Client) (string, Session, error) {
	token := make([]byte, tokenLength)
	rand.Read(token) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	proof, err := s.proof(ctx, account.ID)
	if err != nil {
		return "", Session{}, err
	}
	now := s.Clock.Now()
	v := value{Created: now, Seen: now, Address: c.Address, Remember: c.Remember, Proof: proof,
		Agent: strings.ToValidUTF8(c.Agent[:min(len(c.Agent), maxAgent)], "")}
	put, err := v.note(account.ID, idOf(token), mail.NoteAbsent, nil)
	if err != nil {
		return "", Session{}, err
	}
	drop, err := s.surplus(ctx, account.ID)
	if err != nil {
		return "", Session{}, err
	}
	if _, err := s.Journal.Commit(ctx, mail.ChangeSet{Changes: append(drop, put)}); err != nil {
		return "", Session{}, err
	}
	cookie := strconv.FormatInt(int64(account.ID), 10) + "." + base64.RawURLEncoding.EncodeToString(token)
	return cookie, v.session(account.ID, idOf(token), put.Note.Value), nil
}

// surplus are the changes that make room for one more.
func (s *Sessions) surplus(ctx context.Context, account mail.AccountID) ([]mail.Change, error) {
	list, err := s.all(ctx, account)
	if err != nil || len(list) < MaxSessions {
		return nil, err
	}
	slices.SortFunc(list, func(a, b stored) int { return b.Seen.Compare(a.Seen) })
	var out []mail.Change
	for _, k := range list[MaxSessions-1:] {
		out = append(out, remove(account, k.ID))
	}
	return out, nil
}

// Find gives the account and the session that a cookie value stands for, and notes now and then that it was used. Unauthenticated when
// there is none, or none any more, whatever the reason.
func (s *Sessions) Find(ctx context.Context, cookie string) (mail.Account, Session, error) {
	id, token, ok := parse(cookie)
	if !ok {
		return mail.Account{}, Session{}, ended()
	}
	for range 3 {
		account, session, err := s.find(ctx, id, idOf(token))
		if !mail.Is(err, mail.Conflict) {
			return account, session, err
		}
	}
	return mail.Account{}, Session{}, mail.Errorf(mail.Unavailable, "your session is being changed; try again")
}

// find is one try. Conflict when the session was changed meanwhile, as by the change of a password.
func (s *Sessions) find(ctx context.Context, id mail.AccountID, sessionID string) (mail.Account, Session, error) {
	found, err := s.read(ctx, id, sessionID)
	if err != nil {
		return mail.Account{}, Session{}, err
	}
	account, err := s.Directory.Account(ctx, id)
	switch {
	case mail.Is(err, mail.NotFound):
		return mail.Account{}, Session{}, ended()
	case err != nil:
		return mail.Account{}, Session{}, err
	}
	proof, err := s.proof(ctx, id)
	if err != nil {
		return mail.Account{}, Session{}, err
	}
	if account.Disabled || subtle.ConstantTimeCompare(proof, found.proof) != 1 {
		end := mail.RemoveNote{Kind: Kind, Key: key(id, sessionID), If: mail.NoteIs, Was: found.raw}
		if err := s.commit(ctx, []mail.Change{end}); err != nil {
			return mail.Account{}, Session{}, err
		}
		return mail.Account{}, Session{}, ended()
	}
	if found.Session, err = s.seen(ctx, found); err != nil {
		return mail.Account{}, Session{}, err
	}
	return account, found.Session, nil
}

// stored is a session as its note tells it.
type stored struct {
	Session
	proof []byte
}

// read gives a session that has not expired.
func (s *Sessions) read(ctx context.Context, account mail.AccountID, id string) (stored, error) {
	n, err := s.Notes.Note(ctx, Kind, key(account, id))
	switch {
	case mail.Is(err, mail.NotFound):
		return stored{}, ended()
	case err != nil:
		return stored{}, err
	}
	k, ok := s.open(n)
	if !ok {
		return stored{}, ended()
	}
	return k, nil
}

// open reads a note; false when it is no session, or no longer one.
func (s *Sessions) open(n mail.Note) (stored, bool) {
	account, id, ok := strings.Cut(n.Key, "/")
	number, err := strconv.ParseInt(account, 10, 64)
	var v value
	if !ok || err != nil || json.Unmarshal(n.Value, &v) != nil {
		return stored{}, false
	}
	k := stored{v.session(mail.AccountID(number), id, n.Value), v.Proof}
	return k, s.Clock.Now().Before(k.Expires)
}

// seen notes that a session was used. Of several requests at once one writes; the others find what it wrote. One that was ended meanwhile
// stays ended.
func (s *Sessions) seen(ctx context.Context, k stored) (Session, error) {
	now := s.Clock.Now()
	if now.Sub(k.Seen) < SeenEvery {
		return k.Session, nil
	}
	v := value{Created: k.Created, Seen: now, Address: k.Address, Agent: k.Agent, Remember: k.Remember, Proof: k.proof}
	put, err := v.note(k.Account, k.ID, mail.NoteIs, k.raw)
	if err != nil {
		return Session{}, err
	}
	_, err = s.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{put}})
	if mail.Is(err, mail.Conflict) {
		again, err := s.read(ctx, k.Account, k.ID)
		return again.Session, err
	}
	if err != nil {
		return Session{}, err
	}
	return v.session(k.Account, k.ID, put.Note.Value), nil
}

// List gives an account's sessions, the latest used first.
func (s *Sessions) List(ctx context.Context, account mail.AccountID) ([]Session, error) {
	proof, err := s.proof(ctx, account)
	if err != nil {
		return nil, err
	}
	all, err := s.all(ctx, account)
	if err != nil {
		return nil, err
	}
	out := make([]Session, 0, len(all))
	for _, k := range all {
		if subtle.ConstantTimeCompare(proof, k.proof) == 1 {
			out = append(out, k.Session)
		}
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Or(b.Seen.Compare(a.Seen), strings.Compare(a.ID, b.ID)) })
	return out, nil
}

func (s *Sessions) all(ctx context.Context, account mail.AccountID) ([]stored, error) {
	notes, err := s.Notes.Notes(ctx, mail.NoteQuery{Kind: Kind, Prefix: key(account, "")})
	if err != nil {
		return nil, err
	}
	out := make([]stored, 0, len(notes))
	for _, n := range notes {
		if k, ok := s.open(n); ok {
			out = append(out, k)
		}
	}
	return out, nil
}

// End ends sessions of an account. Those that are not there are ended already; ids that are no ids are Invalid.
func (s *Sessions) End(ctx context.Context, account mail.AccountID, ids ...string) error {
	var changes []mail.Change
	for _, id := range ids {
		if b, err := hex.DecodeString(id); err != nil || len(b) != sha256.Size || id != strings.ToLower(id) {
			return mail.Errorf(mail.Invalid, "%.80q is no session's id", id)
		}
		changes = append(changes, remove(account, id))
	}
	return s.commit(ctx, changes)
}

// EndOthers ends all sessions of an account but keep ("": all).
func (s *Sessions) EndOthers(ctx context.Context, account mail.AccountID, keep string) error {
	changes, err := s.others(ctx, account, keep)
	if err != nil {
		return err
	}
	return s.commit(ctx, changes)
}

// Rekey are the changes that belong to a change of the account's password to c by one of its sessions: that one goes on, the others end.
// A Conflict of their commit says that the session was used meanwhile: find it again and try once more.
func (s *Sessions) Rekey(ctx context.Context, session Session, c mail.Credential) ([]mail.Change, error) {
	var v value
	if err := json.Unmarshal(session.raw, &v); err != nil {
		return nil, mail.Errorf(mail.Internal, "a session's note cannot be read: %w", err)
	}
	v.Proof = fingerprint(c)
	put, err := v.note(session.Account, session.ID, mail.NoteIs, session.raw)
	if err != nil {
		return nil, err
	}
	others, err := s.others(ctx, session.Account, session.ID)
	return append(others, put), err
}

func (s *Sessions) others(ctx context.Context, account mail.AccountID, keep string) ([]mail.Change, error) {
	all, err := s.all(ctx, account)
	var out []mail.Change
	for _, k := range all {
		if k.ID != keep {
			out = append(out, remove(account, k.ID))
		}
	}
	return out, err
}

func (s *Sessions) commit(ctx context.Context, changes []mail.Change) error {
	if len(changes) == 0 {
		return nil
	}
	_, err := s.Journal.Commit(ctx, mail.ChangeSet{Changes: changes})
	return err
}

// proof is the fingerprint of the account's password; of an account that has none, nothing's.
func (s *Sessions) proof(ctx context.Context, account mail.AccountID) ([]byte, error) {
	list, err := s.Directory.Credentials(ctx, account)
	switch {
	case mail.Is(err, mail.NotFound):
		return nil, ended()
	case err != nil:
		return nil, err
	}
	for _, c := range list {
		if c.Label == mail.Password {
			return fingerprint(c), nil
		}
	}
	return fingerprint(mail.Credential{}), nil
}

// fingerprint tells one password's hash from another's, which has a salt of its own.
func fingerprint(c mail.Credential) []byte {
	sum := sha256.Sum256([]byte("session\x00" + c.Hash))
	return sum[:16]
}

func (v value) session(account mail.AccountID, id string, raw []byte) Session {
	idle := Idle
	if v.Remember {
		idle = Remembered
	}
	expires := v.Seen.Add(idle)
	if last := v.Created.Add(Longest); last.Before(expires) {
		expires = last
	}
	return Session{ID: id, Account: account, Created: v.Created, Seen: v.Seen, Expires: expires, Address: v.Address, Agent: v.Agent,
		Remember: v.Remember, raw: bytes.Clone(raw)}
}

func (v value) note(account mail.AccountID, id string, cond mail.NoteIf, was []byte) (mail.PutNote, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return mail.PutNote{}, mail.Errorf(mail.Internal, "a session cannot be written: %w", err)
	}
	return mail.PutNote{If: cond, Was: was, Note: mail.Note{
		Kind: Kind, Key: key(account, id), Account: account, Value: b, Expires: v.session(account, id, nil).Expires,
	}}, nil
}

func remove(account mail.AccountID, id string) mail.Change {
	return mail.RemoveNote{Kind: Kind, Key: key(account, id)}
}

func key(account mail.AccountID, id string) string {
	return strconv.FormatInt(int64(account), 10) + "/" + id
}

func idOf(token []byte) string {
	sum := sha256.Sum256(token)
	return hex.EncodeToString(sum[:])
}

// parse reads a cookie value: the account's number, a dot, and the token in base64url (RFC 4648 5).
func parse(cookie string) (mail.AccountID, []byte, bool) {
	number, text, ok := strings.Cut(cookie, ".")
	if !ok || len(number) > 19 || len(text) != base64.RawURLEncoding.EncodedLen(tokenLength) {
		return 0, nil, false
	}
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != number {
		return 0, nil, false
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return mail.AccountID(id), token, err == nil && len(token) == tokenLength
}
