package way

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestReadHop reads the trace fields of what is used on the internet (RFC 5321 4.4, RFC 3848, RFC 8314 4.3).
func TestReadHop(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"from mx.example.net (mx.example.net [192.0.2.1]) by mail.example.org (Postfix) with ESMTPS id 4X for <a@example.org>; Tue, 24 Nov 2026 03:00:00 +0000":                                "mx.example.net [192.0.2.1] > mail.example.org TLS 4X 03:00",
		"from x (unknown [192.0.2.1]) by y with SMTP; Tue, 24 Nov 2026 03:00:00 +0000 (UTC)":                                                                                                   "x [192.0.2.1] > y   03:00",
		"from mail-a1.google.com (mail-a1.google.com. [2001:db8::1]) by y with ESMTPS id z (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128); Tue, 24 Nov 2026 03:00:00 -0800 (PST)": "mail-a1.google.com [2001:db8::1] > y TLS 1.3 z 11:00",
		"from AM0.eurprd.prod.outlook.com ([fe80::1]) by AM0.eurprd.prod.outlook.com ([fe80::1%3]) with mapi id 15.20; Tue, 24 Nov 2026 03:00:00 +0000":                                        "AM0.eurprd.prod.outlook.com [fe80::1] > AM0.eurprd.prod.outlook.com  15.20 03:00",
		"from [IPv6:2001:db8::7] (port=1234 helo=x) by y (using TLSv1.2 with cipher X (256/256 bits)) (Client did not present a certificate); 24 Nov 2026 03:00:00 GMT":                        "[2001:db8::7] > y TLS 1.2  03:00",
		"(qmail 1234 invoked by uid 89); 24 Nov 2026 03:00:00 -0000":                                                                                                                           " >    03:00",
		"by 2002:a05:1 with SMTP id x; Tue, 24 Nov 2026 03:00:00 +0000":                                                                                                                        " > 2002:a05:1  x 03:00",
		"from a by b with LMTP": "a > b   00:00",
		"":                      " >    00:00",
		";":                     " >    00:00",
		"from (((((":            " >    00:00",
	} {
		h := readHop(field)
		got := h.client() + " > " + h.by + " " + h.tls + " " + h.id + " " + h.at.Format("15:04")
		if got != want {
			t.Errorf("%q:\n got %q\nwant %q", field, got, want)
		}
	}
}

// FuzzReadHop holds the reader to its bounds: what is shown is short, printable and one line.
func FuzzReadHop(f *testing.F) {
	f.Add("from mx (mx [192.0.2.1]) by y with ESMTPS id z; Tue, 24 Nov 2026 03:00:00 +0000")
	f.Add("from ((\\))[(] by \x00; 99")
	f.Fuzz(func(t *testing.T, s string) {
		h := readHop(s)
		for _, text := range []string{h.client(), printable(h.by)} {
			if len(text) > 220 || strings.ContainsAny(text, "\r\n\x00") || utf8.ValidString(s) && !utf8.ValidString(text) {
				t.Errorf("%q", text)
			}
		}
		if h.at.Location() != time.UTC {
			t.Error(h.at)
		}
	})
}
