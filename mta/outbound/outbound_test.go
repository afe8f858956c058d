package outbound

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

const bob = "bob@there.example"

// oneHost is a domain with one mail host at 192.0.2.1.
const oneHost = `
there.example     MX 10 mx.there.example
mx.there.example  A  192.0.2.1
`

func at1(r *remote) map[string]*remote { return map[string]*remote{"192.0.2.1": r} }

func esmtp() []string {
	return []string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 1000000", "SMTPUTF8"}
}

func TestRelayed(t *testing.T) {
	t.Parallel()
	for _, ext := range [][]string{nil, {"8BITMIME"}, esmtp()} {
		r := &remote{ext: ext}
		b := newBench(t, oneHost, at1(r))
		b.want(b.attempt(bob, "cy@there.example"),
			"bob: relayed 2.0.0 mx.there.example[192.0.2.1] said: 250 2.0.0 queued as 1",
			"cy: relayed 2.0.0 mx.there.example[192.0.2.1] said: 250 2.0.0 queued as 1")
		if got := r.got(); len(got) != 1 || !strings.HasPrefix(got[0], "FROM:<ann@here.example>") || !strings.HasSuffix(got[0], "> <bob@there.example>, <cy@there.example>") {
			t.Errorf("got %q", got)
		}
		if data := r.took()[0].data; data != b.prefix+b.body {
			t.Errorf("body came as %q", data)
		}
	}
}

// RFC 5321 5.1, RFC 7505 4.2
func TestWhichHost(t *testing.T) {
	t.Parallel()
	const zone = oneHost + `
null.example      MX 0 .
none.example      TXT "nothing here"
implicit.example  A 192.0.2.1
temp.example      FAIL
loop.example      MX 10 us.example
loop.example      MX 20 mx.there.example
us.example        A 192.0.2.9
second.example    MX 10 mx.there.example
second.example    MX 20 us.example
second.example    MX 30 mx.other.example
mx.other.example  A 192.0.2.3
alias.example     MX 10 us2.example
us2.example       A 192.0.2.9
nohost.example    MX 10 gone.example
unusable.example  MX 10 .
unusable.example  MX 20 .
`
	for _, c := range []struct{ to, want string }{
		{"bob@there.example", "bob: relayed 2.0.0 mx.there.example[192.0.2.1] said: *"},
		{"bob@implicit.example", "bob: relayed 2.0.0 implicit.example[192.0.2.1] said: *"},
		{"bob@second.example", "bob: relayed 2.0.0 mx.there.example[192.0.2.1] said: *"},
		{"bob@[192.0.2.1]", "bob: relayed 2.0.0 192.0.2.1[192.0.2.1] said: *"},
		{"bob@null.example", "bob: bounced 5.1.10 the domain null.example says that it takes no mail (null MX)"},
		{"bob@missing.example", "bob: bounced 5.1.2 the domain missing.example does not exist"},
		{"bob@none.example", "bob: bounced 5.4.4 the domain none.example has neither a mail host (MX) nor an address"},
		{"bob@unusable.example", "bob: bounced 5.4.4 the MX records of unusable.example name no host"},
		{"bob@temp.example", "bob: deferred 4.4.3 the mail hosts of temp.example cannot be looked up now: *"},
		{"bob@loop.example", "bob: bounced 5.4.6 mail for loop.example loops: *"},
		{"bob@alias.example", "bob: bounced 5.4.6 mail for alias.example loops: *"},
		{"bob@[192.0.2.9]", "bob: bounced 5.4.6 mail for [192.0.2.9] loops: *"},
		{"bob@nohost.example", "bob: bounced 5.4.4 the host gone.example does not exist"},
		{"bob@[IPv6:fe80::%1]", "bob: bounced 5.1.3 *"},
		{"bob", "bob: bounced 5.1.3 *"},
		{"bob@-.example", "bob: bounced 5.1.3 *"},
	} {
		t.Run(c.to, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, zone, at1(&remote{ext: esmtp()}))
			b.config.Self = Self{Addrs: addrs("192.0.2.9")}
			b.want(b.attempt(mail.Path(c.to)), c.want)
		})
	}
}

const threeHosts = `
there.example      MX 10 mx1.there.example
there.example      MX 20 mx2.there.example
there.example      MX 30 mx3.there.example
mx1.there.example  A  192.0.2.1
mx2.there.example  A  192.0.2.2
mx3.there.example  A  192.0.2.3
`

// RFC 5321 5.1: the next host is tried where one does not work, and only there.
func TestNextHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		first  *remote // nil: refuses connections
		want   string
		second bool // came to the second host
	}{
		{"dead", nil, "bob: relayed 2.0.0 mx2*", true},
		{"busy greeting", &remote{script: map[string][]string{"greeting": {"421 4.3.2 busy"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"greeting 4yz", &remote{script: map[string][]string{"greeting": {"450 4.7.1 wait"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"greeting 554", &remote{script: map[string][]string{"greeting": {"554 5.7.1 go away"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"greeting cut", &remote{script: map[string][]string{"greeting": {"drop"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"greeting garbage", &remote{script: map[string][]string{"greeting": {"hello there"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"ehlo cut", &remote{script: map[string][]string{"ehlo": {"drop"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"ehlo 421", &remote{script: map[string][]string{"ehlo": {"421 4.3.2 busy"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"mail cut", &remote{script: map[string][]string{"mail": {"drop"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"mail 421", &remote{script: map[string][]string{"mail": {"drop:421 4.3.2 busy"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"rcpt cut", &remote{script: map[string][]string{"rcpt": {"reset"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"rcpt 421", &remote{script: map[string][]string{"rcpt": {"drop:421 4.3.2 busy"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"data cut", &remote{script: map[string][]string{"data": {"drop"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"data 421", &remote{script: map[string][]string{"data": {"drop:421 4.3.2 busy"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"dot 421", &remote{script: map[string][]string{".": {"drop:421 4.3.2 busy"}}}, "bob: relayed 2.0.0 mx2*", true},
		{"mail 4yz", &remote{script: map[string][]string{"mail": {"451 4.7.1 wait"}}}, "bob: deferred 4.7.1 mx1.there.example[192.0.2.1] said: 451 4.7.1 wait", false},
		{"mail 5yz", &remote{script: map[string][]string{"mail": {"550 5.7.1 not you"}}}, "bob: bounced 5.7.1 mx1.there.example[192.0.2.1] said: 550 5.7.1 not you", false},
		{"rcpt 4yz", &remote{script: map[string][]string{"rcpt": {"450 greylisted"}}}, "bob: deferred 4.0.0 mx1.there.example[192.0.2.1] said: 450 greylisted", false},
		{"rcpt 5yz", &remote{script: map[string][]string{"rcpt": {"550 5.1.1 no such user"}}}, "bob: bounced 5.1.1 mx1.there.example[192.0.2.1] said: 550 5.1.1 no such user", false},
		{"data 4yz", &remote{script: map[string][]string{"data": {"451 4.3.0 disk full"}}}, "bob: deferred 4.3.0 mx1*", false},
		{"data 5yz", &remote{script: map[string][]string{"data": {"554 5.3.0 no"}}}, "bob: bounced 5.3.0 mx1*", false},
		{"dot 4yz", &remote{script: map[string][]string{".": {"451 4.3.0 disk full"}}}, "bob: deferred 4.3.0 mx1*", false},
		{"dot 5yz", &remote{script: map[string][]string{".": {"554 5.7.1 spam"}}}, "bob: bounced 5.7.1 mx1*", false},
		{"many lines", &remote{script: map[string][]string{"rcpt": {strings.Repeat("550-5.1.1 "+strings.Repeat("long words ", 30)+"|", 100) + "550 5.1.1 end"}}}, "bob: bounced 5.1.1 mx1*...", false},
	} {
		for _, pipelining := range []bool{true, false} {
			name := c.name
			if pipelining {
				name += " pipelined"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				second := &remote{ext: esmtp()}
				remotes := map[string]*remote{"192.0.2.2": second}
				if c.first != nil {
					first := &remote{script: c.first.script, ext: []string{"8BITMIME"}}
					if pipelining {
						first.ext = esmtp()
					}
					remotes["192.0.2.1"] = first
				}
				b := newBench(t, threeHosts, remotes)
				b.want(b.attempt(bob), c.want)
				if came := second.connections() > 0; came != c.second {
					t.Errorf("came to the second host: %v", came)
				}
			})
		}
	}
}

// RFC 5321 4.5.3.2.6, RFC 1047: an answer that is lost after the final dot may mean a duplicate later, never now.
func TestAnswerLostAfterData(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"drop", "reset", "hang"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			second := &remote{ext: esmtp()}
			first := &remote{ext: esmtp(), script: map[string][]string{".": {how}, "rcpt to:<no": {"550 5.1.1 nobody"}}}
			b := newBench(t, threeHosts, map[string]*remote{"192.0.2.1": first, "192.0.2.2": second})
			b.config.Timeouts.DataEnd = 300 * time.Millisecond
			b.want(b.attempt(bob, "no@there.example"),
				"bob: deferred 4.4.2 *mx1.there.example[192.0.2.1]*may have*UNSURE",
				"no: bounced 5.1.1 *said: 550 5.1.1 nobody")
			if second.connections() > 0 {
				t.Error("the message was offered to another host")
			}
		})
	}
}

func TestEveryHostFails(t *testing.T) {
	t.Parallel()
	refuse := func() *remote { return &remote{script: map[string][]string{"greeting": {"554 5.7.1 go away"}}} }
	for _, c := range []struct {
		name    string
		remotes map[string]*remote
		want    string
	}{
		{"all dead", nil, "bob: deferred 4.4.1 cannot connect to*"},
		{"all refuse", map[string]*remote{"192.0.2.1": refuse(), "192.0.2.2": refuse(), "192.0.2.3": refuse()},
			"bob: bounced 5.7.1 mx3.there.example[192.0.2.3] said: 554 5.7.1 go away"},
		{"one may still work", map[string]*remote{"192.0.2.1": refuse(), "192.0.2.3": refuse()}, "bob: deferred 4.4.1 cannot connect to*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, threeHosts, c.remotes)
			b.want(b.attempt(bob), c.want)
		})
	}
}

func TestMixedRecipients(t *testing.T) {
	t.Parallel()
	r := &remote{ext: esmtp(), script: map[string][]string{
		"rcpt to:<grey": {"450 4.2.0 greylisted"}, "rcpt to:<no": {"550 5.1.1 no such user"}, "rcpt to:<full": {"452 4.2.2 mailbox full"},
	}}
	b := newBench(t, oneHost, at1(r))
	b.want(b.attempt("grey@there.example", bob, "no@there.example", "full@there.example"),
		"grey: deferred 4.2.0 *said: 450 4.2.0 greylisted", "bob: relayed 2.0.0 *",
		"no: bounced 5.1.1 *said: 550 5.1.1 no such user", "full: deferred 4.2.2 *mailbox full")
}

// RFC 5321 4.5.3.1.10: the rest goes at once, in further transactions on the same connection.
func TestTooManyRecipients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reply string
		limit int
	}{{"452 4.5.3 too many recipients", 0}, {"552 too many recipients", 0}, {"", 3}} {
		r := &remote{ext: esmtp()}
		if c.reply != "" {
			r.script = map[string][]string{"rcpt": {"", "", "", c.reply, c.reply, "", "", c.reply, "", ""}}
		}
		b := newBench(t, oneHost, at1(r))
		b.config.Limits.Recipients = c.limit
		got := b.attempt("a@there.example", "b@there.example", "c@there.example", "d@there.example", "e@there.example", "f@there.example", "g@there.example")
		for _, g := range got {
			b.want([]string{g}, "*: relayed 2.0.0 *")
		}
		if n := len(r.got()); n != 3 || r.connections() != 1 {
			t.Errorf("%q: %d transactions on %d connections", c.reply, n, r.connections())
		}
	}
	// A host that takes none is not asked for ever, at whatever stage it says so.
	for _, at := range []string{"mail", "rcpt", "data", "."} {
		r := &remote{ext: esmtp(), script: map[string][]string{at: {"452 4.5.3 too many recipients"}}}
		b := newBench(t, oneHost, at1(r))
		b.want(b.attempt(bob, "cy@there.example"), "bob: deferred 4.5.3 *", "cy: deferred 4.5.3 *")
	}
}

func TestMoreAddresses(t *testing.T) {
	t.Parallel()
	const zone = `
there.example     MX 10 mx.there.example
mx.there.example  A  192.0.2.1
mx.there.example  A  192.0.2.2
mx.there.example  A  192.0.2.3
`
	busy := &remote{script: map[string][]string{"greeting": {"421 4.3.2 busy"}}}
	good := &remote{ext: esmtp()}
	b := newBench(t, zone, map[string]*remote{"192.0.2.1": busy, "192.0.2.3": good})
	b.want(b.attempt(bob), "bob: relayed 2.0.0 mx.there.example[192.0.2.3] said:*")

	// A host that is reached by an override has no other addresses.
	busy = &remote{script: map[string][]string{"greeting": {"421 4.3.2 busy"}}}
	b = newBench(t, zone, map[string]*remote{"mx.there.example": busy})
	b.want(b.attempt(bob), "bob: deferred 4.3.2 mx.there.example[127.0.0.1] said: 421 4.3.2 busy")
	if len(b.dialled) != 1 {
		t.Errorf("dialled %q", b.dialled)
	}
}

// RFC 6531 3.2
func TestSMTPUTF8(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ext    []string
		body   string
		to     mail.Path
		want   string
		asked  bool
		wanted bool // the submitter asked for it
	}{
		{"offered", esmtp(), "Subject: grüße\r\n\r\nx\r\n", "jürgen@there.example", "jürgen: relayed*", true, true},
		{"address needs it", []string{"8BITMIME"}, "Subject: x\r\n\r\nx\r\n", "jürgen@there.example", "jürgen: bounced 5.6.7 *does not offer SMTPUTF8*", false, true},
		{"header needs it", []string{"8BITMIME"}, "Subject: grüße\r\n\r\nx\r\n", bob, "bob: bounced 5.6.7 *", false, true},
		{"only the body is not ASCII", []string{"8BITMIME"}, "Subject: x\r\n\r\ngrüße\r\n", bob, "bob: relayed*", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &remote{ext: c.ext}
			b := newBench(t, oneHost, at1(r))
			b.body = c.body
			job := b.job(c.to)
			job.Message.UTF8 = c.wanted
			job.Message.Body = mail.Body8Bit
			b.want(b.try(t.Context(), job), c.want)
			if got := strings.Contains(strings.Join(r.got(), ""), "SMTPUTF8"); got != c.asked {
				t.Errorf("SMTPUTF8 was said: %v", got)
			}
		})
	}
}

// RFC 1870 6.1
func TestTooLarge(t *testing.T) {
	t.Parallel()
	r := &remote{ext: []string{"SIZE 20"}}
	b := newBench(t, oneHost, at1(r))
	b.want(b.attempt(bob), "bob: bounced 5.3.4 mx.there.example[192.0.2.1] takes messages of up to 20 octets; this one has *")
	if r.saw("MAIL") != 0 {
		t.Error("it was sent all the same")
	}
}

// RFC 6152 3: see the package comment for why it is sent as it is where 8BITMIME is not offered.
func Test8Bit(t *testing.T) {
	t.Parallel()
	for _, ext := range [][]string{{"8BITMIME"}, {"SIZE"}} {
		r := &remote{ext: ext}
		b := newBench(t, oneHost, at1(r))
		b.body = "Subject: x\r\n\r\ngr\xfc\xdfe\r\n"
		job := b.job(bob)
		job.Message.Body = mail.Body8Bit
		b.want(b.try(t.Context(), job), "bob: relayed*")
		if r.took()[0].data != b.prefix+b.body {
			t.Errorf("came as %q", r.took()[0].data)
		}
		if said := strings.Contains(r.took()[0].from, "BODY=8BITMIME"); said != (ext[0] == "8BITMIME") {
			t.Errorf("%q: %q", ext, r.took()[0].from)
		}
	}
}

func TestBodyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := &remote{ext: esmtp()}
	b := newBench(t, oneHost, at1(r))
	job := b.job(bob)
	job.Message.Blob = 2
	b.want(b.try(t.Context(), job), "bob: deferred 4.3.0 the message cannot be read here: no such body")
	if r.connections() != 0 {
		t.Error("a remote was bothered")
	}
}

// zeros is a large body that is nowhere whole.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	for i := range p[:n] {
		p[i] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"[(z.left-int64(i))%64^63]
	}
	z.left -= n
	return int(n), nil
}

func (z *zeros) ReadAt([]byte, int64) (int, error)  { return 0, errors.ErrUnsupported }
func (z *zeros) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{z}) }
func (z *zeros) Size() int64                        { return z.left }
func (z *zeros) Close() error                       { return nil }

type largeBlobs struct {
	*benchBlobs
	size int64
}

func (l largeBlobs) Open(context.Context, mail.BlobID) (mail.BlobReader, error) {
	return &zeros{left: l.size}, nil
}

// A message's size costs no memory.
func TestLargeBody(t *testing.T) {
	const size = 64 << 20
	r := &remote{ext: []string{"8BITMIME"}, discard: true}
	b := newBench(t, oneHost, at1(r))
	b.config.Blobs = largeBlobs{size: size}
	b.config.Timeouts.DataBlock, b.config.Timeouts.DataEnd = time.Minute, time.Minute
	b.prefix = "Subject: large\r\n\r\n"
	b.transport()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.want(b.attempt(bob), "bob: relayed *")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d octets of memory were used for a body of %d", grown, size)
	}
	if n := r.octets(); n < size {
		t.Errorf("%d octets came", n)
	}
}
