package dnspub

import (
	"context"
	"encoding/base64"
	"net"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"github.com/postrider/postrider/mail"
)

// updater speaks RFC 2136 to a primary name server, over TCP.
type updater struct {
	server    string
	key       string // absolute; "" does not sign
	algorithm string
	secrets   map[string]string
}

func newUpdater(cfg Config) (*updater, error) {
	if cfg.Server == "" {
		return nil, mail.Errorf(mail.Invalid, "publishing by rfc2136 needs the address of the primary name server; set server in [publish]")
	}
	u := &updater{server: cfg.Server}
	if _, _, err := net.SplitHostPort(u.server); err != nil {
		u.server = net.JoinHostPort(strings.Trim(u.server, "[]"), "53")
	}
	if cfg.KeyName == "" {
		if cfg.Secret != "" {
			return nil, mail.Errorf(mail.Invalid, "the key for rfc2136 has no name; set key_name in [publish] to what the name server calls it")
		}
		return u, nil
	}
	if key, err := base64.StdEncoding.DecodeString(cfg.Secret); err != nil || len(key) == 0 {
		return nil, mail.Errorf(mail.Invalid, "the secret of the key %s is not in base64; copy it as tsig-keygen or keymgr printed it", cfg.KeyName)
	}
	u.key, u.algorithm = wire.Fqdn(strings.ToLower(cfg.KeyName)), wire.HmacSHA256
	if cfg.KeyAlgorithm != "" {
		u.algorithm = wire.Fqdn(strings.ToLower(cfg.KeyAlgorithm))
	}
	switch u.algorithm {
	case wire.HmacSHA1, wire.HmacSHA224, wire.HmacSHA256, wire.HmacSHA384, wire.HmacSHA512:
	default:
		return nil, mail.Errorf(mail.Invalid, "%q is no algorithm of TSIG keys; use hmac-sha256", cfg.KeyAlgorithm)
	}
	u.secrets = map[string]string{u.key: cfg.Secret}
	return u, nil
}

// exchange sends a message, signed where there is a key, and wants the answer signed likewise. RFC 8945 5.
func (u *updater) exchange(ctx context.Context, m *wire.Msg) (*wire.Msg, error) {
	c := wire.Client{Net: "tcp", TsigSecret: u.secrets, Timeout: 20 * time.Second}
	if u.key != "" {
		m.SetTsig(u.key, u.algorithm, 300, time.Now().Unix()) // the server compares it with its own clock
	}
	answer, _, err := c.ExchangeContext(ctx, m, u.server)
	if err != nil {
		return nil, mail.Errorf(mail.Unavailable, "the name server %s does not answer, or not with our key: %w", u.server, err)
	}
	if u.key != "" && answer.IsTsig() == nil && answer.Rcode != wire.RcodeNotAuth && answer.Rcode != wire.RcodeRefused {
		return nil, mail.Errorf(mail.Unavailable, "the name server %s answers without the key %s, so the answer cannot be believed", u.server, u.key)
	}
	return answer, nil
}

func (u *updater) open(ctx context.Context, zone string) (view, error) {
	m := new(wire.Msg)
	m.SetQuestion(wire.Fqdn(zone), wire.TypeSOA)
	m.RecursionDesired = false
	answer, err := u.exchange(ctx, m)
	if err != nil {
		return nil, err
	}
	if answer.Rcode == wire.RcodeNotAuth && u.key != "" {
		return nil, mail.Errorf(mail.Denied, "the name server %s does not accept the key %s; its name, algorithm and secret must be the same there and here, and both clocks right",
			u.server, u.key)
	}
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype == wire.TypeSOA && strings.EqualFold(rr.Header().Name, wire.Fqdn(zone)) && answer.Rcode == wire.RcodeSuccess {
			return u, nil
		}
	}
	return nil, mail.Errorf(mail.NotFound, "the name server %s has no zone %s (%s)", u.server, zone, wire.RcodeToString[answer.Rcode])
}

func (u *updater) set(ctx context.Context, name, typ string) (set, error) {
	m := new(wire.Msg)
	m.SetQuestion(wire.Fqdn(name), wire.StringToType[typ])
	m.RecursionDesired = false
	answer, err := u.exchange(ctx, m)
	if err != nil {
		return set{}, err
	}
	if answer.Rcode != wire.RcodeSuccess && answer.Rcode != wire.RcodeNameError {
		return set{}, mail.Errorf(mail.Unavailable, "the name server %s answers %s", u.server, wire.RcodeToString[answer.Rcode])
	}
	var s set
	for _, rr := range answer.Answer {
		h := rr.Header()
		if wire.TypeToString[h.Rrtype] != typ || !strings.EqualFold(h.Name, wire.Fqdn(name)) {
			continue
		}
		raw := dataOf(rr)
		text, err := canonical(name, typ, raw)
		if err != nil {
			text = raw
		}
		s.ttl = time.Duration(h.Ttl) * time.Second
		s.values = append(s.values, value{text: text, raw: raw})
	}
	return s, nil
}

// apply sends one update. RFC 2136 2.4 (conditions), RFC 2136 2.5 (changes), RFC 2136 3.4.2.7 (all or nothing).
func (u *updater) apply(ctx context.Context, zone string, edits []edit) (int, error) {
	m := new(wire.Msg)
	m.SetUpdate(wire.Fqdn(zone))
	for _, e := range edits {
		var old, gone, fresh []wire.RR
		for _, v := range e.old.values {
			rr, err := parse(e.name, e.typ, v.raw, 0)
			if err != nil {
				return 0, mail.Errorf(mail.Invalid, "%s has a %s record that cannot be read; remove it by hand", e.name, e.typ)
			}
			old = append(old, rr)
		}
		for _, v := range e.remove {
			rr, err := parse(e.name, e.typ, v.raw, 0)
			if err != nil {
				return 0, err
			}
			gone = append(gone, rr)
		}
		for _, text := range e.add {
			rr, err := parse(e.name, e.typ, text, e.ttl)
			if err != nil {
				return 0, err
			}
			fresh = append(fresh, rr)
		}
		if len(old) > 0 {
			m.Used(old)
		} else {
			m.RRsetNotUsed([]wire.RR{&wire.ANY{Hdr: wire.RR_Header{Name: wire.Fqdn(e.name), Rrtype: wire.StringToType[e.typ]}}})
		}
		m.Remove(gone)
		m.Insert(fresh)
	}
	answer, err := u.exchange(ctx, m)
	if err != nil {
		return 0, err
	}
	switch answer.Rcode {
	case wire.RcodeSuccess:
		return len(edits), nil
	case wire.RcodeYXRrset, wire.RcodeNXRrset, wire.RcodeNameError, wire.RcodeYXDomain:
		return 0, mail.Errorf(mail.Conflict, "the records were changed by somebody else at the same time")
	case wire.RcodeRefused, wire.RcodeNotAuth:
		return 0, mail.Errorf(mail.Denied, "the name server %s does not let us change %s (%s); allow the key to update that zone",
			u.server, zone, wire.RcodeToString[answer.Rcode])
	}
	return 0, mail.Errorf(mail.Unavailable, "the name server %s answers %s", u.server, wire.RcodeToString[answer.Rcode])
}
