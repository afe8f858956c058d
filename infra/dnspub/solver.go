package dnspub

import (
	"context"

	"github.com/libdns/libdns"
)

// Solver is a Provider as certmagic wants it for DNS-01 challenges: the DNSProvider of its DNSManager.
type Solver struct{ p *Provider }

var (
	_ libdns.RecordAppender = (*Solver)(nil)
	_ libdns.RecordDeleter  = (*Solver)(nil)
)

// Solver gives the interface of libdns that certmagic uses.
func (p *Provider) Solver() *Solver { return &Solver{p} }

// AppendRecords adds records and leaves those that are there.
func (s *Solver) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := s.p.do(ctx, zone, fromLib(zone, recs), extend); err != nil {
		return nil, err
	}
	return recs, nil
}

// DeleteRecords takes out the records with these names, types and values.
func (s *Solver) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := s.p.do(ctx, zone, fromLib(zone, recs), withdraw); err != nil {
		return nil, err
	}
	return recs, nil
}

func fromLib(zone string, recs []libdns.Record) (out []Record) {
	for _, r := range recs {
		rr := r.RR()
		out = append(out, Record{Name: libdns.AbsoluteName(rr.Name, zone), Type: rr.Type, TTL: rr.TTL, Value: rr.Data})
	}
	return out
}
