package dns

import (
	"context"
	"slices"
	"strings"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dane"
)

// NewValidating makes a Client that checks answers itself (all but PTR), whatever its servers say about DNSSEC; it only needs
// them to hand on the records. Where the servers are trusted (Config.Trusted, or trust-ad in ResolvConf) their word counts, as with New.
// Errors are of kind Invalid.
func NewValidating(cfg Config, val Validation) (*Client, error) {
	c := New(cfg)
	v, err := newValidator(val, c.cfg.Clock, c.signedAnswer)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.validator = v
	return c, nil
}

// signedAnswer asks for records with their signatures and proofs, checked by nobody (RFC 4035 3.2.1, 3.2.2).
func (c *Client) signedAnswer(ctx context.Context, name string, qtype uint16) (*wire.Msg, error) {
	r, err := c.exchange(ctx, c.servers(), func() *wire.Msg {
		q := new(wire.Msg)
		q.SetQuestion(name, qtype)
		q.CheckingDisabled = true
		q.SetEdns0(udpSize, true)
		return q
	})
	return r.msg, err
}

// Check asks one question anew and says how far the answer can be believed, and why not further: for people who look for what is wrong.
// qtype is a type as zone files have it ("MX", "TLSA"). Errors are of kind Invalid.
func (c *Client) Check(ctx context.Context, name, qtype string) (Verdict, error) {
	n, err := normal(name)
	if err != nil {
		return Verdict{}, err
	}
	t, ok := wire.StringToType[strings.ToUpper(qtype)]
	if !ok || t == wire.TypeANY || t == wire.TypeRRSIG || t == wire.TypeNSEC || t == wire.TypeNSEC3 || t == wire.TypeOPT || t > wire.TypeANY && t != wire.TypeCAA {
		return Verdict{}, mail.Errorf(mail.Invalid, "%q is not a type of DNS records that can be checked", cut(qtype))
	}
	if c.validator == nil {
		return Verdict{}, mail.Errorf(mail.Invalid, "this resolver leaves DNSSEC to its name servers")
	}
	ctx, cancel := context.WithTimeout(ctx, maxResolve)
	defer cancel()
	return c.validator.verdict(ctx, n, t), nil
}

// TLSAResolver asks for TLSA records; name is as dane.OwnerName makes it. Client and Static do.
type TLSAResolver interface {
	TLSA(ctx context.Context, name string) (Answer[[]dane.Record], error)
}

var (
	_ TLSAResolver = (*Client)(nil)
	_ TLSAResolver = (*Static)(nil)
)

// TLSA implements TLSAResolver. What is Authentic and Found is to be obeyed, an error is not "none" (RFC 7672 2.1.2).
func (f *front) TLSA(ctx context.Context, name string) (Answer[[]dane.Record], error) {
	n, err := normal(name)
	if err != nil {
		return Answer[[]dane.Record]{}, err
	}
	s, err := f.ask(ctx, n, kindTLSA)
	if err != nil {
		return Answer[[]dane.Record]{}, err
	}
	return answer(s, slices.Clone(s.tlsa)), nil
}

// TLSA implements TLSAResolver: its own names have none.
func (s *Static) TLSA(ctx context.Context, name string) (Answer[[]dane.Record], error) {
	if next, ok := s.at(name).(TLSAResolver); ok {
		return next.TLSA(ctx, name)
	}
	return s.own.TLSA(ctx, name)
}
