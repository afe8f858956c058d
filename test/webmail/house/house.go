// Package house is a whole Postrider, and a second one to write to, on loopback, for tests that look at it through a browser.
//
// It takes a directory and gives addresses, accounts with mail in them, and a small control server by which a test that is not
// written in Go stops and starts the system under the page's hands and lets mail come in.
package house

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/infra/config"
)

// Who lives here. Everybody has the same password.
const (
	Host     = "mail.one.example"
	Ann      = "ann@one.example" // may administer
	Ben      = "ben@one.example"
	Big      = "big@one.example" // with many messages, where Options.Many says how many
	Kim      = "kim@two.example" // lives in the other system
	Password = "correct horse battery staple"
)

// Options say what the house is like.
type Options struct {
	Dir  string
	Many int          // messages of Big
	Dist string       // a directory with another build of the webmail; "" is the embedded one
	Log  *slog.Logger // nil: silent
}

// House is the two systems.
type House struct {
	one, two *system
	options  Options
	pin      string
}

// system is one Postrider that can be stopped and started again on the same ports.
type system struct {
	cfg  config.Config
	log  *slog.Logger
	mu   sync.Mutex
	stop context.CancelFunc
	done chan error
}

// Open makes the accounts, starts both systems and brings the sample mail in.
func Open(ctx context.Context, o Options) (*House, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &House{options: o}
	var err error
	if h.one, err = h.prepare("one", "mail.one.example"); err != nil {
		return nil, err
	}
	if h.two, err = h.prepare("two", "mail.two.example"); err != nil {
		return nil, err
	}
	h.one.cfg.Lab.Hosts = map[string]string{"mail.two.example": first(h.two.cfg.Listen.SMTP)}
	h.two.cfg.Lab.Hosts = map[string]string{"mail.one.example": first(h.one.cfg.Listen.SMTP)}
	h.one.cfg.Lab.Webmail = o.Dist
	if err := people(ctx, h.one.cfg, Ann, Ben, Big); err != nil {
		return nil, err
	}
	if err := people(ctx, h.two.cfg, Kim); err != nil {
		return nil, err
	}
	if o.Many > 0 {
		if err := fill(ctx, h.one.cfg, o.Many); err != nil {
			return nil, err
		}
	}
	for _, s := range []*system{h.one, h.two} {
		if err := s.start(ctx); err != nil {
			h.Close()
			return nil, err
		}
	}
	if h.pin, err = pin(h.one.cfg.Data); err != nil {
		h.Close()
		return nil, err
	}
	for _, letter := range letters(time.Now()) {
		if err := h.Deliver(letter.From, letter.To, letter.text()); err != nil {
			h.Close()
			return nil, fmt.Errorf("%s: %w", letter.Subject, err)
		}
	}
	return h, nil
}

// prepare makes a system's configuration. Ports are chosen once, so that a system comes back where it was.
func (h *House) prepare(name, host string) (*system, error) {
	c := config.Default(filepath.Join(h.options.Dir, name))
	c.Hostname = host
	var ports [4]string
	for i := range ports {
		l, err := free()
		if err != nil {
			return nil, err
		}
		ports[i] = l.Addr().String()
		defer l.Close() //nolint:gocritic // all are held until all are chosen
	}
	c.Listen = config.Listen{SMTP: config.Addresses{ports[0]}, HTTPS: config.Addresses{ports[1]}, IMAPS: config.Addresses{ports[2]},
		Submissions: config.Addresses{ports[3]}, LMTPSocketMode: "0660"}
	c.DKIM.Enabled, c.Doctor.Every = false, 0
	c.Lab.NoLimits = true
	c.Lab.DNS = map[string]config.Records{
		"one.example": {MX: []string{"10 mail.one.example"}}, "mail.one.example": {A: []string{"127.0.0.1"}},
		"two.example": {MX: []string{"10 mail.two.example"}}, "mail.two.example": {A: []string{"127.0.0.1"}},
	}
	return &system{cfg: c, log: h.options.Log.With("system", name)}, nil
}

// free listens on a port below those that the system gives to connections: one that is chosen now and used later must not be taken meanwhile.
func free() (l net.Listener, err error) {
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

func first(a config.Addresses) string { return a[0] }

// people makes accounts in a system that is not running.
func people(ctx context.Context, c config.Config, names ...string) error {
	op, closer, err := app.OpenOffline(ctx, c, nil)
	if err != nil {
		return err
	}
	for _, who := range names {
		local, _, _ := strings.Cut(who, "@")
		_, err := op.AddAccount(ctx, admin.NewAccount{Address: who, Name: strings.ToUpper(local[:1]) + local[1:] + " Example", Password: Password, CreateDomain: true, Admin: who == Ann})
		if err != nil {
			return errors.Join(err, closer.Close())
		}
	}
	return closer.Close()
}

func (s *system) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return nil
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- app.Serve(run, s.cfg, s.log, func(app.Addresses) { close(ready) })
	}()
	select {
	case <-ready:
		s.stop, s.done = stop, done
		return nil
	case err := <-done:
		stop()
		return fmt.Errorf("the system does not start: %w", err)
	}
}

func (s *system) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return nil
	}
	s.stop()
	err := <-s.done
	s.stop = nil
	return err
}

// Stop stops the first system; Start starts it again at the same place.
func (h *House) Stop() error                     { return h.one.end() }
func (h *House) Start(ctx context.Context) error { return h.one.start(ctx) }

// StopOther and StartOther do so with the second.
func (h *House) StopOther() error                     { return h.two.end() }
func (h *House) StartOther(ctx context.Context) error { return h.two.start(ctx) }

// Close stops both.
func (h *House) Close() error { return errors.Join(h.one.end(), h.two.end()) }

// Address is where the webmail is served; a browser must take Host for this address.
func (h *House) Address() string { return first(h.one.cfg.Listen.HTTPS) }

// URL is the webmail's, by its name.
func (h *House) URL() string {
	_, port, _ := net.SplitHostPort(h.Address())
	return "https://" + net.JoinHostPort(Host, port)
}

// Facts are what a test that is not written in Go needs to know; control is where Control serves.
func (h *House) Facts(control string) map[string]string {
	return map[string]string{"url": h.URL(), "user": Ann, "second": Ben, "big": Big, "other": Kim, "password": Password, "control": control, "pin": h.Pin(),
		"imaps": h.IMAPS(), "otherURL": h.otherURL()}
}

func (h *House) otherURL() string {
	_, port, _ := net.SplitHostPort(first(h.two.cfg.Listen.HTTPS))
	return "https://" + net.JoinHostPort("mail.two.example", port)
}

// Pin is the digest of the certificate's key, for --ignore-certificate-errors-spki-list.
func (h *House) Pin() string { return h.pin }

// IMAPS is where the first system serves IMAP.
func (h *House) IMAPS() string { return first(h.one.cfg.Listen.IMAPS) }

func pin(data string) (string, error) {
	files, err := filepath.Glob(filepath.Join(data, "*", "development.pem"))
	if more, _ := filepath.Glob(filepath.Join(data, "development.pem")); err == nil {
		files = append(files, more...)
	}
	if len(files) == 0 {
		return "", errors.New("there is no certificate")
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.New("the certificate cannot be read")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}
