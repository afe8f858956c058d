package jmap

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// timed is a response that remembers its write deadline.
type timed struct {
	*httptest.ResponseRecorder
	deadline time.Time
	during   []time.Time // at each write
}

func (t *timed) SetWriteDeadline(d time.Time) error { t.deadline = d; return nil }

func (t *timed) Write(b []byte) (int, error) {
	t.during = append(t.during, t.deadline)
	return t.ResponseRecorder.Write(b)
}

// TestStreamDeadline: each event has a time to be written in, and a stream on which nothing happens has none: over HTTP/2 it would be reset. RFC 8620 7.3.
func TestStreamDeadline(t *testing.T) {
	t.Parallel()
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	st := &stream{v: &visit{w: w}, ctl: http.NewResponseController(w)}
	if err := st.write(": here\n\n"); err != nil {
		t.Fatal(err)
	}
	if len(w.during) != 1 || w.during[0].IsZero() {
		t.Errorf("an event is written with the deadlines %v", w.during)
	}
	if !w.deadline.IsZero() {
		t.Errorf("the idle stream ends at %v", w.deadline)
	}
}
