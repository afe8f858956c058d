package jmap

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// Bounds of the interval between pings, in seconds (RFC 8620 7.3).
const (
	minPing = 15
	maxPing = 900
)

const (
	streamWrite = 30 * time.Second // for one event
	streamCheck = time.Minute      // between looks whether the login still is
)

// serveEvents tells changes as they happen (RFC 8620 7.3).
func (s *Server) serveEvents(v *visit) {
	q := v.r.URL.Query()
	var types []string
	if t := q.Get("types"); t != "*" {
		types = strings.Split(t, ",")
	}
	ping, err := strconv.ParseUint(q.Get("ping"), 10, 31)
	after := q.Get("closeafter")
	if err != nil || after != "state" && after != "no" {
		fail(v.w, http.StatusBadRequest, "An event source needs types, closeafter (state or no) and ping (seconds).")
		return
	}
	g := &v.entry.gates
	if !g.enter(&g.events, s.cfg.Limits.Events) {
		fail(v.w, http.StatusTooManyRequests, fmt.Sprintf("An account can have %d event sources; close one.", s.cfg.Limits.Events))
		return
	}
	defer g.leave(&g.events)
	news, stop := s.cfg.Bus.Watch(mail.Topic{Kind: mail.TopicAccount, Account: v.account.ID})
	defer stop()
	st := &stream{v: v, ctl: http.NewResponseController(v.w)}
	if ping > 0 {
		st.ping = time.Duration(min(max(ping, minPing), maxPing)) * time.Second
	}
	if st.watch, err = s.watch(v.r.Context(), v.account.ID, types); err != nil {
		s.refuse(v.w, v.r, err)
		return
	}
	v.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	v.w.Header().Set("X-Accel-Buffering", "no")
	v.w.WriteHeader(http.StatusOK)
	if st.write(": here\n\n") != nil {
		return
	}
	if last := v.r.Header.Get("Last-Event-ID"); last != "" {
		// Who comes again and has missed something is told at once.
		st.watch.told = toldBefore(last)
		if sent, err := st.state(); err != nil || sent && after == "state" {
			return
		}
	}
	st.follow(news, after == "state")
}

// stream is an open event source.
type stream struct {
	v     *visit
	ctl   *http.ResponseController
	watch *watcher
	ping  time.Duration // 0: none
}

// write writes an event and sends it. Its deadline ends with it: over HTTP/2 one that passes resets the stream, though nothing waits to be written.
func (st *stream) write(text string) error {
	_ = st.ctl.SetWriteDeadline(time.Now().Add(streamWrite)) // where it cannot be set, the server's own holds
	defer st.ctl.SetWriteDeadline(time.Time{})               //nolint:errcheck // as above
	if _, err := st.v.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.ctl.Flush()
}

// state sends a StateChange (RFC 8620 7.1), unless no type that is asked for has another state.
func (st *stream) state() (sent bool, err error) {
	fresh, err := st.watch.news(st.v.r.Context())
	if err != nil || fresh == nil {
		return false, err
	}
	b, err := json.Marshal(stateChange(st.v.account.ID, fresh))
	if err != nil {
		return false, err
	}
	return true, st.write(fmt.Sprintf("event: state\nid: %s\ndata: %s\n\n", st.watch.eventID(), b))
}

// eventID writes all that was told; toldBefore is its reverse, and gives nothing for what is none.
func (w *watcher) eventID() string {
	v := url.Values{}
	for t, state := range w.told {
		v.Set(t, state)
	}
	return v.Encode()
}

func toldBefore(id string) map[string]string {
	told := map[string]string{}
	v, err := url.ParseQuery(id)
	if err != nil {
		return told
	}
	for t := range v {
		told[t] = v.Get(t)
	}
	return told
}

// follow sends what happens until the client, the server or the account is gone.
func (st *stream) follow(news <-chan struct{}, once bool) {
	ctx := st.v.r.Context()
	s := st.v.s
	look := time.NewTicker(streamCheck)
	defer look.Stop()
	for looks := 1; ; {
		var tick <-chan time.Time
		if st.ping > 0 {
			tick = s.cfg.Clock.After(st.ping)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.stop.Done():
			return
		case <-look.C:
			if st.v.still(ctx, looks) != nil {
				return
			}
			looks++
		case <-tick:
			if st.write(fmt.Sprintf("event: ping\ndata: {\"interval\":%d}\n\n", int(st.ping/time.Second))) != nil {
				return
			}
		case <-news:
			if sent, err := st.state(); err != nil || sent && once {
				return
			}
		}
	}
}
