package obs_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/infra/obs"
	"github.com/postrider/postrider/mail"
)

// tailed is a logger whose lines a tail keeps.
func tailed(t *testing.T, lines int, level slog.Level) (*slog.Logger, *obs.Tail, *bytes.Buffer) {
	t.Helper()
	log, out := logger(t, obs.Config{Level: level})
	tail := obs.NewTail(lines)
	return slog.New(tail.Handler(log.Handler())), tail, out
}

func follow(t *testing.T, tail *obs.Tail, after uint64) *obs.Reader {
	t.Helper()
	r := tail.Follow(after)
	if r == nil {
		t.Fatal("there is no room to follow")
	}
	t.Cleanup(r.Close)
	return r
}

func TestTailKeepsTheLatest(t *testing.T) {
	t.Parallel()
	log, tail, out := tailed(t, 3, slog.LevelInfo)
	log.Debug("unwanted")
	for i := range 5 {
		obs.Role(log, "mta/inbound").With("n", i).WithGroup("peer").Warn("line\nforged", "name", "mx test")
	}
	kept := follow(t, tail, 0).Kept()
	if len(kept) != 3 || kept[0].Seq != 3 || kept[2].Seq != 5 {
		t.Fatalf("kept %+v", kept)
	}
	l := kept[2]
	if l.Level != "warn" || l.Role != "mta/inbound" || l.Text != `line\nforged` || l.Attrs != `n=4 peer.name="mx test"` || l.At.IsZero() {
		t.Errorf("the line is %+v", l)
	}
	if n := strings.Count(out.String(), "\n"); n != 5 {
		t.Errorf("the log itself got %d lines", n)
	}
	if kept := follow(t, tail, 4).Kept(); len(kept) != 1 || kept[0].Seq != 5 {
		t.Errorf("after the fourth: %+v", kept)
	}
	if kept := follow(t, tail, 5).Kept(); len(kept) != 0 {
		t.Errorf("after the last: %+v", kept)
	}
	if kept := follow(t, tail, 1<<40).Kept(); len(kept) != 3 {
		t.Errorf("after a number of before a restart: %+v", kept)
	}
}

// A tail redacts by itself, because it may sit before the handler that does so.
func TestTailHasNoSecrets(t *testing.T) {
	t.Parallel()
	log, tail, _ := tailed(t, 0, slog.LevelInfo)
	log.With("token", hidden).WithGroup("cookie").Info("x", "b", hidden)
	log.Info("x", "password", hidden, "c", mail.Credential{Hash: hidden}, slog.Group("user", "pass", hidden))
	for _, l := range follow(t, tail, 0).Kept() {
		if strings.Contains(fmt.Sprintf("%+v", l), hidden) || !strings.Contains(l.Attrs, obs.Redacted) {
			t.Errorf("kept %+v", l)
		}
	}
}

func TestTailBoundsLines(t *testing.T) {
	t.Parallel()
	log, tail, _ := tailed(t, 0, slog.LevelInfo)
	log.Info(strings.Repeat("t", 1<<20), "a", strings.Repeat("a", 1<<20))
	l := follow(t, tail, 0).Kept()[0]
	if len(l.Text) > 3<<10 || len(l.Attrs) > 5<<10 || !strings.HasSuffix(l.Text, "...") {
		t.Errorf("a line of %d and %d octets is kept", len(l.Text), len(l.Attrs))
	}
}

// Who does not read loses lines and is told how many; who logs goes on.
func TestTailNeverBlocks(t *testing.T) {
	t.Parallel()
	log, tail, _ := tailed(t, 0, slog.LevelInfo)
	slow, gone := follow(t, tail, 0), tail.Follow(0)
	gone.Close()
	gone.Close()
	const all = 5000
	var logging sync.WaitGroup
	for range 4 {
		logging.Go(func() {
			for range all / 4 {
				log.Info("x")
			}
		})
	}
	logging.Wait()
	got := len(slow.Lines())
	if lost := slow.Lost(); got == 0 || got+lost != all {
		t.Errorf("%d lines wait and %d are lost of %d", got, lost, all)
	}
	if slow.Lost() != 0 {
		t.Error("lost lines are told twice")
	}
	if len(gone.Lines()) != 0 {
		t.Error("a closed reader gets lines")
	}
}

func TestTailHasRoomForSomeReaders(t *testing.T) {
	t.Parallel()
	tail := obs.NewTail(1)
	var last *obs.Reader
	for range obs.MaxReaders {
		last = follow(t, tail, 0)
	}
	if tail.Follow(0) != nil {
		t.Error("one reader too many")
	}
	last.Close()
	if r := tail.Follow(0); r == nil {
		t.Error("a place that was given back is not there")
	} else {
		r.Close()
	}
}

func TestLineFilter(t *testing.T) {
	t.Parallel()
	log, tail, _ := tailed(t, 0, slog.LevelDebug)
	obs.Role(log, "mta/inbound").Info("Accepted", "trace", "ABC")
	obs.Role(log, "mtafoo").Error("broken")
	log.Debug("nothing")
	kept := follow(t, tail, 0).Kept()
	for _, tt := range []struct {
		f    obs.LineFilter
		want string
	}{
		{obs.LineFilter{}, "Accepted broken nothing "},
		{obs.LineFilter{Level: slog.LevelInfo}, "Accepted broken "},
		{obs.LineFilter{Level: slog.LevelWarn}, "broken "},
		{obs.LineFilter{Role: "mta"}, "Accepted "},
		{obs.LineFilter{Role: "mta/inbound"}, "Accepted "},
		{obs.LineFilter{Text: "abc"}, "Accepted "},
		{obs.LineFilter{Text: "BROK"}, "broken "},
		{obs.LineFilter{Text: "abc", Level: slog.LevelError}, ""},
	} {
		got := ""
		for _, l := range kept {
			if tt.f.Has(l) {
				got += l.Text + " "
			}
		}
		if got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.f, got, tt.want)
		}
	}
}

func BenchmarkTail(b *testing.B) {
	tail := obs.NewTail(0)
	log := slog.New(tail.Handler(slog.NewTextHandler(io.Discard, nil)))
	for b.Loop() {
		log.Info("accepted", "trace", "abc", "size", 1234)
	}
}
