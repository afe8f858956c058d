package jmap_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/town"
)

const askForIt = "Message-ID: <ask%d@one.example>\r\nFrom: bob@one.example\r\nTo: ann@one.example\r\nSubject: World domination\r\nDisposition-Notification-To: %s\r\n" +
	"Original-Recipient: rfc822;first@one.example\r\n\r\nText\r\n"

var displayed = map[string]any{"actionMode": "manual-action", "sendingMode": "mdn-sent-manually", "type": "displayed"}

// TestMDN: bob asks, ann sends, and what bob gets is read by MDN/parse as it was sent (RFC 9007 2.1, RFC 9007 2.2): with the null sender
// (RFC 8098 3), and referring to the message that he sent.
func TestMDN(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	// Bob sends it by JMAP, so that his submission is known.
	bob := *w
	bob.user = "bob@one.example"
	bob.vars = map[string]string{"account": "A" + itoa(int64(w.IDs["bob@one.example"]))}
	boxes, err := w.Store.Mailboxes(t.Context(), w.IDs["bob@one.example"])
	if err != nil {
		t.Fatal(err)
	}
	box := "F" + itoa(int64(boxes[0].ID))
	made := bob.must(t, "Email/set", map[string]any{"create": map[string]any{"k": map[string]any{"mailboxIds": map[string]any{box: true}, "from": []any{map[string]any{"email": bob.user}},
		"to": []any{map[string]any{"email": ann}}, "subject": "World domination", "header:Disposition-Notification-To:asText": bob.user, "messageId": []string{"one@one.example"}}}})
	original := made["created"].(map[string]any)["k"].(map[string]any)["id"]
	bob.must(t, "EmailSubmission/set", map[string]any{"create": map[string]any{"s": map[string]any{"identityId": "I0", "emailId": original}}})

	inbox := w.must(t, "Email/query", map[string]any{"filter": map[string]any{"inMailbox": w.vars["inbox"]}})["ids"].([]any)
	if len(inbox) != 1 {
		t.Fatal(inbox)
	}
	got := w.must(t, "MDN/send", map[string]any{"identityId": "I0", "onSuccessUpdateEmail": map[string]any{"#m": map[string]any{"keywords/$mdnsent": true}},
		"send": map[string]any{"m": map[string]any{"forEmailId": inbox[0], "reportingUA": "postrider", "disposition": displayed, "includeOriginalMessage": true, "extensionFields": map[string]any{"X-Mood": "fine"}}}})
	sent, ok := got["sent"].(map[string]any)
	if !ok {
		t.Fatal(got)
	}
	told := sent["m"].(map[string]any)
	if told["originalMessageId"] != "<one@one.example>" || told["finalRecipient"] != "rfc822; ann@one.example" || told["subject"] != "Read: World domination" || told["includeOriginalMessage"] != nil {
		t.Errorf("%v", told)
	}
	texts := w.Mail(t, bob.user, mail.Inbox)
	if n := len(texts); n == 0 || !strings.HasPrefix(texts[n-1], "Return-Path: <>\r\n") {
		t.Fatalf("%q", texts)
	}
	ids := bob.must(t, "Email/query", map[string]any{"filter": map[string]any{"subject": "Read"}})["ids"].([]any)
	blob := "R" + strings.TrimPrefix(ids[0].(string), "M")
	parsed := bob.must(t, "MDN/parse", map[string]any{"blobIds": []string{blob}})["parsed"].(map[string]any)[blob].(map[string]any)
	want := map[string]any{}
	if err := json.Unmarshal([]byte(`{"forEmailId":"`+original.(string)+`","subject":"Read: World domination","textBody":"{{*}}","includeOriginalMessage":true,"reportingUA":"postrider",
		"disposition":{"actionMode":"manual-action","sendingMode":"mdn-sent-manually","type":"displayed"},"mdnGateway":null,"originalRecipient":null,"finalRecipient":"rfc822; ann@one.example",
		"originalMessageId":"<one@one.example>","error":null,"extensionFields":{"X-Mood":"fine"}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := w.match("", want, any(parsed)); diff != "" {
		t.Errorf("%s: %v", diff, parsed)
	}
	// A notification asks for none, and gets none (RFC 8098 3).
	if out := bob.must(t, "MDN/send", map[string]any{"identityId": "I0", "onSuccessUpdateEmail": map[string]any{"#m": map[string]any{"keywords/$mdnsent": true}},
		"send": map[string]any{"m": map[string]any{"forEmailId": ids[0], "disposition": displayed}}}); out["sent"] != nil {
		t.Errorf("%v", out)
	}
}

// TestMDNOnce: of calls at the same time one sends.
func TestMDNOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.file(t, mail.Inbox, fmt.Sprintf(askForIt, 1, "bob@one.example"), 0, town.Epoch)
	email := "M" + itoa(int64(r.Email))
	body := `{` + using + `,"methodCalls":[["MDN/send",{"accountId":"` + w.vars["account"] + `","identityId":"I0","onSuccessUpdateEmail":{"#m":{"keywords/$mdnsent":true}},
		"send":{"m":{"forEmailId":"` + email + `","disposition":{"actionMode":"manual-action","sendingMode":"mdn-sent-manually","type":"displayed"}}}},"0"]]}`
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			resp := w.request(t, "POST", "/jmap/api", "application/json", strings.NewReader(body))
			if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), `"sent":{`) && !strings.Contains(string(text), "mdnAlreadySent") {
				t.Errorf("%v %s", err, text)
			}
		})
	}
	wait.Wait()
	if got := w.Mail(t, "bob@one.example", mail.Inbox); len(got) != 1 || !strings.Contains(got[0], "Original-Recipient: rfc822;first@one.example\r\n") {
		t.Errorf("bob has %q", got)
	}
	flags := w.must(t, "Email/get", map[string]any{"ids": []string{email}, "properties": []string{"keywords"}})["list"].([]any)[0].(map[string]any)["keywords"].(map[string]any)
	if flags["$mdnsent"] != true {
		t.Errorf("%v", flags)
	}
}
