package setup

import (
	"net/netip"

	"github.com/postrider/postrider/service/records"
)

// Level says how a step went.
type Level string

// The levels.
const (
	Done Level = "done" // as it should be
	Note Level = "note" // good to know, or it could not be told
	Warn Level = "warn" // works, but not for everybody
	Fail Level = "fail" // mail will be lost, refused or not believed
)

// Step is one thing that was looked at or done.
type Step struct {
	Name   string `json:"name"` // which one, for programs: a word or two, with hyphens
	Level  Level  `json:"level"`
	Text   string `json:"text"`             // one sentence: how it is
	Remedy string `json:"remedy,omitempty"` // one sentence: what to do
	Link   string `json:"link,omitempty"`   // where more is told: docs/problems.md#anchor
}

// The pages that steps link to.
const (
	linkPort25    = "docs/problems.md#port-25-blocked"
	linkPTR       = "docs/problems.md#no-ptr"
	linkPorts     = "docs/problems.md#ports-in-use"
	linkClock     = "docs/problems.md#clock"
	linkResolver  = "docs/problems.md#resolver"
	linkDNSSEC    = "docs/problems.md#dnssec"
	linkBlocklist = "docs/problems.md#blocklisted"
	linkMX        = "docs/problems.md#mx"

	linkCertificate = "docs/problems.md#certificate"
)

// Action says what became of a file.
type Action string

// The actions.
const (
	Written   Action = "written"   // it was not there
	Replaced  Action = "replaced"  // it was as setup had left it, and is new now
	Unchanged Action = "unchanged" // it is as it should be
	Beside    Action = "beside"    // a person has changed it: the new text is in a file of the same name with .new
)

// File is a file that setup looks after.
type File struct {
	Path   string `json:"path"`
	Action Action `json:"action"`
}

// Account is the first account.
type Account struct {
	Address  string `json:"address"`
	Made     bool   `json:"made"`
	Password string `json:"password,omitempty"` // only where it was made up, and only in the run that shows it
}

// Report is what a run did and found.
type Report struct {
	Domain    string           `json:"domain"`
	Hostname  string           `json:"hostname"`
	Admin     string           `json:"admin"`
	Config    string           `json:"config"` // path of the configuration file
	Data      string           `json:"data"`
	Addresses []netip.Addr     `json:"addresses"` // at which others reach the host, as far as is known
	Steps     []Step           `json:"steps"`
	Files     []File           `json:"files"`
	Account   *Account         `json:"account,omitempty"`
	Records   []records.Record `json:"records"`
	Zone      string           `json:"zone,omitempty"` // path of the zone file
	Published bool             `json:"published"`
	Visible   bool             `json:"visible"` // all published records were seen in the DNS
	Started   bool             `json:"started"` // the server runs
	Web       string           `json:"web,omitempty"`
	Next      []string         `json:"next"` // what to do next, a line each
}

// Count tells how many steps went so.
func (r Report) Count(l Level) int {
	n := 0
	for _, s := range r.Steps {
		if s.Level == l {
			n++
		}
	}
	return n
}
