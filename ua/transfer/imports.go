package transfer

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/importer"
	"github.com/postrider/postrider/ua/answer"
)

func (s *Service) serveJobs(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodGet) {
		return
	}
	list, err := s.cfg.Jobs.List(r.Context(), account.ID)
	if err != nil {
		answer.Fail(w, r, s.cfg.Log, err)
		return
	}
	answer.JSON(w, http.StatusOK, map[string]any{"jobs": list})
}

func (s *Service) serveStop(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodPost) {
		return
	}
	var ask struct {
		ID string `json:"id"`
	}
	err := answer.Read(w, r, &ask)
	if err == nil && (ask.ID == "" || len(ask.ID) > 100) {
		err = mail.Errorf(mail.Invalid, "id is missing")
	}
	if err == nil {
		err = s.cfg.Jobs.Stop(r.Context(), account.ID, ask.ID)
	}
	if err != nil {
		answer.Fail(w, r, s.cfg.Log, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// formats are the words for what is uploaded.
var formats = map[string]importer.Format{"mbox": importer.Mbox, "eml": importer.EML, "zip": importer.Zip, "maildir-zip": importer.Zip}

func (s *Service) serveUpload(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodPost) {
		return
	}
	job, err := s.upload(w, r, account)
	if err != nil {
		// What was not read of the body is not waited for.
		w.Header().Set("Connection", "close")
		answer.Fail(w, r, s.cfg.Log, err)
		return
	}
	answer.JSON(w, http.StatusOK, job)
}

// upload takes a file and starts its job.
func (s *Service) upload(w http.ResponseWriter, r *http.Request, account mail.Account) (importer.Job, error) {
	var none importer.Job
	q := r.URL.Query()
	format, ok := formats[q.Get("format")]
	name := q.Get("name")
	switch {
	case !ok:
		return none, mail.Errorf(mail.Invalid, "format is mbox, maildir-zip, eml or zip")
	case len(name) > 500:
		return none, mail.Errorf(mail.Invalid, "the file's name is too long")
	case r.ContentLength > s.cfg.MaxUpload:
		return none, tooLarge(s.cfg.MaxUpload)
	}
	if err := s.cfg.Jobs.May(account.ID); err != nil { // before much is sent
		return none, err
	}
	if err := s.uploads.enter(account.ID, "an upload"); err != nil {
		return none, err
	}
	defer s.uploads.leave(account.ID)
	body, err := s.receive(r.Context(), pacedReader{http.MaxBytesReader(w, r.Body, s.cfg.MaxUpload), newPace(w)})
	if err != nil {
		return none, err
	}
	return s.cfg.Jobs.Start(r.Context(), account.ID, importer.NewFile(name, format, body))
}

func tooLarge(most int64) error {
	return mail.Errorf(mail.TooLarge, "a file can have %d GiB; part it into several", most>>30)
}

// receive streams an upload to where bodies are kept.
func (s *Service) receive(ctx context.Context, r io.Reader) (mail.SealedBody, error) {
	b, err := s.cfg.Blobs.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Discard()
	in := &told{Reader: r}
	n, err := io.CopyBuffer(struct{ io.Writer }{b}, in, make([]byte, 64<<10))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge(over.Limit)
	case in.err != nil:
		return nil, mail.Errorf(mail.Invalid, "the upload broke off; send it again")
	case err != nil:
		return nil, err
	case n == 0:
		return nil, mail.Errorf(mail.Invalid, "the file is empty")
	}
	return b.Seal()
}

// told remembers that the reading failed, not the writing.
type told struct {
	io.Reader
	err error
}

func (t *told) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// maxFolders bounds the folders that one request names.
const maxFolders = 1000

func (s *Service) serveIMAP(w http.ResponseWriter, r *http.Request, account mail.Account) {
	if !answer.Only(w, r, http.MethodPost) {
		return
	}
	var ask struct {
		Host     string   `json:"host"`
		Port     uint16   `json:"port"`
		TLS      string   `json:"tls"`
		User     string   `json:"user"`
		Password string   `json:"password"`
		Folders  []string `json:"folders"`
	}
	err := answer.Read(w, r, &ask)
	startTLS := false
	if err == nil {
		startTLS, err = importer.ParseTLS(ask.TLS)
	}
	switch {
	case err != nil:
	case ask.Host == "" || ask.User == "" || ask.Password == "":
		err = mail.Errorf(mail.Invalid, "host, user and password are needed")
	case len(ask.Folders) > maxFolders:
		err = mail.Errorf(mail.Invalid, "at most %d folders can be named; name none to have all", maxFolders)
	}
	if ask.Port == 0 {
		ask.Port = 993
		if startTLS {
			ask.Port = 143
		}
	}
	if err == nil {
		err = s.cfg.Dialer.Check(ask.Host, ask.Port)
	}
	var job importer.Job
	if err == nil {
		job, err = s.cfg.Jobs.Start(r.Context(), account.ID, importer.NewIMAP(importer.IMAPConfig{Dialer: s.cfg.Dialer, Host: ask.Host, Port: ask.Port,
			StartTLS: startTLS, User: ask.User, Password: ask.Password, Folders: ask.Folders, TLS: s.cfg.TLS}))
	}
	if err != nil {
		answer.Fail(w, r, s.cfg.Log, err)
		return
	}
	answer.JSON(w, http.StatusOK, job)
}
