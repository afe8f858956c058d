package jmap

import (
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/postrider/postrider/infra/web"
	wire "github.com/postrider/postrider/proto/jmap"
)

// The capabilities of this server.
const (
	capMail       = "urn:ietf:params:jmap:mail"
	capSubmission = "urn:ietf:params:jmap:submission"
	capQuota      = "urn:ietf:params:jmap:quota"
	capBlob       = "urn:ietf:params:jmap:blob"
)

type object = map[string]any

// maxDepth is how deep a client may make mailboxes.
const maxDepth = 100

// sorts are what Email/query sorts by.
var sorts = []string{"receivedAt", "sentAt", "size", "from", "to", "subject", "hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword"}

// sends reports whether there is somebody who sends.
func (s *Server) sends() bool {
	c := &s.cfg
	return c.Submit != nil && c.Senders != nil && c.Queue != nil && c.Trail != nil && c.Notes != nil
}

// capability is one that this server may have: whether it does, what the session tells of it, and what of it an account's part. whole or part may be nil: then
// there is nothing to tell.
type capability struct {
	here        func(*Server) bool
	whole, part func(*Server, *http.Request) object
	server      bool // it is of the server alone: accounts do not have it
}

func always(*Server) bool { return true }

// capabilities by name.
var capabilities = map[string]capability{
	wire.CapabilityCore: {here: always, whole: coreCapability},
	capMail:             {here: always, part: mailCapability},
	capQuota:            {here: always},
	capBlob:             {here: always, part: blobCapability},
	capSubmission:       {here: (*Server).sends, part: submissionCapability},
	capMDN:              {here: (*Server).sends},
	capWebSocket:        {here: always, whole: socketCapability, server: true},
	capVAPID:            {here: (*Server).pushes, whole: vapidCapability, server: true},
	capContacts:         {here: (*Server).keepsContacts, part: contactCapability},
}

func coreCapability(s *Server, _ *http.Request) object {
	l := s.cfg.Limits
	return object{"maxSizeUpload": l.Upload, "maxConcurrentUpload": l.ConcurrentUpload, "maxSizeRequest": l.Request,
		"maxConcurrentRequests": l.Concurrent, "maxCallsInRequest": l.Calls, "maxObjectsInGet": l.Get, "maxObjectsInSet": l.Set,
		"collationAlgorithms": []string{"i;unicode-casemap"}}
}

func mailCapability(s *Server, _ *http.Request) object {
	return object{"maxMailboxesPerEmail": nil, "maxMailboxDepth": maxDepth, "maxSizeMailboxName": maxName, "maxSizeAttachmentsPerEmail": s.cfg.Limits.Upload,
		"emailQuerySortOptions": sorts, "mayCreateTopLevelMailbox": true}
}

func blobCapability(*Server, *http.Request) object {
	return object{"maxSizeBlobSet": maxBlobSet, "maxDataSources": maxSources, "supportedTypeNames": []string{"Mailbox", "Thread", "Email"},
		"supportedDigestAlgorithms": []string{"sha", "sha-256"}}
}

func submissionCapability(s *Server, _ *http.Request) object {
	return object{"maxDelayedSend": int64(maxDelay / time.Second), "submissionExtensions": object{"FUTURERELEASE": futureRelease(s.cfg.Clock.Now())}}
}

// has reports whether a capability is ours.
func (s *Server) has(name string) bool {
	c, ok := capabilities[name]
	return ok && c.here(s)
}

// sessionState changes with what the session tells: it is the account's, and never changes while the program runs.
func (v *visit) sessionState() string { return "1-" + accountID(v.account.ID) }

// serveSession gives the session resource (RFC 8620 2).
func (s *Server) serveSession(v *visit) {
	id := accountID(v.account.ID)
	base := origin(v.r) + s.cfg.Prefix
	offered, of, primary := object{}, object{}, object{}
	tells := func(f func(*Server, *http.Request) object) object {
		if f == nil {
			return object{}
		}
		return f(s, v.r)
	}
	for name, c := range capabilities {
		if !c.here(s) {
			continue
		}
		if offered[name] = tells(c.whole); !c.server {
			of[name], primary[name] = tells(c.part), id
		}
	}
	name := string(v.account.Address)
	writeJSON(v.w, http.StatusOK, object{
		"capabilities":    offered,
		"accounts":        object{id: object{"name": name, "isPersonal": true, "isReadOnly": false, "accountCapabilities": of}},
		"primaryAccounts": primary,
		"username":        name,
		"apiUrl":          base + "/api",
		"downloadUrl":     base + "/download/{accountId}/{blobId}/{name}?accept={type}",
		"uploadUrl":       base + "/upload/{accountId}/",
		"eventSourceUrl":  base + "/events?types={types}&closeafter={closeafter}&ping={ping}",
		"state":           v.sessionState(),
	})
}

// origin is the scheme and host the client came by. What is no host name gives relative URLs.
func origin(r *http.Request) string {
	host := web.Host(r)
	if host == "" {
		return ""
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		host = net.JoinHostPort(host, port)
	}
	if r.TLS != nil {
		return "https://" + host
	}
	return "http://" + host
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, "internal error; the server's log says more")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that is gone
}
