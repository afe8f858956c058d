package report

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dmarcreport"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/proto/tlsrpt"
)

// The kinds of notes that received reports are.
const (
	kindDMARC = "dmarc-report"
	kindTLS   = "tls-report"
)

// Bounds of what is kept of a report that was received.
const (
	maxSources  = 500 // of a DMARC report; the most frequent stay
	maxTold     = 200 // failures of a TLS report
	maxParts    = 4   // attachments that are looked at
	maxRead     = 10 << 20
	keepReports = 400 * 24 * time.Hour
)

// Received is one report that somebody sent us.
type Received struct {
	Kind         string    `json:"kind"` // dmarc or tls
	Organization string    `json:"organization"`
	ID           string    `json:"id"`
	Domain       string    `json:"domain"` // of ours
	Begin        time.Time `json:"begin"`
	End          time.Time `json:"end"`
	Arrived      time.Time `json:"arrived"`
	Passed       int64     `json:"passed"` // messages, or sessions
	Failed       int64     `json:"failed"`
	Policy       string    `json:"policy,omitempty"`
	Sources      []Source  `json:"sources,omitempty"`  // dmarc
	Failures     []Failure `json:"failures,omitempty"` // tls
	Cut          bool      `json:"cut,omitempty"`      // it told more than is kept
}

// Source is one host that sent mail in our name.
type Source struct {
	Address     netip.Addr `json:"address"`
	Messages    int64      `json:"messages"`
	DKIM        string     `json:"dkim"` // pass or fail, alignment included
	SPF         string     `json:"spf"`
	Disposition string     `json:"disposition"`
	From        string     `json:"from,omitempty"`
}

// Passed reports whether DMARC passed.
func (s Source) Passed() bool { return s.DKIM == "pass" || s.SPF == "pass" }

// Failure is a number of sessions that failed alike.
type Failure struct {
	Type     string `json:"type"`
	Host     string `json:"host,omitempty"`
	Sessions int64  `json:"sessions"`
	Reason   string `json:"reason,omitempty"`
}

// Reader finds reports in mail that comes in. Serves says whether a domain is ours; reports about other domains are passed over.
type Reader struct {
	Serves func(ctx context.Context, domain string) (bool, error)
	Clock  mail.Clock
}

// Section opens octets of a message's body, as message.Contents wants it.
type Section = message.OpenSection

// Read looks for reports in a message whose structure is given, and gives changes that keep them, with a sentence each for the trail.
// What is no report, or a broken one, gives no change; only the last is told. It reads at most a few attachments of bounded size.
func (r *Reader) Read(ctx context.Context, root *message.Part, open Section) (changes []mail.Change, notes []string) {
	parts := 0
	root.Walk(func(p *message.Part) bool {
		read := r.reads(p)
		if read == nil {
			return true
		}
		if parts++; parts > maxParts || ctx.Err() != nil {
			return false
		}
		change, note := r.part(ctx, p, open, read)
		if change != nil {
			changes = append(changes, change)
		}
		if note != "" {
			notes = append(notes, note)
		}
		return true
	})
	return changes, notes
}

// reading reads one attachment.
type reading func(io.Reader) (Received, error)

// reads says how a part is read, or nil where it is no report: by its type and by its name, as reports have them.
func (r *Reader) reads(p *message.Part) reading {
	if len(p.Children) > 0 {
		return nil
	}
	name, media := strings.ToLower(p.Filename()), p.MediaType+"/"+p.Subtype
	switch {
	case media == tlsrpt.MediaJSON || media == tlsrpt.MediaGzip || strings.HasSuffix(name, ".json.gz") && strings.Contains(name, "!"):
		return readTLS
	case strings.Contains(name, "!") && (strings.HasSuffix(name, ".xml") || strings.HasSuffix(name, ".xml.gz") || strings.HasSuffix(name, ".zip") || strings.HasSuffix(name, ".gz")):
		return readDMARC
	}
	return nil
}

func (r *Reader) part(ctx context.Context, p *message.Part, open Section, read reading) (mail.Change, string) {
	in, err := message.Contents(p, open)
	if err != nil {
		return nil, ""
	}
	defer in.Close()
	got, err := read(io.LimitReader(in, maxRead))
	if err != nil {
		return nil, fmt.Sprintf("The attachment %.80q looks like a report and cannot be read as one: %v.", p.Filename(), cutSentence(err))
	}
	ours, err := r.Serves(ctx, got.Domain)
	if err != nil || !ours {
		return nil, ""
	}
	got.Arrived = r.Clock.Now().UTC()
	value, err := json.Marshal(got)
	if err != nil || len(value) > mail.MaxNote {
		return nil, ""
	}
	kind := kindDMARC
	if got.Kind == "tls" {
		kind = kindTLS
	}
	note := mail.Note{Kind: kind, Key: key(got), Value: value, Expires: got.Arrived.Add(keepReports)}
	return mail.PutNote{Note: note}, fmt.Sprintf("It carries a %s report of %.80s on %s: %d passed, %d failed.", strings.ToUpper(got.Kind), plainText(got.Organization), got.Domain, got.Passed, got.Failed)
}

// key makes a report that is sent again replace itself; reports sort by domain and day.
func key(r Received) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %d %d", r.Organization, r.ID, r.Begin.Unix(), r.End.Unix())
	return fmt.Sprintf("%s/%s/%016x", r.Domain, r.Begin.UTC().Format("20060102"), h.Sum64())
}

func cutSentence(err error) string {
	s := err.Error()
	return plainText(s[:min(len(s), 200)])
}

// plainText keeps what strangers write to one line of what can be printed.
func plainText(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == 0xfffd {
			return -1
		}
		return c
	}, s)
}

func readDMARC(in io.Reader) (Received, error) {
	out := Received{Kind: "dmarc"}
	type place struct {
		Source
		n int64
	}
	sum := map[Source]int64{}
	head, _, err := dmarcreport.Read(in, dmarcreport.Limits{}, func(row dmarcreport.Row) error {
		s := Source{Address: row.Source, DKIM: row.DKIM, SPF: row.SPF, Disposition: clip(row.Disposition), From: clip(row.HeaderFrom)}
		if s.Passed() {
			out.Passed += row.Count
		} else {
			out.Failed += row.Count
		}
		if _, there := sum[s]; !there && len(sum) >= 10*maxSources {
			out.Cut = true
			return nil
		}
		sum[s] += row.Count
		return nil
	})
	if err != nil {
		return out, err
	}
	list := make([]place, 0, len(sum))
	for s, n := range sum {
		list = append(list, place{s, n})
	}
	slices.SortFunc(list, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.n, a.n), a.Address.Compare(b.Address), strings.Compare(a.DKIM+a.SPF+a.From, b.DKIM+b.SPF+b.From))
	})
	if len(list) > maxSources {
		list, out.Cut = list[:maxSources], true
	}
	for _, p := range list {
		p.Source.Messages = p.n
		out.Sources = append(out.Sources, p.Source)
	}
	out.Organization, out.ID, out.Domain, out.Begin, out.End = clip(head.Organization), clip(head.ID), strings.ToLower(head.Policy.Domain), head.Begin.UTC(), head.End.UTC()
	out.Policy = clip("p=" + head.Policy.P)
	return out, out.check()
}

func readTLS(in io.Reader) (Received, error) {
	r, err := tlsrpt.Read(in, tlsrpt.Limits{})
	if err != nil {
		return Received{}, err
	}
	out := Received{Kind: "tls", Organization: clip(r.Organization), ID: clip(r.ID), Begin: r.Begin, End: r.End}
	for _, p := range r.Policies {
		if out.Domain == "" {
			out.Domain, out.Policy = strings.ToLower(p.Policy.Domain), clip(string(p.Policy.Type))
		}
		out.Passed += p.Successful
		out.Failed += p.Failed
		for _, f := range p.Failures {
			if len(out.Failures) >= maxTold {
				out.Cut = true
				break
			}
			out.Failures = append(out.Failures, Failure{Type: clip(string(f.Type)), Host: clip(f.ReceivingMX), Sessions: f.Sessions, Reason: clip(f.ReasonCode)})
		}
	}
	return out, out.check()
}

// check refuses what cannot be kept under a key that means something.
func (r *Received) check() error {
	if r.Domain == "" || len(r.Domain) > 255 || r.Begin.IsZero() || r.Begin.Year() < 2000 || r.Begin.Year() > 9999 {
		return errors.New("it names no domain or no day")
	}
	return nil
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return plainText(s)
}

// List lists reports that were received, the latest day first. domain "" is all, kind "" both.
func List(ctx context.Context, notes mail.Notes, kind, domain string, limit int) ([]Received, error) {
	if limit <= 0 {
		limit = 100
	}
	var out []Received
	for _, k := range []string{kindDMARC, kindTLS} {
		if kind != "" && k != kind+"-report" {
			continue
		}
		q := mail.NoteQuery{Kind: k, Limit: 500}
		if domain != "" {
			q.Prefix = domain + "/"
		}
		for {
			list, err := notes.Notes(ctx, q)
			if err != nil {
				return nil, err
			}
			for _, n := range list {
				q.After = n.Key
				var r Received
				if json.Unmarshal(n.Value, &r) == nil {
					out = append(out, r)
				}
			}
			// Memory is bounded by what is asked for, not by how much was received.
			out = latest(out, limit)
			if len(list) < q.Limit {
				break
			}
		}
	}
	return out, nil
}

func latest(list []Received, limit int) []Received {
	slices.SortStableFunc(list, func(a, b Received) int { return b.Begin.Compare(a.Begin) })
	return list[:min(len(list), limit)]
}
