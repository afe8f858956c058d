package importer

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"io"
	"path"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/imap"
)

// layoutOf tells by its name how a file holds mail.
func layoutOf(name string) layout {
	base, lower := path.Base(name), strings.ToLower(path.Base(name))
	parent := strings.ToLower(path.Base(path.Dir(name)))
	switch {
	case strings.HasPrefix(name, "__MACOSX/") || strings.HasPrefix(base, "."):
		return notMail
	case parent == "cur" || parent == "new":
		return oneMaildir
	case strings.HasSuffix(lower, ".eml"):
		return oneMessage
	case strings.HasSuffix(lower, ".mbox"), strings.HasSuffix(lower, ".mbx"), lower == "mbox":
		return manyMbox
	}
	switch lower { // what lies beside mail
	case "export.json", "export-report.txt", "messages.jsonl", "maildirfolder", "subscriptions", "dovecot-keywords", "dovecot-uidlist", "table_of_contents", "thumbs.db", "desktop.ini":
		return notMail
	}
	if parent == "tmp" || strings.HasPrefix(lower, "dovecot") {
		return notMail
	}
	switch path.Ext(lower) {
	case "": // as Thunderbird names them
		return unknown
	case ".msf", ".dat", ".html", ".htm", ".json", ".jsonl", ".vcf", ".ics", ".csv", ".xml", ".plist", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".db", ".sqlite", ".index", ".lock", ".zip", ".gz", ".md":
		return notMail
	}
	return unknown
}

// names finds the mailboxes that files belong to.
type names struct {
	exported map[string]Folder // by path, from the list of an export of ours
	root     string            // what all paths have in front
	maildir  string            // the same of Maildirs
}

func newNames(index map[string]*zip.File) *names {
	n := &names{}
	first, firstMaildir := true, true
	for name := range index {
		if path.Base(name) == "export.json" && n.exported == nil {
			n.read(index[name], path.Dir(name))
		}
		dir := path.Dir(name)
		switch layoutOf(name) {
		case notMail:
		case oneMaildir:
			dir = path.Dir(dir)
			n.maildir = common(n.maildir, dir, firstMaildir)
			firstMaildir = false
		default:
			n.root = common(n.root, dir, first)
			first = false
		}
	}
	return n
}

// common is what two directories have in common.
func common(a, b string, first bool) string {
	if b == "." {
		b = ""
	}
	if first {
		return b
	}
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	i := 0
	for i < len(x) && i < len(y) && x[i] == y[i] {
		i++
	}
	return strings.Join(x[:i], "/")
}

// read takes the list of mailboxes of an export of ours (service/export Summary).
func (n *names) read(f *zip.File, dir string) {
	text, err := small(f, maxSmall)
	if err != nil {
		return
	}
	var list struct {
		Format    string `json:"format"`
		Mailboxes []struct {
			Name       string `json:"name"`
			Use        string `json:"use"`
			Path       string `json:"path"`
			Subscribed bool   `json:"subscribed"`
		} `json:"mailboxes"`
	}
	if json.Unmarshal(text, &list) != nil || list.Format == "" {
		return
	}
	n.exported = map[string]Folder{}
	for _, b := range list.Mailboxes {
		if dir != "." {
			b.Path = dir + "/" + b.Path
		}
		n.exported[strings.TrimSuffix(b.Path, "/")] = Folder{Name: b.Name, Use: mail.SpecialUse(b.Use), Unsubscribed: !b.Subscribed}
	}
}

// folder is the mailbox of a file, and the directory of its messages.
func (n *names) folder(name string, l layout) (Folder, string) {
	dir := path.Dir(name)
	if l == oneMaildir {
		dir = path.Dir(dir)
	}
	if dir == "." {
		dir = ""
	}
	at := dir
	if l == manyMbox || l == unknown {
		at, dir = name, name
	}
	if f, ok := n.exported[at]; ok {
		return known(f), dir
	}
	switch l {
	case oneMaildir:
		return maildirFolder(below(dir, n.maildir)), dir
	case oneMessage:
		rel := below(dir, n.root)
		if rel == "" {
			rel = path.Base("/" + n.root)
		}
		return named(strings.Trim(rel, "/")), dir
	}
	rel := below(name, n.root)
	if base := path.Base(rel); strings.EqualFold(base, "mbox") && path.Dir(rel) != "." { // as Apple Mail does it
		rel = path.Dir(rel)
	}
	return named(rel), dir
}

// known holds the use in a list to those there are.
func known(f Folder) Folder {
	switch f.Use {
	case mail.UseInbox:
		f.Name = mail.Inbox
	case mail.UseSent, mail.UseDrafts, mail.UseJunk, mail.UseTrash, mail.UseArch:
	default:
		f.Use = mail.NoUse
	}
	return f
}

func below(name, root string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
}

// named makes a folder of a path.
func named(rel string) Folder {
	levels := strings.Split(rel, "/")
	for i, l := range levels {
		for _, end := range []string{".sbd", ".mbox", ".mbx"} {
			if k := len(l) - len(end); k > 0 && strings.EqualFold(l[k:], end) {
				l = l[:k]
			}
		}
		levels[i] = l
	}
	name := strings.Join(levels, mail.Delimiter)
	if name == "" {
		name = "Imported"
	}
	return Folder{Name: name, Use: useOf(name)}
}

// maildirFolder makes a folder of a Maildir's place below the first: Maildir++ has all of them beside one another, with dots between their levels and
// names in modified UTF-7 (RFC 3501 5.1.3).
func maildirFolder(rel string) Folder {
	if rel == "" {
		return Folder{Name: mail.Inbox, Use: mail.UseInbox}
	}
	var levels []string
	for part := range strings.SplitSeq(rel, "/") {
		dotted, ok := strings.CutPrefix(part, ".")
		if !ok {
			levels = append(levels, part)
			continue
		}
		for l := range strings.SplitSeq(dotted, ".") {
			if s, err := imap.DecodeUTF7(l); err == nil {
				l = s
			}
			levels = append(levels, strings.ReplaceAll(l, mail.Delimiter, "_"))
		}
	}
	name := strings.Join(levels, mail.Delimiter)
	return Folder{Name: name, Use: useOf(name)}
}

// jsonLines is what an export of ours knows of its .eml files: a line each, in their order.
type jsonLines struct {
	in   *bufio.Scanner
	file string
	line jsonLine
}

type jsonLine struct {
	File     string    `json:"file"`
	Flags    []string  `json:"flags"`
	Received time.Time `json:"received"`
}

func newJSONLines(r io.Reader) *jsonLines {
	l := &jsonLines{in: bufio.NewScanner(r)}
	l.in.Buffer(make([]byte, 0, 4<<10), 64<<10)
	return l
}

// of gives flags and time of a file. Files are asked for in ascending order of their names.
func (l *jsonLines) of(name string) ([]string, time.Time) {
	if l == nil {
		return nil, time.Time{}
	}
	base := path.Base(name)
	for l.file < base && l.in.Scan() {
		var line jsonLine
		if json.Unmarshal(l.in.Bytes(), &line) == nil && line.File != "" {
			l.line, l.file = line, line.File
		}
	}
	if l.file != base {
		return nil, time.Time{}
	}
	return l.line.Flags, l.line.Received
}
