package interop

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/postrider/postrider/test/lab"
)

// postfix is a private instance of Debian's Postfix: its configuration, queue, data, log and mail are in one directory.
type postfix struct {
	t      *testing.T
	dir    string
	port   int
	master *exec.Cmd
}

const postfixHost = "mx.postfix.example"

// masterCF is the whole set of services: one SMTP server on loopback, and what delivery takes. Nothing is chrooted.
const masterCF = `127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// mainCF knows no DNS, believes clients on loopback, asks for TLS as server, and insists on a verified certificate as client.
const mainCF = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/maillog
maillog_file_prefixes = /
myhostname = mx.postfix.example
mydestination =
local_recipient_maps =
local_transport = error:nobody is local here
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
virtual_mailbox_domains = postfix.example
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = inline:{ bob@postfix.example=bob/ }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
virtual_mailbox_limit = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
smtpd_tls_security_level = may
smtpd_tls_cert_file = %[2]s
smtpd_tls_key_file = %[3]s
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtp_tls_loglevel = 1
smtp_tls_CAfile = %[4]s
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = mx.one.example
lmtp_tls_security_level = none
message_size_limit = 60000000
%[5]s
`

// startPostfix runs an instance; more is added to its main.cf. It stops, and its log must have no warning, when the test ends.
func startPostfix(t *testing.T, ca *lab.CA, more string) *postfix {
	t.Helper()
	lab.Need(t, "postfix", "postconf")
	if os.Getuid() != 0 {
		t.Fatal("Postfix has to be started by root; run make test as root, as CI does, or go test -short to leave this out")
	}
	p := &postfix{t: t, dir: lab.Dir(t), port: lab.FreePort(t)}
	for _, d := range []string{"queue", "data", "mail", "etc"} {
		if err := os.Mkdir(filepath.Join(p.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	var uid, gid int
	fmt.Sscan(owner.Uid, &uid)
	fmt.Sscan(owner.Gid, &gid)
	if err := os.Chown(filepath.Join(p.dir, "data"), uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(p.dir, "mail"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	cert, key := ca.Issue(t, postfixHost)
	write(t, p.dir, "etc/main.cf", fmt.Appendf(nil, mainCF, p.dir, cert, key, ca.File, more), 0o644)
	write(t, p.dir, "etc/master.cf", fmt.Appendf(nil, masterCF, p.port), 0o644)
	p.start()
	t.Cleanup(p.stop)
	return p
}

// start checks the installation, which makes the queue's folders, and runs the master as a child of ours, so that it
// cannot outlive us.
func (p *postfix) start() {
	p.t.Helper()
	etc := filepath.Join(p.dir, "etc")
	if said, err := exec.Command("postfix", "-c", etc, "check").CombinedOutput(); err != nil || len(said) > 0 {
		p.t.Fatalf("postfix check: %v\n%s", err, said)
	}
	daemons, err := exec.Command("postconf", "-c", etc, "-h", "daemon_directory").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	p.master = exec.Command(filepath.Join(strings.TrimSpace(string(daemons)), "master"), "-c", etc)
	p.master.Dir = "/"
	p.master.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.master.Start(); err != nil {
		p.t.Fatal(err)
	}
	lab.Within(p.t, lab.Patience, "Postfix starts", func() (bool, string) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
		if err != nil {
			return false, err.Error() + "\n" + p.log()
		}
		conn.Close()
		return true, ""
	})
}

// stop ends the master, which ends its daemons, and looks through the log.
func (p *postfix) stop() {
	if err := p.master.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	// It dies of the signal after it passed it on.
	if err := p.master.Wait(); err != nil && !strings.Contains(err.Error(), "terminated") {
		p.t.Errorf("Postfix ended with %v", err)
	}
	for line := range strings.Lines(p.log()) {
		for _, word := range []string{"warning:", "error:", "fatal:", "panic:"} {
			if strings.Contains(line, word) {
				p.t.Errorf("Postfix's log: %s", line)
			}
		}
	}
	if p.t.Failed() {
		p.t.Logf("Postfix's log:\n%s", clip([]byte(p.log())))
	}
}

func (p *postfix) log() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "maillog"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// box is Bob's Maildir.
func (p *postfix) box() string { return filepath.Join(p.dir, "mail", "bob") }

func (p *postfix) exchange() lab.Exchange {
	return lab.Exchange{Name: postfixHost, Address: fmt.Sprintf("127.0.0.1:%d", p.port)}
}

// send hands samples to Postfix over SMTP, as any client on its network does.
func (p *postfix) send(from, to string, samples []lab.Sample) {
	p.t.Helper()
	for _, s := range samples {
		curlSend(p.t, fmt.Sprintf("smtp://127.0.0.1:%d/client.example", p.port), from, to, s.Raw)
	}
}

// TestPostfixDeliversToUs has Postfix relay to port 25 over TLS; it insists on our certificate being valid for our name.
// RFC 3207 4, RFC 5321 4.4.
func TestPostfixDeliversToUs(t *testing.T) {
	s := oneServer(t, lab.Spec{})
	p := startPostfix(t, s.CA, fmt.Sprintf("transport_maps = inline:{ one.example=smtp:[127.0.0.1]:%d }\n", s.Port(lab.SMTP)))
	samples := lab.Samples("bob@postfix.example", ann)
	p.send("bob@postfix.example", ann, samples)
	got := lab.WaitFor(t, s.IMAP(t, ann, simple, nil), "INBOX", len(samples))
	lab.CheckAll(t, got, samples)
	for _, m := range got {
		received := lab.Field(m.Raw, "Received")
		if !strings.Contains(received, "from "+postfixHost) || !strings.Contains(received, "by "+host) || !strings.Contains(received, "ESMTPS") || !strings.Contains(received, "TLS") {
			t.Errorf("Received does not tell who sent over TLS: %s", received)
		}
		if path := lab.Field(m.Raw, "Return-Path"); path != "<bob@postfix.example>" {
			t.Errorf("Return-Path is %q", path)
		}
	}
	if !strings.Contains(p.log(), "Verified TLS connection established to 127.0.0.1") {
		t.Error("Postfix does not say that it verified our certificate")
	}
}

// TestPostfixReceivesFromUs has us deliver to Postfix's MX over TLS.
func TestPostfixReceivesFromUs(t *testing.T) {
	ca := lab.NewCA(t)
	p := startPostfixFirst(t, ca)
	s := lab.New(t, ca, lab.Spec{Hostname: host, MX: map[string]lab.Exchange{"postfix.example": p.exchange()}, Quick: true})
	s.Start()
	s.AddAccount(ann, simple)
	samples := lab.Samples(ann, "bob@postfix.example")
	for _, sample := range samples {
		s.Submit(t, ann, simple, []string{"bob@postfix.example"}, sample.Raw)
	}
	var found map[string][]byte
	lab.Within(t, lab.Patience, "Postfix files the messages", func() (bool, string) {
		found = maildir(t, p.box())
		return len(found) >= len(samples), fmt.Sprintf("%d of %d are there\n%s", len(found), len(samples), clip([]byte(p.log())))
	})
	lab.CheckAll(t, messages(found), samples)
	for _, raw := range found {
		received := lab.Field(raw, "Received")
		if !strings.Contains(received, "from "+host) || !strings.Contains(received, "using TLSv1.3") || !strings.Contains(received, "SMTPS") {
			t.Errorf("Postfix's Received does not tell of our name and TLS: %s", received)
		}
	}
	trace := s.CLI("", "trace", lab.Field(samples[0].Raw, "Message-ID"), "--json")
	if !strings.Contains(trace, "relayed") || !strings.Contains(trace, "TLS1.3") || !strings.Contains(trace, postfixHost) {
		t.Errorf("the trace does not tell how the message left: %s", trace)
	}
}

// TestPostfixRefuses has Postfix refuse a recipient; the sender gets a report with Postfix's own words. RFC 3464 2, RFC 6522.
func TestPostfixRefuses(t *testing.T) {
	ca := lab.NewCA(t)
	p := startPostfixFirst(t, ca)
	s := lab.New(t, ca, lab.Spec{Hostname: host, MX: map[string]lab.Exchange{"postfix.example": p.exchange()}, Quick: true})
	s.Start()
	s.AddAccount(ann, simple)
	sample := lab.Samples(ann, "nobody@postfix.example")[0]
	s.Submit(t, ann, simple, []string{"bob@postfix.example", "nobody@postfix.example"}, sample.Raw)
	report := lab.WaitFor(t, s.IMAP(t, ann, simple, nil), "INBOX", 1)[0].Raw
	for _, want := range []string{"multipart/report", "message/delivery-status", "Action: failed", "nobody@postfix.example", "User unknown", "Return-Path: <>"} {
		if !bytes.Contains(report, []byte(want)) {
			t.Errorf("the report lacks %q:\n%s", want, report)
		}
	}
	if bytes.Contains(report, []byte("Final-Recipient: rfc822; bob@")) {
		t.Errorf("the report names the recipient who got the message:\n%s", report)
	}
	lab.Within(t, lab.Patience, "the other recipient gets the message", func() (bool, string) {
		return len(maildir(t, p.box())) == 1, p.log()
	})
}

// TestPostfixLMTP has Postfix deliver over LMTP, on TCP and on a UNIX socket: one message to two people of whom one does
// not exist. RFC 2033 4.2.
func TestPostfixLMTP(t *testing.T) {
	for _, by := range []string{"tcp", "unix"} {
		t.Run(by, func(t *testing.T) {
			s := oneServer(t, lab.Spec{})
			to := fmt.Sprintf("lmtp:inet:127.0.0.1:%d", s.Port(lab.LMTP))
			if by == "unix" {
				to = "lmtp:unix:" + s.LMTPSocket
			}
			p := startPostfix(t, s.CA, "transport_maps = inline:{ one.example="+to+" }\n")
			samples := lab.Samples("bob@postfix.example", ann)
			p.send("bob@postfix.example", ann, samples)
			got := lab.WaitFor(t, s.IMAP(t, ann, simple, nil), "INBOX", len(samples))
			lab.CheckAll(t, got, samples)
			for _, m := range got {
				if received := lab.Field(m.Raw, "Received"); !strings.Contains(received, "with LMTP") {
					t.Errorf("Received does not tell of LMTP: %s", received)
				}
			}
			curlSend(t, fmt.Sprintf("smtp://127.0.0.1:%d/client.example", p.port), "bob@postfix.example", ben+","+"nobody@one.example", samples[0].Raw)
			lab.WaitFor(t, s.IMAP(t, ben, password, nil), "INBOX", 1)
			lab.Within(t, lab.Patience, "Postfix reports the unknown one", func() (bool, string) {
				return len(maildir(t, p.box())) == 1, p.log()
			})
			for _, raw := range maildir(t, p.box()) {
				if !bytes.Contains(raw, []byte("nobody@one.example")) || !bytes.Contains(raw, []byte("5.1.1")) || bytes.Contains(raw, []byte("<"+ben+">:")) {
					t.Errorf("Postfix's report is not of the unknown one alone:\n%s", raw)
				}
			}
		})
	}
}

// startPostfixFirst is for tests in which our server needs to know Postfix's port.
func startPostfixFirst(t *testing.T, ca *lab.CA) *postfix {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("talks to other programs; left out by -short")
	}
	return startPostfix(t, ca, "")
}
