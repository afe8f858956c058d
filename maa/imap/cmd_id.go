package imap

import (
	"context"

	wire "github.com/postrider/postrider/proto/imap"
)

// cmdID serves ID (RFC 2971 3.1). What the client says of itself goes to the log, cut short.
func (s *session) cmdID(_ context.Context, _ *call, a *wire.ID) (reply, error) {
	for _, f := range a.Fields {
		if f.Name == "name" || f.Name == "version" {
			s.log.Debug("client identifies itself", f.Name, f.Value[:min(len(f.Value), 100)])
		}
	}
	s.enc.Raw(`* ID ("name" `).String(s.cfg.Name)
	if s.cfg.Version != "" {
		s.enc.Raw(` "version" `).String(s.cfg.Version)
	}
	s.enc.Raw(")").CRLF()
	return ok("pleased to meet you"), nil
}
