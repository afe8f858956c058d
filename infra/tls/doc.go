// Package tls keeps the certificates this system shows and says how TLS is spoken, on both sides.
//
// It takes certificate files, fetches certificates from an authority (ACME, RFC 8555, by certmagic), or makes a development authority and
// certificate of its own, and hands a Config to every listener (Keeper.Server) and every outgoing connection (Trust.Opportunistic,
// Trust.Verified). What is fetched is kept in the notes all nodes share: one orders, all show.
//
// Invariants:
//
//   - A certificate that changed on disk is shown from the next handshakes on, without a restart; one that cannot be
//     read leaves the last good one standing and is logged.
//   - Port 25 never sends a session ticket: senders of Microsoft drop a STARTTLS connection that does
//     (golang/go#70232).
//   - Nothing older than TLS 1.2 is spoken (RFC 8996, RFC 8997).
//   - Opportunistic TLS never fails for a certificate's sake, and never claims to be verified without having been (RFC 7435 3).
//   - A name keeps its key over renewals, and from before its first certificate (PrepareKey), so that a TLSA record of the form 3 1 1 stays right
//     (RFC 7671 5.1). Until the authority has given a certificate, one of ours with that key is shown: waiting for ACME stops no mail.
//   - Trouble with an authority is said once, in a sentence that tells what to do, however often it is tried.
//   - Keys are secrets: they are in the notes and in memory, and in no log line.
//   - The development authority is never replaced while clients may trust it, only when it nears its end.
package tls

import (
	"crypto/tls"
	"fmt"
)

// Config is what listeners and connections are given. It is crypto/tls's.
type Config = tls.Config

// Purpose is what a server's TLS is for.
type Purpose uint8

// The purposes.
const (
	Users Purpose = iota // submission, IMAP, POP3, HTTP, LMTP: session tickets speed up the many short sessions
	MX                   // port 25: any host in the world may come
	Web                  // HTTPS: HTTP/2, and the authority's challenge (RFC 8737)
)

// base is what both sides of every connection have in common: crypto/tls's defaults from TLS 1.2 on.
func base() *Config { return &Config{MinVersion: tls.VersionTLS12} }

// Describe says for people what protects a connection, as mail.Event.TLS wants it: "TLS1.3 TLS_AES_128_GCM_SHA256 verified". It
// is "" for nil.
func Describe(state *tls.ConnectionState, verified bool) string {
	if state == nil {
		return ""
	}
	version := map[uint16]string{tls.VersionTLS12: "TLS1.2", tls.VersionTLS13: "TLS1.3"}[state.Version]
	if version == "" {
		version = fmt.Sprintf("TLS 0x%04x", state.Version)
	}
	s := version + " " + tls.CipherSuiteName(state.CipherSuite)
	if verified {
		s += " verified"
	}
	return s
}
