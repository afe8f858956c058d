package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
)

const (
	// chunkSize is how much of a message is sent at once.
	chunkSize = 64 << 10
	// maxFrame bounds a frame's line: a message's facts with all the keywords one may have.
	maxFrame = 256 << 10
)

// frame is one line of an export. It is one thing a sink is told; after a Message, Data frames follow, each with
// so many octets of its text right behind the line, then End or Broken. The last frame of all is Done or Error.
type frame struct {
	Plan    *export.Plan    `json:"plan,omitempty"`
	Mailbox *export.Mailbox `json:"mailbox,omitempty"`
	Message *export.Message `json:"message,omitempty"`
	Data    int             `json:"data,omitempty"`
	End     bool            `json:"end,omitempty"`
	Broken  string          `json:"broken,omitempty"` // the message cannot be read to its end, and why
	Missing *export.Missing `json:"missing,omitempty"`
	Done    bool            `json:"done,omitempty"`
	Error   *Failure        `json:"error,omitempty"`
}

// export streams an export to whoever asks.
func (f *Face) export(w http.ResponseWriter, r *http.Request) {
	request, ok := read[admin.ExportRequest](f, w, r, PathExport)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/vnd.postrider.export")
	out := &frameWriter{w: w, c: http.NewResponseController(w), chunk: make([]byte, chunkSize)}
	last := frame{Done: true}
	if err := f.Operator().Export(r.Context(), request, out); err != nil {
		e := f.failure(r.Context(), err)
		last = frame{Error: &e}
	}
	_ = out.send(last) // when it fails, the client has gone
}

// frameWriter is a sink that writes frames.
type frameWriter struct {
	w     io.Writer
	c     *http.ResponseController
	chunk []byte
}

func (f *frameWriter) send(v frame) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_ = f.c.SetWriteDeadline(time.Now().Add(workTime)) // not every ResponseWriter of a test has deadlines
	_, err = f.w.Write(append(line, '\n'))
	return err
}

// Plan implements export.Sink.
func (f *frameWriter) Plan(p export.Plan) error { return f.send(frame{Plan: &p}) }

// Mailbox implements export.Sink.
func (f *frameWriter) Mailbox(b export.Mailbox) error { return f.send(frame{Mailbox: &b}) }

// Missing implements export.Sink.
func (f *frameWriter) Missing(m export.Missing) error { return f.send(frame{Missing: &m}) }

// Message implements export.Sink.
func (f *frameWriter) Message(m export.Message, r io.Reader) error {
	if err := f.send(frame{Message: &m}); err != nil {
		return err
	}
	for {
		n, err := fill(r, f.chunk)
		if n > 0 {
			if err := f.send(frame{Data: n}); err != nil {
				return err
			}
			if _, err := f.w.Write(f.chunk[:n]); err != nil {
				return err
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return f.send(frame{End: true})
		default:
			return errors.Join(err, f.send(frame{Broken: err.Error()}))
		}
	}
}

// fill is io.ReadFull with the reader's own error, so that a message that breaks off is not taken for one that ends.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = r.Read(b[n:])
		n += k
	}
	return n, err
}

// Export implements admin.ExportOperator.
func (c *Client) Export(ctx context.Context, r admin.ExportRequest, sink export.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // whatever is left unread
	text, err := json.Marshal(r)
	if err != nil {
		return mail.Errorf(mail.Invalid, "the request cannot be written as JSON: %w", err)
	}
	body, err := c.post(ctx, PathExport, bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer body.Close()
	in := &frameReader{ctx: ctx, r: bufio.NewReaderSize(body, maxFrame)}
	for {
		f, err := in.next()
		if err != nil {
			return err
		}
		switch {
		case f.Done:
			return nil
		case f.Error != nil:
			return f.Error.err()
		case f.Plan != nil:
			err = sink.Plan(*f.Plan)
		case f.Mailbox != nil:
			err = sink.Mailbox(*f.Mailbox)
		case f.Missing != nil:
			err = sink.Missing(*f.Missing)
		case f.Message != nil:
			err = in.message(*f.Message, sink)
		}
		if err != nil {
			return err
		}
	}
}

// frameReader reads frames.
type frameReader struct {
	ctx context.Context
	r   *bufio.Reader
}

func (in *frameReader) next() (f frame, err error) {
	line, err := in.r.ReadSlice('\n')
	if err != nil {
		return f, broken(in.ctx, err)
	}
	if err := json.Unmarshal(line, &f); err != nil {
		return f, broken(in.ctx, err)
	}
	return f, nil
}

// message gives a message to the sink and reads on behind it. One that broke off on the server's side is the sink's to forget; the server
// tells next what is missing.
func (in *frameReader) message(m export.Message, sink export.Sink) error {
	text := &messageReader{in: in}
	err := sink.Message(m, text)
	if text.lost != nil {
		return text.lost
	}
	if text.broken != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, text); err != nil && text.broken == nil {
		return err // the sink left some of it
	}
	return nil
}

// messageReader is the text of one message.
type messageReader struct {
	in     *frameReader
	left   int // of the present chunk
	end    bool
	broken error // the server could not read on
	lost   error // the server is lost
}

// Read implements io.Reader.
func (t *messageReader) Read(b []byte) (int, error) {
	for t.left == 0 {
		switch {
		case t.lost != nil:
			return 0, t.lost
		case t.broken != nil:
			return 0, t.broken
		case t.end:
			return 0, io.EOF
		}
		f, err := t.in.next()
		switch {
		case err != nil:
			t.lost = err
		case f.Broken != "":
			t.broken = errors.New(f.Broken)
		case f.End:
			t.end = true
		case f.Data > 0:
			t.left = f.Data
		default:
			t.lost = mail.Errorf(mail.Unavailable, "the server broke off a message; its log may say why")
		}
	}
	n, err := t.in.r.Read(b[:min(len(b), t.left)])
	t.left -= n
	if err != nil {
		t.lost = broken(t.in.ctx, err)
		return n, t.lost
	}
	return n, nil
}
