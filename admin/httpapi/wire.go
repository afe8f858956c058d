package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// failed is an error on the wire.
type failed struct {
	Error Failure `json:"error"`
}

// Failure is an error as it is told.
type Failure struct {
	Kind     string `json:"kind"`
	Text     string `json:"text"`
	Enhanced string `json:"enhanced,omitempty"`
}

// step is one line of a streamed reply: progress, or its end as a reply or an error.
type step[A any] struct {
	Progress *admin.Progress `json:"progress,omitempty"`
	Reply    *A              `json:"reply,omitempty"`
	Error    *Failure        `json:"error,omitempty"`
}

// toWire keeps the cause of an error in its text: whoever asks here owns the server.
func toWire(err error) Failure {
	out := Failure{Kind: mail.KindOf(err).String(), Text: err.Error()}
	var e *mail.Error
	if errors.As(err, &e) {
		out.Enhanced = e.Enhanced
	}
	return out
}

func (e Failure) err() error {
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

// failure is an error as this face tells it.
func (f *Face) failure(ctx context.Context, err error) Failure {
	if f.Failure != nil {
		return f.Failure(ctx, err)
	}
	return toWire(err)
}

// Status translates a kind for HTTP.
func Status(k mail.Kind) int {
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

// decodeConfirmed reads one JSON object that may have the field "confirm" beside those of into.
func decodeConfirmed(r io.Reader, into any) (confirm string, err error) {
	var all map[string]json.RawMessage
	if err := decode(r, &all); err != nil {
		return "", err
	}
	if raw, ok := all["confirm"]; ok {
		if err := json.Unmarshal(raw, &confirm); err != nil {
			return "", mail.Errorf(mail.Invalid, "the field \"confirm\" must be a text: the name of what is meant")
		}
		delete(all, "confirm")
	}
	if all == nil {
		return "", mail.Errorf(mail.Invalid, "the request is not the JSON object it should be")
	}
	rest, err := json.Marshal(all)
	if err != nil {
		return "", mail.Errorf(mail.Invalid, "the request is not the JSON object it should be: %w", err)
	}
	return confirm, decode(bytes.NewReader(rest), into)
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
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client has gone when this fails
}

func (f *Face) answerError(w http.ResponseWriter, r *http.Request, err error) {
	answer(w, Status(mail.KindOf(err)), failed{Error: f.failure(r.Context(), err)})
}

// Fail answers an error as a Failure.
func Fail(w http.ResponseWriter, code int, f Failure) { answer(w, code, failed{Error: f}) }
