package jmap_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/maa/jmap"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/testkit/town"
)

// TestBothWays changes an account through JMAP and past it, as IMAP does, and holds three views of it to each other after every step: what
// mail.Mailboxes says, what Email/get and Mailbox/get say, and what a client has that asks for changes alone (RFC 8620 5.2, RFC 8620 5.6).
func TestBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bothWays(t, &follower{w: w})
}

// TestForgetfulServer does the same with a server that forgets the account each time, as one that has just begun, or another node: the store's history tells
// the changes (RFC 8620 5.2), whole or in parts of a few.
func TestForgetfulServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *jmap.Config) { c.Limits.Snapshots = 1 })
	bob := *w
	bob.vars = map[string]string{"account": "A" + itoa(int64(w.IDs["bob@"+town.Domain]))}
	bob.user = "bob@" + town.Domain
	w.bothWays(t, &follower{w: w, forget: func(t *testing.T) { bob.must(t, "Email/get", map[string]any{"ids": []string{}}) }})
}

func (w *world) bothWays(t *testing.T, f *follower) {
	w.seed(t)
	f.start(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			n++
			w.step(t, rt, n)
			if rapid.Bool().Draw(rt, "look") {
				f.follow(t, rt)
			}
		}
		f.follow(t, rt)
	})
}

// step does one thing, by one of the two ways.
func (w *world) step(t *testing.T, rt *rapid.T, n int) {
	boxes := w.boxes(t)
	names := slices.Sorted(maps.Keys(boxes))
	name := rapid.SampledFrom(names).Draw(rt, "mailbox")
	to := rapid.SampledFrom(names).Draw(rt, "to")
	var all []mail.Placement
	for _, b := range names {
		for p, err := range w.Store.Placements(t.Context(), boxes[b], mail.UIDRange{First: 1}, 0) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
	}
	act := rapid.SampledFrom([]string{"add", "flag", "jflag", "move", "jmove", "jplace", "copy", "expunge", "jdestroy", "mailbox", "jmailbox", "drop", "jdrop", "rename"}).Draw(rt, "act")
	id := w.IDs[ann]
	if act == "add" || len(all) == 0 {
		refs := ""
		if rapid.Bool().Draw(rt, "reply") {
			refs = "References: <lunch@far.example>\n"
		}
		w.file(t, name, fmt.Sprintf("From: x@far.example\nMessage-ID: <%d@x>\n%sSubject: Lunch on Straße 5\n\ntext\n", n, refs), 0, town.Epoch.Add(time.Duration(n)*time.Second))
		return
	}
	p := rapid.SampledFrom(all).Draw(rt, "message")
	at := []mail.UIDRange{{First: p.UID, Last: p.UID}}
	email := "M" + itoa(int64(p.Email))
	word := rapid.SampledFrom([]string{"$seen", "$flagged", "mine", "$junk", "$draft"}).Draw(rt, "word")
	on := rapid.Bool().Draw(rt, "on")
	switch act {
	case "flag":
		flags := map[string]string{"$seen": `\Seen`, "$flagged": `\Flagged`, "mine": "Mine", "$junk": "$Junk", "$draft": `\Draft`}
		fl, _ := mail.ParseFlags(flags[word])
		op := mail.FlagsRemove
		if on {
			op = mail.FlagsAdd
		}
		w.Do(t, mail.SetFlags{Account: id, Mailbox: p.Mailbox, UIDs: at, Op: op, Flags: fl})
	case "jflag":
		var v any
		if on {
			v = true
		}
		w.set(t, "Email/set", map[string]any{"update": map[string]any{email: map[string]any{"keywords/" + word: v}}})
	case "move":
		w.Do(t, mail.MoveMessages{Account: id, From: p.Mailbox, To: boxes[to], UIDs: at, Saved: town.Epoch})
	case "jmove":
		w.set(t, "Email/set", map[string]any{"update": map[string]any{email: map[string]any{"mailboxIds": map[string]any{"F" + itoa(int64(boxes[to])): true}}}})
	case "jplace":
		var v any
		if in := w.get1(t, email)["mailboxIds"].(map[string]any); on || len(in) > 1 && in["F"+itoa(int64(boxes[to]))] == true {
			if on {
				v = true
			}
			w.set(t, "Email/set", map[string]any{"update": map[string]any{email: map[string]any{"mailboxIds/F" + itoa(int64(boxes[to])): v}}})
		}
	case "copy":
		w.Do(t, mail.CopyMessages{Account: id, From: p.Mailbox, To: boxes[to], UIDs: at, Saved: town.Epoch})
	case "expunge":
		w.Do(t, mail.Expunge{Account: id, Mailbox: p.Mailbox, UIDs: at})
	case "jdestroy":
		w.set(t, "Email/set", map[string]any{"destroy": []string{email}})
	case "mailbox":
		w.Do(t, mail.CreateMailbox{Account: id, NewMailbox: mail.NewMailbox{Name: fmt.Sprintf("box%d/below", n)}})
	case "jmailbox":
		w.set(t, "Mailbox/set", map[string]any{"create": map[string]any{"k": map[string]any{"name": fmt.Sprintf("box%d", n)}}})
	case "drop", "jdrop", "rename":
		if name[0] != 'b' {
			return
		}
		switch act {
		case "drop":
			w.Do(t, mail.DeleteMailbox{Account: id, Mailbox: boxes[name]})
		case "rename":
			w.Do(t, mail.RenameMailbox{Account: id, Mailbox: boxes[name], Name: fmt.Sprintf("box%d", n)})
		default:
			w.call(t, "Mailbox/set", map[string]any{"destroy": []string{"F" + itoa(int64(boxes[name]))}, "onDestroyRemoveEmails": true}) // not while one is below it
		}
	}
}

// get1 gets one Email.
func (w *world) get1(t *testing.T, id string) map[string]any {
	t.Helper()
	list := w.must(t, "Email/get", map[string]any{"ids": []string{id}, "properties": []string{"mailboxIds"}})["list"].([]any)
	if len(list) != 1 {
		t.Fatalf("%s is not there", id)
	}
	return list[0].(map[string]any)
}

// set makes a /set in which nothing may fail.
func (w *world) set(t *testing.T, method string, args map[string]any) {
	t.Helper()
	out := w.must(t, method, args)
	for _, k := range []string{"notCreated", "notUpdated", "notDestroyed"} {
		if out[k] != nil {
			t.Fatalf("%s: %v", method, out[k])
		}
	}
}

// follower is a client that gets everything once, and changes from then on.
type follower struct {
	w      *world
	state  string
	mails  map[string]any
	boxes  map[string]any
	thread map[string]any
	query  []string
	qstate string
	forget func(*testing.T) // makes the server forget; nil: it remembers
}

var queryArgs = map[string]any{"filter": map[string]any{"notKeyword": "$seen"}, "collapseThreads": true}

func (f *follower) get(t *testing.T, kind string, ids any) map[string]any {
	t.Helper()
	props := map[string][]string{"Email": {"id", "keywords", "mailboxIds", "threadId"}, "Mailbox": nil, "Thread": nil}[kind]
	args := map[string]any{"ids": ids}
	if props != nil {
		args["properties"] = props
	}
	out := map[string]any{}
	for _, o := range f.w.must(t, kind+"/get", args)["list"].([]any) {
		out[o.(map[string]any)["id"].(string)] = o
	}
	return out
}

func (f *follower) all(t *testing.T) (mails, boxes, threads map[string]any) {
	t.Helper()
	ids := f.w.must(t, "Email/query", map[string]any{})["ids"]
	mails = f.get(t, "Email", ids)
	set := map[string]bool{}
	for _, m := range mails {
		set[m.(map[string]any)["threadId"].(string)] = true
	}
	return mails, f.get(t, "Mailbox", nil), f.get(t, "Thread", slices.AppendSeq([]string{}, maps.Keys(set)))
}

func (f *follower) start(t *testing.T) {
	t.Helper()
	f.state = f.w.must(t, "Email/get", map[string]any{"ids": []string{}})["state"].(string)
	f.mails, f.boxes, f.thread = f.all(t)
	q := f.w.must(t, "Email/query", maps.Clone(queryArgs))
	f.qstate = q["queryState"].(string)
	f.query = texts(q["ids"])
}

func texts(v any) (out []string) {
	for _, s := range v.([]any) {
		out = append(out, s.(string))
	}
	return out
}

// changes asks for changes of a type, in parts where a limit is drawn and can be kept.
func (f *follower) changes(t *testing.T, rt *rapid.T, kind string, each func(ch map[string]any)) (state string) {
	state = f.state
	for more := true; more; {
		args := map[string]any{"sinceState": state}
		if f.forget != nil {
			f.forget(t)
			if n := rapid.IntRange(0, 4).Draw(rt, "maxChanges"); n > 0 {
				args["maxChanges"] = n
			}
		}
		ch, failed := f.w.call(t, kind+"/changes", args)
		if failed == "cannotCalculateChanges" && args["maxChanges"] != nil { // one change touches more objects
			delete(args, "maxChanges")
			ch, failed = f.w.call(t, kind+"/changes", args)
		}
		if failed != "" {
			rt.Fatalf("%s/changes since %s: %v", kind, state, ch)
		}
		if n := len(texts(ch["created"])) + len(texts(ch["updated"])) + len(texts(ch["destroyed"])); args["maxChanges"] != nil && n > args["maxChanges"].(int) {
			rt.Fatalf("%s/changes: %d of %v", kind, n, args)
		}
		each(ch)
		if more = ch["hasMoreChanges"].(bool); more && ch["newState"] == state {
			rt.Fatalf("%s/changes: more since %s, which is the old state", kind, state)
		}
		state = ch["newState"].(string)
	}
	return state
}

// follow asks for changes and compares.
func (f *follower) follow(t *testing.T, rt *rapid.T) {
	var state string
	for kind, have := range map[string]map[string]any{"Email": f.mails, "Mailbox": f.boxes, "Thread": f.thread} {
		state = f.changes(t, rt, kind, func(ch map[string]any) {
			for _, id := range texts(ch["destroyed"]) {
				if have[id] == nil && f.forget == nil { // in parts, one that came and went may be told
					rt.Fatalf("%s %s is destroyed, which was not there", kind, id)
				}
				delete(have, id)
			}
			for _, id := range texts(ch["created"]) {
				if have[id] != nil {
					rt.Fatalf("%s %s is created, which was there: %v", kind, id, ch)
				}
			}
			for _, id := range texts(ch["updated"]) {
				if have[id] == nil {
					rt.Fatalf("%s %s is updated, which was not there: %v", kind, id, ch)
				}
			}
			maps.Copy(have, f.get(t, kind, slices.Concat([]string{}, texts(ch["created"]), texts(ch["updated"]), []string{"X0"})))
		})
	}
	f.state = state
	mails, boxes, threads := f.all(t)
	for kind, pair := range map[string][2]map[string]any{"Email": {mails, f.mails}, "Mailbox": {boxes, f.boxes}, "Thread": {threads, f.thread}} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			rt.Fatalf("%s: what there is (-), and what a client has that asked for changes (+):\n%s", kind, diff)
		}
	}
	f.followQuery(t, rt)
	f.compareStore(t, rt, mails)
}

// followQuery applies queryChanges as RFC 8620 5.6 says.
func (f *follower) followQuery(t *testing.T, rt *rapid.T) {
	args := maps.Clone(queryArgs)
	args["sinceQueryState"] = f.qstate
	if f.forget != nil {
		f.forget(t)
	}
	ch := f.w.must(t, "Email/queryChanges", args)
	removed := texts(ch["removed"])
	f.query = slices.DeleteFunc(f.query, func(id string) bool { return slices.Contains(removed, id) })
	for _, a := range ch["added"].([]any) {
		o := a.(map[string]any)
		i := int(o["index"].(float64))
		if i > len(f.query) {
			rt.Fatalf("%v is added beyond the end of %v", o, f.query)
		}
		f.query = slices.Insert(f.query, i, o["id"].(string))
	}
	f.qstate = ch["newQueryState"].(string)
	want := texts(f.w.must(t, "Email/query", maps.Clone(queryArgs))["ids"])
	if !slices.Equal(want, f.query) {
		rt.Fatalf("the query gives %v, a client that asked for changes has %v", want, f.query)
	}
}

// compareStore holds messages to what IMAP sees.
func (f *follower) compareStore(t *testing.T, rt *rapid.T, mails map[string]any) {
	words := map[string]string{`\Seen`: "$seen", `\Flagged`: "$flagged", "mine": "mine", "$Junk": "$junk", `\Draft`: "$draft"}
	n := 0
	for _, box := range f.w.boxes(t) {
		for p, err := range f.w.Store.Placements(t.Context(), box, mail.UIDRange{First: 1}, 0) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			m, ok := mails["M"+itoa(int64(p.Email))].(map[string]any)
			if !ok {
				rt.Fatalf("message %d is not there", p.Email)
			}
			want := map[string]any{}
			for _, name := range p.Flags.Names() {
				want[words[name]] = true
			}
			if diff := cmp.Diff(want, m["keywords"]); diff != "" || m["mailboxIds"].(map[string]any)["F"+itoa(int64(box))] != true {
				rt.Fatalf("message %d in %d: %v\n%s", p.Email, box, m, diff)
			}
		}
	}
	placed := 0
	for _, m := range mails {
		placed += len(m.(map[string]any)["mailboxIds"].(map[string]any))
	}
	if n != placed {
		rt.Fatalf("%d places of messages, %d placements", placed, n)
	}
}
