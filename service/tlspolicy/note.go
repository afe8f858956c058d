package tlspolicy

import (
	"context"
	"encoding/json"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/mtasts"
)

// noteKind is the kind of our notes; their key is the domain.
const noteKind = "mta-sts"

// noteValue is a note as it is stored.
type noteValue struct {
	ID      string    `json:"id"`
	Mode    string    `json:"mode"`
	MX      []string  `json:"mx,omitempty"`
	MaxAge  int64     `json:"max_age"` // seconds
	Fetched time.Time `json:"fetched"`
	Wanted  time.Time `json:"wanted"`
}

// recall reads what is noted of a domain. What does not read as a policy is as nothing.
func (p *Policies) recall(ctx context.Context, domain string) (known, error) {
	n, err := p.cfg.Notes.Note(ctx, noteKind, domain)
	switch {
	case mail.Is(err, mail.NotFound):
		return known{}, nil
	case err != nil:
		return known{}, err
	}
	k, _ := decode(n)
	return k, nil
}

func decode(n mail.Note) (k known, ok bool) {
	var v noteValue
	if json.Unmarshal(n.Value, &v) != nil {
		return known{}, false
	}
	policy := mtasts.Policy{Mode: mtasts.Mode(v.Mode), MX: v.MX, MaxAge: time.Duration(min(max(v.MaxAge, 0), int64(mtasts.MaxAge/time.Second))) * time.Second}
	if policy.Check() != nil || v.Fetched.IsZero() {
		return known{}, false
	}
	return known{entry: mtasts.Entry{ID: v.ID, Policy: policy, Fetched: v.Fetched}, wanted: v.Wanted}, true
}

// note stores a policy for all nodes, until it expires. Where that fails, this node's memory has it all the same.
func (p *Policies) note(k *known) {
	e := k.entry
	value, err := json.Marshal(noteValue{ID: e.ID, Mode: string(e.Policy.Mode), MX: e.Policy.MX, MaxAge: int64(e.Policy.MaxAge / time.Second), Fetched: e.Fetched, Wanted: k.wanted})
	if err == nil {
		note := mail.Note{Kind: noteKind, Key: k.domain, Value: value, Expires: e.Fetched.Add(e.Policy.MaxAge)}
		_, err = p.cfg.Journal.Commit(p.life, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: note}}})
	}
	if err != nil && p.life.Err() == nil {
		p.cfg.Log.Warn("an MTA-STS policy cannot be kept for later", "domain", k.domain, "error", err)
	}
}
