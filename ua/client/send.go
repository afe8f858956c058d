package client

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/postrider/postrider/mail"
)

// Letter is a message to be sent.
type Letter struct {
	From                Address // the identity's where it is empty
	To, Cc, Bcc         []Address
	Subject, Text, HTML string // an HTML that is empty is none
	InReplyTo, Refs     []string
	Files               []Part // with Blob, Type, Name: uploads, or parts of other messages
	// Replaces is a draft that goes as this one is made.
	Replaces string
}

// Sent is a message that was sent, or kept.
type Sent struct {
	Email      string // its id
	Kept       string // where sending failed: the name of the mailbox the message is kept in, "" when it is kept nowhere
	Submission Submission
}

// draft describes the message for Email/set.
func (l *Letter) draft(mailbox string) map[string]any {
	o := map[string]any{"mailboxIds": map[string]bool{mailbox: true}, "keywords": map[string]bool{Seen: true, Draft: true}, "from": []Address{l.From}, "subject": l.Subject}
	for name, list := range map[string][]Address{"to": l.To, "cc": l.Cc, "bcc": l.Bcc} {
		if len(list) > 0 {
			o[name] = list
		}
	}
	for name, list := range map[string][]string{"inReplyTo": l.InReplyTo, "references": l.Refs} {
		if len(list) > 0 {
			o[name] = list
		}
	}
	values := map[string]any{"t": map[string]string{"value": l.Text}}
	o["textBody"] = []any{map[string]string{"partId": "t", "type": "text/plain"}}
	if l.HTML != "" {
		values["h"] = map[string]string{"value": l.HTML}
		o["htmlBody"] = []any{map[string]string{"partId": "h", "type": "text/html"}}
	}
	o["bodyValues"] = values
	var files []any
	for _, f := range l.Files {
		files = append(files, map[string]string{"blobId": f.Blob, "type": f.Type, "name": f.Name, "disposition": "attachment"})
	}
	if files != nil {
		o["attachments"] = files
	}
	return o
}

// places are the mailboxes that sending needs: where the message is while it is not sent, and where after.
func (c *Client) places(ctx context.Context) (before, after Mailbox, err error) {
	list, err := c.Mailboxes(ctx)
	if err != nil {
		return before, after, err
	}
	drafts, sent := RoleOf(list, "drafts"), RoleOf(list, "sent")
	if sent == nil {
		made, err := c.makeMailbox(ctx, "Sent", "sent")
		if err != nil {
			return before, after, err
		}
		sent = &made
	}
	if drafts == nil {
		drafts = sent
	}
	return *drafts, *sent, nil
}

func (c *Client) makeMailbox(ctx context.Context, name, role string) (Mailbox, error) {
	b := c.Batch()
	set := b.Add("Mailbox/set", Args{"create": map[string]any{"m": map[string]any{"name": name, "role": role}}})
	if err := b.Do(ctx); err != nil {
		return Mailbox{}, err
	}
	var out setResult
	if err := set.Into(&out); err != nil {
		return Mailbox{}, err
	}
	if f := out.NotCreated["m"]; f != nil {
		return Mailbox{}, f.because("the mailbox " + name + " could not be made")
	}
	m := Mailbox{Name: name, Role: role}
	if err := json.Unmarshal(out.Created["m"], &m); err != nil || m.ID == "" {
		return Mailbox{}, mail.Errorf(mail.Unavailable, "the answer to Mailbox/set cannot be read")
	}
	return m, nil
}

// sender finds the identity of a letter, and fills in its From.
func (c *Client) sender(ctx context.Context, l *Letter) (Identity, error) {
	list, err := c.Identities(ctx)
	if err != nil {
		return Identity{}, err
	}
	if len(list) == 0 {
		return Identity{}, mail.Errorf(mail.Denied, "this account has no identity to send as")
	}
	who := list[0]
	for _, i := range list {
		if strings.EqualFold(i.Email, l.From.Email) {
			who = i
			break
		}
	}
	if l.From.Email == "" {
		l.From = Address{Name: who.Name, Email: who.Email}
	} else if l.From.Name == "" && strings.EqualFold(who.Email, l.From.Email) {
		l.From.Name = who.Name
	}
	return who, nil
}

// SaveDraft keeps a letter as a draft, and gives its id and the mailbox's name.
func (c *Client) SaveDraft(ctx context.Context, l Letter) (id, mailbox string, err error) {
	before, _, err := c.places(ctx)
	if err == nil {
		_, err = c.sender(ctx, &l)
	}
	if err != nil {
		return "", "", err
	}
	b := c.Batch()
	set := b.Add("Email/set", l.set(before.ID))
	if err := b.Do(ctx); err != nil {
		return "", "", err
	}
	id, err = created(set, "l", "the draft could not be kept")
	return id, before.Name, err
}

func (l *Letter) set(mailbox string) Args {
	a := Args{"create": map[string]any{"l": l.draft(mailbox)}}
	if l.Replaces != "" {
		a["destroy"] = []string{l.Replaces}
	}
	return a
}

// created gives the id of what a /set has created.
func created(call *Call, key, what string) (string, error) {
	var out setResult
	if err := call.Into(&out); err != nil {
		return "", err
	}
	if f := out.NotCreated[key]; f != nil {
		return "", f.because(what)
	}
	var o struct{ ID string }
	if err := json.Unmarshal(out.Created[key], &o); err != nil || o.ID == "" {
		return "", mail.Errorf(mail.Unavailable, "%s: the server does not say what it made", what)
	}
	return o.ID, nil
}

// Send files a letter as a draft, submits it, and moves it to where sent messages are: one request (RFC 8621 7.5.1). Where sending is refused, the message
// stays among the drafts, and Sent says where that is.
func (c *Client) Send(ctx context.Context, l Letter) (Sent, error) {
	if len(l.To)+len(l.Cc)+len(l.Bcc) == 0 {
		return Sent{}, mail.Errorf(mail.Invalid, "the message is to nobody; name a recipient")
	}
	before, after, err := c.places(ctx)
	if err != nil {
		return Sent{}, err
	}
	who, err := c.sender(ctx, &l)
	if err != nil {
		return Sent{}, err
	}
	patch := Patch{"keywords/" + Draft: nil}
	if before.ID != after.ID {
		patch["mailboxIds/"+before.ID], patch["mailboxIds/"+after.ID] = nil, true
	}
	b := c.Batch()
	set := b.Add("Email/set", l.set(before.ID))
	submit := b.Add("EmailSubmission/set", Args{"create": map[string]any{"s": map[string]string{"identityId": who.ID, "emailId": "#l"}},
		"onSuccessUpdateEmail": map[string]Patch{"#s": patch}})
	if err := b.Do(ctx); err != nil {
		if mail.Is(err, mail.Unavailable) {
			return Sent{}, mail.Errorf(mail.Unavailable, "it is not known whether the message was sent; look into %s before you send it again: %w", words(after.Name), err)
		}
		return Sent{}, err
	}
	var s Sent
	if s.Email, err = created(set, "l", "the message could not be made"); err != nil {
		return s, err
	}
	if s.Submission.ID, err = created(submit, "s", "the message was not sent"); err != nil {
		s.Kept = before.Name
		return s, err
	}
	if got, err := c.Submission(ctx, s.Submission.ID); err == nil { // it is sent, whether this is told or not
		s.Submission = got
	}
	return s, nil
}

// Submission asks what became of a message that was sent.
func (c *Client) Submission(ctx context.Context, id string) (Submission, error) {
	b := c.Batch()
	get := b.Add("EmailSubmission/get", Args{"ids": []string{id}, "properties": []string{"id", "emailId", "undoStatus", "deliveryStatus"}})
	if err := b.Do(ctx); err != nil {
		return Submission{}, err
	}
	var out struct{ List []Submission }
	if err := get.Into(&out); err != nil {
		return Submission{}, err
	}
	if len(out.List) == 0 {
		return Submission{}, mail.Errorf(mail.NotFound, "the server does not know this submission any more")
	}
	return out.List[0], nil
}
