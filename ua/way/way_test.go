package way_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/authres"
	"github.com/postrider/postrider/testkit/town"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

const (
	ann = "ann@one.example"
	bob = "bob@one.example"
	far = "bob@far.example"
)

// TestSent tells the stories of messages that ann sent; each is a file of testdata.
func TestSent(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]func(w *world){
		"sent-dane": func(w *world) {
			w.outbound(1, mail.Relayed, far, "TLS1.3 TLS_AES_128_GCM_SHA256 verified by DANE", "mx.far.example[198.51.100.9] said: 250 2.0.0 Ok: queued as 4X")
		},
		"sent-in-clear": func(w *world) {
			w.outbound(1, mail.Relayed, far, "", "mx.far.example[198.51.100.9] said: 250 ok")
		},
		"sent-greylisted": func(w *world) {
			w.outbound(1, mail.Deferred, far, "TLS1.2 X", "mx.far.example[198.51.100.9] said: 450 4.7.1 Greylisted, try again in 5 minutes")
			w.enqueue(mail.QueuedRecipient{Address: far, Attempts: 1, Next: at(65), Last: "mx.far.example[198.51.100.9] said: 450 4.7.1 Greylisted, try again in 5 minutes"})
		},
		"sent-no-such-user": func(w *world) {
			w.outbound(1, mail.Bounced, far, "TLS1.3 X verified", "mx.far.example[198.51.100.9] said: 550 5.1.1 <bob@far.example>: User unknown")
			w.Do(w.t, w.event(1, mail.Event{Outcome: mail.Reported, To: far, Role: "mta/bounce", Reason: "failure report trace9"}))
		},
		"sent-over-quota": func(w *world) {
			w.outbound(1, mail.Deferred, far, "TLS1.3 X", "mx.far.example[198.51.100.9] said: 452 4.2.2 over quota")
			w.Do(w.t, w.event(240, mail.Event{Outcome: mail.Reported, To: far, Role: "mta/bounce", Reason: "delay report trace9"}))
			w.outbound(7000, mail.Bounced, far, "TLS1.3 X", "given up after 5 days: mx.far.example[198.51.100.9] said: 452 4.2.2 over quota")
		},
		"sent-unreachable": func(w *world) {
			w.outbound(1, mail.Deferred, far, "", "the connection to mx.far.example[198.51.100.9] failed during the greeting: it took too long")
			w.enqueue(mail.QueuedRecipient{Address: far, Attempts: 3, Next: at(90), Last: "the connection to mx.far.example[198.51.100.9] failed during the greeting: it took too long"})
		},
		"sent-just-now": func(w *world) { w.enqueue(mail.QueuedRecipient{Address: far, Next: at(61)}) },
		"sent-held": func(w *world) {
			w.Do(w.t, mail.QueueAct{Queue: w.enqueue(mail.QueuedRecipient{Address: far, Next: at(61)}), Act: mail.ActHold, Now: at(2)})
		},
		"sent-released": func(w *world) {
			q := w.enqueue(mail.QueuedRecipient{Address: far, Next: at(1)})
			w.Do(w.t, mail.QueueAct{Queue: q, Act: mail.ActHold, Now: at(2)})
			w.Do(w.t, mail.QueueAct{Queue: q, Act: mail.ActRelease, Now: at(59)})
			w.outbound(60, mail.Relayed, far, "TLS1.3 X verified by MTA-STS", "mx.far.example[198.51.100.9] said: 250 2.0.0 ok")
			w.Do(w.t, mail.QueueAct{Queue: q, Act: mail.ActDelete, Now: at(60)})
		},
		"sent-deleted": func(w *world) {
			w.Do(w.t, w.event(5, mail.Event{Outcome: mail.Discarded, To: far, Role: "admin", Account: w.IDs[ann], Reason: "deleted from the queue by an operator"}))
		},
		"sent-taken-back": func(*world) {},
		"sent-local": func(w *world) {
			w.Do(w.t, w.event(0, mail.Event{Outcome: mail.Delivered, To: bob, Account: w.IDs[bob], Role: "mda", Peer: bob, Reason: "filed in Spam: score 9.1 of 5.0; The message has no Date field (+0.8)."}))
		},
		"sent-to-oneself": func(w *world) {
			w.Do(w.t, w.event(0, mail.Event{Outcome: mail.Delivered, To: ann, Account: w.IDs[ann], Role: "mda", Peer: ann, Reason: "filed in INBOX"}))
		},
		"sent-alias": func(w *world) {
			w.Do(w.t, w.event(0, mail.Event{Outcome: mail.Expanded, To: "away@one.example", Account: w.IDs[ann], Role: "msa", Reason: "by away@one.example to kim@private.example bob@one.example"}),
				w.event(0, mail.Event{Outcome: mail.Delivered, To: "away@one.example", Account: w.IDs[bob], Role: "mda", Peer: bob, Reason: "filed in INBOX"}))
			w.outbound(1, mail.Bounced, "kim@private.example", "TLS1.3 X", "mx1.private.example[198.51.100.9] said: 550 5.1.1 <KIM@private.example> is not known at private.example")
		},
		"sent-alias-waits": func(w *world) {
			w.Do(w.t, w.event(0, mail.Event{Outcome: mail.Expanded, To: "away@one.example", Account: w.IDs[ann], Role: "msa", Reason: "by away@one.example to kim@private.example"}))
			w.enqueue(mail.QueuedRecipient{Address: "kim@private.example", Original: "away@one.example", Next: at(61)})
		},
		"sent-many": func(w *world) {
			w.outbound(1, mail.Relayed, far, "TLS1.3 X verified", "mx.far.example[198.51.100.9] said: 250 ok")
			w.outbound(2, mail.Bounced, "x@other.example", "", "the domain other.example does not exist")
			w.enqueue(mail.QueuedRecipient{Address: "y@third.example", Next: at(70)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.submitted()
			story(w)
			email := w.file(ann, "Sent", "", sent)
			w.golden(name, ann, "email="+email)
			w.golden(name, ann, "trace=trace0") // the same
			if status, text := w.ask(bob, "GET", "/api/way?email="+email, ""); status != http.StatusNotFound {
				t.Errorf("bob may see ann's message: %d %s", status, text)
			}
			if status, text := w.ask(bob, "GET", "/api/way?trace=trace0", ""); name != "sent-local" && name != "sent-alias" && status != http.StatusNotFound {
				t.Errorf("bob may see the way of ann's message: %d %s", status, text)
			} else if strings.Contains(text, "private.example") || strings.Contains(text, "msa") {
				t.Errorf("bob sees %s", text)
			}
			if _, text := w.ask(ann, "GET", "/api/way?trace=trace0", ""); strings.Contains(strings.ToLower(text), "private") || strings.Contains(text, "Spam") || strings.Contains(text, "9.1") {
				t.Errorf("ann sees what is others' own: %s", text)
			}
		})
	}
}

const incoming = `Received: from list.far.example (list.far.example [198.51.100.7])
	by mx.far.example (Postfix) with ESMTPS id AAA
	for <team@one.example>; Tue, 24 Nov 2026 02:59:50 +0000 (UTC)
Received: from [192.168.1.5] (home.example. [203.0.113.5])
	(using TLSv1.2 with cipher ECDHE (256 bits)) by list.far.example with ESMTPSA id BBB; Tue, 24 Nov 2026 03:49:00 +0100
Authentication-Results: mx.one.example; dkim=pass header.d=forged.example; spf=pass smtp.mailfrom=forged.example
From: Carl <carl@far.example>
To: team@one.example
Subject: Hello
Message-ID: <in@far.example>
Date: Tue, 24 Nov 2026 03:48:00 +0100

Hello!
`

// TestReceived tells the stories of messages that came in. RFC 8601 4.1: only what this server wrote itself is told as its finding.
func TestReceived(t *testing.T) {
	t.Parallel()
	pass := []authres.Result{authres.OfIPRev("pass", ip("198.51.100.9")), authres.OfSPF("pass", "far.example", "mx.far.example"),
		authres.OfDKIM("pass", authres.Signature{Domain: "far.example", Selector: "a", Algorithm: "rsa-sha256", Data: "abcdefgh"}), authres.OfDMARC("pass", "far.example", "reject")}
	broken := authres.OfDKIM("fail", authres.Signature{Domain: "far.example", Selector: "a", Algorithm: "rsa-sha256", Data: "abcdefgh"})
	broken.Reason = "The signature of far.example does not count: the text was changed after it was signed."
	for name, c := range map[string]struct {
		box     string
		results []authres.Result
		reason  string
	}{
		"in-inbox": {"INBOX", pass, "filed in INBOX: score -1.2 of 5.0; The owner's sorting says 2 % junk by 40 words (-1.5). The message has no Message-ID field (+0.8)."},
		"in-dmarc-junk": {"Junk", []authres.Result{authres.OfIPRev("permerror", ip("198.51.100.9")), authres.OfSPF("fail", "far.example", "x"), authres.OfDKIM("none", authres.Signature{}),
			authres.OfDMARC("fail", "far.example", "reject")}, "filed in Junk: policy; far.example wants mail in its name that fails refused; our policy sets it aside. The client calls itself localhost (+1.5)."},
		"in-score-junk":  {"Junk", pass, "filed in Junk: score 7.5 of 5.0; zen.spamhaus.org lists the client (+5.0). The subject is written in capitals only (+0.7)."},
		"in-moved-junk":  {"Junk", pass, "filed in INBOX: score 0.5 of 5.0; The subject is written in capitals only (+0.5)."},
		"in-moved-out":   {"INBOX", pass, "filed in Junk: score 7.5 of 5.0; zen.spamhaus.org lists the client (+5.0)."},
		"in-known-by":    {"INBOX", pass, "filed in INBOX: score 6.0 of 5.0; the owner has written to carl@far.example, who is proven. The message has no subject (+0.4)."},
		"in-list":        {"Lists", []authres.Result{authres.OfIPRev("pass", ip("198.51.100.9")), authres.OfSPF("pass", "list.far.example", "x"), broken, authres.OfDMARC("fail", "far.example", "none")}, "filed in Lists: score 0.0 of 5.0;"},
		"in-none":        {"INBOX", []authres.Result{authres.OfSPF("none", "far.example", "x"), authres.OfDKIM("none", authres.Signature{}), authres.OfDMARC("none", "far.example", "")}, "filed in INBOX"},
		"in-unsure":      {"INBOX", []authres.Result{authres.OfIPRev("temperror", ip("198.51.100.9")), authres.OfSPF("softfail", "far.example", "x"), authres.OfDMARC("temperror", "far.example", "")}, "filed in INBOX: score 0.0 of 5.0; "},
		"in-trusted":     {"INBOX", nil, "filed in INBOX"},
		"in-odd-mailbox": {"INBOX", pass, "filed in A: policy of ours: score 1.0 of 5.0; The message has no subject (+0.4)."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Do(t, w.event(0, mail.Event{Outcome: mail.Accepted, From: "carl@far.example", Role: "mta/inbound", Peer: "mx.far.example[198.51.100.9]", TLS: "TLS1.3 X", Reason: "SPF pass: x."}),
				w.event(0, mail.Event{Outcome: mail.Expanded, From: "carl@far.example", To: "team@one.example", Reason: "by team@one.example to ann@one.example bob@one.example"}),
				w.event(0, mail.Event{Outcome: mail.Delivered, From: "carl@far.example", To: "team@one.example", Account: w.IDs[ann], Role: "mda", Peer: ann, Reason: c.reason}),
				w.event(0, mail.Event{Outcome: mail.Delivered, From: "carl@far.example", To: "team@one.example", Account: w.IDs[bob], Role: "mda", Peer: bob, Reason: "filed in Secret"}))
			email := w.file(ann, c.box, prefix("team@one.example", "trace0", c.results...), incoming)
			w.golden(name, ann, "email="+email)
			_, text := w.ask(ann, "GET", "/api/way?email="+email, "")
			if strings.Contains(text, "forged.example") || strings.Contains(text, "Secret") || strings.Contains(text, bob) {
				t.Errorf("what a stranger claims, or what is bob's, is told: %s", text)
			}
			if status, text := w.ask(ann, "GET", "/api/way?trace=trace0", ""); status != 200 || strings.Contains(text, "Secret") || !strings.Contains(text, `"direction":"in"`) {
				t.Errorf("by its trace: %d %s", status, text)
			}
		})
	}
}

// TestOthers are messages of which this server knows little: brought here, drafts, of a neighbour, and what is nobody's.
func TestOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.golden("in-imported", ann, "email="+w.file(ann, "INBOX", "", incoming))
	own := strings.Replace(prefix(ann, "trace0"), "carl@far.example", bob, 1)
	w.Do(t, w.event(0, mail.Event{Outcome: mail.Accepted, From: bob, Account: w.IDs[bob], Role: "msa", Peer: "[192.0.2.77]", TLS: "TLS1.3 X"}))
	w.golden("in-local", ann, "email="+w.file(ann, "INBOX", own, sent))
	for _, q := range []string{"", "email=M1&trace=x", "email=", "trace=", "email=x", "email=M0"} {
		if status, text := w.ask(ann, "GET", "/api/way?"+q, ""); status != http.StatusBadRequest {
			t.Errorf("%q: %d %s", q, status, text)
		}
	}
	draft := w.file(ann, "INBOX", "", "Subject: x\n\ntext\n")
	for _, q := range []string{"email=" + draft, "email=M999", "trace=nothing", "trace=%00"} {
		if status, text := w.ask(ann, "GET", "/api/way?"+q, ""); status != http.StatusNotFound || !strings.Contains(text, `"kind":"not_found"`) {
			t.Errorf("%q: %d %s", q, status, text)
		}
	}
	if status, _ := w.ask(ann, "POST", "/api/way?email="+draft, ""); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
	if status, _ := w.ask("nobody@one.example", "GET", "/api/way?email="+draft, ""); status != http.StatusUnauthorized {
		t.Errorf("nobody: %d", status)
	}
	_ = town.Host
}

// TestRetry lets a sender ask for an attempt: of their own mail, not held, and not again within a minute.
func TestRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.submitted()
	q := w.enqueue(mail.QueuedRecipient{Address: far, Attempts: 4, Next: at(400)})
	try := func(who string, want int) {
		t.Helper()
		if status, text := w.ask(who, "POST", "/api/way/retry", `{"trace":"TRACE0"}`); status != want {
			t.Errorf("%s: %d %s, want %d", who, status, text, want)
		}
	}
	try(bob, 404)
	w.Do(t, mail.QueueAct{Queue: q, Act: mail.ActHold, Now: at(60)})
	try(ann, 403)
	w.Do(t, mail.QueueAct{Queue: q, Act: mail.ActRelease, Now: at(60)})
	claimed := w.Do(t, mail.Claim{Owner: "x", Now: at(60), Until: at(61), Limit: 9})[0].Claimed
	try(ann, 409)
	w.now = at(62)
	w.Do(t, mail.Settle{Queue: q, Lease: claimed[0].Lease.ID, Results: []mail.Settlement{{N: 1, Next: at(900), Spent: true}}})
	try(ann, 204)
	if entry, err := w.Store.QueuedMessage(t.Context(), q); err != nil || !entry.Recipients[0].Next.Equal(at(62)) {
		t.Errorf("not due: %+v %v", entry.Recipients, err)
	}
	try(ann, 429)
	w.now = at(63)
	try(ann, 204)
	w.Do(t, mail.QueueAct{Queue: q, Act: mail.ActDelete, Now: at(63)})
	try(ann, 404)
	for _, body := range []string{``, `{}`, `{"trace":""}`, `{"trace":"trace0","x":1}`, `[]`} {
		if status, _ := w.ask(ann, "POST", "/api/way/retry", body); status != 400 && status != 404 {
			t.Errorf("%s: %d", body, status)
		}
	}
	if status, _ := w.ask(ann, "GET", "/api/way/retry", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
}
