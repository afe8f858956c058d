package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"

	"github.com/postrider/postrider/test/lab"
)

// TestSwaksSubmits hands in every sample with swaks: STARTTLS on 587 and TLS on 465, AUTH PLAIN and LOGIN.
// RFC 4954 4, RFC 4616, RFC 3207 4, RFC 8314 3.3, RFC 5321 4.5.2.
func TestSwaksSubmits(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	ways := []struct {
		name string
		args []string
	}{
		{"587 PLAIN", []string{"--port", fmt.Sprint(s.Port(lab.Submission)), "--tls", "--auth", "PLAIN"}},
		{"587 LOGIN", []string{"--port", fmt.Sprint(s.Port(lab.Submission)), "--tls", "--auth", "LOGIN", "--pipeline"}},
		{"465 PLAIN", []string{"--port", fmt.Sprint(s.Port(lab.Submissions)), "--tls-on-connect", "--auth", "PLAIN"}},
	}
	samples := lab.Samples(ben, ann)
	for i, sample := range samples {
		way := ways[i%len(ways)]
		out := swaks(t, s, append(way.args, "--data", dotted(t, sample.Raw), "--no-data-fixup")...)
		if !strings.Contains(out, "~> ") && !strings.Contains(out, " 250 2.") {
			t.Errorf("%s: no enhanced 250 in the dialogue:\n%s", way.name, out)
		}
	}
	got := lab.WaitFor(t, s.IMAP(t, ann, simple, nil), "INBOX", len(samples))
	lab.CheckAll(t, got, samples)
	for _, m := range got {
		if received := lab.Field(m.Raw, "Received"); !strings.Contains(received, "ESMTPSA") {
			t.Errorf("Received does not say ESMTPSA (RFC 3848): %s", received)
		}
	}
}

// swaks runs it against a server, as Ben.
func swaks(t *testing.T, s *lab.Server, args ...string) string {
	t.Helper()
	args = append([]string{"--server", "localhost", "--from", ben, "--to", ann, "--auth-user", ben, "--auth-password", password,
		"--tls-verify", "--tls-ca-path", s.CA.File, "--helo", "client.example"}, args...)
	return string(command{}.run(t, "swaks", args...))
}

// dotted writes a message as it goes over the wire, with its dots doubled and the end mark.
func dotted(t *testing.T, raw []byte) string {
	t.Helper()
	body := bytes.ReplaceAll(append([]byte("\r\n"), raw...), []byte("\r\n."), []byte("\r\n.."))
	return "@" + write(t, t.TempDir(), "message", append(body[2:], ".\r\n"...), 0o600)
}

// TestSwaksAttaches lets swaks compose a message with an attachment; the attachment arrives octet for octet.
func TestSwaksAttaches(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	attachment := randomBytes(200_000)
	file := write(t, t.TempDir(), "numbers.bin", attachment, 0o600)
	swaks(t, s, "--port", fmt.Sprint(s.Port(lab.Submission)), "--tls", "--auth", "PLAIN", "--body", "see the attachment",
		"--attach-type", "application/octet-stream", "--attach-name", "numbers.bin", "--attach", "@"+file)
	raw := lab.WaitFor(t, s.IMAP(t, ann, simple, nil), "INBOX", 1)[0].Raw
	checkAttachment(t, raw, attachment)
}

// TestSwaksIsRefused shows that submission asks who is there: no AUTH, a wrong password, another's address, no TLS.
// RFC 6409 4.3, RFC 6409 6.1, RFC 4954 6.
func TestSwaksIsRefused(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	port := fmt.Sprint(s.Port(lab.Submission))
	base := []string{"--server", "127.0.0.1", "--port", port, "--to", ann, "--helo", "client.example"}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no AUTH", []string{"--from", ben, "--tls"}, "530 5.7.0"},
		{"wrong password", []string{"--from", ben, "--tls", "--auth", "PLAIN", "--auth-user", ben, "--auth-password", "guess"}, "535 5.7.8"},
		{"unknown user", []string{"--from", ben, "--tls", "--auth", "PLAIN", "--auth-user", "carl@one.example", "--auth-password", "guess"}, "535 5.7.8"},
		{"another's address", []string{"--from", "boss@one.example", "--tls", "--auth", "PLAIN", "--auth-user", ben, "--auth-password", password}, "550 5.7.1"},
		{"AUTH without TLS", []string{"--from", ben, "--auth", "PLAIN", "--auth-user", ben, "--auth-password", password}, "did not advertise"},
	} {
		out := string(command{fails: true}.run(t, "swaks", append(base, c.args...)...))
		out = strings.ReplaceAll(out, "Host did not advertise authentication", "did not advertise")
		if !strings.Contains(out, c.want) {
			t.Errorf("%s: the dialogue lacks %q:\n%s", c.name, c.want, out)
		}
	}
	if got := lab.Fetch(t, s.IMAP(t, ann, simple, nil), "INBOX"); len(got) != 0 {
		t.Errorf("%d messages arrived", len(got))
	}
	s.Expect("authentication") // the log may warn of wrong passwords
}

// TestMsmtpSubmits hands in every sample with msmtp, with each mechanism it has and we offer.
// RFC 5802 3, RFC 7677 4, RFC 4616.
func TestMsmtpSubmits(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	home := t.TempDir()
	var rc strings.Builder
	ways := []struct{ name, auth, tls string }{
		{"plain587", "plain", "on"}, {"login587", "login", "on"}, {"scram587", "scram-sha-256", "on"},
		{"plain465", "plain", "off"}, {"scram465", "scram-sha-256", "off"},
	}
	for _, w := range ways {
		port := s.Port(lab.Submission)
		if w.tls == "off" {
			port = s.Port(lab.Submissions)
		}
		fmt.Fprintf(&rc, "account %s\nhost localhost\nport %d\nfrom %s\nuser %s\npassword %s\nauth %s\ntls on\ntls_starttls %s\n"+
			"tls_trust_file %s\ndomain client.example\nset_date_header off\nset_from_header off\nset_msgid_header off\n\n",
			w.name, port, ann, ann, simple, w.auth, w.tls, s.CA.File)
	}
	config := write(t, home, "msmtprc", []byte(rc.String()), 0o600)
	samples := lab.Samples(ann, ben)
	for i, sample := range samples {
		command{home: home, input: lab.LF(sample.Raw)}.run(t, "msmtp", "-C", config, "-a", ways[i%len(ways)].name, ben)
	}
	lab.CheckAll(t, lab.WaitFor(t, s.IMAP(t, ben, password, nil), "INBOX", len(samples)), samples)
}

// TestMsmtpHidesBcc hands in a message with Bcc to both people: nobody sees the field. RFC 5322 3.6.3.
func TestMsmtpHidesBcc(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	home := t.TempDir()
	config := write(t, home, "msmtprc", fmt.Appendf(nil, "account default\nhost localhost\nport %d\nfrom %s\nuser %s\npassword %s\nauth on\ntls on\ntls_trust_file %s\n"+
		"undisclosed_recipients off\nremove_bcc_headers off\n", s.Port(lab.Submission), ann, ann, simple, s.CA.File), 0o600)
	raw := "From: " + ann + "\nTo: " + ann + "\nBcc: " + ben + ",\n " + ann + "\nSubject: hidden\n\nhello\n"
	command{home: home, input: []byte(raw)}.run(t, "msmtp", "-C", config, "-t")
	for _, m := range append(lab.WaitFor(t, s.IMAP(t, ann, simple, nil), "INBOX", 1), lab.WaitFor(t, s.IMAP(t, ben, password, nil), "INBOX", 1)...) {
		if bytes.Contains(bytes.ToLower(m.Raw), []byte("bcc:")) {
			t.Errorf("Bcc is shown:\n%s", m.Raw)
		}
		// RFC 6409 8.2 and 8.3: what is missing is added.
		for _, field := range []string{"Date", "Message-ID"} {
			if lab.Field(m.Raw, field) == "" {
				t.Errorf("%s was not added:\n%s", field, m.Raw)
			}
		}
	}
}

// TestCurlSubmits hands in every sample with curl over smtps.
func TestCurlSubmits(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	samples := lab.Samples(ann, ben)
	for _, sample := range samples {
		curlSend(t, fmt.Sprintf("smtps://localhost:%d/client.example", s.Port(lab.Submissions)), ann, ben, sample.Raw,
			"--cacert", s.CA.File, "--user", ann+":"+simple)
	}
	lab.CheckAll(t, lab.WaitFor(t, s.IMAP(t, ben, password, nil), "INBOX", len(samples)), samples)
}

// curlSend sends one message to addresses parted by commas.
func curlSend(t *testing.T, url, from, to string, raw []byte, args ...string) {
	t.Helper()
	args = append(args, "--silent", "--show-error", "--mail-from", from, "--upload-file", "-", url)
	for _, r := range strings.Split(to, ",") {
		args = append(args, "--mail-rcpt", r)
	}
	command{input: raw}.run(t, "curl", args...)
}

// TestMuttSends lets mutt compose and submit a message with an attachment. RFC 5802 3, RFC 7677 4.
func TestMuttSends(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	home := t.TempDir()
	attachment := randomBytes(150_000)
	file := write(t, home, "numbers.bin", attachment, 0o600)
	rc := write(t, home, "muttrc", fmt.Appendf(nil, "set smtp_url=\"smtps://%s@localhost:%d/\"\nset smtp_pass=\"%s\"\nset from=\"%s\"\nset realname=\"Ann Ähre\"\n"+
		"set ssl_ca_certificates_file=\"%s\"\nset copy=no\nset use_envelope_from=yes\nset hostname=client.example\nset record=\"\"\n"+
		// By itself Debian's mutt takes SCRAM-SHA-256-PLUS and fails, for it has no channel binding with TLS 1.3.
		"set send_charset=\"utf-8\"\nset smtp_authenticators=\"scram-sha-256\"\nset folder=\"~\"\n",
		ann, s.Port(lab.Submissions), simple, ann, s.CA.File), 0o600)
	command{home: home, input: []byte("Grüße\n.\n..dots\nFrom here\n")}.run(t, "mutt", "-n", "-F", rc, "-s", "Übung", "-a", file, "--", ben)
	raw := lab.WaitFor(t, s.IMAP(t, ben, password, nil), "INBOX", 1)[0].Raw
	checkAttachment(t, raw, attachment)
	texts := parts(t, raw)
	if len(texts) != 2 || string(texts[0]) != "Grüße\r\n.\r\n..dots\r\nFrom here\r\n" {
		t.Errorf("the text arrived as %q", texts[0])
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8(sha256.Sum256([]byte("numbers"))).Read(b)
	return b
}

// parts decodes a multipart message's parts.
func parts(t *testing.T, raw []byte) [][]byte {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart() // decodes quoted-printable by itself
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = p
		if strings.EqualFold(p.Header.Get("Content-Transfer-Encoding"), "base64") {
			body = base64.NewDecoder(base64.StdEncoding, p)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
}

func checkAttachment(t *testing.T, raw, attachment []byte) {
	t.Helper()
	list := parts(t, raw)
	if len(list) != 2 || !bytes.Equal(list[1], attachment) {
		t.Errorf("the attachment did not arrive octet for octet: %d parts in\n%s", len(list), clip(raw))
	}
}
