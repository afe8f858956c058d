package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/postrider/postrider/infra/config"
)

// setting is one line of a configuration file: a key with its value, in its table.
type setting struct{ table, key, value string }

// name is the whole key.
func (s setting) name() string { return strings.TrimPrefix(strings.Trim(s.table, "[]")+"."+s.key, ".") }

// settings are the lines of a configuration. Each entry of a list of tables begins with an empty setting of its table.
func settings(c config.Config) ([]setting, error) {
	var b strings.Builder
	if err := c.WriteTOML(&b); err != nil {
		return nil, err
	}
	var out []setting
	table := ""
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, " = "); {
		case strings.HasPrefix(line, "[["):
			table = line
			out = append(out, setting{table: table})
		case strings.HasPrefix(line, "["):
			table = line
		case ok:
			out = append(out, setting{table, key, value})
		}
	}
	return out, nil
}

// differing are the settings of a configuration that the base does not have.
func differing(c, base config.Config) ([]setting, error) {
	all, err := settings(c)
	if err != nil {
		return nil, err
	}
	known, err := settings(base)
	if err != nil {
		return nil, err
	}
	has := map[setting]bool{}
	for _, s := range known {
		has[s] = true
	}
	var out []setting
	for _, s := range all {
		if !has[s] {
			out = append(out, s)
		}
	}
	return out, nil
}

// reasons say, above a key, why it is set.
var reasons = map[string]string{
	"data":     "Everything the server keeps: database, mail, queue, keys and certificates. This is what to back up.",
	"hostname": "The name of this host in the DNS. Its addresses must lead here, and their reverse names (PTR) back to it.",

	"listen.http":       "Certificate authorities look here whether a name is ours.",
	"listen.https":      "Other hosts read the MTA-STS policy here, and mail programs their settings.",
	"listen.proxy_from": "The web server in front connects from this address, and says first for whom (PROXY protocol).",

	"tls.acme.enabled":    "Certificates are fetched and renewed by the server itself.",
	"tls.acme.email":      "The authority writes here when something is wrong with a certificate.",
	"tls.acme.directory":  "Another authority than Let's Encrypt.",
	"tls.acme.challenges": "How we show that a name is ours.",

	"doctor.reach": "Hosts that doctor connects to, to see whether port 25 is open outward. [] tries none.",

	"publish.provider":    "Who writes our DNS records: at setup, and when keys or certificates change.",
	"publish.secret_file": "Its first line is the token. Only root and the server may read it.",
	"publish.server":      "The primary name server, which takes updates.",
	"publish.key_name":    "The TSIG key that signs them; its secret is in secret_file.",
}

// render writes a configuration as a file: what differs from the defaults, each with its reason.
func render(c config.Config, domain string) (string, error) {
	base := config.Default("")
	base.Hostname = "" // it differs from machine to machine, so it is always written
	list, err := differing(c, base)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Postrider's configuration, made by: postrider setup %s\n"+
		"# Only what differs from the defaults stands here. All keys with their meaning: postrider config reference\n"+
		"# After a change: postrider config check, then: systemctl restart postrider\n", domain)
	table := ""
	for _, s := range list {
		if s.table != table || s.key == "" {
			fmt.Fprintf(&b, "\n%s\n", s.table)
			table = s.table
		} else if table == "" {
			b.WriteString("\n")
		}
		if s.key == "" {
			continue
		}
		if why := reasons[s.name()]; why != "" {
			fmt.Fprintf(&b, "# %s\n", why)
		}
		fmt.Fprintf(&b, "%s = %s\n", s.key, s.value)
	}
	return seal(b.String()), nil
}

// changes are sentences on what is set otherwise.
func changes(from, to config.Config) ([]string, error) {
	now, err := differing(to, from)
	if err != nil {
		return nil, err
	}
	gone, err := differing(from, to)
	if err != nil {
		return nil, err
	}
	old := map[string]string{}
	for _, s := range gone {
		old[s.name()] = s.value
	}
	var out []string
	for _, s := range now {
		if s.key == "" {
			continue
		}
		text := fmt.Sprintf("%s = %s", s.name(), s.value)
		if was := old[s.name()]; was != "" {
			text += ", where it is " + was + " now"
		}
		delete(old, s.name())
		out = append(out, text)
	}
	for _, s := range gone {
		if _, left := old[s.name()]; left && s.key != "" {
			out = append(out, fmt.Sprintf("%s goes, where it is %s now", s.name(), s.value))
		}
	}
	return out, nil
}

// sealLine begins the last line of files that setup wrote, which tells whether a person has changed them since.
const sealLine = "# As setup wrote it: "

func sealOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return sealLine + hex.EncodeToString(sum[:8]) + "\n"
}

// seal puts a last line under a text, by which untouched knows it.
func seal(text string) string { text += "\n"; return text + sealOf(text) }

// untouched reports whether a file is as setup wrote it.
func untouched(file string) bool {
	at := strings.LastIndex(file, sealLine)
	return at >= 0 && file[at:] == sealOf(file[:at])
}
