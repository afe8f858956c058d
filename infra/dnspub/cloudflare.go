package dnspub

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// tlsaClient sends what libdns' Cloudflare makes, and completes TLSA records: Cloudflare wants their four fields apart, and the library only knows
// three of them and fills in none.
type tlsaClient struct{}

// Do implements cloudflare.HTTPClient.
func (tlsaClient) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil && (req.Method == http.MethodPost || req.Method == http.MethodPatch) {
		body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		req.Body.Close() //nolint:errcheck // it was only read
		if err != nil {
			return nil, err
		}
		body = withTLSA(body)
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return http.DefaultClient.Do(req)
}

// withTLSA completes the body of a request that makes a TLSA record; others stay as they are.
func withTLSA(body []byte) []byte {
	var r map[string]any
	if json.Unmarshal(body, &r) != nil || r["type"] != "TLSA" {
		return body
	}
	content, _ := r["content"].(string)
	f := strings.Fields(content)
	if len(f) != 4 {
		return body
	}
	var n [3]int
	for i := range n {
		v, err := strconv.ParseUint(f[i], 10, 8)
		if err != nil {
			return body
		}
		n[i] = int(v)
	}
	r["data"] = map[string]any{"usage": n[0], "selector": n[1], "matching_type": n[2], "certificate": f[3]}
	full, err := json.Marshal(r)
	if err != nil {
		return body
	}
	return full
}
