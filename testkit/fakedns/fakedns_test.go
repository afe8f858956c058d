package fakedns_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/testkit/fakedns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Go's own resolver reads what the server says.
func TestWithGoResolver(t *testing.T) {
	t.Parallel()
	var big strings.Builder
	for i := range 200 {
		fmt.Fprintf(&big, "big.test. TXT \"%0100d\"\n", i)
	}
	s := fakedns.Start(t, "a.test. MX 10 mx.a.test.\nmx.a.test. 60 IN A 192.0.2.1\nmx.a.test. AAAA 2001:db8::1\nalias.test. CNAME mx.a.test.\n"+
		"1.2.0.192.in-addr.arpa. PTR mx.a.test.\ndangling.test. CNAME gone.test.\n"+big.String())
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.Addr.String())
	}}
	ctx := t.Context()
	if mx, err := r.LookupMX(ctx, "a.test."); err != nil || len(mx) != 1 || mx[0].Host != "mx.a.test." {
		t.Errorf("MX: %v, %v", mx, err)
	}
	for _, name := range []string{"mx.a.test.", "Alias.test."} {
		if addrs, err := r.LookupHost(ctx, name); err != nil || len(addrs) != 2 {
			t.Errorf("%s: %v, %v", name, addrs, err)
		}
	}
	if txt, err := r.LookupTXT(ctx, "big.test."); err != nil || len(txt) != 200 {
		t.Errorf("a big answer: %d texts, %v", len(txt), err)
	}
	if names, err := r.LookupAddr(ctx, "192.0.2.1"); err != nil || names[0] != "mx.a.test." {
		t.Errorf("PTR: %v, %v", names, err)
	}
	for _, name := range []string{"gone.test.", "dangling.test."} {
		var e *net.DNSError
		if _, err := r.LookupHost(ctx, name); !errors.As(err, &e) || !e.IsNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Fail("a.test")
	var e *net.DNSError
	if _, err := r.LookupMX(ctx, "a.test."); !errors.As(err, &e) || !e.IsTemporary {
		t.Errorf("told to fail: %v", err)
	}
	s.Mend("a.test")
	s.SetZone(t, "a.test. MX 0 .")
	if mx, err := r.LookupMX(ctx, "a.test."); err != nil || len(mx) != 1 || mx[0].Host != "." {
		t.Errorf("with another zone: %v, %v", mx, err)
	}
	if qs := s.Questions(); qs[0] != "MX a.test." {
		t.Errorf("questions %q", qs)
	}
}
