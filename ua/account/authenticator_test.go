package account_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// authenticator is a passkey in software: an ES256 key that makes attestations of the format "none" and assertions (W3C Web
// Authentication 6.5.4, 6.3.3).
type authenticator struct {
	t        *testing.T
	key      *ecdsa.PrivateKey
	id       []byte
	handle   []byte // of the user, once it is registered
	count    uint32 // 0: it does not count
	verifies bool   // it looks who holds it
	origin   string
	rp       string
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &authenticator{t: t, key: key, id: id, count: 1, verifies: true, origin: "https://" + host, rp: host}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// cborBytes and cborText are the head of a byte string and of a text in CBOR (RFC 8949 3.1) with what follows.
func cborBytes(b []byte) []byte { return append(cborHead(2, len(b)), b...) }
func cborText(s string) []byte  { return append(cborHead(3, len(s)), s...) }

func cborHead(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 256:
		return []byte{major<<5 | 24, byte(n)}
	}
	return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
}

// cose is the public key as COSE has it (RFC 9053 7.1.1): EC2, ES256, P-256.
func (a *authenticator) cose() []byte {
	out := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}
	out = append(out, cborBytes(a.key.X.FillBytes(make([]byte, 32)))...)
	out = append(out, 0x22)
	return append(out, cborBytes(a.key.Y.FillBytes(make([]byte, 32)))...)
}

// data is the authenticator data; attested has the credential in it.
func (a *authenticator) data(attested bool) []byte {
	rp := sha256.Sum256([]byte(a.rp))
	flags := byte(0x01)
	if a.verifies {
		flags |= 0x04
	}
	if attested {
		flags |= 0x40
	}
	out := append(rp[:], flags)
	out = binary.BigEndian.AppendUint32(out, a.count)
	if attested {
		out = append(out, make([]byte, 16)...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(a.id)))
		out = append(append(out, a.id...), a.cose()...)
	}
	return out
}

func (a *authenticator) clientData(kind, challenge string) []byte {
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// options are what the page gives the browser.
type options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"user"`
	AuthenticatorSelection struct {
		ResidentKey      string `json:"residentKey"`
		UserVerification string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	UserVerification   string           `json:"userVerification"`
	AllowCredentials   []map[string]any `json:"allowCredentials"`
	ExcludeCredentials []map[string]any `json:"excludeCredentials"`
	Attestation        string           `json:"attestation"`
}

// register answers navigator.credentials.create, as RegistrationResponseJSON.
func (a *authenticator) register(o options) json.RawMessage {
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		a.t.Fatal(err)
	}
	a.handle = handle
	object := append([]byte{0xa3}, cborText("fmt")...)
	object = append(object, cborText("none")...)
	object = append(append(object, cborText("attStmt")...), 0xa0)
	object = append(object, cborText("authData")...)
	object = append(object, cborBytes(a.data(true))...)
	return a.credential(map[string]any{
		"clientDataJSON": b64(a.clientData("webauthn.create", o.Challenge)), "attestationObject": b64(object), "transports": []string{"internal"},
	})
}

// assert answers navigator.credentials.get, as AuthenticationResponseJSON. It counts one further, if it counts.
func (a *authenticator) assert(o options) json.RawMessage {
	if a.count > 0 {
		a.count++
	}
	client, data := a.clientData("webauthn.get", o.Challenge), a.data(false)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.credential(map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(a.handle),
	})
}

func (a *authenticator) credential(response map[string]any) json.RawMessage {
	b, err := json.Marshal(map[string]any{
		"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}}, "response": response,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}
