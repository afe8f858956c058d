package importer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postrider/postrider/infra/outward"
	"github.com/postrider/postrider/mail"
)

// IMAPConfig says where mail is brought from. Dialer, Host, Port, User and Password are required.
type IMAPConfig struct {
	Dialer   *outward.Dialer
	Host     string
	Port     uint16
	StartTLS bool // else TLS from the first octet; never without
	User     string
	Password string
	Folders  []string    // by their names there; empty: all
	TLS      *tls.Config // for tests with an authority of their own; nil: the system's authorities
}

// IMAP is a mailbox on another server as a source.
type IMAP struct{ cfg IMAPConfig }

// NewIMAP makes a source. It asks nobody yet.
func NewIMAP(cfg IMAPConfig) *IMAP { return &IMAP{cfg} }

// Name implements Source.
func (s *IMAP) Name() string { return s.cfg.User + " on " + s.cfg.Host }

// Close implements Source.
func (s *IMAP) Close() { s.cfg.Password = "" }

// Bounds on what a server may say.
const (
	maxFolders  = 5000
	pieceSize   = 2 << 20  // octets of a message that are asked for at once
	pieceRoom   = 64 << 10 // beside them
	listRoom    = 16 << 20 // of a list of folders, or of messages' numbers
	pageSize    = 100      // messages whose size and flags are asked for at once
	pageRoom    = 4 << 20
	maxConnects = 6
)

// errLost is trouble with the connection, after which another is worth a try.
var errLost = errors.New("the connection to the server was lost")

// visit is one run over a server.
type visit struct {
	*IMAP
	d        *Deposit
	conn     *link
	client   *imapclient.Client
	stop     func() bool
	connects int
	tried    map[string]int // messages at which the connection was lost
	before   int64          // messages of folders that are through
}

// Run implements Source.
func (s *IMAP) Run(ctx context.Context, d *Deposit) error {
	v := &visit{IMAP: s, d: d, tried: map[string]int{}}
	defer v.hangUp()
	if err := v.connect(ctx); err != nil {
		return err
	}
	list, err := v.list()
	if err != nil {
		return v.explain(ctx, "its folders cannot be listed", err)
	}
	if list, err = v.wanted(list); err != nil {
		return err
	}
	v.count(list)
	for _, f := range list {
		for {
			n, err := v.folder(ctx, f)
			if err == nil {
				v.before += n
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !errors.Is(err, errLost) {
				return err
			}
			if err := v.reconnect(ctx, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// connect opens a connection and logs in.
func (v *visit) connect(ctx context.Context) error {
	v.connects++
	raw, err := v.cfg.Dialer.Dial(ctx, v.cfg.Host, v.cfg.Port)
	if err != nil {
		return err
	}
	config := &tls.Config{}
	if v.cfg.TLS != nil {
		config = v.cfg.TLS.Clone()
	}
	config.ServerName, config.MinVersion = strings.Trim(strings.TrimSuffix(v.cfg.Host, "."), "[]"), tls.VersionTLS12
	v.conn = newLink(raw)
	v.stop = context.AfterFunc(ctx, func() { raw.Close() }) //nolint:errcheck // whoever waits for it is told
	v.conn.allow(pageRoom)
	if v.cfg.StartTLS {
		v.client, err = imapclient.NewStartTLS(v.conn, &imapclient.Options{TLSConfig: config})
	} else {
		secure := tls.Client(v.conn, config)
		if err = secure.HandshakeContext(ctx); err == nil {
			v.client = imapclient.New(secure, nil)
		} else {
			raw.Close() //nolint:errcheck // it failed
		}
	}
	if err != nil {
		v.hangUp()
		return v.explain(ctx, "no safe connection (TLS) could be made", err)
	}
	if err := v.client.WaitGreeting(); err != nil {
		return v.explain(ctx, "it does not greet", err)
	}
	v.conn.allow(pageRoom)
	if err := v.client.Login(v.cfg.User, v.cfg.Password).Wait(); err != nil {
		var said *imap.Error
		if errors.As(err, &said) {
			return mail.Errorf(mail.Unauthenticated, "%s refuses the login: %s", v.cfg.Host, cut(said.Text))
		}
		return v.explain(ctx, "the login failed", err)
	}
	return nil
}

func (v *visit) hangUp() {
	if v.client != nil {
		v.client.Close() //nolint:errcheck // whatever it says
		v.client = nil
	}
	if v.conn != nil {
		v.conn.Close() //nolint:errcheck // likewise
		v.conn = nil
	}
	if v.stop != nil {
		v.stop()
		v.stop = nil
	}
}

// reconnect tries again after a while. A login that is refused then is the end.
func (v *visit) reconnect(ctx context.Context, cause error) error {
	for {
		v.hangUp()
		if v.connects >= maxConnects {
			return mail.Errorf(mail.Unavailable, "%s; %d connections were made in vain", cut(mail.Sentence(asMail(cause))), v.connects)
		}
		select {
		case <-v.d.store.Clock.After(time.Duration(v.connects) * 2 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		err := v.connect(ctx)
		if err == nil || ctx.Err() != nil || mail.Is(err, mail.Unauthenticated) || mail.Is(err, mail.Denied) {
			return err
		}
		cause = err
	}
}

// explain makes a sentence of what the client says.
func (v *visit) explain(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var said *imap.Error
	var known *mail.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &said):
		return mail.Errorf(mail.Unavailable, "%s says that %s: %s", v.cfg.Host, what, cut(said.Text))
	}
	return mail.Errorf(mail.Unavailable, "trouble with %s, %s: %s", v.cfg.Host, what, cut(err.Error()))
}

// remote is a folder of the server.
type remote struct {
	name  string // there
	to    Folder
	count int64
}

// list asks for all folders that can hold mail.
func (v *visit) list() ([]remote, error) {
	options := &imap.ListOptions{}
	if caps := v.client.Caps(); caps.Has(imap.CapSpecialUse) || caps.Has(imap.CapIMAP4rev2) {
		options.ReturnSpecialUse = true
	}
	v.conn.allow(listRoom)
	cmd := v.client.List("", "*", options)
	var all []*imap.ListData
	for b := cmd.Next(); b != nil; b = cmd.Next() {
		if len(all) < maxFolders {
			all = append(all, b)
		}
	}
	if err := cmd.Close(); err != nil {
		return nil, err
	}
	prefix := inboxPrefix(all)
	var out []remote
	for _, b := range all {
		if r, ok := remoteOf(b, prefix); ok {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b remote) int {
		return rank(a) - rank(b)
	})
	return out, nil
}

// rank puts the INBOX first, and last what shows the mail of others too.
func rank(r remote) int {
	switch {
	case strings.EqualFold(r.name, mail.Inbox):
		return 0
	case r.to.Anywhere:
		return 2
	}
	return 1
}

// inboxPrefix is what all names begin with on servers that keep everything below the INBOX; "" elsewhere.
func inboxPrefix(all []*imap.ListData) string {
	prefix := ""
	for _, b := range all {
		if strings.EqualFold(b.Mailbox, mail.Inbox) {
			continue
		}
		if b.Delim == 0 || len(b.Mailbox) < 6 || !strings.EqualFold(b.Mailbox[:5], mail.Inbox) || !strings.HasPrefix(b.Mailbox[5:], string(b.Delim)) {
			return ""
		}
		prefix = b.Mailbox[:5] + string(b.Delim)
	}
	return prefix
}

// remoteOf decides about one folder. RFC 6154 2.
func remoteOf(b *imap.ListData, prefix string) (remote, bool) {
	r := remote{name: b.Mailbox}
	has := func(a imap.MailboxAttr) bool {
		return slices.ContainsFunc(b.Attrs, func(x imap.MailboxAttr) bool { return strings.EqualFold(string(x), string(a)) })
	}
	if has(imap.MailboxAttrNoSelect) || has(imap.MailboxAttrNonExistent) || has(imap.MailboxAttrFlagged) || has(imap.MailboxAttrImportant) {
		return r, false // nothing in it, or what others hold
	}
	name := strings.TrimPrefix(b.Mailbox, prefix)
	if b.Delim != 0 && b.Delim != '/' {
		name = strings.ReplaceAll(name, mail.Delimiter, "_")
		name = strings.ReplaceAll(name, string(b.Delim), mail.Delimiter)
	}
	r.to = Folder{Name: name, Use: useOf(name)}
	for attr, use := range map[imap.MailboxAttr]mail.SpecialUse{imap.MailboxAttrSent: mail.UseSent, imap.MailboxAttrDrafts: mail.UseDrafts, imap.MailboxAttrJunk: mail.UseJunk,
		imap.MailboxAttrTrash: mail.UseTrash, imap.MailboxAttrArchive: mail.UseArch} {
		if has(attr) {
			r.to.Use = use
		}
	}
	if has(imap.MailboxAttrAll) {
		r.to = Folder{Name: "Archive", Use: mail.UseArch, Anywhere: true}
	}
	if last := name[strings.LastIndex(name, mail.Delimiter)+1:]; r.to.Use != mail.NoUse && !r.to.Anywhere && strings.HasPrefix(name, "[") {
		r.to.Name = last // "[Gmail]/Sent Mail"
	}
	return r, true
}

// wanted keeps the folders that were asked for.
func (v *visit) wanted(list []remote) ([]remote, error) {
	if len(v.cfg.Folders) == 0 {
		return list, nil
	}
	var out []remote
	for _, name := range v.cfg.Folders {
		i := slices.IndexFunc(list, func(r remote) bool {
			return r.name == name || strings.EqualFold(r.name, mail.Inbox) && strings.EqualFold(name, mail.Inbox)
		})
		if i < 0 {
			return nil, mail.Errorf(mail.NotFound, "%s has no folder %q", v.cfg.Host, cut(name))
		}
		out = append(out, list[i])
	}
	return out, nil
}

// count finds out how much there is. A server that does not say is none the worse.
func (v *visit) count(list []remote) {
	total := int64(0)
	for i := range list {
		v.conn.allow(pageRoom)
		s, err := v.client.Status(list[i].name, &imap.StatusOptions{NumMessages: true}).Wait()
		if err != nil || s.NumMessages == nil {
			continue
		}
		list[i].count = int64(*s.NumMessages)
		total += list[i].count
	}
	v.d.Total(total)
}

// what names a message to people.
func what(folder string, uid imap.UID) string { return fmt.Sprintf("%s, message %d", folder, uid) }
