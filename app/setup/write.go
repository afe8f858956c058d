package setup

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"

	"github.com/postrider/postrider/app/setup/machine"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/mail"
)

// write makes the user, the directories and the files.
func (r *run) write(ctx context.Context) error {
	r.con.Title("Writing")
	if !r.o.NoUnit {
		if err := r.makeUser(ctx); err != nil {
			return err
		}
	}
	if err := r.disk.directory(r.o.Data, 0o700, r.owner); err != nil {
		return err
	}
	if err := r.disk.directory(r.configDir(), 0, nil); err != nil {
		return err
	}
	if err := r.writeSecret(); err != nil {
		return err
	}
	if err := r.writeConfig(); err != nil {
		return err
	}
	if r.secret == "" {
		r.mustRead("the provider's token", r.cfg.Publish.SecretFile)
	}
	for _, c := range r.cfg.TLS.Certificates {
		cert, key := r.mustRead("the certificate", c.Cert), r.mustRead("the certificate's key", c.Key)
		if cert && key {
			r.mustMatch(c)
		}
	}
	if r.o.NoUnit {
		return nil
	}
	return r.writeUnit()
}

// mustMatch looks whether a certificate and its key are some, and belong together.
func (r *run) mustMatch(c config.Certificate) {
	if _, err := tls.LoadX509KeyPair(r.disk.real(c.Cert), r.disk.real(c.Key)); err != nil {
		r.tell(Step{Name: "file", Level: Fail, Text: c.Cert + " and " + c.Key + " are not a certificate and its key: " + short(err.Error()),
			Remedy: "Put the right files there before the server is started.", Link: linkCertificate})
	}
}

// mustRead looks whether a file that a person has put somewhere is there, and the server's user can read it. It is false where it is not there.
func (r *run) mustRead(what, path string) bool {
	if path == "" {
		return false
	}
	info, err := os.Stat(r.disk.real(path))
	switch {
	case err != nil:
		r.tell(Step{Name: "file", Level: Fail, Text: what + " should be in " + path + ", but is not there: " + short(err.Error()), Remedy: "Put it there before the server is started."})
	case r.owner != nil && !machine.Readable(info, *r.owner):
		r.tell(Step{Name: "file", Level: Warn, Text: what + ", " + path + ", cannot be read by the server's user",
			Remedy: "Let it, with: chgrp " + userName + " " + path + " && chmod 640 " + path})
	}
	return err == nil
}

// makeUser declares the server's user and lets systemd make it. Where that is not to be had, a person is told how.
func (r *run) makeUser(ctx context.Context) error {
	if err := r.disk.directory("/etc/sysusers.d", 0, nil); err != nil {
		return err
	}
	if _, err := r.keep(sysusersPath, sysusers(r.o.Data), 0o644, nil); err != nil {
		return err
	}
	owner, err := r.host.User(userName)
	if mail.Is(err, mail.NotFound) {
		if err := r.disk.before("user"); err != nil {
			return err
		}
		said, runErr := r.host.Run(ctx, "systemd-sysusers", r.disk.real(sysusersPath))
		if owner, err = r.host.User(userName); mail.Is(err, mail.NotFound) {
			r.userMissing = true
			text := "the user postrider, whom the service runs as, could not be made"
			if runErr != nil {
				text += ": " + short(runErr.Error()+" "+said)
			}
			r.tell(Step{Name: "user", Level: Fail, Text: text,
				Remedy: fmt.Sprintf("Make it with: useradd --system --home-dir %s --shell /usr/sbin/nologin postrider; then run setup again.", r.o.Data)})
			return nil
		}
		if err == nil {
			r.done("user", "the user postrider was made; the service runs as it")
		}
	}
	if err != nil {
		return err
	}
	r.owner = &owner
	return nil
}

// short keeps a foreign text to what one line can bear.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = s[:200]
	}
	return s
}

// readers lets root write and the server's user read.
func (r *run) readers() *Owner {
	if r.owner == nil {
		return nil
	}
	return &Owner{UID: 0, GID: r.owner.GID}
}

// writeSecret keeps the token where the configuration says.
func (r *run) writeSecret() error {
	path := r.cfg.Publish.SecretFile
	if path == "" || r.secret == "" {
		return nil
	}
	old, there, err := r.disk.read(path)
	if err != nil || there && strings.TrimSpace(string(old)) == r.secret {
		return err
	}
	if err := r.disk.write(path, r.secret+"\n", 0o640, r.readers()); err != nil {
		return err
	}
	action := Written
	if there {
		action = Replaced
	}
	r.changed = true
	r.report.Files = append(r.report.Files, File{path, action})
	r.done("secret", "the provider's token is in "+path)
	return nil
}

// writeConfig writes the configuration, or says how it would differ.
func (r *run) writeConfig() error {
	text, err := render(r.cfg, r.domain)
	if err != nil {
		return err
	}
	again, err := config.Parse(r.o.Config, []byte(text))
	if err != nil {
		return mail.Errorf(mail.Invalid, "the configuration would not be sound, so it was not written: %w", err)
	}
	if left, err := changes(r.cfg, again); err != nil || len(left) > 0 {
		return mail.Errorf(mail.Internal, "the configuration would not say what is meant, so it was not written: %v %w", left, err)
	}
	if r.before != nil {
		diff, err := changes(*r.before, r.cfg)
		if err != nil {
			return err
		}
		if len(diff) == 0 {
			r.report.Files = append(r.report.Files, File{r.o.Config, Unchanged})
			r.done("config", r.o.Config+" is as it should be")
			return nil
		}
		for _, d := range diff {
			r.tell(Step{Name: "config-change", Level: Note, Text: "to be changed in the configuration: " + d})
		}
	}
	action, err := r.keep(r.o.Config, text, 0o644, nil)
	if err != nil {
		return err
	}
	if action == Beside {
		r.tell(Step{Name: "config", Level: Warn, Text: r.o.Config + " was changed by hand, so it stays as it is; what setup would write is in " + r.o.Config + ".new",
			Remedy: "Take over from there what you want, and run setup again. Until then the file that is there counts."})
		r.cfg = *r.before
		r.report.Data = r.cfg.Data
		if r.cfg.Data != r.o.Data {
			r.o.Data = r.cfg.Data
			return r.disk.directory(r.o.Data, 0o700, r.owner)
		}
		return nil
	}
	r.changed = r.changed || action != Unchanged
	r.done("config", fmt.Sprintf("%s is %s", r.o.Config, action))
	return nil
}

// writeUnit writes the service.
func (r *run) writeUnit() error {
	if below(r.host.Executable, "/root", "/home", "/tmp", "/var/tmp", "/run/user") || r.host.Executable == "" {
		r.misplaced = true
		r.tell(Step{Name: "program", Level: Warn, Text: fmt.Sprintf("the service cannot run the program where it is, %s: its user does not get there", r.host.Executable),
			Remedy: "Put it where programs are, with: install -m 755 " + r.host.Executable + " /usr/local/bin/postrider; then run setup from there."})
	}
	if err := r.disk.directory("/etc/systemd/system", 0, nil); err != nil {
		return err
	}
	action, err := r.keep(unitPath, unit(r.host.Executable, r.o.Config, r.o.Data), 0o644, nil)
	if err != nil {
		return err
	}
	if action == Beside {
		r.tell(Step{Name: "unit", Level: Warn, Text: unitPath + " was changed by hand, so it stays as it is; what setup would write is in " + unitPath + ".new",
			Remedy: "Keep changes of yours apart from it, with: systemctl edit postrider."})
		return nil
	}
	r.changed = r.changed || action != Unchanged
	r.done("unit", fmt.Sprintf("%s is %s", unitPath, action))
	return nil
}
