package load

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSmoke runs the works that take seconds, very small: every system starts, does its work and stops.
func TestSmoke(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts whole mail systems; left out by -short")
	}
	if err := PeersThere(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var log bytes.Buffer
	b, err := New(ctx, Options{Rounds: 1, Quick: true, Cases: regexp.MustCompile("^(one|fetch) "), DovecotFsync: "optimized", Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	names := []string{workRelay, workPOP3}
	if err := b.Run(ctx, names); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	samples := b.Samples()
	for _, name := range names {
		for _, kase := range samples.Cases(name) {
			for _, system := range []string{Postrider, Peers} {
				for _, metric := range []string{Rate, CPU, Memory} {
					if v, ok := samples.Median(name, kase, system, metric); !ok || v <= 0 {
						t.Errorf("%s, %s, %s: %s is %v, %v", name, kase, system, metric, v, ok)
					}
				}
			}
		}
	}
}

func TestRunRefusesUnknownWorks(t *testing.T) {
	t.Parallel()
	if err := (&Bench{}).Run(t.Context(), []string{"tea"}); err == nil || !strings.Contains(err.Error(), `"tea"`) {
		t.Errorf("got %v", err)
	}
}

func TestMedianAndQuantile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got, ok := median(c.values); !ok || got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
	if _, ok := median([]float64{}); ok {
		t.Error("nothing has a median")
	}
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

// twice are samples in which Postrider has twice the rate and needs a quarter of the memory.
func twice() Samples {
	var s Samples
	for round := range 3 {
		s = append(s,
			Sample{workPOP3, "a <case>", Postrider, round, map[string]float64{Rate: 200 + float64(round), Memory: 10}},
			Sample{workPOP3, "a <case>", Peers, round, map[string]float64{Rate: 100.5, Memory: 40}})
	}
	return s
}

func TestReport(t *testing.T) {
	t.Parallel()
	if got := Machine(Options{DovecotFsync: "always"}, twice()); !strings.Contains(got, "rounds: pop3 3;") || !strings.Contains(got, "mail_fsync = always") {
		t.Errorf("the machine: %s", got)
	}
	got := Report(twice(), "a machine")
	for _, want := range []string{"a machine", "### POP3", "| messages/s | Postrider | Postfix + Dovecot | Postrider is |", "| a <case> | 201 | 100 | 2.00x |", "| a <case> | 10.0 | 40.0 | 4.00x |"} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "### IMAP") {
		t.Error("the report has a section that nobody measured")
	}
}

// TestGoals: a bar is reached from the right side only, and what was not measured is not judged.
func TestGoals(t *testing.T) {
	t.Parallel()
	s := Samples{
		{workRelay, relayOne, Postrider, 0, map[string]float64{Rate: 1000}}, {workRelay, relayOne, Peers, 0, map[string]float64{Rate: 100}},
		{workRelay, relayMany, Postrider, 0, map[string]float64{Rate: 999}}, {workRelay, relayMany, Peers, 0, map[string]float64{Rate: 100}},
		{workIdle, idleCase, Postrider, 0, map[string]float64{PerIdler: 29.5}},
		{workMemory, memoryCase(1000, 1<<20), Postrider, 0, map[string]float64{Memory: 151}},
	}
	var b strings.Builder
	goalTable(&b, s)
	for _, want := range []string{
		"| relay, one destination, against the peers | at least 10x | 10.0x | reached |",
		"25 slow, against the peers | at least 10x | 9.99x | no |",
		"| an idle IMAP connection | at most 30 KiB | 29.5 KiB | reached |",
		"| at most 150 MiB | 151 MiB | no |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "SEARCH") {
		t.Error("a bar is judged that was not measured")
	}
}

func TestInsert(t *testing.T) {
	t.Parallel()
	page := "prose\n" + beginMark + "\nold\n" + endMark + "\nmore\n"
	got, err := Insert(page, "new\n")
	if err != nil || got != "prose\n"+beginMark+"\nnew\n"+endMark+"\nmore\n" {
		t.Errorf("%q, %v", got, err)
	}
	if again, err := Insert(got, "new\n"); err != nil || again != got {
		t.Errorf("a second time it is %q, %v", again, err)
	}
	if _, err := Insert("prose only", "new"); err == nil {
		t.Error("a page without markers is not refused")
	}
}

// TestPlot checks that the plot is XML and shows each case.
func TestPlot(t *testing.T) {
	t.Parallel()
	plot := Plot(twice())
	d := xml.NewDecoder(strings.NewReader(plot))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"POP3: a &lt;case&gt;", "2.00x"} {
		if !strings.Contains(plot, want) {
			t.Errorf("the plot lacks %q:\n%s", want, plot)
		}
	}
}

func TestReadStat(t *testing.T) {
	t.Parallel()
	s, err := readStat([]byte("77 (a (odd) name) S 5 77 77 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0"))
	if err != nil || s != (stat{pid: 77, parent: 5, cpu: 1270 * time.Millisecond}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "77", "77 (a) S 5", "x (a) S 5 77 77 0 -1 4194560 1 2 3 4 100 20 3 4", ")("} {
		if _, err := readStat([]byte(bad)); err == nil {
			t.Errorf("%q is not refused", bad)
		}
	}
}

// TestUsage measures the test itself.
func TestUsage(t *testing.T) {
	t.Parallel()
	m := newMeter(os.Getpid())
	defer m.close()
	u, err := m.usage()
	if err != nil || u.Peak < 1<<20 || u.Now < 1<<20 {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestLetters: the same seed gives the same letters, they are complete, and exactly one of so many has the rare word.
func TestLetters(t *testing.T) {
	t.Parallel()
	l, again := newLetters(), newLetters()
	rare, common := 0, 0
	for n := range rareEvery {
		m := l.make(n)
		if n%500 == 0 && !bytes.Equal(m, again.make(n)) {
			t.Errorf("letter %d differs from itself", n)
		}
		if !bytes.HasSuffix(m, []byte("\r\n")) || bytes.Contains(m, []byte("\n.")) || bytes.Count(m, []byte("\n")) != bytes.Count(m, []byte("\r\n")) {
			t.Errorf("letter %d is not fit to be sent: %q", n, m)
		}
		if bytes.Contains(m, []byte(rareWord)) {
			rare++
		}
		if bytes.Contains(m, []byte(l.common())) {
			common++
		}
	}
	if rare != 1 || common < rareEvery/2 {
		t.Errorf("the rare word is in %d letters, the common one in %d of %d", rare, common, rareEvery)
	}
}

func TestLiteralLength(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{"* 1 FETCH (BODY[] {12}\r\n": 12, "* 1 FETCH (X {0}\r\n": 0, "* OK {no}\r\n": -1, "\r\n": -1, "* OK }\r\n": -1} {
		n, ok := literalLength([]byte(line))
		if ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v", line, n, ok)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{1234.5: "1234", 12.34: "12.3", 1.234: "1.23", 0.1234: "0.123"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
	if power(0.01) != "0.01" || power(100) != "100" || power(math.Pow(10, -1)) != "0.1" {
		t.Error("powers of ten are not written in full")
	}
}
