package pop3_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/maa/pop3"
	"github.com/postrider/postrider/mail"
)

// RFC 1939 3: who says nothing is logged out, without deleting.
func TestIdle(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *pop3.Config) { c.Limits = pop3.Limits{Idle: time.Second} })
	b.store.add(inboxOfThree...)
	b.runner.Run(t, "idle", login+"C: DELE 1\nS: +OK message 1 deleted\nS: -ERR no command came in time; nothing was deleted\nEOF\n")
	b = newBench(t, func(c *pop3.Config) { c.Limits = pop3.Limits{PreAuth: time.Second} })
	b.runner.Run(t, "no login", "S~ /.OK.*/\nC: CAPA\nS~ .\nS: -ERR no command came in time; nothing was deleted\nEOF\n")
	b.runner.Run(t, "in AUTH", "S~ /.OK.*/\nC: AUTH PLAIN\nS: /\\+ /\nS: -ERR the exchange did not end in time\nEOF\n")
	if len(b.store.sets) != 0 {
		t.Errorf("change sets %v", b.store.sets)
	}
}

// A line past every bound is read away, not kept, and refused; the session goes on (RFC 2449 4).
func TestLongLines(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.store.add(inboxOfThree...)
	long := strings.Repeat("x", 1<<20)
	b.runner.Run(t, "long", login+"C: "+long+"\nS: -ERR the line is too long\nC: LIST "+strings.Repeat("9", 10<<10)+
		"\nS: -ERR there is no such message\nC: STAT\nS: +OK 3 104\n2S~ /.OK.*/\n2C: AUTH PLAIN\n2S: /\\+ /\n2C: "+long+
		"\n2S: -ERR the line is too long\n2C: NOOP\n2S: -ERR log in first\n")
}

// A shutdown tells idle clients, in plain text and in TLS, and deletes nothing.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for _, overTLS := range []bool{false, true} {
		b := newBench(t, nil)
		b.store.add(inboxOfThree...)
		conn := b.runner.Dial(t)
		defer conn.Close()
		r := textproto.NewReader(bufio.NewReader(conn))
		say := func(line string) {
			t.Helper()
			fmt.Fprint(conn, line)
			if got, err := r.ReadLine(); err != nil || !strings.HasPrefix(got, "+OK") {
				t.Fatalf("%q: %q, %v", line, got, err)
			}
		}
		say("")
		if overTLS {
			say("STLS\r\n")
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			r = textproto.NewReader(bufio.NewReader(conn))
		}
		say("USER ann@a.test\r\n")
		say("PASS " + password + "\r\n")
		say("DELE 1\r\n")
		done := make(chan error, 1)
		go func() { done <- b.server.Shutdown(context.Background()) }()
		if got, err := r.ReadLine(); got != "-ERR [SYS/TEMP] the server is shutting down; nothing was deleted" {
			t.Errorf("told %q, %v", got, err)
		}
		if got, err := r.ReadLine(); err != io.EOF {
			t.Errorf("then %q, %v", got, err)
		}
		conn.Close()
		if err := <-done; err != nil || len(b.store.sets) != 0 {
			t.Errorf("Shutdown: %v, change sets %v", err, b.store.sets)
		}
	}
}

// RFC 8314 3.2: TLS from the first octet, and no login without TLS where that is wanted.
func TestTLS(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *pop3.Config) { c.RequireTLSForAuth = true })
	b.store.add(inboxOfThree...)
	b.runner.Run(t, "needs TLS", `S: +OK Postrider POP3 ready
C: CAPA
S* /\+OK.*|TOP|UIDL|RESP-CODES|AUTH-RESP-CODE|PIPELINING|EXPIRE NEVER/
S: STLS
S: IMPLEMENTATION Postrider
S: .
C: USER ann@a.test
S: -ERR [AUTH] logins need TLS: use STLS, or the POP3 port with TLS, first
C: PASS x
S: -ERR [AUTH] logins need TLS: use STLS, or the POP3 port with TLS, first
C: AUTH PLAIN AGEAYg==
S: -ERR [AUTH] logins need TLS: use STLS, or the POP3 port with TLS, first
C: STLS
S: +OK begin TLS
TLS
`+strings.TrimPrefix(login, "S: +OK Postrider POP3 ready\n")+"C: QUIT\nS: +OK bye\nEOF\n")
	var cfg pop3.Config
	wrapped := newBench(t, func(c *pop3.Config) { cfg = *c })
	wrapped.store.add(inboxOfThree...)
	cfg.Mailboxes, cfg.Journal, cfg.Blobs = wrapped.store, wrapped.store, wrapped.store
	r := wrapped.runner
	r.Dial = func(testing.TB) net.Conn {
		client, server := net.Pipe()
		go pop3.New(cfg).Serve(context.Background(), tls.Server(server, cfg.TLS))
		return tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	}
	r.Run(t, "implicit", login+"C: STLS\nS: -ERR already logged in\nC: QUIT\nS: +OK bye\nEOF\n")
	r.Dial = wrapped.runner.Dial
	r.Run(t, "no TLS after STLS", "S~ /.OK.*/\nC: STLS\nS~ /.OK.*/\nC: HELLO\nCLOSE\n")
}

var bigText = strings.Repeat("The quick brown fox jumps over the lazy dog, and then once more for luck..\r\n", 1000)

// big is a body that is made as it is read.
type big struct {
	size int64
	at   int64
}

func (b *big) Read(p []byte) (int, error) {
	if b.at == b.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), b.size-b.at))
	for i := 0; i < n; {
		i += copy(p[i:n], bigText[int(b.at+int64(i))%len(bigText):])
	}
	b.at += int64(n)
	return n, nil
}

func (b *big) ReadAt([]byte, int64) (int, error)  { return 0, io.EOF }
func (b *big) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{b}) }
func (b *big) Close() error                       { return nil }
func (b *big) Size() int64                        { return b.size }

type bigBlobs struct{ *store }

const bigSize = 50 << 20

func (bigBlobs) Open(context.Context, mail.BlobID) (mail.BlobReader, error) {
	return &big{size: bigSize}, nil
}

// A message of 50 MB is streamed: the server's heap does not grow with it.
func TestMemory(t *testing.T) {
	b := newBench(t, func(c *pop3.Config) { c.Blobs = bigBlobs{c.Blobs.(*store)} })
	b.store.add(stored{uid: 1, prefix: "Received: x\r\n"})
	conn := b.runner.Dial(t)
	defer conn.Close()
	r := textproto.NewReader(bufio.NewReader(conn))
	for _, line := range []string{"", "USER ann@a.test\r\n", "PASS " + password + "\r\n", "RETR 1\r\n"} {
		fmt.Fprint(conn, line)
		if got, err := r.ReadLine(); err != nil || !strings.HasPrefix(got, "+OK") {
			t.Fatalf("%q: %q, %v", line, got, err)
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, n := heap(), uint64(0), 0
	dot := r.DotReader()
	buf := make([]byte, 64<<10)
	for chunks := 0; ; chunks++ {
		k, err := dot.Read(buf)
		n += k
		if chunks%1000 == 0 {
			most = max(most, heap())
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < bigSize-bigSize/50 {
		t.Errorf("%d octets came", n)
	}
	if most > before && most-before > 1<<20 {
		t.Errorf("the heap grew by %d octets", most-before)
	}
}

// pipe is a client that sent everything it has to say already.
type pipe struct {
	io.Reader
	out bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error)      { return p.out.Write(b) }
func (p *pipe) Close() error                     { return nil }
func (p *pipe) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *pipe) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// Whatever a client sends: every line has its answer, lines end with CRLF, and the session ends when the client does.
func FuzzSession(f *testing.F) {
	for _, s := range []string{"", "CAPA\r\nSTAT\r\n", "LIST\r\nUIDL\r\nRETR 1\r\nTOP 1 1\r\nDELE 1\r\nQUIT\r\n", "AUTH PLAIN =\r\n*\r\n", "STLS\r\nx",
		"RETR 1", "TOP 2 0\nRSET\n", "USER x\r\nPASS \x00\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		b := &store{}
		b.add(inboxOfThree...)
		p := &pipe{Reader: io.MultiReader(strings.NewReader("USER ann@a.test\r\nPASS "+password+"\r\n"), bytes.NewReader(input))}
		pop3.New(pop3.Config{Mailboxes: b, Journal: b, Blobs: b, Authenticator: door{}}).Serve(context.Background(), p)
		out := p.out.String()
		if !strings.HasPrefix(out, "+OK Postrider") || !strings.HasSuffix(out, "\r\n") {
			t.Fatalf("answers %q", out)
		}
		if len(b.sets) > 0 && !strings.Contains(out, "deleted, bye\r\n") {
			t.Fatalf("deleted without QUIT: %q", out)
		}
	})
}
