package webpush

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"

	"github.com/postrider/postrider/mail"
)

// Key is the key pair that an installation signs with (RFC 8292 2).
type Key struct {
	private *ecdsa.PrivateKey
	public  string
}

// kindKey and keyKey name the note it is kept in.
const (
	kindKey = "vapid"
	keyKey  = "key"
)

// tokenLife is how long a token holds; a push service takes at most 24 hours (RFC 8292 2).
const tokenLife = 12 * time.Hour

// LoadKey reads the installation's key pair, and makes it where there is none. Of several nodes that make one at the same time, one's stays.
func LoadKey(ctx context.Context, notes mail.Notes, journal mail.Journal) (*Key, error) {
	for range 2 {
		n, err := notes.Note(ctx, kindKey, keyKey)
		if err == nil {
			return parseKey(n.Value)
		}
		if !mail.Is(err, mail.NotFound) {
			return nil, err
		}
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return nil, err
		}
		_, err = journal.Commit(ctx, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: mail.Note{Kind: kindKey, Key: keyKey, Value: der}, If: mail.NoteAbsent}}})
		if err != nil && !mail.Is(err, mail.Exists) {
			return nil, err
		}
	}
	return nil, mail.Errorf(mail.Unavailable, "the key for push messages cannot be read")
}

func parseKey(der []byte) (*Key, error) {
	v, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "the key for push messages cannot be read: %w", err)
	}
	private, ok := v.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, mail.Errorf(mail.Internal, "the key for push messages is none of P-256")
	}
	public, err := private.PublicKey.ECDH()
	if err != nil {
		return nil, mail.Errorf(mail.Internal, "the key for push messages cannot be read: %w", err)
	}
	return &Key{private: private, public: base64.RawURLEncoding.EncodeToString(public.Bytes())}, nil
}

// Public is the public key as clients give it to their push service: the point, uncompressed, in base64 of the URL alphabet (RFC 8292 3.2).
func (k *Key) Public() string { return k.public }

// authorization is the field that says whose a message is (RFC 8292 3). audience is the origin of the push service, subject how its people reach ours.
func (k *Key) authorization(audience, subject string, now time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub,omitempty"`
	}{audience, now.Add(tokenLife).Unix(), subject})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", err
	}
	return "vapid t=" + text + "." + enc.EncodeToString(signature(r, s)) + ", k=" + k.public, nil
}

// signature is r and s as JWS has them (RFC 7518 3.4).
func signature(r, s *big.Int) []byte {
	const half = 32
	b := make([]byte, 2*half)
	r.FillBytes(b[:half])
	s.FillBytes(b[half:])
	return b
}
