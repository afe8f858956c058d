// Package firsthour has a bare host become a mail host that strangers believe, in a small internet of its own (testkit/netlab): the first
// hour of an operator, with the programs that others run on the other side.
//
// It also shows that the stage is real: names that BIND signs and Unbound checks, an authority that certifies only whom it reached, and
// two strangers' Postfix that judge each other's mail.
package firsthour

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/postrider/postrider/testkit/netlab"
)

// TestStrangersBelieveEachOther has one stranger write to another: the second has DANE checked by the first, and finds SPF,
// DKIM and DMARC right. RFC 7672 2.2, RFC 8601 2.2.
func TestStrangersBelieveEachOther(t *testing.T) {
	t.Parallel()
	short(t)
	started := time.Now()
	lab := netlab.Start(t, netlab.Plan{Strangers: []string{"stranger.test", "other.example"}})
	t.Logf("the lab was there after %s", time.Since(started).Round(time.Millisecond))
	one, two := lab.Strangers[0], lab.Strangers[1]
	if err := one.Send(t.Context(), two.User, "Hello", "Is anybody there?"); err != nil {
		t.Fatal(err)
	}
	letter := two.Await(t, "Hello")
	for _, method := range []string{"spf", "dkim", "dmarc"} {
		if got := letter.Results(two.Name)[method]; got != "pass" {
			t.Errorf("%s=%s\n%s", method, got, letter.Raw)
		}
	}
	if log := one.Log(); !strings.Contains(log, "Verified TLS connection established to "+two.Name) {
		t.Errorf("DANE has verified nothing:\n%s", log)
	}
	if !strings.Contains(letter.Body(), "anybody") {
		t.Errorf("the body is %q", letter.Body())
	}

	// A forger on the second's network, with a true name, is not believed: DMARC's p=reject is obeyed.
	us := lab.AddUs(t, "mx.our.test")
	if err := lab.DNS.Publish(t.Context(), "mx.our.test. A 198.51.100.25\nmx.our.test. AAAA 2001:db8:100::25\n"); err != nil {
		t.Fatal(err)
	}
	answer := forge(t, us, two.Name, two.User, one.User)
	if !strings.HasPrefix(answer, "550 5.7.1") {
		t.Errorf("a forged message was answered with %q", answer)
	}
}

// TestChainOfTrust has delv and an Unbound that checks follow the signatures from our root key.
func TestChainOfTrust(t *testing.T) {
	t.Parallel()
	short(t)
	lab := netlab.Start(t, netlab.Plan{Zones: []netlab.Zone{{Name: "our.example", Records: "www TXT \"genuine\"\n"}}})
	us := lab.AddUs(t, "mx.our.example")
	publish := func(text string) {
		t.Helper()
		if err := lab.DNS.Publish(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	// What is published by a dynamic update is signed too, and takes the place of what was there.
	publish("our.example. 3600 IN MX 10 old.our.example.\nold.our.example. 3600 IN A 198.51.100.26\n")
	publish("; a comment\nour.example. 3600 IN MX 10 mx.our.example.\nmx.our.example. 3600 IN A 198.51.100.25\n")
	key := filepath.Join(us.Dir, "anchor")
	anchor := strings.Fields(lab.DNS.Anchor) // name ttl class type tag algorithm digest data
	conf := "trust-anchors { . static-ds " + strings.Join(anchor[4:7], " ") + " \"" + strings.Join(anchor[7:], "") + "\"; };\n"
	if err := os.WriteFile(key, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	ask := func(server, name, kind string) string {
		return us.Run(t, "delv", "@"+server, "-a", key, "+root=.", name, kind)
	}
	for _, q := range [][2]string{{"our.example", "MX"}, {"www.our.example", "TXT"}, {"25.100.51.198.in-addr.arpa", "PTR"}, {"nic.test", "DS"}} {
		if out := ask(lab.DNS.Plain.String(), q[0], q[1]); !strings.Contains(out, "fully validated") {
			t.Errorf("%v:\n%s", q, out)
		}
	}
	if out := ask(lab.DNS.Plain.String(), "our.example", "MX"); strings.Contains(out, "old.") {
		t.Errorf("what was published replaces nothing:\n%s", out)
	}
	flags := func(name string) string {
		return us.Run(t, "dig", "@"+lab.DNS.Checking.String(), "+dnssec", name, "MX")
	}
	if out := flags("our.example"); !strings.Contains(out, "status: NOERROR") || !strings.Contains(out, " ad;") {
		t.Errorf("Unbound does not believe it:\n%s", out)
	}
	for _, c := range []struct {
		trust      netlab.Trust
		status, ad string
	}{{netlab.Wrong, "status: SERVFAIL", ""}, {netlab.None, "status: NOERROR", ""}, {netlab.Right, "status: NOERROR", " ad;"}} {
		if err := lab.DNS.SetDS(t.Context(), "our.example", c.trust); err != nil {
			t.Fatal(err)
		}
		var out string
		for end := time.Now().Add(30 * time.Second); ; {
			out = flags("our.example")
			if strings.Contains(out, c.status) && strings.Contains(out, " ad;") == (c.ad != "") || time.Now().After(end) {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		if !strings.Contains(out, c.status) || strings.Contains(out, " ad;") != (c.ad != "") {
			t.Errorf("after SetDS %d:\n%s", c.trust, out)
		}
	}
	// There is no way out.
	if c, err := us.DialContext(t.Context(), "tcp", "198.18.255.1:80"); err == nil {
		c.Close()
		t.Error("the lab reaches an address outside")
	}
}

// TestAuthorityCertifies has a client by others (x/crypto/acme) get a certificate over HTTP-01 on port 80, which the authority trusts only as it
// reached the name; and none for a name it cannot reach. RFC 8555 8.3.
func TestAuthorityCertifies(t *testing.T) {
	t.Parallel()
	short(t)
	lab := netlab.Start(t, netlab.Plan{CA: true, Zones: []netlab.Zone{{Name: "our.example"}}})
	us := lab.AddUs(t, "mx.our.example")
	if err := lab.DNS.Publish(t.Context(), "mx.our.example. A 198.51.100.25\nelsewhere.our.example. A 192.0.2.2\n"); err != nil {
		t.Fatal(err)
	}
	web, err := us.HTTP()
	if err != nil {
		t.Fatal(err)
	}
	account, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	client := &acme.Client{Key: account, HTTPClient: web, DirectoryURL: lab.CA.Directory}
	ctx, cancel := context.WithTimeout(t.Context(), netlab.Patience)
	defer cancel()
	if _, err := client.Register(ctx, &acme.Account{Contact: []string{"mailto:me@our.example"}}, acme.AcceptTOS); err != nil {
		t.Fatal(err)
	}
	l, err := us.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	answers := http.NewServeMux()
	server := &http.Server{Handler: answers, ReadHeaderTimeout: time.Minute}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })

	chain, err := order(ctx, client, answers, "mx.our.example")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(lab.RootsFile())
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no roots", err)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: "mx.our.example", Roots: roots, Intermediates: between}); err != nil {
		t.Error(err)
	}
	if seen := us.Run(t, "cat", "/etc/ssl/certs/ca-certificates.crt"); !bytes.Equal([]byte(seen), pem) {
		t.Error("hosts do not see the authorities")
	}
	if _, err := order(ctx, client, answers, "elsewhere.our.example"); err == nil {
		t.Error("a name that leads to another host was certified")
	}
}

// order gets a certificate for a name.
func order(ctx context.Context, client *acme.Client, answers *http.ServeMux, name string) ([]*x509.Certificate, error) {
	o, err := client.AuthorizeOrder(ctx, acme.DomainIDs(name))
	if err != nil {
		return nil, err
	}
	for _, url := range o.AuthzURLs {
		z, err := client.GetAuthorization(ctx, url)
		if err != nil {
			return nil, err
		}
		for _, c := range z.Challenges {
			if c.Type != "http-01" || z.Status == acme.StatusValid {
				continue
			}
			text, err := client.HTTP01ChallengeResponse(c.Token)
			if err != nil {
				return nil, err
			}
			answers.HandleFunc(client.HTTP01ChallengePath(c.Token), func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) })
			if _, err := client.Accept(ctx, c); err != nil {
				return nil, err
			}
		}
		if _, err := client.WaitAuthorization(ctx, url); err != nil {
			return nil, err
		}
	}
	if o, err = client.WaitOrder(ctx, o.URI); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}, key)
	if err != nil {
		return nil, err
	}
	ders, _, err := client.CreateOrderCert(ctx, o.FinalizeURL, csr, true)
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	return chain, nil
}
