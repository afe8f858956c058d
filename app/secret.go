package app

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/postrider/postrider/infra/durable"
	"github.com/postrider/postrider/mail"
)

// installationSecret reads the secret of this installation, or makes it. Made-up answers for names that do
// not exist come from it, so it must stay the same.
func installationSecret(data string) ([]byte, error) {
	const length = 32
	name := filepath.Join(data, "secret")
	b, err := os.ReadFile(name)
	switch {
	case err == nil && len(b) == length:
		return b, nil
	case err == nil:
		return nil, mail.Errorf(mail.Invalid, "%s is damaged: it must hold %d octets; remove it, and a new one is made", name, length)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, mail.Errorf(mail.Unavailable, "the secret of this installation cannot be read: %w", err)
	}
	b = make([]byte, length)
	rand.Read(b) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	if err := durable.WriteFile(name, b, 0o600); err != nil {
		return nil, mail.Errorf(mail.Unavailable, "the secret of this installation cannot be written: %w", err)
	}
	return b, nil
}
