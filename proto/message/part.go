package message

import (
	"strings"
	"time"
)

// Part is one node of the MIME structure of a message: the message itself, a part of a multipart, or the message
// inside a message/rfc822 part (which is the only child of that part). Offsets count octets from the
// start of the stored body and hold HeaderOffset <= BodyOffset <= End; children lie between their parent's BodyOffset and
// End, in order.
type Part struct {
	HeaderOffset int64 // where the part's own header starts
	BodyOffset   int64 // where its body starts: behind the empty line
	End          int64 // where its body ends; the line end before a boundary is not of the body (RFC 2046 5.1.1)
	Lines        int64 // line ends in the body

	MediaType string // in lower case, "text" where nothing valid is said
	Subtype   string // in lower case, "plain" where nothing valid is said
	Params    []Param
	Encoding  string // Content-Transfer-Encoding in lower case, "7bit" where nothing is said

	ID                string // Content-ID with its brackets, as written
	Description       string // Content-Description, not decoded
	MD5               string // Content-MD5
	Disposition       string // in lower case, empty where nothing is said
	DispositionParams []Param
	Language          []string // Content-Language
	Location          string   // Content-Location

	Envelope *Envelope // of a message: on the root, and on the child of a message/rfc822 part
	Children []*Part
	// Cut says that a limit was reached: what lies inside this part, or some text of its fields, is not told.
	// The octets between BodyOffset and End are complete all the same.
	Cut bool
}

// HeaderSize is the length of the part's header with the empty line.
func (p *Part) HeaderSize() int64 { return p.BodyOffset - p.HeaderOffset }

// Size is the length of the part's body in octets, as stored (the body-fld-octets of RFC 3501 7.4.2).
func (p *Part) Size() int64 { return p.End - p.BodyOffset }

// Multipart reports whether the part is made of parts. One that claims to be but has none that could be found is a leaf.
func (p *Part) Multipart() bool { return p.MediaType == "multipart" && len(p.Children) > 0 }

// Message gives the message inside a message/rfc822 or message/global part, or nil for any other part and for
// one that could not be looked into.
func (p *Part) Message() *Part {
	if p.MediaType == "message" && len(p.Children) == 1 {
		return p.Children[0]
	}
	return nil
}

// Announced gives the type to show where the structure must agree with the type, as in IMAP's BODYSTRUCTURE: a
// multipart without parts and a message that could not be looked into are shown as application/octet-stream.
func (p *Part) Announced() (mediaType, subtype string) {
	if p.MediaType == "multipart" && !p.Multipart() || isMessageType(p.MediaType, p.Subtype) && p.Message() == nil {
		return "application", "octet-stream"
	}
	return p.MediaType, p.Subtype
}

func isMessageType(mediaType, subtype string) bool {
	return mediaType == "message" && (subtype == "rfc822" || subtype == "global")
}

// Param gives the value of a Content-Type parameter, named in lower case.
func (p *Part) Param(name string) string { return ParamValue(p.Params, name) }

// Charset is the charset parameter in lower case, or an empty string.
func (p *Part) Charset() string { return lowered(p.Param("charset")) }

// Filename is the name the sender gave the part, in UTF-8, or an empty string. It is a claim of a stranger, never a path.
func (p *Part) Filename() string {
	if name := ParamValue(p.DispositionParams, "filename"); name != "" {
		return name
	}
	return p.Param("name")
}

// Attachment reports whether people would call the part an attachment: it says so, or has a file name, or
// is no text, picture inside a text, multipart or signature.
func (p *Part) Attachment() bool {
	switch {
	case p.Multipart():
		return false
	case p.Disposition != "" && p.Disposition != "inline":
		return true // what is unknown counts as an attachment (RFC 2183 2.8)
	case p.Disposition == "inline" && (p.MediaType == "text" || p.ID != ""):
		return false
	case p.MediaType == "text" || p.MediaType == "image" && p.ID != "":
		return p.Filename() != ""
	case p.MediaType == "application" && (strings.HasSuffix(p.Subtype, "-signature") || p.Subtype == "pgp-encrypted"):
		return false
	case p.MediaType == "message" && p.Subtype != "rfc822" && p.Subtype != "global":
		return false // delivery-status and its kin
	}
	return true
}

// Walk calls f for the part and everything in it, parents first; f stops the walk by returning false.
func (p *Part) Walk(f func(*Part) bool) bool {
	if !f(p) {
		return false
	}
	for _, c := range p.Children {
		if !c.Walk(f) {
			return false
		}
	}
	return true
}

// Section finds the part that IMAP names by numbers, `2.1` being Section(2, 1) (RFC 3501 6.4.5): numbers
// count the parts of a multipart from 1; inside a message/rfc822 part they count in the message it holds; what
// is no multipart is its own part 1. No numbers name the part itself. It gives nil where there is no such part.
func (p *Part) Section(path ...int) *Part {
	// inMessage: p stands for a whole message, whose only part, if it is no multipart, is 1.
	inMessage := true
	for _, n := range path {
		if !inMessage {
			if m := p.Message(); m != nil {
				p, inMessage = m, true
			}
		}
		switch {
		case p.Multipart():
			if n < 1 || n > len(p.Children) {
				return nil
			}
			p = p.Children[n-1]
		case !inMessage || n != 1:
			return nil
		}
		inMessage = false
	}
	return p
}

// Envelope is what IMAP calls so: the fields people see first. Texts are as they were written, unfolded, not decoded.
type Envelope struct {
	Date       string    // the Date field
	Time       time.Time // the same as a time; the zero Time where it is none
	Subject    string
	From       []Address
	Sender     []Address // empty where there is none; readers take From for it (RFC 3501 7.4.2)
	ReplyTo    []Address // likewise
	To         []Address
	Cc         []Address
	Bcc        []Address
	InReplyTo  string
	MessageID  string   // with its brackets
	References []string // without brackets, oldest first
	Received   int      // how many Received fields stand in the header (RFC 5321 6.3 counts them against loops)
}

// AddressKind tells addresses from the marks that begin and end a group.
type AddressKind uint8

// The kinds of Address. IMAP shows a group as a start, its members and an end (RFC 3501 7.4.2).
const (
	AddressMailbox    AddressKind = iota
	AddressGroupStart             // Mailbox holds the name of the group
	AddressGroupEnd
)

// Address is one entry of an address list as IMAP shows it.
type Address struct {
	Name    string // display name as written, without quotes, encoded words left
	Route   string // obsolete source route, "@a,@b", nearly always empty
	Mailbox string // local part without quotes, or what stood in its place
	Host    string // domain; empty where there is none
	Kind    AddressKind
}
