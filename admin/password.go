package admin

import "crypto/rand"

// Generated passwords are four groups of five letters and digits that cannot be mistaken for one another: 99 bits, easy to read out.
const (
	passwordAlphabet = "abcdefghjkmnpqrstuvwxyz23456789"
	passwordGroups   = 4
	passwordGroup    = 5
)

func generatePassword() string {
	const fair = 256 - 256%len(passwordAlphabet) // bytes from here on would favour the first letters
	out := make([]byte, 0, passwordGroups*(passwordGroup+1))
	var b [1]byte
	for n := 0; n < passwordGroups*passwordGroup; {
		rand.Read(b[:]) //nolint:errcheck // crypto/rand.Read never fails (Go 1.24)
		if int(b[0]) >= fair {
			continue
		}
		if n > 0 && n%passwordGroup == 0 {
			out = append(out, '-')
		}
		out = append(out, passwordAlphabet[int(b[0])%len(passwordAlphabet)])
		n++
	}
	return string(out)
}
