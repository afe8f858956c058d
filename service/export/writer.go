package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// The files an export has of its own, beside the mail.
const (
	summaryName = "export.json"
	reportName  = "export-report.txt"
	partSuffix  = ".part" // of a file that is not whole yet
)

// Options say how an export is written.
type Options struct {
	Format   Format         // "": Maildir
	Resume   bool           // go on with what an earlier run left
	Progress func(Progress) // may be nil
	Now      func() time.Time
}

// form writes one format. mailbox begins the next mailbox and gives its path below the root; end ends the one that was begun.
type form interface {
	mailbox(account string, b Mailbox) (path string, err error)
	message(m Message, r io.Reader) (kept bool, err error)
	end() error
}

// Writer is a Sink that makes files. It is for one goroutine.
type Writer struct {
	root     string
	opt      Options
	form     form
	summary  Summary
	began    time.Time
	plan     Plan
	accounts map[string]string // addresses and their directories
	taken    unique
}

var _ Sink = (*Writer)(nil)

// Create begins an export into a directory, which is made when it is missing. Exists when it holds something already, unless an earlier
// export is resumed: files that are there and whole are kept then, and Conflict says that they are of another format. Invalid for an
// unknown format.
func Create(dir string, o Options) (*Writer, error) {
	if o.Format == "" {
		o.Format = Maildir
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Writer{root: dir, opt: o, began: o.Now(), accounts: map[string]string{}, taken: unique{summaryName: true, reportName: true}}
	w.summary = Summary{Format: o.Format, Directory: dir, Mailboxes: []Written{}, Missing: []Missing{}}
	switch o.Format {
	case Maildir:
		w.form = &maildir{w: w}
	case Mbox:
		w.form = &mbox{w: w}
	case EML:
		w.form = &eml{w: w}
	default:
		return nil, mail.Errorf(mail.Invalid, "there is no format %q; choose maildir, mbox or eml", o.Format)
	}
	if err := w.claim(); err != nil {
		return nil, err
	}
	return w, nil
}

// ScratchPrefix begins the names of directories in an export that are of no use to anybody after it.
const ScratchPrefix = ".scratch-"

// claim makes the directory ours.
func (w *Writer) claim() error {
	if err := os.MkdirAll(w.root, 0o700); err != nil {
		return writing(err)
	}
	names, err := os.ReadDir(w.root)
	if err != nil {
		return writing(err)
	}
	names = slices.DeleteFunc(names, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ScratchPrefix) })
	if len(names) == 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(w.root, summaryName))
	var before Summary
	ours := err == nil && json.Unmarshal(text, &before) == nil && before.Format != ""
	switch {
	case !w.opt.Resume && ours:
		return mail.Errorf(mail.Exists, "%s holds an earlier export; go on with it by --resume, or name an empty directory", w.root)
	case !ours:
		return mail.Errorf(mail.Exists, "%s is not empty, and what is in it is no export; name an empty directory", w.root)
	case before.Format != w.opt.Format:
		return mail.Errorf(mail.Conflict, "%s holds an export of the format %s; go on with --format %s, or name an empty directory", w.root, before.Format, before.Format)
	}
	return nil
}

// writing is the error of a file that cannot be written, which ends an export.
func writing(err error) error {
	return mail.Errorf(mail.Unavailable, "the export cannot be written: %w; make room or choose another directory, and go on with --resume", err)
}

// Plan implements Sink. From then on the directory is an export, and can be resumed.
func (w *Writer) Plan(p Plan) error {
	w.plan = p
	w.tell("")
	return w.saveSummary()
}

func (w *Writer) tell(box string) {
	if w.opt.Progress != nil {
		w.opt.Progress(Progress{Mailbox: box, Messages: w.summary.Messages, Total: w.plan.Messages})
	}
}

// Mailbox implements Sink.
func (w *Writer) Mailbox(b Mailbox) error {
	if err := w.form.end(); err != nil {
		return writing(err)
	}
	dir, ok := w.accounts[b.Account]
	if !ok {
		dir = w.taken.name(component(b.Account))
		w.accounts[b.Account] = dir
		w.summary.Accounts++
	}
	path, err := w.form.mailbox(dir, b)
	if err != nil {
		return writing(err)
	}
	w.summary.Mailboxes = append(w.summary.Mailboxes, Written{Mailbox: b, Path: path})
	w.tell(b.Account + " " + b.Name)
	return nil
}

// Message implements Sink.
func (w *Writer) Message(m Message, r io.Reader) error {
	if len(w.summary.Mailboxes) == 0 {
		return mail.Errorf(mail.Invalid, "a message came before its mailbox")
	}
	in := &watched{r: r}
	kept, err := w.form.message(m, in)
	if in.err != nil {
		return in.err
	}
	if err != nil {
		return writing(err)
	}
	box := &w.summary.Mailboxes[len(w.summary.Mailboxes)-1]
	box.Exported++
	w.summary.Messages++
	w.summary.Octets += m.Size
	if kept {
		w.summary.Kept++
	}
	w.tell(box.Account + " " + box.Name)
	return nil
}

// Missing implements Sink.
func (w *Writer) Missing(m Missing) error {
	w.summary.Missing = append(w.summary.Missing, m)
	return nil
}

// Note remembers something that people should know of the export.
func (w *Writer) Note(format string, args ...any) {
	w.summary.Notes = append(w.summary.Notes, fmt.Sprintf(format, args...))
}

// Extra writes a file beside the accounts; fill gives its contents. Its name must be a path of safe names.
func (w *Writer) Extra(name string, fill func(io.Writer) error) error {
	path := filepath.Join(w.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return writing(err)
	}
	broken := error(nil)
	_, err := whole(path, path+partSuffix, func(f *os.File) error {
		broken = fill(f)
		return broken
	})
	if broken != nil {
		return broken
	}
	if err != nil {
		return writing(err)
	}
	return nil
}

// Finish ends an export that came to its end: the report is written, and everything is on stable storage when it returns.
func (w *Writer) Finish() (Summary, error) {
	if err := w.form.end(); err != nil {
		return w.summary, writing(err)
	}
	w.summary.Complete = true
	w.summary.Seconds = w.opt.Now().Sub(w.began).Seconds()
	if err := w.saveSummary(); err != nil {
		return w.summary, err
	}
	if err := w.Extra(reportName, w.report); err != nil {
		return w.summary, err
	}
	if err := syncAll(w.root); err != nil {
		return w.summary, writing(err)
	}
	return w.summary, nil
}

func (w *Writer) saveSummary() error {
	return w.Extra(summaryName, func(f io.Writer) error {
		e := json.NewEncoder(f)
		e.SetIndent("", "  ")
		return e.Encode(w.summary)
	})
}

func (w *Writer) report(f io.Writer) error { return w.summary.report(f) }

// report is the summary for people.
func (s *Summary) report(f io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Postrider wrote %d messages (%d octets) of %d accounts here as %s.\n", s.Messages, s.Octets, s.Accounts, s.Format)
	for _, box := range s.Mailboxes {
		fmt.Fprintf(&b, "  %s %q: %d messages in %s\n", box.Account, box.Name, box.Exported, box.Path)
	}
	if len(s.Missing) == 0 {
		b.WriteString("Nothing is missing.\n")
	} else {
		b.WriteString("These could not be read:\n")
		for _, m := range s.Missing {
			fmt.Fprintf(&b, "  %s\n", m)
		}
	}
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "Note: %s\n", n)
	}
	_, err := io.WriteString(f, b.String())
	return err
}

// whole makes a file under a passing name and gives it its own once fill has gone well. What fails leaves nothing.
func whole(path, passing string, fill func(f *os.File) error) (size int64, err error) {
	f, err := os.OpenFile(passing, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	err = fill(f)
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(passing, path)
	}
	if err != nil {
		_ = os.Remove(passing)
		return 0, err
	}
	return size, nil
}

// copyWhole is whole for a message, with the time it came as the file's.
func copyWhole(path, passing string, m Message, r io.Reader) error {
	_, err := whole(path, passing, func(f *os.File) error {
		_, err := io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, 64<<10))
		return err
	})
	if err != nil {
		return err
	}
	return os.Chtimes(path, m.Received, m.Received)
}
