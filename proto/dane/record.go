package dane

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Usage says what a record constrains (RFC 7218 2.1).
type Usage uint8

// The usages. Only the last two count for mail.
const (
	PKIXTA Usage = 0
	PKIXEE Usage = 1
	DANETA Usage = 2
	DANEEE Usage = 3
)

// Selector says which part of a certificate is compared (RFC 7218 2.2).
type Selector uint8

// The selectors.
const (
	Cert Selector = 0 // the whole certificate
	SPKI Selector = 1 // its public key with its algorithm
)

// Matching says how it is compared (RFC 7218 2.3).
type Matching uint8

// The matching types.
const (
	Full   Matching = 0
	SHA256 Matching = 1
	SHA512 Matching = 2
)

// Record is the data of a TLSA record (RFC 6698 2.1). Numbers that are not known are kept.
type Record struct {
	Usage    Usage
	Selector Selector
	Matching Matching
	Data     []byte
}

// maxData bounds a record's data: DNS has room for no more.
const maxData = 65535 - 3

// ErrRecord is what Parse and ParseWire wrap.
var ErrRecord = errors.New("not a TLSA record")

// Parse reads a record as a zone file has it: three numbers and hexadecimal digits, which may be in groups (RFC 6698 2.2).
func Parse(s string) (Record, error) {
	if len(s) > 4*maxData {
		return Record{}, fmt.Errorf("%w: it is too long", ErrRecord)
	}
	f := strings.Fields(s)
	if len(f) < 4 {
		return Record{}, fmt.Errorf("%w: it needs usage, selector, matching type and data", ErrRecord)
	}
	var n [3]uint8
	for i := range n {
		v, err := strconv.ParseUint(f[i], 10, 8)
		if err != nil {
			return Record{}, fmt.Errorf("%w: %q is not a number from 0 to 255", ErrRecord, clip(f[i]))
		}
		n[i] = uint8(v)
	}
	data, err := hex.DecodeString(strings.Join(f[3:], ""))
	if err != nil || len(data) == 0 || len(data) > maxData {
		return Record{}, fmt.Errorf("%w: its data is not an even number of hexadecimal digits", ErrRecord)
	}
	return Record{Usage(n[0]), Selector(n[1]), Matching(n[2]), data}, nil
}

func clip(s string) string { return s[:min(len(s), 20)] }

// String writes a record as a zone file has it.
func (r Record) String() string {
	return fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.Matching, r.Data)
}

// ParseWire reads a record's octets (RFC 6698 2.1). The result keeps none of them.
func ParseWire(b []byte) (Record, error) {
	if len(b) < 4 || len(b) > maxData+3 {
		return Record{}, fmt.Errorf("%w: it has %d octets", ErrRecord, len(b))
	}
	return Record{Usage(b[0]), Selector(b[1]), Matching(b[2]), append([]byte(nil), b[3:]...)}, nil
}

// Wire writes a record's octets.
func (r Record) Wire() []byte {
	return append([]byte{byte(r.Usage), byte(r.Selector), byte(r.Matching)}, r.Data...)
}

// Usable reports a record that can authenticate a mail server (RFC 7672 3.1, RFC 7671 4): of a usage that counts, with numbers that are
// known, and data of the right length and form.
func (r Record) Usable() bool {
	if r.Usage != DANETA && r.Usage != DANEEE {
		return false
	}
	switch {
	case r.Selector != Cert && r.Selector != SPKI:
		return false
	case r.Matching == SHA256:
		return len(r.Data) == sha256.Size
	case r.Matching == SHA512:
		return len(r.Data) == sha512.Size
	case r.Matching != Full:
		return false
	case r.Selector == Cert:
		_, err := x509.ParseCertificate(r.Data)
		return err == nil
	}
	_, err := x509.ParsePKIXPublicKey(r.Data)
	return err == nil
}

// maxRecords bounds how many records of one server are looked at.
const maxRecords = 64

// Select gives the records that count. Of several digests for one usage and selector only the strongest do (RFC 7671 9), so that a
// weak one cannot undo a strong one.
func Select(all []Record) []Record {
	type group struct {
		Usage
		Selector
	}
	strongest := map[group]Matching{}
	var usable []Record
	for _, r := range all[:min(len(all), maxRecords)] {
		if !r.Usable() {
			continue
		}
		usable = append(usable, r)
		g := group{r.Usage, r.Selector}
		strongest[g] = max(strongest[g], r.Matching)
	}
	out := usable[:0]
	for _, r := range usable {
		if r.Matching == Full || r.Matching == strongest[group{r.Usage, r.Selector}] {
			out = append(out, r)
		}
	}
	return out
}

// Own composes the record to publish for a server's certificate: 3 1 1, the SHA-256 of its key, which outlives renewals that
// keep the key (RFC 7671 5.1, RFC 7672 3.1.1).
func Own(cert *x509.Certificate) Record { return OwnKey(cert.RawSubjectPublicKeyInfo) }

// OwnKey is Own for a key that has no certificate yet, in the form of a certificate's SubjectPublicKeyInfo.
func OwnKey(spki []byte) Record {
	sum := sha256.Sum256(spki)
	return Record{DANEEE, SPKI, SHA256, sum[:]}
}

// OwnerName is where the records of a server on a TCP port are: "_25._tcp." before its base domain (RFC 6698 3).
func OwnerName(base string, port uint16) string {
	return "_" + strconv.Itoa(int(port)) + "._tcp." + base
}
