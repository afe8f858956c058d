package advice

import (
	"slices"
	"strings"
)

// rule is one kind of trouble. It fits when one of its words stands in the reply, or one of its codes is the reply's; with both set and, both must.
type rule struct {
	words   []string // in lower case
	codes   []string // enhanced codes without their class: "1.1"
	basic   []string // basic codes, where there is no enhanced one
	both    bool
	ours    bool // of sentences of ours alone
	waiting string
	failed  string
	link    string
}

func (r rule) fits(w Words) bool {
	if r.ours && !w.ours {
		return false
	}
	said := slices.ContainsFunc(r.words, func(s string) bool { return strings.Contains(w.lower, s) })
	coded := w.Enhanced != "" && slices.Contains(r.codes, w.Enhanced[2:]) || w.Enhanced == "" && slices.Contains(r.basic, w.Code)
	if r.both {
		return said && coded
	}
	return said || coded
}

func words(s string) []string { return strings.Split(s, "|") }

// rules are looked at in order: what words say for certain comes before what codes say roughly.
var rules = []rule{
	{words: words("spamhaus|spamcop|barracudacentral|blocked using|block list|blocklist|blacklist|dnsbl|rbl |s3140|s3150|is listed|listed in|listed at|listed on|poor reputation of the ip|ip reputation|5.7.606|5.7.511"),
		waiting: "A blocklist has the address that this server sends from: tell whoever runs this server; it is tried again meanwhile.",
		failed:  "A blocklist has the address that this server sends from: tell whoever runs this server, and reach the recipient another way until it is off the list.",
		link:    "blocklisted"},
	{words: words("ptr record|reverse dns|rdns|reverse hostname|reverse lookup|no ptr|hostname lookup"), codes: words("7.25"),
		waiting: "The address that this server sends from has no name in the DNS: tell whoever runs this server; it is tried again meanwhile.",
		failed:  "The address that this server sends from has no name in the DNS: tell whoever runs this server, and send it again once that is mended.",
		link:    "no-ptr"},
	{words: words("greylist|graylist|grey-list|gray-list|greylisted|postgrey"),
		waiting: "Nothing is to be done: the other side wants to see whether this server tries again, and it does within minutes.",
		failed:  "The other side put it off again and again: send it once more, and if that does not help ask the recipient to let you in.",
		link:    "greylisted"},
	{words: words("over quota|overquota|mailbox full|mailbox is full|quota exceeded|exceeded storage|out of storage|out of quota|not enough room|over its quota"), codes: words("2.2"),
		waiting: "The recipient's mailbox is full: it is tried again, but tell them another way that they have to make room.",
		failed:  "The recipient's mailbox is full: tell them another way that they have to make room, then send it again.",
		link:    "quota-full"},
	{words: words("message size|size limit|too large|too big|exceeds the maximum size|exceeds size|larger than"), codes: words("3.4|2.3"),
		waiting: "The message is too large for the other side: send it again with a link in place of the attachment.",
		failed:  "The message is too large for the other side: send a link in place of the attachment, or make it smaller.",
		link:    "too-large"},
	{words: words("smtputf8|8bitmime|international"), codes: words("6.7|6.3"),
		waiting: "The other side takes no letters beyond English ones in addresses: write to another address of the recipient.",
		failed:  "The other side takes no letters beyond English ones in addresses: write to another address of the recipient.", link: ""},
	{words: words("virus|malware|infected|attachment|executable|potential security issue|file type"),
		waiting: "The other side does not take such an attachment: send it another way.",
		failed:  "The other side does not take such an attachment: send it another way, or without.", link: ""},
	{words: words("dmarc"), codes: words("7.26"),
		waiting: "The other side cannot see that the mail is truly from your domain: tell whoever runs this server to look at its DMARC.",
		failed:  "The other side cannot see that the mail is truly from your domain: tell whoever runs this server to look at its DMARC, then send it again.",
		link:    "dmarc"},
	{words: words("dkim"), codes: words("7.20|7.21|7.22"),
		waiting: "The other side finds no signature of your domain that it believes: tell whoever runs this server to look at its DKIM.",
		failed:  "The other side finds no signature of your domain that it believes: tell whoever runs this server to look at its DKIM, then send it again.",
		link:    "dkim"},
	{words: words("spf |spf-|sender policy framework|spf:|spf check|(spf)"), codes: words("7.23|7.24"),
		waiting: "Your domain's SPF record does not name this server: tell whoever runs this server to put it in.",
		failed:  "Your domain's SPF record does not name this server: tell whoever runs this server to put it in, then send it again.",
		link:    "spf"},
	{words: words("unauthenticated|not authenticated|sender authentication|authentication check"),
		waiting: "The other side cannot see that the mail is truly from your domain: tell whoever runs this server to look at SPF, DKIM and DMARC.",
		failed:  "The other side cannot see that the mail is truly from your domain: tell whoever runs this server to look at SPF, DKIM and DMARC.",
		link:    "lands-in-spam"},
	{words: words("spam|junk mail|unsolicited|bulk mail|content rejected|message content|low reputation|bad reputation|reputation of|suspicious|phish|policy reasons"),
		waiting: "The other side takes the message for spam: it is tried again, but it may help to write it plainer, with fewer links and pictures.",
		failed:  "The other side takes the message for spam: write it plainer, with fewer links and pictures, and ask the recipient to put you into their contacts.",
		link:    "lands-in-spam"},
	{words: words("rate limit|ratelimit|rate-limit|too many|too fast|throttl|at a rate|limit exceeded|exceeded the limit|temporarily deferred|unusual rate|temporary rate"), codes: words("7.28|5.3"),
		waiting: "Nothing is to be done: the other side wants less mail at a time, and it is tried again later.",
		failed:  "The other side wants less mail at a time: wait for some hours and send it again.",
		link:    "rate-limited"},
	{words: words("going round in a loop|mail loop|loops back|loop detected|too many hops|hop count|this very server|routing loop"), codes: words("4.6"),
		waiting: "Two hosts send the mail back to each other: tell whoever runs this server, and the recipient.",
		failed:  "Two hosts send the mail back to each other: tell whoever runs this server, and reach the recipient another way.",
		link:    "loops"},
	{words: words("takes no mail|does not accept mail|null mx|nullmx|no mail is accepted"), basic: words("521|556"),
		waiting: "That domain takes no mail at all: ask the recipient for another address.",
		failed:  "That domain takes no mail at all: ask the recipient for another address.", link: "mx"},
	{words: words("mta-sts|dane|tlsa|requiretls|certificate|starttls|tls "), codes: words("7.10|7.30|7.4|7.5"),
		waiting: "A connection as safe as is asked for cannot be made: it is tried again, and the other side's postmaster has to mend it.",
		failed:  "A connection as safe as was asked for cannot be made: the other side's postmaster has to mend it; until then reach the recipient another way.",
		link:    "tls-fails"},
	{words: words("the host|the domain|no such domain|domain not found|unrouteable|unroutable|bad destination|has no address"), codes: words("1.2|4.4"), both: false, ours: true,
		waiting: "What stands behind the @ cannot be found now: look for a typing mistake; it is tried again.",
		failed:  "What stands behind the @ is no place that takes mail: look for a typing mistake, or ask the recipient for the right address.",
		link:    "mx"},
	{words: words("relay access denied|relaying denied|not permitted to relay|unable to relay|relay not permitted|relaying not allowed|we do not relay|relay denied"),
		waiting: "The host that the DNS names does not take mail for that domain: look for a typing mistake; it is tried again.",
		failed:  "The host that the DNS names does not take mail for that domain: look for a typing mistake; if there is none, only the recipient's postmaster can mend it.",
		link:    "relay-denied"},
	{words: words("no such user|user unknown|unknown user|no such mailbox|no such recipient|recipient not found|unknown recipient|invalid recipient|mailbox not found|user not found|no mailbox here|unknown mailbox|no such address|address does not exist|account does not exist|mailbox unavailable|does not like recipient|recipient address rejected|nobody here|not a valid mailbox|no longer exists|unknown local part|unknown address|no such person"),
		codes:   words("1.1|1.10|1.3|1.6|1.0"),
		waiting: "The other side does not know the address now: look for a typing mistake; it is tried again.",
		failed:  "There is no such address there: look for a typing mistake, or ask the recipient for the right one."},
	{words: words("no such domain|domain not found|unrouteable|unroutable|bad destination"), codes: words("1.2|4.4"),
		waiting: "The other side does not know that domain: look for a typing mistake; it is tried again.",
		failed:  "The other side does not know that domain: look for a typing mistake, or ask the recipient for the right address.", link: "mx"},
	{words: words("disabled|deactivated|suspended|inactive|not active|account is locked|switched off"), codes: words("2.1"),
		waiting: "The recipient's mailbox is switched off now: it is tried again, but ask them for another address.",
		failed:  "The recipient's mailbox is switched off: ask them for another address."},
	{words: words("authentication required|must authenticate|authentication failed|credentials|log in"), codes: words("7.8"), basic: words("530|535"),
		waiting: "The host that this server hands its mail to wants another login: tell whoever runs this server.",
		failed:  "The host that this server hands its mail to wants another login: tell whoever runs this server.",
		link:    "authentication-fails"},
	{words: words("took too long|cannot connect|could not be reached|cannot be reached|can be reached|timed out|timeout|connection to|connection refused|was closed|no route to host|network is unreachable"),
		codes:   words("4.1|4.2|4.7"),
		waiting: "Nothing is to be done: the other side's host does not answer now, and it is tried again.",
		failed:  "The other side's host did not answer for all that time: send it again, or reach the recipient another way.",
		link:    "port-25-blocked"},
	{words: words("dns|cannot be looked up|bogus|servfail|name server|nameserver"), codes: words("4.3"),
		waiting: "The other side's domain cannot be looked up now: it is tried again; look for a typing mistake meanwhile.",
		failed:  "The other side's domain could not be looked up for all that time: look for a typing mistake, or reach the recipient another way.",
		link:    "resolver"},
	{words: words("not authorized|not allowed|access denied|only accepts|restricted|sender rejected|sender denied|not permitted|blocked by|administrative|prohibited|rejected by"),
		codes:   words("7.1|7.2|7.0|7.133|7.57"),
		waiting: "The other side does not want mail from you to this recipient now: its words tell why, and it is tried again.",
		failed:  "The other side does not take mail from you for this recipient: its words tell why; ask them another way to have you let in."},
	{codes: words("3.0|3.1|3.2|3.5|5.0|2.0|0.0"), basic: words("421|450|451|452|454"),
		waiting: "Nothing is to be done: the other side has a trouble of its own, and it is tried again.",
		failed:  "The other side has a trouble of its own: send it again later."},
}
