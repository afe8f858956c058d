package demo

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/postrider/postrider/admin"
)

// show writes the demo for people, or as JSON lines.
type show struct {
	o     Options
	began time.Time
}

func (s *show) paint(code, text string) string {
	if !s.o.Colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *show) printf(format string, args ...any) {
	fmt.Fprintf(s.o.Out, format, args...) //nolint:errcheck // nobody to tell
}

// line is one step as JSON.
type line struct {
	Step   string  `json:"step"`
	Text   string  `json:"text"`
	TookMS float64 `json:"took_ms,omitempty"`
	Domain string  `json:"domain,omitempty"`
}

func (s *show) json(l line) {
	if b, err := json.Marshal(l); err == nil {
		s.printf("%s\n", b)
	}
}

func (s *show) title(text string) {
	if !s.o.JSON {
		s.printf("\n%s\n", s.paint("1", text))
	}
}

// step shows something done and how long it took.
func (s *show) step(name, text string, took time.Duration) {
	ms := float64(took.Microseconds()) / 1000
	if s.o.JSON {
		s.json(line{Step: name, Text: text, TookMS: ms})
		return
	}
	s.printf("  %s %s  %s\n", s.paint("32", "✓"), s.paint("33", fmt.Sprintf("%8.1f ms", ms)), text)
}

// trace shows an event of a message's trail, with the time since it came in.
func (s *show) trace(domain string, began time.Time, e admin.Event) {
	who := e.Role
	if e.To != "" {
		who += " → " + e.To
	}
	text := fmt.Sprintf("%s: %s", who, e.Outcome)
	for _, more := range []string{e.Peer, e.TLS, e.Reason} {
		if more != "" {
			text += ", " + more
		}
	}
	if s.o.JSON {
		s.json(line{Step: "trace", Text: text, Domain: domain, TookMS: float64(e.At.Sub(began).Microseconds()) / 1000})
		return
	}
	s.printf("      %s\n", s.paint("2", fmt.Sprintf("%-12s +%6.1f ms  %s", domain, float64(e.At.Sub(began).Microseconds())/1000, text)))
}

func (s *show) elapsed(d time.Duration) {
	text := fmt.Sprintf("Start of both systems, a message there and one back, read over IMAP: %.2f s.", d.Seconds())
	if s.o.JSON {
		s.json(line{Step: "done", Text: text, TookMS: float64(d.Microseconds()) / 1000})
		return
	}
	s.printf("\n%s\n", s.paint("1", text))
}

// connectHelp tells how to look around with programs of one's own.
func connectHelp(s *show, towns []*town) {
	if s.o.JSON {
		for _, t := range towns {
			s.json(line{Step: "up", Domain: t.domain, Text: fmt.Sprintf("user %s password %s submission %s submissions %s imap %s imaps %s pop3 %s pop3s %s webmail %s data %s",
				t.person(), t.password, t.submission, t.submissions, t.imap, t.imaps, t.pop3, t.pop3s, t.web, t.config.Data)})
		}
		return
	}
	s.title("Both stay up. Open the webmail, or connect a mail program:")
	row := func(name string, of func(*town) string) {
		s.printf("  %-22s %-28s %s\n", name, of(towns[0]), of(towns[1]))
	}
	row("user name", (*town).person)
	row("password", func(t *town) string { return t.password })
	row("webmail", func(t *town) string { return t.web })
	row("submission (STARTTLS)", func(t *town) string { return t.submission })
	row("submission (TLS)", func(t *town) string { return t.submissions })
	row("IMAP (STARTTLS)", func(t *town) string { return t.imap })
	row("IMAP (TLS)", func(t *town) string { return t.imaps })
	row("POP3 (STLS)", func(t *town) string { return t.pop3 })
	row("POP3 (TLS)", func(t *town) string { return t.pop3s })
	t := towns[0]
	s.printf("\n  The certificate is self-made; a browser or program that asks may trust it, or this authority:\n    %s\n", t.app.CAFile())
	s.printf("\n  For instance:\n")
	s.printf("    curl --cacert %s -u %s:%s imaps://localhost:%s/INBOX\n", t.app.CAFile(), t.person(), t.password, port(t.imaps))
	s.printf("    postrider --data %s trace %s\n", t.config.Data, t.person())
	s.printf("\n  Ctrl-C ends the demo and removes its data.\n")
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
