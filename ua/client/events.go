package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

const (
	pingEvery = 30 // seconds
	maxEvent  = 256 << 10
	firstWait = time.Second
	mostWait  = time.Minute
)

// News is what a watch tells.
type News struct {
	// Connected: the server's events come. It is told once at each connection, as something may have changed before.
	Connected bool
	// Lost is why they do not come for now; it is tried again.
	Lost error
	// Changed are the new states of types (RFC 8620 7.1): "Email", "Mailbox" ...
	Changed map[string]string
}

// Watch tells what changes in the account (RFC 8620 7.3) until ctx ends or the server refuses for good. It connects again when the connection is lost,
// after growing pauses.
func (c *Client) Watch(ctx context.Context, types []string, tell func(News)) error {
	wait, last := firstWait, ""
	for {
		began := c.o.Clock.Now()
		err := c.listen(ctx, types, &last, tell)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if mail.Is(err, mail.Unauthenticated) || mail.Is(err, mail.Denied) {
			return err
		}
		tell(News{Lost: err})
		if c.o.Clock.Now().Sub(began) > mostWait {
			wait = firstWait
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.o.Clock.After(wait/2 + rand.N(wait/2+1)):
		}
		wait = min(2*wait, mostWait)
	}
}

// listen follows one connection until it ends. last is the id of the event told last.
func (c *Client) listen(ctx context.Context, types []string, last *string, tell func(News)) error {
	s := c.Session()
	lctx, stop := context.WithCancel(ctx)
	resp, err := c.do(lctx, request{method: http.MethodGet, accept: "text/event-stream", last: *last,
		url: fill(s.events, "types", strings.Join(types, ","), "closeafter", "no", "ping", strconv.Itoa(pingEvery))})
	if err != nil {
		stop()
		return err
	}
	stream := newPatient(resp.Body, stop, 3*pingEvery*time.Second)
	defer stream.Close()
	tell(News{Connected: true})
	err = readEvents(stream, func(kind, id, data string) {
		if id != "" {
			*last = id
		}
		if kind != "state" {
			return
		}
		var change struct {
			Changed map[string]map[string]string `json:"changed"`
		}
		if json.Unmarshal([]byte(data), &change) == nil && len(change.Changed[s.Account]) > 0 {
			tell(News{Changed: change.Changed[s.Account]})
		}
	})
	return mail.Errorf(mail.Unavailable, "the connection for news ended: %w", noted{err})
}

var errLongEvent = errors.New("an event is too long")

// readEvents reads a stream of server-sent events, and gives the error that ends it.
func readEvents(r io.Reader, each func(kind, id, data string)) error {
	in := bufio.NewReaderSize(r, 4096)
	var kind, id string
	var data strings.Builder
	has := false
	for {
		line, err := readBounded(in, maxEvent)
		if err != nil {
			return err
		}
		if line == "" {
			if has {
				each(kind, id, strings.TrimSuffix(data.String(), "\n"))
			}
			kind, id, has = "", "", false
			data.Reset()
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			kind = value
		case "id":
			if !strings.ContainsAny(value, "\x00\r") && len(value) < 4096 {
				id = value
			}
		case "data":
			if data.Len()+len(value) > maxEvent {
				return errLongEvent
			}
			has = true
			data.WriteString(value)
			data.WriteByte('\n')
		}
	}
}

// readBounded reads a line without its end.
func readBounded(in *bufio.Reader, most int) (string, error) {
	var line []byte
	for {
		b, err := in.ReadSlice('\n')
		if line = append(line, b...); len(line) > most {
			return "", errLongEvent
		}
		switch {
		case err == nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}
