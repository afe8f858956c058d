package tls

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quiet is certmagic's log as our debug lines. What an operator must know is told by the Keeper in sentences, once; certmagic
// tells everything, at each try.
type quiet struct{ log *slog.Logger }

var _ zapcore.Core = quiet{}

func quietLogger(log *slog.Logger) *zap.Logger { return zap.New(quiet{log}) }

// Enabled implements zapcore.LevelEnabler. certmagic's own debug lines are never asked for: they repeat requests and challenges.
func (q quiet) Enabled(l zapcore.Level) bool {
	return l >= zapcore.InfoLevel && q.log.Enabled(context.Background(), slog.LevelDebug)
}

// With implements zapcore.Core.
func (q quiet) With(fields []zapcore.Field) zapcore.Core {
	return quiet{slog.New(q.log.Handler().WithAttrs(attributes(fields)))}
}

// Check implements zapcore.Core.
func (q quiet) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if q.Enabled(e.Level) {
		return c.AddCore(e, q)
	}
	return c
}

// Write implements zapcore.Core.
func (q quiet) Write(e zapcore.Entry, fields []zapcore.Field) error {
	q.log.LogAttrs(context.Background(), slog.LevelDebug, "acme: "+e.Message, append(attributes(fields), slog.String("severity", e.Level.String()))...)
	return nil
}

// Sync implements zapcore.Core.
func (q quiet) Sync() error { return nil }

func attributes(fields []zapcore.Field) []slog.Attr {
	out := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		m := zapcore.NewMapObjectEncoder()
		f.AddTo(m)
		for k, v := range m.Fields {
			out = append(out, slog.Any(k, v))
		}
	}
	return out
}
