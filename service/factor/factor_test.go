package factor

import (
	"context"
	"encoding/base32"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/infra/store/storetest"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/directory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type hand struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (h *hand) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

type bench struct {
	*Service
	store *store.Store
	clock *hand
	ann   mail.Account
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{clock: &hand{now: epoch}}
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b.store = s
	b.Service = New(Config{Notes: s, Journal: s, Directory: s, Clock: b.clock, Secret: []byte("secret of the test"), Host: "mail.one.example", Issuer: "Post & Co",
		Origins: []string{"https://mail.one.example"}, Passwords: &directory.Passwords{Directory: s, Journal: s, Clock: b.clock}})
	b.commit(t, mail.AddDomain{Domain: mail.Domain{Name: "one.example"}})
	b.ann = b.person(t, "ann@one.example")
	return b
}

func (b *bench) person(t rapid.TB, address mail.Path) mail.Account {
	t.Helper()
	b.commit(t, mail.AddAccount{Account: mail.Account{Address: address}, Mailboxes: []mail.NewMailbox{{Name: mail.Inbox, Use: mail.UseInbox}}})
	a, err := b.store.AccountByAddress(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	b.commit(t, mail.PutCredential{Credential: mail.Credential{Account: a.ID, Label: mail.Password, Hash: "x"}})
	return a
}

func (b *bench) commit(t rapid.TB, c ...mail.Change) {
	t.Helper()
	if _, err := b.store.Commit(context.Background(), mail.ChangeSet{Changes: c}); err != nil {
		t.Fatal(err)
	}
}

// app turns codes on and gives the secret and the recovery codes.
func (b *bench) app(t rapid.TB, a mail.Account, programs *bool) ([]byte, []string) {
	t.Helper()
	e, err := b.BeginTOTP(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret)
	if err != nil {
		t.Fatal(err)
	}
	recovery, err := b.ConfirmTOTP(context.Background(), a.ID, totpCode(secret, totpStep(b.clock.Now())), programs)
	if err != nil {
		t.Fatal(err)
	}
	return secret, recovery
}

// TestCodes holds codes to the tables of RFC 4226 appendix D and RFC 6238 appendix B (of eight digits there: the last six are ours).
func TestCodes(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for count, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := totpCode(secret, int64(count)); got != want {
			t.Errorf("of count %d: %s, want %s", count, got, want)
		}
	}
	for at, want := range map[int64]string{59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130"} {
		if got := totpCode(secret, totpStep(time.Unix(at, 0))); got != want[2:] {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// TestTOTP takes the code of the present step and of its neighbours (RFC 6238 5.2), each once and none before the last.
func TestTOTP(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secret, _ := b.app(t, b.ann, nil)
	check := func(what string, step int64, good bool) {
		t.Helper()
		code := totpCode(secret, totpStep(b.clock.Now())+step)
		if err := b.Check(t.Context(), b.ann.ID, code[:3]+" "+code[3:]); (err == nil) != good || err != nil && !mail.Is(err, mail.Unauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("the code that confirmed", 0, false)
	b.clock.pass(10 * time.Minute)
	check("two steps before", -2, false)
	check("two steps ahead", 2, false)
	check("the step before", -1, true)
	check("the step before, again", -1, false)
	check("this step", 0, true)
	check("this step, again", 0, false)
	check("the next step", 1, true)
	check("this step, after the next", 0, false)
	b.clock.pass(30 * time.Second)
	check("the next step, now it has come", 0, false)
	for _, code := range []string{"", "12345", "1234567", "abcdef", "١٢٣٤٥٦", strings.Repeat("9", 100_000), "aaaa-aaaa-aaaa-aaaa"} {
		if err := b.Check(t.Context(), b.ann.ID, code); !mail.Is(err, mail.Unauthenticated) {
			t.Errorf("%.20q: %v", code, err)
		}
	}
	bob := b.person(t, "bob@one.example")
	if err := b.Check(t.Context(), bob.ID, totpCode(nil, totpStep(b.clock.Now()))); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("the code of no secret: %v", err)
	}
}

// Of the same code at the same time one is good.
func TestOneOfMany(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secret, recovery := b.app(t, b.ann, nil)
	b.clock.pass(time.Hour)
	for _, code := range []string{totpCode(secret, totpStep(b.clock.Now())), recovery[3]} {
		var mu sync.Mutex
		good := 0
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				err := b.Check(context.Background(), b.ann.ID, code)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					good++
				} else if !mail.Is(err, mail.Unauthenticated) && !mail.Is(err, mail.Conflict) {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if good != 1 {
			t.Errorf("%s was good %d times", code, good)
		}
	}
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e, err := b.BeginTOTP(t.Context(), b.ann)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(e.URI)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Post & Co:ann@one.example" || u.Query().Get("secret") != e.Secret ||
		u.Query().Get("issuer") != "Post & Co" || strings.Contains(u.RawQuery, "+") {
		t.Errorf("the URI is %q, %v", e.URI, err)
	}
	secret, err := base32Text.DecodeString(e.Secret)
	if err != nil || len(secret) != 20 {
		t.Errorf("a secret of %d octets, %v", len(secret), err)
	}
	if s, err := b.State(t.Context(), b.ann.ID); err != nil || s.On() {
		t.Errorf("before a code was shown it is %+v, %v", s, err)
	}
	if _, err := b.ConfirmTOTP(t.Context(), b.ann.ID, "000000", nil); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("a wrong code: %v", err)
	}
	b.clock.pass(15 * time.Minute)
	if _, err := b.ConfirmTOTP(t.Context(), b.ann.ID, totpCode(secret, totpStep(b.clock.Now())), nil); !mail.Is(err, mail.NotFound) {
		t.Errorf("too late: %v", err)
	}
	// While another app is set up the first goes on, and then it does not.
	first, old := b.app(t, b.ann, nil)
	if _, err := b.BeginTOTP(t.Context(), b.ann); err != nil {
		t.Fatal(err)
	}
	b.clock.pass(time.Minute)
	if err := b.Check(t.Context(), b.ann.ID, totpCode(first, totpStep(b.clock.Now()))); err != nil {
		t.Errorf("the first app: %v", err)
	}
	b.app(t, b.ann, nil)
	b.clock.pass(time.Minute)
	for _, code := range []string{totpCode(first, totpStep(b.clock.Now())), old[0]} {
		if err := b.Check(t.Context(), b.ann.ID, code); !mail.Is(err, mail.Unauthenticated) {
			t.Errorf("of the first app, after the second: %v", err)
		}
	}
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.RenewRecovery(t.Context(), b.ann.ID); !mail.Is(err, mail.Denied) {
		t.Errorf("without a second factor: %v", err)
	}
	_, codes := b.app(t, b.ann, nil)
	if len(codes) != RecoveryCodes || len(slices.Compact(slices.Sorted(slices.Values(codes)))) != RecoveryCodes || len(codes[0]) != 19 {
		t.Errorf("the codes are %q", codes)
	}
	typed := strings.ToUpper(strings.ReplaceAll(codes[2], "-", " "))
	if err := b.Check(t.Context(), b.ann.ID, typed); err != nil {
		t.Errorf("a code: %v", err)
	}
	if err := b.Check(t.Context(), b.ann.ID, codes[2]); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("a code that was used: %v", err)
	}
	if s, err := b.State(t.Context(), b.ann.ID); err != nil || s.Recovery != 9 || !slices.Equal(s.Ways(), []string{"totp", "recovery"}) {
		t.Errorf("%+v, %v", s, err)
	}
	fresh, err := b.RenewRecovery(t.Context(), b.ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context(), b.ann.ID, codes[5]); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("a code of the old ones: %v", err)
	}
	if err := b.Check(t.Context(), b.ann.ID, fresh[5]); err != nil {
		t.Errorf("a code of the new ones: %v", err)
	}
	n, err := b.store.Note(t.Context(), Kind, stateKey(b.ann.ID))
	if err != nil || n.Account != b.ann.ID || strings.Contains(string(n.Value), fresh[0][:4]) {
		t.Errorf("the note is %s of %d, %v", n.Value, n.Account, err)
	}
	if err := b.RemoveTOTP(t.Context(), b.ann.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveTOTP(t.Context(), b.ann.ID); !mail.Is(err, mail.NotFound) {
		t.Errorf("turned off twice: %v", err)
	}
	if err := b.Check(t.Context(), b.ann.ID, fresh[6]); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("a recovery code without a second factor: %v", err)
	}
}

// TestPrograms follows what the account's own password is for while factors come and go.
func TestPrograms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	yes, no := true, false
	scope := func(what string, want mail.Scope) {
		t.Helper()
		list, err := b.store.Credentials(t.Context(), b.ann.ID)
		if err != nil || len(list) != 1 || list[0].Scope != want || list[0].Hash != "x" {
			t.Errorf("%s: %+v, %v, want scope %d", what, list, err, want)
		}
		if programs, err := b.Programs(t.Context(), b.ann.ID); err != nil || programs != (want != mail.ScopeWeb) {
			t.Errorf("%s: programs %v, %v", what, programs, err)
		}
	}
	if err := b.SetPrograms(t.Context(), b.ann.ID, false); !mail.Is(err, mail.Denied) {
		t.Errorf("without a factor: %v", err)
	}
	scope("at first", 0)
	for _, c := range []struct {
		programs *bool
		want     mail.Scope
	}{{nil, mail.ScopeWeb}, {&no, mail.ScopeWeb}, {&yes, 0}} {
		b.app(t, b.ann, c.programs)
		scope("with a factor", c.want)
		b.app(t, b.ann, nil)
		scope("with another app, and nothing said", c.want)
		b.app(t, b.ann, &yes)
		scope("with another app, and yes said", 0)
		if err := b.SetPrograms(t.Context(), b.ann.ID, false); err != nil {
			t.Error(err)
		}
		scope("no said", mail.ScopeWeb)
		if err := b.Reset(t.Context(), b.ann.ID); err != nil {
			t.Fatal(err)
		}
		scope("reset", 0)
	}
	b.commit(t, mail.PutCredential{Credential: mail.Credential{Account: b.ann.ID, Label: mail.Password, Hash: "x", Scope: mail.ScopeIMAP | mail.ScopeWeb}})
	b.app(t, b.ann, nil)
	scope("of a narrow password", mail.ScopeWeb)
	if err := b.RemoveTOTP(t.Context(), b.ann.ID); err != nil {
		t.Fatal(err)
	}
	scope("it is narrow again", mail.ScopeIMAP|mail.ScopeWeb)
}

// What comes between reading and writing is not lost.
func TestBetween(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secret, recovery := b.app(t, b.ann, nil)
	b.clock.pass(time.Hour)
	n := 0
	b.cfg.Notes = watched{b.store, func() {
		if n++; n == 1 {
			other := *b.Service
			other.cfg.Notes = b.store
			if err := other.Check(context.Background(), b.ann.ID, totpCode(secret, totpStep(b.clock.Now()))); err != nil {
				t.Error(err)
			}
		}
	}}
	if err := b.Check(t.Context(), b.ann.ID, recovery[0]); err != nil {
		t.Errorf("a code, while another was used: %v", err)
	}
	if err := b.Check(t.Context(), b.ann.ID, totpCode(secret, totpStep(b.clock.Now()))); !mail.Is(err, mail.Unauthenticated) {
		t.Errorf("the step of the other was forgotten: %v", err)
	}
	// A store that fails is no wrong code.
	broken := mail.Errorf(mail.Unavailable, "the disk is away")
	b.cfg.Notes = failing{b.store, broken}
	if err := b.Check(t.Context(), b.ann.ID, recovery[1]); !errors.Is(err, broken) {
		t.Errorf("a store that fails: %v", err)
	}
}

// watched does something after a note was read.
type watched struct {
	*store.Store
	after func()
}

func (n watched) Note(ctx context.Context, kind, key string) (mail.Note, error) {
	note, err := n.Store.Note(ctx, kind, key)
	n.after()
	return note, err
}

type failing struct {
	*store.Store
	err error
}

func (f failing) Note(context.Context, string, string) (mail.Note, error) { return mail.Note{}, f.err }

// TestSeal opens what is ours, for what it is for, in its time.
func TestSeal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	step, err := b.Step(7)
	if err != nil || b.Stepped(step) != 7 {
		t.Errorf("a step: %v", err)
	}
	foreign := New(Config{Clock: b.clock, Secret: []byte("another")})
	if foreign.Stepped(step) != 0 || foreign.Offers() {
		t.Error("another installation takes it")
	}
	if _, _, err := foreign.BeginLogin(""); !mail.Is(err, mail.Unavailable) {
		t.Errorf("passkeys without a host: %v", err)
	}
	id, _, err := b.BeginLogin("ann")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", ".", id, step + "A", "A" + step, strings.Replace(step, ".", "", 1), step + "\n", step[:len(step)-2] + "\r" + step[len(step)-2:], strings.Repeat("A", maxSealed) + step} {
		if b.Stepped(s) != 0 {
			t.Errorf("%.30q is taken for a step", s)
		}
	}
	for what, sealed := range map[string]string{forRegistration: id, forLogin: step} {
		if _, err := b.unseal(sealed, what); !mail.Is(err, mail.Unauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.clock.pass(challengeFor)
	if b.Stepped(step) != 0 {
		t.Error("a step lasts for ever")
	}
	if _, err := b.unseal(id, forLogin); err == nil {
		t.Error("a challenge lasts for ever")
	}
	if _, _, err := b.BeginLogin(strings.Repeat("x", maxUser+1)); !mail.Is(err, mail.Invalid) {
		t.Errorf("an endless name: %v", err)
	}
}

// FuzzUnseal reads what anybody may send for a challenge: nothing is one that was not sealed here.
func FuzzUnseal(f *testing.F) {
	s := New(Config{Secret: []byte("secret of the test"), Clock: &hand{now: epoch}})
	good, err := s.seal(challenge{What: forLogin, Data: &webauthn.SessionData{Challenge: "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("e30.AAAA")
	f.Add(".")
	f.Fuzz(func(t *testing.T, sealed string) {
		if _, err := s.unseal(sealed, forLogin); (err == nil) != (sealed == good) {
			t.Errorf("%q: %v", sealed, err)
		}
	})
}

// TestStates uses codes, renews them, and turns factors on and off in whatever order, and compares with a model of what is good.
func TestStates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		who := b.person(t, mail.Path("p"+strings.Repeat("x", n)[:min(n, 50)]+time.Duration(n).String()+"@one.example"))
		var secret []byte
		var last int64
		good := map[string]bool{} // recovery codes, ever made
		ctx := context.Background()
		t.Repeat(map[string]func(*rapid.T){
			"set up": func(t *rapid.T) {
				var codes []string
				secret, codes = b.app(t, who, nil)
				last = totpStep(b.clock.Now())
				for c := range good {
					good[c] = false
				}
				for _, c := range codes {
					good[c] = true
				}
			},
			"remove": func(t *rapid.T) {
				if err := b.RemoveTOTP(ctx, who.ID); (err == nil) != (secret != nil) {
					t.Fatal(err)
				}
				secret = nil
				for c := range good {
					good[c] = false
				}
			},
			"renew": func(t *rapid.T) {
				codes, err := b.RenewRecovery(ctx, who.ID)
				if (err == nil) != (secret != nil) {
					t.Fatal(err)
				}
				if err != nil {
					return
				}
				for c := range good {
					good[c] = false
				}
				for _, c := range codes {
					good[c] = true
				}
			},
			"code": func(t *rapid.T) {
				if secret == nil {
					t.Skip()
				}
				now := totpStep(b.clock.Now())
				step := now + int64(rapid.IntRange(-3, 3).Draw(t, "step"))
				err := b.Check(ctx, who.ID, totpCode(secret, step))
				want := step > last && step >= now-1 && step <= now+1
				if (err == nil) != want {
					t.Fatalf("step %d at %d after %d: %v", step, now, last, err)
				}
				if want {
					last = step
				}
			},
			"recovery code": func(t *rapid.T) {
				if len(good) == 0 {
					t.Skip()
				}
				code := rapid.SampledFrom(slices.Sorted(func(yield func(string) bool) {
					for c := range good {
						if !yield(c) {
							return
						}
					}
				})).Draw(t, "code")
				if err := b.Check(ctx, who.ID, code); (err == nil) != good[code] {
					t.Fatalf("good is %v: %v", good[code], err)
				}
				good[code] = false
			},
			"wait": func(t *rapid.T) {
				b.clock.pass(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				s, err := b.State(ctx, who.ID)
				left := 0
				for _, is := range good {
					if is {
						left++
					}
				}
				if err != nil || s.TOTP != (secret != nil) || s.Recovery != left {
					t.Fatalf("it is %+v, %v; want %v and %d", s, err, secret != nil, left)
				}
				if programs, err := b.Programs(ctx, who.ID); err != nil || programs != (secret == nil) {
					t.Fatalf("programs %v, %v", programs, err)
				}
			},
		})
	})
}
