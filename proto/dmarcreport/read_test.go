package dmarcreport_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/proto/dmarcreport"
	"github.com/postrider/postrider/proto/message"
)

var compareIP = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func read(r io.Reader, lim dmarcreport.Limits) (rep dmarcreport.Report, rows []dmarcreport.Row, skipped int, err error) {
	rep, skipped, err = dmarcreport.Read(r, lim, func(row dmarcreport.Row) error {
		rows = append(rows, row)
		return nil
	})
	return rep, rows, skipped, err
}

const sample = `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>1.0</version>
<report_metadata><org_name>Sample Reporter</org_name><email>r@example.org</email><extra_contact_info lang="en">x</extra_contact_info><report_id>3v98</report_id>
<date_range><begin>302832000</begin><end>302918399</end></date_range><error>bad rua</error><generator>g 1</generator></report_metadata>
<policy_published><domain>example.com</domain><p>quarantine</p><sp>none</sp><np>reject</np><fo>1:d</fo><adkim>s</adkim><aspf>r</aspf><testing>y</testing><discovery_method>treewalk</discovery_method></policy_published>
<extension><e:x xmlns:e="urn:x"><domain>evil</domain></e:x></extension>
<record><row><source_ip>2001:db8::1</source_ip><count>123</count><policy_evaluated><disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf><reason><type>other</type><comment>a &amp; b</comment></reason></policy_evaluated></row>
<identifiers><envelope_from/><header_from>Example.com</header_from><envelope_to>example.org</envelope_to></identifiers>
<auth_results><dkim><domain>example.com</domain><result>pass</result><selector>Abc</selector><human_result>h</human_result></dkim><spf><domain>example.com</domain><scope>mfrom</scope><result>fail</result></spf></auth_results>
<e:row xmlns:e="urn:x"><count>9</count></e:row><row xmlns="urn:other"><source_ip>192.0.2.9</source_ip></row></record></feedback>`

func sampleReport() (dmarcreport.Report, []dmarcreport.Row) {
	return dmarcreport.Report{
			Version: "1.0", Organization: "Sample Reporter", Email: "r@example.org", ExtraContact: "x", ID: "3v98", Begin: time.Unix(302832000, 0).UTC(), End: time.Unix(302918399, 0).UTC(), Errors: []string{"bad rua"}, Generator: "g 1",
			Policy: dmarcreport.Published{Domain: "example.com", Discovery: "treewalk", P: "quarantine", SP: "none", NP: "reject", FO: "1:d", ADKIM: "s", ASPF: "r", Testing: "y"},
		}, []dmarcreport.Row{{
			Source: netip.MustParseAddr("2001:db8::1"), Count: 123, Disposition: "pass", DKIM: "pass", SPF: "fail", Reasons: []dmarcreport.Reason{{Type: "other", Comment: "a & b"}}, HeaderFrom: "example.com", EnvelopeTo: "example.org",
			Signatures: []dmarcreport.Signature{{Domain: "example.com", Selector: "Abc", Result: "pass", Human: "h"}}, SPFResults: []dmarcreport.SPFResult{{Domain: "example.com", Scope: "mfrom", Result: "fail"}},
		}}
}

// Every element of the schema, and extensions passed over. RFC 9990 3.1.1, RFC 9990 3.1.1.1, RFC 9990 3.1.1.2, RFC 9990 3.1.1.3, RFC 9990 3.1.1.4,
// RFC 9990 3.1.1.5, RFC 9990 3.1.1.7, RFC 9990 3.1.1.9, RFC 9990 3.1.1.10, RFC 9990 3.1.1.11, RFC 9990 3.1.1.12, RFC 9990 3.1.1.13, RFC 9990 3.1.1.14, RFC 9990 5.
func TestRead(t *testing.T) {
	t.Parallel()
	want, wantRows := sampleReport()
	for name, text := range map[string]string{
		"plain":        sample,
		"declaration":  "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- x --><?y z?>" + sample + "\n<!-- tail -->",
		"no namespace": strings.Replace(sample, ` xmlns="urn:ietf:params:xml:ns:dmarc-2.0"`, "", 1),
		"old":          strings.Replace(sample, `urn:ietf:params:xml:ns:dmarc-2.0`, "http://dmarc.org/dmarc-xml/0.1", 1),
		"Latin 1":      `<?xml version="1.0" encoding="iso-8859-1"?>` + sample,
	} {
		got, rows, skipped, err := read(iotest.OneByteReader(strings.NewReader(text)), dmarcreport.Limits{})
		if err != nil || skipped != 0 {
			t.Errorf("%s: %d skipped, %v", name, skipped, err)
		}
		if diff := cmp.Diff(want, got) + cmp.Diff(wantRows, rows, compareIP); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	stop := errors.New("stop")
	if _, _, err := dmarcreport.Read(strings.NewReader(sample), dmarcreport.Limits{}, func(dmarcreport.Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of row is lost: %v", err)
	}
	if _, _, _, err := read(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(sample))), dmarcreport.Limits{}); !errors.Is(err, iotest.ErrTimeout) || errors.Is(err, dmarcreport.ErrNotReport) {
		t.Errorf("the error of the reader is lost: %v", err)
	}
}

// Reports from the wild, each in its container; the broken ones are recognised as such. RFC 9990 B, RFC 1951 1.
func TestReadOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "data", "dmarc-aggregate")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("the shared test data is absent: ", err)
	}
	broken := map[string]bool{"invalid_xml.xml": true, "invalid_utf_8.xml": true}
	seen := 0
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Name(), ".eml") {
			raw = attachment(t, raw)
		}
		if raw == nil {
			t.Errorf("%s: no attachment", e.Name())
			continue
		}
		seen++
		rep, rows, skipped, err := read(bytes.NewReader(raw), dmarcreport.Limits{})
		if broken[e.Name()] {
			if !errors.Is(err, dmarcreport.ErrNotReport) {
				t.Errorf("%s: %v", e.Name(), err)
			}
			continue
		}
		if err != nil || skipped > 0 || len(rows) == 0 || rep.Policy.P == "" || rep.Begin.IsZero() || rows[0].HeaderFrom == "" {
			t.Errorf("%s: %+v, %d rows, %d skipped, %v", e.Name(), rep, len(rows), skipped, err)
		}
	}
	if seen < 15 {
		t.Errorf("only %d reports were read", seen)
	}
}

// attachment gives the largest part of a mail that is no text for people.
func attachment(t *testing.T, raw []byte) (found []byte) {
	s := message.NewScanner(message.Limits{})
	if _, err := s.Write(raw); err != nil {
		t.Fatal(err)
	}
	s.Finish().Walk(func(p *message.Part) bool {
		if len(p.Children) == 0 && (p.MediaType == "application" || p.Subtype == "xml") {
			data, err := io.ReadAll(message.DecodeTransfer("base64", bytes.NewReader(raw[p.BodyOffset:p.End])))
			if err == nil && len(data) > len(found) {
				found = data
			}
		}
		return true
	})
	return found
}

// What is no report, and rows that cannot be used. RFC 9990 3.1.1.
func TestReadBroken(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "other root": "<html></html>", "wrapped twice": "<schema><schema>" + sample, "wrapped, no more": "<schema></schema>", "cut off": sample[:len(sample)-20], "wrong nesting": "<feedback><a></b></a></feedback>",
		"no metadata": "<feedback><policy_published><domain>x</domain></policy_published></feedback>", "no policy": "<feedback><report_metadata><org_name>x</org_name></report_metadata></feedback>",
		"gzip": "\x1f\x8bxxxxxxxxxxxx", "short gzip": "\x1f\x8b", "zip": "PK\x03\x04xxxxxxxxxx", "charset": `<?xml version="1.0" encoding="x-unknown"?>` + sample,
		"entity": strings.Replace(sample, "Sample", "&foo;", 1), "doctype": "<!DOCTYPE feedback>" + sample, "end first": "</feedback>", "an empty zip": string(zipped(t)),
	} {
		if rep, _, _, err := read(strings.NewReader(text), dmarcreport.Limits{}); !errors.Is(err, dmarcreport.ErrNotReport) {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
	}
	for _, bad := range []string{"<source_ip>x</source_ip>", "<count>x</count>", "<count>-5</count>", "<count>0</count>", "<source_ip></source_ip>"} {
		name := bad[:strings.Index(bad, ">")+1]
		at := strings.Index(sample, name)
		end := at + strings.Index(sample[at:], "</") + len(name) + 1
		_, rows, skipped, err := read(strings.NewReader(sample[:at]+bad+sample[end:]), dmarcreport.Limits{})
		if err != nil || skipped != 1 || len(rows) != 0 {
			t.Errorf("%s: %d rows, %d skipped, %v", bad, len(rows), skipped, err)
		}
	}
}

func zipped(t testing.TB, files ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i+1 < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = io.WriteString(w, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		if _, err := z.Create("dir/"); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The report in a zip is found among other files.
func TestReadZip(t *testing.T) {
	t.Parallel()
	for _, raw := range [][]byte{zipped(t, "a.txt", "hello", "R.XML", sample), zipped(t, "dir/", "", "report", sample)} {
		if _, rows, _, err := read(bytes.NewReader(raw), dmarcreport.Limits{}); err != nil || len(rows) != 1 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	}
}

// bombs are small inputs that want to become large.
func bombs(t testing.TB) map[string][]byte {
	// A gigabyte of one octet, behind a head, as DEFLATE has it: after the first block every block is the same (RFC 1951 3.2.5).
	big := func(head string, c byte) []byte {
		block := bytes.Repeat([]byte{c}, 1<<20)
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		put := func(p []byte) []byte {
			from := b.Len()
			if _, err := w.Write(p); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			return bytes.Clone(b.Bytes()[from:])
		}
		put([]byte(head))
		put(block)
		again := put(block)
		raw := append(bytes.Clone(b.Bytes()), bytes.Repeat(again, 1022)...)
		n, err := io.Copy(io.Discard, io.LimitReader(flate.NewReader(bytes.NewReader(raw)), 8<<20))
		if err != nil || n != 8<<20 {
			t.Fatalf("the bomb is a dud: %d octets, %v", n, err)
		}
		return raw
	}
	asZip := func(deflated []byte) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		f, err := z.CreateRaw(&zip.FileHeader{Name: "report.xml", Method: zip.Deflate, CompressedSize64: uint64(len(deflated)), UncompressedSize64: 1 << 30})
		if err == nil {
			_, err = f.Write(deflated)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	asGzip := func(deflated []byte) []byte {
		return append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}, deflated...)
	}
	gz := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprint(i), "")
	}
	all := map[string][]byte{
		"entities":        []byte(`<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><feedback>&c;</feedback>`),
		"long doctype":    []byte("<!DOCTYPE x [" + strings.Repeat("<!ENTITY a 'b'>", 200_000)),
		"nesting":         gz("<feedback>" + strings.Repeat("<a>", 2_000_000)),
		"one text":        gz("<feedback><x>" + strings.Repeat("x", 1_000_000)),
		"one tag":         gz("<feedback><" + strings.Repeat("x", 1_000_000)),
		"attributes":      gz("<feedback" + strings.Repeat(" a='b'", 2_000_000) + ">"),
		"one comment":     gz("<!--" + strings.Repeat("x", 1_000_000)),
		"one attribute":   gz("<feedback a='" + strings.Repeat("x", 1_000_000)),
		"empty elements":  gz("<feedback>" + strings.Repeat("<a/>", 500_000)),
		"another charset": gz(`<?xml version="1.0" encoding="iso-8859-1"?><feedback><x>` + strings.Repeat("x", 1_000_000)),
		"zip directory":   zipped(t, many...),
		"zip of zeros":    asZip(big("", 0)),
		"gzip of zeros":   asGzip(big("", 0)),
		"zip of spaces":   asZip(big("<feedback>", ' ')),
		"gzip of text":    asGzip(big("<feedback>", 'x')),
	}
	return all
}

// Bombs end soon and cost little memory. RFC 9990 8.1.
func TestReadBombs(t *testing.T) {
	for name, raw := range bombs(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, rows, _, err := read(bytes.NewReader(raw), dmarcreport.Limits{})
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil || !errors.Is(err, dmarcreport.ErrTooLarge) && !errors.Is(err, dmarcreport.ErrNotReport) || len(rows) > 0 {
			t.Errorf("%s: %v, %d rows", name, err, len(rows))
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 4<<20 && !strings.Contains(name, "zip") || cost > 12<<20 || took > 5*time.Second {
			t.Errorf("%s (%d octets): %d octets were allocated in %v", name, len(raw), cost, took)
		}
		t.Logf("%s: %v, %d KiB: %v", name, took, (after.TotalAlloc-before.TotalAlloc)>>10, err)
	}
	record := sample[strings.Index(sample, "<record>") : strings.Index(sample, "</record>")+len("</record>")]
	rows := strings.Replace(sample, record, strings.Repeat(record, 50), 1)
	if _, got, _, err := read(strings.NewReader(rows), dmarcreport.Limits{Rows: 49}); !errors.Is(err, dmarcreport.ErrTooLarge) || len(got) != 49 {
		t.Errorf("rows: %v, %d", err, len(got))
	}
	if _, _, _, err := read(strings.NewReader(rows), dmarcreport.Limits{Encoded: 1000}); !errors.Is(err, dmarcreport.ErrTooLarge) {
		t.Errorf("encoded: %v", err)
	}
	crowd := strings.Replace(sample, "</dkim><spf><domain>", "</dkim>"+strings.Repeat("<dkim><domain>x</domain></dkim>", 500)+strings.Repeat("<spf></spf>", 500)+"<spf><domain>", 1)
	if _, got, _, err := read(strings.NewReader(crowd), dmarcreport.Limits{}); err != nil || len(got) != 1 || len(got[0].Signatures) != dmarcreport.MaxSignatures {
		t.Errorf("a crowded row: %v", err)
	}
}
