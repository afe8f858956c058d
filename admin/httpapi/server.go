package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// MaxRequest bounds a request, in octets: an alias with as many targets as one may have.
const MaxRequest = 4 << 20

const (
	maxMessage = 1 << 30   // octets of a message; the submission agent has a limit of its own below this
	maxLine    = 256 << 10 // octets of the line before a message: as many recipients as one may have
	readTime   = time.Minute
	sendPause  = time.Minute      // the longest a message may stop arriving
	workTime   = 15 * time.Minute // the longest an operation without progress may take
	stopTime   = 5 * time.Second
)

// Serve answers requests until ctx ends, and then gives those that run a moment to finish. It closes the listener.
func Serve(ctx context.Context, l net.Listener, op admin.Operator, log *slog.Logger) error {
	server := &http.Server{
		Handler:           Handler(op),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return admin.As(ctx, actor(c)) },
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err := server.Shutdown(bounded)
		if err != nil { // somebody is still being answered
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(l)
	if stop() { // it failed before it was told to stop
		return errors.Join(err, server.Close())
	}
	return <-stopped
}

// unary sets the deadlines of an operation whose request and reply are short.
func unary(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(readTime)) // not every ResponseWriter of a test has deadlines
	_ = c.SetWriteDeadline(time.Now().Add(workTime))
}

// arrived lifts the read deadline once a request is here whole: from then on the server reads only to learn that the client
// has gone, and a deadline that passes would look the same.
func arrived(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// arriving moves the read deadline on as a message arrives, and lifts it at the end.
type arriving struct {
	r io.Reader
	w http.ResponseWriter
}

// Read implements io.Reader.
func (a arriving) Read(p []byte) (int, error) {
	_ = http.NewResponseController(a.w).SetReadDeadline(time.Now().Add(sendPause))
	n, err := a.r.Read(p)
	if err == io.EOF {
		arrived(a.w)
	}
	return n, err
}

// send takes a message: a line with the request, then the message as it is.
func (f *Face) send(w http.ResponseWriter, r *http.Request) {
	body := bufio.NewReaderSize(arriving{r: http.MaxBytesReader(w, r.Body, maxMessage), w: w}, maxLine)
	line, err := body.ReadSlice('\n')
	if err != nil {
		f.answerError(w, r, mail.Errorf(mail.Invalid, "the message must begin with a line that says whose and to whom it is, of %d octets at most", maxLine))
		return
	}
	var request admin.SendRequest
	if err := decode(bytes.NewReader(line), &request); err != nil {
		f.answerError(w, r, err)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(workTime))
	reply, err := f.Operator().Send(r.Context(), request, body)
	if err != nil {
		f.answerError(w, r, err)
		return
	}
	answer(w, http.StatusOK, reply)
}

// streamRoute is an operation that tells progress while it works: its reply is one JSON object a line, the last of which has the reply or the
// error. Headers are sent before anything is known, so that errors of the work come in the stream.
func streamRoute[Q, A any](path string, do func(admin.Operator, context.Context, Q, func(admin.Progress)) (A, error)) Route {
	return Route{path, func(f *Face, w http.ResponseWriter, r *http.Request) {
		request, ok := read[Q](f, w, r, path)
		if !ok {
			return
		}
		c := http.NewResponseController(w)
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no")
		out := json.NewEncoder(w)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		tell := func(s step[A]) {
			_ = c.SetWriteDeadline(time.Now().Add(workTime))
			if out.Encode(s) != nil || c.Flush() != nil {
				cancel() // nobody listens any more
			}
		}
		reply, err := do(f.Operator(), ctx, request, func(p admin.Progress) { tell(step[A]{Progress: &p}) })
		if err != nil {
			e := f.failure(r.Context(), err)
			tell(step[A]{Error: &e})
			return
		}
		tell(step[A]{Reply: &reply})
	}}
}
