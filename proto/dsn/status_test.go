package dsn_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/proto/dsn"
)

// RFC 3463 2
func TestParseStatus(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]dsn.Status{"5.1.1": {Class: 5, Subject: 1, Detail: 1}, " 4.7.123\t": {Class: 4, Subject: 7, Detail: 123}, "2.0.0": {Class: 2}, "5.999.999": {Class: 5, Subject: 999, Detail: 999}} {
		got, ok := dsn.ParseStatus(in)
		if !ok || got != want || got.String() != strings.TrimSpace(in) {
			t.Errorf("ParseStatus(%q) = %v, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "5", "5.1", "5.1.", "5..1", "3.1.1", "1.1.1", "5.1.1.1", "5.1.1 x", "5.1.1000", "55.1.1", "5.+1.1", "5.a.1", "x.1.1", "5-1-1"} {
		if got, ok := dsn.ParseStatus(in); ok || !got.IsZero() && got.String() == "" {
			t.Errorf("ParseStatus(%q) = %v, want none", in, got)
		}
	}
	if s := (dsn.Status{}); s.String() != "" || !s.IsZero() || s.Permanent() || s.Temporary() || s.Success() {
		t.Error("the zero status says something")
	}
}

// RFC 2034 4, RFC 3463 2, RFC 5321 4.2.3
func TestOfReply(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"550 5.1.1 No such user": "5.1.1", "550-5.7.1 first line": "5.7.1", "452 4.2.2 full": "4.2.2", "250 2.1.5 ok": "2.1.5", " 550 5.1.1": "5.1.1",
		"550 4.1.1 of another class": "5.2.0", "550 no code": "5.2.0", "550": "5.2.0", "552 too large": "5.2.2", "421 bye": "4.3.2", "554 no": "5.0.0", "451 later": "4.3.0",
		"556 null MX": "5.1.10", "503 what": "5.5.0", "535 no": "5.7.0", "599 x": "5.0.0", "551 moved": "5.1.6", "553 bad": "5.1.3", "250 ok": "2.0.0",
	} {
		got, ok := dsn.OfReply(in)
		if !ok || got.String() != want {
			t.Errorf("OfReply(%q) = %v, %v; want %s", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "55", "354 go on", "hello", "5.1.1 x", "5501 x", "55a x", "timed out"} {
		if got, ok := dsn.OfReply(in); ok {
			t.Errorf("OfReply(%q) = %v, want none", in, got)
		}
	}
}

// RFC 3463 3
func TestExplain(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for class := range 6 {
		for subject := range 12 {
			for detail := range 32 {
				e := dsn.Status{Class: class, Subject: subject, Detail: detail}.Explain()
				for _, s := range []string{e.What, e.Advice} {
					if s != "" && (!strings.HasSuffix(s, ".") || strings.ToUpper(s[:1]) != s[:1]) {
						t.Errorf("%d.%d.%d is no sentence: %q", class, subject, detail, s)
					}
				}
				if e.What == "" || e.Advice == "" && class != 2 {
					t.Errorf("%d.%d.%d is not explained", class, subject, detail)
				}
				seen[e.What] = true
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d explanations", len(seen))
	}
	if got := (dsn.Status{Class: 5, Subject: 1, Detail: 1}).Explain().What; got != "There is no mailbox with this address." {
		t.Error(got)
	}
	if got, want := (dsn.Status{Class: 5, Subject: 4, Detail: 99}).Explain(), (dsn.Status{Class: 5, Subject: 4}).Explain(); got != want {
		t.Errorf("an unknown detail: %v", got)
	}
}

func FuzzStatus(f *testing.F) {
	for _, s := range []string{"5.1.1", "550 5.1.1 x", "421", "250-2.0.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (dsn.Status, bool){dsn.ParseStatus, dsn.OfReply} {
			st, ok := parse(s)
			if !ok {
				continue
			}
			if back, ok := dsn.ParseStatus(st.String()); !ok || back != st {
				t.Fatalf("%q gives %v, which reads as %v", s, st, back)
			}
			if st.Explain().What == "" {
				t.Fatalf("%v has no explanation", st)
			}
		}
	})
}
