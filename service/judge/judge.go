package judge

import (
	"bufio"
	"context"
	"net/netip"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/authres"
	"github.com/postrider/postrider/proto/dmarc"
	"github.com/postrider/postrider/proto/dmarcreport"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/judge/spf"
)

// Resolver is how the DNS is asked; a dns.Resolver is one. It should remember answers and ask the same question once.
type Resolver = spf.Resolver

// DefaultWithin is the deadline of one judgement where none is given.
const DefaultWithin = 15 * time.Second

// MaxSignatures is how many DKIM signatures of a message are looked at where no other number is given.
const MaxSignatures = 10

// Config is what a Judge works with. Resolver, Clock and Hostname are required.
type Config struct {
	Resolver Resolver
	Clock    mail.Clock
	Hostname string   // our authserv-id
	Own      []string // further names that only we may use as authserv-id: other hosts of ours, former names
	Policy   Policy
	Within   time.Duration // the deadline; 0: DefaultWithin
	// MaxSignatures: 0 is the default.
	MaxSignatures int
}

// Judge judges messages. It is for any number of goroutines.
type Judge struct{ cfg Config }

// New makes a Judge.
func New(cfg Config) *Judge {
	if cfg.Within <= 0 {
		cfg.Within = DefaultWithin
	}
	if cfg.MaxSignatures <= 0 {
		cfg.MaxSignatures = MaxSignatures
	}
	return &Judge{cfg: cfg}
}

// Opener is what can be read from its start: a mail.SealedBody.
type Opener interface {
	Open() (mail.BlobReader, error)
}

// Transaction is what is known of a message when it came in.
type Transaction struct {
	IP      netip.Addr // of the client
	Reverse string     // its verified name, where that is known already; else it is looked for
	Helo    string     // what it called itself
	From    mail.Path  // the envelope's
	To      string     // domain of the recipients, for reports; may be empty
	// Prefix has header fields that came with the message but are not part of Body (complete CRLF lines). What we put in front
	// ourselves does not belong here.
	Prefix []byte
	Body   Opener // the message: header, empty line, text
}

// Finding is the result of one method.
type Finding struct {
	Result string // a word of RFC 8601 2.7
	Domain string // the domain it is about; for iprev the verified name
	Reason string // one sentence for people
}

// Signature is the result of one DKIM signature.
type Signature struct {
	Finding
	Selector  string
	Algorithm string
	Identity  string // i=
	Data      string // b=, to tell signatures apart
	Testing   bool   // the owner says that the key is only being tried
}

// Verdict is what came of a judgement.
type Verdict struct {
	IPRev      Finding
	SPF        Finding
	SPFScope   string      // mailfrom or helo
	DKIM       []Signature // in the order of the message
	Signatures int         // how many there were, looked at or not
	DMARC      dmarc.Verdict
	Forged     int // Authentication-Results fields in the message that claim to be ours

	Decision Decision
	Why      string   // one sentence: why this decision
	Notes    []string // one sentence for each method, for the trail
	Field    []byte   // Authentication-Results, for the prefix
	Report   *Report  // nil where no DMARC policy applies
}

// Report is one message's part of a DMARC aggregate report. Reports are made for each Published (RFC 9990 3.1).
type Report struct {
	Published dmarcreport.Published
	Row       dmarcreport.Row
	Addresses []dmarc.URI // rua: who wants to know; to be checked by dmarc.Resolver.Destinations
}

// Authenticated reports whether the sender of the envelope may be told things: reports must not go to senders that were forged.
func (v *Verdict) Authenticated() bool {
	return v.SPF.Result == string(spf.Pass) || v.DMARC.Result == dmarc.Pass
}

// evidenceShare is the part of the deadline after which DMARC judges by what is known: the rest is kept for its own questions.
const evidenceShare = 0.75

// Judge judges a message before ctx ends, and in any case within the configured time. The error is one of reading the body.
func (j *Judge) Judge(ctx context.Context, t Transaction) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, j.cfg.Within)
	defer cancel()
	evidence, stop := context.WithTimeout(ctx, j.share(ctx))
	defer stop()

	ip := t.IP.Unmap()
	spfDone := begin(func() spf.Outcome { return j.checkSPF(evidence, ip, t) })
	revDone := begin(func() Finding { return j.iprev(evidence, ip, t.Reverse) })

	body, err := t.Body.Open()
	if err != nil {
		return Verdict{}, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	in := bufio.NewReaderSize(body, 4<<10)
	h, err := message.ReadHeader(in, 0)
	tooLarge := err == message.ErrHeaderTooLarge //nolint:errorlint // as ReadHeader says
	if err != nil && !tooLarge {
		return Verdict{}, err
	}
	front, _ := message.ParseHeader(t.Prefix)
	var v Verdict
	authors := authorsOf(&front, &h)
	j.warm(ctx, authors)
	all := j.stamps(&front, &h, authors)
	v.Signatures = all.total
	if tooLarge {
		all.giveUp("neutral", "the header of the message is too large to be checked")
	} else if err := j.verify(evidence, all, in); err != nil {
		return Verdict{}, err
	}
	v.DKIM = all.results()
	v.SPF, v.SPFScope = spfFinding(await(evidence, spfDone, spf.Outcome{Result: spf.TempError, Reason: "SPF could not be checked in time."}), t)
	v.IPRev = await(evidence, revDone, Finding{Result: "temperror", Reason: "The name of the client could not be looked up in time."})
	v.DMARC = j.dmarc(ctx, &v, authors)
	v.Forged = authres.Forged(&front, j.own()...) + authres.Forged(&h, j.own()...)
	j.conclude(&v, ip, t)
	return v, nil
}

func (j *Judge) own() []string { return append([]string{j.cfg.Hostname}, j.cfg.Own...) }

// share is the time for evidence.
func (j *Judge) share(ctx context.Context) time.Duration {
	left := j.cfg.Within
	if end, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(end))
	}
	return time.Duration(float64(left) * evidenceShare)
}

// begin runs f beside the caller. Its goroutine ends when f does, whether or not anybody waits: the channel takes the result.
func begin[T any](f func() T) <-chan T {
	done := make(chan T, 1)
	go func() { done <- f() }()
	return done
}

// await takes a result that is there, or comes before ctx ends; else it gives late.
func await[T any](ctx context.Context, done <-chan T, late T) T {
	select {
	case v := <-done:
		return v
	default:
	}
	select {
	case v := <-done:
		return v
	case <-ctx.Done():
		return late
	}
}

// authorsOf lists the domains of all From fields, as dmarc.Input wants them.
func authorsOf(headers ...*message.Header) (domains []string) {
	for _, h := range headers {
		for f := range h.Named("From") {
			all := message.ParseMailboxes(f.Value())
			for _, m := range all[:min(len(all), maxAuthors)] {
				domains = append(domains, m.Addr.Domain)
			}
			if len(domains) > maxAuthors {
				return domains[:maxAuthors]
			}
		}
	}
	return domains
}

// maxAuthors bounds the list; it is more than DMARC looks at.
const maxAuthors = 64
