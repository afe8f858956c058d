package webpush

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
)

// The example of RFC 8291 5, with the keys of RFC 8291 Appendix A.
const (
	plainText  = "When I grow up, I want to be a watermelon"
	ourPrivate = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
	uaPrivate  = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
	uaPublic   = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	authSecret = "BTBZMqHH6r4Tts7J_aSIgg"
	salt       = "DGv6ra1nlYgDCS1FRnbzlw"
	wantBody   = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

func raw(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hmac256 and expand are HKDF as RFC 8291 3.3 writes it out, beside the library that Encrypt uses.
func hmac256(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

// decrypt is a browser's side (RFC 8291 3.4, RFC 8188 2).
func decrypt(t testing.TB, body []byte, private *ecdh.PrivateKey, auth []byte) []byte {
	t.Helper()
	if len(body) < headSize+tagSize+1 || binary.BigEndian.Uint32(body[16:]) != recordSize || body[20] != pointSize || len(body) > recordSize {
		t.Fatalf("%d octets do not begin as a message: %x", len(body), body[:min(len(body), 21)])
	}
	theirs, err := ecdh.P256().NewPublicKey(body[21:headSize])
	if err != nil {
		t.Fatal(err)
	}
	shared, err := private.ECDH(theirs)
	if err != nil {
		t.Fatal(err)
	}
	info := append([]byte("WebPush: info\x00"), private.PublicKey().Bytes()...)
	info = append(append(info, theirs.Bytes()...), 1)
	prk := hmac256(body[:16], hmac256(hmac256(auth, shared), info))
	block, err := aes.NewCipher(hmac256(prk, []byte("Content-Encoding: aes128gcm\x00\x01"))[:16])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, hmac256(prk, []byte("Content-Encoding: nonce\x00\x01"))[:12], body[headSize:], nil)
	if err != nil {
		t.Fatal(err)
	}
	plain = bytes.TrimRight(plain, "\x00")
	if len(plain) == 0 || plain[len(plain)-1] != 2 {
		t.Fatal("the record is not the last one")
	}
	return plain[:len(plain)-1]
}

// TestVector is the example of RFC 8291 5, octet by octet.
func TestVector(t *testing.T) {
	t.Parallel()
	k, err := ParseKeys(uaPublic, authSecret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdh.P256().NewPrivateKey(raw(t, ourPrivate))
	if err != nil {
		t.Fatal(err)
	}
	got, err := encrypt([]byte(plainText), k, private, raw(t, salt), 0)
	if err != nil || base64.RawURLEncoding.EncodeToString(got) != wantBody {
		t.Errorf("%s %v", base64.RawURLEncoding.EncodeToString(got), err)
	}
	ua, err := ecdh.P256().NewPrivateKey(raw(t, uaPrivate))
	if err != nil {
		t.Fatal(err)
	}
	if got := decrypt(t, raw(t, wantBody), ua, raw(t, authSecret)); string(got) != plainText {
		t.Errorf("the browser reads %q", got)
	}
}

// TestEncrypt: messages of every length are read by the browser, no two are alike, and their length tells little.
func TestEncrypt(t *testing.T) {
	t.Parallel()
	ua, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := raw(t, authSecret)
	k, err := ParseKeys(base64.URLEncoding.EncodeToString(ua.PublicKey().Bytes()), authSecret+"==") // with padding, as some programs write it
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, Block - 2, Block - 1, Block, 1000, MaxPlain - 1, MaxPlain} {
		plain := bytes.Repeat([]byte("x"), n)
		body, err := Encrypt(plain, k)
		if err != nil {
			t.Fatal(n, err)
		}
		again, err := Encrypt(plain, k)
		if err != nil || bytes.Equal(body[:headSize], again[:headSize]) {
			t.Errorf("%d octets are encrypted twice alike: %v", n, err)
		}
		if got := decrypt(t, body, ua, auth); !bytes.Equal(got, plain) {
			t.Errorf("%d octets became %q", n, got)
		}
		if (len(body)-headSize-tagSize)%Block != 0 && len(body) != recordSize {
			t.Errorf("%d octets of %d", len(body), n)
		}
	}
	if _, err := Encrypt(make([]byte, MaxPlain+1), k); err == nil {
		t.Error("a message that is too long was encrypted")
	}
}

// TestParseKeys refuses what is none (RFC 8291 2).
func TestParseKeys(t *testing.T) {
	t.Parallel()
	point := raw(t, uaPublic)
	off := bytes.Clone(point)
	off[64] ^= 1
	for name, k := range map[string][2]string{
		"no base64": {"%%", authSecret}, "short": {"AAAA", authSecret}, "not on the curve": {base64.RawURLEncoding.EncodeToString(off), authSecret},
		"compressed": {base64.RawURLEncoding.EncodeToString(append([]byte{2}, point[1:33]...)), authSecret}, "short secret": {uaPublic, "AAAA"}, "no secret": {uaPublic, ""},
		"infinity": {"AA", authSecret},
	} {
		if _, err := ParseKeys(k[0], k[1]); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// FuzzParseKeys takes any keys: those that are taken encrypt.
func FuzzParseKeys(f *testing.F) {
	f.Add(uaPublic, authSecret)
	f.Add(uaPublic+"=", authSecret+"==")
	f.Fuzz(func(t *testing.T, p256dh, auth string) {
		k, err := ParseKeys(p256dh, auth)
		if err != nil {
			return
		}
		if _, err := Encrypt([]byte("x"), k); err != nil {
			t.Fatal(err)
		}
	})
}

// shelf keeps one note.
type shelf struct {
	mu    sync.Mutex
	value []byte
	made  int
}

func (s *shelf) Note(context.Context, string, string) (mail.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value == nil {
		return mail.Note{}, mail.Errorf(mail.NotFound, "no note")
	}
	return mail.Note{Value: s.value}, nil
}

func (s *shelf) Notes(context.Context, mail.NoteQuery) ([]mail.Note, error) { return nil, nil }

func (s *shelf) Commit(_ context.Context, set mail.ChangeSet) (mail.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put := set.Changes[0].(mail.PutNote)
	if put.If != mail.NoteAbsent || s.value != nil {
		return mail.Receipt{}, &mail.ChangeError{Err: mail.Errorf(mail.Exists, "there is one")}
	}
	s.value = put.Note.Value
	s.made++
	return mail.Receipt{}, nil
}

// TestLoadKey: nodes that begin at the same time have one key.
func TestLoadKey(t *testing.T) {
	t.Parallel()
	var s shelf
	var wait sync.WaitGroup
	public := make([]string, 8)
	for i := range public {
		wait.Go(func() {
			k, err := LoadKey(t.Context(), &s, &s)
			if err != nil {
				t.Error(err)
				return
			}
			public[i] = k.Public()
		})
	}
	wait.Wait()
	for _, p := range public {
		if p != public[0] || len(p) != 87 || s.made != 1 {
			t.Errorf("keys %q, made %d", public, s.made)
		}
	}
	s.value = []byte("none")
	if _, err := LoadKey(t.Context(), &s, &s); err == nil {
		t.Error("what is no key was read")
	}
}

// plainClient asks whatever server the test has.
type plainClient struct{ *http.Client }

func (plainClient) CheckURL(*url.URL) error { return nil }

// verify holds an Authorization to RFC 8292 2 and RFC 8292 3.
func verify(t *testing.T, field, audience string, now time.Time) {
	t.Helper()
	token, key, ok := strings.Cut(strings.TrimPrefix(field, "vapid t="), ", k=")
	parts := strings.Split(token, ".")
	if !ok || len(parts) != 3 {
		t.Fatalf("%q", field)
	}
	var head struct{ Typ, Alg string }
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	if json.Unmarshal(raw(t, parts[0]), &head) != nil || json.Unmarshal(raw(t, parts[1]), &claims) != nil || head.Alg != "ES256" || head.Typ != "JWT" {
		t.Fatalf("%q", token)
	}
	if life := time.Unix(claims.Exp, 0).Sub(now); claims.Aud != audience || claims.Sub != "mailto:postmaster@one.example" || life <= 0 || life > 24*time.Hour {
		t.Errorf("%+v", claims)
	}
	point, sig := raw(t, key), raw(t, parts[2])
	public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(point[1:33]), Y: new(big.Int).SetBytes(point[33:])}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(sig) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature does not hold")
	}
}

// TestSend: what a push service is sent, and what is made of its answers (RFC 8030 5, RFC 8292 3, RFC 8620 7.2).
func TestSend(t *testing.T) {
	t.Parallel()
	var s shelf
	key, err := LoadKey(t.Context(), &s, &s)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for path, want := range map[string]Result{
		"/201": {Outcome: Taken, Status: 201}, "/404": {Outcome: Gone, Status: 404}, "/410": {Outcome: Gone, Status: 410}, "/429?ra=120": {Outcome: Later, Status: 429, Retry: 2 * time.Minute},
		"/503": {Outcome: Later, Status: 503}, "/503?ra=999999999": {Outcome: Later, Status: 503, Retry: maxRetry}, "/503?ra=-5": {Outcome: Later, Status: 503},
		"/503?ra=Fri,+31+Dec+1999+23:59:59+GMT": {Outcome: Later, Status: 503}, "/413": {Outcome: Refused, Status: 413}, "/307": {Outcome: Refused, Status: 307}, "/400": {Outcome: Refused, Status: 400},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			ua, err := ecdh.P256().NewPrivateKey(raw(t, uaPrivate))
			if err != nil {
				t.Fatal(err)
			}
			var seen *http.Request
			var body []byte
			srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = r
				body, _ = io.ReadAll(r.Body)
				if ra := r.URL.Query().Get("ra"); ra != "" {
					w.Header().Set("Retry-After", ra)
				}
				w.WriteHeader(int(r.URL.Path[1]-'0')*100 + int(r.URL.Path[2]-'0')*10 + int(r.URL.Path[3]-'0'))
			}))
			defer srv.Close()
			client := srv.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			sender := New(Config{Client: plainClient{client}, Key: key, Subject: "mailto:postmaster@one.example"})
			k, err := ParseKeys(uaPublic, authSecret)
			if err != nil {
				t.Fatal(err)
			}
			got := sender.Send(t.Context(), Message{URL: srv.URL + path, Keys: &k, Body: []byte(plainText), TTL: time.Hour, Urgency: "high", Topic: "abc"})
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			h := seen.Header
			if seen.Method != "POST" || h.Get("TTL") != "3600" || h.Get("Urgency") != "high" || h.Get("Topic") != "abc" || h.Get("Content-Encoding") != "aes128gcm" || h.Get("Content-Type") != "application/json" {
				t.Errorf("%s %v", seen.Method, h)
			}
			verify(t, h.Get("Authorization"), srv.URL, now)
			if got := decrypt(t, body, ua, raw(t, authSecret)); string(got) != plainText {
				t.Errorf("the browser reads %q", got)
			}
		})
	}
}

// TestCheckURL: RFC 8620 7.2.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	s := New(Config{Client: plainClient{http.DefaultClient}})
	for _, u := range []string{"http://a.example/", "https:/a", "https://", "//a.example/", "ftp://a.example/", "https://a.example/#x", "https:a.example", "https://a.example/" + strings.Repeat("x", maxURL), "%"} {
		if err := s.CheckURL(u); err == nil {
			t.Errorf("%.50s was taken", u)
		}
	}
	if err := s.CheckURL("https://push.example/abc?d=e"); err != nil {
		t.Error(err)
	}
}
