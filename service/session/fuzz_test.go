package session

import (
	"encoding/base64"
	"strconv"
	"testing"
)

// FuzzCookie reads cookie values that anybody may send: what is taken for one is spelt the one way it is made.
func FuzzCookie(f *testing.F) {
	f.Add("1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("9223372036854775807.__________________________________________8")
	f.Add("-1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")
	f.Add(".")
	f.Fuzz(func(t *testing.T, cookie string) {
		id, token, ok := parse(cookie)
		if !ok {
			return
		}
		if id <= 0 || len(token) != tokenLength || strconv.FormatInt(int64(id), 10)+"."+base64.RawURLEncoding.EncodeToString(token) != cookie {
			t.Errorf("%q is read as %d and %x", cookie, id, token)
		}
	})
}
