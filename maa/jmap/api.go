package jmap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// call is one method call that runs.
type call struct {
	*visit
	ctx     context.Context //nolint:containedctx // of the one request
	name    string
	id      string
	args    wire.Args
	created map[string]string // creation ids of the request
	out     []wire.Invocation // responses after the method's own
}

// method is a method: it gives its response.
type method struct {
	capability string
	run        func(c *call) (any, error)
}

// methods by name. VacationResponse is not here: it is not offered.
var methods = map[string]method{
	"Core/echo":         {wire.CapabilityCore, (*call).echo},
	"Mailbox/get":       {capMail, (*call).mailboxGet},
	"Mailbox/changes":   {capMail, (*call).mailboxChanges},
	"Mailbox/query":     {capMail, (*call).mailboxQuery},
	"Mailbox/set":       {capMail, (*call).mailboxSet},
	"Thread/get":        {capMail, (*call).threadGet},
	"Thread/changes":    {capMail, (*call).threadChanges},
	"Email/get":         {capMail, (*call).emailGet},
	"Email/changes":     {capMail, (*call).emailChanges},
	"Email/query":       {capMail, (*call).emailQuery},
	"Email/set":         {capMail, (*call).emailSet},
	"Email/import":      {capMail, (*call).emailImport},
	"Email/copy":        {capMail, (*call).emailCopy},
	"Email/parse":       {capMail, (*call).emailParse},
	"SearchSnippet/get": {capMail, (*call).snippetGet},

	"Mailbox/queryChanges": {capMail, (*call).mailboxQueryChanges},
	"Email/queryChanges":   {capMail, (*call).emailQueryChanges},

	"Quota/get":          {capQuota, (*call).quotaGet},
	"Quota/changes":      {capQuota, (*call).quotaChanges},
	"Quota/query":        {capQuota, (*call).quotaQuery},
	"Quota/queryChanges": {capQuota, (*call).quotaQueryChanges},

	"Blob/copy":   {wire.CapabilityCore, (*call).blobCopy},
	"Blob/upload": {capBlob, (*call).blobUpload},
	"Blob/get":    {capBlob, (*call).blobGet},
	"Blob/lookup": {capBlob, (*call).blobLookup},

	"Identity/get":     {capSubmission, (*call).identityGet},
	"Identity/changes": {capSubmission, (*call).identityChanges},
	"Identity/set":     {capSubmission, (*call).identitySet},

	"EmailSubmission/get":          {capSubmission, (*call).submissionGet},
	"EmailSubmission/changes":      {capSubmission, (*call).submissionChanges},
	"EmailSubmission/query":        {capSubmission, (*call).submissionQuery},
	"EmailSubmission/queryChanges": {capSubmission, (*call).submissionQueryChanges},
	"EmailSubmission/set":          {capSubmission, (*call).submissionSet},

	"PushSubscription/get": {wire.CapabilityCore, (*call).pushGet},
	"PushSubscription/set": {wire.CapabilityCore, (*call).pushSet},

	"MDN/send":  {capMDN, (*call).mdnSend},
	"MDN/parse": {capMDN, (*call).mdnParse},

	"AddressBook/get":          {capContacts, (*call).bookGet},
	"AddressBook/changes":      {capContacts, (*call).bookChanges},
	"AddressBook/set":          {capContacts, (*call).bookSet},
	"ContactCard/get":          {capContacts, (*call).cardGet},
	"ContactCard/changes":      {capContacts, (*call).cardChanges},
	"ContactCard/query":        {capContacts, (*call).cardQuery},
	"ContactCard/queryChanges": {capContacts, (*call).cardQueryChanges},
	"ContactCard/set":          {capContacts, (*call).cardSet},
	"ContactCard/copy":         {capContacts, (*call).cardCopy},
}

// serveAPI answers a request of method calls (RFC 8620 3).
func (s *Server) serveAPI(v *visit) {
	g := &v.entry.gates
	if !g.enter(&g.requests, s.cfg.Limits.Concurrent) {
		problem(v.w, &wire.Problem{Type: wire.ProblemLimit, Status: http.StatusTooManyRequests, Limit: "maxConcurrentRequests",
			Detail: fmt.Sprintf("an account can have %d requests at a time; wait for one to end", s.cfg.Limits.Concurrent)})
		return
	}
	defer g.leave(&g.requests)
	body, p := s.body(v)
	if p != nil {
		problem(v.w, p)
		return
	}
	req, p := s.readRequest(body)
	if p != nil {
		problem(v.w, p)
		return
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), s.cfg.Limits.Time)
	defer cancel()
	writeJSON(v.w, http.StatusOK, s.answer(ctx, v, req))
}

// body reads a request's octets.
func (s *Server) body(v *visit) ([]byte, *wire.Problem) {
	if kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, wire.NewProblem(wire.ProblemNotJSON, "the request is not of type application/json; send it as such")
	}
	limit := s.cfg.Limits.Request
	tooLarge := wire.NewProblem(wire.ProblemLimit, fmt.Sprintf("a request can have %d octets; send it in several, and long texts as uploads", limit))
	tooLarge.Limit = "maxSizeRequest"
	if v.r.ContentLength > limit {
		return nil, tooLarge
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(v.r.Body, limit+1))
	var over *http.MaxBytesError
	switch {
	case n > limit, errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, wire.NewProblem(wire.ProblemNotJSON, "the request ended early; send it again")
	}
	return b.Bytes(), nil
}

// answer runs the calls one after the other.
func (s *Server) answer(ctx context.Context, v *visit, req *wire.Request) wire.Response {
	created := map[string]string{}
	maps.Copy(created, req.CreatedIDs)
	resp := wire.Response{Responses: make([]wire.Invocation, 0, len(req.Calls)), SessionState: v.sessionState()}
	octets := 0
	for _, asked := range req.Calls {
		c := &call{visit: v, ctx: ctx, name: asked.Name, id: asked.ID, created: created}
		var out any
		var err error
		if octets > maxResponse {
			err = wire.Errorf(wire.ErrRequestTooLarge, "the answers to the calls before this one are too long; send the rest in another request")
		} else {
			out, err = c.dispatch(req, asked.Args, resp.Responses)
		}
		name := asked.Name
		if err != nil {
			name, out = "error", c.methodError(err)
		}
		b, err := json.Marshal(out)
		if err != nil {
			name, b = "error", []byte(`{"type":"serverFail"}`)
		}
		resp.Responses = append(append(resp.Responses, wire.Invocation{Name: name, Args: b, ID: asked.ID}), c.out...)
		octets += len(b)
	}
	if req.CreatedIDs != nil {
		resp.CreatedIDs = created
	}
	return resp
}

// maxResponse is how many octets of answers end a request: the calls after them are refused.
const maxResponse = 64 << 20

// dispatch finds the method and gives it its arguments.
func (c *call) dispatch(req *wire.Request, args wire.Args, before []wire.Invocation) (any, error) {
	m, ok := methods[c.name]
	used := ok && (contains(req.Using, m.capability))
	if !ok || !used || !c.s.has(m.capability) {
		return nil, wire.Errorf(wire.ErrUnknownMethod, fmt.Sprintf("%q is no method of the capabilities that the request uses", c.name))
	}
	resolved, failed := wire.ResolveArgs(args, before)
	if failed != nil {
		return nil, failed
	}
	c.args = resolved
	if c.name != "Core/echo" && !strings.HasPrefix(c.name, "PushSubscription/") { // they are a person's, not an account's
		if err := c.ours("accountId"); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	out, err := m.run(c)
	c.s.cfg.Log.Debug("method", "role", "maa/jmap", "method", c.name, "took", time.Since(start))
	return out, err
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// ours checks the argument that names the account, and takes it out.
func (c *call) ours(name string) error {
	var id string
	r := wire.Reader{Args: wire.Args{name: c.args[name]}}
	r.Must(name, &id)
	if err := r.End(); err != nil {
		return invalid(err)
	}
	if id != accountID(c.account.ID) {
		return wire.Errorf(wire.ErrAccountNotFound, "you have no account "+id)
	}
	c.args = maps.Clone(c.args)
	delete(c.args, name)
	return nil
}

// echo gives back what it was given (RFC 8620 4).
func (c *call) echo() (any, error) {
	if c.args == nil {
		return object{}, nil
	}
	return c.args, nil
}

func invalid(err error) error {
	var e *wire.MethodError
	if errors.As(err, &e) {
		return e
	}
	return wire.Errorf(wire.ErrInvalidArguments, err.Error())
}

// methodError is what a client is told of a call that failed.
func (c *call) methodError(err error) *wire.MethodError {
	var e *wire.MethodError
	if errors.As(err, &e) {
		return e
	}
	switch mail.KindOf(err) {
	case mail.Invalid:
		return wire.Errorf(wire.ErrInvalidArguments, mail.Sentence(err))
	case mail.Unavailable, mail.TooMany, mail.Conflict:
		return wire.Errorf(wire.ErrServerUnavailable, mail.Sentence(err))
	case mail.Denied:
		return wire.Errorf(wire.ErrForbidden, mail.Sentence(err))
	}
	c.s.cfg.Log.Error("method failed", "role", "maa/jmap", "method", c.name, "account", string(c.account.Address), "error", err)
	return wire.Errorf(wire.ErrServerFail, mail.Sentence(err))
}

// snap gives the account as it is now.
func (c *call) snap() (*snapshot, error) { return c.s.accounts.snapshot(c.ctx, c.entry) }

// real replaces a creation id by the id that came of it. What was never created stays as it is, and is then not found.
func (c *call) real(id string) string {
	if key, ok := strings.CutPrefix(id, "#"); ok {
		if made, ok := c.created[key]; ok {
			return made
		}
	}
	return id
}
