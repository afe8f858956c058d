package command

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/admin/httpapi"
	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/mail"
)

// systemConfig is where a machine's configuration is looked for.
const systemConfig = "/etc/postrider/postrider.toml"

// configuration reads the configuration: the named file, that of the environment, the machine's, or none: a development
// instance. --data alone means a development instance too. path is the file's, or "".
func (s *session) configuration() (cfg config.Config, path string, err error) {
	path = s.configPath
	if path == "" {
		path = s.Getenv("POSTRIDER_CONFIG")
	}
	if path == "" && s.data == "" {
		if _, err := os.Stat(systemConfig); err == nil {
			path = systemConfig
		}
	}
	if path == "" {
		cfg = config.Development(config.DefaultData)
	} else if cfg, err = config.Load(path); err != nil {
		return config.Config{}, path, configError{err}
	}
	if s.data != "" {
		cfg.Data = s.data
	}
	if cfg.Data, err = filepath.Abs(cfg.Data); err != nil { // the same place for all who read it, wherever they stand
		return config.Config{}, path, mail.Errorf(mail.Unavailable, "the directory of this process is gone: %w", err)
	}
	return cfg, path, nil
}

// logger makes the log of the configuration, on standard error.
func (s *session) logger(cfg config.Log) (*slog.Logger, error) {
	level, err := obs.ParseLevel(cfg.Level)
	if err != nil {
		return nil, err
	}
	format := obs.Format(cfg.Format)
	if cfg.Format == "auto" {
		if format = obs.JSON; s.ErrTerminal {
			format = obs.Text
		}
	}
	return obs.New(obs.Config{Format: format, Level: level, Output: s.Err})
}

// need says what a command does to the data directory.
type need bool

const (
	toRead  need = false // a directory that does not exist is a slip of the pen
	toWrite need = true  // it is made
)

// with lets do work with the running server, or with the store when none runs.
func (s *session) with(ctx context.Context, n need, do func(op admin.Operator) error) error {
	cfg, _, err := s.configuration()
	if err != nil {
		return err
	}
	client, err := httpapi.Dial(ctx, cfg.AdminSocket())
	if err == nil {
		return errors.Join(do(client), client.Close())
	}
	if !errors.Is(err, httpapi.ErrNotRunning) {
		return err
	}
	if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) {
		if n == toRead {
			return mail.Errorf(mail.NotFound, "there is no data directory %s, and no server runs on it; name the right one with --config or --data", cfg.Data)
		}
		s.note("making the data directory %s", cfg.Data)
	}
	log, err := s.logger(config.Log{Level: "warn", Format: "text"})
	if err != nil {
		return err
	}
	op, closer, err := s.Open(ctx, cfg, log)
	if err != nil {
		return damaged(cfg, err)
	}
	return closing(do(op), closer)
}

// closing closes what was opened; a command that went well has failed when that fails.
func closing(err error, c io.Closer) error {
	if closeErr := c.Close(); err == nil {
		return closeErr
	}
	return err
}
