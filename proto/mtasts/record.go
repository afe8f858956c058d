package mtasts

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Name gives the name whose TXT record tells that a domain has a policy. RFC 8461 3.1.
func Name(domain string) string { return "_mta-sts." + domain }

// Host is the host the policy is fetched from, and URL the whole of it. RFC 8461 3.3.
func Host(domain string) string { return "mta-sts." + domain }

// URL is where the policy of a domain is.
func URL(domain string) string { return "https://" + Host(domain) + "/.well-known/mta-sts.txt" }

const maxRecord = 8 << 10

// Errors of ParseRecord; each means that the DNS tells of no policy. A cached one counts all the same. RFC 8461 3.1.
var (
	ErrNoRecord    = errors.New("the domain has no MTA-STS record")
	ErrManyRecords = errors.New("the domain has more than one MTA-STS record, so none of them counts")
	ErrBadRecord   = errors.New("the MTA-STS record is not sound (it should look like v=STSv1; id=20261124T10)")
)

// ParseRecord reads the TXT records found at Name, the strings of each joined, and gives the identifier of the present policy.
// RFC 8461 3.1, RFC 8461 3.2 (unknown and doubled fields).
func ParseRecord(texts []string) (id string, err error) {
	record, found := "", false
	for _, text := range texts {
		version, rest, more := strings.Cut(text, ";")
		if !more || strings.TrimRight(version, " \t") != "v=STSv1" || len(text) > maxRecord {
			continue
		}
		if found {
			return "", ErrManyRecords
		}
		record, found = rest, true
	}
	if !found {
		return "", ErrNoRecord
	}
	for field := range strings.SplitSeq(record, ";") {
		field = strings.Trim(field, " \t")
		if field == "" {
			continue
		}
		name, value, ok := strings.Cut(field, "=")
		switch {
		case !ok || !isExtensionName(name) || !isExtensionValue(value):
			return "", ErrBadRecord
		case name == "id" && id == "":
			if id = value; !isID(id) {
				return "", ErrBadRecord
			}
		}
	}
	if id == "" {
		return "", ErrBadRecord
	}
	return id, nil
}

// FormatRecord writes the record for an identifier of 1 to 32 letters and digits. RFC 8461 3.1.
func FormatRecord(id string) (string, error) {
	if !isID(id) {
		return "", ErrBadRecord
	}
	return "v=STSv1; id=" + id, nil
}

// ID makes the identifier of a policy of ours from what it says, so that it changes when the policy does and never else. RFC 8461 8.1.
func ID(p Policy) string {
	sum := sha256.Sum256([]byte(p.String()))
	return hex.EncodeToString(sum[:12])
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isID(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// isExtensionName reports the name of a field of a record or a policy. RFC 8461 3.1.
func isExtensionName(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && (i == 0 || strings.IndexByte("_-.", s[i]) < 0) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// isExtensionValue reports the value of a field of a record. RFC 8461 3.1.
func isExtensionValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == ';' || c == '=' {
			return false
		}
	}
	return s != ""
}
