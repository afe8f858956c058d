package doctor

import (
	"encoding/json"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/doctor/words"
)

// Level says how bad a finding is.
type Level uint8

// The levels. Green is what has neither warnings nor faults.
const (
	OK      Level = iota // as it should be
	Note                 // good to know, a matter of taste, or it could not be checked
	Warning              // works today, but not for everybody or not for long
	Fault                // mail is lost, refused or not believed because of it
)

var levels = [...]string{"ok", "note", "warning", "fault"}

// String names the level as JSON shows it.
func (l Level) String() string {
	if int(l) < len(levels) {
		return levels[l]
	}
	return levels[Note]
}

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(b []byte) error {
	for i, name := range levels {
		if name == string(b) {
			*l = Level(i)
			return nil
		}
	}
	return mail.Errorf(mail.Invalid, "%q is no level of a finding", words.Plain(string(b)))
}

// Finding is one thing that was found out.
type Finding struct {
	Check   string `json:"check"`   // the check that found it: one of Checks
	Subject string `json:"subject"` // what it is about: a name, an address, "name:port"
	Level   Level  `json:"level"`
	Text    string `json:"text"`             // one sentence: what is wrong, or that all is well
	Remedy  string `json:"remedy,omitempty"` // one sentence: what to do
	Record  string `json:"record,omitempty"` // the record to publish, as a line of a zone file; several have a line feed between them
	Link    string `json:"link,omitempty"`   // where more is told: docs/problems.md#anchor
	// Untold is set on a Note that says that something could not be checked.
	Untold bool `json:"untold,omitempty"`
}

// Counts tells how many findings there are of each level.
type Counts struct {
	OK       int `json:"ok"`
	Notes    int `json:"notes"`
	Warnings int `json:"warnings"`
	Faults   int `json:"faults"`
}

// Report is the result of an examination.
type Report struct {
	Domain   string        `json:"domain"` // A-labels; "" when only the host was looked at
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took_ns"`
	Findings []Finding     `json:"findings"` // in the order of Checks
	Counts   Counts        `json:"counts"`
}

// Green reports whether there is neither a warning nor a fault.
func (r Report) Green() bool { return r.Counts.Warnings+r.Counts.Faults == 0 }

// Exit is the exit status of a command that shows the report: 1 with faults, else 0.
func (r Report) Exit() int {
	if r.Counts.Faults > 0 {
		return 1
	}
	return 0
}

func (r *Report) count() {
	r.Counts = Counts{}
	for _, f := range r.Findings {
		switch f.Level {
		case OK:
			r.Counts.OK++
		case Warning:
			r.Counts.Warnings++
		case Fault:
			r.Counts.Faults++
		default:
			r.Counts.Notes++
		}
	}
}

// MarshalJSON writes findings as a list even when there are none.
func (r Report) MarshalJSON() ([]byte, error) {
	type bare Report
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return json.Marshal(bare(r))
}

// The parts of the page of remedies.
const (
	page            = "docs/problems.md#"
	linkPort25      = page + "port-25-blocked"
	linkPTR         = page + "no-ptr"
	linkRelay       = page + "relay-denied"
	linkBlocklisted = page + "blocklisted"
	linkSPF         = page + "spf"
	linkDKIM        = page + "dkim"
	linkDMARC       = page + "dmarc"
	linkMX          = page + "mx"
	linkMTASTS      = page + "mta-sts"
	linkDANE        = page + "dane"
	linkTLS         = page + "tls-fails"
	linkCertificate = page + "certificate"
	linkClock       = page + "clock"
	linkResolver    = page + "resolver"
	linkDNSSEC      = page + "dnssec"
	linkAutoconfig  = page + "autoconfig"
	linkReports     = page + "reports"
	linkPorts       = page + "ports-in-use"
	linkSpam        = page + "lands-in-spam"
)

const (
	maxText    = 600 // octets of a sentence
	maxPerTest = 40  // findings of one check
)
