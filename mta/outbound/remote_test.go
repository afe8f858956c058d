package outbound

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mailtls "github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/proto/sasl"
)

// remote is a scripted mail host on the loopback. A script's key is the beginning of a command in lower case ("rcpt to:<bob",
// "." for the end of data, "greeting"); its value the replies to its first, second ... use, the last for all further ones. A reply is
// sent as it is, several lines parted by "|". Instead of one may stand
//
//	drop    close the connection
//	reset   close it so that the client sees a reset
//	hang    say nothing until the client goes
//	drop:X  send X, then close
type remote struct {
	t       testing.TB
	script  map[string][]string
	ext     []string // of EHLO; none: HELO only
	cert    *tls.Certificate
	badTLS  bool // STARTTLS is answered with 220 and then garbage
	secured bool // TLS from the first octet
	sasl    *sasl.Config
	discard bool // bodies are not kept
	taken   int64

	mu    sync.Mutex
	used  map[string]int
	seen  []string // all commands
	mails []received
	conns int
	open  int
	most  int
	addr  *net.TCPAddr
}

type received struct {
	from, data string
	to         []string
	tls        bool
	user       string
	confirmed  bool // the sender was told so
}

// start listens; the remote ends with the test.
func (r *remote) start(t testing.TB) *remote {
	r.t, r.used = t, map[string]int{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().(*net.TCPAddr)
	var serving sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			serving.Go(func() {
				defer c.Close()
				r.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return r
}

// reply finds the scripted reply to a command.
func (r *remote) reply(command, otherwise string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	best, command := "", strings.ToLower(command)
	for key := range r.script {
		if strings.HasPrefix(command, key) && len(key) > len(best) {
			best = key
		}
	}
	if best == "" {
		return otherwise
	}
	list := r.script[best]
	n := r.used[best]
	r.used[best]++
	if s := list[min(n, len(list)-1)]; s != "" {
		return s
	}
	return otherwise
}

// dialog is one connection to the remote.
type dialog struct {
	*remote
	conn net.Conn
	in   *bufio.Reader
	mail received
}

func (r *remote) serve(conn net.Conn) {
	r.mu.Lock()
	r.conns++
	r.open++
	r.most = max(r.most, r.open)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.open--
	}()
	d := &dialog{remote: r, conn: conn}
	if r.secured {
		d.conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*r.cert}})
		d.mail.tls = true
	}
	d.in = bufio.NewReader(d.conn)
	if !d.say(r.reply("greeting", "220 mx.example ESMTP")) {
		return
	}
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		r.mu.Lock()
		r.seen = append(r.seen, line)
		r.mu.Unlock()
		if !d.command(line) {
			return
		}
	}
}

func (d *dialog) say(reply string) bool {
	reply, end := strings.CutPrefix(reply, "drop:")
	switch reply {
	case "drop":
		return false
	case "reset":
		if c, ok := d.conn.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		return false
	case "hang":
		_, _ = io.Copy(io.Discard, d.in)
		return false
	}
	_, err := io.WriteString(d.conn, strings.ReplaceAll(reply, "|", "\r\n")+"\r\n")
	return err == nil && !end
}

func (d *dialog) command(line string) bool {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		hello := "500 5.5.1 what?"
		if d.ext != nil {
			hello = "250-mx.example"
			for _, e := range d.ext {
				if e != "STARTTLS" || !d.mail.tls {
					hello += "|250-" + e
				}
			}
			hello += "|250 HELP"
		}
		return d.say(d.reply(line, hello))
	case "STARTTLS":
		return d.startTLS(line)
	case "AUTH":
		return d.auth(line)
	case "MAIL":
		reply := d.reply(line, "250 2.1.0 ok")
		d.mail = received{tls: d.mail.tls, user: d.mail.user}
		if strings.HasPrefix(reply, "25") {
			d.mail.from = arg
		}
		return d.say(reply)
	case "RCPT":
		otherwise := "250 2.1.5 ok"
		if d.mail.from == "" {
			otherwise = "503 5.5.1 no sender"
		}
		reply := d.reply(line, otherwise)
		if strings.HasPrefix(reply, "25") {
			d.mail.to = append(d.mail.to, strings.TrimPrefix(arg, "TO:"))
		}
		return d.say(reply)
	case "DATA":
		otherwise := "354 go ahead"
		if len(d.mail.to) == 0 {
			otherwise = "503 5.5.1 no recipients"
		}
		reply := d.reply(line, otherwise)
		return d.say(reply) && (!strings.HasPrefix(reply, "354") || d.data())
	case "RSET":
		d.mail = received{tls: d.mail.tls, user: d.mail.user}
		return d.say(d.reply(line, "250 2.0.0 ok"))
	case "QUIT":
		d.say("221 2.0.0 bye")
		return false
	}
	return d.say(d.reply(line, "250 ok"))
}

func (d *dialog) data() bool {
	var b strings.Builder
	var octets int64
	for {
		line, err := d.in.ReadSlice('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		octets += int64(len(line))
		if !d.discard {
			b.Write(bytes.TrimPrefix(line, []byte(".")))
		}
	}
	d.mu.Lock()
	d.taken += octets
	d.mu.Unlock()
	reply := d.reply(".", "250 2.0.0 queued as 1")
	d.mail.data, d.mail.confirmed = b.String(), strings.HasPrefix(reply, "250")
	if strings.HasPrefix(reply, "250") || reply == "drop" || reply == "reset" || reply == "hang" {
		d.mu.Lock()
		d.mails = append(d.mails, d.mail)
		d.mu.Unlock()
	}
	return d.say(reply)
}

func (d *dialog) startTLS(line string) bool {
	reply := d.reply(line, "220 2.0.0 go ahead")
	if !d.say(reply) || !strings.HasPrefix(reply, "220") {
		return !strings.HasPrefix(reply, "drop")
	}
	if d.badTLS {
		_, _ = d.in.ReadByte() // the client's hello
		_, _ = io.WriteString(d.conn, "this is no TLS record, however long one reads it\r\n")
		return false
	}
	conn := tls.Server(d.conn, &tls.Config{Certificates: []tls.Certificate{*d.cert}})
	if err := conn.HandshakeContext(context.Background()); err != nil {
		return false
	}
	d.conn, d.in = conn, bufio.NewReader(conn)
	d.mail = received{tls: true}
	return true
}

func (d *dialog) auth(line string) bool {
	fields := strings.Fields(line)
	server, err := d.sasl.NewServer(strings.ToUpper(fields[1]))
	if err != nil {
		return d.say("504 5.5.4 no such mechanism")
	}
	var response []byte
	if len(fields) > 2 {
		response, _ = base64.StdEncoding.DecodeString(fields[2])
		if response == nil {
			response = []byte{}
		}
	}
	for {
		challenge, done, err := server.Next(response)
		if err != nil {
			return d.say("535 5.7.8 no")
		}
		if done {
			d.mail.user = server.Username()
			return d.say("235 2.7.0 welcome")
		}
		if !d.say("334 " + base64.StdEncoding.EncodeToString(challenge)) {
			return false
		}
		answer, err := d.in.ReadString('\n')
		if err != nil {
			return false
		}
		response, _ = base64.StdEncoding.DecodeString(strings.TrimRight(answer, "\r\n"))
		if response == nil {
			response = []byte{}
		}
	}
}

// got lists what the remote took, as "from > to, to".
func (r *remote) got() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.mails {
		out = append(out, m.from+" > "+strings.Join(m.to, ", "))
	}
	return out
}

// took lists the mails the remote took.
func (r *remote) took() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mails)
}

func (r *remote) commands() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func (r *remote) octets() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

func (r *remote) saw(prefix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.seen), func(l string) bool { return !strings.HasPrefix(l, prefix) }))
}

func (r *remote) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns
}

// authority signs test certificates.
type authority struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	trust *mailtls.Trust
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := mailtls.NewTrust(nil, file)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key: key, cert: cert, trust: trust}
}

func (a *authority) issue(t testing.TB, host string) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
