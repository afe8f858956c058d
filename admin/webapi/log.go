package webapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/mail"
)

// Times of a followed log.
const (
	followFor  = 10 * time.Minute // then the browser comes again by itself, and is looked at anew
	pingEvery  = 25 * time.Second // so that nobody between takes it for dead
	writeTime  = 30 * time.Second
	comeAgain  = 2000 // milliseconds
	maxFilters = 200  // octets of one
)

// log follows the log, as an event source of the HTML standard: first the lines that are kept, then new ones. The query may have level, role
// and text; Last-Event-ID leaves out what was seen already. Events are lines as JSON, with their number; of lines that were lost because
// the reader is slow there is an event "lost" with their count.
func (h *Handler) log(w http.ResponseWriter, r *http.Request) {
	filter, err := readFilter(r.URL.Query())
	switch {
	case err != nil:
	case r.Method != http.MethodGet:
		err = mail.Errorf(mail.NotFound, "the log is read with GET")
	case h.cfg.Tail == nil:
		err = mail.Errorf(mail.Unavailable, "the log cannot be followed on this server")
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	after, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // what is no number is none
	reader := h.cfg.Tail.Follow(after)
	if reader == nil {
		h.fail(w, r, mail.Errorf(mail.TooMany, "%d people follow the log already; close a page that does", obs.MaxReaders))
		return
	}
	defer reader.Close()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no")
	s := &stream{w: w, ctl: http.NewResponseController(w), filter: filter}
	s.follow(r, h, reader)
}

func readFilter(q url.Values) (obs.LineFilter, error) {
	f := obs.LineFilter{Role: q.Get("role"), Text: q.Get("text")}
	if len(f.Role) > maxFilters || len(f.Text) > maxFilters {
		return f, mail.Errorf(mail.Invalid, "role and text can have %d octets at most", maxFilters)
	}
	if word := q.Get("level"); word != "" {
		level, err := obs.ParseLevel(word)
		if err != nil {
			return f, err
		}
		f.Level = level
	}
	return f, nil
}

// stream is an open event source.
type stream struct {
	w      http.ResponseWriter
	ctl    *http.ResponseController
	filter obs.LineFilter
}

func (s *stream) follow(r *http.Request, h *Handler, reader *obs.Reader) {
	text := fmt.Sprintf("retry: %d\n\n", comeAgain)
	for _, l := range reader.Kept() {
		text += s.event(l)
		if len(text) > 64<<10 {
			if s.send(text) != nil {
				return
			}
			text = ""
		}
	}
	if s.send(text+": here\n\n") != nil {
		return
	}
	over := h.cfg.Clock.After(followFor)
	for ping := h.cfg.Clock.After(pingEvery); ; {
		text := ""
		select {
		case <-r.Context().Done():
			return
		case <-h.ended.Done():
			return
		case <-over:
			return
		case <-ping:
			text, ping = ": here\n\n", h.cfg.Clock.After(pingEvery)
		case l := <-reader.Lines():
			text = s.event(l)
			for n := len(reader.Lines()); n > 0 && len(text) < 64<<10; n-- {
				text += s.event(<-reader.Lines())
			}
			if lost := reader.Lost(); lost > 0 {
				text += fmt.Sprintf("event: lost\ndata: {\"lines\":%d}\n\n", lost)
			}
		}
		if text != "" && s.send(text) != nil {
			return
		}
	}
}

// event is a line as an event, or nothing when it is not wanted. JSON has no line feeds.
func (s *stream) event(l obs.Line) string {
	if !s.filter.Has(l) {
		return ""
	}
	b, err := json.Marshal(l)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("id: %d\ndata: %s\n\n", l.Seq, b)
}

func (s *stream) send(text string) error {
	_ = s.ctl.SetWriteDeadline(time.Now().Add(writeTime)) // where it cannot be set, the server's own holds
	defer s.ctl.SetWriteDeadline(time.Time{})             //nolint:errcheck // over HTTP/2 one that passes resets the stream, though nothing waits
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.ctl.Flush()
}
