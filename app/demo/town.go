package demo

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/smtpc"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/sasl"
	"github.com/postrider/postrider/proto/smtp"
)

// town is one domain with its system and one person.
type town struct {
	domain, host, user, password        string
	smtp, submission, submissions, imap string // host:port
	imaps, pop3, pop3s, https           string
	web                                 string // the webmail's address
	app                                 *app.App
	config                              config.Config
	trust                               *tls.Config
}

func (t *town) person() string { return t.user + "@" + t.domain }

// startTowns starts both systems. Those it gives must be closed, whatever the error.
func startTowns(ctx context.Context, s *show, dir string) ([]*town, error) {
	towns := []*town{
		{domain: "one.example", host: "mx.one.example", user: "ann"},
		{domain: "two.example", host: "mx.two.example", user: "bob"},
	}
	hosts, zone := map[string]string{}, map[string]config.Records{}
	for _, t := range towns {
		for _, at := range []*string{&t.smtp, &t.submission, &t.submissions, &t.imap, &t.imaps, &t.pop3, &t.pop3s, &t.https} {
			address, err := freeAddress(ctx)
			if err != nil {
				return nil, err
			}
			*at = address
		}
		hosts[t.host] = t.smtp
		zone[t.domain] = config.Records{MX: []string{"10 " + t.host}}
		zone[t.host] = config.Records{A: []string{"127.0.0.1"}}
	}
	// Browsers keep cookies by host alone, whatever the port: each town's webmail has a host of its own.
	towns[0].web, towns[1].web = "https://localhost:"+port(towns[0].https), "https://127.0.0.1:"+port(towns[1].https)
	var up []*town
	for _, t := range towns {
		began := time.Now()
		if err := t.start(ctx, filepath.Join(dir, t.domain), hosts, zone); err != nil {
			return up, fmt.Errorf("start the system of %s: %w", t.domain, err)
		}
		up = append(up, t)
		s.step("started", fmt.Sprintf("system of %s is up, with the account %s", t.domain, t.person()), time.Since(began))
	}
	return up, nil
}

// freeAddress finds a port of loopback that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", mail.Errorf(mail.Unavailable, "no free port on loopback: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (t *town) start(ctx context.Context, dir string, hosts map[string]string, zone map[string]config.Records) error {
	t.password = strings.ToLower(rand.Text()[:12])
	c := config.Default(dir)
	c.Hostname = t.host
	c.Listen = config.Listen{
		SMTP: config.Addresses{t.smtp}, Submission: config.Addresses{t.submission}, Submissions: config.Addresses{t.submissions},
		IMAP: config.Addresses{t.imap}, IMAPS: config.Addresses{t.imaps}, POP3: config.Addresses{t.pop3}, POP3S: config.Addresses{t.pop3s},
		HTTPS: config.Addresses{t.https},
	}
	c.Lab.Hosts, c.Lab.DNS = hosts, zone
	c.DKIM.Enabled, c.Reports.DMARC, c.Reports.TLS, c.Doctor.Every = false, false, false, 0 // nobody there would look
	t.config = c
	var err error
	if t.app, err = app.New(ctx, c, app.Options{Log: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	if err := t.app.Start(ctx); err != nil {
		return err
	}
	if _, err := t.app.Operations().AddDomain(ctx, admin.NewDomain{Name: t.domain}); err != nil {
		return err
	}
	if _, err := t.app.Operations().AddAccount(ctx, admin.NewAccount{Address: t.person(), Password: t.password, Admin: true}); err != nil {
		return err
	}
	t.trust, err = trusting(t.app.CAFile())
	return err
}

// trusting is a client that believes the system's own authority, and so verifies what it connects to.
func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}, nil
}

func (t *town) close(ctx context.Context) {
	if t.app != nil {
		t.app.Close(ctx) //nolint:errcheck // the demo's data goes away anyhow
	}
}

// handedIn tells how a submission went.
type handedIn struct {
	security, reply string
	took            time.Duration
}

// submit hands a message in as a mail program does: STARTTLS, SCRAM bound to the channel, one transaction.
func (t *town) submit(ctx context.Context, to *town, text []byte) (handedIn, error) {
	began := time.Now()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", t.submission)
	if err != nil {
		return handedIn{}, err
	}
	c, err := smtpc.New(ctx, conn, smtpc.Options{Hello: "demo.example"})
	if err != nil {
		return handedIn{}, err
	}
	defer c.Close()
	if err := c.Hello(ctx); err != nil {
		return handedIn{}, err
	}
	if err := c.StartTLS(ctx, t.trust); err != nil {
		return handedIn{}, err
	}
	state := c.TLS()
	binding, err := sasl.ExporterBinding(state.ExportKeyingMaterial)
	if err != nil {
		return handedIn{}, err
	}
	login, err := sasl.NewScramClient(t.person(), t.password, &binding)
	if err != nil {
		return handedIn{}, err
	}
	if err := c.Auth(ctx, login); err != nil {
		return handedIn{}, err
	}
	r, err := c.Send(ctx, smtpc.Transaction{
		From: smtp.Path{Local: t.user, Domain: t.domain}, To: []smtp.Rcpt{{To: smtp.Path{Local: to.user, Domain: to.domain}}},
		Size: int64(len(text)), Body: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(text))), nil },
	})
	if err != nil {
		return handedIn{}, err
	}
	out := handedIn{security: tls.VersionName(state.Version) + ", SCRAM-SHA-256-PLUS", took: time.Since(began)}
	reply := r.Outcome(0)
	if reply == nil || !reply.OK() {
		return out, fmt.Errorf("the submission was refused: %v", reply)
	}
	out.reply = reply.Error()
	c.Quit(ctx)
	return out, nil
}

// showTrace shows what the system noted about a message.
func (t *town) showTrace(ctx context.Context, s *show, messageID string) error {
	for {
		r, err := t.app.Operations().Trace(ctx, admin.TraceQuery{MessageID: messageID})
		if err == nil && settled(r) {
			for _, p := range r.Passages {
				for _, e := range p.Events {
					s.trace(t.domain, p.Began, e)
				}
			}
			return nil
		}
		if err != nil && !mail.Is(err, mail.NotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the trace of %s at %s did not end: %w", messageID, t.domain, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// settled reports whether nothing more will happen: the reader may have the message a moment before the sender's
// queue has noted that it left.
func settled(r admin.TraceReport) bool {
	for _, p := range r.Passages {
		for _, recipient := range p.Recipients {
			if !recipient.Final {
				return false
			}
		}
	}
	return len(r.Passages) > 0
}
