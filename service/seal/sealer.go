package seal

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/message"
)

// Sealer signs messages. It is for any number of goroutines.
type Sealer struct {
	keys  Keys
	clock mail.Clock

	mu     sync.Mutex
	parsed map[string]crypto.Signer // by the text of the private key: parsing costs more than an Ed25519 signature
}

// New makes a Sealer.
func New(keys Keys, clock mail.Clock) *Sealer {
	return &Sealer{keys: keys, clock: clock, parsed: map[string]crypto.Signer{}}
}

// maxParsed bounds the parsed keys that are kept.
const maxParsed = 2000

// Opener is what can be read from its start: a mail.SealedBody.
type Opener interface {
	Open() (mail.BlobReader, error)
}

// Message is what is to be signed.
type Message struct {
	// Prefix has header fields in front of the body that are part of the message as its author sent it (complete CRLF lines). Trace fields, which
	// others may take out, do not belong here.
	Prefix []byte
	Body   Opener // the rest of the header, the empty line, the text
}

// Seal is the result of signing.
type Seal struct {
	Fields    []byte   // complete DKIM-Signature fields for the top of the message; nil: it is not signed
	Selectors []string // as "selector (algorithm)", for the trail
	Domain    string   // d=
	Reason    string   // one sentence: why it is not signed; else empty
}

// Sign signs with all active keys of the domain in From, or of its nearest parent that has any. A message that no key is for is not an error.
// Errors are those of the store and of the body, and of kind Internal for a key that cannot be used. RFC 6376 5, RFC 8463 3.
func (s *Sealer) Sign(ctx context.Context, m Message) (Seal, error) {
	body, err := m.Body.Open()
	if err != nil {
		return Seal{}, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	in := bufio.NewReaderSize(body, 4<<10)
	h, err := message.ReadHeader(in, 0)
	if err != nil {
		return Seal{}, mail.Errorf(mail.TooLarge, "the header of the message is too large to be signed: %w", err)
	}
	front, _ := message.ParseHeader(m.Prefix)
	fields := dkimtext.NewFields(&front, &h)
	author := Author(&front, &h)
	if author == "" {
		return Seal{Reason: "It is not signed, because its From field does not name one domain."}, nil
	}
	domain, keys, err := s.keysFor(ctx, author)
	if err != nil {
		return Seal{}, err
	}
	if len(keys) == 0 {
		return Seal{Reason: "It is not signed, because there is no active DKIM key for " + author + "."}, nil
	}
	sum := sha256.New()
	hashed := dkimtext.NewBody(dkimtext.Relaxed, sum)
	if _, err := io.CopyBuffer(onlyWriter{hashed}, onlyReader{in}, make([]byte, 8<<10)); err != nil {
		return Seal{}, err
	}
	hashed.Close()
	sig := dkimtext.Signature{HeaderCanon: dkimtext.Relaxed, BodyCanon: dkimtext.Relaxed, Domain: domain, Identity: "@" + author,
		Headers: signed(fields, &front, &h), BodyHash: sum.Sum(nil), Time: s.clock.Now(), Length: -1}
	out := Seal{Domain: domain}
	for _, k := range keys {
		field, err := s.sign(sig, fields, k)
		if err != nil {
			return Seal{}, err
		}
		out.Fields = append(out.Fields, field...)
		out.Selectors = append(out.Selectors, k.Selector+" ("+string(k.Algorithm)+")")
	}
	return out, nil
}

// onlyReader and onlyWriter keep io.CopyBuffer from growing buffers of its own choice.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// sign makes one field.
func (s *Sealer) sign(sig dkimtext.Signature, fields *dkimtext.Fields, k Key) ([]byte, error) {
	signer, err := s.signer(k)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "the DKIM key %s cannot be used: %w", k, err)
	}
	sig.Selector, sig.Data = k.Selector, nil
	opts := crypto.SignerOpts(crypto.SHA256)
	sig.Algorithm = dkimtext.RSASHA256
	if k.Algorithm == Ed25519 {
		sig.Algorithm, opts = dkimtext.Ed25519SHA256, crypto.Hash(0) // the digest is the message. RFC 8463 3
	}
	digest := fields.Digest(&sig, sig.Format())
	if sig.Data, err = signer.Sign(nil, digest[:], opts); err != nil {
		return nil, mail.Errorf(mail.Internal, "the DKIM key %s does not sign: %w", k, err)
	}
	return sig.Format(), nil
}

// signer gives the parsed key.
func (s *Sealer) signer(k Key) (crypto.Signer, error) {
	s.mu.Lock()
	signer := s.parsed[k.Private]
	s.mu.Unlock()
	if signer == nil {
		var err error
		if signer, err = parsePrivate(k.Private); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if len(s.parsed) >= maxParsed {
			clear(s.parsed) // more domains than that are signed for by nobody at once: what is needed comes back
		}
		s.parsed[k.Private] = signer
		s.mu.Unlock()
	}
	a := RSA
	switch signer.(type) {
	case ed25519.PrivateKey:
		a = Ed25519
	case *rsa.PrivateKey:
	}
	if a != k.Algorithm {
		return nil, mail.Errorf(mail.Invalid, "the private key is of another algorithm")
	}
	return signer, nil
}

// keysFor finds the active keys of a domain or of its nearest parent that has some; a parent's signature aligns as well unless its owner
// wants it strict (RFC 9989 4.4.1). RSA comes first: verifiers that look at one signature only know RSA.
func (s *Sealer) keysFor(ctx context.Context, author string) (domain string, active []Key, err error) {
	domain = author
	for range maxParents {
		keys, err := s.keys.Keys(ctx, domain)
		if err != nil {
			return "", nil, err
		}
		for _, k := range keys {
			if k.State == Active && k.Domain == domain {
				active = append(active, k)
			}
		}
		_, parent, found := strings.Cut(domain, ".")
		if len(active) > 0 || !found || !strings.Contains(parent, ".") {
			break
		}
		domain = parent
	}
	slices.SortFunc(active, func(a, b Key) int {
		if a.Algorithm != b.Algorithm {
			return strings.Compare(string(b.Algorithm), string(a.Algorithm))
		}
		return b.Changed.Compare(a.Changed)
	})
	// While a rotation is cut short two keys of one algorithm are active; the newest is enough.
	active = slices.CompactFunc(active, func(a, b Key) bool { return a.Algorithm == b.Algorithm })
	return domain, active, nil
}

// maxParents bounds the questions to the store for one message.
const maxParents = 5

// Author gives the domain of the From fields in canonical spelling, or "" where they do not name exactly one.
func Author(headers ...*message.Header) string {
	author := ""
	for _, h := range headers {
		for f := range h.Named("From") {
			for _, m := range message.ParseMailboxes(f.Value()) {
				d, err := addr.NormalDomain(m.Addr.Domain)
				if err != nil || strings.HasPrefix(d, "[") || author != "" && author != d {
					return ""
				}
				author = d
			}
		}
	}
	return author
}

// oversigned are the fields that are signed once more often than they are there, so that none can be added. RFC 6376 5.4, RFC 6376 8.15.
var oversigned = [...]string{"From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}

// signed lists the names for h=: the oversigned fields; List-* fields (one-click unsubscription wants them signed, RFC 8058 4) and Sender once for
// each that is there. Those are not signed away where they are absent: a mailing list adds its own, and may leave the rest untouched.
func signed(fields *dkimtext.Fields, headers ...*message.Header) (names []string) {
	for _, name := range oversigned {
		// A field that a hostile or broken client repeated without end is not signed without end.
		for range min(fields.Count(name), maxRepeats) + 1 {
			names = append(names, name)
		}
	}
	for _, h := range headers {
		for f := range h.All() {
			name := f.Name()
			if !f.Is("Sender") && (len(name) < 6 || !strings.EqualFold(name[:5], "List-")) || strings.ContainsAny(name, ":;") || len(name) > 60 {
				continue
			}
			if n := 0; len(names) < maxSigned {
				for _, other := range names {
					if strings.EqualFold(other, name) {
						n++
					}
				}
				if n < maxRepeats {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

const (
	maxRepeats = 5
	maxSigned  = 120
)
