package dsn

import (
	"strconv"
	"strings"
)

// Status is an enhanced status code (RFC 3463 2). The zero Status is none.
type Status struct {
	Class   int // 2 success, 4 temporary failure, 5 permanent failure
	Subject int // 0 to 999
	Detail  int // 0 to 999
}

// ParseStatus reads a code such as "5.1.1"; nothing may stand around it but space.
func ParseStatus(s string) (Status, bool) {
	s = strings.Trim(s, " \t")
	if len(s) < 5 || len(s) > 9 || s[1] != '.' {
		return Status{}, false
	}
	subject, detail, ok := strings.Cut(s[2:], ".")
	st := Status{Class: int(s[0] - '0')}
	if !ok || st.Class != 2 && st.Class != 4 && st.Class != 5 || !number(subject, &st.Subject) || !number(detail, &st.Detail) {
		return Status{}, false
	}
	return st, true
}

// number reads one to three digits.
func number(s string, n *int) bool {
	if len(s) < 1 || len(s) > 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	*n, _ = strconv.Atoi(s)
	return true
}

// OfReply gives the status an SMTP reply tells: its enhanced code where it has one of the same class (RFC 2034 4), else what the
// three digits alone say. ok is false where text is no reply.
func OfReply(text string) (Status, bool) {
	code := strings.TrimLeft(text, " \t")
	if len(code) < 3 || code[0] != '2' && code[0] != '4' && code[0] != '5' || len(code) > 3 && code[3] != ' ' && code[3] != '-' {
		return Status{}, false
	}
	for i := range 3 {
		if code[i] < '0' || code[i] > '9' {
			return Status{}, false
		}
	}
	if len(code) > 4 {
		word, _, _ := strings.Cut(strings.TrimLeft(code[4:], " "), " ")
		if st, ok := ParseStatus(word); ok && st.Class == int(code[0]-'0') {
			return st, true
		}
	}
	return ofCode(code[:3]), true
}

// ofCode translates a reply without an enhanced code, as far as RFC 5321 4.2.3 lets it mean one thing.
func ofCode(code string) Status {
	st := Status{Class: int(code[0] - '0')}
	switch code {
	case "421":
		st.Subject, st.Detail = 3, 2
	case "450", "550":
		// A mailbox that is not available: full, locked, unknown or refused. More cannot be told.
		st.Subject, st.Detail = 2, 0
	case "452", "552":
		st.Subject, st.Detail = 2, 2
	case "451":
		st.Subject, st.Detail = 3, 0
	case "551":
		st.Subject, st.Detail = 1, 6
	case "553":
		st.Subject, st.Detail = 1, 3
	case "500", "501", "502", "503", "504", "555":
		st.Subject, st.Detail = 5, 0
	case "530", "534", "535", "538":
		st.Subject, st.Detail = 7, 0
	case "556":
		st.Subject, st.Detail = 1, 10
	}
	return st
}

// String writes the code; the zero Status gives an empty string.
func (s Status) String() string {
	if s.IsZero() {
		return ""
	}
	return strconv.Itoa(s.Class) + "." + strconv.Itoa(s.Subject) + "." + strconv.Itoa(s.Detail)
}

// IsZero reports the zero Status, "none is known".
func (s Status) IsZero() bool { return s == Status{} }

// Success reports a code of class 2.
func (s Status) Success() bool { return s.Class == 2 }

// Temporary reports a code of class 4: the same may work later.
func (s Status) Temporary() bool { return s.Class == 4 }

// Permanent reports a code of class 5: it will not work without a change.
func (s Status) Permanent() bool { return s.Class == 5 }

// Explanation is a status in plain words: what happened, and what a sender can do about it. Both are
// sentences; Advice may be empty.
type Explanation struct{ What, Advice string }

// Explain puts a status into words for the person who sent the message. A code that is not in the table is explained by
// its subject (RFC 3463 4), and there is always an answer.
func (s Status) Explain() Explanation {
	if s.Success() {
		return Explanation{What: "The message was passed on."}
	}
	if e, ok := details[[2]int{s.Subject, s.Detail}]; ok {
		return e
	}
	if e, ok := subjects[s.Subject]; ok {
		return e
	}
	return subjects[0]
}

const (
	checkAddress = "Check the address for typing errors. If it is right, reach the recipient some other way and ask for their current address."
	askRecipient = "Reach the recipient some other way and tell them: only they or their administrator can mend it."
	tryLater     = "Send the message again later. If that fails too, reach the recipient some other way."
	askAdmin     = "Show this report to your own administrator: the recipient's system does not trust how the message was sent."
	makeSmaller  = "Send less at a time, or put large files somewhere to be fetched and send a link."
)

// subjects explains the second number of a code (RFC 3463 3).
var subjects = map[int]Explanation{
	0: {"The recipient's system did not take the message and gave no clear reason.", "Its own words, if there are any, may tell more. " + tryLater},
	1: {"There is something wrong with the recipient's address.", checkAddress},
	2: {"The recipient's mailbox cannot take the message.", askRecipient},
	3: {"The recipient's mail system has a problem or cannot take such a message.", tryLater},
	4: {"The recipient's mail system could not be reached.", tryLater},
	5: {"The two mail systems did not understand each other.", "Show this report to your own administrator."},
	6: {"The recipient's system cannot handle the contents of the message.", "Send it in another form, for instance as plain text or with other attachments."},
	7: {"The recipient's system refused the message because of its rules.", "Its own words, if there are any, tell which. " + askRecipient},
}

// details explains the codes of RFC 3463 3 that people meet, and those of RFC 5248, RFC 7372, RFC 7505 and RFC 4954 among them.
var details = map[[2]int]Explanation{
	{1, 0}:  {"The recipient's address was not accepted.", checkAddress},
	{1, 1}:  {"There is no mailbox with this address.", checkAddress},
	{1, 2}:  {"The domain of the address does not exist or takes no mail.", checkAddress},
	{1, 3}:  {"The address is not written the way an address must be.", checkAddress},
	{1, 4}:  {"The address fits more than one mailbox.", "Ask the recipient for their exact address."},
	{1, 6}:  {"The recipient has moved and left no new address.", "Reach the recipient some other way and ask for their current address."},
	{1, 7}:  {"Your own address, as sender, is not written the way an address must be.", "Check the sender address in the settings of your mail program."},
	{1, 8}:  {"Your own address, as sender, was not accepted: no answer could reach it.", askAdmin},
	{1, 10}: {"The domain of the address says that it takes no mail at all.", checkAddress},
	{2, 0}:  {"The recipient's mailbox was not available.", checkAddress},
	{2, 1}:  {"The recipient's mailbox is switched off.", askRecipient},
	{2, 2}:  {"The recipient's mailbox is full.", "Wait until they have made room and send the message again, or reach them some other way."},
	{2, 3}:  {"The message is larger than the recipient's mailbox may take.", makeSmaller},
	{2, 4}:  {"The mailing list could not be expanded.", "Tell the owner of the list."},
	{3, 1}:  {"The recipient's mail system has no room left.", tryLater},
	{3, 2}:  {"The recipient's mail system takes no messages at the moment.", tryLater},
	{3, 3}:  {"The recipient's mail system lacks something this message needs.", "Send it in a simpler form, for instance as plain text."},
	{3, 4}:  {"The message is larger than the recipient's mail system takes.", makeSmaller},
	{3, 5}:  {"The recipient's mail system is set up wrongly.", askRecipient},
	{4, 1}:  {"The recipient's mail system did not answer.", tryLater},
	{4, 2}:  {"The connection to the recipient's mail system broke.", tryLater},
	{4, 3}:  {"The directory that knows where mail for this address goes could not be asked.", tryLater},
	{4, 4}:  {"It could not be found out where mail for this domain goes.", checkAddress},
	{4, 5}:  {"The recipient's mail system is too busy.", tryLater},
	{4, 6}:  {"The message went round in a circle between mail systems.", "Tell the administrator of the recipient's domain: mail for this address is forwarded back to where it came from."},
	{4, 7}:  {"The message could not be delivered for too long, and its time is over.", tryLater},
	{5, 2}:  {"The two mail systems did not understand each other.", "Show this report to your own administrator."},
	{5, 3}:  {"The message had more recipients than the system takes at once.", "Send it to fewer people at a time."},
	{6, 1}:  {"The recipient's system does not take this kind of contents.", "Send it in another form, for instance with other attachments."},
	{6, 2}:  {"The contents would have to be converted on the way, which was not allowed.", "Send it in a simpler form, for instance as plain text."},
	{6, 3}:  {"The contents would have to be converted on the way, which could not be done.", "Send it in a simpler form, for instance as plain text."},
	{6, 7}:  {"The address or a header has letters that the recipient's mail system cannot handle.", "Ask the recipient for an address in plain Latin letters."},
	{7, 0}:  {"The recipient's system refused the message because of its rules.", "Its own words, if there are any, tell which. " + askRecipient},
	{7, 1}:  {"The recipient's system does not want this message, for instance because it looks like junk or because you are not allowed to write there.", askRecipient},
	{7, 2}:  {"You are not allowed to send to this mailing list.", "Ask the owner of the list."},
	{7, 3}:  {"The message would need a secure way that is not there.", "Show this report to your own administrator."},
	{7, 4}:  {"The message needs a protection that the recipient's system does not offer.", "Show this report to your own administrator."},
	{7, 5}:  {"A protected connection to the recipient's mail system could not be made.", "Show this report to your own administrator."},
	{7, 8}:  {"The name or password was not accepted.", "Check them in the settings of your mail program."},
	{7, 10}: {"A protected connection is needed.", "Switch on encryption in the settings of your mail program."},
	{7, 13}: {"This account is switched off.", "Ask its administrator."},
	{7, 20}: {"The message bears no valid signature of your domain (DKIM).", askAdmin},
	{7, 23}: {"Your domain does not allow the sending server to send for it (SPF).", askAdmin},
	{7, 25}: {"The sending server has no valid name in the DNS.", askAdmin},
	{7, 26}: {"The message passed no check that it really comes from your domain.", askAdmin},
	{7, 27}: {"Your own address, as sender, says that it takes no mail.", askAdmin},
	{7, 28}: {"Too many messages came from you or your system in a short time.", tryLater},
}
