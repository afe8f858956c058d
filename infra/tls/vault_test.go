package tls

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/clock"
)

func testVault(t *testing.T, c mail.Clock) *vault {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: c, Reserve: -1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return newVault(s, s, c)
}

// The vault behaves as a directory of files, also below paths that are longer than a note's key.
func TestVaultIsADirectory(t *testing.T) {
	t.Parallel()
	v, ctx := testVault(t, mail.SystemClock{}), t.Context()
	long := strings.Repeat("l", 240)
	part := rapid.SampledFrom([]string{"a", "b", "ab", "a.b", long, long + "2"})
	rapid.Check(t, func(rt *rapid.T) {
		if err := errors.Join(v.Delete(ctx, "a"), v.Delete(ctx, "b"), v.Delete(ctx, "ab"), v.Delete(ctx, "a.b"), v.Delete(ctx, long), v.Delete(ctx, long+"2")); err != nil {
			rt.Fatal(err)
		}
		model := map[string][]byte{}
		inside := func(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			p := path.Join(rapid.SliceOfN(part, 1, 4).Draw(rt, "path")...)
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0, 1:
				value := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "value")
				if err := v.Store(ctx, p, value); err != nil {
					rt.Fatal(err)
				}
				model[p] = value
			case 2:
				if err := v.Delete(ctx, p); err != nil {
					rt.Fatal(err)
				}
				for have := range model {
					if have == p || inside(have, p) {
						delete(model, have)
					}
				}
			}
			compareVault(rt, v, model, p)
		}
	})
}

func compareVault(t *rapid.T, v *vault, model map[string][]byte, p string) {
	ctx := context.Background()
	got, err := v.Load(ctx, p)
	want, there := model[p]
	if there != (err == nil) || !there && !errors.Is(err, fs.ErrNotExist) || !bytes.Equal(got, want) {
		t.Fatalf("Load: %q %v, want %q", got, err, want)
	}
	for _, recursive := range []bool{true, false} {
		for _, dir := range []string{p, path.Dir(p)} {
			var wants []string
			for have := range model {
				if rest, ok := strings.CutPrefix(have, dir+"/"); ok || dir == "." {
					if dir == "." {
						rest = have
					}
					if first, _, more := strings.Cut(rest, "/"); !recursive && more {
						have = path.Join(dir, first)
					}
					wants = append(wants, have)
				}
			}
			slices.Sort(wants)
			ask := dir
			if dir == "." {
				ask = ""
			}
			list, err := v.List(ctx, ask, recursive)
			if wants = slices.Compact(wants); !slices.Equal(list, wants) || (err != nil) != (len(wants) == 0) {
				t.Fatalf("List(%q, %v): %q %v, want %q", ask, recursive, list, err, wants)
			}
			_, file := model[dir]
			if ask != "" && v.Exists(ctx, dir) != (file || len(wants) > 0) {
				t.Fatalf("Exists(%q): %v", dir, v.Exists(ctx, dir))
			}
		}
	}
	if info, err := v.Stat(ctx, p); there && (err != nil || !info.IsTerminal || info.Size != int64(len(want)) || time.Since(info.Modified) > time.Hour) {
		t.Fatalf("Stat: %+v %v", info, err)
	}
}

func TestVaultRefusesWhatNoNoteHolds(t *testing.T) {
	t.Parallel()
	v := testVault(t, mail.SystemClock{})
	if err := v.Store(t.Context(), "big", make([]byte, mail.MaxNote)); !mail.Is(err, mail.Invalid) {
		t.Errorf("a value that is too large: %v", err)
	}
	for _, damaged := range [][]byte{nil, {0xff}, {5, 'a'}, bytes.Repeat([]byte{0xff}, 11)} {
		if _, _, err := unseal(mail.Note{Key: "k", Value: damaged}); !mail.Is(err, mail.Internal) {
			t.Errorf("%x: %v", damaged, err)
		}
	}
}

// A lock excludes others, is renewed while it is held, passes on when its holder died, and is not taken from its new holder then.
func TestLocks(t *testing.T) {
	t.Parallel()
	now := clock.New()
	a := testVault(t, now)
	b := newVault(a.notes, a.journal, now)
	ctx := t.Context()
	name := "issue_cert_" + strings.Repeat("x", 600)
	if err := a.Lock(ctx, name); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- b.Lock(ctx, name) }()
	for range 40 { // far beyond the lease: the holder renews it
		now.Await(t, 2)
		now.Step()
	}
	select {
	case err := <-got:
		t.Fatalf("a lock was had twice: %v", err)
	default:
	}
	if err := a.Unlock(ctx, name); err != nil {
		t.Fatal(err)
	}
	now.Await(t, 1)
	now.Step()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	// b dies: nobody renews, and the lock is free some time later.
	b.mu.Lock()
	dead := b.held[name]
	b.mu.Unlock()
	dead.end()
	<-dead.done
	now.Advance(leaseLife)
	if err := a.Lock(ctx, name); err != nil {
		t.Fatal(err)
	}
	if err := b.Unlock(ctx, name); err != nil {
		t.Errorf("giving back a lock that ran out: %v", err)
	}
	late, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Lock(late, name); err == nil {
		t.Error("the new holder's lock was given away")
	}
	if err := a.Unlock(ctx, name); err != nil {
		t.Error(err)
	}
	if err := a.Unlock(ctx, name); !mail.Is(err, mail.NotFound) {
		t.Errorf("a lock that is not held: %v", err)
	}
}

func TestTroubleIsExplained(t *testing.T) {
	t.Parallel()
	a := ACME{Directory: "https://ca.test/dir", Challenges: []Challenge{TLSALPN, HTTP}}
	problem := func(kind, detail string) error {
		return errors.Join(acme.Problem{Type: acme.ProblemTypeNamespace + kind, Detail: detail})
	}
	for want, err := range map[string]error{
		"wait, or try with its staging":      problem("rateLimited", "too many certificates"),
		"port 443 or port 80; open":          problem("connection", "refused"),
		"Publish the address of mx.test":     problem("dns", "NXDOMAIN"),
		"Another server answers for mx.test": problem("unauthorized", "wrong"),
		"A CAA record":                       problem("caa", "no"),
		"use another authority":              problem("rejectedIdentifier", "policy"),
		`"it is  closed"`:                    problem("serverInternal", "it is\r\nclosed"),
		"did not finish in time":             context.DeadlineExceeded,
		"CAP_NET_BIND_SERVICE":               errors.New("could not start listener for challenge server at :443: permission denied"),
		"the disk is full. Mend that.":       mail.Errorf(mail.Unavailable, "the disk is full"),
	} {
		for _, until := range []time.Time{{}, time.Unix(1e9, 0)} {
			got, _ := a.explain("mx.test", until, err)
			if !strings.Contains(got, want) || !strings.HasSuffix(got, "docs/problems.md#certificate") || strings.ContainsAny(got, "\r\n") ||
				strings.Contains(got, "2001-09-09") == until.IsZero() {
				t.Errorf("%q lacks %q", got, want)
			}
		}
	}
}

func TestOrderable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"MX.Example.test.": "mx.example.test", "*.example.test": "*.example.test", "localhost": "", "192.0.2.1": "", "::1": "", "[192.0.2.1]": "",
		"": "", "a..": "", "user@example.test": "", "a/b.test": "", "a*.test": "", "mx.example.test:443": "",
	} {
		if got, ok := orderable(name); ok && got != want || !ok && want != "" {
			t.Errorf("%q: %q %v", name, got, ok)
		}
	}
}
