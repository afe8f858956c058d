package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// Args are the arguments of a method. accountId is added where it is not given.
type Args map[string]any

// Batch is several calls that go in one request (RFC 8620 3.3).
type Batch struct {
	c     *Client
	calls []*Call
}

// Call is one of them, and has its response once the batch is done.
type Call struct {
	method, id string
	args       Args
	done       bool
	result     json.RawMessage
	failed     *Fault
	also       map[string]json.RawMessage // further responses, by method
}

// Batch begins one.
func (c *Client) Batch() *Batch { return &Batch{c: c} }

// Add adds a call.
func (b *Batch) Add(method string, args Args) *Call {
	call := &Call{method: method, id: fmt.Sprintf("c%d", len(b.calls)), args: args}
	b.calls = append(b.calls, call)
	return call
}

// Ref refers to what an earlier call of the same batch gives (RFC 8620 3.7); it is the value of an argument whose name begins with #.
func (c *Call) Ref(path string) any {
	return map[string]string{"resultOf": c.id, "name": c.method, "path": path}
}

// Do sends the batch. A call that fails is no error of the batch: Into tells.
func (b *Batch) Do(ctx context.Context) error {
	s := b.c.Session()
	if len(b.calls) > s.MaxCalls {
		return mail.Errorf(mail.TooLarge, "the server takes %d calls at a time, not %d", s.MaxCalls, len(b.calls))
	}
	using := []string{wire.CapabilityCore, CapMail}
	calls := make([][3]any, len(b.calls))
	for i, c := range b.calls {
		args := Args{"accountId": s.Account}
		for k, v := range c.args {
			args[k] = v
		}
		noun, _, _ := strings.Cut(c.method, "/")
		switch {
		case noun == "Core":
			args = c.args
		case (noun == "EmailSubmission" || noun == "Identity") && len(using) == 2:
			if !s.Can(CapSubmission) {
				return mail.Errorf(mail.Denied, "this server does not send mail by JMAP")
			}
			using = append(using, CapSubmission)
		}
		calls[i] = [3]any{c.method, args, c.id}
	}
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"using": using, "methodCalls": calls}); err != nil {
		return mail.Errorf(mail.Internal, "the request cannot be written: %w", err)
	}
	var out struct {
		Responses [][]json.RawMessage `json:"methodResponses"`
	}
	q := request{method: http.MethodPost, url: s.api, kind: "application/json", body: bytes.NewReader(body.Bytes())}
	if _, err := b.c.ask(ctx, q, maxResponse, &out); err != nil {
		return err
	}
	return b.take(out.Responses)
}

// take hands the responses to their calls.
func (b *Batch) take(responses [][]json.RawMessage) error {
	byID := map[string]*Call{}
	for _, c := range b.calls {
		byID[c.id] = c
	}
	for _, r := range responses {
		var name, id string
		if len(r) != 3 || json.Unmarshal(r[0], &name) != nil || json.Unmarshal(r[2], &id) != nil {
			return mail.Errorf(mail.Unavailable, "the server's answer is no JMAP")
		}
		c := byID[id]
		switch {
		case c == nil:
		case c.done:
			if c.also == nil {
				c.also = map[string]json.RawMessage{}
			}
			c.also[name] = r[1]
		case name == "error":
			c.done, c.failed = true, new(Fault)
			if err := json.Unmarshal(r[1], c.failed); err != nil {
				return mail.Errorf(mail.Unavailable, "the server's answer is no JMAP: %w", noted{err})
			}
		default:
			c.done, c.result = true, r[1]
		}
	}
	return nil
}

// Into reads the response of a call.
func (c *Call) Into(to any) error {
	switch {
	case c.failed != nil:
		return c.failed.because(c.method + " failed")
	case !c.done:
		return mail.Errorf(mail.Unavailable, "the server did not answer %s", c.method)
	}
	if err := json.Unmarshal(c.result, to); err != nil {
		return mail.Errorf(mail.Unavailable, "the answer to %s cannot be read: %w", c.method, noted{err})
	}
	return nil
}

// setResult is the answer to a /set (RFC 8620 5.3).
type setResult struct {
	Created      map[string]json.RawMessage `json:"created"`
	NotCreated   map[string]*Fault          `json:"notCreated"`
	NotUpdated   map[string]*Fault          `json:"notUpdated"`
	NotDestroyed map[string]*Fault          `json:"notDestroyed"`
}
