package intake

import (
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/smtp"
)

// Transaction is what an SMTP or LMTP session knows of the message under way: what MAIL and RCPT said. The zero value is none.
type Transaction struct {
	Envelope mail.Envelope
	Size     int64 // as declared; 0 when it was not
	To       []Recipient
}

// Begin starts one from a MAIL command.
func (t *Transaction) Begin(m *smtp.Mail) error {
	from, err := Path(m.From)
	if err != nil {
		return err
	}
	*t = Transaction{Envelope: mail.Envelope{From: from, UTF8: m.UTF8}, Size: m.Size}
	if m.Body == smtp.Body8BitMIME {
		t.Envelope.Body = mail.Body8Bit
	}
	if m.RequireTLS {
		t.Envelope.TLS = mail.TLSRequired
	}
	return nil
}

// Add takes a recipient in.
func (t *Transaction) Add(r Recipient) {
	t.Envelope.To = append(t.Envelope.To, r.Path)
	t.To = append(t.To, r)
}

// Reset ends it.
func (t *Transaction) Reset() { *t = Transaction{} }
