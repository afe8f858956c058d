package obs

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
)

// Redacted stands where a secret would.
const Redacted = "[redacted]"

// secretWords are what the name of a secret value contains.
var secretWords = [...]string{"password", "passwd", "passphrase", "secret", "token", "authorization", "credential", "cookie",
	"apikey", "api_key", "api-key", "privatekey", "private_key", "private-key", "storedkey", "serverkey", "salt"}

func isSecret(name string) bool {
	n := strings.ToLower(name)
	return n == "pass" || n == "auth" ||
		slices.ContainsFunc(secretWords[:], func(w string) bool { return strings.Contains(n, w) })
}

// Redact wraps a handler so that it never gets to see secrets.
func Redact(next slog.Handler) slog.Handler { return redact{next: next} }

type redact struct {
	next   slog.Handler
	hidden bool // inside a group whose name is secret
}

func (r redact) Enabled(ctx context.Context, l slog.Level) bool { return r.next.Enabled(ctx, l) }

func (r redact) Handle(ctx context.Context, rec slog.Record) error {
	clean := slog.NewRecord(rec.Time, rec.Level, rec.Message, rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(r.attr(a))
		return true
	})
	return r.next.Handle(ctx, clean)
}

func (r redact) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = r.attr(a)
	}
	return redact{r.next.WithAttrs(clean), r.hidden}
}

func (r redact) WithGroup(name string) slog.Handler {
	return redact{r.next.WithGroup(name), r.hidden || name != "" && isSecret(name)}
}

// attr gives the attribute as it may be written.
func (r redact) attr(a slog.Attr) slog.Attr {
	if a.Equal(slog.Attr{}) {
		return a // handlers leave it out
	}
	if r.hidden || isSecret(a.Key) {
		return slog.String(a.Key, Redacted)
	}
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		group := make([]slog.Attr, 0, len(v.Group()))
		for _, g := range v.Group() {
			group = append(group, r.attr(g))
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}
	case slog.KindAny:
		return slog.Attr{Key: a.Key, Value: plain(v.Any())}
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// plain turns a value of any type into one whose text is known. Structures are only named, unless
// they have a text of their own making.
func plain(v any) slog.Value {
	switch t := v.(type) {
	case nil:
		return slog.StringValue("nil")
	case error:
		return slog.StringValue(safely(t.Error))
	case fmt.Stringer:
		return slog.StringValue(safely(t.String))
	case encoding.TextMarshaler:
		return slog.StringValue(safely(func() string {
			b, err := t.MarshalText()
			if err != nil {
				return err.Error()
			}
			return string(b)
		}))
	}
	if text, ok := simple(reflect.ValueOf(v)); ok {
		return slog.StringValue(text)
	}
	return slog.StringValue("[" + reflect.TypeOf(v).String() + "]")
}

// safely survives the methods of nil pointers.
func safely(text func() string) (s string) {
	defer func() {
		if recover() != nil {
			s = "nil"
		}
	}()
	return text()
}

// simple writes strings, numbers, truth values, and lists of them.
func simple(v reflect.Value) (string, bool) {
	switch k := v.Kind(); {
	case k == reflect.String:
		return v.String(), true
	case k == reflect.Bool, v.CanInt(), v.CanUint(), v.CanFloat():
		return fmt.Sprint(v.Interface()), true
	case (k == reflect.Slice || k == reflect.Array) && v.Type().Elem().Kind() != reflect.Uint8:
		var parts []string
		for i := range v.Len() {
			p := plain(v.Index(i).Interface())
			parts = append(parts, p.String())
		}
		return strings.Join(parts, " "), true
	}
	return "", false
}
