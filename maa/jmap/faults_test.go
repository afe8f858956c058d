package jmap_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/town"
)

// broken is a store of which one body cannot be read.
type broken struct {
	mail.Blobs
	id mail.BlobID
}

func (b *broken) Open(ctx context.Context, id mail.BlobID) (mail.BlobReader, error) {
	if id == b.id {
		return nil, mail.Errorf(mail.Internal, "pack 1, offset 40: its checksum differs")
	}
	return b.Blobs.Open(ctx, id)
}

// TestDamage: a message whose body is damaged is shown as far as its summary goes, and hides no other.
func TestDamage(t *testing.T) {
	t.Parallel()
	var b *broken
	w := newWorld(t, func(c *jmap.Config) { b = &broken{Blobs: c.Blobs}; c.Blobs = b })
	w.seed(t)
	r := w.file(t, mail.Inbox, "From: kim@far.example\nSubject: damaged\n\ntext\n", 0, town.Epoch)
	b.id = r.Blob
	id := "M" + itoa(int64(r.Email))
	out := w.must(t, "Email/get", map[string]any{"ids": []string{id, w.vars["plain"]}, "fetchTextBodyValues": true,
		"properties": []string{"subject", "preview", "bodyValues", "textBody", "header:X-Thing"}})
	list := out["list"].([]any)
	if len(list) != 2 {
		t.Fatal(out)
	}
	bad, good := list[0].(map[string]any), list[1].(map[string]any)
	if bad["subject"] != "damaged" || bad["preview"] != "" || bad["bodyValues"].(map[string]any)["1"].(map[string]any)["isEncodingProblem"] != true {
		t.Errorf("the damaged one: %v", bad)
	}
	if !strings.Contains(fmt.Sprint(good["bodyValues"]), "harbour") || good["header:X-Thing"] != "  raw value" {
		t.Errorf("the other: %v", good)
	}
	if ids := w.must(t, "Email/query", map[string]any{"filter": map[string]any{"body": "harbour"}})["ids"]; fmt.Sprint(ids) != "["+w.vars["plain"]+"]" {
		t.Errorf("a search beside a damaged message finds %v", ids)
	}
	if resp := w.request(t, "GET", "/jmap/download/"+w.vars["account"]+"/R"+itoa(int64(r.Email))+"/x", "", nil); resp.StatusCode != 500 {
		t.Errorf("the damaged one comes down with %s", resp.Status)
	}
}

// TestExpiredStates: a server that has just begun, or has dropped what it knew, cannot tell changes from before, and says so (RFC 8620 5.2). From the state
// there is, it can.
func TestExpiredStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *jmap.Config) { c.Limits.Snapshots, c.History = 1, nil })
	w.seed(t)
	state := w.must(t, "Email/get", map[string]any{"ids": []string{}})["state"]
	w.file(t, mail.Inbox, "Subject: new\n\ntext\n", 0, town.Epoch)
	if ch := w.must(t, "Email/changes", map[string]any{"sinceState": state}); len(ch["created"].([]any)) != 1 {
		t.Errorf("changes: %v", ch)
	}
	// Another account takes the place of this one.
	bob := *w
	bob.vars = map[string]string{"account": "A" + itoa(int64(w.IDs["bob@"+town.Domain]))}
	bob.user = "bob@" + town.Domain
	bob.must(t, "Email/get", map[string]any{"ids": []string{}})
	for _, method := range []string{"Email/changes", "Mailbox/changes", "Thread/changes"} {
		if out, failed := w.call(t, method, map[string]any{"sinceState": state}); failed != "cannotCalculateChanges" {
			t.Errorf("%s since what is forgotten: %v", method, out)
		}
	}
	if out, failed := w.call(t, "Email/queryChanges", map[string]any{"sinceQueryState": state}); failed != "cannotCalculateChanges" {
		t.Errorf("query changes since what is forgotten: %v", out)
	}
	now := w.must(t, "Email/get", map[string]any{"ids": []string{}})["state"]
	if ch := w.must(t, "Email/changes", map[string]any{"sinceState": now}); ch["newState"] != now || len(ch["created"].([]any)) != 0 {
		t.Errorf("changes since now: %v", ch)
	}
	// Nobody sees another account.
	if _, failed := bob.call(t, "Email/get", map[string]any{"accountId": w.vars["account"], "ids": []string{w.vars["plain"]}}); failed != "accountNotFound" {
		t.Errorf("another account's messages: %q", failed)
	}
	out := bob.must(t, "Email/get", map[string]any{"ids": []string{w.vars["plain"]}})
	if len(out["list"].([]any)) != 0 {
		t.Errorf("another account's message: %v", out)
	}
	if resp := bob.request(t, "GET", "/jmap/download/"+bob.vars["account"]+"/"+w.vars["plain.blob"]+"/x", "", nil); resp.StatusCode != 404 {
		t.Errorf("another account's blob: %s", resp.Status)
	}
	if out, failed := bob.call(t, "Email/set", map[string]any{"destroy": []string{w.vars["plain"]}}); failed != "" || out["destroyed"] != nil {
		t.Errorf("another account's message is destroyed: %v", out)
	}
}

// TestLimitsOfCalls: what is more than the session tells is refused whole (RFC 8620 3.6.2, RFC 8620 5.1, RFC 8620 5.3).
func TestLimitsOfCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *jmap.Config) { c.Limits.Get, c.Limits.Set, c.Limits.Query = 2, 2, 2 })
	w.seed(t)
	three := []string{w.vars["plain"], w.vars["reply"], w.vars["rich"]}
	for method, args := range map[string]map[string]any{
		"Email/get": {"ids": three}, "Mailbox/get": {"ids": nil}, "Email/set": {"destroy": three},
		"Thread/get": {"ids": []string{"T1", "T2", "T3"}}, "Email/import": {"emails": map[string]any{"a": map[string]any{}, "b": map[string]any{}, "c": map[string]any{}}},
	} {
		if out, failed := w.call(t, method, args); failed != "requestTooLarge" {
			t.Errorf("%s: %v", method, out)
		}
	}
	out := w.must(t, "Email/query", map[string]any{"limit": 100})
	if len(out["ids"].([]any)) != 2 || out["limit"] != 2.0 {
		t.Errorf("a query beyond the limit: %v", out)
	}
}

// TestOverQuota: what there is no room for is not made, and what there is, is shown (RFC 9425).
func TestOverQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	full := *w
	full.user = "full@" + town.Domain
	account := w.IDs[mail.Path(full.user)]
	full.vars = map[string]string{"account": "A" + itoa(int64(account))}
	boxes, err := w.Store.Mailboxes(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	inbox := "F" + itoa(int64(boxes[0].ID))
	out := full.must(t, "Email/set", map[string]any{"create": map[string]any{"k": map[string]any{"mailboxIds": map[string]any{inbox: true}, "subject": "x",
		"bodyValues": map[string]any{"1": map[string]any{"value": strings.Repeat("long ", 400)}}, "textBody": []any{map[string]any{"partId": "1"}}}}})
	if fmt.Sprint(out["notCreated"].(map[string]any)["k"].(map[string]any)["type"]) != "overQuota" {
		t.Errorf("made without room: %v", out)
	}
	q := full.must(t, "Quota/get", map[string]any{"ids": nil})["list"].([]any)
	if len(q) != 1 || q[0].(map[string]any)["hardLimit"] != 1000.0 || q[0].(map[string]any)["used"] != 0.0 {
		t.Errorf("quota: %v", q)
	}
}
