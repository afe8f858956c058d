package judge

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
	"github.com/postrider/postrider/proto/dkimtext"
	"github.com/postrider/postrider/proto/message"
)

// stamp is one signature on its way to a result.
type stamp struct {
	sig    dkimtext.Signature
	own    []byte // the field as written
	place  int    // in the message
	result Signature
	key    <-chan keyAnswer // nil once there is a result
}

// stamps are the signatures of a message that are looked at.
type stamps struct {
	fields *dkimtext.Fields
	all    []*stamp
	total  int
}

// keyAnswer is what the DNS says at the name of a key.
type keyAnswer struct {
	texts []string
	err   error
}

// stamps reads the signatures, picks those that are looked at, and judges what can be judged by the text alone. RFC 6376 6.1.
func (j *Judge) stamps(front, h *message.Header, authors []string) *stamps {
	s := &stamps{}
	for _, header := range []*message.Header{front, h} {
		for f := range header.Named(dkimtext.FieldName) {
			if s.total++; s.total > maxRead {
				continue
			}
			one := &stamp{own: f.Raw(), place: s.total}
			sig, err := dkimtext.ParseSignature(f.Value())
			one.sig = sig
			one.result = Signature{Finding: Finding{Domain: sig.Domain}, Selector: sig.Selector, Algorithm: sig.Algorithm, Identity: sig.Identity,
				Data: dataOf(f.Value())}
			j.read(one, err)
			s.all = append(s.all, one)
		}
	}
	if len(s.all) > j.cfg.MaxSignatures {
		// Those that can make DMARC pass first: a list or a gateway may have put many above the author's.
		slices.SortStableFunc(s.all, func(a, b *stamp) int { return related(b, authors) - related(a, authors) })
		s.all = s.all[:j.cfg.MaxSignatures]
		slices.SortFunc(s.all, func(a, b *stamp) int { return a.place - b.place })
	}
	if len(s.all) > 0 {
		s.fields = dkimtext.NewFields(front, h)
	}
	return s
}

// maxRead bounds the signatures that are read to pick from.
const maxRead = 200

// related is 1 where the domain of a signature is an author's, a parent of it or below it: what may align.
func related(s *stamp, authors []string) int {
	if s.sig.Domain == "" {
		return 0
	}
	for _, a := range authors {
		d, err := addr.NormalDomain(a)
		if err == nil && (d == s.sig.Domain || strings.HasSuffix(d, "."+s.sig.Domain) || strings.HasSuffix(s.sig.Domain, "."+d)) {
			return 1
		}
	}
	return 0
}

// dataOf finds b= as it stands, for the field that tells signatures apart.
func dataOf(value string) string {
	for part := range strings.SplitSeq(value, ";") {
		if name, data, ok := strings.Cut(part, "="); ok && strings.TrimSpace(name) == "b" {
			return strings.Join(strings.Fields(data[:min(len(data), 100)]), "")
		}
	}
	return ""
}

// read judges a signature by its text. RFC 6376 6.1.1, RFC 8301 3.1.
func (j *Judge) read(s *stamp, err error) {
	now := j.cfg.Clock.Now()
	switch {
	case errors.Is(err, dkimtext.ErrFromUnsigned):
		s.end("permerror", err.Error())
	case err != nil:
		s.end("neutral", err.Error())
	case s.sig.Algorithm == dkimtext.RSASHA1:
		s.end("policy", "it is made with SHA-1, which can be forged")
	case s.sig.Algorithm != dkimtext.RSASHA256 && s.sig.Algorithm != dkimtext.Ed25519SHA256:
		s.end("neutral", fmt.Sprintf("its algorithm %q is not known", shown(s.sig.Algorithm)))
	case !s.sig.Expires.IsZero() && s.sig.Expires.Before(now):
		s.end("policy", "it ended at "+s.sig.Expires.Format(time.RFC3339))
	case s.sig.Time.After(now.Add(maxAhead)):
		s.end("policy", "it is dated "+s.sig.Time.Format(time.RFC3339)+", in the future")
	}
}

// maxAhead is how far the clocks of others may be ahead.
const maxAhead = 24 * time.Hour

// end gives the signature its result.
func (s *stamp) end(result, reason string) {
	if s.result.Result != "" {
		return
	}
	s.result.Result = result
	who := "A signature"
	if s.sig.Domain != "" {
		who = "The signature of " + s.sig.Domain
	}
	if result == "pass" {
		s.result.Reason = who + " is valid" + reason + "."
		return
	}
	s.result.Reason = who + " does not count: " + reason + "."
}

func (s *stamps) giveUp(result, reason string) {
	for _, one := range s.all {
		one.end(result, reason)
	}
}

func (s *stamps) results() (out []Signature) {
	for _, one := range s.all {
		out = append(out, one.result)
	}
	return out
}

// verify checks all signatures that are still open. The keys are fetched while the body is hashed; it is read once. RFC 6376 6.1.2, RFC 6376 6.1.3.
func (j *Judge) verify(ctx context.Context, s *stamps, body *bufio.Reader) error {
	asked := map[string]chan keyAnswer{}
	sums := map[dkimtext.Canon]hash.Hash{}
	for _, one := range s.all {
		if one.result.Result != "" {
			continue
		}
		if sums[one.sig.BodyCanon] == nil {
			sums[one.sig.BodyCanon] = sha256.New()
		}
		name := one.sig.KeyName()
		if asked[name] == nil {
			asked[name] = make(chan keyAnswer, 1)
			go func(to chan<- keyAnswer) { to <- j.fetch(ctx, name) }(asked[name])
		}
		one.key = asked[name]
	}
	if len(sums) == 0 {
		return nil
	}
	if err := hashBody(body, sums); err != nil {
		return err
	}
	hashes := map[dkimtext.Canon][]byte{}
	for c, sum := range sums {
		hashes[c] = sum.Sum(nil)
	}
	answers := map[string]keyAnswer{}
	for _, one := range s.all {
		if one.key == nil {
			continue
		}
		name := one.sig.KeyName()
		answer, ok := answers[name]
		if !ok {
			answer = await(ctx, one.key, keyAnswer{err: context.DeadlineExceeded})
			answers[name] = answer
		}
		s.check(one, answer, hashes[one.sig.BodyCanon])
	}
	return nil
}

// hashBody reads the body once for all forms that are needed.
func hashBody(body *bufio.Reader, sums map[dkimtext.Canon]hash.Hash) error {
	var forms []*dkimtext.Body
	for c, sum := range sums {
		forms = append(forms, dkimtext.NewBody(c, sum))
	}
	for {
		if _, err := body.Peek(1); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		// What is buffered is used where it is: nothing is copied.
		piece, err := body.Peek(body.Buffered())
		if err != nil {
			return err
		}
		for _, f := range forms {
			f.Write(piece) //nolint:errcheck // never fails
		}
		body.Discard(len(piece)) //nolint:errcheck // it is buffered
	}
	for _, f := range forms {
		f.Close()
	}
	return nil
}

// fetch asks for a key.
func (j *Judge) fetch(ctx context.Context, name string) keyAnswer {
	a, err := j.cfg.Resolver.TXT(ctx, name)
	switch {
	case mail.Is(err, mail.Invalid):
		return keyAnswer{}
	case err != nil:
		return keyAnswer{err: err}
	case a.Status != dns.Found:
		return keyAnswer{}
	}
	return keyAnswer{texts: a.Value}
}

// check verifies one signature. RFC 6376 6.1.2, RFC 6376 6.1.3, RFC 8301 3.2, RFC 8463 3.
func (s *stamps) check(one *stamp, answer keyAnswer, bodyHash []byte) {
	switch {
	case answer.err != nil:
		one.end("temperror", "its key cannot be fetched now")
		return
	case len(answer.texts) == 0:
		one.end("permerror", "there is no key at "+one.sig.KeyName())
		return
	case len(answer.texts) > 1:
		one.end("permerror", "there is more than one record at "+one.sig.KeyName())
		return
	}
	key, err := dkimtext.ParseKey(answer.texts[0])
	if err == nil {
		err = key.For(&one.sig)
	}
	var public crypto.PublicKey
	if err == nil {
		public, err = key.PublicKey()
	}
	switch {
	case errors.Is(err, dkimtext.ErrTooSmall) || errors.Is(err, dkimtext.ErrTooLarge):
		one.end("policy", err.Error())
		return
	case err != nil:
		one.end("permerror", err.Error())
		return
	}
	one.result.Testing = key.Testing
	// The body before the header: it costs nothing any more, and is what usually was changed.
	if subtle.ConstantTimeCompare(bodyHash, one.sig.BodyHash) != 1 {
		if one.sig.Length >= 0 {
			one.end("policy", fmt.Sprintf("it covers only the first %d octets of the text, and there is more or other text", one.sig.Length))
			return
		}
		one.end("fail", "the text was changed after it was signed")
		return
	}
	digest := s.fields.Digest(&one.sig, one.own)
	if !verified(public, digest[:], one.sig.Data) {
		one.end("fail", "the header was changed after it was signed, or it was not made with the key that is published")
		return
	}
	if key.Testing {
		one.end("pass", ", made with a key that its owner is only trying")
		return
	}
	one.end("pass", "")
}

func verified(public crypto.PublicKey, digest, data []byte) bool {
	switch p := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(p, crypto.SHA256, digest, data) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(p, digest, data)
	}
	return false
}
