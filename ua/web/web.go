// Package web serves the webmail: the built files of the Svelte project that lies beside it, embedded.
//
// It takes requests from infra/web and hands out files; what the page then asks for is answered by maa/jmap and the other
// packages of ua. It knows nobody and reads nothing but its own files.
//
// Invariants:
//
//   - Files with a hash in their name are kept by browsers for a year, all others are asked for anew: a new version is seen at the next load.
//   - Every path of a page is answered with the page, every other path that is not a file with 404.
//   - The policy lets nothing run or load that did not come from here, and the frame in which messages are shown can load nothing at all (W3C CSP3).
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/postrider/postrider/infra/web"
)

//go:embed all:dist
var dist embed.FS

// Policies of what browsers may do with the page and with the frame of a message.
const (
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' blob: data:; media-src blob:; " +
		"connect-src 'self'; font-src 'self'; frame-src 'self' blob:; worker-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; " +
		"frame-ancestors 'none'"
	framePolicy = "default-src 'none'; img-src blob: data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)

// pages are the first parts of paths that the page itself makes sense of.
var pages = []string{"", "mail", "search", "compose", "contacts", "settings", "admin", "login"}

// Webmail serves the files.
type Webmail struct{ files map[string]*file }

// file is one file as it is sent.
type file struct {
	plain, zipped []byte
	kind, tag     string
	forever       bool
}

// New reads the embedded files.
func New() (*Webmail, error) {
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return From(root)
}

// From reads the files of another build.
func From(root fs.FS) (*Webmail, error) {
	m := &Webmail{files: map[string]*file{}}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		m.files["/"+name], err = newFile(name, text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the webmail's files cannot be read: %w", err)
	}
	if m.files["/index.html"] == nil {
		return nil, fmt.Errorf("the webmail was not built: there is no index.html")
	}
	return m, nil
}

func newFile(name string, text []byte) (*file, error) {
	sum := sha256.Sum256(text)
	f := &file{plain: text, kind: kindOf(name), tag: `"` + hex.EncodeToString(sum[:12]) + `"`, forever: strings.HasPrefix(name, "assets/")}
	if strings.HasPrefix(f.kind, "image/") && f.kind != "image/svg+xml" {
		return f, nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len() < len(text) {
		f.zipped = b.Bytes()
	}
	return f, nil
}

func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".webmanifest":
		return "application/manifest+json"
	default:
		if kind := mime.TypeByExtension(ext); kind != "" {
			return kind
		}
		return "application/octet-stream"
	}
}

// Register puts the webmail into a Mux, for a host as Mux.Handle takes it: for everything that nobody else has.
func (m *Webmail) Register(mux *web.Mux, host string) { mux.Handle(host, "/", m) }

// ServeHTTP implements http.Handler.
func (m *Webmail) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This takes GET alone.", http.StatusMethodNotAllowed)
		return
	}
	name := r.URL.Path
	f := m.files[name]
	if f == nil {
		first, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
		if !slices.Contains(pages, first) {
			http.Error(w, "There is nothing here.", http.StatusNotFound)
			return
		}
		name, f = "/index.html", m.files["/index.html"]
	}
	h := w.Header()
	switch name {
	case "/frame.html":
		h.Set("Content-Security-Policy", framePolicy)
		h.Set("X-Frame-Options", "SAMEORIGIN")
	default:
		h.Set("Content-Security-Policy", pagePolicy)
	}
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if f.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	f.serve(w, r)
}

// serve sends the file, or says that the client has it (RFC 9110 13.1.2).
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := f.plain
	if f.zipped != nil && acceptsGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		text = f.zipped
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(text) // a client that is gone
}

func acceptsGzip(r *http.Request) bool {
	for word := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(word, ";")
		if strings.TrimSpace(name) == "gzip" && strings.TrimSpace(weight) != "q=0" {
			return true
		}
	}
	return false
}
