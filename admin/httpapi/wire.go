package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// failure is an error on the wire.
type failure struct {
	Error wireError `json:"error"`
}

type wireError struct {
	Kind     string `json:"kind"`
	Text     string `json:"text"`
	Enhanced string `json:"enhanced,omitempty"`
}

// step is one line of a streamed reply: progress, or its end as a reply or an error.
type step struct {
	Progress *admin.Progress     `json:"progress,omitempty"`
	Reply    *admin.VerifyReport `json:"reply,omitempty"`
	Error    *wireError          `json:"error,omitempty"`
}

// toWire keeps the cause of an error in its text: whoever asks here owns the server.
func toWire(err error) wireError {
	out := wireError{Kind: mail.KindOf(err).String(), Text: err.Error()}
	var e *mail.Error
	if errors.As(err, &e) {
		out.Enhanced = e.Enhanced
	}
	return out
}

func (e wireError) err() error {
	return &mail.Error{Kind: kindNamed(e.Kind), Text: e.Text, Enhanced: e.Enhanced}
}

// kindNamed is the kind with that name; one that a newer server knows is Internal.
func kindNamed(name string) mail.Kind {
	for k := mail.Internal; k <= mail.Conflict; k++ {
		if k.String() == name {
			return k
		}
	}
	return mail.Internal
}

// status translates a kind for HTTP.
func status(k mail.Kind) int {
	switch k {
	case mail.Invalid:
		return http.StatusBadRequest
	case mail.NotFound:
		return http.StatusNotFound
	case mail.Exists, mail.Conflict:
		return http.StatusConflict
	case mail.Denied:
		return http.StatusForbidden
	case mail.Unauthenticated:
		return http.StatusUnauthorized
	case mail.OverQuota:
		return http.StatusInsufficientStorage
	case mail.TooLarge:
		return http.StatusRequestEntityTooLarge
	case mail.TooMany:
		return http.StatusTooManyRequests
	case mail.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// decode reads one JSON object and nothing after it.
func decode(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			return mail.Errorf(mail.Invalid, "something follows the JSON object of the request")
		}
		return nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return mail.Errorf(mail.TooLarge, "the request is larger than %d octets", tooLarge.Limit)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return mail.Errorf(mail.Invalid, "this server does not know the field %s of the request; is it older than the command?", field)
	}
	return mail.Errorf(mail.Invalid, "the request is not the JSON object it should be: %w", err)
}

func answer(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"error":{"kind":"internal","text":"the reply cannot be written as JSON"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client has gone when this fails
}

func answerError(w http.ResponseWriter, err error) {
	answer(w, status(mail.KindOf(err)), failure{Error: toWire(err)})
}
