package admin

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/service/records"
	"github.com/postrider/postrider/service/seal"
)

// Trust is what makes others believe our mail. Package app implements it; domains are given in canonical spelling.
type Trust interface {
	// Records lists what the domain must have in the DNS. addresses are those at which others reach us; without any they are found out.
	Records(ctx context.Context, domain string, addresses []netip.Addr) ([]records.Record, error)
	// Publish writes them there, and tells what it changed. Unavailable where nobody is configured to.
	Publish(ctx context.Context, domain string, all []records.Record) (changed []string, err error)
	// Examine makes all of doctor's checks. With last it gives the result of the latest hourly ones: NotFound when there are none.
	Examine(ctx context.Context, domain string, last bool) (doctor.Report, error)
	// Keys lists the domain's DKIM keys; Ensure makes them where there are none; Rotate begins to change them.
	Keys(ctx context.Context, domain string) ([]seal.Key, error)
	Ensure(ctx context.Context, domain string) error
	Rotate(ctx context.Context, domain string) (seal.Progress, error)
	// Forget drops the keys of a domain that was given up.
	Forget(ctx context.Context, domain string) error
	// Reports lists reports that others sent about our domains.
	Reports(ctx context.Context, f ReportFilter) ([]Report, error)
}

// Guard keeps those out who guess passwords (service/limits).
type Guard interface {
	Bans(ctx context.Context) ([]limits.Ban, error)
	Unban(ctx context.Context, p netip.Prefix) error
}

// RecordsFor asks for the records of a domain.
type RecordsFor struct {
	Name string `json:"name"`
	// Addresses are those at which others reach this host, where it cannot tell by itself.
	Addresses []string `json:"addresses,omitempty"`
}

// RecordList is the reply to Records and Publish.
type RecordList struct {
	Domain  string           `json:"domain"`
	Records []records.Record `json:"records"`
	Changed []string         `json:"changed,omitempty"` // one sentence for each change that Publish made
}

// Examination asks for doctor's checks.
type Examination struct {
	Domain string `json:"domain"` // "": every domain of ours
	Last   bool   `json:"last,omitempty"`
}

// Diagnosis is the reply to Examine.
type Diagnosis struct {
	Reports []doctor.Report `json:"reports"`
}

// KeyList is the reply to Keys.
type KeyList struct {
	Domain string `json:"domain"`
	Keys   []Key  `json:"keys"`
}

// Key is a DKIM key, without its secret.
type Key struct {
	Selector  string     `json:"selector"`
	Algorithm string     `json:"algorithm"`
	State     string     `json:"state"` // published, active or retiring
	Since     time.Time  `json:"since"`
	Seen      *time.Time `json:"seen,omitempty"` // when its record was first seen in the DNS
	Record    string     `json:"record"`         // the line for a zone file
}

// Rotation is the reply to RotateKeys: a sentence each.
type Rotation struct {
	Domain  string   `json:"domain"`
	Done    []string `json:"done,omitempty"`
	Waiting []string `json:"waiting,omitempty"`
	Publish []string `json:"publish,omitempty"` // lines of a zone file
}

// BanList is the reply to Bans.
type BanList struct {
	Bans []limits.Ban `json:"bans"`
}

// BanName names whom to let in again: an address or a prefix.
type BanName struct {
	Prefix string `json:"prefix"`
}

// ReportFilter selects reports.
type ReportFilter struct {
	Kind   string `json:"kind,omitempty"` // dmarc or tls; "" is both
	Domain string `json:"domain,omitempty"`
	Limit  int    `json:"limit,omitempty"` // the latest so many; 0: 100
}

// ReportList is the reply to Reports.
type ReportList struct {
	Reports []Report `json:"reports"`
}

// trust gives what TrustOperator needs.
func (o *Operations) trust() (Trust, error) {
	if o.p.Trust == nil {
		return nil, mail.Errorf(mail.Unavailable, "this server looks after no DNS records")
	}
	return o.p.Trust, nil
}

// served finds a domain that must be ours.
func (o *Operations) served(ctx context.Context, s string) (string, Trust, error) {
	t, err := o.trust()
	if err != nil {
		return "", nil, err
	}
	name, err := domainName(s)
	if err != nil {
		return "", nil, err
	}
	if _, err := o.p.Directory.Domain(ctx, name); mail.Is(err, mail.NotFound) {
		return "", nil, notServed(name)
	} else if err != nil {
		return "", nil, err
	}
	return name, t, nil
}

// Records implements TrustOperator.
func (o *Operations) Records(ctx context.Context, r RecordsFor) (RecordList, error) {
	name, t, err := o.served(ctx, r.Name)
	if err != nil {
		return RecordList{}, err
	}
	var at []netip.Addr
	for _, text := range r.Addresses {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return RecordList{}, mail.Errorf(mail.Invalid, "%q is no IP address", text)
		}
		at = append(at, ip)
	}
	list, err := t.Records(ctx, name, at)
	return RecordList{Domain: name, Records: list}, err
}

func (o *Operations) publish(ctx context.Context, r RecordsFor) (RecordList, error) {
	out, err := o.Records(ctx, r)
	if err != nil {
		return RecordList{}, err
	}
	out.Changed, err = o.p.Trust.Publish(ctx, out.Domain, out.Records)
	return out, err
}

// Examiner is a Trust that tells what it finds as it finds it.
type Examiner interface {
	// ExamineTelling makes all of doctor's checks. each is called by one goroutine at a time.
	ExamineTelling(ctx context.Context, domain string, each func(doctor.Finding)) (doctor.Report, error)
}

// Examine implements TrustOperator.
func (o *Operations) Examine(ctx context.Context, r Examination) (Diagnosis, error) {
	return o.Watch(ctx, r, nil)
}

// Watch implements SystemOperator.
func (o *Operations) Watch(ctx context.Context, r Examination, progress func(Progress)) (Diagnosis, error) {
	var names []string
	t, err := o.trust()
	if err != nil {
		return Diagnosis{}, err
	}
	if r.Domain != "" {
		name, _, err := o.served(ctx, r.Domain)
		if err != nil {
			return Diagnosis{}, err
		}
		names = []string{name}
	} else if names, err = o.domainNames(ctx); err != nil {
		return Diagnosis{}, err
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	checks := int64(len(doctor.Checks()))
	out := Diagnosis{Reports: []doctor.Report{}}
	for i, name := range names {
		p := Progress{Stage: name, Done: int64(i) * checks, Total: int64(len(names)) * checks}
		progress(p)
		report, err := examine(ctx, t, name, r.Last, p, progress)
		if err != nil {
			return out, err
		}
		out.Reports = append(out.Reports, report)
	}
	return out, nil
}

// examine looks at one domain, from the progress that was made before.
func examine(ctx context.Context, t Trust, name string, last bool, p Progress, progress func(Progress)) (doctor.Report, error) {
	telling, ok := t.(Examiner)
	if !ok || last {
		return t.Examine(ctx, name, last)
	}
	checks := map[string]bool{}
	return telling.ExamineTelling(ctx, name, func(f doctor.Finding) {
		if !checks[f.Check] {
			checks[f.Check] = true
			p.Done++
		}
		p.Finding = &f
		progress(p)
	})
}

func (o *Operations) domainNames(ctx context.Context) ([]string, error) {
	domains, err := o.p.Directory.Domains(ctx)
	if err != nil {
		return nil, err
	}
	if len(domains) == 0 {
		return nil, mail.Errorf(mail.NotFound, "no domain is served here yet; add one with: postrider domain add example.com")
	}
	var names []string
	for _, d := range domains {
		names = append(names, d.Name)
	}
	return names, nil
}

// Keys implements TrustOperator.
func (o *Operations) Keys(ctx context.Context, r DomainName) (KeyList, error) {
	name, t, err := o.served(ctx, r.Name)
	if err != nil {
		return KeyList{}, err
	}
	keys, err := t.Keys(ctx, name)
	if err == nil && len(keys) == 0 { // a domain from before [dkim] was turned on
		keys, err = o.makeKeys(ctx, name)
	}
	if err != nil {
		return KeyList{}, err
	}
	out := KeyList{Domain: name, Keys: []Key{}}
	for _, k := range keys {
		record, err := k.Record()
		if err != nil {
			return out, err
		}
		out.Keys = append(out.Keys, Key{Selector: k.Selector, Algorithm: string(k.Algorithm), State: string(k.State), Since: k.Changed, Seen: moment(k.Seen),
			Record: record.Zone()})
	}
	return out, err
}

func (o *Operations) rotateKeys(ctx context.Context, r DomainName) (Rotation, error) {
	name, t, err := o.served(ctx, r.Name)
	if err != nil {
		return Rotation{}, err
	}
	p, err := t.Rotate(ctx, name)
	out := Rotation{Domain: name, Done: p.Done, Waiting: p.Waiting}
	for _, record := range p.Publish {
		out.Publish = append(out.Publish, record.Zone())
	}
	return out, err
}

// Bans implements TrustOperator.
func (o *Operations) Bans(ctx context.Context, _ Nothing) (BanList, error) {
	if o.p.Guard == nil {
		return BanList{}, mail.Errorf(mail.Unavailable, "this server bans nobody: [limits] login_failures is 0")
	}
	list, err := o.p.Guard.Bans(ctx)
	if list == nil {
		list = []limits.Ban{}
	}
	return BanList{Bans: list}, err
}

func (o *Operations) unban(ctx context.Context, r BanName) (BanList, error) {
	if o.p.Guard == nil {
		return o.Bans(ctx, Nothing{})
	}
	p, err := netip.ParsePrefix(r.Prefix)
	if !strings.Contains(r.Prefix, "/") {
		var ip netip.Addr
		ip, err = netip.ParseAddr(r.Prefix)
		p = netip.PrefixFrom(ip, ip.BitLen())
	}
	if err != nil {
		return BanList{}, mail.Errorf(mail.Invalid, "%q is no address; see who is banned with: postrider ban list", r.Prefix)
	}
	if err := o.p.Guard.Unban(ctx, p); err != nil {
		return BanList{}, err
	}
	return o.Bans(ctx, Nothing{})
}

// Reports implements TrustOperator.
func (o *Operations) Reports(ctx context.Context, r ReportFilter) (ReportList, error) {
	t, err := o.trust()
	if err != nil {
		return ReportList{}, err
	}
	switch r.Kind {
	case "", "dmarc", "tls":
	default:
		return ReportList{}, mail.Errorf(mail.Invalid, "%q is no kind of report; there are dmarc and tls", r.Kind)
	}
	if r.Domain != "" {
		if r.Domain, _, err = o.served(ctx, r.Domain); err != nil {
			return ReportList{}, err
		}
	}
	list, err := t.Reports(ctx, r)
	if list == nil {
		list = []Report{}
	}
	return ReportList{Reports: list}, err
}

// withoutKeys drops the keys of a domain that is not ours any more. A failure leaves keys that nobody uses.
func (o *Operations) withoutKeys(ctx context.Context, domain string) []string {
	if o.p.Trust == nil {
		return nil
	}
	if err := o.p.Trust.Forget(ctx, domain); err != nil {
		return []string{fmt.Sprintf("its DKIM keys are still there: %s", mail.Sentence(err))}
	}
	return nil
}

// keysFor makes the DKIM keys of a new domain. The domain stands without them, so that a failure is only told.
func (o *Operations) keysFor(ctx context.Context, domain string) []string {
	if o.p.Trust == nil {
		return nil
	}
	if err := o.p.Trust.Ensure(ctx, domain); err != nil {
		return []string{fmt.Sprintf("its mail is not signed yet, as no DKIM keys could be made: %s", mail.Sentence(err))}
	}
	return nil
}
