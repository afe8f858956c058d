package factor

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what authenticator apps know
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Parameters of codes: those every authenticator app takes for granted.
const (
	totpPeriod = 30 * time.Second
	totpDigits = 6
	totpSecret = 20 // octets, RFC 4226 4 R6
	totpSkew   = 1  // steps before and after the present one, RFC 6238 5.2
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

func newTOTPSecret() []byte {
	b := make([]byte, totpSecret)
	rand.Read(b) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
	return b
}

// totpStep is the number of a time's step (RFC 6238 4.2).
func totpStep(t time.Time) int64 { return t.Unix() / int64(totpPeriod/time.Second) }

// totpCode is the code of a step (RFC 4226 5.3).
func totpCode(secret []byte, step int64) string {
	m := hmac.New(sha1.New, secret)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(step))) //nolint:gosec // steps are not negative since 1970
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}

// totpMatch finds the step whose code it is, of those that are allowed now and later than last; false when there is none. It looks at all of
// them, whatever it finds.
func totpMatch(secret []byte, code string, now time.Time, last int64) (int64, bool) {
	found, ok := int64(0), false
	for step := totpStep(now) - totpSkew; step <= totpStep(now)+totpSkew; step++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, step)), []byte(code)) == 1 && step > last {
			found, ok = step, true
		}
	}
	return found, ok
}

// isCode tells a code of an app from a recovery code, by its look.
func isCode(s string) bool {
	if len(s) != totpDigits {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// totpURI is what the QR code of a secret holds.
func totpURI(issuer, address string, secret []byte) string {
	q := url.Values{"secret": {base32Text.EncodeToString(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	// Apps show a plus sign as it is.
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + address, RawQuery: query}
	return u.String()
}
