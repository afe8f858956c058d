package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/test/lab"
)

// filled starts a server with every sample in Ben's INBOX.
func filled(t *testing.T) (*lab.Server, []lab.Sample) {
	t.Helper()
	s := oneServer(t, lab.Spec{})
	samples := lab.Samples(ann, ben)
	for _, sample := range samples {
		s.Submit(t, ann, simple, []string{ben}, sample.Raw)
	}
	return s, samples
}

// curl runs it with our certificate and Ben's name.
func curl(t *testing.T, s *lab.Server, args ...string) []byte {
	t.Helper()
	return command{}.run(t, "curl", append([]string{"--silent", "--show-error", "--cacert", s.CA.File, "--user", ben + ":" + password}, args...)...)
}

// TestCurlReadsIMAP reads every sample over imaps and over imap with STARTTLS, lists, searches, appends and deletes.
// RFC 9051 6.4.5, RFC 9051 6.3.9, RFC 9051 6.3.12, RFC 9051 6.4.4, RFC 3501 6.2.1.
func TestCurlReadsIMAP(t *testing.T) {
	s, samples := filled(t)
	imaps := fmt.Sprintf("imaps://localhost:%d/", s.Port(lab.IMAPS))
	imap := fmt.Sprintf("imap://localhost:%d/", s.Port(lab.IMAP))
	for i, sample := range samples {
		if i%2 == 0 {
			lab.CheckCarried(t, curl(t, s, fmt.Sprintf("%sINBOX/;UID=%d", imaps, i+1)), sample.Raw)
			continue
		}
		lab.CheckCarried(t, curl(t, s, "--ssl-reqd", "--login-options", "AUTH=PLAIN", fmt.Sprintf("%sINBOX/;MAILINDEX=%d", imap, i+1)), sample.Raw)
	}
	_, body, _ := bytes.Cut(samples[1].Raw, []byte("\r\n\r\n"))
	if got := curl(t, s, imaps+"INBOX/;UID=2;SECTION=TEXT"); !bytes.Equal(got, body) {
		t.Errorf("SECTION=TEXT gave %q, want %q", got, body)
	}
	if got := string(curl(t, s, imaps)); !strings.Contains(got, `"INBOX"`) && !strings.Contains(got, " INBOX") {
		t.Errorf("LIST gave %q", got)
	}
	if got := strings.TrimSpace(string(curl(t, s, imaps+"INBOX?SUBJECT%20attachment"))); got != "* SEARCH 9" {
		t.Errorf("SEARCH gave %q", got)
	}
	file := write(t, t.TempDir(), "message", samples[8].Raw, 0o600)
	curl(t, s, "--upload-file", file, imaps+"Drafts")
	drafts := lab.Fetch(t, s.IMAP(t, ben, password, nil), "Drafts")
	if len(drafts) != 1 || !bytes.Equal(drafts[0].Raw, samples[8].Raw) {
		t.Errorf("APPEND stored %d messages, or not what was sent", len(drafts))
	}
	curl(t, s, imaps+"INBOX", "--request", "STORE 1 +FLAGS.SILENT (\\Deleted)")
	curl(t, s, imaps+"INBOX", "--request", "EXPUNGE")
	if got := lab.Fetch(t, s.IMAP(t, ben, password, nil), "INBOX"); len(got) != len(samples)-1 {
		t.Errorf("after EXPUNGE of one of %d messages there are %d", len(samples), len(got))
	}
}

// TestCurlReadsPOP3 reads every sample over pop3s and over pop3 with STLS. RFC 1939 5, RFC 2595 4, RFC 2449 5.
func TestCurlReadsPOP3(t *testing.T) {
	s, samples := filled(t)
	pop3s := fmt.Sprintf("pop3s://localhost:%d/", s.Port(lab.POP3S))
	pop3 := fmt.Sprintf("pop3://localhost:%d/", s.Port(lab.POP3))
	for i, sample := range samples {
		url, args := pop3s, []string(nil)
		if i%2 == 1 {
			url, args = pop3, []string{"--ssl-reqd"}
		}
		lab.CheckCarried(t, curl(t, s, append(args, fmt.Sprintf("%s%d", url, i+1))...), sample.Raw)
	}
	if got := strings.Count(string(curl(t, s, pop3s)), "\n"); got != len(samples) {
		t.Errorf("LIST has %d lines, want %d", got, len(samples))
	}
	if got := strings.Count(string(curl(t, s, pop3s, "--request", "UIDL")), "\n"); got != len(samples) {
		t.Errorf("UIDL has %d lines, want %d", got, len(samples))
	}
	curl(t, s, pop3s+"1", "--request", "DELE", "--head")
	if got := lab.Fetch(t, s.IMAP(t, ben, password, nil), "INBOX"); len(got) != len(samples)-1 {
		t.Errorf("after DELE of one of %d messages there are %d", len(samples), len(got))
	}
}

// TestFetchmail empties a mailbox over IMAP and over POP3, with TLS, into a program. RFC 1939 9, RFC 2177 3.
func TestFetchmail(t *testing.T) {
	for _, protocol := range []string{"IMAP", "POP3"} {
		t.Run(protocol, func(t *testing.T) {
			s := oneServer(t, lab.Spec{})
			samples := lab.Samples(ben, ann)
			for _, sample := range samples {
				s.Submit(t, ben, password, []string{ann}, sample.Raw)
			}
			home := t.TempDir()
			port := s.Port(lab.IMAPS)
			if protocol == "POP3" {
				port = s.Port(lab.POP3S)
			}
			mda := write(t, home, "mda", []byte("#!/bin/sh\nexec cat >\"$(mktemp \""+home+"/got-XXXXXXXX\")\"\n"), 0o755)
			rc := write(t, home, "fetchmailrc", fmt.Appendf(nil, "poll localhost service %d protocol %s\n  user \"%s\" password \"%s\"\n"+
				"  ssl sslcertck sslcertfile \"%s\" fetchall nokeep no rewrite mda \"%s\"\n",
				port, protocol, ann, simple, s.CA.File, mda), 0o600)
			command{home: home}.run(t, "fetchmail", "--nodetach", "--nosyslog", "--fetchmailrc", rc, "--pidfile", filepath.Join(home, "pid"), "--invisible")
			files, err := filepath.Glob(filepath.Join(home, "got-*"))
			if err != nil {
				t.Fatal(err)
			}
			var got []lab.Message
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, lab.Message{Raw: lab.CRLF(b)})
			}
			lab.CheckAll(t, got, samples)
			if left := lab.Fetch(t, s.IMAP(t, ann, simple, nil), "INBOX"); len(left) != 0 {
				t.Errorf("%d messages are left on the server", len(left))
			}
		})
	}
}

// TestLargeMessage carries 25 MB by submission and back over IMAP and POP3.
func TestLargeMessage(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	line := bytes.Repeat([]byte("0123456789abcde\r\n"), 60)
	sample := lab.Samples(ann, ben)[0]
	raw := append(bytes.Clone(sample.Raw), bytes.Repeat(line, 25_000_000/len(line))...)
	curlSend(t, fmt.Sprintf("smtps://localhost:%d/client.example", s.Port(lab.Submissions)), ann, ben, raw, "--cacert", s.CA.File, "--user", ann+":"+simple)
	lab.CheckCarried(t, curl(t, s, fmt.Sprintf("imaps://localhost:%d/INBOX/;UID=1", s.Port(lab.IMAPS))), raw)
	lab.CheckCarried(t, curl(t, s, fmt.Sprintf("pop3s://localhost:%d/1", s.Port(lab.POP3S))), raw)
}
