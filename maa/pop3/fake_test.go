package pop3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"net"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/infra/netserve"
	infratls "github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/maa/pop3"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/testkit/dialog"
	"github.com/postrider/postrider/testkit/logs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is one account's INBOX in memory: as much of the contracts as POP3 asks for.
type store struct {
	rest     // what is not below must not be asked
	mu       sync.Mutex
	messages []stored
	sets     []mail.ChangeSet
	fail     error // of Commit
	failRead error // of Mailboxes and Message
}

type rest interface{ mail.Mailboxes }

type stored struct {
	uid    uint32
	prefix string
	body   string
	broken int // octets after which reading the body fails; 0 never
}

const (
	account     mail.AccountID = 7
	inbox       mail.MailboxID = 3
	uidValidity                = 1700000000
)

func (s *store) add(m ...stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m...)
}

func (s *store) uids() (uids []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		uids = append(uids, m.uid)
	}
	return uids
}

func (s *store) Mailboxes(context.Context, mail.AccountID) ([]mail.Mailbox, error) {
	if s.failRead != nil {
		return nil, s.failRead
	}
	return []mail.Mailbox{{ID: inbox, Account: account, Name: mail.Inbox, UIDValidity: uidValidity, Messages: int64(len(s.uids()))}, {ID: 4, Name: "Sent"}}, nil
}

func (s *store) Placements(_ context.Context, box mail.MailboxID, in mail.UIDRange, _ uint64) iter.Seq2[mail.Placement, error] {
	s.mu.Lock()
	all := slices.Clone(s.messages)
	s.mu.Unlock()
	return func(yield func(mail.Placement, error) bool) {
		for _, m := range all {
			p := mail.Placement{Mailbox: box, UID: m.uid, Email: mail.EmailID(m.uid) + 100, Size: int64(len(m.prefix) + len(m.body))}
			if in.Contains(m.uid) && !yield(p, nil) {
				return
			}
		}
	}
}

func (s *store) Message(_ context.Context, of mail.AccountID, id mail.EmailID) (mail.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failRead != nil {
		return mail.Message{}, s.failRead
	}
	for _, m := range s.messages {
		if mail.EmailID(m.uid)+100 == id && of == account {
			return mail.Message{ID: id, Account: of, Blob: mail.BlobID(m.uid), Prefix: []byte(m.prefix), Size: int64(len(m.prefix) + len(m.body))}, nil
		}
	}
	return mail.Message{}, mail.Errorf(mail.NotFound, "no such message")
}

func (s *store) Messages(ctx context.Context, _ mail.MailboxID, in mail.UIDRange) iter.Seq2[mail.PlacedMessage, error] {
	return func(yield func(mail.PlacedMessage, error) bool) {
		for _, uid := range s.uids() {
			m, err := s.Message(ctx, account, mail.EmailID(uid)+100)
			if in.Contains(uid) && !yield(mail.PlacedMessage{UID: uid, Message: m}, err) {
				return
			}
		}
	}
}

func (s *store) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets = append(s.sets, set)
	if s.fail != nil {
		return mail.Receipt{}, s.fail
	}
	for _, c := range set.Changes {
		e := c.(mail.Expunge)
		s.messages = slices.DeleteFunc(s.messages, func(m stored) bool {
			return slices.ContainsFunc(e.UIDs, func(r mail.UIDRange) bool { return r.Contains(m.uid) })
		})
	}
	return mail.Receipt{}, nil
}

func (s *store) Create(context.Context) (mail.BlobWriter, error) {
	return nil, errors.New("POP3 writes nothing")
}

func (s *store) Open(_ context.Context, id mail.BlobID) (mail.BlobReader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if mail.BlobID(m.uid) == id {
			return &body{Reader: bytes.NewReader([]byte(m.body)), left: m.broken, whole: m.broken == 0}, nil
		}
	}
	return nil, mail.Errorf(mail.NotFound, "no such blob")
}

// body reads a stored body, up to where it is damaged.
type body struct {
	*bytes.Reader
	left  int
	whole bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.whole {
		return b.Reader.Read(p)
	}
	if b.left == 0 {
		return 0, mail.Errorf(mail.Internal, "pack 1, offset 2: the checksum is wrong")
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (b *body) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{b})
}
func (b *body) Close() error { return nil }

// door is the Authenticator: ann with one password.
type door struct{ trouble error }

const password = "correct horse"

func (d door) check(_, user, pass string) error {
	switch {
	case d.trouble != nil:
		return d.trouble
	case user != "ann@a.test" || pass != password:
		return mail.Errorf(mail.Unauthenticated, "name or password is wrong")
	}
	return nil
}

func (d door) config() sasl.Config { return sasl.Config{Check: d.check} }

func (d door) Mechanisms(*tls.ConnectionState) []string { return d.config().Mechanisms() }

func (d door) SASL(_ context.Context, mechanism string, _ *tls.ConnectionState, _ net.Addr) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(d.check), nil
	case sasl.Login:
		return sasl.NewLoginServer(d.check), nil
	}
	return nil, sasl.ErrUnknownMechanism
}

func (d door) Login(ctx context.Context, user, pass string, _ net.Addr) (mail.Account, error) {
	if err := d.check("", user, pass); err != nil {
		return mail.Account{}, err
	}
	return d.Account(ctx, user)
}

func (d door) Account(context.Context, string) (mail.Account, error) {
	return mail.Account{ID: account, Address: "ann@a.test"}, nil
}

// bench is a server on loopback.
type bench struct {
	store  *store
	log    *logs.Log
	server *netserve.Server
	runner dialog.Runner
	addr   string
}

func newBench(t testing.TB, change func(*pop3.Config)) *bench {
	t.Helper()
	keeper, err := infratls.Open(infratls.KeeperConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{store: &store{}, log: logs.New(t)}
	cfg := pop3.Config{Mailboxes: b.store, Journal: b.store, Blobs: b.store, Authenticator: door{}, TLS: keeper.Server(infratls.Users), Log: b.log.Logger()}
	if change != nil {
		change(&cfg)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	b.server = netserve.New(netserve.Config{Handler: pop3.New(cfg).Serve})
	done := make(chan error, 1)
	go func() { done <- b.server.Serve(l) }()
	t.Cleanup(func() {
		if err := b.server.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	b.runner = dialog.Runner{Dial: func(t testing.TB) net.Conn {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}, Vars: map[string]string{"password": password}}
	return b
}
