package storetest

import (
	"fmt"
	"time"

	"github.com/postrider/postrider/mail"
)

func testTrail(f *fixture) {
	event := func(trace mail.TraceID, o mail.Outcome, id string, to mail.Path, after time.Duration) mail.Event {
		return mail.Event{At: f.now.Add(after), Trace: trace, Outcome: o, MessageID: id, From: "ann@example.org", To: to, Account: 3, Queue: 4,
			Role: "mta/inbound", Peer: "mx[192.0.2.1]", TLS: "TLS1.3", Reason: "250 2.0.0 ok"}
	}
	events := []mail.Event{
		event("trace1", mail.Accepted, "1@x", "", 0),
		event("trace1", mail.Delivered, "1@x", "bob@example.org", time.Second),
		event("trace2", mail.Accepted, "2@x", "", 2*time.Second),
		event("trace2", mail.Deferred, "", "cat@else.example", 3*time.Second),
		event("trace2", mail.Relayed, "", "cat@else.example", 4*time.Second),
	}
	f.do(mail.Record{Event: events[0]}, mail.Record{Event: events[1]}, mail.Record{Event: events[2]})
	f.do(mail.Record{Event: events[4]}) // not in the order of time
	f.do(mail.Record{Event: events[3]})
	for _, q := range []struct {
		query mail.TrailQuery
		want  []int
	}{
		{mail.TrailQuery{Trace: "trace1"}, []int{0, 1}},
		{mail.TrailQuery{Trace: "trace2"}, []int{2, 3, 4}},
		{mail.TrailQuery{Trace: "trace3"}, nil},
		{mail.TrailQuery{MessageID: "2@x"}, []int{2, 3, 4}},
		{mail.TrailQuery{MessageID: "no@x"}, nil},
		{mail.TrailQuery{Address: "bob@example.org"}, []int{0, 1}},
		{mail.TrailQuery{Address: "cat@else.example"}, []int{2, 3, 4}},
		{mail.TrailQuery{Address: "ann@example.org"}, []int{0, 1, 2, 3, 4}},
		{mail.TrailQuery{Address: "ann@example.org", Limit: 2}, []int{3, 4}},
		{mail.TrailQuery{Trace: "trace2", Limit: 1}, []int{4}},
	} {
		got, err := f.Events(f.ctx, q.query)
		f.ok(err)
		var want []mail.Event
		for _, i := range q.want {
			want = append(want, events[i])
		}
		for i := range got {
			if got[i].ID == 0 {
				f.Errorf("event %+v has no number", got[i])
			}
			got[i].ID = 0
		}
		equal(f, fmt.Sprintf("events for %+v", q.query), got, want)
	}
	_, err := f.Events(f.ctx, mail.TrailQuery{})
	f.want(mail.Invalid, err)
	for _, q := range []struct {
		since, until time.Time
		outcome      mail.Outcome
		limit        int
		want         []int
	}{
		{limit: 10, want: []int{0, 1, 2, 3, 4}},
		{limit: 1, want: []int{2, 3, 4}},
		{outcome: mail.Relayed, limit: 10, want: []int{2, 3, 4}},
		{outcome: mail.Bounced, limit: 10},
		{until: events[2].At, limit: 10, want: []int{0, 1}},
		{since: events[3].At, limit: 10, want: []int{2, 3, 4}},
	} {
		got, err := f.Recent(f.ctx, q.since, q.until, q.outcome, q.limit)
		f.ok(err)
		var want []mail.Event
		for _, i := range q.want {
			want = append(want, events[i])
		}
		for i := range got {
			got[i].ID = 0
		}
		equal(f, fmt.Sprintf("the latest of %+v", q), got, want)
	}
}
