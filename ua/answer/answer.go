// Package answer is the form of what the web application's own API (/api/…) says and hears: JSON, and failures as a kind with a sentence.
//
// It takes requests and values from the packages of the user's agent and writes replies. Invariants: a request's JSON is bounded, is one object and
// has no field that is not known; the sentence of an internal failure stays in the log; nothing that is answered is kept by a cache.
package answer

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Guarded makes a handler of one that wants to know whose request it is. Requests of nobody never reach it (ua/account).
type Guarded func(handler func(w http.ResponseWriter, r *http.Request, account mail.Account)) http.Handler

// MaxRequest is how many octets of JSON a request has at most.
const MaxRequest = 64 << 10

// JSON answers with a value.
func JSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone
}

// failure is how an error looks.
type failure struct {
	Error struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	} `json:"error"`
}

// Kind is a kind's word in JSON: "not_found".
func Kind(k mail.Kind) string { return strings.ReplaceAll(k.String(), "-", "_") }

// Fail answers with an error. Failures of ours go to the log; who called it off is told nothing.
func Fail(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	if r.Context().Err() != nil {
		return
	}
	kind := mail.KindOf(err)
	if kind == mail.Internal && log != nil {
		log.Error("request failed", "path", r.URL.Path, "error", err)
	}
	var f failure
	f.Error.Kind, f.Error.Text = Kind(kind), mail.Sentence(err)
	w.Header().Set("Cache-Control", "no-store")
	JSON(w, Status(kind), f)
}

// Status is the HTTP status for a kind.
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
	case mail.Internal:
	}
	return http.StatusInternalServerError
}

// Read reads the one JSON object of a request into v. Invalid, TooLarge.
func Read(w http.ResponseWriter, r *http.Request, v any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return mail.Errorf(mail.Invalid, "the request's Content-Type must be application/json")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxRequest))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return mail.Errorf(mail.TooLarge, "the request is longer than %d octets", MaxRequest)
	case err != nil:
		return mail.Errorf(mail.Invalid, "the request is not the JSON object that is wanted: %w", err)
	}
	return nil
}

// Only answers requests of other methods, and reports whether the request's is one of those.
func Only(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m || m == http.MethodGet && r.Method == http.MethodHead {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	var f failure
	f.Error.Kind, f.Error.Text = Kind(mail.Invalid), "this takes "+strings.Join(methods, " and ")+" alone"
	JSON(w, http.StatusMethodNotAllowed, f)
	return false
}

// Email reads the id of a message as JMAP gives it: "M17" (RFC 8474 5).
func Email(id string) (mail.EmailID, error) {
	n, err := number('M', id)
	return mail.EmailID(n), err
}

// Mailbox reads the id of a mailbox as JMAP gives it: "F3".
func Mailbox(id string) (mail.MailboxID, error) {
	n, err := number('F', id)
	return mail.MailboxID(n), err
}

func number(letter byte, id string) (int64, error) {
	if len(id) >= 2 && len(id) <= 20 && id[0] == letter && id[1] >= '1' && id[1] <= '9' {
		if n, err := strconv.ParseInt(id[1:], 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, mail.Errorf(mail.Invalid, "%.30q is no id of that kind", id)
}
