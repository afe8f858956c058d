package jmap

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/maa/jmap/webpush"
	"github.com/postrider/postrider/mail"
	wire "github.com/postrider/postrider/proto/jmap"
)

// capVAPID is RFC 9749 3.
const capVAPID = "urn:ietf:params:jmap:webpush-vapid"

// kindPush is the kind of the notes that push subscriptions are kept in; the key is the account's id, a slash and the subscription's.
const kindPush = "push"

// Bounds of push subscriptions (RFC 8620 7.2).
const (
	maxPushes     = 20 // of a person
	pushLife      = 30 * 24 * time.Hour
	pushesAnHour  = 60 // that a person makes: each has a request sent to an address that nobody knows yet
	maxDeviceID   = 255
	maxPushTypes  = 100
	kindPushCount = "push-count"
)

// pushes reports whether there is somebody who sends push messages.
func (s *Server) pushes() bool { return s.cfg.Push != nil && s.cfg.Notes != nil }

func vapidCapability(s *Server, _ *http.Request) object {
	return object{"applicationServerKey": s.cfg.Push.Public()}
}

// subscription is a push subscription as it is kept.
type subscription struct {
	ID       string    `json:"-"`
	Device   string    `json:"device"`
	URL      string    `json:"url"`
	Keys     *pushKeys `json:"keys,omitempty"`
	Code     string    `json:"code"`
	Verified bool      `json:"verified,omitempty"`
	Types    []string  `json:"types"` // nil: all
	Expires  time.Time `json:"expires"`
	note     mail.Note // as it was read
}

type pushKeys struct {
	P256dh string `json:"p256dh"`
	Auth   string `json:"auth"`
}

// pushProps are what is told of a subscription: the address and the keys never are (RFC 8620 7.2.1).
var pushProps = []string{"id", "deviceClientId", "verificationCode", "expires", "types"}

func (p *subscription) object() object {
	var code any
	if p.Verified {
		code = p.Code
	}
	return object{"id": p.ID, "deviceClientId": p.Device, "verificationCode": code, "expires": wire.FormatUTC(p.Expires), "types": p.Types}
}

// put is the change that keeps it.
func (p *subscription) put(account mail.AccountID) (mail.PutNote, error) {
	value, err := json.Marshal(p)
	put := mail.PutNote{Note: mail.Note{Kind: kindPush, Key: accountID(account) + "/" + p.ID, Account: account, Value: value, Expires: p.Expires}, If: mail.NoteAbsent}
	if p.note.Value != nil {
		put.If, put.Was = mail.NoteIs, p.note.Value
	}
	return put, err
}

// message makes a message to the subscription.
func (p *subscription) message(v any) (webpush.Message, error) {
	body, err := json.Marshal(v)
	m := webpush.Message{URL: p.URL, Body: body}
	if p.Keys != nil && err == nil {
		var k webpush.Keys
		k, err = webpush.ParseKeys(p.Keys.P256dh, p.Keys.Auth)
		m.Keys = &k
	}
	return m, err
}

// readPush reads a note. One of a later version is none.
func readPush(n mail.Note) (*subscription, bool) {
	p := &subscription{note: n}
	_, p.ID, _ = strings.Cut(n.Key, "/")
	return p, json.Unmarshal(n.Value, p) == nil
}

// subscriptions lists an account's.
func (s *Server) subscriptions(ctx context.Context, account mail.AccountID) ([]*subscription, error) {
	list, err := s.cfg.Notes.Notes(ctx, mail.NoteQuery{Kind: kindPush, Prefix: accountID(account) + "/", Limit: 10 * maxPushes})
	var out []*subscription
	for _, n := range list {
		if p, ok := readPush(n); ok {
			out = append(out, p)
		}
	}
	return out, err
}

func (c *call) noPush() error {
	if c.s.pushes() {
		return nil
	}
	return wire.Errorf(wire.ErrUnknownMethod, "this server sends no push messages; use the event source or a WebSocket")
}

// pushGet answers PushSubscription/get (RFC 8620 7.2.1).
func (c *call) pushGet() (any, error) {
	if err := c.noPush(); err != nil {
		return nil, err
	}
	g, err := c.getArgs(nil, nil)
	if err != nil {
		return nil, err
	}
	for _, name := range g.props {
		if name == "url" || name == "keys" {
			return nil, wire.Errorf(wire.ErrForbidden, "the url and the keys of a subscription are a device's secrets, and are not told")
		}
		if !slices.Contains(pushProps, name) {
			return nil, wire.Errorf(wire.ErrInvalidArguments, fmt.Sprintf("there is no property %q", name))
		}
	}
	list, err := c.s.subscriptions(c.ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	resp := c.got("")
	for _, p := range list {
		if at := slices.Index(g.ids, p.ID); g.all || at >= 0 {
			if at >= 0 {
				g.ids = slices.Delete(g.ids, at, at+1)
			}
			resp.add(&g, p.object())
		}
	}
	return object{"list": resp.List, "notFound": append(resp.NotFound, g.ids...)}, nil
}

// pushSet answers PushSubscription/set (RFC 8620 7.2.2).
func (c *call) pushSet() (any, error) {
	if err := c.noPush(); err != nil {
		return nil, err
	}
	var a setArgs
	r := wire.Reader{Args: c.args}
	r.Get("create", &a.create)
	r.Get("update", &a.update)
	r.Get("destroy", &a.destroy)
	if err := r.End(); err != nil {
		return nil, invalid(err)
	}
	if err := a.check(c, ""); err != nil {
		return nil, err
	}
	list, err := c.s.subscriptions(c.ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	out := c.setResult("")
	for _, key := range slices.Sorted(maps.Keys(a.create)) {
		p, told, err := c.pushMake(a.create[key], len(list))
		if err != nil {
			out.notMade(c, key, err)
			continue
		}
		list = append(list, p)
		out.made(c, key, p.ID, told)
	}
	find := func(id string) (*subscription, error) {
		for _, p := range list {
			if p.ID == id {
				return p, nil
			}
		}
		return nil, notFound("push subscription")
	}
	for _, id := range slices.Sorted(maps.Keys(a.update)) {
		p, err := find(c.real(id))
		var told object
		if err == nil {
			told, err = c.pushUpdate(p, a.update[id])
		}
		if err != nil {
			out.notChanged(c, id, err)
			continue
		}
		out.changed(id, told)
	}
	for _, id := range a.destroy {
		p, err := find(c.real(id))
		if err == nil {
			err = c.s.forgetPushes(c.ctx, c.account.ID, []*subscription{p})
		}
		if err != nil {
			out.notGone(c, id, err)
			continue
		}
		list = slices.DeleteFunc(list, func(o *subscription) bool { return o == p })
		out.gone(id)
	}
	c.s.wakePusher()
	return object{"created": out.Created, "updated": out.Updated, "destroyed": out.Destroyed, "notCreated": out.NotCreated, "notUpdated": out.NotUpdated,
		"notDestroyed": out.NotDestroyed}, nil
}

func (p *subscription) key(account mail.AccountID) string { return accountID(account) + "/" + p.ID }

// secret makes something that cannot be guessed.
func secret() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

// pushMake makes a subscription, and has the verification sent.
func (c *call) pushMake(raw json.RawMessage, have int) (*subscription, object, error) {
	if have >= maxPushes {
		return nil, nil, wire.Errorf(wire.ErrForbidden, fmt.Sprintf("a person can have %d push subscriptions; destroy one", maxPushes))
	}
	a, err := decodeObject(raw)
	if err != nil {
		return nil, nil, err
	}
	p := &subscription{ID: "P" + secret(), Code: secret()}
	r := wire.Reader{Args: a}
	r.Must("deviceClientId", &p.Device)
	r.Must("url", &p.URL)
	r.Get("keys", &p.Keys)
	code := r.Raw("verificationCode")
	told, err := c.pushTerms(p, &r, a)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case r.Raw("id") != nil:
		return nil, nil, badProperties("this is the server's to say", "id")
	case !wire.IsNull(code):
		return nil, nil, badProperties("the code comes in a push message, and is set then", "verificationCode")
	case p.Device == "" || len(p.Device) > maxDeviceID:
		return nil, nil, badProperties(fmt.Sprintf("it has 1 to %d octets", maxDeviceID), "deviceClientId")
	}
	if err := r.End(); err != nil {
		return nil, nil, badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	if err := c.s.cfg.Push.CheckURL(p.URL); err != nil {
		return nil, nil, badProperties(mail.Sentence(err), "url")
	}
	if p.Keys != nil {
		if _, err := webpush.ParseKeys(p.Keys.P256dh, p.Keys.Auth); err != nil {
			return nil, nil, badProperties(err.Error(), "keys")
		}
	} else {
		told["keys"] = nil
	}
	put, err := p.put(c.account.ID)
	if err != nil {
		return nil, nil, err
	}
	now := c.s.cfg.Clock.Now()
	count := mail.CountNote{Kind: kindPushCount, Key: c.ownKey() + now.UTC().Format("2006010215"), By: 1, Most: pushesAnHour, Account: c.account.ID,
		Expires: now.Add(2 * time.Hour), Text: "there were many new push subscriptions in this hour; try again later"}
	if _, err := c.s.cfg.Journal.Commit(c.ctx, mail.ChangeSet{Changes: []mail.Change{put, count}}); err != nil {
		return nil, nil, err
	}
	p.note = put.Note
	c.s.verify(p)
	return p, told, nil
}

// pushTerms reads what may be changed later too: expires and types. It gives what the server made of it.
func (c *call) pushTerms(p *subscription, r *wire.Reader, a wire.Args) (told object, err error) {
	told = object{}
	var expires *wire.UTCDate
	r.Get("expires", &expires)
	if _, there := a["expires"]; there || p.Expires.IsZero() {
		now := c.s.cfg.Clock.Now().UTC().Truncate(time.Second)
		last := now.Add(pushLife)
		switch {
		case expires == nil || expires.After(last):
			p.Expires = last
			told["expires"] = wire.FormatUTC(last)
		case !expires.After(now):
			return nil, badProperties("this is past", "expires")
		default:
			p.Expires = expires.UTC()
		}
	}
	if _, there := a["types"]; there {
		p.Types = nil
	}
	r.Get("types", &p.Types)
	if len(p.Types) > maxPushTypes {
		return nil, badProperties(fmt.Sprintf("there are %d types at most", maxPushTypes), "types")
	}
	return told, nil
}

// pushUpdate changes a subscription.
func (c *call) pushUpdate(p *subscription, raw json.RawMessage) (object, error) {
	a, err := decodeObject(raw)
	if err != nil {
		return nil, err
	}
	next := *p
	r := wire.Reader{Args: a}
	var code string
	r.Get("verificationCode", &code)
	told, err := c.pushTerms(&next, &r, a)
	if err != nil {
		return nil, err
	}
	for name, is := range map[string]any{"id": p.ID, "deviceClientId": p.Device, "url": p.URL, "keys": p.Keys} {
		if raw := r.Raw(name); raw != nil && string(raw) != string(rawArg(is)) {
			return nil, badProperties("this never changes; make another subscription", name)
		}
	}
	if err := r.End(); err != nil {
		return nil, badProperties(err.Error(), slices.Sorted(maps.Keys(a))...)
	}
	if _, there := a["verificationCode"]; there {
		if subtle.ConstantTimeCompare([]byte(code), []byte(p.Code)) != 1 {
			return nil, badProperties("this is not the code that was sent", "verificationCode")
		}
		next.Verified = true
	}
	put, err := next.put(c.account.ID)
	if err != nil {
		return nil, err
	}
	if _, err := c.s.cfg.Journal.Commit(c.ctx, mail.ChangeSet{Changes: []mail.Change{put}}); err != nil {
		return nil, err
	}
	next.note = put.Note
	*p = next
	if len(told) == 0 {
		return nil, nil //nolint:nilnil // everything is as the client said
	}
	return told, nil
}
