package account

import (
	"cmp"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/qrsvg"
	"github.com/postrider/postrider/service/directory"
)

type portJSON struct {
	Port int    `json:"port"`
	TLS  string `json:"tls"` // implicit, starttls
}

// best is the way to a service that programs are told; nil when there is none (RFC 8314 3).
func (p Port) best() *portJSON {
	switch {
	case p.Implicit > 0:
		return &portJSON{p.Implicit, "implicit"}
	case p.StartTLS > 0:
		return &portJSON{p.StartTLS, "starttls"}
	}
	return nil
}

type clientsJSON struct {
	Host    string     `json:"host"`
	IMAP    *portJSON  `json:"imap,omitempty"`
	POP3    *portJSON  `json:"pop3,omitempty"`
	SMTP    *portJSON  `json:"smtp,omitempty"`
	User    string     `json:"user"`
	Profile string     `json:"profile,omitempty"`
	QR      string     `json:"qr,omitempty"` // of where the profile is
	Seen    []seenJSON `json:"seen"`
}

type seenJSON struct {
	Service string    `json:"service"`
	Address string    `json:"address"`
	Agent   string    `json:"agent,omitempty"`
	At      time.Time `json:"at"`
	Label   string    `json:"label"`
}

// clients tells how to set up mail programs, and which have logged in.
func (v *visit) clients() (any, error) {
	s, user := v.h.cfg.Services, string(v.account.Address)
	out := clientsJSON{Host: s.Host, IMAP: s.IMAP.best(), POP3: s.POP3.best(), SMTP: s.SMTP.best(), User: user, Seen: []seenJSON{}}
	if s.Profile != "" {
		out.Profile = s.Profile + "?" + url.Values{"email": {user}}.Encode()
		host := s.Host
		if s.HTTPS != 0 && s.HTTPS != 443 {
			host = net.JoinHostPort(host, strconv.Itoa(s.HTTPS))
		}
		var err error
		if out.QR, err = qrsvg.Draw("https://" + host + out.Profile); err != nil {
			return nil, mail.Errorf(mail.Internal, "the profile's address cannot be drawn: %w", err)
		}
	}
	list, err := directory.ClientsOf(v.ctx, v.h.cfg.Notes, v.account.ID)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		out.Seen = append(out.Seen, seenJSON{c.Service, addressText(c.Address), c.Agent, c.At, c.Label})
	}
	return out, nil
}

// KindCorrespondent is the kind of the notes that count whom an account has written to (the msa's): "<account id>/<address>".
const KindCorrespondent = "correspondent"

// How many people are read, and how many of them are told.
const (
	correspondentsRead = 20_000
	correspondentsTold = 2_000
	correspondentsPage = 1_000
)

type personJSON struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Count int64  `json:"count"`
}

// correspondents lists whom the account writes to, the most frequent first.
func (v *visit) correspondents() (any, error) {
	prefix := strconv.FormatInt(int64(v.account.ID), 10) + "/"
	people, after := []personJSON{}, ""
	for len(people) < correspondentsRead {
		notes, err := v.h.cfg.Notes.Notes(v.ctx, mail.NoteQuery{Kind: KindCorrespondent, Prefix: prefix, After: after, Limit: correspondentsPage})
		if err != nil {
			return nil, err
		}
		for _, n := range notes {
			var value struct {
				Name string `json:"name"`
			}
			_ = json.Unmarshal(n.Value, &value) // a person without a name
			people = append(people, personJSON{value.Name, strings.TrimPrefix(n.Key, prefix), n.N})
		}
		if len(notes) < correspondentsPage {
			break
		}
		after = notes[len(notes)-1].Key
	}
	slices.SortStableFunc(people, func(a, b personJSON) int { return cmp.Compare(b.Count, a.Count) })
	return struct {
		People []personJSON `json:"people"`
	}{people[:min(len(people), correspondentsTold)]}, nil
}
