package store

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/postrider/postrider/mail"
)

// maxReferences bounds what one message writes.
const maxReferences = 32

// hash64 is a number to find texts by. Texts that meet in one are taken for the same.
func hash64(kind byte, texts ...string) int64 {
	h := sha256.New()
	h.Write([]byte{kind})
	for _, t := range texts {
		h.Write([]byte(t))
		h.Write([]byte{0})
	}
	var sum [sha256.Size]byte
	return int64(binary.LittleEndian.Uint64(h.Sum(sum[:0])))
}

// thread finds the conversation a new message belongs to: that of its own id, else of the nearest of its references,
// else a new one with the message's number (RFC 8621 3). Subject and id are hashed together, because both must agree.
func (l *ledger) thread(account mail.AccountID, email mail.EmailID, k mail.ThreadKeys) (mail.ThreadID, error) {
	refs := k.References[max(0, len(k.References)-maxReferences):]
	if k.MessageID == "" && len(refs) == 0 {
		return mail.ThreadID(email), nil
	}
	hashes := make([]int64, 0, len(refs)+1)
	if k.MessageID != "" {
		hashes = append(hashes, hash64('t', k.MessageID, k.Subject))
	}
	for i := len(refs) - 1; i >= 0; i-- {
		if refs[i] != "" && refs[i] != k.MessageID {
			hashes = append(hashes, hash64('t', refs[i], k.Subject))
		}
	}
	thread := mail.ThreadID(email)
	const insert = `INSERT OR IGNORE INTO thread_key (account, hash, thread) VALUES (?, ?, ?)`
	if len(hashes) == 1 { // most mail: one statement tells that its id is new, too
		n, err := l.exec(insert, account, hashes[0], thread)
		if err != nil || n == 1 {
			return thread, err
		}
	}
	for _, h := range hashes {
		found, err := l.conn.one(func(r row) { thread = mail.ThreadID(r.int(0)) },
			`SELECT thread FROM thread_key WHERE account = ? AND hash = ?`, account, h)
		if err != nil {
			return 0, err
		}
		if found {
			break
		}
	}
	for _, h := range hashes {
		if _, err := l.exec(insert, account, h, thread); err != nil {
			return 0, err
		}
	}
	return thread, nil
}
