package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Sizes of RFC 8188 2.1 and RFC 8291 4.
const (
	recordSize = 4096
	saltSize   = 16
	pointSize  = 65
	authSize   = 16
	headSize   = saltSize + 4 + 1 + pointSize
	tagSize    = 16
	// MaxPlain is how many octets a message can have: a push service need not take more than 4096 of what is made of it (RFC 8030 7.2).
	MaxPlain = recordSize - headSize - tagSize - 1
	// Block is what messages are padded to a multiple of.
	Block = 256
)

// Keys are those of a subscription (RFC 8291 2).
type Keys struct {
	public *ecdh.PublicKey
	auth   []byte
}

// ParseKeys reads keys as a client gives them: base64 of the URL alphabet, with or without padding.
func ParseKeys(p256dh, auth string) (Keys, error) {
	point, err := unbase64(p256dh)
	if err != nil {
		return Keys{}, errors.New("p256dh is not base64 of the URL alphabet")
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return Keys{}, errors.New("p256dh is not a point of P-256, uncompressed")
	}
	secret, err := unbase64(auth)
	if err != nil || len(secret) != authSize {
		return Keys{}, fmt.Errorf("auth is not base64 of %d octets", authSize)
	}
	return Keys{public: public, auth: secret}, nil
}

func unbase64(s string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
}

// Encrypt makes the body of a request (RFC 8291 3).
func Encrypt(plain []byte, k Keys) ([]byte, error) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	pad := min((Block-(len(plain)+1)%Block)%Block, MaxPlain-len(plain))
	return encrypt(plain, k, private, salt, pad)
}

// encrypt is Encrypt with what is random given.
func encrypt(plain []byte, k Keys, private *ecdh.PrivateKey, salt []byte, pad int) ([]byte, error) {
	if len(plain) > MaxPlain {
		return nil, fmt.Errorf("a message can have %d octets", MaxPlain)
	}
	shared, err := private.ECDH(k.public)
	if err != nil {
		return nil, err
	}
	ours := private.PublicKey().Bytes()
	// RFC 8291 3.4.
	info := "WebPush: info\x00" + string(k.public.Bytes()) + string(ours)
	ikm, err := hkdf.Key(sha256.New, shared, k.auth, info, sha256.Size)
	if err != nil {
		return nil, err
	}
	gcm, nonce, err := seal(ikm, salt)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, headSize+len(plain)+1+pad+tagSize)
	body = append(body, salt...)
	body = binary.BigEndian.AppendUint32(body, recordSize)
	body = append(append(body, pointSize), ours...)
	record := append(append(make([]byte, 0, len(plain)+1+pad), plain...), 2) // the last record, RFC 8188 2
	record = append(record, make([]byte, pad)...)
	return gcm.Seal(body, nonce, record, nil), nil
}

// seal derives what a record is encrypted with (RFC 8188 2.2, RFC 8188 2.3).
func seal(ikm, salt []byte) (cipher.AEAD, []byte, error) {
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, nonce, err
}
