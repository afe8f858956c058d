package advice_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/service/advice"
)

// TestFor knows what the large providers and the common servers say (RFC 3463 3, RFC 7372 3), and our own sentences.
func TestFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome            mail.Outcome
		reason, says, link string
	}{
		{mail.Bounced, "mx.example.net[192.0.2.1] said: 550 5.1.1 <x@example.net>: Recipient address rejected: User unknown in virtual mailbox table", "no such address", ""},
		{mail.Bounced, "gmail-smtp-in.l.google.com[192.0.2.1] said: 550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking", "no such address", ""},
		{mail.Bounced, "mx[::1] said: 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "no such address", ""},
		{mail.Bounced, "mx said: 550 No such user here", "no such address", ""},
		{mail.Deferred, "mx[192.0.2.1] said: 450 4.7.1 Greylisted, try again in 300 seconds", "Nothing is to be done", "greylisted"},
		{mail.Deferred, "mx[192.0.2.1] said: 451 4.7.1 Greylisting in action, please come back later", "within minutes", "greylisted"},
		{mail.Deferred, "mx[192.0.2.1] said: 452 4.2.2 The email account that you tried to reach is over quota", "is full: it is tried again", "quota-full"},
		{mail.Bounced, "mx[192.0.2.1] said: 552 5.2.2 mailbox full", "make room, then send it again", "quota-full"},
		{mail.Bounced, "given up after 5 days: mx[192.0.2.1] said: 452 4.2.2 over quota", "make room, then send it again", "quota-full"},
		{mail.Bounced, "mx[192.0.2.1] said: 554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org", "blocklist", "blocklisted"},
		{mail.Bounced, "outlook-com.olc.protection.outlook.com[192.0.2.1] said: 550 5.7.1 Unfortunately, messages from [192.0.2.9] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).", "blocklist", "blocklisted"},
		{mail.Bounced, "mx[192.0.2.1] said: 550 5.7.25 The IP address sending this message does not have a PTR record setup", "no name in the DNS", "no-ptr"},
		{mail.Bounced, "mx[192.0.2.1] said: 550 5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.", "DMARC", "dmarc"},
		{mail.Bounced, "mx[192.0.2.1] said: 550 5.7.23 SPF validation failed", "SPF record", "spf"},
		{mail.Bounced, "mx[192.0.2.1] said: 552 5.3.4 Message size exceeds fixed limit", "too large", "too-large"},
		{mail.Bounced, "mx[192.0.2.1] said: 552-5.7.0 This message was blocked because its content presents a potential security issue", "attachment", ""},
		{mail.Bounced, "mx[192.0.2.1] said: 554 5.7.1 Message rejected as spam by Content Filtering.", "for spam", "lands-in-spam"},
		{mail.Deferred, "mx[192.0.2.1] said: 421 4.7.28 Our system has detected an unusual rate of unsolicited mail", "spam", "lands-in-spam"},
		{mail.Deferred, "mx[192.0.2.1] said: 421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume", "wants less", "rate-limited"},
		{mail.Deferred, "mx[192.0.2.1] said: 451 4.3.0 internal trouble", "trouble of its own", ""},
		{mail.Deferred, "mx[192.0.2.1] said: 421 closing", "trouble of its own", ""},
		{mail.Bounced, "mx[192.0.2.1] said: 554 5.7.1 <x@example.net>: Relay access denied", "does not take mail for that domain", "relay-denied"},
		{mail.Bounced, "mx[192.0.2.1] said: 550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", "let in", ""},
		{mail.Bounced, "mx[192.0.2.1] said: 550 5.2.1 account disabled", "switched off", ""},
		{mail.Bounced, "mx[192.0.2.1] said: 550 go away", "refuses it for good", ""},
		{mail.Deferred, "the connection to mx[192.0.2.1] failed during the greeting: it took too long", "does not answer now", "port-25-blocked"},
		{mail.Deferred, "cannot connect to mx.example.net (192.0.2.1:25): connection refused", "does not answer now", "port-25-blocked"},
		{mail.Bounced, "given up after 5 days: cannot connect to mx.example.net (192.0.2.1:25): connection refused", "all that time", "port-25-blocked"},
		{mail.Bounced, "the domain exampel.net does not exist", "typing mistake", "mx"},
		{mail.Bounced, "the domain example.net says that it takes no mail (null MX)", "no mail at all", "mx"},
		{mail.Deferred, "the certificate of mx[192.0.2.1] is not what the MTA-STS policy of example.net demands: it has expired; its postmaster has to mend that, see docs/problems.md#mta-sts", "postmaster has to mend it", "mta-sts"},
		{mail.Deferred, "mx[192.0.2.1] does not offer STARTTLS, which its TLSA record (DANE) demands; its postmaster has to mend that, see docs/problems.md#dane", "as safe", "dane"},
		{mail.Deferred, "mx said: 450 see docs/problems.md#<script>", "trouble of its own", ""},
		{mail.Deferred, "mx said: 450 see docs/problems.md#nonsense", "trouble of its own", ""},
		{mail.Bounced, "mx[192.0.2.1] said: 550 5.4.6 routing loop detected", "back to each other", "loops"},
		{mail.Bounced, "mx does not offer SMTPUTF8, which this message needs", "beyond English", ""},
		{mail.Rejected, "mx said: 550 5.1.1 no", "no such address", ""},
		{mail.Relayed, "mx[192.0.2.1] said: 250 2.0.0 OK", "junk folder", "lands-in-spam"},
		{mail.Discarded, "deleted from the queue by an operator", "took it out", ""},
		{mail.Discarded, "a scanner wants it thrown away", "scanner", ""},
		{mail.Discarded, "its sender took it back", "", ""},
		{mail.Delivered, "filed in INBOX", "", ""},
		{mail.Deferred, "", "Nothing is to be done", ""},
		{mail.Bounced, "", "refuses it for good", ""},
	} {
		a := advice.For(c.outcome, c.reason)
		link := c.link
		if link != "" {
			link = "docs/problems.md#" + link
		}
		if !strings.Contains(a.Text, c.says) || c.says == "" && a.Text != "" || a.Link != link {
			t.Errorf("%s %q:\n  %q %s\n  want %q %s", c.outcome, c.reason, a.Text, a.Link, c.says, link)
		}
		if a.Text != "" && (!strings.HasSuffix(a.Text, ".") || strings.Contains(a.Text, "script")) {
			t.Errorf("%q is no sentence of ours", a.Text)
		}
	}
	if a := advice.Held(); !strings.HasSuffix(a.Text, ".") {
		t.Errorf("held: %q", a.Text)
	}
}

// TestLinks finds every paragraph that is named in docs/problems.md.
func TestLinks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(text), -1) {
		name := strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")
		have[name] = true
		want := "docs/problems.md#" + name
		if got := advice.For(mail.Deferred, "it failed; see "+want+", and more").Link; got != want {
			t.Errorf("a sentence that names %s leads to %q", want, got)
		}
	}
	source, err := os.ReadFile("rules.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`link:\s+"([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		if !have[m[1]] {
			t.Errorf("docs/problems.md has no paragraph %q", m[1])
		}
	}
}

// TestRead takes reasons apart.
func TestRead(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]advice.Words{
		"mx.example.net[192.0.2.1] said: 550 5.1.1 No such user": {Host: "mx.example.net", Reply: "550 5.1.1 No such user", Code: "550", Enhanced: "5.1.1"},
		"mx[::1] said: 550-5.1.1 one":                            {Host: "mx", Reply: "550-5.1.1 one", Code: "550", Enhanced: "5.1.1"},
		"given up after 5 days: mx[::1] said: 450 later":         {GivenUp: "5 days", Host: "mx", Reply: "450 later", Code: "450"},
		"the connection to mx failed: somebody said: 550 x":      {Reply: "the connection to mx failed: somebody said: 550 x"},
		"5000 things":     {Reply: "5000 things"},
		"550 5.1.1111 no": {Reply: "550 5.1.1111 no", Code: "550"},
		"550 9.1.1 no":    {Reply: "550 9.1.1 no", Code: "550"},
		"250":             {Reply: "250", Code: "250"},
	} {
		got := advice.Read(reason)
		if got.GivenUp != want.GivenUp || got.Host != want.Host || got.Reply != want.Reply || got.Code != want.Code || got.Enhanced != want.Enhanced {
			t.Errorf("%q: %+v", reason, got)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"": "", "TLS1.3 TLS_AES_128_GCM_SHA256": "not proven", "TLS1.3 X verified": "by its certificate", "TLS1.2 X verified by DANE": "(TLS 1.2), and the host proved that it is the right one by a key in signed DNS",
		"TLS1.3 X verified by MTA-STS": "MTA-STS", "TLSv1.3": "(TLS 1.3)",
	} {
		if got := advice.TLS(text); !strings.Contains(got, says) || (text == "") != (got == "") {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// FuzzFor holds the table to its word: whatever a remote says, the advice is ours.
func FuzzFor(f *testing.F) {
	f.Add("mx[192.0.2.1] said: 550 5.1.1 no")
	f.Add("given up after 5 days: x said: 450-4.2.2 docs/problems.md#dane")
	f.Fuzz(func(t *testing.T, reason string) {
		for _, o := range []mail.Outcome{mail.Deferred, mail.Bounced, mail.Rejected, mail.Discarded, mail.Relayed} {
			a := advice.For(o, reason)
			if a.Text == "" && o != mail.Discarded || strings.ContainsAny(a.Text, "<>\r\n") || a.Link != "" && !regexp.MustCompile(`^docs/problems\.md#[a-z0-9-]+$`).MatchString(a.Link) {
				t.Fatalf("%q: %+v", reason, a)
			}
		}
	})
}
