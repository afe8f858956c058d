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

// has reports whether a capability is ours.
func (s *Server) has(capability string) bool {
	switch capability {
	case wire.CapabilityCore, capMail, capQuota, capBlob:
		return true
	case capSubmission:
		return s.sends()
	}
	return false
}

// sessionState changes with what the session tells: it is the account's, and never changes while the program runs.
func (v *visit) sessionState() string { return "1-" + accountID(v.account.ID) }

// serveSession gives the session resource (RFC 8620 2).
func (s *Server) serveSession(v *visit) {
	l := s.cfg.Limits
	id := accountID(v.account.ID)
	base := origin(v.r) + s.cfg.Prefix
	of := object{
		wire.CapabilityCore: object{},
		capMail: object{"maxMailboxesPerEmail": nil, "maxMailboxDepth": maxDepth, "maxSizeMailboxName": maxName, "maxSizeAttachmentsPerEmail": l.Upload,
			"emailQuerySortOptions": sorts, "mayCreateTopLevelMailbox": true},
		capQuota: object{},
		capBlob: object{"maxSizeBlobSet": maxBlobSet, "maxDataSources": maxSources, "supportedTypeNames": []string{"Mailbox", "Thread", "Email"},
			"supportedDigestAlgorithms": []string{"sha", "sha-256"}},
	}
	primary := object{capMail: id, capQuota: id, capBlob: id, wire.CapabilityCore: id}
	offered := object{
		wire.CapabilityCore: object{"maxSizeUpload": l.Upload, "maxConcurrentUpload": l.ConcurrentUpload, "maxSizeRequest": l.Request,
			"maxConcurrentRequests": l.Concurrent, "maxCallsInRequest": l.Calls, "maxObjectsInGet": l.Get, "maxObjectsInSet": l.Set,
			"collationAlgorithms": []string{"i;unicode-casemap"}},
		capMail: object{}, capQuota: object{}, capBlob: object{},
	}
	if s.sends() {
		of[capSubmission] = object{"maxDelayedSend": int64(maxDelay / time.Second), "submissionExtensions": object{"FUTURERELEASE": futureRelease(s.cfg.Clock.Now())}}
		offered[capSubmission] = object{}
		primary[capSubmission] = id
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
