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

const (
	maxRequest = 4 << 20   // octets of a request: an alias with as many targets as one may have
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

// serveSend takes a message: a line with the request, then the message as it is.
func serveSend(w http.ResponseWriter, r *http.Request, op admin.MessageOperator) {
	body := bufio.NewReaderSize(arriving{r: http.MaxBytesReader(w, r.Body, maxMessage), w: w}, maxLine)
	line, err := body.ReadSlice('\n')
	if err != nil {
		answerError(w, mail.Errorf(mail.Invalid, "the message must begin with a line that says whose and to whom it is, of %d octets at most", maxLine))
		return
	}
	var request admin.SendRequest
	if err := decode(bytes.NewReader(line), &request); err != nil {
		answerError(w, err)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(workTime))
	reply, err := op.Send(r.Context(), request, body)
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, reply)
}

// serveVerify tells progress while it works. Headers are sent before anything is known, so its errors come in the stream.
func serveVerify(w http.ResponseWriter, r *http.Request, op admin.SystemOperator) {
	unary(w)
	var request admin.VerifyRequest
	if err := decode(http.MaxBytesReader(w, r.Body, maxRequest), &request); err != nil {
		answerError(w, err)
		return
	}
	arrived(w)
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	tell := func(s step) {
		_ = c.SetWriteDeadline(time.Now().Add(workTime))
		if out.Encode(s) != nil || c.Flush() != nil {
			cancel() // nobody listens any more
		}
	}
	report, err := op.Verify(ctx, request, func(p admin.Progress) { tell(step{Progress: &p}) })
	if err != nil {
		e := toWire(err)
		tell(step{Error: &e})
		return
	}
	tell(step{Reply: &report})
}
