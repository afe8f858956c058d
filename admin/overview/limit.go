package overview

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/limits"
)

// LimitSettings are the limits that the configuration sets. 0 is no limit.
type LimitSettings struct {
	ConnectionsPerMinute       int   `json:"connections_per_minute"` // of a network
	MessagesPerMinute          int   `json:"messages_per_minute"`    // of a network
	SenderMessagesPerHour      int   `json:"sender_messages_per_hour"`
	AccountRecipientsPerDay    int   `json:"account_recipients_per_day"`
	AccountNewRecipientsPerDay int   `json:"account_new_recipients_per_day"`
	LoginFailures              int   `json:"login_failures"` // of an address, before it is banned
	LoginWindow                int64 `json:"login_window_seconds"`
	BanFor                     int64 `json:"ban_for_seconds"`
	DefaultQuota               int64 `json:"default_quota"`
	MessageSize                int64 `json:"message_size"`
}

// What accounts may be near the limit of.
const (
	NearRecipients    = "recipients"     // AccountRecipientsPerDay
	NearNewRecipients = "new_recipients" // AccountNewRecipientsPerDay
	NearQuota         = "quota"
)

// Near is an account that has used half of a limit or more.
type Near struct {
	Address string  `json:"address"`
	What    string  `json:"what"`
	Used    int64   `json:"used"`
	Most    int64   `json:"most"`
	Share   float64 `json:"share"` // 1 is all of it
}

// LimitReport is the reply to Limits. Limits of a day count by UTC.
type LimitReport struct {
	Set  LimitSettings `json:"set"`
	Near []Near        `json:"near"` // the nearest first, at most 100
	Cut  bool          `json:"cut,omitempty"`
}

const (
	nearShare  = 0.5
	maxNear    = 100
	countPage  = 1000
	maxCounted = 200_000 // notes that are read for one answer
)

// Limits tells who of the accounts is near what is set.
func (o *Overview) Limits(ctx context.Context, set LimitSettings, accounts []mail.Account) (LimitReport, error) {
	out := LimitReport{Set: set, Near: []Near{}}
	address := make(map[mail.AccountID]string, len(accounts))
	for _, a := range accounts {
		address[a.ID] = string(a.Address)
		out.near(Near{Address: string(a.Address), What: NearQuota, Used: a.Used, Most: a.Quota})
	}
	for _, l := range []struct {
		kind, what string
		most       int
	}{{limits.KindSent, NearRecipients, out.Set.AccountRecipientsPerDay}, {limits.KindSentNew, NearNewRecipients, out.Set.AccountNewRecipientsPerDay}} {
		if l.most <= 0 || o.cfg.Notes == nil {
			continue
		}
		err := o.counts(ctx, l.kind, &out, func(id mail.AccountID, n int64) {
			if name, ok := address[id]; ok {
				out.near(Near{Address: name, What: l.what, Used: n, Most: int64(l.most)})
			}
		})
		if err != nil {
			return LimitReport{}, err
		}
	}
	slices.SortStableFunc(out.Near, func(a, b Near) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), strings.Compare(a.Address, b.Address))
	})
	if len(out.Near) > maxNear {
		out.Near, out.Cut = out.Near[:maxNear], true
	}
	return out, nil
}

func (r *LimitReport) near(n Near) {
	if n.Most <= 0 {
		return
	}
	if n.Share = float64(n.Used) / float64(n.Most); n.Share >= nearShare {
		r.Near = append(r.Near, n)
	}
}

// counts reads what service/limits counted today: its keys are "<account>/<day>".
func (o *Overview) counts(ctx context.Context, kind string, out *LimitReport, each func(mail.AccountID, int64)) error {
	today := o.cfg.Clock.Now().UTC().Format(dayForm)
	q := mail.NoteQuery{Kind: kind, Limit: countPage}
	for read := 0; ; read += countPage {
		if read >= maxCounted {
			out.Cut = true
			return nil
		}
		notes, err := o.cfg.Notes.Notes(ctx, q)
		if err != nil {
			return err
		}
		for _, n := range notes {
			q.After = n.Key
			account, day, _ := strings.Cut(n.Key, "/")
			if id, err := strconv.ParseInt(account, 10, 64); err == nil && day == today {
				each(mail.AccountID(id), n.N)
			}
		}
		if len(notes) < countPage {
			return nil
		}
	}
}
