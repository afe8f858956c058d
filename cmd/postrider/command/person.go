package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
)

// person is somebody with an account, who uses a server as any client does: over HTTPS, with the password.
type person struct {
	address string
	server  string
	secret  string // the file of the password
	ca      string // the file of a private authority
}

// flags are how the person says who they are. name is the address's flag.
func (p *person) flags(f *pflag.FlagSet, name, what string) {
	f.StringVar(&p.address, name, "", "`ADDRESS` of the account "+what)
	f.StringVar(&p.server, "server", "", "`URL` of the mail server (default: found by the address)")
	f.StringVar(&p.secret, "password-file", "", "`FILE` with the password (default: $POSTRIDER_PASSWORD, or asked for)")
	f.StringVar(&p.ca, "ca", "", "`FILE` with the certificates of a private authority that has signed the server's")
}

// open logs in. It must be closed.
func (p *person) open(ctx context.Context, s *session, flag string) (*client.Client, error) {
	address := cmp.Or(p.address, s.Getenv("POSTRIDER_USER"))
	if address == "" {
		return nil, usageError{"name your address with --" + flag + " or in $POSTRIDER_USER"}
	}
	o := client.Options{Server: p.server, User: address}
	if p.ca != "" {
		pem, err := readBounded(p.ca, 4<<20)
		if err != nil {
			return nil, err
		}
		if o.Roots, err = x509.SystemCertPool(); err != nil {
			o.Roots = x509.NewCertPool()
		}
		if !o.Roots.AppendCertsFromPEM(pem) {
			return nil, mail.Errorf(mail.Invalid, "%s has no certificate in PEM", p.ca)
		}
	}
	var err error
	if o.Password, err = p.password(ctx, s, address); err != nil {
		return nil, err
	}
	return client.Open(ctx, o)
}

// password comes from a file, the environment, or a person at the terminal.
func (p *person) password(ctx context.Context, s *session, address string) (string, error) {
	if p.secret != "" {
		b, err := readBounded(p.secret, maxPassword+2)
		if err != nil {
			return "", err
		}
		line, _, _ := bytes.Cut(b, []byte("\n"))
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			return "", mail.Errorf(mail.Invalid, "%s has no password in its first line", p.secret)
		}
		return string(line), nil
	}
	if password := s.Getenv("POSTRIDER_PASSWORD"); password != "" {
		return password, nil
	}
	prompt := "Password of " + safe(address) + ": "
	if s.InTerminal {
		return s.Secret(ctx, prompt)
	}
	if s.ErrTerminal { // standard input is the text; the person is at the terminal all the same
		if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
			defer tty.Close()
			return Secret(ctx, tty, s.Err, prompt)
		}
	}
	return "", usageError{"the password is taken from $POSTRIDER_PASSWORD, from a file named with --password-file, or from a person at a terminal"}
}

// readBounded reads a small file.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, mail.Errorf(mail.NotFound, "a file that is named cannot be read: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, mail.Errorf(mail.Invalid, "%s cannot be read: %w", path, err)
	}
	if int64(len(b)) > most {
		return nil, mail.Errorf(mail.TooLarge, "%s is larger than %s, and not what is expected", path, octets(most))
	}
	return b, nil
}

// yes asks a person for a y.
func (s *session) yes(question string) bool {
	s.note("%s [y/N]", question)
	line, err := readLine(s.In)
	return err == nil && strings.EqualFold(strings.TrimSpace(line), "y")
}
