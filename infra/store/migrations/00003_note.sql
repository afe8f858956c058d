-- What services remember in common.

-- +goose Up
CREATE TABLE note (
	kind    TEXT NOT NULL,
	key     TEXT NOT NULL,
	account INTEGER NOT NULL, -- it goes with this one
	n       INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	value   BLOB NOT NULL,
	PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX note_expires ON note (expires) WHERE expires > 0;
CREATE INDEX note_account ON note (account) WHERE account > 0;
