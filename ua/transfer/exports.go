package transfer

import (
	"context"
	"io"
	"mime"
	"net/http"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/export"
	"github.com/postrider/postrider/ua/answer"
)

// begin writes the header of a zip file that is kept under a name.
func begin(w http.ResponseWriter, name string) {
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Cache-Control", "no-store")
}

func (s *Service) serveExport(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodGet) {
		return
	}
	out := &begun{w: w, name: s.exportName(account)}
	if err := s.export(r, out, account); err != nil {
		s.broken(w, r, out, err)
	}
}

// broken answers with an error, or where something is on its way already ends the connection.
func (s *Service) broken(w http.ResponseWriter, r *http.Request, out *begun, err error) {
	if !out.yes {
		answer.Fail(w, r, s.cfg.Log, err)
		return
	}
	if r.Context().Err() == nil {
		s.cfg.Log.Warn("a download broke off", "path", r.URL.Path, "error", err)
	}
	newPace(w).cut()
}

// begun writes the header before the first octet.
type begun struct {
	w    http.ResponseWriter
	name string
	yes  bool
}

func (b *begun) Write(p []byte) (int, error) {
	if !b.yes {
		b.yes = true
		begin(b.w, b.name)
	}
	return b.w.Write(p)
}

func (s *Service) exportName(account mail.Account) string {
	return export.FileName(string(account.Address) + " " + s.cfg.Clock.Now().Format("2006-01-02") + ".zip")
}

// export writes all of an account, or one mailbox.
func (s *Service) export(r *http.Request, out *begun, account mail.Account) error {
	ctx, q := r.Context(), r.URL.Query()
	selection := export.Selection{Accounts: []mail.Account{account}}
	if id := q.Get("mailbox"); id != "" {
		n, err := answer.Mailbox(id)
		if err != nil {
			return err
		}
		box, err := s.cfg.Mailboxes.Mailbox(ctx, account.ID, n)
		if err != nil {
			return err
		}
		selection.Mailboxes = []string{box.Name}
	}
	z, err := export.NewZip(pacedWriter{out, newPace(out.w)}, export.Options{Format: export.Format(q.Get("format")), Now: s.cfg.Clock.Now})
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		begin(out.w, out.name)
		return nil
	}
	if err := s.exports.enter(account.ID, "an export"); err != nil {
		return err
	}
	defer s.exports.leave(account.ID)
	if err := export.Walk(ctx, export.Source{Mailboxes: s.cfg.Mailboxes, Bodies: export.Checked(s.cfg.Blobs)}, selection, z); err != nil {
		return err
	}
	if s.cfg.Extra != nil && len(selection.Mailboxes) == 0 {
		if err := s.cfg.Extra(ctx, account, z.Extra); err != nil {
			return err
		}
	}
	_, err = z.Finish()
	return err
}

func (s *Service) serveZip(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodGet) {
		return
	}
	out := &begun{w: w}
	if err := s.zip(r, out, account); err != nil {
		s.broken(w, r, out, err)
	}
}

// zip writes the attachments of a message.
func (s *Service) zip(r *http.Request, out *begun, account mail.Account) error {
	ctx := r.Context()
	n, err := answer.Email(r.URL.Query().Get("email"))
	if err != nil {
		return err
	}
	m, err := s.cfg.Mailboxes.Message(ctx, account.ID, n)
	if err != nil {
		return err
	}
	root, err := message.Decode(m.Summary)
	if err != nil {
		return mail.Errorf(mail.Internal, "message %d: %w", n, err)
	}
	if len(export.AttachedParts(root)) == 0 {
		return mail.Errorf(mail.NotFound, "the message has no attachments")
	}
	if out.name = export.FileName(root.Facts().Subject); out.name == "" {
		out.name = "attachments"
	}
	out.name += ".zip"
	if r.Method == http.MethodHead {
		begin(out.w, out.name)
		return nil
	}
	return s.attachments(ctx, out, m, root)
}

func (s *Service) attachments(ctx context.Context, out *begun, m mail.Message, root *message.Part) error {
	body, err := s.cfg.Blobs.Open(ctx, m.Blob)
	if err != nil {
		return err
	}
	defer body.Close()
	open := func(off, n int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(body, off, n)), nil
	}
	return export.Attachments(pacedWriter{out, newPace(out.w)}, root, open, s.cfg.Clock.Now())
}
