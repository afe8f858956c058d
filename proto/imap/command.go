package imap

import "strings"

// Args are the arguments of one command. Decode reads them, with the space in front of the first and up to the
// CRLF, which is left to Decoder.End.
type Args interface{ Decode(d *Decoder) }

// Head is what a command begins with.
type Head struct {
	Tag  string
	Name string // in capitals
	UID  bool   // it had the prefix UID: message numbers are UIDs (RFC 9051 6.4.9)
}

// Head reads tag and name of a command.
func (d *Decoder) Head() Head {
	h := Head{Tag: d.Tag()}
	d.SP()
	h.Name = d.Word("a command")
	if h.Name == "UID" {
		h.UID = true
		d.SP()
		h.Name = d.Word("a command after UID")
	}
	if d.err != nil {
		h.Name = ""
	}
	return h
}

// NewArgs gives empty arguments for a command, or nil for a command that is not known.
func NewArgs(name string, uid bool) Args {
	if uid {
		switch name {
		case "EXPUNGE":
			return new(UIDExpunge)
		case "FETCH", "STORE", "SEARCH", "COPY", "MOVE":
		default:
			return nil
		}
	}
	switch name {
	case "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "IDLE", "CHECK", "CLOSE", "UNSELECT", "NAMESPACE", "EXPUNGE":
		return new(None)
	case "APPEND":
		return new(Append)
	case "AUTHENTICATE":
		return new(Authenticate)
	case "COPY", "MOVE":
		return new(Copy)
	case "CREATE":
		return new(Create)
	case "ENABLE":
		return new(Enable)
	case "FETCH":
		return &Fetch{uid: uid}
	case "GETQUOTA":
		return new(GetQuota)
	case "GETQUOTAROOT", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE":
		return new(Mailbox)
	case "ID":
		return new(ID)
	case "LIST":
		return new(List)
	case "LOGIN":
		return new(Login)
	case "LSUB":
		return new(LSub)
	case "RENAME":
		return new(Rename)
	case "SEARCH":
		return new(Search)
	case "SELECT", "EXAMINE":
		return new(Select)
	case "STATUS":
		return new(Status)
	case "STORE":
		return new(Store)
	}
	return nil
}

// None are the arguments of a command that has none.
type None struct{}

// Decode reads nothing.
func (*None) Decode(*Decoder) {}

// Mailbox is the one argument of a command about a mailbox.
type Mailbox struct{ Name string }

// Decode reads a mailbox name.
func (a *Mailbox) Decode(d *Decoder) {
	d.SP()
	a.Name = d.Mailbox()
}

// upper puts an ASCII word in capitals.
func upper(s string) string { return strings.ToUpper(s) }
