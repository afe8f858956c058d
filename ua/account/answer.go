package account

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/answer"
)

// Bounds of a request.
const (
	maxBody     = 1 << 20
	requestTime = 30 * time.Second
)

// problem is the body of an answer that refuses.
type problem struct {
	Error struct {
		Kind string   `json:"kind"`
		Text string   `json:"text"`
		Ways []string `json:"ways,omitempty"` // of a second factor
	} `json:"error"`
}

// needed says that a password is right and a second factor is asked for. It is Denied, which to the guard is neither success nor failure, until it
// has a wrong code as its reason.
type needed struct {
	ways []string
	err  error
}

func (n *needed) Error() string { return n.err.Error() }
func (n *needed) Unwrap() error { return n.err }

// refuse answers with an error.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := mail.KindOf(err)
	if kind == mail.Internal {
		if r.Context().Err() != nil {
			kind, err = mail.Unavailable, mail.Errorf(mail.Unavailable, "the answer took too long; try again")
		} else {
			h.cfg.Log.Error("request failed", "role", "ua/account", "client", r.RemoteAddr, "path", r.URL.Path, "error", err)
		}
	}
	var p problem
	p.Error.Kind, p.Error.Text = answer.Kind(kind), mail.Sentence(err)
	status := answer.Status(kind)
	if n := (*needed)(nil); errors.As(err, &n) {
		status, p.Error.Kind, p.Error.Ways = http.StatusUnauthorized, "second_factor", n.ways
	}
	answer.JSON(w, status, p)
}

// read takes a request's body into a value. Its fields are known ones, and nothing comes behind it. Invalid, TooLarge. It is
// answer.Read with more room, for settings, and without a word of what was sent, for secrets.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return mail.Errorf(mail.Invalid, "the request must be of type application/json")
	}
	return decode(http.MaxBytesReader(w, r.Body, maxBody), into)
}

// decode is read of what came.
func decode(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, end := d.Token(); errors.Is(end, io.EOF) {
			return nil
		}
		return mail.Errorf(mail.Invalid, "the request has something behind its end")
	}
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return mail.Errorf(mail.TooLarge, "the request is larger than %d octets", large.Limit)
	}
	// What the decoder says may repeat what was sent, and that may be a secret.
	return mail.Errorf(mail.Invalid, "the request is not the JSON that is expected here")
}
