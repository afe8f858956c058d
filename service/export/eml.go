package export

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// eml writes each message as a file UID.eml, and what is known beside its text as a line of messages.jsonl.
type eml struct {
	w     *Writer
	taken unique
	dir   string
	index *os.File
	lines *bufio.Writer
}

func (e *eml) mailbox(account string, b Mailbox) (string, error) {
	if e.taken == nil {
		e.taken = unique{}
	}
	path := e.taken.name(filepath.Join(account, filepath.FromSlash(pathName(b.Name))))
	e.dir = filepath.Join(e.w.root, path)
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return path, err
	}
	f, err := os.OpenFile(e.indexName()+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return path, err
	}
	e.index, e.lines = f, bufio.NewWriter(f)
	return path, nil
}

func (e *eml) indexName() string { return filepath.Join(e.dir, indexFile) }

func (e *eml) message(m Message, r io.Reader) (kept bool, err error) {
	name := fmt.Sprintf("%08d.eml", m.UID)
	path := filepath.Join(e.dir, name)
	if e.w.opt.Resume {
		info, err := os.Stat(path)
		kept = err == nil && info.Size() == m.Size
	}
	if !kept {
		if err := copyWhole(path, path+partSuffix, m, r); err != nil {
			return false, err
		}
	}
	line, err := indexLine(name, m)
	if err != nil {
		return kept, err
	}
	_, err = e.lines.Write(line)
	return kept, err
}

// indexLine is what messages.jsonl has of one message.
func indexLine(name string, m Message) ([]byte, error) {
	line, err := json.Marshal(struct {
		File string `json:"file"`
		Message
	}{name, m})
	return append(line, '\n'), err
}

// indexFile is its name.
const indexFile = "messages.jsonl"

func (e *eml) end() error {
	if e.index == nil {
		return nil
	}
	err := errors.Join(e.lines.Flush(), e.index.Close())
	e.index = nil
	if err == nil {
		err = os.Rename(e.indexName()+partSuffix, e.indexName())
	}
	return err
}
