package dialog

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// player is one run of a script.
type player struct {
	Runner
	t     testing.TB
	vars  map[string]string
	conns map[string]*conn
}

// play runs the script and says where and how it went wrong.
func (r Runner) play(t testing.TB, name, script string) error {
	if r.Timeout == 0 {
		r.Timeout = 10 * time.Second
	}
	p := &player{Runner: r, t: t, vars: maps.Clone(r.Vars), conns: map[string]*conn{}}
	if p.vars == nil {
		p.vars = map[string]string{}
	}
	defer func() {
		for _, c := range p.conns {
			c.close()
		}
	}()
	n := 0
	for line := range strings.Lines(script) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if err := p.act(line); err != nil {
			return fmt.Errorf("%s:%d: %s\n\t%w", name, n, line, err)
		}
	}
	return nil
}

var actLine = regexp.MustCompile(`^(\d?)(C:|C\||S:|S\*|S~|S\||TLS|EOF|CLOSE)(?: (.*))?$`)

// act does one line of the script.
func (p *player) act(line string) error {
	m := actLine.FindStringSubmatch(line)
	if m == nil {
		return errors.New("this is no line of a dialog")
	}
	c := p.conns[m[1]]
	if c == nil {
		c = newConn(p.Dial(p.t))
		p.conns[m[1]] = c
	}
	what, text := m[2], m[3]
	c.deadline(time.Now().Add(p.Timeout))
	switch what {
	case "C:":
		return c.send([]byte(p.expand(text, false) + "\r\n"))
	case "C|":
		raw, err := strconv.Unquote(p.expand(text, false))
		if err != nil {
			return fmt.Errorf("not a Go string: %w", err)
		}
		return c.send([]byte(raw))
	case "S|":
		raw, err := strconv.Unquote(p.expand(text, false))
		if err != nil {
			return fmt.Errorf("not a Go string: %w", err)
		}
		return c.octets(raw)
	case "S:", "S*", "S~":
		return p.expect(c, what, text)
	case "TLS":
		return c.startTLS(p.TLS)
	case "EOF":
		return c.eof()
	}
	return c.close()
}

// expect reads lines and compares.
func (p *player) expect(c *conn, what, text string) error {
	matches, err := p.matcher(text)
	if err != nil {
		return err
	}
	for {
		line, err := c.peekLine()
		if err != nil {
			if what == "S*" && errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("the server says nothing: %w", readable(err))
		}
		ok := matches(line)
		switch {
		case what == "S*" && !ok:
			return nil
		case what == "S:" && !ok:
			return fmt.Errorf("the server says: %q", line)
		}
		c.takeLine()
		if ok && what != "S*" {
			return nil
		}
	}
}

// matcher makes a test of a literal or /regular expression/; a match of the latter sets its named groups as variables.
func (p *player) matcher(text string) (func(string) bool, error) {
	if len(text) < 2 || text[0] != '/' || text[len(text)-1] != '/' {
		want := p.expand(text, false)
		return func(line string) bool { return line == want }, nil
	}
	re, err := regexp.Compile(`^(?:` + p.expand(text[1:len(text)-1], true) + `)$`)
	if err != nil {
		return nil, err
	}
	return func(line string) bool {
		m := re.FindStringSubmatch(line)
		for i, name := range re.SubexpNames() {
			if m != nil && name != "" {
				p.vars[name] = m[i]
			}
		}
		return m != nil
	}, nil
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

// expand replaces ${name} of the variables there are; others stay as they are.
func (p *player) expand(s string, quote bool) string {
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		v, ok := p.vars[m[2:len(m)-1]]
		switch {
		case !ok:
			return m
		case quote:
			return regexp.QuoteMeta(v)
		}
		return v
	})
}

func readable(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("timeout")
	}
	return err
}
