package export

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
)

// maildirFlags are the letters of a Maildir's file names, in the order they must have.
var maildirFlags = [...]struct {
	flag   string
	letter byte
}{{`\Draft`, 'D'}, {`\Flagged`, 'F'}, {"$Forwarded", 'P'}, {`\Answered`, 'R'}, {`\Seen`, 'S'}, {`\Deleted`, 'T'}}

// maxLetters is how many keywords a Maildir has letters for.
const maxLetters = 26

// maildir writes Maildir++: root/ADDRESS is the INBOX, root/ADDRESS/.Name another mailbox.
type maildir struct {
	w     *Writer
	taken map[string]unique // of each account
	dir   string            // of the mailbox
	name  string            // what every message's name has in it: the UIDVALIDITY
	there map[string]string // messages of an earlier run: what is before the flags, and the whole name

	words keywords
}

// keywords are those used in one Maildir.
type keywords struct {
	letters []string // in the order of their letters
	dropped int      // how often one had none
}

func (d *maildir) mailbox(account string, b Mailbox) (string, error) {
	if d.taken == nil {
		d.taken = map[string]unique{}
	}
	if d.taken[account] == nil {
		d.taken[account] = unique{}
	}
	folder := d.taken[account].name(maildirName(b.Name))
	noteDots(b, folder, d.w.Note)
	path := filepath.Join(account, folder)
	d.dir = filepath.Join(d.w.root, path)
	d.name = fmt.Sprintf("V%d", b.UIDValidity)
	d.words = keywords{}
	// The account's root is a Maildir too, also where its INBOX is not among what is exported: without one nobody looks for folders in it.
	for _, p := range []string{filepath.Join(d.w.root, account), d.dir} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(p, sub), 0o700); err != nil {
				return path, err
			}
		}
	}
	if folder != "" { // says that it is a folder of the Maildir above it
		if err := os.WriteFile(filepath.Join(d.dir, "maildirfolder"), nil, 0o600); err != nil {
			return path, err
		}
	}
	return path, d.remember()
}

// noteDots tells where a mailbox is that cannot be called in a Maildir as it is.
func noteDots(b Mailbox, folder string, tell func(string, ...any)) {
	if b.Name != mail.Inbox && strings.Contains(b.Name, ".") {
		tell("%s %q is in the folder %s, because a Maildir has no dots in names", b.Account, b.Name, folder)
	}
}

// remember lists what an earlier run has written.
func (d *maildir) remember() error {
	d.there = nil
	if !d.w.opt.Resume {
		return nil
	}
	d.there = map[string]string{}
	entries, err := os.ReadDir(filepath.Join(d.dir, "cur"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		base, _, _ := strings.Cut(e.Name(), ":2,")
		d.there[base] = e.Name()
	}
	return nil
}

func (d *maildir) message(m Message, r io.Reader) (kept bool, err error) {
	base := maildirBase(d.name, m)
	name := base + ":2," + d.words.flags(m.Flags)
	path := filepath.Join(d.dir, "cur", name)
	if before, ok := d.there[base]; ok {
		if before != name {
			err = os.Rename(filepath.Join(d.dir, "cur", before), path)
		}
		return true, err
	}
	return false, copyWhole(path, filepath.Join(d.dir, "tmp", base), m, r)
}

// maildirBase is a message's name without its flags. in is what all of its mailbox have in them.
func maildirBase(in string, m Message) string {
	return fmt.Sprintf("%d.%sU%d.postrider,S=%d", max(0, m.Received.Unix()), in, m.UID, m.Size)
}

// flags are a file name's letters: capitals in their order, then those of keywords.
func (k *keywords) flags(flags []string) string {
	var out, words []byte
	for _, f := range maildirFlags {
		if slices.Contains(flags, f.flag) {
			out = append(out, f.letter)
		}
	}
	for _, f := range flags {
		if strings.HasPrefix(f, `\`) || f == "$Forwarded" {
			continue
		}
		i := slices.Index(k.letters, f)
		if i < 0 {
			if len(k.letters) == maxLetters {
				k.dropped++
				continue
			}
			i = len(k.letters)
			k.letters = append(k.letters, f)
		}
		words = append(words, byte('a'+i))
	}
	slices.Sort(words)
	return string(append(out, words...))
}

// end writes which letter stands for which keyword, as Dovecot does.
func (d *maildir) end() error {
	words := d.words
	d.words = keywords{}
	words.note(d.dir, d.w.Note)
	if len(words.letters) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(d.dir, keywordsName), []byte(words.file()), 0o600)
}

// keywordsName is the file that tells keywords by their letters.
const keywordsName = "dovecot-keywords"

func (k *keywords) file() string {
	var b strings.Builder
	for i, word := range k.letters {
		fmt.Fprintf(&b, "%d %s\n", i, word)
	}
	return b.String()
}

// note tells what was left out.
func (k *keywords) note(where string, tell func(string, ...any)) {
	if k.dropped > 0 {
		tell("in %s more than %d different keywords are used; %d times one was left out", where, maxLetters, k.dropped)
	}
}
