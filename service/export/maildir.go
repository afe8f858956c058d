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

	letters []string // keywords, in the order of their letters
	dropped int      // keywords without a letter
}

func (d *maildir) mailbox(account string, b Mailbox) (string, error) {
	if d.taken == nil {
		d.taken = map[string]unique{}
	}
	if d.taken[account] == nil {
		d.taken[account] = unique{}
	}
	folder := d.taken[account].name(maildirName(b.Name))
	if b.Name != mail.Inbox && strings.Contains(b.Name, ".") {
		d.w.Note("%s %q is in the folder %s, because a Maildir has no dots in names", b.Account, b.Name, folder)
	}
	path := filepath.Join(account, folder)
	d.dir = filepath.Join(d.w.root, path)
	d.name = fmt.Sprintf("V%d", b.UIDValidity)
	d.letters, d.dropped = nil, 0
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
	base := fmt.Sprintf("%d.%sU%d.postrider,S=%d", max(0, m.Received.Unix()), d.name, m.UID, m.Size)
	name := base + ":2," + d.flags(m.Flags)
	path := filepath.Join(d.dir, "cur", name)
	if before, ok := d.there[base]; ok {
		if before != name {
			err = os.Rename(filepath.Join(d.dir, "cur", before), path)
		}
		return true, err
	}
	return false, copyWhole(path, filepath.Join(d.dir, "tmp", base), m, r)
}

// flags are a file name's letters: capitals in their order, then those of keywords.
func (d *maildir) flags(flags []string) string {
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
		i := slices.Index(d.letters, f)
		if i < 0 {
			if len(d.letters) == maxLetters {
				d.dropped++
				continue
			}
			i = len(d.letters)
			d.letters = append(d.letters, f)
		}
		words = append(words, byte('a'+i))
	}
	slices.Sort(words)
	return string(append(out, words...))
}

// end writes which letter stands for which keyword, as Dovecot does.
func (d *maildir) end() error {
	if d.dropped > 0 {
		d.w.Note("in %s more than %d different keywords are used; %d times one was left out", d.dir, maxLetters, d.dropped)
	}
	if len(d.letters) == 0 {
		return nil
	}
	var b strings.Builder
	for i, word := range d.letters {
		fmt.Fprintf(&b, "%d %s\n", i, word)
	}
	d.letters, d.dropped = nil, 0
	return os.WriteFile(filepath.Join(d.dir, "dovecot-keywords"), []byte(b.String()), 0o600)
}
