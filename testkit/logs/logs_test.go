package logs_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postrider/postrider/testkit/logs"
)

// fake is a test that keeps its failures to itself.
type fake struct {
	testing.TB
	failed   []string
	cleanups []func()
}

func (f *fake) Helper()                   {}
func (f *fake) Log(...any)                {}
func (f *fake) Errorf(s string, a ...any) { f.failed = append(f.failed, fmt.Sprintf(s, a...)) }
func (f *fake) Cleanup(c func())          { f.cleanups = append(f.cleanups, c) }
func (f *fake) end() (failed []string) {
	for _, c := range slices.Backward(f.cleanups) {
		c()
	}
	return f.failed
}

func TestUnannouncedWarningsFail(t *testing.T) {
	t.Parallel()
	f := &fake{}
	l := logs.New(f)
	log := l.Logger().With("role", "mda").WithGroup("g")
	log.Debug("quiet")
	log.Info("quiet too", "a", 1)
	log.Warn("disk is slow", "a", 1)
	log.Error("disk is gone")
	if got := f.end(); len(got) != 2 {
		t.Errorf("failures %q, want two", got)
	}
	if !l.Contains("INFO quiet too role=mda g.a=1") || len(l.Lines()) != 4 {
		t.Errorf("lines %q", l.Lines())
	}
	log.Error("after the end")
	if len(l.Lines()) != 4 {
		t.Error("took a line after the end")
	}
}

func TestAnnouncedWarningsPassAndMustCome(t *testing.T) {
	t.Parallel()
	f := &fake{}
	l := logs.New(f)
	l.Expect("disk is slow")
	l.Expect("never")
	l.Logger().Warn("disk is slow")
	if got := f.end(); len(got) != 1 || got[0] != `no warning or error says "never"` {
		t.Errorf("failures %q", got)
	}
}
