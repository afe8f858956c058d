package export

// Format is a way to keep mail in files.
type Format string

// The formats.
const (
	Maildir Format = "maildir"
	Mbox    Format = "mbox"
	EML     Format = "eml"
)

// Summary is what became of an export. It is also what export.json in its directory holds.
type Summary struct {
	Format    Format    `json:"format"`
	Directory string    `json:"directory"`
	Complete  bool      `json:"complete"` // the export came to its end, whatever it could not read
	Accounts  int       `json:"accounts"`
	Messages  int64     `json:"messages"` // that are in the files now
	Kept      int64     `json:"kept"`     // of these, how many an earlier run had written
	Octets    int64     `json:"octets"`
	Mailboxes []Written `json:"mailboxes"`
	Missing   []Missing `json:"missing"`
	Notes     []string  `json:"notes,omitempty"` // what is in the files, but not quite as it was
	Seconds   float64   `json:"seconds"`
}

// Written is a mailbox and where it is now.
type Written struct {
	Mailbox
	Path     string `json:"path"` // below the directory
	Exported int64  `json:"exported"`
}

// Progress is how far a Writer is.
type Progress struct {
	Mailbox  string
	Messages int64
	Total    int64
}
