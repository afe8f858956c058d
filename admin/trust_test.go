package admin_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor"
	"github.com/postrider/postrider/service/limits"
	"github.com/postrider/postrider/service/records"
	"github.com/postrider/postrider/service/seal"
)

// trust is one domain's keys and records, and who is banned.
type trust struct {
	keys   []seal.Key
	broken error
	banned []limits.Ban
	asked  []string
}

func (f *trust) Records(_ context.Context, domain string, at []netip.Addr) ([]records.Record, error) {
	f.asked = append(f.asked, "records "+domain)
	return []records.Record{{Name: domain, Type: "MX", Value: "10 mx.test."}}, nil
}

func (f *trust) Publish(context.Context, string, []records.Record) ([]string, error) {
	return []string{"one.test MX is new"}, f.broken
}

func (f *trust) Examine(_ context.Context, domain string, last bool) (doctor.Report, error) {
	if last {
		return doctor.Report{}, mail.Errorf(mail.NotFound, "never looked at")
	}
	return doctor.Report{Domain: domain}, nil
}

func (f *trust) Keys(context.Context, string) ([]seal.Key, error) { return f.keys, nil }

func (f *trust) Ensure(_ context.Context, domain string) error {
	f.asked = append(f.asked, "keys for "+domain)
	return f.broken
}

func (f *trust) Forget(_ context.Context, domain string) error {
	f.asked = append(f.asked, "forget "+domain)
	return f.broken
}

func (f *trust) Rotate(context.Context, string) (seal.Progress, error) {
	return seal.Progress{Done: []string{"done"}, Publish: []seal.Record{{Name: "s._domainkey.one.test", Text: "v=DKIM1"}}}, nil
}

func (f *trust) Reports(_ context.Context, q admin.ReportFilter) ([]admin.Report, error) {
	f.asked = append(f.asked, "reports "+q.Domain)
	return nil, nil
}

func (f *trust) Bans(context.Context) ([]limits.Ban, error) { return f.banned, nil }

func (f *trust) Unban(_ context.Context, p netip.Prefix) error {
	f.asked = append(f.asked, "unban "+p.String())
	f.banned = nil
	return nil
}

// TestTrust: what is asked of a domain is asked of one of ours only, in canonical spelling, and no secret of a key is shown.
func TestTrust(t *testing.T) {
	t.Parallel()
	w, _ := newWorld(t)
	key, err := seal.Generate("one.test", "e1", seal.Ed25519, w.now)
	if err != nil {
		t.Fatal(err)
	}
	f := &trust{keys: []seal.Key{key}, banned: []limits.Ban{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}}
	op := admin.New(admin.Parts{Journal: w, Directory: w, Mailboxes: mailboxes{w: w}, Queue: w, Trail: w, Clock: w, Trust: f, Guard: f})
	ctx := t.Context()
	if d, err := op.AddDomain(ctx, admin.NewDomain{Name: "One.Test"}); err != nil || len(d.Warnings) != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	f.broken = mail.Errorf(mail.Unavailable, "no luck")
	if d, err := op.AddDomain(ctx, admin.NewDomain{Name: "two.test"}); err != nil || len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "no luck") {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := op.Records(ctx, admin.RecordsFor{Name: "one.test", Addresses: []string{"here"}}); !mail.Is(err, mail.Invalid) {
		t.Errorf("%v", err)
	}
	f.broken = nil
	if l, err := op.Records(ctx, admin.RecordsFor{Name: "ONE.test"}); err != nil || len(l.Records) != 1 || l.Domain != "one.test" {
		t.Errorf("%+v, %v", l, err)
	}
	for name, do := range map[string]func() error{
		"records": func() error { _, err := op.Records(ctx, admin.RecordsFor{Name: "foreign.test"}); return err },
		"publish": func() error { _, err := op.Publish(ctx, admin.RecordsFor{Name: "foreign.test"}); return err },
		"doctor":  func() error { _, err := op.Examine(ctx, admin.Examination{Domain: "foreign.test"}); return err },
		"keys":    func() error { _, err := op.Keys(ctx, admin.DomainName{Name: "foreign.test"}); return err },
		"rotate":  func() error { _, err := op.RotateKeys(ctx, admin.DomainName{Name: "foreign.test"}); return err },
		"reports": func() error { _, err := op.Reports(ctx, admin.ReportFilter{Domain: "foreign.test"}); return err },
		"last":    func() error { _, err := op.Examine(ctx, admin.Examination{Last: true}); return err },
	} {
		if err := do(); !mail.Is(err, mail.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := op.Examine(ctx, admin.Examination{}); err != nil || len(d.Reports) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	if k, err := op.Keys(ctx, admin.DomainName{Name: "one.test"}); err != nil || len(k.Keys) != 1 || k.Keys[0].Seen != nil || !strings.HasPrefix(k.Keys[0].Record, "e1._domainkey.one.test. IN TXT") {
		t.Errorf("%+v, %v", k, err)
	}
	if r, err := op.RotateKeys(ctx, admin.DomainName{Name: "one.test"}); err != nil || len(r.Publish) != 1 || r.Publish[0] != `s._domainkey.one.test. IN TXT "v=DKIM1"` {
		t.Errorf("%+v, %v", r, err)
	}
	if b, err := op.Unban(ctx, admin.BanName{Prefix: "192.0.2.1"}); err != nil || len(b.Bans) != 0 {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := op.Unban(ctx, admin.BanName{Prefix: "everybody"}); !mail.Is(err, mail.Invalid) {
		t.Errorf("%v", err)
	}
	if _, err := op.Reports(ctx, admin.ReportFilter{Kind: "gossip"}); !mail.Is(err, mail.Invalid) {
		t.Errorf("%v", err)
	}
	if d, err := op.RemoveDomain(ctx, admin.DomainName{Name: "two.test"}); err != nil || len(d.Warnings) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if got := strings.Join(f.asked, "; "); got != "keys for one.test; keys for two.test; records one.test; unban 192.0.2.1/32; forget two.test" {
		t.Errorf("asked: %s", got)
	}
	bare := admin.New(admin.Parts{Journal: w, Directory: w, Clock: w})
	if _, err := bare.Records(ctx, admin.RecordsFor{Name: "one.test"}); !mail.Is(err, mail.Unavailable) {
		t.Errorf("%v", err)
	}
	if _, err := bare.Bans(ctx, admin.Nothing{}); !mail.Is(err, mail.Unavailable) {
		t.Errorf("%v", err)
	}
}

// telling is a trust that tells what it finds as it finds it.
type telling struct{ trust }

func (f *telling) ExamineTelling(_ context.Context, domain string, each func(doctor.Finding)) (doctor.Report, error) {
	for _, check := range []string{"mx", "mx", "spf"} {
		each(doctor.Finding{Check: check, Subject: domain})
	}
	return doctor.Report{Domain: domain}, nil
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w, _ := people(t)
	if _, err := admin.New(admin.Parts{Journal: w, Directory: w, Clock: w}).AddDomain(t.Context(), admin.NewDomain{Name: "two.test"}); err != nil {
		t.Fatal(err)
	}
	checks := int64(len(doctor.Checks()))
	for name, tt := range map[string]struct {
		trust admin.Trust
		r     admin.Examination
		done  []int64
	}{
		"finding by finding": {&telling{}, admin.Examination{}, []int64{0, 1, 1, 2, checks, checks + 1, checks + 1, checks + 2}},
		"domain by domain":   {&trust{}, admin.Examination{}, []int64{0, checks}},
		"one domain":         {&telling{}, admin.Examination{Domain: "Two.test"}, []int64{0, 1, 1, 2}},
	} {
		op := admin.New(admin.Parts{Journal: w, Directory: w, Clock: w, Trust: tt.trust})
		var got []int64
		d, err := op.Watch(t.Context(), tt.r, func(p admin.Progress) {
			got = append(got, p.Done)
			if p.Finding != nil && p.Finding.Subject != p.Stage || p.Total%checks != 0 {
				t.Errorf("%s: %+v", name, p)
			}
		})
		if err != nil || !slices.Equal(got, tt.done) || len(d.Reports) == 0 {
			t.Errorf("%s: got %v, %+v, %v", name, got, d, err)
		}
	}
}
