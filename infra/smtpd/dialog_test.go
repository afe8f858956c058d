package smtpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDialogs plays every testdata/*.dialog. The lines of such a file:
//
//	@ key=value ...  settings: over=pipe|tls|both, lmtp, clear (AUTH without TLS), max, rcpts, errors, junk, tries, transactions, dsn, requiretls, noauth, notls
//	C: text          the client sends a line (and what was held back)
//	C- text          the client holds a line back, to send it together with the next
//	C" text"         the same as C: with a Go string and no line end of its own
//	S: text          the server must answer so; a final * stands for any rest
//	TLS              the client starts TLS
//	EOF              the server must have closed
//	HANGUP           the client closes, and the server is waited for
//	STORED n, FAILED n, REQUIRED n (transactions with REQUIRETLS), BODY "text", WITH word   what the session saw, in the end
//	# text           a remark
func TestDialogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.dialog")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d dialogs, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".dialog")
		settings, _, _ := strings.Cut(string(text), "\n")
		for _, over := range []string{"pipe", "tls"} {
			if !strings.Contains(settings, "over="+over) && !strings.Contains(settings, "over=both") {
				continue
			}
			t.Run(name+"/"+over, func(t *testing.T) {
				t.Parallel()
				playDialog(t, string(text), over == "tls")
			})
		}
	}
}

type player struct {
	t       *testing.T
	conn    net.Conn
	r       *bufio.Reader
	held    string
	backend *fakeBackend
	writes  chan string
	served  chan struct{} // closed when the server is done
	wg      sync.WaitGroup
}

func dialogConfig(t *testing.T, settings string, b *fakeBackend) Config {
	cfg := Config{Hostname: "mx.test", TLS: testTLS(t)}
	for word := range strings.FieldsSeq(settings) {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "@", "over":
		case "lmtp":
			cfg.LMTP, b.lmtp = true, true
		case "lmtp1":
			cfg.LMTP = true
		case "clear":
			cfg.AllowCleartextAuth = true
		case "noauth":
			b.noAuth = true
		case "notls":
			cfg.TLS = nil
		case "dsn":
			cfg.DSN = true
		case "requiretls":
			cfg.RequireTLS = true
		case "max":
			cfg.MaxSize = int64(n)
		case "rcpts":
			cfg.MaxRecipients = n
		case "errors":
			cfg.MaxErrors = n
		case "junk":
			cfg.MaxJunk = n
		case "tries":
			cfg.MaxAuthTries = n
		case "transactions":
			cfg.MaxTransactions = n
		default:
			t.Fatalf("setting %q", word)
		}
	}
	return cfg
}

func playDialog(t *testing.T, text string, overTLS bool) {
	settings, script, _ := strings.Cut(text, "\n")
	b := &fakeBackend{t: t}
	cfg := dialogConfig(t, settings, b)
	client, server := net.Pipe()
	done := make(chan struct{})
	p := &player{t: t, conn: client, backend: b, served: done}
	if overTLS {
		server = tls.Server(server, testTLS(t))
		p.conn = tls.Client(client, clientTLS())
	}
	_ = client.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		defer close(done)
		New(cfg, b).Serve(context.Background(), server)
	}()
	p.start()
	for n, line := range strings.Split(script, "\n") {
		if err := p.step(line); err != "" {
			t.Errorf("line %d: %s: %s", n+2, line, err)
			break
		}
	}
	p.stop()
	_ = client.Close()
	<-done
	if b.closed != b.sessions || b.resets < b.opened {
		t.Errorf("%d sessions, %d closed; %d transactions, %d reset", b.sessions, b.closed, b.opened, b.resets)
	}
}

// start makes the goroutine that writes, so that neither side waits for the other to read.
func (p *player) start() {
	p.r = bufio.NewReader(p.conn)
	p.writes = make(chan string, 1000)
	conn, writes := p.conn, p.writes
	p.wg.Go(func() {
		for s := range writes {
			_, _ = io.WriteString(conn, s)
		}
	})
}

func (p *player) stop() {
	close(p.writes)
	if p.r.Buffered() == 0 {
		_ = p.conn.SetDeadline(time.Now().Add(time.Millisecond))
	}
	p.wg.Wait()
}

func (p *player) step(line string) string {
	if len(line) < 2 {
		return ""
	}
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "#", "STORED", "FAILED", "BODY", "WITH", "REQUIRED":
		return p.judge(word, rest)
	case "C:":
		p.writes <- p.held + rest + "\r\n"
		p.held = ""
	case "C-":
		p.held += rest + "\r\n"
	case `C"`:
		raw, err := strconv.Unquote(`"` + rest)
		if err != nil {
			return err.Error()
		}
		p.writes <- p.held + raw
		p.held = ""
	case "S:":
		return p.expect(rest)
	case "TLS":
		close(p.writes)
		p.wg.Wait()
		if p.r.Buffered() > 0 {
			return "the server spoke before TLS"
		}
		p.conn = tls.Client(p.conn, clientTLS())
		p.start()
	case "EOF":
		if s, err := p.r.ReadString('\n'); err != io.EOF {
			return "not closed: " + s
		}
	case "HANGUP":
		close(p.writes)
		p.wg.Wait()
		_ = p.conn.Close()
		p.writes = make(chan string)
		<-p.served
	default:
		return "unknown line"
	}
	return ""
}

func (p *player) expect(want string) string {
	got, err := p.r.ReadString('\n')
	if err != nil {
		return "got " + strconv.Quote(got) + ", " + err.Error()
	}
	got = strings.TrimSuffix(got, "\r\n")
	if prefix, open := strings.CutSuffix(want, "*"); open {
		if strings.HasPrefix(got, prefix) {
			return ""
		}
	} else if got == want {
		return ""
	}
	return "got " + strconv.Quote(got)
}

func (p *player) judge(word, rest string) string {
	b := p.backend
	b.mu.Lock()
	defer b.mu.Unlock()
	got := ""
	switch word {
	case "STORED":
		got = strconv.Itoa(len(b.stored))
	case "REQUIRED":
		got = strconv.Itoa(b.required)
	case "FAILED":
		got = strconv.Itoa(len(b.failures))
	case "BODY":
		got = strconv.Quote(b.stored[len(b.stored)-1].body)
	case "WITH":
		got = b.stored[len(b.stored)-1].with
	default:
		return ""
	}
	if got != rest {
		return "got " + got
	}
	return ""
}
