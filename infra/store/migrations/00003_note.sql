-- What services remember in common.

-- +goose Up
CREATE TABLE note (
	kind    TEXT NOT NULL,
	key     TEXT NOT NULL,
	n       INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	value   BLOB NOT NULL,
	PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX note_expires ON note (expires) WHERE expires > 0;
