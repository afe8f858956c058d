package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// facts are what is asked of a message before its text.
type facts struct {
	uid       imap.UID
	flags     []string
	date      time.Time
	size      int64
	messageID string
}

// folder brings the messages of one folder, and tells how many it had. errLost: it is to be tried again.
func (v *visit) folder(ctx context.Context, f remote) (int64, error) {
	v.conn.allow(pageRoom)
	selected, err := v.client.Select(f.name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return 0, v.trouble(ctx, f.name, "it cannot be opened", err)
	}
	if err := v.d.Folder(ctx, f.to); err != nil {
		return 0, err
	}
	if selected.NumMessages == 0 {
		return 0, nil
	}
	v.conn.allow(listRoom)
	found, err := v.client.UIDSearch(&imap.SearchCriteria{}, nil).Wait()
	if err != nil {
		return 0, v.trouble(ctx, f.name, "its messages cannot be listed", err)
	}
	uids, _ := found.All.(imap.UIDSet)
	n, most := int64(0), int64(selected.NumMessages)+1000 // what came meanwhile
	var page imap.UIDSet
	inPage := 0
	for _, r := range uids {
		if r.Start == 0 || r.Stop == 0 || r.Stop < r.Start {
			continue
		}
		for uid := r.Start; n < most; uid++ {
			page.AddNum(uid)
			n++
			if inPage++; inPage == pageSize {
				if err := v.page(ctx, f, page); err != nil {
					return 0, err
				}
				v.d.Done(v.before + n)
				page, inPage = nil, 0
			}
			if uid == r.Stop {
				break
			}
		}
	}
	if inPage > 0 {
		if err := v.page(ctx, f, page); err != nil {
			return 0, err
		}
	}
	v.d.Done(v.before + n)
	return n, nil
}

// trouble sorts an error: the connection's, or one that only the folder has.
func (v *visit) trouble(ctx context.Context, folder, what string, err error) error {
	var said *imap.Error
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.As(err, &said) && said.Type != imap.StatusResponseTypeBye {
		v.d.Failed(folder, what+": "+said.Text)
		return nil
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// page brings some messages.
func (v *visit) page(ctx context.Context, f remote, uids imap.UIDSet) error {
	list, err := v.facts(uids)
	if err != nil {
		return v.trouble(ctx, f.name, "some of its messages cannot be asked for", err)
	}
	for _, m := range list {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		name := what(f.name, m.uid)
		if v.tried[name] >= 2 {
			if v.tried[name] == 2 {
				v.tried[name]++
				v.d.Failed(name, "the connection is lost whenever it is asked for")
			}
			continue
		}
		has, err := v.d.Has(ctx, m.messageID, m.size)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		if m.size > v.d.store.Max {
			v.d.Failed(name, "it is longer than the "+octets(v.d.store.Max)+" a message can have")
			continue
		}
		r := &pieces{v: v, ctx: ctx, uid: m.uid}
		if err := v.d.Add(ctx, Message{What: name, Flags: m.flags, Received: m.date}, r); err != nil {
			if errors.Is(err, errLost) {
				v.tried[name]++
			}
			return err
		}
	}
	return nil
}

var messageIDField = &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Message-ID"}, Peek: true}

// facts asks for flags, dates, sizes and identifiers.
func (v *visit) facts(uids imap.UIDSet) ([]facts, error) {
	v.conn.allow(pageRoom)
	cmd := v.client.Fetch(uids, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{messageIDField}})
	var out []facts
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		f := facts{}
		for item := m.Next(); item != nil; item = m.Next() {
			switch x := item.(type) {
			case imapclient.FetchItemDataUID:
				f.uid = x.UID
			case imapclient.FetchItemDataFlags:
				for _, flag := range x.Flags {
					f.flags = append(f.flags, string(flag))
				}
			case imapclient.FetchItemDataInternalDate:
				f.date = x.Time
			case imapclient.FetchItemDataRFC822Size:
				f.size = x.Size
			case imapclient.FetchItemDataBodySection:
				if x.Literal == nil {
					continue
				}
				text, err := literal(x.Literal, 8<<10)
				if err != nil {
					return nil, err
				}
				h, _ := message.ParseHeader(text)
				if ids := message.ParseMessageIDs(h.Get("Message-ID")); len(ids) > 0 {
					f.messageID = ids[0]
				}
			}
		}
		if f.uid != 0 && len(out) < pageSize {
			out = append(out, f)
		}
	}
	return out, cmd.Close()
}

// pieces reads a message a piece at a time, so that no server can make us hold more than one.
type pieces struct {
	v     *visit
	ctx   context.Context //nolint:containedctx // of the reading
	uid   imap.UID
	at    int64
	piece []byte
	last  bool
}

// Read implements io.Reader. Its errors are errLost, or what the server says of the message.
func (p *pieces) Read(b []byte) (int, error) {
	for len(p.piece) == 0 {
		if p.last {
			return 0, io.EOF
		}
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.piece)
	p.piece = p.piece[n:]
	return n, nil
}

func (p *pieces) next() error {
	section := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Offset: p.at, Size: pieceSize}}
	p.v.conn.allow(pieceSize + pieceRoom)
	cmd := p.v.client.Fetch(imap.UIDSetNum(p.uid), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	var got []byte
	found := false
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			if x, ok := item.(imapclient.FetchItemDataBodySection); ok && x.Literal != nil && !found {
				found = true
				var broken error
				if got, broken = literal(x.Literal, pieceSize+1); broken != nil {
					return p.lost(broken)
				}
			}
		}
	}
	err := cmd.Close()
	var said *imap.Error
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case errors.As(err, &said) && said.Type != imap.StatusResponseTypeBye:
		return mail.Errorf(mail.Unavailable, "the server does not give it: %s", cut(said.Text))
	case err != nil:
		return fmt.Errorf("%w: %w", errLost, err)
	case !found && p.at == 0:
		return mail.Errorf(mail.NotFound, "it is gone, or the server does not give it")
	case len(got) > pieceSize:
		return mail.Errorf(mail.Invalid, "the server gives more of it than was asked for")
	}
	p.at += int64(len(got))
	p.piece, p.last = got, len(got) < pieceSize
	return nil
}

// lost is the error of a connection that broke, unless it was called off.
func (p *pieces) lost(err error) error {
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	return err
}

// literal reads at most so many octets of what a server sends. After an error (errLost) the command must be left as it is: to go on with it, or to
// close it, would read the literal once more beside the client's own reading.
func literal(r imap.LiteralReader, most int64) ([]byte, error) {
	got, err := io.ReadAll(io.LimitReader(r, most))
	if err == nil && int64(len(got)) < min(most, r.Size()) { // a connection that ends looks like the end
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return got, err
}

// link is a connection to a server that may say only so much at a time, and must say something in time.
type link struct {
	net.Conn
	left atomic.Int64
}

// patience is how long a server may take to begin an answer.
const patience = 5 * time.Minute

func newLink(c net.Conn) *link { return &link{Conn: c} }

// allow says how much may come until it is called again, overhead of TLS and lines included.
func (l *link) allow(n int64) { l.left.Store(n + n/8 + 64<<10) }

func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.left.Add(-int64(n)) < 0 {
		return 0, errors.New("the server says much more than it was asked for")
	}
	return n, err
}

// SetReadDeadline makes no end of waiting one after all.
func (l *link) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(patience)
	}
	return l.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (l *link) SetDeadline(t time.Time) error {
	if err := l.SetReadDeadline(t); err != nil {
		return err
	}
	return l.SetWriteDeadline(t)
}

// ParseTLS reads the word for how TLS begins: "implicit" or "starttls".
func ParseTLS(word string) (startTLS bool, err error) {
	switch strings.ToLower(word) {
	case "", "implicit":
		return false, nil
	case "starttls":
		return true, nil
	}
	return false, mail.Errorf(mail.Invalid, "%q is no way to begin TLS; there are implicit and starttls", cut(word))
}
