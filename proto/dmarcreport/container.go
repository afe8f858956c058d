package dmarcreport

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits bounds what reading a report of others may cost. Zero fields have the defaults.
type Limits struct {
	Encoded int64 // octets as they came; default 8 MiB. Those of a zip are held in memory.
	Decoded int64 // octets of XML; default 64 MiB, which are never held
	Rows    int   // default 200,000
}

func (l Limits) withDefaults() Limits {
	if l.Encoded <= 0 {
		l.Encoded = 8 << 20
	}
	if l.Decoded <= 0 {
		l.Decoded = 64 << 20
	}
	if l.Rows <= 0 {
		l.Rows = 200_000
	}
	return l
}

// maxEntries bounds the directory of a zip; a report is one file.
const maxEntries = 64

// Errors of Read, wrapped with details.
var (
	ErrTooLarge  = errors.New("the DMARC report is larger than we read")
	ErrNotReport = errors.New("this is no DMARC report")
)

func notReport(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrNotReport}, args...)...)
}

// open gives the XML inside r: in gzip, in zip, or plain, as the first octets tell; names and media types are often wrong.
// RFC 9990 3.5.2; zip is of RFC 7489.
func open(r io.Reader, lim Limits) (io.Reader, error) {
	in := bufio.NewReader(&capped{r: r, left: lim.Encoded})
	magic, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, inside(err)
		}
		return &capped{r: z, left: lim.Decoded, decoding: true}, nil
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")):
		z, err := unzip(in)
		if err != nil {
			return nil, err
		}
		return &capped{r: z, left: lim.Decoded, decoding: true}, nil
	}
	return &capped{r: in, left: lim.Decoded}, nil
}

// unzip opens the first file of a zip that looks like a report.
func unzip(r io.Reader) (io.Reader, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	// Counted before the directory is read, for reading it costs memory by the entry.
	if bytes.Count(raw, []byte("PK\x01\x02")) > maxEntries {
		return nil, fmt.Errorf("%w: the zip holds more than %d files", ErrTooLarge, maxEntries)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, notReport("the zip is broken: %w", err)
	}
	var best *zip.File
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if best == nil || strings.HasSuffix(strings.ToLower(f.Name), ".xml") && !strings.HasSuffix(strings.ToLower(best.Name), ".xml") {
			best = f
		}
	}
	if best == nil {
		return nil, notReport("the zip is empty")
	}
	file, err := best.Open()
	if err != nil {
		return nil, notReport("the zip is broken: %w", err)
	}
	return file, nil
}

// inside names the errors of decompression ErrNotReport, and leaves ours and those of the reader below.
func inside(err error) error {
	var corrupt flate.CorruptInputError
	for _, ours := range []error{gzip.ErrHeader, gzip.ErrChecksum, zip.ErrFormat, zip.ErrAlgorithm, zip.ErrChecksum, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, ours) {
			return notReport("%w", err)
		}
	}
	if errors.As(err, &corrupt) {
		return notReport("%w", err)
	}
	return err
}

// capped gives ErrTooLarge where a reader has more than it may.
type capped struct {
	r        io.Reader
	left     int64
	decoding bool // r decompresses: its errors mean that the report is broken
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) && c.decoding {
		err = inside(err)
	}
	return n, err
}
