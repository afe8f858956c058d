package imap

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/postrider/postrider/infra/bus"
	"github.com/postrider/postrider/mail"
)

// fake keeps mail in memory under the contracts of package mail.
type fake struct {
	mu      sync.Mutex
	bus     *bus.Bus
	account mail.Account
	boxes   []*fakeBox
	msgs    map[mail.EmailID]mail.Message
	blobs   map[mail.BlobID][]byte
	damaged map[mail.BlobID]bool
	next    int64
	open    int // bodies that were created and not discarded, and readers
}

type fakeBox struct {
	mail.Mailbox
	placed []mail.Placement
	gone   []fakeGone
}

type fakeGone struct {
	uid    uint32
	modseq uint64
}

func newFake() *fake {
	f := &fake{bus: bus.New(), msgs: map[mail.EmailID]mail.Message{}, blobs: map[mail.BlobID][]byte{}, damaged: map[mail.BlobID]bool{}, next: 100}
	f.account = mail.Account{ID: 1, Address: "ann@example.org"}
	for _, b := range []mail.NewMailbox{{Name: "INBOX", Use: mail.UseInbox, Subscribed: true}, {Name: "Sent", Use: mail.UseSent, Subscribed: true}, {Name: "Trash", Use: mail.UseTrash}} {
		f.create(b)
	}
	return f
}

func (f *fake) id() int64 { f.next++; return f.next }

func (f *fake) create(b mail.NewMailbox) *fakeBox {
	box := &fakeBox{Mailbox: mail.Mailbox{ID: mail.MailboxID(f.id()), Account: 1, Name: b.Name, Use: b.Use, Subscribed: b.Subscribed,
		UIDValidity: uint32(1000 + f.next), UIDNext: 1, ModSeq: f.account.ModSeq}}
	f.boxes = append(f.boxes, box)
	slices.SortFunc(f.boxes, func(a, b *fakeBox) int {
		if a.Name == "INBOX" {
			return -1
		}
		if b.Name == "INBOX" {
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return box
}

func (f *fake) box(id mail.MailboxID) (*fakeBox, error) {
	for _, b := range f.boxes {
		if b.ID == id {
			return b, nil
		}
	}
	return nil, mail.Errorf(mail.NotFound, "there is no such mailbox")
}

func (b *fakeBox) counted() mail.Mailbox {
	m := b.Mailbox
	for _, p := range b.placed {
		m.Messages++
		m.Size += p.Size
		if !p.Flags.Has(mail.Seen) {
			m.Unseen++
		}
		if p.Flags.Has(mail.Deleted) {
			m.Deleted++
		}
	}
	return m
}

func (f *fake) Mailboxes(_ context.Context, id mail.AccountID) ([]mail.Mailbox, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []mail.Mailbox
	for _, b := range f.boxes {
		out = append(out, b.counted())
	}
	return out, nil
}

func (f *fake) Mailbox(_ context.Context, _ mail.AccountID, id mail.MailboxID) (mail.Mailbox, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, err := f.box(id)
	if err != nil {
		return mail.Mailbox{}, err
	}
	return b.counted(), nil
}

func (f *fake) Placements(_ context.Context, id mail.MailboxID, in mail.UIDRange, since uint64) iter.Seq2[mail.Placement, error] {
	return func(yield func(mail.Placement, error) bool) {
		f.mu.Lock()
		b, err := f.box(id)
		if err != nil {
			f.mu.Unlock()
			yield(mail.Placement{}, err)
			return
		}
		list := slices.Clone(b.placed)
		f.mu.Unlock()
		for _, p := range list {
			if in.Contains(p.UID) && p.ModSeq > since && !yield(p, nil) {
				return
			}
		}
	}
}

func (f *fake) Expunged(_ context.Context, id mail.MailboxID, since uint64) ([]mail.UIDRange, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, err := f.box(id)
	if err != nil {
		return nil, err
	}
	var uids []uint32
	for _, g := range b.gone {
		if g.modseq > since {
			uids = append(uids, g.uid)
		}
	}
	slices.Sort(uids)
	var out []mail.UIDRange
	for _, u := range uids {
		out = append(out, mail.UIDRange{First: u, Last: u})
	}
	return out, nil
}

func (f *fake) Message(_ context.Context, _ mail.AccountID, id mail.EmailID) (mail.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.msgs[id]
	if !ok {
		return m, mail.Errorf(mail.NotFound, "no such message")
	}
	return m, nil
}

func (f *fake) Messages(ctx context.Context, id mail.MailboxID, in mail.UIDRange) iter.Seq2[mail.PlacedMessage, error] {
	return func(yield func(mail.PlacedMessage, error) bool) {
		for p, err := range f.Placements(ctx, id, in, 0) {
			if err != nil {
				yield(mail.PlacedMessage{}, err)
				return
			}
			m, err := f.Message(ctx, 1, p.Email)
			if !yield(mail.PlacedMessage{UID: p.UID, Message: m}, err) {
				return
			}
		}
	}
}

func (f *fake) PlacementsOf(context.Context, mail.AccountID, mail.EmailID) ([]mail.Placement, error) {
	return nil, nil
}

// Commit applies a set; each change either happens or fails before it did anything.
func (f *fake) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.account.ModSeq++
	var rc mail.Receipt
	for i, ch := range set.Changes {
		r, err := f.apply(ch)
		if err != nil {
			return mail.Receipt{}, &mail.ChangeError{Index: i, Err: err}
		}
		r.ModSeq = f.account.ModSeq
		rc.Results = append(rc.Results, r)
	}
	f.bus.Publish(mail.Topic{Kind: mail.TopicAccount, Account: 1})
	return rc, nil
}

func (f *fake) apply(ch mail.Change) (mail.Result, error) {
	var r mail.Result
	switch ch := ch.(type) {
	case mail.CreateMailbox:
		for _, b := range f.boxes {
			if b.Name == ch.Name {
				return r, mail.Errorf(mail.Exists, "there is a mailbox %q", ch.Name)
			}
		}
		b := f.create(ch.NewMailbox)
		return mail.Result{Mailbox: b.ID, UIDValidity: b.UIDValidity}, nil
	case mail.RenameMailbox:
		b, err := f.box(ch.Mailbox)
		if err != nil {
			return r, err
		}
		old := b.Name
		for _, o := range f.boxes {
			if o.Name == ch.Name {
				return r, mail.Errorf(mail.Exists, "there is a mailbox %q", ch.Name)
			}
		}
		for _, o := range f.boxes {
			if o == b || strings.HasPrefix(o.Name, old+"/") {
				o.Name = ch.Name + o.Name[len(old):]
			}
		}
		return r, nil
	case mail.DeleteMailbox:
		f.boxes = slices.DeleteFunc(f.boxes, func(b *fakeBox) bool { return b.ID == ch.Mailbox })
		return r, nil
	case mail.Subscribe:
		b, err := f.box(ch.Mailbox)
		if err == nil {
			b.Subscribed = ch.On
		}
		return r, err
	case mail.AddMessage:
		return f.add(ch)
	case mail.SetFlags:
		return f.setFlags(ch)
	case mail.Expunge:
		b, err := f.box(ch.Mailbox)
		if err != nil {
			return r, err
		}
		r.Expunged = f.remove(b, ch.UIDs, ch.OnlyDeleted)
		return r, nil
	case mail.CopyMessages:
		return f.copy(ch.From, ch.To, ch.UIDs)
	case mail.MoveMessages:
		r, err := f.copy(ch.From, ch.To, ch.UIDs)
		if err == nil {
			b, _ := f.box(ch.From)
			r.Expunged = f.remove(b, ch.UIDs, false)
		}
		return r, err
	}
	return r, mail.Errorf(mail.Internal, "the fake does not know %T", ch)
}

func inAny(rs []mail.UIDRange, uid uint32) bool {
	return slices.ContainsFunc(rs, func(r mail.UIDRange) bool { return r.Contains(uid) })
}

func (f *fake) remove(b *fakeBox, uids []mail.UIDRange, onlyDeleted bool) (out []mail.UIDRange) {
	b.placed = slices.DeleteFunc(b.placed, func(p mail.Placement) bool {
		if !inAny(uids, p.UID) || onlyDeleted && !p.Flags.Has(mail.Deleted) {
			return false
		}
		b.gone = append(b.gone, fakeGone{p.UID, f.account.ModSeq})
		out = append(out, mail.UIDRange{First: p.UID, Last: p.UID})
		b.ModSeq = f.account.ModSeq
		return true
	})
	return out
}

func (f *fake) copy(from, to mail.MailboxID, uids []mail.UIDRange) (r mail.Result, err error) {
	src, err := f.box(from)
	if err != nil {
		return r, err
	}
	dst, err := f.box(to)
	if err != nil {
		return r, err
	}
	r.Mailbox, r.UIDValidity = dst.ID, dst.UIDValidity
	for _, p := range slices.Clone(src.placed) {
		if inAny(uids, p.UID) {
			old := p.UID
			p.Mailbox, p.UID, p.ModSeq = dst.ID, dst.UIDNext, f.account.ModSeq
			dst.UIDNext++
			dst.ModSeq = f.account.ModSeq
			dst.placed = append(dst.placed, p)
			r.Copied = append(r.Copied, mail.UIDPair{From: old, To: p.UID})
		}
	}
	return r, nil
}

func (f *fake) add(ch mail.AddMessage) (r mail.Result, err error) {
	b, err := f.box(ch.Mailbox)
	if err != nil {
		return r, err
	}
	size := int64(len(ch.Prefix)) + ch.Body.Size()
	if ch.CheckQuota && f.account.Quota > 0 && f.account.Used+size > f.account.Quota {
		return r, mail.Errorf(mail.OverQuota, "the account is full")
	}
	f.account.Used += size
	blob, email := mail.BlobID(f.id()), mail.EmailID(f.id())
	f.blobs[blob] = ch.Body.(*fakeBody).data
	f.msgs[email] = mail.Message{ID: email, Account: 1, Thread: mail.ThreadID(email), Blob: blob, Prefix: ch.Prefix, Size: size, Summary: ch.Summary}
	p := mail.Placement{Mailbox: b.ID, UID: b.UIDNext, Email: email, Thread: mail.ThreadID(email), ModSeq: f.account.ModSeq, Flags: ch.Flags,
		Size: size, Received: ch.Received.UTC(), Saved: ch.Saved}
	b.UIDNext++
	b.ModSeq = f.account.ModSeq
	b.placed = append(b.placed, p)
	return mail.Result{Mailbox: b.ID, UIDValidity: b.UIDValidity, UID: p.UID, Email: email, Thread: p.Thread, Blob: blob}, nil
}

func (f *fake) setFlags(ch mail.SetFlags) (r mail.Result, err error) {
	b, err := f.box(ch.Mailbox)
	if err != nil {
		return r, err
	}
	for i := range b.placed {
		p := &b.placed[i]
		if !inAny(ch.UIDs, p.UID) {
			continue
		}
		if ch.CheckModSeq && p.ModSeq > ch.UnchangedSince {
			r.Unchanged = append(r.Unchanged, mail.UIDRange{First: p.UID, Last: p.UID})
			continue
		}
		if n := combine(p.Flags, ch.Op, ch.Flags); n != p.Flags {
			p.Flags, p.ModSeq, b.ModSeq = n, f.account.ModSeq, f.account.ModSeq
		}
		r.Placements = append(r.Placements, *p)
	}
	return r, nil
}

type fakeBody struct {
	f    *fake
	data []byte
	once sync.Once
}

func (b *fakeBody) Size() int64                    { return int64(len(b.data)) }
func (b *fakeBody) Open() (mail.BlobReader, error) { return b.f.reader(b.data), nil }
func (b *fakeBody) Discard()                       { b.once.Do(func() { b.f.count(-1) }) }

type fakeWriter struct {
	f      *fake
	buf    bytes.Buffer
	sealed bool
}

func (w *fakeWriter) Write(p []byte) (int, error) { return w.buf.Write(p) }
func (w *fakeWriter) Seal() (mail.SealedBody, error) {
	w.sealed = true
	return &fakeBody{f: w.f, data: w.buf.Bytes()}, nil
}
func (w *fakeWriter) Discard() {
	if !w.sealed {
		w.sealed = true
		w.f.count(-1)
	}
}

func (f *fake) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
}

func (f *fake) Create(context.Context) (mail.BlobWriter, error) {
	f.count(1)
	return &fakeWriter{f: f}, nil
}

func (f *fake) Open(_ context.Context, id mail.BlobID) (mail.BlobReader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.damaged[id] {
		return nil, mail.Errorf(mail.Internal, "body %d is damaged", id)
	}
	f.open++
	return f.reader(f.blobs[id]), nil
}

func (f *fake) reader(b []byte) mail.BlobReader {
	return &fakeReader{bytes.NewReader(b), f}
}

type fakeReader struct {
	*bytes.Reader
	f *fake
}

func (r *fakeReader) Close() error { r.f.count(-1); return nil }

var _ io.ReaderAt = (*fakeReader)(nil)
