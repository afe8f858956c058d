package smtpd

import (
	"context"
	"errors"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// kindReplies says how each kind of failure is told to an SMTP client (RFC 5321 4.2.3, RFC 3463 3).
var kindReplies = map[mail.Kind]smtp.Reply{
	mail.Internal:        {Code: 451, Enhanced: "4.3.0"},
	mail.Invalid:         {Code: 550, Enhanced: "5.5.0"},
	mail.NotFound:        {Code: 550, Enhanced: "5.1.1"},
	mail.Exists:          {Code: 550, Enhanced: "5.5.0"},
	mail.Denied:          {Code: 550, Enhanced: "5.7.1"},
	mail.Unauthenticated: {Code: 530, Enhanced: "5.7.0"},
	mail.OverQuota:       {Code: 552, Enhanced: "5.2.2"},
	mail.TooLarge:        {Code: 552, Enhanced: "5.3.4"},
	mail.TooMany:         {Code: 452, Enhanced: "4.5.3"},
	mail.Unavailable:     {Code: 451, Enhanced: "4.3.0"},
	mail.Conflict:        {Code: 451, Enhanced: "4.3.0"},
}

// ReplyFor is the one place where an error becomes a reply. A *smtp.Reply in err's chain is taken as it is; a *mail.Error by its
// kind, its Enhanced code deciding between a temporary and a permanent refusal where it is given; a cancelled context
// means that the server is stopping; anything else is our fault, temporary, and keeps its text to itself.
func ReplyFor(err error) *smtp.Reply {
	var reply *smtp.Reply
	if errors.As(err, &reply) && reply != nil && reply.Code >= 200 && reply.Code <= 599 && reply.Code/100 != 3 {
		return reply
	}
	var failure *mail.Error
	if !errors.As(err, &failure) {
		if errors.Is(err, context.Canceled) {
			return stopping()
		}
		failure = &mail.Error{}
	}
	r := kindReplies[failure.Kind]
	if r.Code == 0 {
		r = kindReplies[mail.Internal]
	}
	r.Text = mail.Sentence(failure)
	if smtp.ValidEnhanced(failure.Enhanced) && failure.Enhanced[0] != '2' {
		r.Enhanced = failure.Enhanced
		r.Code = inClass(r.Code, int(failure.Enhanced[0]-'0'))
		if r.Enhanced == "4.3.1" { // RFC 5321 4.2.2: insufficient system storage
			r.Code = 452
		}
	}
	return &r
}

// inClass gives the code of class 4 or 5 that comes closest to code.
func inClass(code, class int) int {
	switch {
	case code/100 == class:
		return code
	case class == 5:
		return 550
	case code == 552:
		return 452
	case code == 530:
		return 454 // RFC 4954 6
	case code == 550:
		return 450
	}
	return 451
}

func stopping() *smtp.Reply {
	return smtp.Errorf(421, "4.3.2", "service is shutting down; try again soon")
}

// bodyReply is the refusal of data that breaks RFC 5321 2.3.8 or 4.1.1.4, or nil for another failure.
func bodyReply(err error) *smtp.Reply {
	switch {
	case errors.Is(err, smtp.ErrBareCR), errors.Is(err, smtp.ErrBareLF):
		return smtp.Errorf(550, "5.6.11", "the message has a bare CR or LF; lines end with CR LF")
	case errors.Is(err, smtp.ErrNUL):
		return smtp.Errorf(554, "5.6.0", "the message has a NUL octet; encode binary content")
	}
	return nil
}
