package tlsrpt

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits bounds what reading a report of others may cost. Zero fields have the defaults.
type Limits struct {
	Encoded int64 // octets as they came; default 4 MiB
	Decoded int64 // octets of JSON; default 16 MiB
}

// Bounds on the lists of one report.
type (
	limitPolicies struct{}
	limitFailures struct{}
	limitTexts    struct{}
)

// The number of policies, of failures under one policy, and of strings in one list.
const (
	MaxPolicies = 256
	MaxFailures = 4096
	MaxTexts    = 256
)

func (limitPolicies) most() int { return MaxPolicies }
func (limitFailures) most() int { return MaxFailures }
func (limitTexts) most() int    { return MaxTexts }

// Errors of Read, wrapped with details.
var (
	ErrTooLarge  = errors.New("the TLS report is larger than we read")
	ErrNotReport = errors.New("this is no TLS report")
)

// bounded is a list that stops reading, with ErrTooLarge, where it has too many members.
type bounded[T any, L interface{ most() int }] []T

// UnmarshalJSON reads member by member.
func (b *bounded[T, L]) UnmarshalJSON(raw []byte) error {
	*b = nil
	dec := json.NewDecoder(bytes.NewReader(raw))
	start, err := dec.Token()
	if err != nil || start == nil {
		return err
	}
	if start != json.Delim('[') {
		return fmt.Errorf("%w: a list is expected", ErrNotReport)
	}
	var limit L
	for dec.More() {
		if len(*b) == limit.most() {
			return fmt.Errorf("%w: a list has more than %d members", ErrTooLarge, limit.most())
		}
		var one T
		if err := dec.Decode(&one); err != nil {
			return err
		}
		*b = append(*b, one)
	}
	return nil
}

// Read reads a report, compressed with gzip or not, as its first octets tell (RFC 8460 5.2). The errors are ErrTooLarge,
// ErrNotReport and those of r.
func Read(r io.Reader, lim Limits) (Report, error) {
	if lim.Encoded <= 0 {
		lim.Encoded = 4 << 20
	}
	if lim.Decoded <= 0 {
		lim.Decoded = 16 << 20
	}
	in := bufio.NewReader(&capped{r: r, left: lim.Encoded})
	var body io.Reader = in
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return Report{}, inside(err)
		}
		body = &capped{r: z, left: lim.Decoded}
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return Report{}, inside(err)
	}
	var w wireReport
	if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &w); err != nil {
		return Report{}, notReport(err)
	}
	if len(w.Policies) == 0 || w.ID == "" {
		return Report{}, fmt.Errorf("%w: it has no policies, or no identifier", ErrNotReport)
	}
	return w.report(), nil
}

// inside names the errors of decompression ErrNotReport, and leaves ours and those of the reader below.
func inside(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &corrupt) {
		return notReport(err)
	}
	return err
}

func notReport(err error) error {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrNotReport) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotReport, err)
}

// capped gives ErrTooLarge where a reader has more than it may.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
