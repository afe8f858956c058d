-- The search indexes of accounts: segments of proto/textindex, written in the background. A delivery writes nothing here.

-- +goose Up

-- How far the index of all accounts has come. One row.
CREATE TABLE search_horizon (
	one   INTEGER PRIMARY KEY CHECK (one = 1),
	noted INTEGER NOT NULL
);
INSERT INTO search_horizon VALUES (1, 0);

CREATE TABLE search_mark (
	account INTEGER PRIMARY KEY,
	upto    INTEGER NOT NULL
);

-- AUTOINCREMENT, so that a number stands for one segment for ever. The values come last, the short one
-- first: what comes before is read without what comes after.
CREATE TABLE search_segment (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	account   INTEGER NOT NULL,
	first     INTEGER NOT NULL,
	last      INTEGER NOT NULL,
	documents INTEGER NOT NULL,
	octets    INTEGER NOT NULL,
	lines     BLOB NOT NULL,
	words     BLOB NOT NULL,
	UNIQUE (account, first)
);

-- +goose StatementBegin
CREATE TRIGGER search_account AFTER DELETE ON account BEGIN
	DELETE FROM search_segment WHERE account = OLD.id;
	DELETE FROM search_mark WHERE account = OLD.id;
END;
-- +goose StatementEnd
