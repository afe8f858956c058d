package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/export"
)

// told is a sink that writes down what it is told.
type told struct {
	lines []string
	less  bool  // leaves most of a message unread
	fail  error // of Message
}

func (s *told) add(format string, args ...any) error {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
	return nil
}
func (s *told) Plan(p export.Plan) error       { return s.add("%+v", p) }
func (s *told) Mailbox(b export.Mailbox) error { return s.add("%+v", b) }
func (s *told) Missing(m export.Missing) error { return s.add("missing %s", m) }
func (s *told) Message(m export.Message, r io.Reader) error {
	if s.fail != nil {
		return s.fail
	}
	if s.less {
		_, _ = r.Read(make([]byte, 1))
		return s.add("%+v", m)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		_ = s.add("broken after %d: %v", n, err)
		return err
	}
	return s.add("%+v of %d", m, n)
}

var sent = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// exports tells a sink of everything there is to tell.
func exports(_ context.Context, sink export.Sink) error {
	err := errors.Join(sink.Plan(export.Plan{Accounts: 1, Messages: 3}), sink.Mailbox(export.Mailbox{Account: "a@b", Name: "x\n\"", UIDValidity: 7}))
	for uid, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1_000_000} {
		m := export.Message{UID: uint32(uid + 1), Flags: []string{`\Seen`}, Received: sent, Size: int64(size)}
		err = errors.Join(err, sink.Message(m, io.LimitReader(endless{}, int64(size))))
	}
	// One that breaks off inside, with the very error that is easily taken for an end.
	torn := sink.Message(export.Message{UID: 7}, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if torn == nil {
		err = errors.Join(err, errors.New("a message that broke off was taken"))
	}
	return errors.Join(err, sink.Missing(export.Missing{Account: "a@b", Mailbox: "y", First: 7, Last: 9, Reason: "gone"}), sink.Message(export.Message{UID: 10}, strings.NewReader("z")))
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '\n'
	}
	return len(b), nil
}

// What a sink is told is the same over the socket as without it.
func TestExportIsCarried(t *testing.T) {
	t.Parallel()
	path, _ := serve(t, &fake{export: exports})
	c := dial(t, path)
	for _, less := range []bool{false, true} {
		direct, over := &told{less: less}, &told{less: less}
		_ = exports(t.Context(), direct) // with less it reads nothing, and so learns of nothing that breaks
		if err := c.Export(t.Context(), admin.ExportRequest{All: true}, over); err != nil {
			t.Fatal(err)
		}
		if !less && !slices.Equal(direct.lines, over.lines) {
			t.Errorf("direct %q\nover the socket %q", direct.lines, over.lines)
		}
		if less && len(over.lines) < 8 {
			t.Errorf("a sink that leaves messages unread was told %q", over.lines)
		}
	}
	full := errors.New("no room")
	if err := c.Export(t.Context(), admin.ExportRequest{All: true}, &told{fail: full}); !errors.Is(err, full) {
		t.Errorf("the sink's own error came as %v", err)
	}
}

// A server that goes away in the middle is told from the end.
func TestExportBrokenOff(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	path, stop := serve(t, &fake{export: func(ctx context.Context, sink export.Sink) error {
		err := sink.Message(export.Message{UID: 1}, io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<17)), waits{ctx, begun}))
		return errors.Join(err, ctx.Err())
	}})
	c := dial(t, path)
	go func() { <-begun; _ = stop() }()
	if err := c.Export(t.Context(), admin.ExportRequest{All: true}, &told{}); !mail.Is(err, mail.Unavailable) {
		t.Errorf("got %v", err)
	}
}

type waits struct {
	ctx   context.Context
	begun chan struct{}
}

func (w waits) Read([]byte) (int, error) {
	close(w.begun)
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}
