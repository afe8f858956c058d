package setup

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/records"
)

// seen says how many records can be seen.
func seen(n, of int) string {
	return fmt.Sprintf("%d of %d records can be seen in the DNS", max(n, 0), of)
}

// firstOpen names one record that is waited for.
func firstOpen(open []records.Difference) string {
	if len(open) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s %s is not as it should be yet", open[0].Record.Name, open[0].Record.Type)
}

// untold says how many records nothing is known of.
func untold(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; of %d the resolver tells nothing", n)
}

// systemctl runs it, and tells when it failed.
func (r *run) systemctl(ctx context.Context, args ...string) bool {
	said, err := r.host.Run(ctx, "systemctl", args...)
	if err == nil {
		return true
	}
	r.tell(Step{Name: "start", Level: Fail, Text: "systemctl " + strings.Join(args, " ") + " failed: " + short(err.Error()+" "+said),
		Remedy: "See what the server says with: journalctl -u postrider -n 50."})
	return false
}

// start starts the server, or says why not.
func (r *run) start(ctx context.Context) error {
	if r.o.NoUnit || !r.host.Systemd || r.userMissing || r.misplaced {
		return nil
	}
	if err := r.disk.before("reload"); err != nil {
		return err
	}
	if !r.systemctl(ctx, "daemon-reload") || r.o.NoStart {
		return nil
	}
	r.con.Title("Starting")
	if r.blocked {
		r.tell(Step{Name: "start", Level: Warn, Text: "the server was not started, since ports that it needs are in use", Remedy: "Free them as said above, and run setup again.", Link: linkPorts})
		return nil
	}
	_, inactive := r.host.Run(ctx, "systemctl", "is-active", "--quiet", unitName)
	if !r.o.Yes && inactive != nil {
		answer, err := r.value(ctx, "", Question{Key: "start", Text: "Start the server now, and whenever the machine starts", Default: "yes"}, yesOrNo)
		if err != nil || answer == "no" {
			return err
		}
	}
	if err := r.disk.before("start"); err != nil {
		return err
	}
	r.con.Doing("starting the server")
	if !r.systemctl(ctx, "enable", "--now", unitName) {
		return nil
	}
	if inactive == nil && r.changed && !r.systemctl(ctx, "restart", unitName) {
		return nil
	}
	r.awaitServer(ctx)
	return ctx.Err()
}

// startTries bounds how often the server is looked for, a second apart.
const startTries = 15

// awaitServer waits until the server says good day.
func (r *run) awaitServer(ctx context.Context) {
	at := ""
	if list := r.cfg.Listen.SMTP; len(list) > 0 {
		if host, port, err := net.SplitHostPort(list[0]); err == nil {
			if host == "" || host == "0.0.0.0" || host == "::" {
				host = "127.0.0.1"
			}
			at = net.JoinHostPort(host, port)
		}
	}
	if at == "" {
		r.report.Started = true
		r.done("start", "the server was started")
		return
	}
	for range startTries {
		if r.firstLine(ctx, at, "220") == nil {
			r.report.Started = true
			r.done("start", "the server runs, and starts with the machine")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-r.host.Clock.After(time.Second):
		}
	}
	r.tell(Step{Name: "start", Level: Fail, Text: "the server was started, but does not answer at " + at, Remedy: "See what it says with: journalctl -u postrider -n 50."})
}

func yesOrNo(s string) (string, error) {
	switch strings.ToLower(s) {
	case "y", "yes":
		return "yes", nil
	case "n", "no":
		return "no", nil
	}
	return "", mail.Errorf(mail.Invalid, "answer yes or no")
}

// next says what is left to do.
func (r *run) next() {
	if text := r.web(); text != "" {
		r.report.Web = text
		r.con.Title("For the web server in front")
		r.con.Say(text)
	}
	add := func(format string, args ...any) { r.report.Next = append(r.report.Next, fmt.Sprintf(format, args...)) }
	switch {
	case r.report.Started:
	case r.o.NoUnit:
		add("Start the server: %s serve --config %s", r.program(), r.o.Config)
	case r.userMissing || r.misplaced || r.blocked:
		add("Do what is said above, and run setup again.")
	default:
		add("Start the server: systemctl enable --now postrider")
	}
	if r.needsPublishing {
		add("Publish the records above (they are in %s as well).", r.report.Zone)
	}
	if r.foreign() {
		add("Have the records set that are not in your zone: the reverse name (PTR) where you rent the address.")
	}
	if r.failed() {
		add("Mend what is marked FAIL above: because of it mail is lost, refused or not believed.")
	}
	add("See whether all is well: %s", r.command("doctor "+r.domain))
	r.con.Title("What to do next")
	for _, line := range r.report.Next {
		r.con.Say("  " + line)
	}
}

// failed reports whether something is to be mended beside the things that have lines of their own.
func (r *run) failed() bool {
	return slices.ContainsFunc(r.report.Steps, func(s Step) bool {
		return s.Level == Fail && !slices.Contains([]string{"ports", "user", "start", "publish", "reverse"}, s.Name)
	})
}

// foreign reports whether there are records that somebody else has to set, beside reverse names that were seen to be right.
func (r *run) foreign() bool {
	reversed := false
	for _, s := range r.report.Steps {
		reversed = reversed || s.Name == "reverse"
		if s.Name == "reverse" && s.Level != Done {
			return true
		}
	}
	for _, rec := range r.report.Records {
		if rec.Zone == "" && (rec.Type != "PTR" || !reversed) {
			return true
		}
	}
	return false
}

// command is a command for this set-up, as a person types it.
func (r *run) command(what string) string {
	if r.o.Config != DefaultConfig {
		what = "--config " + r.o.Config + " " + what
	}
	return "postrider " + what
}

func (r *run) program() string {
	if r.host.Executable == "" {
		return "postrider"
	}
	return r.host.Executable
}
