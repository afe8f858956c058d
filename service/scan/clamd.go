package scan

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/postrider/postrider/mail"
)

// clamd asks ClamAV's daemon, by INSTREAM: the body in chunks with their lengths, then one line of answer.
type clamd struct{ at endpoint }

func newClamd(address string) (*clamd, error) {
	at, err := parseEndpoint("clamd", address)
	return &clamd{at}, err
}

// Bounds of the conversation, in octets.
const (
	clamdChunk  = 64 << 10
	clamdAnswer = 4 << 10
)

// Name implements Scanner.
func (c *clamd) Name() string { return "ClamAV at " + c.at.String() }

// Scan implements Scanner.
func (c *clamd) Scan(ctx context.Context, m Message) (Result, error) {
	body, err := m.Body.Open()
	if err != nil {
		return Result{}, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	conn, stop, err := c.at.dial(ctx)
	if err != nil {
		return Result{}, cause(ctx, err)
	}
	defer conn.Close() //nolint:errcheck // all was said
	defer stop()
	// clamd may answer before it has all: what it said counts, not that it stopped listening.
	sent := stream(conn, body)
	answer, err := readAnswer(conn)
	if answer == "" {
		return Result{}, cause(ctx, errors.Join(sent, err))
	}
	return clamdResult(answer)
}

// stream sends the body.
func stream(conn net.Conn, body mail.BlobReader) error {
	if _, err := io.WriteString(conn, "zINSTREAM\x00"); err != nil {
		return err
	}
	buf := make([]byte, 4+clamdChunk)
	for {
		n, err := io.ReadFull(body, buf[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(buf, uint32(n)) //nolint:gosec // at most clamdChunk
			if _, err := conn.Write(buf[:4+n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			_, err = conn.Write([]byte{0, 0, 0, 0})
			return err
		default:
			return err
		}
	}
}

// readAnswer reads up to the NUL that ends an answer.
func readAnswer(conn net.Conn) (string, error) {
	line, err := bufio.NewReaderSize(io.LimitReader(conn, clamdAnswer), 256).ReadString(0)
	line = strings.TrimRight(line, "\x00\r\n ")
	if err == io.EOF && line != "" && len(line) < clamdAnswer { //nolint:errorlint // as bufio says
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("it gave no whole answer: %w", err)
	}
	return line, nil
}

// clamdResult understands an answer.
func clamdResult(answer string) (Result, error) {
	what, said := "", strings.TrimPrefix(answer, "stream: ")
	switch {
	case said == "OK":
		return Result{Notes: []string{"ClamAV found nothing in it."}}, nil
	case strings.HasSuffix(said, " FOUND"):
		what = clean(strings.TrimSuffix(said, " FOUND"), 100)
		return Result{Action: Refuse, Enhanced: "5.7.1", Notes: []string{fmt.Sprintf("ClamAV found %s in it.", what)},
			Text: fmt.Sprintf("the message carries malware (%s); clean the machine it comes from and send it without", what)}, nil
	case strings.Contains(said, "size limit exceeded"):
		return Result{Notes: []string{"ClamAV did not look at the message: it is larger than its StreamMaxLength."}}, nil
	}
	return Result{}, fmt.Errorf("it answered %q", clean(answer, 100))
}
