package imap

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
	"github.com/postrider/postrider/service/search"
)

// prose makes messages out of made-up words, which occur as often as words of languages do: a few often, most hardly ever.
type prose struct {
	rnd   *rand.Rand
	zipf  *rand.Zipf
	words []string
}

func newProse() *prose {
	p := &prose{rnd: rand.New(rand.NewSource(1))}
	p.zipf = rand.NewZipf(p.rnd, 1.1, 4, 59_999)
	syllables := strings.Fields("ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta te ti to tu")
	for i := range 60_000 {
		w := ""
		for n := i; ; n /= len(syllables) {
			w += syllables[n%len(syllables)]
			if n < len(syllables) {
				break
			}
		}
		p.words = append(p.words, w+[]string{"", "n", "s", "r"}[i%4])
	}
	return p
}

func (p *prose) text(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(p.words[p.zipf.Uint64()])
		if i%11 == 10 {
			out.WriteString(".\r\n")
		} else {
			out.WriteByte(' ')
		}
	}
	return out.String()
}

// message is a message of about 3 KB: as much header as mail from outside has, and 250 words.
func (p *prose) message(i int) (prefix, body string) {
	sign := make([]byte, 0, 172)
	for range 172 {
		sign = append(sign, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[p.rnd.Intn(64)])
	}
	who := fmt.Sprintf("%s.%s@%s.example", p.words[p.rnd.Intn(2000)], p.words[p.rnd.Intn(40)], p.words[p.rnd.Intn(300)])
	prefix = fmt.Sprintf("Return-Path: <%s>\r\nReceived: from mx.example (mx.example [192.0.2.%d])\r\n\tby mail.example.org with ESMTPS id %016x\r\n\tfor <ann@example.org>; Tue, 3 Mar 2026 12:%02d:%02d +0000\r\n",
		who, i%250, p.rnd.Int63(), i%60, i/60%60)
	body = fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; d=example; s=s1;\r\n\th=from:to:subject:date; bh=%s;\r\n\tb=%s\r\n\t%s\r\nFrom: %s <%s>\r\nTo: Ann <ann@example.org>\r\nSubject: Re: %s\r\nDate: Tue, 3 Mar 2026 12:00:00 +0000\r\nMessage-ID: <%x.%d@%s>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s",
		sign[:43], sign[:80], sign[80:], p.words[p.rnd.Intn(2000)], who, strings.TrimSpace(strings.ReplaceAll(p.text(5), ".\r\n", "")), p.rnd.Int63(), i, "mx.example", p.text(250))
	if i == 4242 {
		body += "the needle\r\n"
	}
	return prefix, body
}

// different files n different messages in INBOX.
func (w *world) different(n int) (octets int64) {
	w.t.Helper()
	list, err := w.store.Mailboxes(w.ctx, w.account)
	must(w.t, err)
	p := newProse()
	for i := 0; i < n; {
		var set []mail.Change
		var sealed []mail.SealedBody
		for ; len(set) < 1000 && i < n; i++ {
			prefix, body := p.message(i)
			octets += int64(len(prefix) + len(body))
			bw, err := w.store.Create(w.ctx)
			must(w.t, err)
			scanner := message.NewScanner(message.Limits{})
			_, _ = scanner.Write([]byte(body))
			_, _ = bw.Write([]byte(body))
			b, err := bw.Seal()
			must(w.t, err)
			sealed = append(sealed, b)
			set = append(set, mail.AddMessage{Account: w.account, Mailbox: list[0].ID, Body: b, Prefix: []byte(prefix), Summary: message.Encode(scanner.Finish()),
				Received: time.Now(), Saved: time.Now()})
		}
		w.commit(set...)
		for _, b := range sealed {
			b.Discard()
		}
	}
	return octets
}

// BenchmarkSearchTexts measures searches in a mailbox of 100,000 messages of 3 KB: with the index, and by reading the messages.
func BenchmarkSearchTexts(b *testing.B) {
	const n = 100_000
	var index *search.Service
	w := newWorld(b, nil)
	index = search.New(search.Config{Store: w.store, Mailboxes: w.store, Blobs: w.store})
	octets := w.different(n)
	began := time.Now()
	must(b, index.Index(w.ctx, w.account))
	took := time.Since(began)
	mark, err := w.store.SearchMark(w.ctx, w.account)
	must(b, err)
	size := int64(0)
	for _, g := range mark.Segments {
		size += g.Octets
	}
	b.Logf("built at %.0f messages/s; %d segments, %d octets a message of %d (%.1f%%)", n/took.Seconds(), len(mark.Segments), size/n, octets/n, 100*float64(size)/float64(octets))
	p := newProse()
	common, rare := p.words[3], p.words[31_234]
	for _, way := range []string{"index", "scan"} {
		w.srv.cfg.Search = nil
		if way == "index" {
			w.srv.cfg.Search = index
		}
		r := w.in()
		_ = r.SetDeadline(time.Now().Add(20 * time.Minute))
		r.do("b SELECT INBOX", "b OK")
		for _, key := range []string{"TEXT needle", "BODY needle", "TEXT " + rare, "TEXT " + common, "TEXT xyzzyx", "TEXT ukaki", `TEXT "` + common + " " + rare + `"`, `TEXT "the needle"`,
			`TEXT "` + common + " " + p.words[2] + `"`, "NOT TEXT " + common, "SUBJECT " + common, `SUBJECT "re: ` + common + `"`, "FROM " + p.words[1500], `FROM "` + p.words[77] + "." + p.words[7] + `@"`,
			"HEADER Message-ID <abc", "SENTSINCE 1-Jan-2025"} {
			if way == "scan" && testing.Short() {
				continue
			}
			b.Run(way+"/"+strings.ReplaceAll(key, " ", "_"), func(b *testing.B) {
				for b.Loop() {
					fmt.Fprintf(r, "c UID SEARCH RETURN (COUNT) %s\r\n", key)
					all := r.until("c OK")
					if b.N == 1 {
						b.Log(all[0])
					}
				}
			})
		}
	}
}
