package records

import (
	"encoding/json"
	"time"
)

// Need says how much depends on a record.
type Need string

// The needs.
const (
	Must   Need = "must"   // without it mail does not come, or is not believed
	Should Need = "should" // others' trust, or users' comfort
	May    Need = "may"    // good to have
)

// Record is one DNS record that we want.
type Record struct {
	Name  string        // absolute, lower case, without the last dot
	Type  string        // as zone files have it, upper case
	TTL   time.Duration // whole seconds
	Value string        // the data as a zone file has it; of TXT: quoted strings of at most 255 octets
	Zone  string        // the domain of ours it lies in; "": none, so that somebody else must be asked for it
	For   string        // one sentence: what it is for
	Need  Need
}

type jsonRecord struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	TTL   int64  `json:"ttl"` // seconds
	Value string `json:"value"`
	Text  string `json:"text,omitempty"` // of TXT: without quotes, as forms on the web want it
	Zone  string `json:"zone,omitempty"`
	For   string `json:"for"`
	Need  Need   `json:"need"`
}

// MarshalJSON writes the TTL in seconds, and for TXT also the text without quotes.
func (r Record) MarshalJSON() ([]byte, error) {
	j := jsonRecord{Name: r.Name, Type: r.Type, TTL: int64(r.TTL / time.Second), Value: r.Value, Zone: r.Zone, For: r.For, Need: r.Need}
	if r.Type == "TXT" {
		j.Text = r.Text()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Record) UnmarshalJSON(b []byte) error {
	var j jsonRecord
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = Record{Name: j.Name, Type: j.Type, TTL: time.Duration(j.TTL) * time.Second, Value: j.Value, Zone: j.Zone, For: j.For, Need: j.Need}
	return nil
}

// Text is the value as forms on the web want it: of TXT the text as one string without quotes, of others the Value.
func (r Record) Text() string {
	if r.Type == "TXT" {
		return unquoted(r.Value)
	}
	return r.Value
}

// unquoted joins the strings of a TXT record as a zone file has them. What is not quoted is taken as it is.
func unquoted(value string) string {
	if value == "" || value[0] != '"' {
		return value
	}
	var out []byte
	inside := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			inside = !inside
		case !inside:
		case c == '\\' && i+3 < len(value) && digit(value[i+1]) && digit(value[i+2]) && digit(value[i+3]):
			out = append(out, (value[i+1]-'0')*100+(value[i+2]-'0')*10+value[i+3]-'0')
			i += 3
		case c == '\\' && i+1 < len(value):
			i++
			out = append(out, value[i])
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
