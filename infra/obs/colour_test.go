package obs

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestColours(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(newText(&b, slog.LevelDebug, true))
	for level, colour := range map[slog.Level]string{slog.LevelDebug: grey, slog.LevelWarn: yellow, slog.LevelError: red} {
		b.Reset()
		Role(log, "mda").Log(t.Context(), level, "x")
		if !strings.Contains(b.String(), colour+level.String()+plainColour) || !strings.Contains(b.String(), blue+"mda"+plainColour) {
			t.Errorf("%s: %q", level, b.String())
		}
	}
}
