package seal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func steps(list []Step) string {
	var out []string
	for _, s := range list {
		out = append(out, string(s.Act)+" "+s.Selector)
	}
	return strings.Join(out, ", ")
}

func key(selector string, state State, changed time.Time, seen time.Time) Key {
	return Key{Domain: "example.com", Selector: selector, Algorithm: Ed25519, State: state, Created: changed, Changed: changed, Seen: seen}
}

func TestDue(t *testing.T) {
	t.Parallel()
	d := func(days int) time.Time { return day.AddDate(0, 0, days) }
	var never time.Time
	year := Schedule{Every: 365 * 24 * time.Hour}
	spare := Schedule{Every: 365 * 24 * time.Hour, Spare: true}
	for _, c := range []struct {
		name     string
		schedule Schedule
		keys     []Key
		want     string
		next     time.Time
	}{
		{"nothing", year, nil, "", never},
		{"nothing, spares wanted", spare, nil, "make e202611, make r202611", never},
		{"first key signs at once", year, []Key{key("a", Published, d(0), never)}, "sign a", never},
		{"young", year, []Key{key("a", Active, d(-10), d(-10))}, "", d(-10).Add(364 * 24 * time.Hour)},
		{"by hand only", Schedule{}, []Key{key("a", Active, d(-5000), d(-5000))}, "", never},
		{"soon old", year, []Key{key("a", Active, d(-364), d(-364))}, "make e202611", d(1)},
		{"old, successor unseen", year, []Key{key("a", Active, d(-400), d(-400)), key("b", Published, d(-30), never)}, "", never},
		{"old, successor fresh", year, []Key{key("a", Active, d(-400), d(-400)), key("b", Published, d(-30), day.Add(-time.Hour))}, "", day.Add(23 * time.Hour)},
		{"old, successor settled", year, []Key{key("a", Active, d(-400), d(-400)), key("b", Published, d(-30), d(-1))}, "sign b, retire a", never},
		{"asked for, settled", Schedule{}, []Key{key("a", Active, d(-4), d(-4)), key("b", Published, d(-2), d(-1))}, "sign b, retire a", never},
		{"spare stays", spare, []Key{key("a", Active, d(-4), d(-4)), key("b", Published, d(-2), d(-2))}, "make r202611", d(-4).Add(364 * 24 * time.Hour)},
		{"spare is used and replaced", spare, []Key{key("a", Active, d(-366), d(-4)), key("e202611", Published, d(-2), d(-2))}, "sign e202611, retire a, make e202611-2, make r202611", never},
		{"cut short between sign and retire", year, []Key{key("a", Active, d(-9), d(-9)), key("b", Active, d(0), d(-9))}, "retire a", day.Add(time.Second)},
		{"retired a while ago", year, []Key{key("a", Retiring, d(-13), d(-99)), key("b", Active, d(-13), d(-19))}, "", d(1)},
		{"retired long ago", year, []Key{key("a", Retiring, d(-14), d(-99)), key("b", Active, d(-14), d(-19))}, "withdraw a", d(-14).Add(364 * 24 * time.Hour)},
		{"only a retired key", year, []Key{key("a", Retiring, d(-1), d(-99))}, "make e202611", d(13)},
		{"another domain's", year, []Key{{Domain: "example.org", Selector: "a", Algorithm: RSA, State: Published}}, "", never},
	} {
		got, next := c.schedule.Due("example.com", c.keys, day)
		if steps(got) != c.want || !next.Equal(c.next) {
			t.Errorf("%s: %q next %v, want %q next %v", c.name, steps(got), next, c.want, c.next)
		}
		for _, s := range got {
			if s.Why == "" {
				t.Errorf("%s: %s without a reason", c.name, s.Act)
			}
		}
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	d := func(days int) time.Time { return day.AddDate(0, 0, days) }
	r := key("r", Active, d(-9), d(-9))
	r.Algorithm = RSA
	for _, c := range []struct {
		name, want, wait string
		keys             []Key
		schedule         Schedule
	}{
		{"new keys", "make e202611, make r202611", "2", []Key{key("a", Active, d(-9), d(-9)), r}, Schedule{}},
		{"spare settled", "sign b, retire a, make e202611, make r202611", "1", []Key{key("a", Active, d(-9), d(-9)), key("b", Published, d(-9), d(-9)), r}, Schedule{Spare: true}},
		{"spare unseen", "make r202611", "2", []Key{key("a", Active, d(-9), d(-9)), key("b", Published, d(-9), time.Time{}), r}, Schedule{Spare: true}},
		{"spare fresh", "make r202611", "2", []Key{key("a", Active, d(-9), d(-9)), key("b", Published, d(-9), day), r}, Schedule{}},
	} {
		got, wait := c.schedule.Rotate("example.com", c.keys, day)
		if steps(got) != c.want || fmt.Sprint(len(wait)) != c.wait {
			t.Errorf("%s: %q %q, want %q", c.name, steps(got), wait, c.want)
		}
	}
}

// Whatever happens when: once a key signs, one always does; a successor signs only after its record was seen for long enough; a record goes only
// long after the last signature; and what was done is not asked for again. RFC 6376 3.1.
func TestRotationHasNoGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{Every: time.Duration(rapid.IntRange(0, 60).Draw(t, "every")) * 24 * time.Hour, Spare: rapid.Bool().Draw(t, "spare"),
			Settle: 36 * time.Hour, Keep: 10 * 24 * time.Hour}
		if s.Every > 0 && s.Every < 4*24*time.Hour {
			s.Every = 4 * 24 * time.Hour
		}
		now := day
		keys := []Key{key("first", Published, now, time.Time{})}
		signed := map[string]time.Time{} // when each key signed last
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "hours")) * time.Hour)
			for i := range keys {
				if keys[i].State == Active {
					signed[keys[i].Selector] = now
				}
				if keys[i].Seen.IsZero() && rapid.Bool().Draw(t, "seen") {
					keys[i].Seen = now
				}
			}
			var todo []Step
			if rapid.IntRange(0, 5).Draw(t, "rotate") == 0 {
				todo, _ = s.Rotate("example.com", keys, now)
			} else {
				todo, _ = s.Due("example.com", keys, now)
			}
			had := slices.ContainsFunc(keys, func(k Key) bool { return k.State == Active })
			// Every step is a moment at which the machine may stop.
			stop := rapid.IntRange(0, len(todo)).Draw(t, "stop")
			for _, step := range todo[:stop] {
				i := slices.IndexFunc(keys, func(k Key) bool { return k.Selector == step.Selector })
				switch step.Act {
				case Make:
					if i >= 0 {
						t.Fatalf("the selector %s exists", step.Selector)
					}
					k := key(step.Selector, Published, now, time.Time{})
					k.Algorithm = step.Algorithm
					keys = append(keys, k)
				case Sign:
					others := slices.ContainsFunc(keys, func(k Key) bool { return k.State == Active && k.Algorithm == step.Algorithm })
					if others && (keys[i].Seen.IsZero() || now.Sub(keys[i].Seen) < s.Settle) {
						t.Fatalf("%s signs before it has settled", step.Selector)
					}
				case Withdraw:
					if last := signed[step.Selector]; now.Sub(last) < s.Keep {
						t.Fatalf("%s goes %s after its last signature", step.Selector, now.Sub(last))
					}
				}
				keys = Apply(keys, []Step{step}, now)
				if had && !slices.ContainsFunc(keys, func(k Key) bool { return k.State == Active }) {
					t.Fatalf("nothing signs after %s %s", step.Act, step.Selector)
				}
			}
			if stop == len(todo) {
				for range 3 { // what was cut short before is mended first, then the rest is due
					again, _ := s.Due("example.com", keys, now)
					for _, step := range again {
						if step.Act == Make {
							k := key(step.Selector, Published, now, time.Time{})
							k.Algorithm = step.Algorithm
							keys = append(keys, k)
						}
					}
					keys = Apply(keys, again, now)
				}
				if again, _ := s.Due("example.com", keys, now); len(again) > 0 {
					t.Fatalf("asked for again: %s", steps(again))
				}
			}
		}
	})
}
