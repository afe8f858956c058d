package admin

import (
	"context"

	"github.com/postrider/postrider/admin/overview"
	"github.com/postrider/postrider/mail"
)

// What the pages of administration show is made by admin/overview; its types are requests and replies here.
type (
	// Listener is a service and where it listens.
	Listener = overview.Listener
	// Report is one report that somebody sent about a domain of ours, and ReportDetail one line of it.
	Report       = overview.Report
	ReportDetail = overview.ReportDetail
	// ChartQuery says which days Charts shows.
	ChartQuery  = overview.ChartQuery
	Charts      = overview.Charts
	ReportChart = overview.ReportChart
	ChartLine   = overview.ChartLine
	// Certificate is one that clients are shown.
	Certificate     = overview.Certificate
	CertificateList = overview.CertificateList
	Certifier       = overview.Certifier
	// Node is one process of the system.
	Node     = overview.Node
	NodeLoad = overview.NodeLoad
	// LimitReport tells what is set and who is Near it.
	LimitSettings = overview.LimitSettings
	LimitReport   = overview.LimitReport
	Near          = overview.Near
)

// NodeList is the reply to Nodes.
type NodeList struct {
	Nodes []Node    `json:"nodes"`
	Queue QueueSize `json:"queue"` // which all of them share
}

// self is what overview tells of this process.
func (f Facts) self() overview.Self {
	s := overview.Self{Name: f.Node, Hostname: f.Hostname, Version: f.Version, Started: f.Started, Serving: f.Serving, Roles: f.Roles,
		Listening: f.Listening, Connections: f.Connections, Volumes: f.Volumes}
	if s.Volumes == nil && f.Counters != nil {
		s.Volumes = func() map[string]int64 { return overview.OfOutcomes(f.Counters()) }
	}
	return s
}

// RunHeartbeat tells the other nodes of this one, and counts mail by day, until ctx ends. It is for a running server, once.
func (o *Operations) RunHeartbeat(ctx context.Context) { o.overview.Run(ctx) }

// Charts implements PageOperator.
func (o *Operations) Charts(ctx context.Context, r ChartQuery) (Charts, error) {
	domain, err := o.filterDomain(ctx, r.Domain)
	if err != nil {
		return Charts{}, err
	}
	return o.overview.Charts(ctx, r.Days, func(ctx context.Context, kind string, limit int) ([]Report, error) {
		if o.p.Trust == nil {
			return nil, nil
		}
		return o.p.Trust.Reports(ctx, ReportFilter{Kind: kind, Domain: domain, Limit: limit})
	})
}

// Certificates implements PageOperator.
func (o *Operations) Certificates(context.Context, Nothing) (CertificateList, error) {
	if o.p.Certificates == nil {
		return CertificateList{}, mail.Errorf(mail.Unavailable, "no server is running that would show certificates")
	}
	return o.overview.Certificates(o.p.Certificates), nil
}

// Nodes implements PageOperator.
func (o *Operations) Nodes(ctx context.Context, _ Nothing) (NodeList, error) {
	nodes, err := o.overview.Nodes(ctx)
	if err != nil {
		return NodeList{}, err
	}
	out := NodeList{Nodes: nodes}
	out.Queue, err = o.queueSize(ctx, o.p.Clock.Now())
	return out, err
}

// Limits implements PageOperator. A single account's own limit is its quota, which UpdateAccount changes; the others hold for all.
func (o *Operations) Limits(ctx context.Context, _ Nothing) (LimitReport, error) {
	accounts, err := o.p.Directory.Accounts(ctx, "")
	if err != nil {
		return LimitReport{}, err
	}
	return o.overview.Limits(ctx, o.p.Limits, accounts)
}
