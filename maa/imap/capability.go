package imap

import (
	"strconv"
	"strings"
)

// Capabilities before and after a login. What is listed is served and tested.
const (
	earlyCapabilities = "IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE"
	fullCapabilities  = earlyCapabilities + " IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN LIST-EXTENDED LIST-STATUS SPECIAL-USE " +
		"CREATE-SPECIAL-USE MOVE MULTIAPPEND BINARY ESEARCH SEARCHRES WITHIN CONDSTORE QRESYNC OBJECTID SAVEDATE STATUS=SIZE " +
		"QUOTA QUOTA=RES-STORAGE UTF8=ACCEPT"
)

// capabilities lists what holds for the session as it stands (RFC 9051 6.1.1).
func (s *session) capabilities() string {
	if s.loggedIn {
		return fullCapabilities + " APPENDLIMIT=" + strconv.FormatInt(s.cfg.Limits.Append, 10)
	}
	var out strings.Builder
	out.WriteString(earlyCapabilities)
	if s.cfg.TLS != nil && s.c.tls == nil {
		out.WriteString(" STARTTLS")
	}
	if s.needsTLS() {
		out.WriteString(" LOGINDISABLED")
		return out.String()
	}
	for _, m := range s.cfg.Authenticator.Mechanisms(s.c.tls) {
		out.WriteString(" AUTH=")
		out.WriteString(m)
	}
	return out.String()
}

// needsTLS reports that nobody may log in yet (RFC 9051 6.2.3, RFC 8314 3.2).
func (s *session) needsTLS() bool { return s.cfg.RequireTLSForAuth && s.c.tls == nil }
