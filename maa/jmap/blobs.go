package jmap

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// uploadLife is how long an upload waits to be used (RFC 8620 6.1: at least an hour).
const uploadLife = 3 * time.Hour

// maxUploads is how many uploads an account can have waiting.
const maxUploads = 1000

// uploads keeps what was uploaded until a message has it. They are this process's own: after a restart, or on another node, a client finds
// blobNotFound and uploads again.
type uploads struct {
	limit int64
	mu    sync.Mutex
	byID  map[string]*upload
	of    map[mail.AccountID]*held
}

// held is what an account has waiting.
type held struct {
	octets int64
	list   []*upload // oldest first
}

type upload struct {
	id      string
	account mail.AccountID
	kind    string
	body    mail.SealedBody
	until   time.Time
}

func newUploads(limit int64) *uploads {
	return &uploads{limit: limit, byID: map[string]*upload{}, of: map[mail.AccountID]*held{}}
}

// put takes an upload. To make room for it, the oldest go (RFC 8620 6).
func (u *uploads) put(now time.Time, account mail.AccountID, kind string, body mail.SealedBody) *upload {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	up := &upload{id: "U" + hex.EncodeToString(raw[:]), account: account, kind: kind, body: body, until: now.Add(uploadLife)}
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, h := range u.of { // whoever uploads also sweeps
		u.shrink(id, h, func(old *upload) bool { return old.until.Before(now) })
	}
	h := u.of[account]
	if h == nil {
		h = new(held)
		u.of[account] = h
	}
	u.shrink(account, h, func(*upload) bool { return len(h.list) >= maxUploads || h.octets+body.Size() > u.limit })
	u.of[account] = h
	h.list = append(h.list, up)
	h.octets += body.Size()
	u.byID[up.id] = up
	return up
}

// shrink drops the oldest uploads of an account while which says so.
func (u *uploads) shrink(account mail.AccountID, h *held, which func(*upload) bool) {
	for len(h.list) > 0 && which(h.list[0]) {
		old := h.list[0]
		h.list = h.list[1:]
		h.octets -= old.body.Size()
		delete(u.byID, old.id)
		old.body.Discard()
	}
	if len(h.list) == 0 {
		delete(u.of, account)
	}
}

// drop gives all of them up.
func (u *uploads) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, h := range u.of {
		u.shrink(id, h, func(*upload) bool { return true })
	}
}

// find gives an upload of an account; nil when there is none.
func (u *uploads) find(account mail.AccountID, id string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if up := u.byID[id]; up != nil && up.account == account {
		return up
	}
	return nil
}

// open makes it a source.
func (u *uploads) open(account mail.AccountID, id string) (*source, error) {
	up := u.find(account, id)
	if up == nil {
		return nil, noBlob(id)
	}
	body, err := up.body.Open()
	if err != nil {
		return nil, noBlob(id) // it went this moment
	}
	return &source{id: id, kind: up.kind, size: body.Size(), close: func() { _ = body.Close() }, open: func(off, n int64) (io.ReadCloser, error) {
		if n < 0 {
			n = max(body.Size()-off, 0)
		}
		return io.NopCloser(io.NewSectionReader(body, off, n)), nil
	}}, nil
}

// serveUpload takes an upload (RFC 8620 6.1). What it says of its size is held against what comes.
func (s *Server) serveUpload(v *visit) {
	if strings.Trim(strings.TrimPrefix(v.rest, "/upload/"), "/") != accountID(v.account.ID) {
		fail(v.w, http.StatusNotFound, "You have no such account; the session tells which you have.")
		return
	}
	g := &v.entry.gates
	if !g.enter(&g.uploads, s.cfg.Limits.ConcurrentUpload) {
		problem(v.w, &wire.Problem{Type: wire.ProblemLimit, Status: http.StatusTooManyRequests, Limit: "maxConcurrentUpload",
			Detail: fmt.Sprintf("an account can have %d uploads at a time; wait for one to end", s.cfg.Limits.ConcurrentUpload)})
		return
	}
	defer g.leave(&g.uploads)
	most := s.cfg.Limits.Upload
	if v.r.ContentLength > most {
		tooLong(v.w, most)
		return
	}
	const slowest = 16 << 10 // octets a second
	patience := 30*time.Second + time.Duration(most/slowest)*time.Second
	_ = http.NewResponseController(v.w).SetReadDeadline(time.Now().Add(patience)) // where it cannot be set, the server's own holds
	up, err := s.receive(v.r.Context(), v, v.r.Body, most)
	var over *http.MaxBytesError
	switch {
	case errors.Is(err, errTooLong):
		tooLong(v.w, most)
	case errors.As(err, &over):
		tooLong(v.w, over.Limit)
	case errors.Is(err, io.ErrUnexpectedEOF):
		fail(v.w, http.StatusBadRequest, "The upload ended before what it announced; send it again.")
	case err != nil:
		s.refuse(v.w, v.r, err)
	default:
		writeJSON(v.w, http.StatusCreated, object{"accountId": accountID(v.account.ID), "blobId": up.id, "type": up.kind, "size": up.body.Size()})
	}
}

func tooLong(w http.ResponseWriter, most int64) {
	problem(w, &wire.Problem{Type: wire.ProblemLimit, Status: http.StatusRequestEntityTooLarge, Limit: "maxSizeUpload",
		Detail: fmt.Sprintf("an upload can have %d octets", most)})
}

var errTooLong = errors.New("the upload is too long")

// receive stores what is read.
func (s *Server) receive(ctx context.Context, v *visit, r io.Reader, most int64) (*upload, error) {
	kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	if err != nil {
		kind = "application/octet-stream"
	}
	return s.store(ctx, v.account.ID, kind, io.LimitReader(r, most+1), most)
}

func (s *Server) store(ctx context.Context, account mail.AccountID, kind string, r io.Reader, most int64) (*upload, error) {
	w, err := s.cfg.Blobs.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Discard()
	n, err := io.Copy(w, r)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, errTooLong
	}
	body, err := w.Seal()
	if err != nil {
		return nil, err
	}
	return s.uploads.put(s.cfg.Clock.Now(), account, kind, body), nil
}

// serveDownload gives a blob (RFC 8620 6.2): /download/ACCOUNT/BLOB/NAME?accept=TYPE. It is never shown inline as what could run in a browser.
func (s *Server) serveDownload(v *visit) {
	parts := strings.SplitN(strings.TrimPrefix(v.rest, "/download/"), "/", 3)
	if len(parts) != 3 || parts[0] != accountID(v.account.ID) {
		fail(v.w, http.StatusNotFound, "There is no such blob.")
		return
	}
	src, err := v.blob(v.r.Context(), parts[1])
	if err != nil {
		s.refuse(v.w, v.r, err)
		return
	}
	defer src.close()
	body, err := src.open(0, -1)
	if err != nil {
		s.refuse(v.w, v.r, err)
		return
	}
	defer body.Close()
	kind := v.r.URL.Query().Get("accept")
	if _, _, err := mime.ParseMediaType(kind); err != nil || strings.ContainsAny(kind, "\r\n") {
		kind = "application/octet-stream"
	}
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": parts[2]}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, immutable, max-age=31536000")
	if src.size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(src.size, 10))
	}
	if v.r.Method == http.MethodHead {
		return
	}
	s.send(v, body)
}

// send writes a body; the client has a while for each piece of it.
func (s *Server) send(v *visit, body io.Reader) {
	ctl := http.NewResponseController(v.w)
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			_ = ctl.SetWriteDeadline(time.Now().Add(30 * time.Second)) // where it cannot be set, the server's own holds
			if _, werr := v.w.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			s.cfg.Log.Error("download broke off", "role", "maa/jmap", "account", string(v.account.Address), "error", err)
			panic(http.ErrAbortHandler) // the one way to tell a client that what it has is not all
		}
	}
}
