package dnspub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// porkbun speaks to Porkbun's interface, version 3. Records are told apart by a number there.
type porkbun struct {
	key, secret string
}

const (
	porkbunURL    = "https://api.porkbun.com/api/json/v3/dns/"
	porkbunTTL    = 600 * time.Second // the least it takes
	porkbunAnswer = 8 << 20           // octets of an answer that are read
)

func newPorkbun(secret string) (*porkbun, error) {
	keys := strings.FieldsFunc(secret, func(r rune) bool { return r == ':' || r == ' ' })
	if len(keys) != 2 {
		return nil, mail.Errorf(mail.Invalid, "publishing through porkbun needs both its keys; write them into the secret file as pk1_...:sk1_...")
	}
	return &porkbun{key: keys[0], secret: keys[1]}, nil
}

// porkbunRecord is a record as it is shown. Numbers come as strings, or not.
type porkbunRecord struct {
	ID      json.Number `json:"id"`
	Name    string      `json:"name"`
	Type    string      `json:"type"`
	Content string      `json:"content"`
	TTL     json.Number `json:"ttl"`
	Prio    json.Number `json:"prio"`
}

func (p *porkbun) call(ctx context.Context, path string, more map[string]string) ([]porkbunRecord, error) {
	in := map[string]string{"apikey": p.key, "secretapikey": p.secret}
	for k, v := range more {
		in[k] = v
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, porkbunURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	var out struct {
		Status, Message string
		Records         []porkbunRecord
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, porkbunAnswer)).Decode(&out)
	if resp.StatusCode != http.StatusOK || err == nil && out.Status != "SUCCESS" {
		return nil, fmt.Errorf("it answers %d %s %s", resp.StatusCode, out.Status, out.Message[:min(len(out.Message), 200)])
	}
	return out.Records, err
}

// data is a record's data as a zone file has it, but texts, which come bare.
func (r porkbunRecord) data() string {
	c := r.Content
	switch r.Type {
	case "MX", "SRV":
		c = r.prio() + " " + c
		fallthrough
	case "CNAME", "NS":
		if !strings.HasSuffix(c, ".") {
			c += "."
		}
	}
	return c
}

// prio is the priority; a null one is 0.
func (r porkbunRecord) prio() string {
	if r.Prio == "" {
		return "0"
	}
	return r.Prio.String()
}

// porkbunView is a zone with the numbers of its records.
type porkbunView struct {
	listing
}

func (p *porkbun) open(ctx context.Context, zone string) (view, error) {
	all, err := p.call(ctx, "retrieve/"+url.PathEscape(zone), nil)
	if err != nil {
		return nil, err
	}
	l := listing{}
	for _, r := range all {
		ttl, _ := r.TTL.Int64()
		n := len(l[strings.ToLower(r.Name)+" "+strings.ToUpper(r.Type)].values)
		l.add(r.Name, r.Type, time.Duration(ttl)*time.Second, r.data())
		l[strings.ToLower(r.Name)+" "+strings.ToUpper(r.Type)].values[n].raw = r.ID.String()
	}
	return porkbunView{l}, nil
}

func (p *porkbun) apply(ctx context.Context, zone string, edits []edit) (int, error) {
	for i, e := range edits {
		if err := p.edit(ctx, zone, e); err != nil {
			return i, err
		}
	}
	return len(edits), nil
}

func (p *porkbun) edit(ctx context.Context, zone string, e edit) error {
	z := url.PathEscape(zone)
	add := func() error {
		for _, text := range e.add {
			if _, err := p.call(ctx, "create/"+z, e.porkbun(zone, text)); err != nil {
				return err
			}
		}
		return nil
	}
	remove := func() error {
		for _, v := range e.remove {
			if _, err := p.call(ctx, "delete/"+z+"/"+url.PathEscape(v.raw), nil); err != nil {
				return err
			}
		}
		return nil
	}
	steps := []func() error{add, remove}
	if e.typ == "CNAME" {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// porkbun is what makes a record.
func (e edit) porkbun(zone, text string) map[string]string {
	out := map[string]string{"type": e.typ, "content": text, "ttl": strconv.Itoa(int(max(e.ttl, porkbunTTL) / time.Second))}
	if e.name != zone {
		out["name"] = strings.TrimSuffix(e.name, "."+zone)
	}
	switch e.typ {
	case "TXT":
		out["content"] = plain(text)
	case "MX", "SRV":
		out["prio"], out["content"], _ = strings.Cut(text, " ")
		fallthrough
	case "CNAME":
		if c := out["content"]; !strings.HasSuffix(c, " .") { // "." itself is the absence of a host
			out["content"] = strings.TrimSuffix(c, ".")
		}
	}
	return out
}
