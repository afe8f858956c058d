package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Letter is a message in a stranger's mailbox.
type Letter struct {
	Header mail.Header
	Raw    string
}

// Letters are all messages in the mailbox of the stranger's user, the oldest first.
func (s *Stranger) Letters() ([]Letter, error) {
	paths, err := filepath.Glob(filepath.Join(s.Dir, "mail", s.user, "new", "*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var all []Letter
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		m, err := mail.ReadMessage(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", p, err, b)
		}
		all = append(all, Letter{m.Header, string(b)})
	}
	return all, nil
}

// Await waits for a message with a subject.
func (s *Stranger) Await(t testing.TB, subject string) Letter {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var found Letter
	err := await(ctx, s.User+" gets "+subject, func(context.Context) error {
		all, err := s.Letters()
		if err != nil {
			return err
		}
		for _, l := range all {
			if l.Header.Get("Subject") == subject {
				found = l
				return nil
			}
		}
		return errors.New("it has not come")
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(s.maillog(), 4000))
	}
	return found
}

// Results are what a host found out about the message, by method: "dkim" is pass when one of several signatures passed. host is the
// authserv-id of those Authentication-Results fields that count. RFC 8601 2.2.
func (l Letter) Results(host string) map[string]string {
	found := map[string]string{}
	word := regexp.MustCompile(`\b(spf|dkim|dmarc)=(\w+)`)
	for _, field := range l.Header["Authentication-Results"] {
		id, rest, _ := strings.Cut(field, ";")
		if strings.TrimSpace(id) != host {
			continue
		}
		for _, m := range word.FindAllStringSubmatch(rest, -1) {
			if found[m[1]] != "pass" {
				found[m[1]] = m[2]
			}
		}
	}
	return found
}

// Body is the text of the message.
func (l Letter) Body() string {
	m, err := mail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(m.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
