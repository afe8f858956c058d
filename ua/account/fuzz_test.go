package account

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postrider/postrider/mail"
)

// FuzzRead reads bodies that anybody may send: what is taken is one JSON value of known fields, and what is not is told in our own words.
func FuzzRead(f *testing.F) {
	f.Add(`{"user":"ann","password":"x","code":"1","remember":true}`)
	f.Add(`{"user":"ann"}{}`)
	f.Add(`{"secret":"x"}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/api/login", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		var in struct {
			User     string `json:"user"`
			Password string `json:"password"`
			Code     string `json:"code"`
			Remember bool   `json:"remember"`
		}
		err := read(httptest.NewRecorder(), r, &in)
		switch {
		case err == nil && !json.Valid([]byte(body)):
			t.Errorf("%q is taken for JSON", body)
		case err != nil && !mail.Is(err, mail.Invalid) && !mail.Is(err, mail.TooLarge):
			t.Errorf("%q: %v", body, err)
		case err != nil && len(body) > 12 && strings.Contains(mail.Sentence(err), body):
			t.Errorf("%q is repeated in %v", body, err)
		}
	})
}
