package msa

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// Correspondents are notes, so that who writes again finds whom they wrote to: one for each account and address, which counts.
const (
	CorrespondentKind = "correspondent"
	correspondentLife = 400 * 24 * time.Hour
	// most is how many recipients a letter from person to person has.
	most = 20
)

// Correspondent is the value of such a note.
type Correspondent struct {
	Name string `json:"name"`
}

// remembered gives what counts the people a message is to, where a person seems to have written it: programs that answer by themselves,
// lists and news say so in the header, or have many recipients.
func (a *Agent) remembered(account mail.AccountID, h *message.Header, env mail.Envelope) []mail.Change {
	if len(env.To) > most || h.Has("List-Unsubscribe") || h.Has("Precedence") || h.Has("Auto-Submitted") && !strings.EqualFold(strings.TrimSpace(h.Get("Auto-Submitted")), "no") {
		return nil
	}
	names := map[string]string{}
	for _, field := range []string{"To", "Cc", "Bcc"} {
		for _, m := range message.ParseMailboxes(h.Get(field)) {
			names[strings.ToLower(m.Addr.String())] = m.Name
		}
	}
	var out []mail.Change
	seen := map[string]bool{}
	for _, p := range env.To {
		address := strings.ToLower(string(p))
		key := fmt.Sprintf("%d/%s", account, address)
		if seen[key] || len(key) > mail.MaxNoteKey {
			continue
		}
		seen[key] = true
		name := strings.Join(strings.Fields(names[address]), " ")
		if len(name) > 200 {
			name = ""
		}
		value, err := json.Marshal(Correspondent{Name: name})
		if err != nil {
			continue // a name that is no text
		}
		out = append(out, mail.CountNote{Kind: CorrespondentKind, Key: key, By: 1, Account: account, Value: value, Expires: a.Clock.Now().Add(correspondentLife)})
	}
	return out
}
