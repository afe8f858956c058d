package terminal

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/ua/client"
	"github.com/postrider/postrider/ua/terminal/plain"
	"github.com/postrider/postrider/ua/terminal/query"
)

// Listing is what is listed where there is no terminal.
type Listing struct {
	Mailbox string // its name or role; "" is the inbox
	Search  string
	Limit   int
	Me      []string
	Now     time.Time // with the person's time zone
}

// Line is one message of a listing.
type Line struct {
	Number  int              `json:"number"` // 1 is the newest
	ID      string           `json:"id"`
	From    []client.Address `json:"from"`
	To      []client.Address `json:"to"`
	Subject string           `json:"subject"`
	Date    time.Time        `json:"date"`
	Unread  bool             `json:"unread"`
	Starred bool             `json:"starred"`
	Files   bool             `json:"attachments"`
	Size    int64            `json:"size"`
	Preview string           `json:"preview"`

	email client.Email
}

// List lists messages. Its problems are sentences about a search that could not be understood as it was meant.
func List(ctx context.Context, from Mail, l Listing) (lines []Line, total int, problems []string, err error) {
	q, problems, err := l.query(ctx, from)
	if err != nil {
		return nil, 0, nil, err
	}
	q.Limit = l.Limit
	page, err := from.List(ctx, q)
	if err != nil {
		return nil, 0, nil, err
	}
	for i, e := range page.Emails {
		lines = append(lines, Line{Number: page.Position + i + 1, ID: e.ID, From: e.From, To: e.To, Subject: e.Subject, Date: e.Received, Unread: !e.Keywords[client.Seen],
			Starred: e.Keywords[client.Flagged], Files: e.Attached, Size: e.Size, Preview: e.Preview, email: e})
	}
	return lines, page.Total, problems, nil
}

func (l Listing) query(ctx context.Context, from Mail) (q client.Query, problems []string, err error) {
	boxes, err := from.Mailboxes(ctx)
	if err != nil {
		return q, nil, err
	}
	name := l.Mailbox
	if name == "" {
		name = "inbox"
	}
	id, ok := Find(boxes, name)
	if !ok {
		return q, nil, mail.Errorf(mail.NotFound, "there is no mailbox %s", plain.Line(name))
	}
	p := query.Parse(l.Search, query.Context{Now: l.Now, Me: l.Me, Mailbox: func(name string) (string, bool) { return Find(boxes, name) }})
	if f := p.Scoped(id); f != nil {
		q.Filter = f
	}
	return q, p.Problems, nil
}

// Pick gets the message with a number of a listing, or with an id.
func Pick(ctx context.Context, from Mail, l Listing, number int, id string) (client.Email, error) {
	if id == "" {
		q, _, err := l.query(ctx, from)
		if err != nil {
			return client.Email{}, err
		}
		q.Position, q.Limit = number-1, 1
		page, err := from.List(ctx, q)
		if err != nil {
			return client.Email{}, err
		}
		if len(page.Emails) == 0 {
			return client.Email{}, mail.Errorf(mail.NotFound, "there is no message %d; there are %d", number, page.Total)
		}
		id = page.Emails[0].ID
	}
	return from.Email(ctx, id)
}

// PrintList writes a listing as text.
func PrintList(w io.Writer, lines []Line, total int, now time.Time) {
	if len(lines) == 0 {
		fmt.Fprintln(w, "There is nothing here.")
		return
	}
	for _, l := range lines {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%4d %s", l.Number, rowText(l.email, "", when(l.Date, now), 115)), " "))
	}
	if n := len(lines); n < total {
		fmt.Fprintf(w, "     and %d more\n", total-lines[n-1].Number)
	}
}

// Message is a message as JSON has it.
type Message struct {
	ID      string           `json:"id"`
	From    []client.Address `json:"from"`
	To      []client.Address `json:"to"`
	Cc      []client.Address `json:"cc"`
	Subject string           `json:"subject"`
	Date    time.Time        `json:"date"`
	Text    string           `json:"text"`
	Cut     bool             `json:"truncated"`
	Files   []File           `json:"attachments"`
}

// File is an attachment as JSON has it.
type File struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
}

// AsMessage is a message for JSON.
func AsMessage(e client.Email) Message {
	m := Message{ID: e.ID, From: e.From, To: e.To, Cc: e.Cc, Subject: e.Subject, Date: dated(e), Files: []File{}}
	m.Text, m.Cut = textOf(e)
	for _, f := range e.Files {
		m.Files = append(m.Files, File{f.Name, f.Type, f.Size})
	}
	return m
}

// PrintMessage writes a message as text.
func PrintMessage(w io.Writer, e client.Email, zone *time.Location) {
	for _, f := range header(e, zone) {
		fmt.Fprintf(w, "%s: %s\n", f[0], f[1])
	}
	text, cut := textOf(e)
	fmt.Fprintf(w, "\n%s\n", strings.TrimRight(text, "\n"))
	if cut {
		fmt.Fprintln(w, "\n(The text is longer than this.)")
	}
}
