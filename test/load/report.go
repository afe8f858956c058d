package load

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
)

// The part of a page between these lines is written by the bench.
const (
	beginMark = "<!-- begin: written by make bench-peers -->"
	endMark   = "<!-- end -->"
)

// Insert puts generated text between the markers of a page.
func Insert(page, generated string) (string, error) {
	before, rest, ok := strings.Cut(page, beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", errors.New("the page lacks the lines " + beginMark + " and " + endMark)
	}
	return before + beginMark + "\n" + generated + endMark + after, nil
}

// Machine describes where a bench ran, and how often it measured.
func Machine(o Options, samples Samples) string {
	model := "?"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	total := kilobytes("/proc/meminfo", "MemTotal:") >> 20
	return fmt.Sprintf("%d processors (%s), %d GiB of memory, %s/%s, %s; rounds: %s; Dovecot's mail_fsync = %s. %s",
		runtime.NumCPU(), model, total, runtime.GOOS, runtime.GOARCH, runtime.Version(), samples.rounds(), o.DovecotFsync, o.Note)
}

// number writes three significant digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
