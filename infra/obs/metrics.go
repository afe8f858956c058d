package obs

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/postrider/postrider/mail"
)

// Metrics is the figures that Prometheus reads. Each name is given its reader once; then readers run whenever somebody asks. It is
// for any number of goroutines.
type Metrics struct {
	registry *prometheus.Registry
	failures *prometheus.CounterVec
}

// Point is one figure with the values of its labels, in the order of their names.
type Point struct {
	Labels []string
	Value  float64
}

// Read gives figures when somebody asks for them. It has a few seconds. Of an error there is a count,
// postrider_scrape_errors_total, in place of the figures.
type Read func(ctx context.Context) ([]Point, error)

const (
	readWithin = 5 * time.Second // for one Read
	maxPoints  = 2000            // of one name; a label that strangers can choose must not fill anybody's memory
	maxLabel   = 200             // octets of a label's value
)

// NewMetrics makes a Metrics that knows about the process and the Go runtime.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.failures = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "postrider_scrape_errors_total",
		Help: "How often figures could not be read, by the name of the figures."}, []string{"name"})
	m.registry.MustRegister(m.failures, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers Prometheus, on whatever path it is put.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

// Gauge shows what goes up and down. Invalid for names that Prometheus does not take, Exists for one that is there already.
func (m *Metrics) Gauge(name, help string, labels []string, read Read) error {
	return m.add(prometheus.GaugeValue, name, help, labels, read)
}

// CounterFunc shows what only grows, and is counted elsewhere. Its name ends in "_total". Errors as with Gauge.
func (m *Metrics) CounterFunc(name, help string, labels []string, read Read) error {
	if !strings.HasSuffix(name, "_total") {
		return mail.Errorf(mail.Invalid, "the name of the counter %q does not end in _total", name)
	}
	return m.add(prometheus.CounterValue, name, help, labels, read)
}

var (
	metricName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	labelName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

func checkNames(name, help string, labels []string) error {
	if !metricName.MatchString(name) || help == "" {
		return mail.Errorf(mail.Invalid, "%q is no name of a metric, or says nothing about itself", name)
	}
	for i, l := range labels {
		if !labelName.MatchString(l) || slices.Contains(labels[:i], l) {
			return mail.Errorf(mail.Invalid, "%q is no name of a label of %s, or is there twice", l, name)
		}
	}
	return nil
}

func (m *Metrics) add(kind prometheus.ValueType, name, help string, labels []string, read Read) error {
	if err := checkNames(name, help, labels); err != nil {
		return err
	}
	return m.register(name, &reader{kind: kind, name: name, labels: len(labels), read: read, failures: m.failures,
		desc: prometheus.NewDesc(name, help, labels, nil)})
}

func (m *Metrics) register(name string, c prometheus.Collector) error {
	if err := m.registry.Register(c); err != nil {
		return mail.Errorf(mail.Exists, "the metric %s is there already: %w", name, err)
	}
	return nil
}

// reader is a Read as a collector.
type reader struct {
	kind     prometheus.ValueType
	name     string
	labels   int
	read     Read
	desc     *prometheus.Desc
	failures *prometheus.CounterVec
}

// Describe implements prometheus.Collector.
func (r *reader) Describe(c chan<- *prometheus.Desc) { c <- r.desc }

// Collect implements prometheus.Collector.
func (r *reader) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	points, err := r.read(ctx)
	if err != nil {
		r.failures.WithLabelValues(r.name).Inc()
		return
	}
	seen := map[string]bool{}
	for _, p := range points {
		if len(seen) == maxPoints {
			r.failures.WithLabelValues(r.name).Inc()
			return
		}
		values := clean(p.Labels)
		key := strings.Join(values, "\x00")
		if len(values) != r.labels || seen[key] { // one such figure would spoil all others
			r.failures.WithLabelValues(r.name).Inc()
			continue
		}
		seen[key] = true
		metric, err := prometheus.NewConstMetric(r.desc, r.kind, p.Value, values...)
		if err != nil {
			r.failures.WithLabelValues(r.name).Inc()
			continue
		}
		c <- metric
	}
}

// clean makes values fit for labels: UTF-8, and not long.
func clean(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.ToValidUTF8(v[:min(len(v), maxLabel)], "?")
	}
	return out
}

// Counter counts what happens. The zero Counter, and nil, count nothing.
type Counter struct {
	vec    *prometheus.CounterVec
	labels int
	known  seen
}

// Counter makes a counter; its name ends in "_total". Errors as with Gauge. Values of labels must come from a
// small closed set: beyond 2000 combinations further ones count as "other".
func (m *Metrics) Counter(name, help string, labels ...string) (*Counter, error) {
	if err := checkNames(name, help, labels); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, "_total") {
		return nil, mail.Errorf(mail.Invalid, "the name of the counter %q does not end in _total", name)
	}
	c := &Counter{vec: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels), labels: len(labels)}
	if err := m.register(name, c.vec); err != nil {
		return nil, err
	}
	return c, nil
}

// Add counts n more, at least 0. values are those of the labels; missing ones are empty, and those that are too many left out.
func (c *Counter) Add(n int64, values ...string) {
	if c == nil || c.vec == nil || n < 0 {
		return
	}
	values = clean(values[:min(len(values), c.labels)])
	for len(values) < c.labels {
		values = append(values, "")
	}
	if !c.known.admit(strings.Join(values, "\x00")) {
		for i := range values {
			values[i] = "other"
		}
	}
	c.vec.WithLabelValues(values...).Add(float64(n))
}
