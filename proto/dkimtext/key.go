package dkimtext

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// MaxRecord bounds the text of a key record, in octets. The largest RSA key that anybody should use takes 800.
const MaxRecord = 8 << 10

// The bounds on RSA keys. Keys below are forgeable, and keys above cost the verifier more than they give. RFC 8301 3.2.
const (
	MinRSA = 1024
	MaxRSA = 4096
)

// The types of keys.
const (
	RSA     = "rsa"
	Ed25519 = "ed25519"
)

// Key is a key record. RFC 6376 3.6.1.
type Key struct {
	Type     string   // k=: rsa where absent
	Public   []byte   // p=; empty: revoked
	Hashes   []string // h=; nil: all
	Services []string // s=; nil: all
	Testing  bool     // t=y
	Strict   bool     // t=s: i= must be of d= itself
}

// Errors that tell why a record has no usable key.
var (
	ErrRevoked  = errors.New("the key was revoked by its owner")
	ErrTooSmall = fmt.Errorf("the RSA key has fewer than %d bits", MinRSA)
	ErrTooLarge = fmt.Errorf("the RSA key has more than %d bits", MaxRSA)
)

// ParseKey reads the text of one TXT record, its strings joined. Unknown tags are passed over. RFC 6376 3.6.1.
func ParseKey(text string) (Key, error) {
	k := Key{Type: RSA}
	if len(text) > MaxRecord {
		return k, fmt.Errorf("the key record is longer than %d octets", MaxRecord)
	}
	list, err := tags(text)
	if err != nil {
		return k, err
	}
	published := false
	for i, t := range list {
		switch t.name {
		case "v":
			if i != 0 || t.value != "DKIM1" {
				return k, errors.New("the version of the key record is not known")
			}
		case "k":
			k.Type = strings.ToLower(bare(t.value))
		case "p":
			published = true
			if k.Public, err = decode(t.value); err != nil {
				return k, fmt.Errorf("the key cannot be read: %w", err)
			}
		case "h":
			k.Hashes = words(strings.ToLower(t.value))
		case "s":
			k.Services = words(strings.ToLower(t.value))
		case "t":
			for _, flag := range words(t.value) {
				k.Testing = k.Testing || strings.EqualFold(flag, "y")
				k.Strict = k.Strict || strings.EqualFold(flag, "s")
			}
		}
	}
	if !published {
		return k, errors.New("the record has no key")
	}
	return k, nil
}

// For reports whether the key may be used for mail signed with SHA-256; the error says why not. RFC 6376 3.6.1, RFC 6376 6.1.2.
func (k Key) For(s *Signature) error {
	typ, hash, _ := strings.Cut(s.Algorithm, "-")
	switch {
	case len(k.Public) == 0:
		return ErrRevoked
	case k.Type != typ:
		return fmt.Errorf("the key is of type %s, the signature of type %s", cut(k.Type), cut(typ))
	case k.Hashes != nil && !has(k.Hashes, hash):
		return errors.New("the key is not for the signature's hash")
	case k.Services != nil && !has(k.Services, "*") && !has(k.Services, "email"):
		return errors.New("the key is not for mail")
	case k.Strict && s.IdentityDomain() != s.Domain:
		return errors.New("the key is not for subdomains")
	}
	return nil
}

func has(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

// PublicKey gives the key itself: a *rsa.PublicKey (which may stand there as SubjectPublicKeyInfo or bare) or an ed25519.PublicKey.
// RFC 6376 3.6.1, RFC 8301 3.2, RFC 8463 4.
func (k Key) PublicKey() (crypto.PublicKey, error) {
	switch k.Type {
	case Ed25519:
		if len(k.Public) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("the Ed25519 key has %d octets instead of %d", len(k.Public), ed25519.PublicKeySize)
		}
		return ed25519.PublicKey(k.Public), nil
	case RSA:
		pub, err := parseRSA(k.Public)
		switch {
		case err != nil:
			return nil, err
		case pub.N.BitLen() < MinRSA:
			return nil, ErrTooSmall
		case pub.N.BitLen() > MaxRSA:
			return nil, ErrTooLarge
		}
		return pub, nil
	}
	return nil, fmt.Errorf("the type of key %q is not known", cut(k.Type))
}

func parseRSA(b []byte) (*rsa.PublicKey, error) {
	if len(b) == 0 {
		return nil, ErrRevoked
	}
	if pub, err := x509.ParsePKIXPublicKey(b); err == nil {
		if r, ok := pub.(*rsa.PublicKey); ok {
			return r, nil
		}
		return nil, errors.New("the key is no RSA key, although the record says so")
	}
	pub, err := x509.ParsePKCS1PublicKey(b)
	if err != nil {
		return nil, errors.New("the RSA key cannot be read")
	}
	return pub, nil
}

// KeyOf makes the record of a public key.
func KeyOf(pub crypto.PublicKey) (Key, error) {
	switch p := pub.(type) {
	case ed25519.PublicKey:
		return Key{Type: Ed25519, Public: p}, nil
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(p)
		return Key{Type: RSA, Public: der}, err
	}
	return Key{}, fmt.Errorf("a key of type %T is not for DKIM", pub)
}

// String is the text of the record to publish.
func (k Key) String() string {
	var s strings.Builder
	s.WriteString("v=DKIM1; k=" + k.Type)
	if k.Hashes != nil {
		s.WriteString("; h=" + strings.Join(k.Hashes, ":"))
	}
	if k.Services != nil {
		s.WriteString("; s=" + strings.Join(k.Services, ":"))
	}
	var flags []string
	if k.Testing {
		flags = append(flags, "y")
	}
	if k.Strict {
		flags = append(flags, "s")
	}
	if flags != nil {
		s.WriteString("; t=" + strings.Join(flags, ":"))
	}
	s.WriteString("; p=" + base64.StdEncoding.EncodeToString(k.Public))
	return s.String()
}

// Strings cuts the text of a TXT record into strings of at most 255 octets, as the DNS wants them. RFC 1035 3.3.14, RFC 6376 3.6.2.2.
func Strings(text string) []string {
	var all []string
	for len(text) > 255 {
		all = append(all, text[:255])
		text = text[255:]
	}
	return append(all, text)
}

// Quoted writes the text of a TXT record as the data of a line in a zone file.
func Quoted(text string) string {
	var all []string
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, s := range Strings(text) {
		all = append(all, `"`+escape.Replace(s)+`"`)
	}
	return strings.Join(all, " ")
}
