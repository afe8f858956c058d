package importer

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of a zip file.
const (
	maxDirectory = 96 << 20 // octets of its list of files
	maxGrowth    = 100      // how many times its size may come out of it
	growthRoom   = 64 << 20
	maxSmall     = 16 << 20 // octets of a file that says something about others
)

// runZip brings everything in a zip file that looks like mail.
func runZip(ctx context.Context, d *Deposit, r io.ReaderAt, size int64) error {
	listing := &budget{r: r, left: maxDirectory}
	z, err := zip.NewReader(listing, size)
	switch {
	case errors.Is(err, errBudget):
		return mail.Errorf(mail.TooLarge, "the zip file has too many files in it; part it into several")
	case err != nil:
		return mail.Errorf(mail.Invalid, "this is no zip file, or a damaged one: %w", err)
	}
	listing.off = true
	a := archive{d: d, left: size*maxGrowth + growthRoom}
	a.plan(z)
	d.Total(a.total)
	return a.run(ctx)
}

var errBudget = errors.New("too much was read")

// budget bounds how much is read for the list of files.
type budget struct {
	r    io.ReaderAt
	left int64
	off  bool
}

func (b *budget) ReadAt(p []byte, at int64) (int, error) {
	if !b.off {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, errBudget
		}
	}
	return b.r.ReadAt(p, at)
}

// archive is a zip file that is being brought.
type archive struct {
	d     *Deposit
	files []item
	total int64 // octets, packed
	done  int64
	left  int64 // octets that may still come out
	index map[string]*zip.File

	folder   string
	letters  map[byte]string // keywords of the Maildir
	lines    *jsonLines      // what is known of the .eml files of a folder
	closeOld func()
}

// item is one file with mail in it.
type item struct {
	*zip.File
	layout layout
	folder Folder
	dir    string // of the Maildir or of the .eml files
}

// layout is how a file holds mail.
type layout uint8

const (
	notMail layout = iota
	oneMessage
	oneMaildir
	manyMbox
	unknown // by its contents
)

// plan says which file is what and where it goes.
func (a *archive) plan(z *zip.Reader) {
	a.index = map[string]*zip.File{}
	for _, f := range z.File {
		name := strings.ReplaceAll(f.Name, `\`, "/")
		if !strings.HasSuffix(name, "/") {
			a.index[name] = f
		}
	}
	names := newNames(a.index)
	for name, f := range a.index {
		l := layoutOf(name)
		if l == notMail {
			continue
		}
		folder, dir := names.folder(name, l)
		a.files = append(a.files, item{File: f, layout: l, folder: folder, dir: dir})
		a.total += int64(min(f.CompressedSize64, 1<<50)) //nolint:gosec // bounded
	}
	slices.SortFunc(a.files, func(x, y item) int {
		if c := strings.Compare(x.dir, y.dir); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
}

func (a *archive) run(ctx context.Context) error {
	defer a.leave()
	if len(a.files) == 0 {
		return mail.Errorf(mail.Invalid, "there is no mail in the zip file: no .eml, no mbox, no Maildir")
	}
	for _, it := range a.files {
		if err := a.bring(ctx, it); err != nil {
			return err
		}
		a.done += int64(min(it.CompressedSize64, 1<<50)) //nolint:gosec // bounded
		a.d.Done(a.done)
	}
	return nil
}

func (a *archive) leave() {
	if a.closeOld != nil {
		a.closeOld()
	}
	a.closeOld, a.letters, a.lines = nil, nil, nil
}

// bring takes one file.
func (a *archive) bring(ctx context.Context, it item) error {
	if it.dir != a.folder {
		a.leave()
		a.folder = it.dir
		a.enter(it)
	}
	f, err := it.Open()
	if err != nil {
		a.d.Failed(it.Name, "it cannot be unpacked: "+err.Error())
		return nil
	}
	defer f.Close()
	in := bufio.NewReaderSize(&grown{r: f, left: &a.left}, 4<<10)
	if it.layout == unknown {
		if top, _ := in.Peek(5); string(top) != "From " {
			a.d.Failed(it.Name, "it is no mail")
			return nil
		}
		it.layout = manyMbox
	}
	if err := a.d.Folder(ctx, it.folder); err != nil {
		return err
	}
	m := Message{What: it.Name, Else: it.Modified}
	switch it.layout {
	case manyMbox:
		err := addMbox(ctx, a.d, it.Name, in, func(int64) {})
		if fault(err) {
			a.d.Failed(it.Name, "it cannot be unpacked further: "+err.Error())
			return nil
		}
		return err
	case oneMaildir:
		m.Flags, m.Received = maildirName(it.Name, a.letters)
	case oneMessage:
		m.Flags, m.Received = a.lines.of(it.Name)
	case notMail, unknown:
	}
	return a.d.Add(ctx, m, in)
}

// fault reports damage of the zip file itself, which ends one file of it and not the import.
func fault(err error) bool {
	var known *mail.Error
	return err != nil && !errors.As(err, &known) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// enter reads what stands beside the messages of a folder.
func (a *archive) enter(it item) {
	switch it.layout {
	case oneMaildir:
		a.letters = map[byte]string{}
		f := a.index[join(it.dir, "dovecot-keywords")]
		if f == nil {
			return
		}
		text, err := small(f, 64<<10)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(text)) {
			var n int
			var word string
			if _, err := fmt.Sscanf(line, "%d %s", &n, &word); err == nil && n >= 0 && n < 26 {
				a.letters[byte('a'+n)] = word
			}
		}
	case oneMessage:
		if f := a.index[join(it.dir, "messages.jsonl")]; f != nil {
			if r, err := f.Open(); err == nil {
				a.lines = newJSONLines(&grown{r: r, left: &a.left})
				a.closeOld = func() { r.Close() } //nolint:errcheck // it was only read
			}
		}
	case manyMbox, notMail, unknown:
	}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// small reads a file that is not to be large.
func small(f *zip.File, most int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, most))
}

// grown bounds what comes out of a zip file in all.
type grown struct {
	r    io.Reader
	left *int64
}

func (g *grown) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if *g.left -= int64(n); *g.left < 0 {
		return 0, mail.Errorf(mail.Denied, "much more comes out of the zip file than any mail would; it is not read further")
	}
	return n, err
}

// maildirLetters are the flags of a Maildir's file names.
var maildirLetters = map[byte]string{'D': `\Draft`, 'F': `\Flagged`, 'P': "$Forwarded", 'R': `\Answered`, 'S': `\Seen`, 'T': `\Deleted`}

// maildirName reads flags and time of a Maildir's file name. Programs that cannot have ":" in names use others.
func maildirName(name string, letters map[byte]string) (flags []string, received time.Time) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	for _, mark := range []string{":2,", ";2,", "!2,", "_2,"} {
		i := strings.LastIndex(base, mark)
		if i < 0 {
			continue
		}
		for _, c := range []byte(base[i+len(mark):]) {
			if f := maildirLetters[c]; f != "" {
				flags = append(flags, f)
			} else if word := letters[c]; word != "" {
				flags = append(flags, word)
			}
		}
		break
	}
	var seconds int64
	if _, err := fmt.Sscanf(base, "%d.", &seconds); err == nil && seconds > 1e8 && seconds < 1e11 {
		received = time.Unix(seconds, 0).UTC()
	}
	return flags, received
}
