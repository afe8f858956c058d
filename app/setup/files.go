package setup

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/postrider/postrider/infra/durable"
	"github.com/postrider/postrider/mail"
)

// maxRead bounds files that are read, in octets.
const maxRead = 1 << 20

// disk is the files of the host. Paths are as the host has them; what is written is on the disk when a call returns.
type disk struct{ host Host }

func (d disk) real(path string) string { return filepath.Join(d.host.Root, path) }

func (d disk) before(step string) error {
	if d.host.Before == nil {
		return nil
	}
	return d.host.Before(step)
}

// read gives a file's text, and whether there is such a file.
func (d disk) read(path string) (text []byte, there bool, err error) {
	f, err := os.Open(d.real(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, trouble(err, path, "read")
	}
	defer f.Close()
	text, err = io.ReadAll(io.LimitReader(f, maxRead+1))
	if err != nil {
		return nil, false, trouble(err, path, "read")
	}
	if len(text) > maxRead {
		return nil, false, mail.Errorf(mail.TooLarge, "%s is larger than any file that setup knows; is it the right one?", path)
	}
	return text, true, nil
}

// write makes or replaces a file, whole or not at all.
func (d disk) write(path, text string, mode fs.FileMode, to *Owner) error {
	if err := d.before("write " + path); err != nil {
		return err
	}
	name := d.real(path)
	half := name + ".setup" // a name of its own, made anew: whoever may write here cannot lead us elsewhere by a link
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return trouble(err, path, "written")
	}
	f, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return trouble(err, path, "written")
	}
	_, err = io.WriteString(f, text)
	err = errors.Join(err, f.Chmod(mode), d.give(half, to), f.Sync(), f.Close())
	if err == nil {
		err = d.before("rename " + path)
	}
	if err == nil {
		err = os.Rename(half, name)
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(name))
	}
	return trouble(err, path, "written")
}

func (d disk) give(name string, to *Owner) error {
	if to == nil {
		return nil
	}
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.host.Chown(dir, filepath.Base(name), *to), dir.Close())
}

// remove takes a file away, if it is there.
func (d disk) remove(path string) error {
	if err := d.before("remove " + path); err != nil {
		return err
	}
	err := os.Remove(d.real(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return trouble(errors.Join(err, durable.SyncDir(filepath.Dir(d.real(path)))), path, "removed")
}

// directory makes a directory and those above it. The mode and the owner are of the last one, also where it is there already; a mode of 0 leaves
// one that is there as it is.
func (d disk) directory(path string, mode fs.FileMode, to *Owner) error {
	if err := d.before("directory " + path); err != nil {
		return err
	}
	name := d.real(path)
	if info, err := os.Stat(name); err == nil && info.IsDir() && mode == 0 {
		return nil
	}
	if mode == 0 {
		mode = 0o755
	}
	var made []string
	for at := name; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		made = append(made, at)
	}
	err := os.MkdirAll(name, 0o755)
	if err == nil {
		err = errors.Join(os.Chmod(name, mode), d.give(name, to))
	}
	for _, at := range made {
		if err == nil {
			err = durable.SyncDir(filepath.Dir(at))
		}
	}
	return trouble(err, path, "made")
}

// giveAll gives a directory away with all that is in it. Links are given away, not followed.
func (d disk) giveAll(path string, to *Owner) error {
	if to == nil {
		return nil
	}
	if err := d.before("owner " + path); err != nil {
		return err
	}
	dir, err := os.OpenRoot(d.real(path)) // nothing outside of it is touched, whatever whoever owns it does meanwhile
	if err != nil {
		return trouble(err, path, "given to the server's user")
	}
	err = fs.WalkDir(dir.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = d.host.Chown(dir, name, *to)
		}
		if errors.Is(err, fs.ErrNotExist) { // a server at work removes files
			return nil
		}
		return err
	})
	return trouble(errors.Join(err, dir.Close()), path, "given to the server's user")
}

// keep makes a file what it should be, unless a person has changed it: then the text goes beside it.
func (r *run) keep(path, text string, mode fs.FileMode, to *Owner) (Action, error) {
	old, there, err := r.disk.read(path)
	if err != nil {
		return "", err
	}
	action := Written
	switch {
	case there && string(old) == text:
		r.report.Files = append(r.report.Files, File{path, Unchanged})
		return Unchanged, nil
	case there && untouched(string(old)):
		action = Replaced
	case there:
		action = Beside
		r.report.Files = append(r.report.Files, File{path, Beside})
		return Beside, r.disk.write(path+".new", text, mode, to)
	}
	if err := r.disk.write(path, text, mode, to); err != nil {
		return "", err
	}
	r.report.Files = append(r.report.Files, File{path, action})
	return action, nil
}

// trouble makes an error of the disk one for people; nil stays nil.
func trouble(err error, path, what string) error {
	var known *mail.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrPermission):
		return mail.Errorf(mail.Denied, "%s cannot be %s by this user; run setup as root, or name another place: %w", path, what, err)
	}
	return mail.Errorf(mail.Unavailable, "%s cannot be %s: %w", path, what, err)
}
