package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/jscontact"
	"github.com/postrider/postrider/service/contacts"
	"github.com/postrider/postrider/ua/account"
)

// takeout adds to an export what is no mail: contacts, as other programs read them and whole, and what their owner set.
func (a *App) takeout(ctx context.Context, who mail.Account, add func(name string, fill func(io.Writer) error) error) error {
	each := func(write func(json.RawMessage) error) error {
		return a.contacts.Each(ctx, who.ID, func(_ string, st contacts.Stored) error { return write(st.Card) })
	}
	err := add("contacts.vcf", func(w io.Writer) error {
		return each(func(text json.RawMessage) error {
			var c jscontact.Card
			if err := json.Unmarshal(text, &c); err != nil {
				return mail.Errorf(mail.Internal, "a card cannot be read: %w", err)
			}
			_, err := w.Write(jscontact.VCard(c, jscontact.V4))
			return err
		})
	})
	if err != nil {
		return err
	}
	err = add("contacts.jsonl", func(w io.Writer) error {
		return each(func(text json.RawMessage) error {
			_, err := fmt.Fprintf(w, "%s\n", text)
			return err
		})
	})
	if err != nil {
		return err
	}
	n, err := a.store.Note(ctx, account.KindSettings, fmt.Sprintf("%d/settings", who.ID))
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return add("settings.json", func(w io.Writer) error {
		_, err := w.Write(n.Value)
		return err
	})
}
