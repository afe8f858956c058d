package storetest

import (
	"bytes"
	"time"

	"github.com/postrider/postrider/mail"
)

func testNotes(f *fixture) {
	past, future := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
	put := func(key, value string, expires time.Time) mail.PutNote {
		return mail.PutNote{Note: mail.Note{Kind: "k", Key: key, Value: []byte(value), N: 7, Expires: expires}}
	}
	f.do(put("a/1", "one", time.Time{}), put("a/2", "two", future), put("a/3", "three", past), put("b", "", time.Time{}))
	f.do(mail.PutNote{Note: mail.Note{Kind: "other", Key: "a/1", Value: []byte("other")}})
	f.reopen()
	got, err := f.Note(f.ctx, "k", "a/2")
	f.ok(err)
	if string(got.Value) != "two" || got.N != 7 || !got.Expires.Equal(future) || got.Kind != "k" || got.Key != "a/2" {
		f.Errorf("the note is %+v", got)
	}
	for _, key := range []string{"a/3", "a", "c"} { // expired, a prefix, none
		_, err = f.Note(f.ctx, "k", key)
		f.want(mail.NotFound, err)
	}
	keys := func(q mail.NoteQuery) (out []string) {
		q.Kind = "k"
		list, err := f.Notes(f.ctx, q)
		f.ok(err)
		for _, n := range list {
			out = append(out, n.Key)
		}
		return out
	}
	equal(f, "all keys", keys(mail.NoteQuery{}), []string{"a/1", "a/2", "b"})
	equal(f, "keys with a prefix", keys(mail.NoteQuery{Prefix: "a/"}), []string{"a/1", "a/2"})
	equal(f, "keys after one", keys(mail.NoteQuery{Prefix: "a/", After: "a/1"}), []string{"a/2"})
	equal(f, "some keys", keys(mail.NoteQuery{Limit: 1}), []string{"a/1"})

	f.refuse(mail.Exists, mail.PutNote{Note: mail.Note{Kind: "k", Key: "a/1"}, If: mail.NoteAbsent})
	f.do(mail.PutNote{Note: mail.Note{Kind: "k", Key: "a/3", Value: []byte("new")}, If: mail.NoteAbsent}) // the old one has expired
	f.refuse(mail.Conflict, mail.PutNote{Note: mail.Note{Kind: "k", Key: "a/1"}, If: mail.NoteIs, Was: []byte("two")})
	f.refuse(mail.Conflict, mail.PutNote{Note: mail.Note{Kind: "k", Key: "none"}, If: mail.NoteIs})
	f.do(mail.PutNote{Note: mail.Note{Kind: "k", Key: "a/1", Value: []byte("changed")}, If: mail.NoteIs, Was: []byte("one")})
	f.refuse(mail.Conflict, mail.RemoveNote{Kind: "k", Key: "a/1", If: mail.NoteIs, Was: []byte("one")})
	f.do(mail.RemoveNote{Kind: "k", Key: "b", If: mail.NoteIs}, mail.RemoveNote{Kind: "k", Key: "b"})
	f.refuse(mail.Conflict, mail.RemoveNote{Kind: "k", Key: "b", If: mail.NoteIs})
	equal(f, "the keys that are left", keys(mail.NoteQuery{}), []string{"a/1", "a/2", "a/3"})

	f.refuse(mail.Invalid, mail.PutNote{Note: mail.Note{Key: "x"}})
	f.refuse(mail.Invalid, mail.PutNote{Note: mail.Note{Kind: "x"}})
	f.refuse(mail.Invalid, mail.PutNote{Note: mail.Note{Kind: "k", Key: string(bytes.Repeat([]byte("x"), mail.MaxNoteKey+1))}})
	f.refuse(mail.Invalid, mail.PutNote{Note: mail.Note{Kind: "k", Key: "x", Value: make([]byte, mail.MaxNote+1)}})
}

func testCountNote(f *fixture) {
	past, future := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
	count := func(by int64, expires time.Time) mail.CountNote {
		return mail.CountNote{Kind: "day", Key: "ann", By: by, Most: 5, Expires: expires, Text: "enough for today"}
	}
	n := func() int64 {
		note, err := f.Note(f.ctx, "day", "ann")
		f.ok(err)
		return note.N
	}
	f.do(count(3, future), count(2, past)) // a count that is there keeps its time
	equal(f, "the count", []int64{n()}, []int64{5})
	_, err := f.Commit(f.ctx, mail.ChangeSet{Changes: []mail.Change{mail.PutNote{Note: mail.Note{Kind: "day", Key: "bob"}}, count(1, future)}})
	f.want(mail.TooMany, err)
	equal(f, "its sentence", []string{mail.Sentence(err)}, []string{"enough for today"})
	_, err = f.Note(f.ctx, "day", "bob") // what came before in the set did not happen either
	f.want(mail.NotFound, err)
	equal(f, "the count after a refusal", []int64{n()}, []int64{5})
	f.do(count(-2, future), count(1, future))
	equal(f, "the count", []int64{n()}, []int64{4})
	f.do(mail.PutNote{Note: mail.Note{Kind: "day", Key: "ann", N: 5, Expires: past}}, count(1, future))
	equal(f, "a count that begins anew", []int64{n()}, []int64{1})
	f.refuse(mail.Invalid, mail.CountNote{Kind: "day"})
	f.refuse(mail.Invalid, mail.CountNote{Kind: "day", Key: "x", Value: make([]byte, mail.MaxNote+1)})

	// Account and value are for one that is made; one that is there keeps its own.
	p, q := f.person("ann"), f.person("bob")
	made := mail.CountNote{Kind: "day", Key: "made", By: 1, Account: p.id, Value: []byte("first"), Expires: future}
	again := made
	again.Account, again.Value = q.id, []byte("second")
	f.do(made, again)
	note, err := f.Note(f.ctx, "day", "made")
	f.ok(err)
	if note.N != 2 || note.Account != p.id || string(note.Value) != "first" {
		f.Errorf("the note is %+v", note)
	}
	f.do(mail.PutNote{Note: mail.Note{Kind: "day", Key: "made", Account: q.id, Value: []byte("put")}}) // this replaces all of it
	if note, err = f.Note(f.ctx, "day", "made"); err != nil || note.Account != q.id || note.N != 0 {
		f.Errorf("the note is %+v, %v", note, err)
	}
}
