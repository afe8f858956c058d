package tls

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/postrider/postrider/mail"
)

// The kinds of notes that keep what certificates need: files by path, and locks by name.
const (
	fileNotes = "acme"
	lockNotes = "acme-lock"
)

// vault is certmagic's storage in the notes that all nodes share, so that what one node ordered all of them show. A note holds its whole
// path before its value, because a path that is longer than a note's key may be is cut and ended by its hash.
//
// What it holds is secret: the keys of certificates and of the account.
type vault struct {
	notes   mail.Notes
	journal mail.Journal
	clock   mail.Clock

	mu   sync.Mutex
	held map[string]*lease
}

var _ certmagic.Storage = (*vault)(nil)

func newVault(notes mail.Notes, journal mail.Journal, clock mail.Clock) *vault {
	return &vault{notes: notes, journal: journal, clock: clock, held: map[string]*lease{}}
}

// cut is how much of a long path a note's key begins with: the rest of the key is "#" and a hash.
const cut = mail.MaxNoteKey - 1 - 2*sha256.Size

func noteKey(path string) string {
	if len(path) <= cut {
		return path
	}
	sum := sha256.Sum256([]byte(path))
	return path[:cut] + "#" + hex.EncodeToString(sum[:])
}

func seal(path string, value []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(len(path)))
	return append(append(b, path...), value...)
}

func unseal(n mail.Note) (path string, value []byte, err error) {
	size, head := binary.Uvarint(n.Value)
	if head <= 0 || size > uint64(len(n.Value)-head) {
		return "", nil, mail.Errorf(mail.Internal, "the note %s %q is damaged", fileNotes, n.Key)
	}
	rest := n.Value[head:]
	return string(rest[:size]), rest[size:], nil
}

func (v *vault) put(path string, value []byte) mail.PutNote {
	return mail.PutNote{Note: mail.Note{Kind: fileNotes, Key: noteKey(path), Value: seal(path, value), N: v.clock.Now().UnixMilli()}}
}

func (v *vault) commit(ctx context.Context, changes ...mail.Change) error {
	_, err := v.journal.Commit(ctx, mail.ChangeSet{Changes: changes})
	return err
}

// Store implements certmagic.Storage. A value that no note can hold is refused: Invalid.
func (v *vault) Store(ctx context.Context, path string, value []byte) error {
	p := v.put(path, value)
	if len(p.Note.Value) > mail.MaxNote {
		return mail.Errorf(mail.Invalid, "%d octets are too many for a certificate's file", len(value))
	}
	return v.commit(ctx, p)
}

// Load implements certmagic.Storage.
func (v *vault) Load(ctx context.Context, path string) ([]byte, error) {
	_, value, err := v.get(ctx, path)
	return value, err
}

func (v *vault) get(ctx context.Context, path string) (mail.Note, []byte, error) {
	n, err := v.notes.Note(ctx, fileNotes, noteKey(path))
	switch {
	case mail.Is(err, mail.NotFound):
		return n, nil, &fs.PathError{Op: "load", Path: path, Err: fs.ErrNotExist}
	case err != nil:
		return n, nil, err
	}
	_, value, err := unseal(n)
	return n, value, err
}

// below calls each for the files below a directory, in the order of their notes, until it gives false. The root is "".
func (v *vault) below(ctx context.Context, dir string, each func(path string, n mail.Note) bool) error {
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	q := mail.NoteQuery{Kind: fileNotes, Prefix: prefix[:min(len(prefix), cut)]}
	for {
		list, err := v.notes.Notes(ctx, q)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, n := range list {
			path, _, err := unseal(n)
			if err != nil {
				return err
			}
			if strings.HasPrefix(path, prefix) && !each(path, n) {
				return nil
			}
		}
		q.After = list[len(list)-1].Key
	}
}

// Delete implements certmagic.Storage: a file, or a directory with all below it.
func (v *vault) Delete(ctx context.Context, path string) error {
	gone := []mail.Change{mail.RemoveNote{Kind: fileNotes, Key: noteKey(path)}}
	err := v.below(ctx, path, func(_ string, n mail.Note) bool {
		gone = append(gone, mail.RemoveNote{Kind: fileNotes, Key: n.Key})
		return true
	})
	if err != nil {
		return err
	}
	return v.commit(ctx, gone...)
}

// Exists implements certmagic.Storage.
func (v *vault) Exists(ctx context.Context, path string) bool {
	_, err := v.Stat(ctx, path)
	return err == nil
}

// List implements certmagic.Storage.
func (v *vault) List(ctx context.Context, dir string, recursive bool) ([]string, error) {
	dir = strings.Trim(dir, "/")
	var out []string
	err := v.below(ctx, dir, func(path string, _ mail.Note) bool {
		if !recursive {
			skip := 0
			if dir != "" {
				skip = len(dir) + 1
			}
			first, _, _ := strings.Cut(path[skip:], "/")
			path = path[:skip] + first
		}
		out = append(out, path)
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) == 0 {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	return out, nil
}

// Stat implements certmagic.Storage.
func (v *vault) Stat(ctx context.Context, path string) (certmagic.KeyInfo, error) {
	n, value, err := v.get(ctx, path)
	if err == nil {
		return certmagic.KeyInfo{Key: path, Modified: time.UnixMilli(n.N), Size: int64(len(value)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	found := false
	if below := v.below(ctx, path, func(string, mail.Note) bool { found = true; return false }); below != nil {
		return certmagic.KeyInfo{}, below
	}
	if !found {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: path}, nil
}
