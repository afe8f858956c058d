package store

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/postrider/postrider/mail"
)

// diskIsFull reports that SQLite found no room for what it wanted to write.
func diskIsFull(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
}

// sqlError gives trouble with the index its kind.
func sqlError(err error) error {
	var known *mail.Error
	if errors.As(err, &known) {
		return err
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return &mail.Error{Kind: mail.Unavailable, Enhanced: "4.3.1", Err: err,
				Text: "the disk is full; try again when its owner has made room"}
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM:
			return mail.Errorf(mail.Unavailable, "the index is busy: %w", err)
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return mail.Errorf(mail.Internal, "the index is damaged: %w; run verify to see what is affected", err)
		}
	}
	return mail.Errorf(mail.Internal, "the index cannot be written: %w", err)
}
