package jmap

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// emailDelivery is the type that stands for new mail alone.
const emailDelivery = "EmailDelivery"

// pushed are the types that are told. The state of all but EmailDelivery is the account's.
var pushed = []string{"Email", emailDelivery, "Mailbox", "Thread", "Quota"}

// Bounds of the interval between pings, in seconds (RFC 8620 7.3).
const (
	minPing = 15
	maxPing = 900
)

// serveEvents tells changes as they happen (RFC 8620 7.3).
func (s *Server) serveEvents(v *visit) {
	q := v.r.URL.Query()
	types := pushed
	if t := q.Get("types"); t != "*" {
		types = slices.DeleteFunc(strings.Split(t, ","), func(t string) bool { return !slices.Contains(pushed, t) })
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
	st := &stream{v: v, ctl: http.NewResponseController(v.w), types: types}
	if ping > 0 {
		st.ping = time.Duration(min(max(ping, minPing), maxPing)) * time.Second
	}
	if st.told, err = s.accounts.modseq(v.r.Context(), v.account.ID); err != nil {
		s.refuse(v.w, v.r, err)
		return
	}
	if slices.Contains(types, emailDelivery) {
		if st.delivered, err = st.deliveries(); err != nil {
			s.refuse(v.w, v.r, err)
			return
		}
	}
	v.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	v.w.Header().Set("X-Accel-Buffering", "no")
	v.w.WriteHeader(http.StatusOK)
	if st.write(": here\n\n") != nil {
		return
	}
	// Who comes again and has missed something is told at once.
	if last, ok := parseState(v.r.Header.Get("Last-Event-ID")); ok && last != st.told {
		st.delivered = "" // whether mail came meanwhile is not known: it is told
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
	types []string
	ping  time.Duration // 0: none
	told  uint64

	delivered string // what deliveries gave last; "" when it was not asked
}

// deliveries is a state that changes when a message is put into a mailbox, and not when one is read or flagged (RFC 8621 1.5).
func (st *stream) deliveries() (string, error) {
	boxes, err := st.v.s.cfg.Mailboxes.Mailboxes(st.v.r.Context(), st.v.account.ID)
	n := uint64(0)
	for _, b := range boxes {
		n += uint64(b.UIDNext)
	}
	return stateText(n), err
}

// write writes an event and sends it.
func (st *stream) write(text string) error {
	_ = st.ctl.SetWriteDeadline(time.Now().Add(30 * time.Second)) // where it cannot be set, the server's own holds
	if _, err := st.v.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.ctl.Flush()
}

// state sends a StateChange (RFC 8620 7.1), unless no type that is asked for has another state.
func (st *stream) state() (sent bool, err error) {
	states := map[string]string{}
	for _, t := range st.types {
		states[t] = stateText(st.told)
	}
	if slices.Contains(st.types, emailDelivery) {
		delivered, err := st.deliveries()
		if err != nil {
			return false, err
		}
		states[emailDelivery] = delivered
		if delivered == st.delivered {
			delete(states, emailDelivery)
		}
		if st.delivered = delivered; len(states) == 0 {
			return false, nil
		}
	}
	b, err := json.Marshal(object{"@type": "StateChange", "changed": object{accountID(st.v.account.ID): states}})
	if err != nil {
		return false, err
	}
	return true, st.write(fmt.Sprintf("event: state\nid: %d\ndata: %s\n\n", st.told, b))
}

// follow sends what happens until the client, the server or the account is gone.
func (st *stream) follow(news <-chan struct{}, once bool) {
	ctx := st.v.r.Context()
	s := st.v.s
	for {
		var tick <-chan time.Time
		if st.ping > 0 {
			tick = s.cfg.Clock.After(st.ping)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.stop.Done():
			return
		case <-tick:
			if st.write(fmt.Sprintf("event: ping\ndata: {\"interval\":%d}\n\n", int(st.ping/time.Second))) != nil {
				return
			}
		case <-news:
			account, err := s.cfg.Accounts.Account(ctx, st.v.account.ID)
			if err != nil || account.Disabled {
				return
			}
			if account.ModSeq == st.told || len(st.types) == 0 {
				continue
			}
			st.told = account.ModSeq
			if sent, err := st.state(); err != nil || sent && once {
				return
			}
		}
	}
}
