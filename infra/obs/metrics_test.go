package obs

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/mail"
)

// scrape is what Prometheus gets.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("the answer is %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, page string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(page, l+"\n") {
			t.Errorf("the page lacks %q:\n%s", l, grep(page, "postrider"))
		}
	}
}

func grep(page, part string) string {
	var out []string
	for l := range strings.Lines(page) {
		if strings.Contains(l, part) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	length := 3.0
	must(t, m.Gauge("postrider_queue_length", "Messages that wait.", nil, func(context.Context) ([]Point, error) { return []Point{{Value: length}}, nil }))
	must(t, m.Gauge("postrider_doctor_faults", "Faults found.", []string{"domain", "check"}, func(context.Context) ([]Point, error) {
		return []Point{{[]string{"a.test", "spf"}, 1}, {[]string{"a.test", "mx"}, 0}}, nil
	}))
	must(t, m.CounterFunc("postrider_bytes_total", "Octets.", nil, func(context.Context) ([]Point, error) { return []Point{{Value: 17}}, nil }))
	taken, err := m.Counter("postrider_messages_total", "Messages.", "role", "outcome")
	must(t, err)
	taken.Add(2, "mta", "taken")
	taken.Add(1, "mta", "taken")
	taken.Add(1, "msa")
	taken.Add(-5, "mta", "taken")
	has(t, scrape(t, m), "postrider_queue_length 3", `postrider_doctor_faults{check="spf",domain="a.test"} 1`, `postrider_doctor_faults{check="mx",domain="a.test"} 0`,
		"postrider_bytes_total 17", `postrider_messages_total{outcome="taken",role="mta"} 3`, `postrider_messages_total{outcome="",role="msa"} 1`)
	length = 4
	has(t, scrape(t, m), "postrider_queue_length 4")
	var none *Counter
	none.Add(1) // counts nothing
	if !strings.Contains(scrape(t, m), "go_goroutines") {
		t.Error("the runtime is not there")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A reader that fails, or gives nonsense, spoils nobody else's figures, and is counted.
func TestMetricsThatFail(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	must(t, m.Gauge("postrider_good", "Good.", nil, func(context.Context) ([]Point, error) { return []Point{{Value: 1}}, nil }))
	must(t, m.Gauge("postrider_bad", "Bad.", nil, func(context.Context) ([]Point, error) { return nil, errors.New("no") }))
	must(t, m.Gauge("postrider_twice", "Twice.", []string{"x"}, func(context.Context) ([]Point, error) {
		return []Point{{[]string{"a"}, 1}, {[]string{"a"}, 2}, {[]string{"a", "b"}, 3}, {nil, 4}, {[]string{"\xff"}, 5}, {[]string{strings.Repeat("l", 9000)}, 6}}, nil
	}))
	scrape(t, m)
	page := scrape(t, m) // a count may be read before this round's failure: that of the round before is there
	has(t, page, "postrider_good 1", `postrider_twice{x="a"} 1`, `postrider_twice{x="?"} 5`, `postrider_twice{x="`+strings.Repeat("l", maxLabel)+`"} 6`)
	if !strings.Contains(page, `postrider_scrape_errors_total{name="postrider_bad"}`) {
		t.Error("the failure was not counted")
	}
}

// What strangers can choose never fills the memory.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	must(t, m.Gauge("postrider_many", "Many.", []string{"x"}, func(context.Context) ([]Point, error) {
		var out []Point
		for i := range 3 * maxPoints {
			out = append(out, Point{[]string{fmt.Sprint(i)}, 1})
		}
		return out, nil
	}))
	c, err := m.Counter("postrider_made_up_total", "Made up.", "x")
	must(t, err)
	var adding sync.WaitGroup
	for part := range 4 {
		adding.Go(func() {
			for i := range maxPoints {
				c.Add(1, fmt.Sprint(part, "-", i))
			}
		})
	}
	adding.Wait()
	page := scrape(t, m)
	if n := strings.Count(page, "\npostrider_many{"); n != maxPoints {
		t.Errorf("%d figures of one name", n)
	}
	if n := strings.Count(page, "\npostrider_made_up_total{"); n != maxPoints+1 {
		t.Errorf("%d figures of one counter", n)
	}
	has(t, page, fmt.Sprintf(`postrider_made_up_total{x="other"} %d`, 3*maxPoints))
}

func TestMetricNames(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	read := func(context.Context) ([]Point, error) { return nil, nil }
	for name, want := range map[string]struct {
		err  error
		kind mail.Kind
	}{
		"no name":        {m.Gauge("", "x", nil, read), mail.Invalid},
		"odd name":       {m.Gauge("a-b", "x", nil, read), mail.Invalid},
		"no help":        {m.Gauge("a", "", nil, read), mail.Invalid},
		"odd label":      {m.Gauge("a", "x", []string{"1"}, read), mail.Invalid},
		"label twice":    {m.Gauge("a", "x", []string{"b", "b"}, read), mail.Invalid},
		"counter's name": {m.CounterFunc("a", "x", nil, read), mail.Invalid},
		"there already":  {m.Gauge("postrider_scrape_errors_total", "x", nil, read), mail.Exists},
	} {
		if !mail.Is(want.err, want.kind) {
			t.Errorf("%s: %v", name, want.err)
		}
	}
	if _, err := m.Counter("a", "x"); !mail.Is(err, mail.Invalid) {
		t.Error(err)
	}
	if _, err := m.Counter("a_total", "x"); err != nil {
		t.Error(err)
	}
	if _, err := m.Counter("a_total", "x"); !mail.Is(err, mail.Exists) {
		t.Error(err)
	}
}
