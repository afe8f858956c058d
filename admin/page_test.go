package admin_test

import (
	"context"
	"testing"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// reporting is a trust that others report to.
type reporting struct {
	trust
	asked []admin.ReportFilter
}

func (r *reporting) Reports(_ context.Context, f admin.ReportFilter) ([]admin.Report, error) {
	r.asked = append(r.asked, f)
	return nil, nil
}

// TestPages: the operations of the pages ask for what they need, and without it answer in words.
func TestPages(t *testing.T) {
	t.Parallel()
	w, _ := people(t)
	ctx := t.Context()
	r := &reporting{}
	op := admin.New(admin.Parts{Journal: w, Directory: w, Queue: w, Clock: w, Trust: r, Limits: admin.LimitSettings{AccountRecipientsPerDay: 7}, Facts: admin.Facts{Node: "n1", Serving: true}})
	if c, err := op.Charts(ctx, admin.ChartQuery{Domain: "EXAMPLE.test"}); err != nil || len(c.Days) != 30 || len(r.asked) != 2 || r.asked[0].Domain != "example.test" {
		t.Errorf("%+v, %v, %v", c, r.asked, err)
	}
	_, err := op.Charts(ctx, admin.ChartQuery{Domain: "other.test"})
	refused(t, err, mail.NotFound, "is not served here")
	_, err = op.Certificates(ctx, admin.Nothing{})
	refused(t, err, mail.Unavailable, "no server is running")
	w.fill(2)
	if n, err := op.Nodes(ctx, admin.Nothing{}); err != nil || len(n.Nodes) != 1 || !n.Nodes[0].This || n.Queue.Messages != 2 {
		t.Errorf("%+v, %v", n, err)
	}
	if l, err := op.Limits(ctx, admin.Nothing{}); err != nil || l.Set.AccountRecipientsPerDay != 7 {
		t.Errorf("%+v, %v", l, err)
	}
	bare := admin.New(admin.Parts{Journal: struct{ mail.Journal }{w}, Directory: w, Queue: w, Clock: w})
	if c, err := bare.Charts(ctx, admin.ChartQuery{}); err != nil || len(c.Volumes) != 5 {
		t.Errorf("%+v, %v", c, err)
	}
	if n, err := bare.Nodes(ctx, admin.Nothing{}); err != nil || len(n.Nodes) != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	_, err = bare.Audit(ctx, admin.AuditFilter{})
	refused(t, err, mail.Unavailable, "cannot tell what was recorded")
}

// TestHeartbeatIsNoAct: what the system does of its own accord is in no record.
func TestHeartbeatIsNoAct(t *testing.T) {
	t.Parallel()
	w, op := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	op.RunHeartbeat(ctx)
	if len(w.audited) != 0 {
		t.Errorf("recorded %v", w.audited)
	}
	if n := w.notes["volume"]["20261124/in"].N; n != 7 {
		t.Errorf("%d messages were counted", n)
	}
}
