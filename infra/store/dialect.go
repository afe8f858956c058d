package store

import (
	"embed"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationFiles are the migrations of all engines: the same number and name in each.
func migrationFiles() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

// dialect is what differs between engines beside the SQL's small print.
type dialect struct {
	goose goose.Dialect
	begin string // starts a transaction that will write
}

var sqliteDialect = dialect{goose: goose.DialectSQLite3, begin: "BEGIN IMMEDIATE"}

// indexName is the database's file in the store's directory.
const indexName = "store.db"

// writerCache and readerCache are page caches in KiB.
const (
	writerCache = 64 << 10
	readerCache = 4 << 10
)

// dsn is the data source name of a connection that writes or only reads.
func dsn(dir string, readOnly bool) string {
	v := url.Values{}
	pragma := func(name, value string) { v.Add("_pragma", name+"("+value+")") }
	pragma("busy_timeout", "10000")
	if readOnly {
		v.Set("mode", "ro")
		pragma("query_only", "1")
		pragma("cache_size", "-"+strconv.Itoa(readerCache))
	} else {
		pragma("journal_mode", "WAL")
		pragma("synchronous", "FULL")
		pragma("cache_size", "-"+strconv.Itoa(writerCache))
		pragma("wal_autocheckpoint", "0") // the committer does it when nobody waits for an answer
		pragma("temp_store", "MEMORY")
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, indexName)), RawQuery: v.Encode()}
	return u.String()
}
