package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postrider/postrider/mail"
)

// maxFile bounds a configuration file, in octets.
const maxFile = 1 << 20

// Load reads a configuration file over the defaults and judges it. Errors are of kind Invalid and wrap Problems, save
// for a file that cannot be read: NotFound, Denied or Unavailable.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Config{}, mail.Errorf(mail.NotFound, "there is no configuration file %s; write one with: postrider config reference > %s", path, path)
	case errors.Is(err, os.ErrPermission):
		return Config{}, mail.Errorf(mail.Denied, "the configuration file %s may not be read by this user", path)
	case err != nil:
		return Config{}, mail.Errorf(mail.Unavailable, "the configuration file cannot be opened: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Config{}, mail.Errorf(mail.Unavailable, "the configuration file %s cannot be read: %w", path, err)
	}
	if len(text) > maxFile {
		return Config{}, mail.Errorf(mail.Invalid, "%s is over %d octets and so is no configuration file", path, maxFile)
	}
	return Parse(path, text)
}

// Parse reads a configuration file's text over the defaults and judges it. name is how errors call the file, and
// relative paths in it count from its directory.
func Parse(name string, text []byte) (Config, error) {
	c := Default(DefaultData)
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, decodeProblems(name, err).err()
	}
	dir := filepath.Dir(name)
	c.Data = within(dir, c.Data)
	c.Outbound.Smarthost.PasswordFile = within(dir, c.Outbound.Smarthost.PasswordFile)
	for i := range c.TLS.Certificates {
		cert := &c.TLS.Certificates[i]
		cert.Cert, cert.Key = within(dir, cert.Cert), within(dir, cert.Key)
	}
	ps := c.problems()
	places := positions(text)
	for i := range ps {
		ps[i].File = name
		ps[i].Line, ps[i].Column = places.find(ps[i].Key)
	}
	if err := ps.err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// decodeProblems puts the decoder's errors into words of ours.
func decodeProblems(name string, err error) Problems {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var ps Problems
		for i := range strict.Errors {
			e := &strict.Errors[i]
			p := Problem{File: name, Text: unknownKey(e.Key())}
			p.Line, p.Column = e.Position()
			ps = append(ps, p)
		}
		return ps
	}
	p := Problem{File: name, Text: plainWords(err.Error())}
	var e *toml.DecodeError
	if errors.As(err, &e) {
		p.Line, p.Column = e.Position()
		p.Key = strings.Join(e.Key(), ".")
	}
	return Problems{p}
}

var wrongType = regexp.MustCompile(`cannot decode TOML ([a-z -]+) into .*of type (\S+)$`)

// plainWords turns the decoder's message into one without the names of Go types.
func plainWords(text string) string {
	text = strings.TrimPrefix(text, "toml: ")
	m := wrongType.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	var want string
	switch typ := m[2]; {
	case typ == "string":
		want = `a text in quotes`
	case typ == "int":
		want = "a whole number without quotes"
	case typ == "bool":
		want = "true or false, without quotes"
	case strings.HasSuffix(typ, "TLSPolicy"):
		want = `a word in quotes such as "verify"`
	case strings.HasSuffix(typ, "Size"):
		want = `a size such as "50MiB"`
	case strings.HasSuffix(typ, "Duration"):
		want = `a length of time such as "4h"`
	case strings.HasSuffix(typ, "Addresses"), strings.HasPrefix(typ, "[]string"):
		want = `a list of texts such as ["a", "b"]`
	case strings.HasPrefix(typ, "[]"):
		want = "a list of tables, each begun with its name in double brackets"
	default:
		want = "a table, begun with its name in brackets"
	}
	return fmt.Sprintf("this must be %s, not a TOML %s", want, m[1])
}

// Password reads the password that goes with Username.
func (s Smarthost) Password() (string, error) {
	f, err := os.Open(s.PasswordFile)
	if err != nil {
		return "", mail.Errorf(mail.Unavailable, "the smarthost's password cannot be read; see outbound.smarthost.password_file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", mail.Errorf(mail.Unavailable, "the smarthost's password cannot be read from %s: %w", s.PasswordFile, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", mail.Errorf(mail.Invalid, "the first line of %s is empty; it must be the smarthost's password", s.PasswordFile)
	}
	return line, nil
}
