package importer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// Folder is a mailbox of a source.
type Folder struct {
	Name string // levels parted by mail.Delimiter
	Use  mail.SpecialUse
	// Anywhere says that it shows what is in other folders too: a message that is anywhere in the account is not brought.
	Anywhere bool
	// Unsubscribed mailboxes are made without a subscription.
	Unsubscribed bool
}

// fingerprint stands for a message in a mailbox.
type fingerprint uint64

// keyOf is the fingerprint of a message by its identifier, without brackets, and its size.
func keyOf(messageID string, size int64) fingerprint {
	return hash("m", messageID, strconv.FormatInt(size, 10))
}

// keyOfMessage is the same by an envelope. Messages without an identifier are told apart by what people see of them.
func keyOfMessage(e *message.Envelope, size int64) fingerprint {
	if e == nil {
		return hash("s", strconv.FormatInt(size, 10))
	}
	if ids := message.ParseMessageIDs(e.MessageID); len(ids) > 0 {
		return keyOf(ids[0], size)
	}
	from := ""
	for _, a := range e.From {
		from += a.Mailbox + "@" + a.Host + " "
	}
	return hash("e", e.Date, e.Subject, from, strconv.FormatInt(size, 10))
}

func hash(parts ...string) fingerprint {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return fingerprint(binary.BigEndian.Uint64(h.Sum(nil)))
}

// maxKnown bounds the fingerprints that are held of all mailboxes together: past it, those of the other mailboxes are read again when needed.
const maxKnown = 3_000_000

// box is a mailbox of the account.
type box struct {
	id     mail.MailboxID
	folder Folder               // the first that led to it
	keys   map[fingerprint]bool // of what is in it; nil: not read yet
}

// folders finds the mailboxes of an account.
type folders struct {
	store   Store
	account mail.AccountID
	byName  map[string]*box
	byUse   map[mail.SpecialUse]*box
	byID    map[mail.MailboxID]*box
	asked   map[Folder]*box
	all     bool // the fingerprints of all mailboxes were read
}

func newFolders(ctx context.Context, store Store, account mail.AccountID) (*folders, error) {
	f := &folders{store: store, account: account, byName: map[string]*box{}, byUse: map[mail.SpecialUse]*box{}, byID: map[mail.MailboxID]*box{}, asked: map[Folder]*box{}}
	return f, f.read(ctx)
}

func (f *folders) read(ctx context.Context) error {
	list, err := f.store.Mailboxes.Mailboxes(ctx, f.account)
	if err != nil {
		return err
	}
	for _, m := range list {
		b := f.byID[m.ID]
		if b == nil {
			b = &box{id: m.ID}
			f.byID[m.ID] = b
		}
		f.byName[m.Name] = b
		if m.Use != mail.NoUse {
			f.byUse[m.Use] = b
		}
	}
	return nil
}

// find gives the mailbox for a folder: the one with its use, or its name, or a new one.
func (f *folders) find(ctx context.Context, folder Folder) (*box, error) {
	folder.Name = cleanName(folder.Name)
	if folder.Name == mail.Inbox {
		folder.Use = mail.UseInbox
	}
	if b := f.asked[folder]; b != nil {
		return b, nil
	}
	b := f.there(folder)
	if b == nil {
		made := mail.NewMailbox{Name: folder.Name, Use: folder.Use, Subscribed: !folder.Unsubscribed}
		_, err := f.store.Journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.CreateMailbox{Account: f.account, NewMailbox: made}}})
		if err != nil && !mail.Is(err, mail.Exists) {
			return nil, err
		}
		if err := f.read(ctx); err != nil {
			return nil, err
		}
		if b = f.there(folder); b == nil {
			return nil, mail.Errorf(mail.Unavailable, "the mailbox %q could not be made; start again", folder.Name)
		}
	}
	if b.folder.Name == "" {
		b.folder = folder
	}
	f.asked[folder] = b
	return b, nil
}

func (f *folders) there(folder Folder) *box {
	if b := f.byUse[folder.Use]; b != nil && folder.Use != mail.NoUse {
		return b
	}
	return f.byName[folder.Name]
}

// revive makes a mailbox again that somebody deleted.
func (f *folders) revive(ctx context.Context, gone *box) error {
	for k, b := range f.byName {
		if b == gone {
			delete(f.byName, k)
		}
	}
	for k, b := range f.byUse {
		if b == gone {
			delete(f.byUse, k)
		}
	}
	delete(f.byID, gone.id)
	for k, b := range f.asked {
		if b == gone {
			delete(f.asked, k)
		}
	}
	if err := f.read(ctx); err != nil {
		return err
	}
	b, err := f.find(ctx, gone.folder)
	if err != nil {
		return err
	}
	keys := gone.keys
	*gone = *b
	gone.keys = keys
	for folder, x := range f.asked {
		if x == b {
			f.asked[folder] = gone
		}
	}
	f.byID[gone.id] = gone
	return nil
}

// known gives the fingerprints of what is in a mailbox, which are added to; with anywhere, those of all others are there as well.
func (f *folders) known(ctx context.Context, b *box, anywhere bool) (map[fingerprint]bool, error) {
	if b == nil {
		return nil, mail.Errorf(mail.Internal, "a message came before its mailbox")
	}
	if anywhere && !f.all {
		f.all = true
		for _, other := range f.byID {
			if err := f.load(ctx, other); err != nil {
				return nil, err
			}
		}
	}
	err := f.load(ctx, b)
	return b.keys, err
}

// anywhere looks through all mailboxes.
func (f *folders) anywhere(k fingerprint) bool {
	for _, b := range f.byID {
		if b.keys[k] {
			return true
		}
	}
	return false
}

func (f *folders) load(ctx context.Context, b *box) error {
	if b.keys != nil {
		return nil
	}
	held := 0
	for _, other := range f.byID {
		held += len(other.keys)
	}
	if held > maxKnown && !f.all {
		for _, other := range f.byID {
			other.keys = nil
		}
	}
	b.keys = map[fingerprint]bool{}
	var reader message.EnvelopeReader
	for m, err := range f.store.Mailboxes.Messages(ctx, b.id, mail.UIDRange{First: 1}) {
		if mail.Is(err, mail.NotFound) {
			return nil // deleted meanwhile: found out when something is put there
		}
		if err != nil {
			return err
		}
		e, err := reader.Read(m.Summary)
		if err != nil {
			continue // a damaged summary hides a duplicate, no more
		}
		b.keys[keyOfMessage(e, m.Size)] = true
	}
	return nil
}

// Bounds of a mailbox name, which every client can live with.
const (
	maxName   = 1000
	maxLevels = 20
)

// cleanName makes of what a source calls a folder a name that a mailbox can have.
func cleanName(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar || r == '*' || r == '%' || unicode.Is(unicode.Bidi_Control, r) {
			return '_'
		}
		return r
	}, name)
	var levels []string
	for l := range strings.SplitSeq(name, mail.Delimiter) {
		if l = strings.TrimSpace(l); l != "" && l != "." && l != ".." {
			levels = append(levels, l)
		}
	}
	if len(levels) > maxLevels {
		levels = append(levels[:maxLevels-1], strings.Join(levels[maxLevels-1:], "_"))
	}
	name = strings.Join(levels, mail.Delimiter)
	for len(name) > maxName {
		name = strings.TrimRight(strings.ToValidUTF8(name[:maxName], ""), mail.Delimiter+" ")
	}
	if name == "" {
		return "Imported"
	}
	if strings.EqualFold(levels[0], mail.Inbox) {
		name = mail.Inbox + name[len(levels[0]):]
	}
	return name
}

// uses are what mailboxes of a special use are commonly called, at the top level.
var uses = map[string]mail.SpecialUse{
	"sent": mail.UseSent, "sent items": mail.UseSent, "sent mail": mail.UseSent, "sent messages": mail.UseSent, "gesendet": mail.UseSent, "gesendete objekte": mail.UseSent,
	"gesendete elemente": mail.UseSent, "envoyés": mail.UseSent, "enviados": mail.UseSent, "inviata": mail.UseSent,
	"drafts": mail.UseDrafts, "draft": mail.UseDrafts, "entwürfe": mail.UseDrafts, "brouillons": mail.UseDrafts, "borradores": mail.UseDrafts, "bozze": mail.UseDrafts,
	"junk": mail.UseJunk, "spam": mail.UseJunk, "junk e-mail": mail.UseJunk, "junk mail": mail.UseJunk, "bulk mail": mail.UseJunk, "courrier indésirable": mail.UseJunk,
	"trash": mail.UseTrash, "deleted": mail.UseTrash, "deleted items": mail.UseTrash, "deleted messages": mail.UseTrash, "bin": mail.UseTrash, "papierkorb": mail.UseTrash,
	"gelöschte objekte": mail.UseTrash, "gelöschte elemente": mail.UseTrash, "corbeille": mail.UseTrash, "papelera": mail.UseTrash, "cestino": mail.UseTrash,
	"archive": mail.UseArch, "archives": mail.UseArch, "archiv": mail.UseArch,
}

// useOf guesses a mailbox's use by its name.
func useOf(name string) mail.SpecialUse { return uses[strings.ToLower(name)] }
