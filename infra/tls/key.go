package tls

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/postrider/postrider/mail"
)

// PrepareKey gives the public key that the certificate of a name will have, and makes the key where there is none yet, so that a TLSA record
// can be published before the certificate is there (RFC 7671 5.1). Only Directory, Notes and Journal of the configuration matter.
func PrepareKey(ctx context.Context, a ACME, clock mail.Clock, name string) (crypto.PublicKey, error) {
	signer, err := a.key(ctx, newVault(a.Notes, a.Journal, orSystem(clock)), name)
	if err != nil {
		return nil, err
	}
	return signer.Public(), nil
}

func orSystem(c mail.Clock) mail.Clock {
	if c == nil {
		return mail.SystemClock{}
	}
	return c
}

// issuer is the word under which certmagic files what one authority gave.
func (a ACME) issuer() string {
	if a.Directory == "" {
		a.Directory = certmagic.LetsEncryptProductionCA
	}
	i := certmagic.ACMEIssuer{CA: a.Directory}
	return i.IssuerKey()
}

// key reads a name's key where certmagic will look for it, or makes it. Of two nodes that make one at the same time the first wins.
func (a ACME) key(ctx context.Context, v *vault, name string) (crypto.Signer, error) {
	file := certmagic.StorageKeys.SitePrivateKey(a.issuer(), name)
	for range 2 {
		pem, err := v.Load(ctx, file)
		if err == nil {
			return certmagic.PEMDecodePrivateKey(pem)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		fresh, err := certmagic.StandardKeyGenerator{KeyType: certmagic.P256}.GenerateKey()
		if err != nil {
			return nil, err
		}
		if pem, err = certmagic.PEMEncodePrivateKey(fresh); err != nil {
			return nil, err
		}
		p := v.put(file, pem)
		p.If = mail.NoteAbsent
		if err := v.commit(ctx, p); err != nil && !mail.Is(err, mail.Exists) {
			return nil, err
		}
	}
	return nil, mail.Errorf(mail.Unavailable, "the key of %s cannot be kept", name)
}

// AccountURI is the account that certificates are ordered with, for a CAA record (RFC 8657 3); "" before the first order.
func AccountURI(ctx context.Context, a ACME) (string, error) {
	v := newVault(a.Notes, a.Journal, mail.SystemClock{})
	files, err := v.List(ctx, path.Join("acme", certmagic.StorageKeys.Safe(a.issuer()), "users"), true)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return "", err
	}
	for _, file := range files {
		if !strings.HasSuffix(file, ".json") {
			continue
		}
		text, err := v.Load(ctx, file)
		if err != nil {
			return "", err
		}
		var account struct {
			Contact  []string `json:"contact"`
			Location string   `json:"location"`
		}
		if err := json.Unmarshal(text, &account); err != nil {
			return "", mail.Errorf(mail.Internal, "the ACME account's note is damaged: %w", err)
		}
		if a.Email == "" || strings.EqualFold(strings.Join(account.Contact, ","), "mailto:"+a.Email) {
			return account.Location, nil
		}
	}
	return "", nil
}
