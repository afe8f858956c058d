package limits

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/addr"
)

// The kinds of notes of what accounts send.
const (
	KindSent    = "sent"
	KindSentNew = "sent-new"
	KindMet     = "met"
)

// MetFor is how long an account is remembered to have written to somebody it does not write to any more. It is renewed with a
// message when less than half of it is left.
const MetFor = 400 * 24 * time.Hour

// MetKey is the key of the note, of the kind KindMet, that says that the account has written to the address, in whatever spelling:
// "<account>/" and the first 16 octets of the SHA-256 of the canonical address in hexadecimal.
func MetKey(account mail.AccountID, address mail.Path) string {
	sum := sha256.Sum256([]byte(canonical(address)))
	return strconv.FormatInt(int64(account), 10) + "/" + hex.EncodeToString(sum[:16])
}

// canonical is the address as all spellings of it compare.
func canonical(p mail.Path) string {
	a, err := addr.Parse(string(p))
	if err != nil {
		return strings.ToLower(string(p))
	}
	return a.Normal().String()
}

// Daily counts what accounts send in a day.
type Daily struct {
	notes      mail.Notes
	all, unmet int64 // recipients of a day, and those of them that the account never wrote to; 0: no limit
}

func newDaily(c Config) *Daily {
	return &Daily{notes: c.Notes, all: int64(c.AccountRecipientsPerDay), unmet: int64(c.AccountNewRecipientsPerDay)}
}

// Submission says whether the account may send to the recipients now, and what the commit that takes the message has to do besides so
// that it is counted: the changes refuse the set (TooMany) when other messages used up the day meanwhile. Without recipients it
// only says whether one more would be let through, and gives no changes. TooMany (4.7.1).
func (d *Daily) Submission(ctx context.Context, account mail.AccountID, recipients []mail.Path, now time.Time) ([]mail.Change, error) {
	t := today(account, now)
	var out []mail.Change
	n := int64(len(distinct(recipients)))
	sent, err := d.count(ctx, limit{kind: KindSent, most: d.all, by: n, what: "recipients"}, t)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	out = append(out, sent...)
	fresh, met, err := d.strangers(ctx, account, recipients, now)
	if err != nil {
		return nil, err
	}
	if fresh > 0 {
		first, err := d.count(ctx, limit{kind: KindSentNew, most: d.unmet, by: fresh, what: "people it never wrote to before"}, t)
		if err != nil {
			return nil, err
		}
		out = append(out, first...)
	}
	return append(out, met...), nil
}

// limit is one count of an account's day.
type limit struct {
	kind     string
	most, by int64
	what     string
}

// day is an account's day.
type day struct {
	key string
	now time.Time
	end time.Time
}

func today(account mail.AccountID, now time.Time) day {
	now = now.UTC()
	end := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)
	return day{key: strconv.FormatInt(int64(account), 10) + "/" + now.Format("20060102"), now: now, end: end}
}

// count gives the change that counts, or the refusal where it is certain already.
func (d *Daily) count(ctx context.Context, l limit, t day) ([]mail.Change, error) {
	if l.most <= 0 {
		return nil, nil
	}
	have, err := d.notes.Note(ctx, l.kind, t.key)
	if err != nil && !mail.Is(err, mail.NotFound) {
		return nil, err
	}
	text := fmt.Sprintf("your account may send to %d %s in a day and has sent to %d today, this message is for %d; the count begins anew in %s (00:00 UTC), or ask the operator for more, see %s",
		l.most, l.what, have.N, max(l.by, 1), span(t.end.Sub(t.now)), pageRates)
	if have.N+max(l.by, 1) > l.most {
		return nil, &mail.Error{Kind: mail.TooMany, Enhanced: "4.7.1", Text: text}
	}
	// A day longer than the day: nodes' clocks may differ.
	return []mail.Change{mail.CountNote{Kind: l.kind, Key: t.key, By: l.by, Most: l.most, Expires: t.end.Add(24 * time.Hour), Text: text}}, nil
}

// strangers counts the recipients that the account has not written to, and gives the changes that remember that it has now.
func (d *Daily) strangers(ctx context.Context, account mail.AccountID, recipients []mail.Path, now time.Time) (int64, []mail.Change, error) {
	var fresh int64
	var out []mail.Change
	for _, p := range distinct(recipients) {
		key := MetKey(account, p)
		n, err := d.notes.Note(ctx, KindMet, key)
		switch {
		case mail.Is(err, mail.NotFound):
			fresh++
		case err != nil:
			return 0, nil, err
		case n.Expires.Sub(now) > MetFor/2:
			continue
		}
		out = append(out, mail.PutNote{Note: mail.Note{Kind: KindMet, Key: key, Expires: now.Add(MetFor)}})
	}
	return fresh, out, nil
}

// distinct gives each recipient once.
func distinct(list []mail.Path) []mail.Path {
	seen := make(map[string]bool, len(list))
	out := make([]mail.Path, 0, len(list))
	for _, p := range list {
		if c := canonical(p); !seen[c] {
			seen[c] = true
			out = append(out, p)
		}
	}
	return out
}
