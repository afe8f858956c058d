package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/d--j/go-milter"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// milters are asked one after the other.
type milters struct {
	cfg  Config
	list []endpoint
}

const maxMilters = 16

func newMilters(cfg Config) (*milters, error) {
	if len(cfg.Milters) > maxMilters {
		return nil, mail.Errorf(mail.Invalid, "at most %d milters can be asked; name fewer", maxMilters)
	}
	m := &milters{cfg: cfg}
	for _, text := range cfg.Milters {
		at, err := parseEndpoint("a milter", text)
		if err != nil {
			return nil, err
		}
		m.list = append(m.list, at)
	}
	return m, nil
}

// Name implements Scanner.
func (m *milters) Name() string {
	var names []string
	for _, at := range m.list {
		names = append(names, at.String())
	}
	return "milters at " + strings.Join(names, " and ")
}

// Scan implements Scanner. One that does not answer is judged alone, so that the others are heard.
func (m *milters) Scan(ctx context.Context, msg Message) (Result, error) {
	var results []Result
	var added [][2]string
	for _, at := range m.list {
		one := &oneMilter{at: at, cfg: m.cfg, before: added}
		r := judge(ctx, one, msg, m.cfg.Required)
		results = append(results, r)
		added = append(one.added, added...)
		if r.Action >= Discard {
			break
		}
	}
	// Who comes later stands above who came before.
	out := sum(results)
	out.Prefix = nil
	for _, f := range added {
		out.Prefix = append(out.Prefix, message.FoldField(f[0], f[1])...)
	}
	return out, nil
}

// oneMilter is one conversation.
type oneMilter struct {
	at     endpoint
	cfg    Config
	before [][2]string // fields that others put in front
	added  [][2]string // fields that it put in front, in order

	session *milter.ClientSession
	guard   *guard
	notes   []string
}

// Name implements Scanner.
func (m *oneMilter) Name() string { return "the milter at " + m.at.String() }

// guardDialer hands the library the connection that was made.
type guardDialer struct{ conn net.Conn }

func (d guardDialer) Dial(string, string) (net.Conn, error) { return d.conn, nil }

// Scan implements Scanner.
func (m *oneMilter) Scan(ctx context.Context, msg Message) (Result, error) {
	conn, stop, err := m.at.dial(ctx)
	if err != nil {
		return Result{}, cause(ctx, err)
	}
	defer conn.Close() //nolint:errcheck // all was said
	defer stop()
	return m.over(ctx, conn, msg)
}

// over holds the conversation over a connection.
func (m *oneMilter) over(ctx context.Context, conn net.Conn, msg Message) (Result, error) {
	m.guard = &guard{Conn: conn, in: bufio.NewReaderSize(conn, 4<<10), end: time.Now().Add(m.cfg.Timeout)}
	if end, ok := ctx.Deadline(); ok {
		m.guard.end = end
	}
	var err error
	macros := m.macros(msg)
	client := milter.NewClient(m.at.network, m.at.address, milter.WithDialer(guardDialer{m.guard}),
		milter.WithReadTimeout(m.cfg.Timeout), milter.WithWriteTimeout(m.cfg.Timeout))
	if m.session, err = client.Session(macros); err != nil {
		return Result{}, cause(ctx, err)
	}
	defer m.session.Close() //nolint:errcheck // all was said
	r, err := m.converse(msg, macros)
	if err != nil {
		m.added = nil
		return Result{}, cause(ctx, err)
	}
	if m.guard.replaced {
		m.note("wanted to replace the body; a stored body is never rewritten")
	}
	r.Notes = append(m.notes, r.Notes...)
	return r, nil
}

func (m *oneMilter) note(format string, args ...any) {
	if len(m.notes) < 20 {
		m.notes = append(m.notes, fmt.Sprintf("The milter at %s %s.", m.at, fmt.Sprintf(format, args...)))
	}
}

// macros are what milters may ask for.
func (m *oneMilter) macros(msg Message) *milter.MacroBag {
	b := milter.NewMacroBag()
	b.Set(milter.MacroMTAVersion, "Postrider")
	b.Set(milter.MacroMTAFQDN, m.cfg.Hostname)
	b.Set(milter.MacroDaemonName, "mta/inbound")
	b.Set(milter.MacroQueueId, text(msg.ID))
	b.Set(milter.MacroClientAddr, address(msg))
	b.Set(milter.MacroClientName, client(msg))
	b.Set(milter.MacroClientPTR, client(msg))
	b.Set(milter.MacroMailMailer, "esmtp")
	b.Set(milter.MacroMailAddr, text(string(msg.From)))
	b.Set(milter.MacroMailHost, text(msg.From.Domain()))
	return b
}

// text is a string as the protocol's, which end with NUL.
func text(s string) string {
	if strings.ContainsRune(s, 0) {
		return strings.ReplaceAll(s, "\x00", " ")
	}
	return s
}

func address(msg Message) string {
	if !msg.IP.IsValid() {
		return "unknown"
	}
	return msg.IP.Unmap().WithZone("").String()
}

func client(msg Message) string {
	if msg.Reverse == "" {
		return "unknown"
	}
	return text(msg.Reverse)
}

// family is that of the client's address.
func family(msg Message) (milter.ProtoFamily, string) {
	switch ip := msg.IP.Unmap(); {
	case !ip.IsValid():
		return milter.FamilyUnknown, ""
	case ip.Is4():
		return milter.FamilyInet, address(msg)
	}
	return milter.FamilyInet6, address(msg)
}

// converse plays a whole SMTP transaction to the milter.
func (m *oneMilter) converse(msg Message, macros *milter.MacroBag) (Result, error) {
	fam, addr := family(msg)
	for _, step := range []func() (*milter.Action, error){
		func() (*milter.Action, error) { return m.session.Conn(client(msg), fam, 0, addr) },
		func() (*milter.Action, error) { return m.session.Helo(text(msg.Helo)) },
		func() (*milter.Action, error) { return m.session.Mail(text(string(msg.From)), "") },
	} {
		act, err := step()
		if err != nil {
			return Result{}, err
		}
		if r, ended := m.ended(act); ended {
			return r, nil
		}
	}
	if r, ended, err := m.recipients(msg, macros); err != nil || ended {
		return r, err
	}
	act, err := m.session.DataStart()
	if err != nil {
		return Result{}, err
	}
	if r, ended := m.ended(act); ended {
		return r, nil
	}
	return m.content(msg)
}

// recipients tells who the message is for. They were all accepted: only where the milter wants none of them, that counts.
func (m *oneMilter) recipients(msg Message, macros *milter.MacroBag) (r Result, ended bool, err error) {
	refused := 0
	for _, to := range msg.To {
		macros.Set(milter.MacroRcptMailer, "local")
		macros.Set(milter.MacroRcptAddr, text(string(to)))
		macros.Set(milter.MacroRcptHost, text(to.Domain()))
		act, err := m.session.Rcpt(text(string(to)), "")
		if err != nil {
			return Result{}, false, err
		}
		one, ended := m.ended(act)
		switch {
		case !ended:
		case one.Action == Refuse || one.Action == Defer:
			if refused++; refused == len(msg.To) {
				return one, true, nil
			}
			if r.Action < one.Action {
				r = one
			}
		default:
			return one, true, nil
		}
	}
	if refused > 0 {
		m.note("refused %d of %d recipients, who were all accepted; that was passed over", refused, len(msg.To))
	}
	return Result{}, false, nil
}

// maxValue is how much of one field a milter is sent: packets hold less than 64 KiB.
const maxValue = 60 << 10

// content sends header and body, and hears the verdict.
func (m *oneMilter) content(msg Message) (Result, error) {
	body, err := msg.Body.Open()
	if err != nil {
		return Result{}, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	in := bufio.NewReaderSize(body, 4<<10)
	h, err := message.ReadHeader(in, 0)
	if err != nil && !errors.Is(err, message.ErrHeaderTooLarge) {
		return Result{}, err
	}
	for _, f := range m.before {
		if r, ended, err := m.field(f[0], f[1]); err != nil || ended {
			return r, err
		}
	}
	for f := range h.All() {
		if f.Name() == "" {
			continue
		}
		_, value, _ := bytes.Cut(f.Raw(), []byte(":"))
		if r, ended, err := m.field(f.Name(), string(value)); err != nil || ended {
			return r, err
		}
	}
	act, err := m.session.HeaderEnd()
	if err != nil {
		return Result{}, err
	}
	if r, ended := m.ended(act); ended {
		return r, nil
	}
	changes, act, err := m.session.BodyReadFrom(in)
	if err != nil {
		return Result{}, err
	}
	r, _ := m.ended(act)
	return m.change(r, changes), nil
}

// field sends one field; its value as it stands, with the line ends that milters know.
func (m *oneMilter) field(name, value string) (r Result, ended bool, err error) {
	value = strings.TrimRight(strings.ReplaceAll(value, "\r\n", "\n"), "\r\n")
	if !m.session.ProtocolOption(milter.OptHeaderLeadingSpace) {
		value = strings.TrimPrefix(value, " ")
	}
	value = text(value)
	act, err := m.session.HeaderField(text(name), value[:min(len(value), maxValue)], nil)
	if err != nil {
		return Result{}, false, err
	}
	r, ended = m.ended(act)
	return r, ended, nil
}

// ended makes a result of an answer. ended is false where the conversation goes on.
func (m *oneMilter) ended(act *milter.Action) (r Result, ended bool) {
	switch act.Type {
	case milter.ActionAccept:
		return Result{}, true
	case milter.ActionDiscard:
		m.note("wants the message discarded")
		return Result{Action: Discard}, true
	case milter.ActionReject:
		m.note("wants the message refused")
		return Result{Action: Refuse, Enhanced: "5.7.1", Text: "a filter of ours refuses the message; ask our postmaster why"}, true
	case milter.ActionTempFail:
		m.note("wants the message refused for now")
		return Result{Action: Defer, Enhanced: "4.7.1", Text: "a filter of ours does not take the message now; try again later"}, true
	case milter.ActionRejectWithCode:
		r := replied(int(act.SMTPCode), act.SMTPReply)
		m.note("wants the message refused: %s", r.Text)
		return r, true
	}
	return Result{}, false
}

// replied makes a result of a reply that the milter wrote.
func replied(code int, reply string) Result {
	var words []string
	enhanced := ""
	for line := range strings.Lines(reply) {
		line = strings.TrimSpace(line)
		if len(line) < 4 {
			continue
		}
		line = line[4:] // the code, and a space or hyphen
		if first, rest, _ := strings.Cut(line, " "); isStatus(first, code) {
			enhanced, line = first, rest
		}
		words = append(words, strings.TrimSpace(line))
	}
	r := Result{Action: Refuse, Enhanced: "5.7.1", Text: clean(strings.Join(words, " "), 400)}
	if code < 500 {
		r.Action, r.Enhanced = Defer, "4.7.1"
	}
	if enhanced != "" {
		r.Enhanced = enhanced
	}
	if r.Text == "" {
		r.Text = "a filter of ours refuses the message; ask our postmaster why"
	}
	return r
}

// isStatus reports an enhanced status code that fits a reply code. RFC 3463 2.
func isStatus(s string, code int) bool {
	if len(s) < 5 || len(s) > 9 || int(s[0]-'0') != code/100 || s[1] != '.' || strings.Trim(s, "0123456789.") != "" {
		return false
	}
	return strings.Count(s, ".") == 2 && !strings.HasSuffix(s, ".") && !strings.Contains(s, "..")
}
