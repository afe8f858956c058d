package importer_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/infra/dns"
	"github.com/postrider/postrider/infra/outward"
	infratls "github.com/postrider/postrider/infra/tls"
	"github.com/postrider/postrider/maa/imap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/importer"
	"github.com/postrider/postrider/testkit/town"
)

// listen serves connections on loopback until the test ends, and gives the port.
func listen(t testing.TB, serve func(ctx context.Context, c net.Conn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			work.Go(func() {
				defer c.Close() //nolint:errcheck // the test's
				serve(ctx, c)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close() //nolint:errcheck // ends the loop
		mu.Lock()
		for c := range open {
			c.Close() //nolint:errcheck // ends what hangs
		}
		mu.Unlock()
		work.Wait()
	})
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

// authority is a certificate for mail.test, and who trusts it.
func authority(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	return authorityIn(t, t.TempDir())
}

// authorityIn leaves its files in a directory.
func authorityIn(t testing.TB, dir string) (server, client *tls.Config) {
	t.Helper()
	k, err := infratls.Open(infratls.KeeperConfig{Dir: dir, Names: []string{"mail.test"}})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(k.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return k.Server(infratls.Users), &tls.Config{RootCAs: roots}
}

// abroad is a source on a port of ours that goes by the name mail.test.
func abroad(t testing.TB, port uint16, client *tls.Config, change func(*importer.IMAPConfig)) importer.Source {
	t.Helper()
	resolver, err := dns.NewStatic(dns.StaticConfig{Zone: "mail.test A 127.0.0.1\ninside.test A 127.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := importer.IMAPConfig{Host: "mail.test", Port: port, User: bob, Password: town.Password, TLS: client,
		Dialer: outward.NewDialer(outward.Config{Resolver: resolver, Ports: []uint16{port}, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})}
	if change != nil {
		change(&cfg)
	}
	return importer.NewIMAP(cfg)
}

// ours is our own server over the town's store.
func ours(w *world, server *tls.Config, startTLS bool, wrap func(net.Conn) net.Conn) uint16 {
	cfg := imap.Config{Mailboxes: w.Store, Journal: w.Store, Blobs: w.Store, Bus: bus.New(), Clock: mail.SystemClock{}, Authenticator: w.Auth, RequireTLSForAuth: true}
	if startTLS {
		cfg.TLS = server
	}
	s := imap.New(cfg)
	return listen(w.t, func(ctx context.Context, c net.Conn) {
		if wrap != nil {
			c = wrap(c)
		}
		if !startTLS {
			c = tls.Server(c, server)
		}
		s.Serve(ctx, c)
	})
}

// filled gives bob mail in several folders.
func filled(w *world) {
	w.Do(w.t, mail.CreateMailbox{Account: w.IDs[bob], NewMailbox: mail.NewMailbox{Name: "Work/Grüße und mehr"}},
		mail.CreateMailbox{Account: w.IDs[bob], NewMailbox: mail.NewMailbox{Name: "Werbung", Use: mail.UseJunk}}, mail.CreateMailbox{Account: w.IDs[bob], NewMailbox: mail.NewMailbox{Name: "Empty"}})
	var files []string
	for i := range 250 {
		files = append(files, fmt.Sprintf("m/%s/cur/%d.x:2,%s", []string{"Inbox", "Sent", "Work/Grüße und mehr", "Werbung"}[i%4], 1_600_000_000+i*1000, []string{"", "S", "FS", "RS", "D"}[i%5]), letter(fmt.Sprint(i)))
	}
	files = append(files, "m/Inbox/cur/1.big", letter("big")+strings.Repeat(strings.Repeat("x", 76)+"\r\n", 70_000), "m/Inbox/cur/1.small", "Subject: no identifier\r\n\r\nx\r\n")
	if j := w.do(bob, w.file("x.zip", importer.Zip, packed(w.t, files...))); j.State != importer.Done || len(j.Failed) > 0 {
		w.t.Fatalf("%+v", j)
	}
}

// same holds what ann has now against what bob has.
func same(w *world, boxes ...string) {
	w.t.Helper()
	got, want := w.account(ann), w.account(bob)
	if len(boxes) == 0 {
		boxes = slices.Collect(maps.Keys(want))
	}
	for _, box := range boxes {
		if len(want[box]) == 0 || !slices.Equal(got[box], want[box]) {
			w.t.Errorf("%s: %d messages are not those %d: %.300s, want %.300s", box, len(got[box]), len(want[box]), fmt.Sprint(got[box]), fmt.Sprint(want[box]))
		}
	}
}

// TestIMAP brings a whole account from our own server: texts, flags, dates, folders and their uses. RFC 9051 6.4.5, RFC 6154 2, RFC 8314 3.
func TestIMAP(t *testing.T) {
	t.Parallel()
	for _, startTLS := range []bool{false, true} {
		t.Run(fmt.Sprint(startTLS), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			filled(w)
			server, client := authority(t)
			port := ours(w, server, startTLS, nil)
			set := func(c *importer.IMAPConfig) { c.StartTLS = startTLS }
			j := w.do(ann, abroad(t, port, client, set))
			if j.State != importer.Done || j.Messages != 252 || j.Total != 252 || j.Done != 252 || len(j.Failed) != 0 || j.Source != bob+" on mail.test" {
				t.Errorf("%+v", j)
			}
			same(w)
			boxes, err := w.Store.Mailboxes(t.Context(), w.IDs[ann])
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(boxes, func(b mail.Mailbox) bool { return b.Name == "Werbung" && b.Use == mail.UseJunk }) {
				t.Errorf("%+v", boxes)
			}
			if j := w.do(ann, abroad(t, port, client, set)); j.State != importer.Done || j.Messages != 0 || j.Duplicates != 252 {
				t.Errorf("once more: %+v", j)
			}
		})
	}
}

// TestIMAPRefusals end with a sentence that tells what to do, and no password goes where it should not.
func TestIMAPRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *importer.Config) { c.Max = 100_000 })
	server, client := authority(t)
	port := ours(w, server, false, nil)
	plain := ours(w, server, true, nil)
	for name, c := range map[string]struct {
		port   uint16
		change func(*importer.IMAPConfig)
		says   string
	}{
		"wrong password": {port, func(c *importer.IMAPConfig) { c.Password = "wrong" }, "refuses the login"},
		"no such folder": {port, func(c *importer.IMAPConfig) { c.Folders = []string{"INBOX", "Nowhere"} }, `no folder "Nowhere"`},
		"not trusted":    {port, func(c *importer.IMAPConfig) { c.TLS = nil }, "no safe connection"},
		"another name":   {port, func(c *importer.IMAPConfig) { c.Host = "127.0.0.1"; c.TLS = nil }, "no safe connection"},
		"inside":         {port, func(c *importer.IMAPConfig) { c.Host = "inside.test" }, "not connected to from here"},
		"another port":   {port, func(c *importer.IMAPConfig) { c.Port = 25 }, "port 25"},
		"no TLS there":   {plain, nil, "no safe connection"},
		"no such host":   {port, func(c *importer.IMAPConfig) { c.Host = "missing.test" }, "does not exist"},
	} {
		j := w.do(ann, abroad(t, c.port, client, c.change))
		if j.State != importer.Failed || !strings.Contains(j.Text, c.says) || strings.Contains(j.Text, town.Password) {
			t.Errorf("%s: %+v", name, j)
		}
	}
	big := newWorld(t, func(c *importer.Config) { c.Max = 10 << 20 })
	filled(big)
	port = ours(big, server, false, nil)
	big.jobs.Close()
	big.jobs = importer.New(importer.Config{Store: importer.Store{Mailboxes: big.Store, Blobs: big.Store, Journal: big.Store, Max: 100_000}, Notes: big.Store})
	defer big.jobs.Close()
	j := big.do(ann, abroad(t, port, client, func(c *importer.IMAPConfig) { c.Folders = []string{"inbox"} }))
	if j.State != importer.Done || j.Messages != 64 || len(j.Failed) != 1 || !strings.Contains(j.Failed[0].Why, "longer than") {
		t.Errorf("%+v", j)
	}
	notes, err := w.Store.Notes(t.Context(), mail.NoteQuery{Kind: importer.Kind})
	if err != nil || len(notes) == 0 {
		t.Fatalf("%d notes, %v", len(notes), err)
	}
	for _, n := range notes {
		if strings.Contains(string(n.Value), town.Password) {
			t.Errorf("a note has the password: %s", n.Value)
		}
	}
}

// brittle breaks after so many octets.
type brittle struct {
	net.Conn
	left int64
}

func (b *brittle) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		b.Conn.Close() //nolint:errcheck // that is the point
		return 0, io.ErrClosedPipe
	}
	return b.Conn.Write(p)
}

// TestIMAPBreaks goes on after the connection was lost, once and again.
func TestIMAPBreaks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *importer.Config) { c.Clock = hastyClock{} })
	filled(w)
	server, client := authority(t)
	var n atomic.Int64
	port := ours(w, server, false, func(c net.Conn) net.Conn {
		switch n.Add(1) {
		case 1:
			return &brittle{c, 1_500_000}
		case 2:
			return &brittle{c, 7_000_000}
		}
		return c
	})
	j := w.do(ann, abroad(t, port, client, nil))
	if j.State != importer.Done || j.Messages != 252 || n.Load() < 2 || len(j.Failed) > 1 {
		t.Errorf("%d connections, %+v", n.Load(), j)
	}
	same(w, "Sent", "Werbung", "Work/Grüße und mehr")
	n.Store(-1000) // every connection breaks in the big message, whatever is tried
	w.jobs.Close()
	hopeless := newWorld(t, func(c *importer.Config) { c.Clock = hastyClock{} })
	filled(hopeless)
	port = ours(hopeless, server, false, func(c net.Conn) net.Conn { return &brittle{c, 1_500_000} })
	j = hopeless.do(ann, abroad(t, port, client, nil))
	if len(j.Failed) != 1 || !strings.Contains(j.Failed[0].Why, "connection is lost") || j.Messages != 251 {
		t.Errorf("%+v", j)
	}
	same(hopeless, "Sent", "Werbung")
}

// TestHostileIMAP meets servers that say what they should not. Each answers a command by its first word; whatever is said, the job ends, in a
// sentence, and memory stays what it is.
func TestHostileIMAP(t *testing.T) {
	t.Parallel()
	server, client := authority(t)
	endless := func(prefix, piece string) func(io.Writer) {
		piece = strings.Repeat(piece, 400)
		return func(w io.Writer) {
			if _, err := io.WriteString(w, prefix); err != nil {
				return
			}
			for {
				if _, err := io.WriteString(w, piece); err != nil {
					return
				}
			}
		}
	}
	say := func(s string) func(io.Writer) { return func(w io.Writer) { io.WriteString(w, s) } } //nolint:errcheck // the client's
	list := say("* LIST () \"/\" INBOX\r\n")
	sel := say("* 2 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 9] x\r\n")
	for name, c := range map[string]struct {
		says  map[string]func(io.Writer)
		words string
	}{
		"an endless greeting":   {map[string]func(io.Writer){"": endless("* OK ", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")}, "ended early"},
		"nonsense":              {map[string]func(io.Writer){"": say("HTTP/1.1 200 OK\r\n\r\n")}, "ended early"},
		"BYE":                   {map[string]func(io.Writer){"": say("* BYE go away\r\n")}, "ended early"},
		"an endless list":       {map[string]func(io.Writer){"LIST": endless("", "* LIST () \"/\" \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\r\n")}, "ended early"},
		"an endless name":       {map[string]func(io.Writer){"LIST": endless("* LIST () \"/\" \"", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")}, "ended early"},
		"all numbers there are": {map[string]func(io.Writer){"LIST": list, "EXAMINE": sel, "UID SEARCH": say("* ESEARCH (TAG \"T4\") UID ALL 1:4294967295\r\n* SEARCH 1 2\r\n")}, "came"},
		"an endless literal":    {map[string]func(io.Writer){"LIST": list, "EXAMINE": sel, "UID SEARCH": say("* SEARCH 1\r\n"), "UID FETCH": endless("* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5 BODY[HEADER.FIELDS (\"Message-ID\")] {99999999999}\r\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")}, "ended early"},
		"an endless string":     {map[string]func(io.Writer){"LIST": list, "EXAMINE": sel, "UID SEARCH": say("* SEARCH 1\r\n"), "UID FETCH": endless("* 1 FETCH (UID 1 BODY[]<0> \"", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")}, "ended early"},
		"endless flags":         {map[string]func(io.Writer){"LIST": list, "EXAMINE": sel, "UID SEARCH": say("* SEARCH 1\r\n"), "UID FETCH": endless("* 1 FETCH (UID 1 FLAGS (", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ")}, "ended early"},
		"other messages":        {map[string]func(io.Writer){"LIST": list, "EXAMINE": sel, "UID SEARCH": say("* SEARCH 1\r\n"), "UID FETCH": say("* 7 FETCH (UID 77 FLAGS (x) RFC822.SIZE 10)\r\n")}, "came"},
		"an empty message":      {map[string]func(io.Writer){"LIST": list, "EXAMINE": sel, "UID SEARCH": say("* SEARCH 1\r\n"), "UID FETCH": say("* 1 FETCH (UID 1 FLAGS (\\Seen x y) RFC822.SIZE 10 BODY[]<0> NIL)\r\n")}, "1 could not be brought"},
		"parentheses":           {map[string]func(io.Writer){"LIST": endless("* LIST ", "((((((((((((((((((((((((((((((((")}, "ended early"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *importer.Config) { c.Clock = hastyClock{} })
			port := listen(t, func(_ context.Context, conn net.Conn) { scripted(tls.Server(conn, server), c.says) })
			j := w.do(ann, abroad(t, port, client, nil))
			if j.State == importer.Running || !strings.Contains(j.Text, c.words) || len(j.Text) > 600 || strings.ContainsAny(j.Text, "\r\n") {
				t.Errorf("%+v", j)
			}
		})
	}
}

// scripted plays a server.
func scripted(c net.Conn, says map[string]func(io.Writer)) {
	if greet := says[""]; greet != nil {
		greet(c)
	} else if _, err := io.WriteString(c, "* OK [CAPABILITY IMAP4rev1 SPECIAL-USE ESEARCH] hello\r\n"); err != nil {
		return
	}
	in := bufio.NewScanner(c)
	for in.Scan() {
		tag, rest, _ := strings.Cut(in.Text(), " ")
		for command, answer := range says {
			if command != "" && strings.HasPrefix(rest, command) {
				answer(c)
			}
		}
		if strings.HasSuffix(rest, "}") {
			io.WriteString(c, "+ go on\r\n") //nolint:errcheck // the client's
			continue
		}
		if _, err := fmt.Fprintf(c, "%s OK done\r\n", tag); err != nil {
			return
		}
	}
}

// TestStripped: where somebody in the middle takes STARTTLS away, no password is sent. RFC 8314 3.
func TestStripped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, client := authority(t)
	for name, answer := range map[string]string{"refused": "%s BAD no such command\r\n", "answered in clear": "%s OK begin\r\n* OK injected\r\n"} {
		var mu sync.Mutex
		var heard strings.Builder
		port := listen(t, func(_ context.Context, c net.Conn) {
			io.WriteString(c, "* OK [CAPABILITY IMAP4rev1] hello\r\n") //nolint:errcheck // the client's
			in := bufio.NewScanner(c)
			for in.Scan() {
				mu.Lock()
				heard.WriteString(in.Text())
				mu.Unlock()
				tag, _, _ := strings.Cut(in.Text(), " ")
				fmt.Fprintf(c, answer, tag) //nolint:errcheck // the client's
			}
		})
		j := w.do(ann, abroad(t, port, client, func(c *importer.IMAPConfig) { c.StartTLS = true }))
		mu.Lock()
		if j.State != importer.Failed || strings.Contains(heard.String(), "LOGIN") || strings.Contains(heard.String(), town.Password) {
			t.Errorf("%s: %+v; it heard %q", name, j, heard.String())
		}
		mu.Unlock()
	}
}
