package jmap

import (
	"strconv"

	"github.com/postrider/postrider/mail"
)

// Ids are those of IMAP's OBJECTID (RFC 8474 5), so that a client of both can tell that they are the same.
func mailboxID(id mail.MailboxID) string { return "F" + strconv.FormatInt(int64(id), 10) }
func emailID(id mail.EmailID) string     { return "M" + strconv.FormatInt(int64(id), 10) }
func threadID(id mail.ThreadID) string   { return "T" + strconv.FormatInt(int64(id), 10) }
func accountID(id mail.AccountID) string { return "A" + strconv.FormatInt(int64(id), 10) }

// number is the reverse; false for what is no id of that letter.
func number(letter byte, id string) (int64, bool) {
	if len(id) < 2 || len(id) > 20 || id[0] != letter || id[1] == '0' || id[1] == '+' || id[1] == '-' {
		return 0, false
	}
	n, err := strconv.ParseInt(id[1:], 10, 64)
	return n, err == nil
}

func parseMailbox(id string) (mail.MailboxID, bool) {
	n, ok := number('F', id)
	return mail.MailboxID(n), ok
}

func parseEmail(id string) (mail.EmailID, bool) {
	n, ok := number('M', id)
	return mail.EmailID(n), ok
}

func parseThread(id string) (mail.ThreadID, bool) {
	n, ok := number('T', id)
	return mail.ThreadID(n), ok
}

// stateText is a modseq as a state.
func stateText(n uint64) string { return strconv.FormatUint(n, 10) }

func parseState(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return n, err == nil && stateText(n) == s
}
