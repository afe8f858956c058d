package mail_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/mail"
)

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("filing: %w", mail.Errorf(mail.OverQuota, "the mailbox is full"))
	if !mail.Is(wrapped, mail.OverQuota) {
		t.Errorf("the kind of %v is lost", wrapped)
	}
	if mail.KindOf(io.EOF) != mail.Internal || mail.Is(nil, mail.Internal) {
		t.Error("a plain error is internal, and nil is no error at all")
	}
	if got := mail.Sentence(io.EOF); strings.Contains(got, "EOF") {
		t.Errorf("an internal cause is shown to strangers: %q", got)
	}
	cause := mail.Errorf(mail.Unavailable, "the disk is slow: %w", io.ErrUnexpectedEOF)
	if !errors.Is(cause, io.ErrUnexpectedEOF) || strings.Count(cause.Error(), "unexpected EOF") != 1 {
		t.Errorf("the cause must be reachable and told once: %q", cause)
	}
	change := &mail.ChangeError{Index: 3, Err: mail.Errorf(mail.Exists, "there is one")}
	if !mail.Is(change, mail.Exists) {
		t.Error("a ChangeError must show the kind of its cause")
	}
}

func TestTraceIDOrder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	a := mail.NewTraceID(at, 0xffffffff)
	b := mail.NewTraceID(at.Add(time.Millisecond), 0)
	if len(a) != 16 || a >= b {
		t.Errorf("trace ids must have 16 characters and sort by time: %q, %q", a, b)
	}
	if a == mail.NewTraceID(at, 0xfffffffe) {
		t.Error("different random bits must give different ids")
	}
}

// TestFlagNames covers RFC 9051 2.3.2: system flags in any case, keywords of atoms.
func TestFlagNames(t *testing.T) {
	t.Parallel()
	f, err := mail.ParseFlags(`\seen`, "Work", "$FORWARDED", "work", "a1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Names(), []string{`\Seen`, "$Forwarded", "a1", "work"}; !slices.Equal(got, want) {
		t.Errorf("names are %q, want %q", got, want)
	}
	for _, bad := range []string{`\Recent`, `\Foo`, "", "a b", "a(b", "naïve", strings.Repeat("x", 101)} {
		if _, err := mail.ParseFlags(bad); !mail.Is(err, mail.Invalid) {
			t.Errorf("flag %q: error is %v, want kind invalid", bad, err)
		}
	}
}

func TestFlagSets(t *testing.T) {
	t.Parallel()
	flags := rapid.Custom(func(t *rapid.T) mail.Flags {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{`\Seen`, `\Deleted`, "$Junk", "a", "b", "c", "d"}), 0, 6).Draw(t, "names")
		f, err := mail.ParseFlags(names...)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
	rapid.Check(t, func(t *rapid.T) {
		f, g := flags.Draw(t, "f"), flags.Draw(t, "g")
		if f.With(g) != g.With(f) || f.With(f) != f {
			t.Error("With is a union")
		}
		if f.With(g).Without(g) != f.Without(g) {
			t.Error("Without takes away what With added")
		}
		back, err := mail.ParseFlags(f.Names()...)
		if err != nil || back != f {
			t.Errorf("names of %v read back as %v, %v", f, back, err)
		}
	})
}

func TestPathSplit(t *testing.T) {
	t.Parallel()
	for p, want := range map[mail.Path][2]string{
		"ann@one.example":     {"ann", "one.example"},
		`"a@b"@one.example`:   {`"a@b"`, "one.example"},
		"postmaster":          {"postmaster", ""},
		"":                    {"", ""},
		"x@[IPv6:2001:db8::]": {"x", "[IPv6:2001:db8::]"},
	} {
		if local, domain := p.Split(); local != want[0] || domain != want[1] {
			t.Errorf("%q splits into %q and %q, want %q", p, local, domain, want)
		}
	}
	if !mail.Path("").IsNull() || mail.Path("a@b").IsNull() {
		t.Error("only the empty path is null")
	}
}
