package jmap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// capWebSocket is RFC 8887 3.1.
const capWebSocket = "urn:ietf:params:jmap:websocket"

// Times of a WebSocket.
const (
	socketPing  = time.Minute      // between pings; who does not answer is gone
	socketWrite = 30 * time.Second // for one message out, and for the answer to a ping
	socketCheck = time.Minute      // between looks whether the session still is
)

// socketCapability is what the session tells: where, and that changes are pushed.
func socketCapability(s *Server, r *http.Request) object {
	base := origin(r) + s.cfg.Prefix
	if rest, ok := strings.CutPrefix(base, "http"); ok {
		base = "ws" + rest
	}
	return object{"url": base + "/ws", "supportsPush": true}
}

// serveSocket is JMAP over a WebSocket (RFC 8887).
func (s *Server) serveSocket(v *visit) {
	if v.r.ProtoMajor != 1 {
		// RFC 8441 is not spoken here; browsers that are not told of it come by HTTP/1.1.
		fail(v.w, http.StatusUpgradeRequired, "A WebSocket is opened by HTTP/1.1.")
		return
	}
	// A cookie rides on whatever page opens a WebSocket: so the page must be ours (RFC 6455 10.2). Programs that are no browsers send no Origin.
	if o := v.r.Header.Get("Origin"); o != "" && !strings.EqualFold(o, origin(v.r)) {
		fail(v.w, http.StatusForbidden, "Pages of other sites may not open a WebSocket here.")
		return
	}
	if !offers(v.r, "jmap") {
		fail(v.w, http.StatusBadRequest, `The subprotocol of this WebSocket is "jmap"; ask for it by Sec-WebSocket-Protocol.`) // RFC 8887 4.1
		return
	}
	g := &v.entry.gates
	if !g.enter(&g.sockets, s.cfg.Limits.Sockets) {
		fail(v.w, http.StatusTooManyRequests, fmt.Sprintf("An account can have %d WebSockets; close one.", s.cfg.Limits.Sockets))
		return
	}
	defer g.leave(&g.sockets)
	conn, err := websocket.Accept(v.w, v.r, &websocket.AcceptOptions{Subprotocols: []string{"jmap"}, InsecureSkipVerify: true}) // the Origin was checked
	if err != nil {
		s.cfg.Log.Debug("WebSocket refused", "role", "maa/jmap", "error", err) // the library has answered
		return
	}
	defer conn.CloseNow() //nolint:errcheck // for whatever way out
	conn.SetReadLimit(-1) // read bounds it, and says so
	ctx, cancel := context.WithCancelCause(s.stop)
	defer cancel(nil)
	k := &socket{v: v, conn: conn, ctx: ctx, end: cancel, push: make(chan pushWish)}
	k.run()
}

// offers reports whether a client asked for a subprotocol.
func offers(r *http.Request, protocol string) bool {
	for _, h := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			if strings.EqualFold(strings.TrimSpace(p), protocol) {
				return true
			}
		}
	}
	return false
}

// socket is an open WebSocket. One goroutine reads it, one watches the account and the session, and each request has its own.
type socket struct {
	v    *visit
	conn *websocket.Conn
	ctx  context.Context //nolint:containedctx // ends with the socket
	end  context.CancelCauseFunc
	push chan pushWish
	work sync.WaitGroup
}

// pushWish is a WebSocketPushEnable (RFC 8887 4.3.5.2); off is WebSocketPushDisable.
type pushWish struct {
	off   bool
	types []string // nil: all
	since string   // the pushState that the client knows
}

// closing is why a socket ends, with its code (RFC 6455 7.4.1).
type closing struct {
	code websocket.StatusCode
	text string
}

// Error is the reason.
func (c *closing) Error() string { return c.text }

// run serves until the client, the session or the server is gone.
func (k *socket) run() {
	k.work.Go(k.watch)
	k.work.Go(func() {
		// Reading ends with the connection: so it is closed when anything else ends the socket.
		<-k.ctx.Done()
		why := &closing{websocket.StatusGoingAway, "the server ends"}
		errors.As(context.Cause(k.ctx), &why)
		if why.code != 0 {
			k.conn.Close(why.code, why.text) //nolint:errcheck // who is gone is gone
		}
		k.conn.CloseNow() //nolint:errcheck // likewise
	})
	k.end(k.read())
	k.work.Wait()
}

// read takes messages until there are no more; the error is why.
func (k *socket) read() error {
	for {
		kind, r, err := k.conn.Reader(context.WithoutCancel(k.ctx)) // a context that ends would cut the connection off before a reason is sent
		if err != nil {
			return &closing{text: "the client is gone"}
		}
		if kind != websocket.MessageText {
			return &closing{websocket.StatusUnsupportedData, "messages are texts"} // RFC 8887 4.2
		}
		var b bytes.Buffer
		limit := k.v.s.cfg.Limits.Request
		if n, err := b.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
			return &closing{text: "the client is gone"}
		} else if n > limit {
			p := wire.NewProblem(wire.ProblemLimit, fmt.Sprintf("a request can have %d octets; send it in several, and long texts as uploads", limit))
			p.Limit = "maxSizeRequest"
			k.refuse("", p)
			return &closing{websocket.StatusMessageTooBig, "the message is too long"}
		}
		k.message(b.Bytes())
	}
}

// head is what tells one message from another (RFC 8887 4.3).
type socketHead struct {
	Type      string   `json:"@type"`
	ID        string   `json:"id"`
	Types     []string `json:"dataTypes"`
	PushState string   `json:"pushState"`
}

// message does what a message asks for.
func (k *socket) message(b []byte) {
	if err := wire.CheckJSON(b); err != nil {
		k.refuse("", wire.NewProblem(wire.ProblemNotJSON, err.Error()+"; send messages as JSON in UTF-8"))
		return
	}
	var h socketHead
	if err := json.Unmarshal(b, &h); err != nil {
		k.refuse(h.ID, wire.NewProblem(wire.ProblemNotRequest, `a message is an object with an "@type"`))
		return
	}
	switch h.Type {
	case "Request":
		k.request(h.ID, b)
	case "WebSocketPushEnable":
		k.wish(pushWish{types: h.Types, since: h.PushState})
	case "WebSocketPushDisable":
		k.wish(pushWish{off: true})
	default:
		k.refuse(h.ID, wire.NewProblem(wire.ProblemNotRequest, `the "@type" of a message is Request, WebSocketPushEnable or WebSocketPushDisable`))
	}
}

func (k *socket) wish(w pushWish) {
	select {
	case k.push <- w:
	case <-k.ctx.Done():
	}
}

// request answers a request, beside others as far as the account may (RFC 8887 4.3.1).
func (k *socket) request(id string, b []byte) {
	s, v := k.v.s, k.v
	g := &v.entry.gates
	if !g.enter(&g.requests, s.cfg.Limits.Concurrent) {
		k.refuse(id, &wire.Problem{Type: wire.ProblemLimit, Status: http.StatusTooManyRequests, Limit: "maxConcurrentRequests",
			Detail: fmt.Sprintf("an account can have %d requests at a time; wait for one to end", s.cfg.Limits.Concurrent)})
		return
	}
	k.work.Go(func() {
		defer g.leave(&g.requests)
		req, p := s.readRequest(b)
		if p != nil {
			k.refuse(id, p)
			return
		}
		ctx, cancel := context.WithTimeout(k.ctx, s.cfg.Limits.Time)
		defer cancel()
		resp := s.answer(ctx, v, req)
		k.write(struct {
			Type string `json:"@type"`
			ID   string `json:"requestId,omitempty"`
			wire.Response
		}{"Response", id, resp})
	})
}

// readRequest reads a request and looks whether it uses what there is.
func (s *Server) readRequest(b []byte) (*wire.Request, *wire.Problem) {
	req, p := wire.ParseRequest(b, wire.Limits{MaxCalls: s.cfg.Limits.Calls})
	if p != nil {
		return nil, p
	}
	for _, u := range req.Using {
		if !s.has(u) {
			return nil, wire.NewProblem(wire.ProblemUnknownCapability, fmt.Sprintf("the capability %q is not offered here; the session lists those that are", u))
		}
	}
	return req, nil
}

// refuse sends a RequestError (RFC 8887 4.3.4).
func (k *socket) refuse(id string, p *wire.Problem) {
	var request any
	if id != "" {
		request = id
	}
	k.write(struct {
		Kind string `json:"@type"`
		ID   any    `json:"requestId"`
		*wire.Problem
	}{"RequestError", request, p})
}

// write sends a message. What cannot be sent ends the socket.
func (k *socket) write(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		k.end(&closing{websocket.StatusInternalError, "internal error"})
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), socketWrite)
	defer cancel()
	if err := k.conn.Write(ctx, websocket.MessageText, b); err != nil {
		k.end(&closing{text: "the client is gone"})
	}
}

// watch pushes changes, pings, and looks whether the session still is.
func (k *socket) watch() {
	s := k.v.s
	news, stop := s.cfg.Bus.Watch(mail.Topic{Kind: mail.TopicAccount, Account: k.v.account.ID})
	defer stop()
	var w *watcher
	ping, check := s.cfg.Clock.After(socketPing), s.cfg.Clock.After(socketCheck)
	for looks := 1; ; {
		var err error
		select {
		case <-k.ctx.Done():
			return
		case <-ping:
			ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), socketWrite)
			if err = k.conn.Ping(ctx); err != nil {
				err = &closing{text: "the client is gone"}
			}
			cancel()
			ping = s.cfg.Clock.After(socketPing)
		case <-check:
			err = k.v.still(k.ctx, looks)
			looks++
			check = s.cfg.Clock.After(socketCheck)
		case wish := <-k.push:
			w, err = k.enable(wish)
		case <-news:
			if w != nil {
				err = k.tell(w)
			}
		}
		if err != nil {
			k.end(ending(err))
			return
		}
	}
}

// ending makes a closing of an error.
func ending(err error) error {
	var why *closing
	if errors.As(err, &why) {
		return why
	}
	switch mail.KindOf(err) {
	case mail.Denied, mail.NotFound, mail.Unauthenticated:
		return &closing{websocket.StatusPolicyViolation, "the session has ended; log in again"}
	default:
		return &closing{websocket.StatusTryAgainLater, "the server cannot go on now; open it again"}
	}
}

// enable begins or ends pushing. Who says what state it knows is told at once what it has missed (RFC 8887 4.3.5.2).
func (k *socket) enable(wish pushWish) (*watcher, error) {
	if wish.off {
		return nil, nil //nolint:nilnil // nothing is watched
	}
	w, err := k.v.s.watch(k.ctx, k.v.account.ID, wish.types)
	if err != nil {
		return nil, err
	}
	if wish.since != "" {
		w.told = toldBefore(wish.since)
		err = k.tell(w)
	}
	return w, err
}

// tell pushes what is new (RFC 8887 4.3.5.1).
func (k *socket) tell(w *watcher) error {
	fresh, err := w.news(k.ctx)
	if err != nil || fresh == nil {
		return err
	}
	change := stateChange(w.account, fresh)
	change["pushState"] = w.eventID()
	k.write(change)
	return nil
}
