package seal

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dkimtext"
)

// Algorithm is a type of key.
type Algorithm string

// The algorithms. Every domain wants one key of each: all verifiers know RSA, Ed25519 is short and fast. RFC 8463 3.
const (
	RSA     Algorithm = dkimtext.RSA
	Ed25519 Algorithm = dkimtext.Ed25519
)

// bitsRSA is the size of RSA keys that we make. RFC 8301 3.2.
const bitsRSA = 2048

// State is where a key stands in its life.
type State string

// The states, in the order of a life.
const (
	Published State = "published" // its record is (to be) in the DNS; it does not sign yet
	Active    State = "active"    // signs
	Retiring  State = "retiring"  // signs no more; its record stays for mail that is under way
)

// Key is a key of one domain.
type Key struct {
	Domain    string // lower-case A-labels
	Selector  string // one or more labels, lower case
	Algorithm Algorithm
	Private   string // PKCS #8 in PEM: a secret
	State     State
	Created   time.Time
	Changed   time.Time // when State began
	Seen      time.Time // when its record was first seen in the DNS as it should be; zero: not yet
}

// Keys keeps keys. Domains and selectors are given as in Key.
type Keys interface {
	// Keys lists the keys of one domain, or of all (""), in any order. A domain without keys has none: no error.
	Keys(ctx context.Context, domain string) ([]Key, error)
	// PutKeys makes or replaces keys, told apart by domain and selector: all or none.
	PutKeys(ctx context.Context, keys []Key) error
	// RemoveKey forgets a key. NotFound.
	RemoveKey(ctx context.Context, domain, selector string) error
}

// Generate makes a key that is Published. The domain may be in any spelling; errors are of kind Invalid.
func Generate(domain, selector string, a Algorithm, now time.Time) (Key, error) {
	d, err := addr.NormalDomain(domain)
	if err != nil || strings.HasPrefix(d, "[") {
		return Key{}, mail.Errorf(mail.Invalid, "%q is no domain, so it cannot have DKIM keys", domain)
	}
	s, err := addr.NormalDomain(selector)
	if err != nil || strings.HasPrefix(s, "[") {
		return Key{}, mail.Errorf(mail.Invalid, "%q is no selector: use letters, digits and hyphens", selector)
	}
	if name := dkimtext.KeyName(s, d); len(name) > addr.MaxDomain {
		return Key{}, mail.Errorf(mail.Invalid, "the name %s is too long for the DNS; choose a shorter selector", name)
	}
	var private any
	switch a {
	case RSA:
		private, err = rsa.GenerateKey(rand.Reader, bitsRSA)
	case Ed25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return Key{}, mail.Errorf(mail.Invalid, "%q is no algorithm of DKIM keys; use %s or %s", string(a), Ed25519, RSA)
	}
	if err != nil {
		return Key{}, mail.Errorf(mail.Internal, "no DKIM key could be made: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, mail.Errorf(mail.Internal, "a DKIM key could not be written: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return Key{Domain: d, Selector: s, Algorithm: a, Private: string(text), State: Published, Created: now, Changed: now}, nil
}

// Import makes a key of a private key made elsewhere (PKCS #8 or PKCS #1 in PEM). It is Published. Errors are of kind Invalid.
func Import(domain, selector, private string, now time.Time) (Key, error) {
	signer, err := parsePrivate(private)
	if err != nil {
		return Key{}, err
	}
	a := Ed25519
	if r, ok := signer.Public().(*rsa.PublicKey); ok {
		if a = RSA; r.N.BitLen() < dkimtext.MinRSA || r.N.BitLen() > dkimtext.MaxRSA {
			return Key{}, mail.Errorf(mail.Invalid, "the RSA key has %d bits; only %d to %d are believed", r.N.BitLen(), dkimtext.MinRSA, dkimtext.MaxRSA)
		}
	}
	k, err := Generate(domain, selector, Ed25519, now) // checks the names; the cheap key is replaced
	if err != nil {
		return Key{}, err
	}
	k.Algorithm, k.Private = a, private
	return k, nil
}

// parsePrivate reads a private key. Its errors tell nothing of the key.
func parsePrivate(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, mail.Errorf(mail.Invalid, "the private DKIM key is not in PEM")
	}
	var key any
	var err error
	if block.Type == "RSA PRIVATE KEY" {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "the private DKIM key cannot be read")
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		k.Precompute()
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, mail.Errorf(mail.Invalid, "the private DKIM key is neither RSA nor Ed25519")
}

// Record is what is to be published for a key.
type Record struct {
	Name string // absolute, without the last dot
	Text string // of the TXT record, as one string
}

// Strings is the text in the strings of a TXT record.
func (r Record) Strings() []string { return dkimtext.Strings(r.Text) }

// Zone is the line for a zone file.
func (r Record) Zone() string { return r.Name + ". IN TXT " + dkimtext.Quoted(r.Text) }

// Record gives the DNS record of the key. Errors are of kind Invalid: the private key cannot be read.
func (k Key) Record() (Record, error) {
	signer, err := parsePrivate(k.Private)
	if err != nil {
		return Record{}, err
	}
	public, err := dkimtext.KeyOf(signer.Public())
	if err != nil {
		return Record{}, mail.Errorf(mail.Invalid, "the DKIM key %s has no record: %w", k, err)
	}
	return Record{Name: dkimtext.KeyName(k.Selector, k.Domain), Text: public.String()}, nil
}

// Matches reports whether the texts found in the DNS at the key's name are its record: for Seen, and for doctor. Order of tags, spaces
// and unknown tags do not matter. Only one record may be there (RFC 6376 3.6.2.2).
func (k Key) Matches(texts []string) bool {
	own, err := k.Record()
	return err == nil && k.matches(own, texts)
}

func (k Key) matches(own Record, texts []string) bool {
	if len(texts) != 1 {
		return false
	}
	there, err := dkimtext.ParseKey(texts[0])
	if err != nil {
		return false
	}
	want, err := dkimtext.ParseKey(own.Text)
	if err != nil {
		return false
	}
	a, errA := there.PublicKey()
	b, errB := want.PublicKey()
	if errA != nil || errB != nil {
		return false
	}
	equal, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && equal.Equal(b) && there.For(&dkimtext.Signature{Algorithm: string(k.Algorithm) + "-sha256", Domain: k.Domain, Identity: "@sub." + k.Domain}) == nil
}

// String names the key without its secret.
func (k Key) String() string {
	return fmt.Sprintf("%s (%s, %s)", dkimtext.KeyName(k.Selector, k.Domain), k.Algorithm, k.State)
}

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the secret out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
