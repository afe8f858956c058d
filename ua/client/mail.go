package client

import (
	"cmp"
	"context"
	"slices"

	"github.com/postrider/postrider/mail"
)

// Mailboxes lists the account's mailboxes, in the order of their sortOrder and name, children behind their parents.
func (c *Client) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	b := c.Batch()
	get := b.Add("Mailbox/get", Args{"ids": nil})
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	var out struct{ List []Mailbox }
	if err := get.Into(&out); err != nil {
		return nil, err
	}
	return tree(out.List), nil
}

// tree sorts mailboxes. One whose parent is not there stands at the top; a loop of parents is cut by leaving nothing out.
func tree(list []Mailbox) []Mailbox {
	there := map[string]bool{}
	for _, m := range list {
		there[m.ID] = true
	}
	below := map[string][]Mailbox{}
	for _, m := range list {
		if !there[m.Parent] {
			m.Parent = ""
		}
		below[m.Parent] = append(below[m.Parent], m)
	}
	var out []Mailbox
	var walk func(parent string)
	walk = func(parent string) {
		kids := below[parent]
		delete(below, parent)
		slices.SortStableFunc(kids, func(a, b Mailbox) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name)) })
		for _, m := range kids {
			out = append(out, m)
			walk(m.ID)
		}
	}
	walk("")
	for _, m := range list { // in a loop
		if !slices.ContainsFunc(out, func(o Mailbox) bool { return o.ID == m.ID }) {
			out = append(out, m)
		}
	}
	return out
}

// Query asks for a window of a list of messages, the newest first.
type Query struct {
	Filter   any    // as RFC 8621 4.4.1 has it; nil: all
	Position int    // the first wanted
	Anchor   string // where set, Position counts from this message; the server says where that is
	Limit    int
}

// Page is a window of a list.
type Page struct {
	Position int // of the first of Emails
	Total    int
	Emails   []Email
}

var lineProps = []string{"id", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "from", "to", "subject", "hasAttachment", "preview"}

// List gives a window of a list: what a line of it shows.
func (c *Client) List(ctx context.Context, q Query) (Page, error) {
	args := Args{"filter": q.Filter, "sort": []any{map[string]any{"property": "receivedAt", "isAscending": false}}, "limit": q.Limit, "calculateTotal": true}
	if q.Anchor != "" {
		args["anchor"], args["anchorOffset"] = q.Anchor, q.Position
	} else {
		args["position"] = q.Position
	}
	b := c.Batch()
	query := b.Add("Email/query", args)
	get := b.Add("Email/get", Args{"#ids": query.Ref("/ids"), "properties": lineProps})
	if err := b.Do(ctx); err != nil {
		return Page{}, err
	}
	var ids struct {
		IDs      []string
		Position int
		Total    int
	}
	if err := query.Into(&ids); err != nil {
		return Page{}, err
	}
	var got struct{ List []Email }
	if err := get.Into(&got); err != nil {
		return Page{}, err
	}
	byID := map[string]Email{}
	for _, e := range got.List {
		byID[e.ID] = e
	}
	p := Page{Position: ids.Position, Total: ids.Total}
	for _, id := range ids.IDs { // a get has no order
		e, ok := byID[id]
		if !ok {
			e = Email{ID: id, Subject: "(this message is gone)"}
		}
		p.Emails = append(p.Emails, e)
	}
	return p, nil
}

// maxText is how much of a message's text is got, in octets.
const maxText = 512 << 10

// Email gives a message with its texts.
func (c *Client) Email(ctx context.Context, id string) (Email, error) {
	b := c.Batch()
	get := b.Add("Email/get", Args{"ids": []string{id}, "fetchTextBodyValues": true, "fetchHTMLBodyValues": true, "maxBodyValueBytes": maxText,
		"properties": []string{"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo", "references", "from", "to",
			"cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments"},
		"bodyProperties": []string{"partId", "blobId", "size", "name", "type", "charset", "disposition"}})
	if err := b.Do(ctx); err != nil {
		return Email{}, err
	}
	var out struct{ List []Email }
	if err := get.Into(&out); err != nil {
		return Email{}, err
	}
	if len(out.List) == 0 {
		return Email{}, mail.Errorf(mail.NotFound, "there is no message %s any more", words(id))
	}
	return out.List[0], nil
}

// Patch changes properties of an object (RFC 8620 5.3).
type Patch map[string]any

// Change changes a message. What does not succeed is not done.
func (c *Client) Change(ctx context.Context, id string, p Patch) error {
	b := c.Batch()
	set := b.Add("Email/set", Args{"update": map[string]Patch{id: p}})
	if err := b.Do(ctx); err != nil {
		return err
	}
	var out setResult
	if err := set.Into(&out); err != nil {
		return err
	}
	if f := out.NotUpdated[id]; f != nil {
		return f.because("the message could not be changed")
	}
	return nil
}

// Destroy removes a message for good.
func (c *Client) Destroy(ctx context.Context, id string) error {
	b := c.Batch()
	set := b.Add("Email/set", Args{"destroy": []string{id}})
	if err := b.Do(ctx); err != nil {
		return err
	}
	var out setResult
	if err := set.Into(&out); err != nil {
		return err
	}
	if f := out.NotDestroyed[id]; f != nil && f.Type != "notFound" {
		return f.because("the message could not be deleted")
	}
	return nil
}

// Identities lists who the account sends as.
func (c *Client) Identities(ctx context.Context) ([]Identity, error) {
	b := c.Batch()
	get := b.Add("Identity/get", Args{"ids": nil})
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	var out struct{ List []Identity }
	err := get.Into(&out)
	return out.List, err
}

// RoleOf finds the mailbox that has a role; nil when none has.
func RoleOf(list []Mailbox, role string) *Mailbox {
	for i := range list {
		if list[i].Role == role {
			return &list[i]
		}
	}
	return nil
}
