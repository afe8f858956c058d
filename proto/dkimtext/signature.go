package dkimtext

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/proto/addr"
)

// Bounds on what is read.
const (
	MaxSignature = 16 << 10 // octets of one signature field
	MaxNames     = 512      // names in h=
)

// FieldName is the name of the field that holds a signature.
const FieldName = "DKIM-Signature"

// The algorithms. RSASHA1 is only known to be refused (RFC 8301 3.1).
const (
	RSASHA256     = "rsa-sha256"
	Ed25519SHA256 = "ed25519-sha256"
	RSASHA1       = "rsa-sha1"
)

// Signature is the value of a DKIM-Signature field. RFC 6376 3.5.
type Signature struct {
	Algorithm   string // a=, in lower case
	Data        []byte // b=
	BodyHash    []byte // bh=
	HeaderCanon Canon  // c=
	BodyCanon   Canon
	Domain      string    // d=: A-labels in lower case
	Selector    string    // s=: A-labels in lower case
	Headers     []string  // h=, in its order and letter case
	Identity    string    // i=; empty where absent, which means "@" + Domain
	Length      int64     // l=; -1 where absent. See the package comment.
	Time        time.Time // t=; zero where absent
	Expires     time.Time // x=; zero where absent
}

// ParseSignature reads the value of a field, folded or not. On an error the Signature has what could be read, for reports.
// RFC 6376 6.1.1.
func ParseSignature(value string) (Signature, error) {
	s := Signature{HeaderCanon: Simple, BodyCanon: Simple, Length: -1}
	if len(value) > MaxSignature {
		return s, fmt.Errorf("the signature is longer than %d octets", MaxSignature)
	}
	list, err := tags(value)
	if err != nil {
		return s, err
	}
	seen := map[string]bool{}
	var first error
	for _, t := range list {
		seen[t.name] = true
		if err := s.set(t); err != nil && first == nil {
			first = fmt.Errorf("its tag %s= is wrong: %w", t.name, err)
		}
	}
	if first != nil {
		return s, first
	}
	for _, name := range [...]string{"v", "a", "b", "bh", "d", "h", "s"} {
		if !seen[name] {
			return s, fmt.Errorf("its tag %s= is missing", name)
		}
	}
	return s, s.check()
}

func (s *Signature) set(t tag) (err error) {
	switch t.name {
	case "v":
		if t.value != "1" {
			return errors.New("the version is not known")
		}
	case "a":
		s.Algorithm = strings.ToLower(bare(t.value))
	case "b":
		s.Data, err = decode(t.value)
	case "bh":
		s.BodyHash, err = decode(t.value)
	case "c":
		return s.setCanon(strings.ToLower(bare(t.value)))
	case "d":
		s.Domain, err = domain(bare(t.value))
	case "s":
		s.Selector, err = domain(bare(t.value))
	case "h":
		return s.setHeaders(t.value)
	case "i":
		s.Identity = bare(t.value)
	case "l":
		if s.Length, err = strconv.ParseInt(bare(t.value), 10, 64); err != nil || s.Length < 0 {
			s.Length, err = 0, errors.New("it is no length")
		}
	case "q":
		for _, method := range words(t.value) {
			if strings.EqualFold(method, "dns/txt") {
				return nil
			}
		}
		return errors.New("it names no way to find the key that is known")
	case "t":
		s.Time, err = seconds(bare(t.value))
	case "x":
		s.Expires, err = seconds(bare(t.value))
	}
	return err
}

func (s *Signature) setCanon(v string) error {
	header, body, both := strings.Cut(v, "/")
	if !both {
		body = string(Simple)
	}
	for _, c := range [...]string{header, body} {
		if c != string(Simple) && c != string(Relaxed) {
			return errors.New("the canonical form is not known")
		}
	}
	s.HeaderCanon, s.BodyCanon = Canon(header), Canon(body)
	return nil
}

func (s *Signature) setHeaders(v string) error {
	if strings.Count(v, ":") >= MaxNames {
		return errors.New("it names too many fields")
	}
	s.Headers = words(v)
	for _, name := range s.Headers {
		if name == "" || strings.ContainsAny(name, " \t\r\n;") {
			return errors.New("it has a name that is none")
		}
	}
	return nil
}

// check looks at what tags say of each other.
func (s *Signature) check() error {
	if s.Identity != "" {
		at := strings.LastIndexByte(s.Identity, '@')
		of, err := domain(s.Identity[at+1:])
		if at < 0 || err != nil || of != s.Domain && !strings.HasSuffix(of, "."+s.Domain) {
			return errors.New("its tag i= is of another domain than d=")
		}
	}
	if !s.Time.IsZero() && !s.Expires.IsZero() && s.Expires.Before(s.Time) {
		return errors.New("it ended before it was made")
	}
	if !s.Signs("From") {
		return ErrFromUnsigned
	}
	return nil
}

// ErrFromUnsigned is given for a signature that leaves the author out. RFC 6376 5.4.
var ErrFromUnsigned = errors.New("it does not cover the From field")

// Signs reports whether h= has a name.
func (s *Signature) Signs(name string) bool {
	for _, h := range s.Headers {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}

// IdentityDomain is the domain of i=, or d=.
func (s *Signature) IdentityDomain() string {
	if at := strings.LastIndexByte(s.Identity, '@'); at >= 0 {
		if of, err := domain(s.Identity[at+1:]); err == nil {
			return of
		}
	}
	return s.Domain
}

// KeyName is where the key is published. RFC 6376 3.6.2.1.
func (s *Signature) KeyName() string { return KeyName(s.Selector, s.Domain) }

// KeyName is where the key of a selector is published. RFC 6376 3.6.2.1.
func KeyName(selector, domain string) string { return selector + "._domainkey." + domain }

// domain brings a name into the form in which names are compared.
func domain(s string) (string, error) {
	d, err := addr.NormalDomain(s)
	if err != nil || strings.HasPrefix(d, "[") || len(d) > addr.MaxDomain {
		return "", errors.New("it is no domain")
	}
	return d, nil
}

// Format writes the whole field with CRLF at its end, no line over 78 octets where words allow it, b= last and empty where there is no
// Data yet. RFC 6376 3.5.
func (s *Signature) Format() []byte {
	f := folder{out: []byte(FieldName + ": v=1;"), line: len(FieldName) + 7}
	f.word("a=" + s.Algorithm + ";")
	f.word("c=" + string(s.HeaderCanon) + "/" + string(s.BodyCanon) + ";")
	f.word("d=" + s.Domain + ";")
	f.word("s=" + s.Selector + ";")
	if !s.Time.IsZero() {
		f.word("t=" + strconv.FormatInt(s.Time.Unix(), 10) + ";")
	}
	if !s.Expires.IsZero() {
		f.word("x=" + strconv.FormatInt(s.Expires.Unix(), 10) + ";")
	}
	if s.Identity != "" {
		f.word("i=" + s.Identity + ";")
	}
	f.fold()
	for i, name := range s.Headers {
		before, after := "", ":"
		if i == 0 {
			before = "h="
		}
		if i == len(s.Headers)-1 {
			after = ";"
		}
		f.tight(before + name + after)
	}
	f.fold()
	f.tight("bh=" + base64.StdEncoding.EncodeToString(s.BodyHash) + ";")
	f.fold()
	f.tight("b=")
	for data := base64.StdEncoding.EncodeToString(s.Data); data != ""; {
		n := min(len(data), 68)
		f.tight(data[:n])
		data = data[n:]
	}
	return append(f.out, '\r', '\n')
}

// folder writes words into lines.
type folder struct {
	out  []byte
	line int
}

const foldAt = 78

func (f *folder) fold() {
	f.out = append(f.out, "\r\n\t"...)
	f.line = 8
}

// word adds a word with a space or a fold before it.
func (f *folder) word(w string) {
	if f.line+1+len(w) > foldAt {
		f.fold()
	} else {
		f.out = append(f.out, ' ')
		f.line++
	}
	f.out = append(f.out, w...)
	f.line += len(w)
}

// tight adds a word with a fold before it only where it must be.
func (f *folder) tight(w string) {
	if f.line+len(w) > foldAt && f.line > 8 {
		f.fold()
	}
	f.out = append(f.out, w...)
	f.line += len(w)
}
