package imap

import (
	"context"
	"strings"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdEnable serves ENABLE (RFC 9051 6.3.1). What is not known is passed over, as is what is on already.
func (s *session) cmdEnable(_ context.Context, _ *call, a *wire.Enable) (reply, error) {
	var on []string
	for _, name := range a.Capabilities {
		done := true
		switch name {
		case "CONDSTORE":
			done = s.enableCondstore()
		case "QRESYNC": // RFC 7162 3.2.3: CONDSTORE comes with it
			s.enableCondstore()
			done = !s.qresync
			s.qresync = true
		case "IMAP4REV2":
			done = !s.rev2
			s.rev2, s.utf8 = true, true
			name = "IMAP4rev2"
		case "UTF8=ACCEPT":
			done = !s.utf8
			s.utf8 = true
		default:
			done = false
		}
		if done {
			on = append(on, name)
		}
	}
	s.enc.UTF8 = s.utf8
	s.untagged(strings.TrimRight("ENABLED "+strings.Join(on, " "), " "))
	return ok("done"), nil
}

// enableCondstore notes that the client knows of mod-sequences, and tells it where the selected mailbox
// stands (RFC 7162 3.1). It reports whether that was new.
func (s *session) enableCondstore() bool {
	if s.condstore {
		return false
	}
	s.condstore = true
	if s.box != nil {
		s.enc.Raw("* OK [HIGHESTMODSEQ ").Number(s.box.highest()).Raw("] mod-sequences are told from now on").CRLF()
	}
	return true
}
