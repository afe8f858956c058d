package dnspub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/mail"
	"github.com/postrider/postrider/proto/dkimtext"
)

// The libraries of libdns know the addresses of their providers and nothing else: for these tests, the providers live in this process.
func TestMain(m *testing.M) {
	http.DefaultTransport = &internet
	os.Exit(m.Run())
}

var internet hosts

// hosts are web servers by name and, as the clients cannot be told apart otherwise, by the token they are spoken to with.
type hosts struct{ byToken sync.Map }

// RoundTrip implements http.RoundTripper.
func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	token := r.Header.Get("Authorization")
	var in map[string]any
	body := new(strings.Builder)
	if r.Body != nil {
		if _, err := fmt.Fprint(body, readAll(r)); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	if token == "" && json.Unmarshal([]byte(body.String()), &in) == nil {
		token = fmt.Sprintf("%v %v", in["apikey"], in["secretapikey"])
	}
	w := httptest.NewRecorder()
	handler, ok := h.byToken.Load(r.URL.Host + " " + token)
	if !ok {
		// As some do: with the token in the answer.
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"code":403,"message":"no such token %s","errors":[{"code":1,"message":%q}],"error":{"code":"forbidden","message":%q},"status":"ERROR"}`, token, token, token)
		return w.Result(), nil
	}
	inner := httptest.NewRequest(r.Method, r.URL.String(), strings.NewReader(body.String())).WithContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	handler.(http.Handler).ServeHTTP(w, inner)
	return w.Result(), nil
}

func readAll(r *http.Request) string {
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := r.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// cloud is what a provider of the tests holds, as rows.
type cloud struct {
	mu   sync.Mutex
	next int
	rows []row
	t    *testing.T
}

type row struct {
	id, name, typ, data string // data as in a zone file
	ttl                 int
}

func newCloud(t *testing.T) *cloud {
	c := &cloud{t: t}
	for key, values := range before() {
		name, typ, _ := strings.Cut(key, " ")
		for _, v := range values {
			c.add(name, typ, v, 7200)
		}
	}
	return c
}

func (c *cloud) add(name, typ, data string, ttl int) row {
	c.next++
	if _, err := canonical(name, typ, data); err != nil {
		c.t.Errorf("the provider was given %s %s %q", name, typ, data)
	}
	if i := strings.IndexByte(data, '"'); typ == "TXT" && i == 0 {
		for _, s := range strings.Split(strings.Trim(data, `"`), `" "`) {
			if len(s) > 255 {
				c.t.Errorf("a string of %d octets", len(s))
			}
		}
	}
	r := row{strconv.Itoa(c.next), name, typ, data, ttl}
	c.rows = append(c.rows, r)
	return r
}

func (c *cloud) show() zone {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := zone{}
	for _, r := range c.rows {
		out[r.name+" "+r.typ] = append(out[r.name+" "+r.typ], r.data)
	}
	return out
}

// set gives the rows of a name and type.
func (c *cloud) set(name, typ string) (out []row) {
	for _, r := range c.rows {
		if r.name == name && r.typ == typ {
			out = append(out, r)
		}
	}
	return out
}

func (c *cloud) drop(f func(row) bool) int {
	n := len(c.rows)
	c.rows = slices.DeleteFunc(c.rows, f)
	return n - len(c.rows)
}

// sets gives names and types, each once.
func (c *cloud) sets() (out [][2]string) {
	for _, r := range c.rows {
		if k := [2]string{r.name, r.typ}; !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

func absolute(name string) string {
	if name == "" || name == "@" {
		return "example.com"
	}
	return name + ".example.com"
}

func relative(name string) string {
	if name == "example.com" {
		return "@"
	}
	return strings.TrimSuffix(name, ".example.com")
}

func write(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

type object = map[string]any

// cloudflare's interface, version 4.
func (c *cloud) cloudflare() http.Handler {
	fail := func(w http.ResponseWriter, text string) {
		write(w, 400, object{"success": false, "errors": []object{{"code": 9000, "message": text}}})
	}
	shown := func(r row) object {
		o := object{"id": r.id, "zone_id": "z1", "name": r.name, "type": r.typ, "ttl": r.ttl, "content": r.data}
		f := strings.Fields(r.data)
		switch r.typ {
		case "MX":
			p, _ := strconv.Atoi(f[0])
			o["priority"], o["content"] = p, strings.TrimSuffix(f[1], ".")
		case "CNAME":
			o["content"] = strings.TrimSuffix(r.data, ".")
		case "SRV":
			n := func(i int) int { v, _ := strconv.Atoi(f[i]); return v }
			o["data"] = object{"priority": n(0), "weight": n(1), "port": n(2), "target": strings.TrimSuffix(f[3], ".")}
			if f[3] == "." {
				o["data"].(object)["target"] = "."
			}
			o["content"] = strings.Join(f[1:], " ")
		case "CAA":
			o["data"] = object{"flags": 0, "tag": f[1], "value": strings.Trim(strings.SplitN(r.data, " ", 3)[2], `"`)}
		}
		return o
	}
	// data is what Cloudflare makes of a request; it wants the parts of some types one by one.
	data := func(o object) string {
		content, _ := o["content"].(string)
		d, _ := o["data"].(object)
		switch o["type"] {
		case "MX":
			return fmt.Sprint(o["priority"], " ", content, ".")
		case "CNAME":
			return content + "."
		case "SRV":
			num := func(k string) int { v, _ := d[k].(float64); return int(v) }
			return fmt.Sprint(num("priority"), " ", num("weight"), " ", num("port"), " ", d["target"])
		case "TLSA":
			if d["certificate"] == nil {
				return ""
			}
			return fmt.Sprint(d["usage"], " ", d["selector"], " ", d["matching_type"], " ", d["certificate"])
		case "CAA":
			return fmt.Sprintf("%v %v %q", d["flags"], d["tag"], d["value"])
		case "TXT":
			return dkimtext.Quoted(plain(content))
		}
		return content
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /client/v4/zones", func(w http.ResponseWriter, r *http.Request) {
		result := []object{}
		if r.FormValue("name") == "example.com" {
			result = append(result, object{"id": "z1", "name": "example.com"})
		}
		write(w, 200, object{"success": true, "result": result})
	})
	mux.HandleFunc("GET /client/v4/zones/z1/dns_records", func(w http.ResponseWriter, r *http.Request) {
		result := []object{}
		for _, row := range c.rows {
			o := shown(row)
			content, _ := o["content"].(string)
			if q := r.FormValue; (q("type") == "" || q("type") == row.typ) && (q("name") == "" || q("name") == row.name) &&
				(q("content.exact") == "" || q("content.exact") == content) && strings.Contains(content, q("content.contains")) {
				result = append(result, o)
			}
		}
		total := len(result)
		page, _ := strconv.Atoi(r.FormValue("page"))
		page = max(page, 1)
		const per = 7 // to have several pages
		result = result[min((page-1)*per, total):min(page*per, total)]
		write(w, 200, object{"success": true, "result": result, "result_info": object{"page": page, "per_page": per, "total_count": total}})
	})
	mux.HandleFunc("POST /client/v4/zones/z1/dns_records", func(w http.ResponseWriter, r *http.Request) {
		var o object
		json.NewDecoder(r.Body).Decode(&o)
		name, typ, d := absolute(o["name"].(string)), o["type"].(string), data(o)
		if d == "" || len(c.set(name, "CNAME")) > 0 || typ == "CNAME" && len(c.set(name, "A")) > 0 {
			fail(w, "that cannot be: "+typ)
			return
		}
		ttl, _ := o["ttl"].(float64)
		write(w, 200, object{"success": true, "result": shown(c.add(name, typ, d, int(ttl)))})
	})
	mux.HandleFunc("PATCH /client/v4/zones/z1/dns_records/{id}", func(w http.ResponseWriter, r *http.Request) {
		var o object
		json.NewDecoder(r.Body).Decode(&o)
		for i := range c.rows {
			if d := data(o); c.rows[i].id == r.PathValue("id") && c.rows[i].typ == o["type"] && d != "" {
				c.rows[i].data = d
				write(w, 200, object{"success": true, "result": shown(c.rows[i])})
				return
			}
		}
		fail(w, "no such record")
	})
	mux.HandleFunc("DELETE /client/v4/zones/z1/dns_records/{id}", func(w http.ResponseWriter, r *http.Request) {
		if c.drop(func(row row) bool { return row.id == r.PathValue("id") }) == 0 {
			fail(w, "no such record")
			return
		}
		write(w, 200, object{"success": true, "result": object{"id": r.PathValue("id")}})
	})
	return mux
}

// hetzner's interface: sets, with all texts in quotes and cut.
func (c *cloud) hetzner() http.Handler {
	fail := func(w http.ResponseWriter, status int, code string) {
		write(w, status, object{"error": object{"code": code, "message": code}})
	}
	done := func(w http.ResponseWriter) {
		write(w, 201, object{"action": object{"id": 1, "status": "success", "progress": 100}})
	}
	type request struct {
		TTL     *int
		Records []struct{ Value string }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/zones/{zone}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("zone") != "example.com" {
			fail(w, 404, "not_found")
			return
		}
		write(w, 200, object{"zone": object{"id": 42, "name": "example.com", "ttl": 3600}})
	})
	mux.HandleFunc("GET /v1/actions", func(w http.ResponseWriter, _ *http.Request) {
		write(w, 200, object{"actions": []object{{"id": 1, "status": "success", "progress": 100}}})
	})
	mux.HandleFunc("GET /v1/zones/{zone}/rrsets", func(w http.ResponseWriter, _ *http.Request) {
		sets := []object{}
		for _, k := range c.sets() {
			var values []object
			ttl := 0
			for _, row := range c.set(k[0], k[1]) {
				values, ttl = append(values, object{"value": row.data}), row.ttl
			}
			sets = append(sets, object{"id": relative(k[0]) + "/" + k[1], "name": relative(k[0]), "type": k[1], "ttl": ttl, "records": values})
		}
		write(w, 200, object{"rrsets": sets})
	})
	mux.HandleFunc("POST /v1/zones/{zone}/rrsets/{name}/{type}/actions/add_records", func(w http.ResponseWriter, r *http.Request) {
		var in request
		json.NewDecoder(r.Body).Decode(&in)
		name, typ := absolute(r.PathValue("name")), r.PathValue("type")
		there := c.set(name, typ)
		if len(there) > 0 && (typ == "CNAME" || in.TTL != nil && *in.TTL != there[0].ttl) {
			fail(w, 422, "invalid_input")
			return
		}
		for _, v := range in.Records {
			c.add(name, typ, v.Value, *in.TTL)
		}
		done(w)
	})
	mux.HandleFunc("POST /v1/zones/{zone}/rrsets/{name}/{type}/actions/remove_records", func(w http.ResponseWriter, r *http.Request) {
		var in request
		json.NewDecoder(r.Body).Decode(&in)
		for _, v := range in.Records {
			if c.drop(func(row row) bool {
				return row.name == absolute(r.PathValue("name")) && row.typ == r.PathValue("type") && row.data == v.Value
			}) == 0 {
				fail(w, 404, "not_found")
				return
			}
		}
		done(w)
	})
	return mux
}

// desec's interface: whole sets, at least an hour of TTL, long texts are cut there.
func (c *cloud) desec() http.Handler {
	shown := func(name, typ string) object {
		var values []string
		ttl := 0
		for _, row := range c.set(name, typ) {
			values, ttl = append(values, row.data), row.ttl
		}
		return object{"subname": strings.TrimPrefix(relative(name), "@"), "type": typ, "records": values, "ttl": ttl}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/domains/{zone}/rrsets/", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("zone") != "example.com" {
			write(w, 404, object{"detail": "Not found."})
			return
		}
		var sets []object
		for _, k := range c.sets() {
			sets = append(sets, shown(k[0], k[1]))
		}
		write(w, 200, sets)
	})
	mux.HandleFunc("GET /api/v1/domains/{zone}/rrsets/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		name := absolute(r.PathValue("name"))
		if len(c.set(name, r.PathValue("type"))) == 0 {
			write(w, 404, object{"detail": "Not found."})
			return
		}
		write(w, 200, shown(name, r.PathValue("type")))
	})
	mux.HandleFunc("PUT /api/v1/domains/{zone}/rrsets/", func(w http.ResponseWriter, r *http.Request) {
		var in []struct {
			Subname, Type string
			Records       []string
			TTL           int
		}
		json.NewDecoder(r.Body).Decode(&in)
		for _, s := range in {
			if s.TTL < 3600 {
				write(w, 400, object{"ttl": "too small"})
				return
			}
			c.drop(func(row row) bool { return row.name == absolute(s.Subname) && row.typ == s.Type })
			for _, v := range s.Records {
				if s.Type == "TXT" {
					v = dkimtext.Quoted(plain(v))
				}
				c.add(absolute(s.Subname), s.Type, v, s.TTL)
			}
		}
		write(w, 200, in)
	})
	return mux
}

// gandi's interface: whole sets, texts get quotes where they have none.
func (c *cloud) gandi() http.Handler {
	type set struct {
		Name   string   `json:"rrset_name"`
		Type   string   `json:"rrset_type"`
		Values []string `json:"rrset_values"`
		TTL    int      `json:"rrset_ttl"`
	}
	shown := func(name, typ string) set {
		s := set{Name: relative(name), Type: typ}
		for _, row := range c.set(name, typ) {
			s.Values, s.TTL = append(s.Values, row.data), row.ttl
		}
		return s
	}
	none := func(w http.ResponseWriter) { write(w, 404, object{"code": 404, "message": "Can't find it"}) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v5/livedns/domains/{zone}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("zone") != "example.com" {
			none(w)
			return
		}
		write(w, 200, object{"fqdn": "example.com", "domain_records_href": "https://api.gandi.net/v5/livedns/domains/example.com/records"})
	})
	mux.HandleFunc("GET /v5/livedns/domains/{zone}/records", func(w http.ResponseWriter, _ *http.Request) {
		var sets []set
		for _, k := range c.sets() {
			sets = append(sets, shown(k[0], k[1]))
		}
		write(w, 200, sets)
	})
	mux.HandleFunc("/v5/livedns/domains/{zone}/records/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		name, typ := absolute(r.PathValue("name")), r.PathValue("type")
		switch {
		case r.Method == "GET" && len(c.set(name, typ)) > 0:
			write(w, 200, shown(name, typ))
		case r.Method == "DELETE" && c.drop(func(row row) bool { return row.name == name && row.typ == typ }) > 0:
			w.WriteHeader(204)
		case r.Method == "PUT":
			var in set
			json.NewDecoder(r.Body).Decode(&in)
			if len(in.Values) == 0 || typ == "CNAME" && len(in.Values) > 1 {
				write(w, 400, object{"code": 400, "message": "that cannot be"})
				return
			}
			c.drop(func(row row) bool { return row.name == name && row.typ == typ })
			for _, v := range in.Values {
				if typ == "TXT" && !strings.HasPrefix(v, `"`) {
					v = `"` + v + `"`
				}
				c.add(name, typ, v, in.TTL)
			}
			write(w, 201, object{"message": "DNS Record Created"})
		default:
			none(w)
		}
	})
	return mux
}

// porkbun's interface, version 3: texts bare, priorities apart, no dots at the end.
func (c *cloud) porkbun() http.Handler {
	mux := http.NewServeMux()
	fail := func(w http.ResponseWriter, text string) { write(w, 400, object{"status": "ERROR", "message": text}) }
	mux.HandleFunc("POST /api/json/v3/dns/retrieve/{zone}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("zone") != "example.com" {
			fail(w, "Invalid domain.")
			return
		}
		var out []object
		for _, row := range c.rows {
			o := object{"id": row.id, "name": row.name, "type": row.typ, "content": row.data, "ttl": strconv.Itoa(row.ttl), "prio": nil}
			switch row.typ {
			case "MX", "SRV":
				o["prio"], o["content"], _ = strings.Cut(row.data, " ")
				fallthrough
			case "CNAME":
				if s := o["content"].(string); !strings.HasSuffix(s, " .") {
					o["content"] = strings.TrimSuffix(s, ".")
				}
			case "TXT":
				o["content"] = plain(row.data)
			}
			out = append(out, o)
		}
		write(w, 200, object{"status": "SUCCESS", "records": out})
	})
	mux.HandleFunc("POST /api/json/v3/dns/create/{zone}", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Name, Type, Content, TTL, Prio string }
		json.NewDecoder(r.Body).Decode(&in)
		if ttl, err := strconv.Atoi(in.TTL); err != nil || ttl < 600 || in.Type == "CNAME" && len(c.set(absolute(in.Name), "CNAME")) > 0 {
			fail(w, "that cannot be")
			return
		}
		switch in.Type {
		case "MX", "SRV":
			in.Content = in.Prio + " " + in.Content
			fallthrough
		case "CNAME":
			if !strings.HasSuffix(in.Content, ".") {
				in.Content += "."
			}
		case "TXT":
			in.Content = dkimtext.Quoted(in.Content)
		}
		row := c.add(absolute(in.Name), in.Type, in.Content, 600)
		write(w, 200, object{"status": "SUCCESS", "id": row.id})
	})
	mux.HandleFunc("POST /api/json/v3/dns/delete/{zone}/{id}", func(w http.ResponseWriter, r *http.Request) {
		if c.drop(func(row row) bool { return row.id == r.PathValue("id") }) == 0 {
			fail(w, "Invalid record ID.")
			return
		}
		write(w, 200, object{"status": "SUCCESS"})
	})
	return mux
}

// locked answers one request at a time.
func (c *cloud) locked(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// Every provider does all of the suite, through the library that speaks to it.
func TestHosted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		provider, secret, host, token string
		handler                       func(*cloud) http.Handler
	}{
		{"cloudflare", "token-cf", "api.cloudflare.com", "Bearer token-cf", (*cloud).cloudflare},
		{"hetzner", "token-hz", "api.hetzner.cloud", "Bearer token-hz", (*cloud).hetzner},
		{"desec", "token-ds", "desec.io", "Token token-ds", (*cloud).desec},
		{"gandi", "token-gd", "api.gandi.net", "Bearer token-gd", (*cloud).gandi},
		{"porkbun", "pk1_aaaa:sk1_bbbb", "api.porkbun.com", "pk1_aaaa sk1_bbbb", (*cloud).porkbun},
	} {
		t.Run(c.provider, func(t *testing.T) {
			t.Parallel()
			p, err := New(Config{Provider: c.provider, Secret: c.secret})
			if err != nil {
				t.Fatal(err)
			}
			cloud := newCloud(t)
			internet.byToken.Store(c.host+" "+c.token, cloud.locked(c.handler(cloud)))
			suite(t, p, cloud.show)
			wrong, err := New(Config{Provider: c.provider, Secret: "wrong1:wrong2"})
			if err != nil {
				t.Fatal(err)
			}
			err = wrong.Set(t.Context(), "example.com", []Record{rec("example.com", "MX", "10 mx.example.com.")})
			if !mail.Is(err, mail.Unavailable) || strings.Contains(err.Error(), "wrong1") || strings.Contains(err.Error(), "wrong2") {
				t.Errorf("%v", err)
			}
		})
	}
}
