package queue

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// TestStoppedAtOnce ends a scheduler while it still breaks the leases of a former run: that is no error, and the next run
// breaks them.
func TestStoppedAtOnce(t *testing.T) {
	world(t, func(b *bench) {
		for range 3 {
			b.send("ann@here.example", "bob@there.example")
		}
		now := time.Now()
		b.do(mail.Claim{Owner: "one", Now: now, Until: now.Add(30 * time.Minute), Limit: 3})
		ctx, stop := context.WithCancel(context.Background())
		b.fail = func(mail.ChangeSet) error {
			stop()
			return mail.Errorf(mail.Unavailable, "the commit was not waited for: %w", context.Canceled)
		}
		s, err := New(b.config())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if strings.Contains(b.log.String(), "level=ERROR") {
			t.Errorf("stopping was logged as an error:\n%s", b.log.String())
		}
		b.fail = nil
		defer b.run(b.config())()
		rest(time.Hour)
		b.want("outcomes", b.outcomes("bob@there.example"), "relayed relayed relayed")
	})
}
