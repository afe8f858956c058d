package house

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/postrider/postrider/infra/config"
	"github.com/postrider/postrider/infra/store"
	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/message"
)

// fill files n messages for Big, two to a conversation, the latest half an hour old.
func fill(ctx context.Context, c config.Config, n int) (err error) {
	s, err := store.Open(ctx, store.Options{Dir: c.Data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	account, err := s.AccountByAddress(ctx, Big)
	if err != nil {
		return err
	}
	boxes, err := s.Mailboxes(ctx, account.ID)
	if err != nil {
		return err
	}
	const batch = 500
	start := time.Now().Add(-30*time.Minute - time.Duration(n)*time.Minute)
	for i := 0; i < n; i += batch {
		var set mail.ChangeSet
		for k := i; k < min(n, i+batch); k++ {
			m, err := manyth(ctx, s, k)
			if err != nil {
				return err
			}
			m.Account, m.Mailbox = account.ID, boxes[0].ID
			m.Received = start.Add(time.Duration(k) * time.Minute)
			m.Saved = m.Received
			set.Add(m)
		}
		_, err := s.Commit(ctx, set)
		for _, c := range set.Changes {
			c.(mail.AddMessage).Body.(mail.SealedBody).Discard()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// manyth is one of many messages.
func manyth(ctx context.Context, blobs mail.Blobs, k int) (mail.AddMessage, error) {
	const words = "harbour letter morning invoice garden window railway paper signal winter coffee mountain lantern ticket summer bridge"
	word := strings.Fields(words)
	text := fmt.Sprintf("From: Sender %d <s%d@two.example>\r\nTo: Big Example <%s>\r\nSubject: The %s and the %s, part %d\r\nMessage-ID: <many%d@two.example>\r\n"+
		"References: <manyt%d@two.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\nthis is letter %d about the %s.\r\n%s",
		k%97, k%97, Big, word[k/2%16], word[k/32%16], k/2, k, k/2, k, word[k%16], strings.Repeat("A line of it, which says little.\r\n", 12))
	w, err := blobs.Create(ctx)
	if err != nil {
		return mail.AddMessage{}, err
	}
	defer w.Discard()
	scanner := message.NewScanner(message.Limits{})
	if _, err := io.Copy(io.MultiWriter(w, scanner), strings.NewReader(text)); err != nil {
		return mail.AddMessage{}, err
	}
	body, err := w.Seal()
	if err != nil {
		return mail.AddMessage{}, err
	}
	root := scanner.Finish()
	f := root.Facts()
	m := mail.AddMessage{Body: body, Prefix: []byte("Return-Path: <s@two.example>\r\n"), Summary: message.Encode(root),
		Thread: mail.ThreadKeys{MessageID: f.MessageID, References: f.References, Subject: f.BaseSubject}}
	if k%3 != 0 {
		m.Flags = mail.Flags{Bits: mail.Seen}
	}
	return m, nil
}
