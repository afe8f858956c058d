package message_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/proto/message"
)

// RFC 2045 5.1, RFC 2231 3, RFC 2231 4, RFC 2231 4.1
func TestParseContentType(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"text/plain; charset=utf-8":                             "text/plain charset=utf-8",
		"TEXT/Plain;Charset=\"UTF-8\"":                          "text/plain charset=UTF-8",
		"text/plain (a; b=c) ; (x) charset (y) = (z) utf-8 (w)": "text/plain charset=utf-8",
		"text/plain; charset=utf-8; charset=latin1":             "text/plain charset=utf-8",
		"":                                  "/",
		"text":                              "text/",
		"/plain":                            "/",
		"a b/c":                             "a/",
		"text/plain;;; a=b;":                "text/plain a=b",
		"text/plain; =x; a; b=; c=d":        "text/plain b= c=d",
		"x/y; name=a b c.txt; d=e":          "x/y name=a b c.txt d=e",
		"x/y; name=\"a;b\\\"c\\\\d\"":       "x/y name=a;b\"c\\d",
		"x/y; name=\"C:\\temp\\x.txt\"":     "x/y name=C:\\temp\\x.txt",
		"x/y; name=\"never closed":          "x/y name=never closed",
		"x/y; name=\"=?utf-8?q?J=C3=BC?=\"": "x/y name=Jü",
		"x/y; name*=utf-8''J%C3%BC":         "x/y name=Jü",
		"x/y; name*=iso-8859-1'de'J%FC":     "x/y name=Jü",
		"x/y; name*=J%C3%BC":                "x/y name=Jü",
		"x/y; name=old; name*=utf-8''new":   "x/y name=new",
		"x/y; name*1=b; name*0=a; name*2=c": "x/y name=abc",
		"x/y; name*0*=utf-8''%C3; name*1*=%BC; name*2=\"%41 z\"": "x/y name=ü%41 z",
		"x/y; name*0=a; name*2=c":                                "x/y name=a",
		"x/y; name*1=b":                                          "x/y name=",
		"x/y; name*0=a; name*0=b":                                "x/y name=a",
		"x/y; name*99999999999999999999=b":                       "x/y name*99999999999999999999=b",
		"x/y; name*=utf-8''a%0D%0Ab%zz%4":                        "x/y name=a  b%zz%4",
		"x/y; name=J\xfc":                                        "x/y name=Jü",
		"x/y; name=Jü":                                           "x/y name=Jü",
		"x/y junk; a=b":                                          "x/y a=b",
		"x/y a=\"b c\" d=e":                                      "x/y a=b c d=e",
		"multipart/mixed; boundary=\"a b \"":                     "multipart/mixed boundary=a b ",
	} {
		mediaType, subtype, params := message.ParseContentType(in)
		got := mediaType + "/" + subtype
		for _, p := range params {
			got += " " + p.Name + "=" + p.Value
		}
		if got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestParamLimits(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&b, "; p%d=x", i)
	}
	if _, _, params := message.ParseContentType("a/b" + b.String()); len(params) != 64 {
		t.Errorf("%d parameters are kept", len(params))
	}
	b.Reset()
	for i := range 10000 {
		fmt.Fprintf(&b, "; name*%d=%s", i, strings.Repeat("x", 1000))
	}
	if _, _, params := message.ParseContentType("a/b" + b.String()); len(params) != 1 || len(params[0].Value) != 8<<10 {
		t.Errorf("%d parameters are kept", len(params))
	}
}

// Deviations from the shared cases, by a piece of their header.
var typeDeviates = map[string]string{
	"access-type=mail-server\n":            "a missing semicolon behind a value without quotes: the value goes on to the next one",
	"title*":                               "they tell the language of a value, we drop it",
	"iso-8859-1'es'%D1and%FA":              "a charset named anew in each continuation",
	"name=\"=?iso-8859-1?B?4Q==?= =?utf-8": "encoded words of two charsets: RFC 2047 6.2 drops the space between them all the same",
	"name=  ":                              "an empty value is told as such",
	"á/é":                                  "a type must be ASCII",
	"name=\"   \n$":                        "space around a value that is never closed is dropped",
	"name=\"   \n    \n$":                  "likewise",
	"text/plain/format":                    "a subtype holds no slash: it is as if there was none",
	"key*9999=ba%":                         "what comes after a gap in the continuations is left out",
	"malicious/attempt":                    "stars where none may stand: the name is kept as it is",
}

func TestContentTypesOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range sharedJSON[struct {
		Header   string
		Expected *struct {
			Type       string      `json:"c_type"`
			Subtype    *string     `json:"c_subtype"`
			Attributes [][2]string `json:"attributes"`
		}
	}](t, "header-parsing/content_type.json") {
		h, _ := message.ParseHeader([]byte("Content-Type:" + c.Header))
		mediaType, subtype, params := message.ParseContentType(h.Get("Content-Type"))
		if strings.Trim(c.Header, "\n") == "=" || strings.HasPrefix(c.Header, "name=value") {
			c.Expected = nil // neither names a type
		}
		if c.Expected == nil {
			if mediaType != "" {
				t.Errorf("%q: %s/%s, want none", c.Header, mediaType, subtype)
			}
			continue
		}
		want := ""
		if c.Expected.Subtype != nil {
			want = strings.ToLower(*c.Expected.Subtype)
		}
		bad := mediaType != strings.ToLower(c.Expected.Type) || subtype != want || len(params) != len(c.Expected.Attributes)
		for _, a := range c.Expected.Attributes {
			if message.ParamValue(params, strings.ToLower(a[0])) != a[1] {
				bad = true
			}
		}
		if why, ok := deviation(typeDeviates, c.Header); ok == !bad {
			t.Errorf("%q: %s/%s %q, want %+v (%s)", c.Header, mediaType, subtype, params, *c.Expected, why)
		}
	}
}

// RFC 2183 2, RFC 2231 4
func TestFormatParams(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var params []message.Param
		for i := range rapid.IntRange(0, 5).Draw(t, "n") {
			value := rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune(`ab ";\'*%=`))), 0, 50, -1).Draw(t, "value")
			value = message.DecodeText(strings.ReplaceAll(value, "=?", "-"))
			params = append(params, message.Param{Name: fmt.Sprint("p", i), Value: value})
		}
		text := message.FormatParams("attachment", params)
		for i := range len(text) {
			if text[i] >= 0x7f {
				t.Fatalf("%q is not ASCII", text)
			}
		}
		disposition, got := message.ParseDisposition(text)
		if disposition != "attachment" || !reflect.DeepEqual(got, params) && len(got)+len(params) > 0 {
			t.Fatalf("%q wrote %q, read %q", params, text, got)
		}
	})
}

func FuzzContentType(f *testing.F) {
	for _, s := range []string{"text/plain; charset=utf-8", "a/b; n*0*=utf-8''%41; n*1=\"x\\\"\"; n*2*=%42", "a/b(c)d; e=(f)g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mediaType, subtype, params := message.ParseContentType(s)
		if strings.ContainsAny(mediaType+subtype, " \r\n\x00\";") || len(params) > 64 {
			t.Fatalf("%q gives %q/%q and %d parameters", s, mediaType, subtype, len(params))
		}
		for _, p := range params {
			if strings.ContainsAny(p.Value, "\r\n\x00") {
				t.Fatalf("%q gives a value that breaks the line: %q", s, p.Value)
			}
		}
		checkField(t, message.FoldField("Content-Type", message.FormatParams("a/b", params)))
	})
}
