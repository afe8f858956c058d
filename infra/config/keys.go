package config

// Config is the whole configuration. The comments of this file are the text of the reference: the name
// of a field stands for its key.
type Config struct {
	// Data is the directory that holds everything the server keeps: database, mail, queue, certificates it made, and the
	// socket its operator commands use. It is made when it does not exist. A relative path counts from the directory
	// of the configuration file.
	Data string `toml:"data"`
	// Hostname is the name this host calls itself in greetings, Received fields and reports. Other hosts expect it to be
	// a full name that DNS knows and that the address's reverse entry names. By default it is the machine's own
	// name when that is a full one, else "localhost".
	Hostname string `toml:"hostname"`

	Log    Log    `toml:"log"`
	Listen Listen `toml:"listen"`
	TLS    TLS    `toml:"tls"`
	// SMTP is what is taken from other hosts that bring mail.
	SMTP SMTPServer `toml:"smtp"`
	// Submission is what is taken from users' programs that hand in mail, on both its ports.
	Submission SMTPServer `toml:"submission"`
	// LMTP is what is taken from a foreign mail server in front.
	LMTP     SMTPServer `toml:"lmtp"`
	Relay    Relay      `toml:"relay"`
	IMAP     IMAP       `toml:"imap"`
	POP3     POP3       `toml:"pop3"`
	Queue    Queue      `toml:"queue"`
	Outbound Outbound   `toml:"outbound"`
	Routes   []Route    `toml:"route"`
	DNS      DNS        `toml:"dns"`
	DKIM     DKIM       `toml:"dkim"`
	Judge    Judge      `toml:"judge"`
	Junk     Junk       `toml:"junk"`
	Scan     Scan       `toml:"scan"`
	Limits   Limits     `toml:"limits"`
	Reports  Reports    `toml:"reports"`
	Publish  Publish    `toml:"publish"`
	Doctor   Doctor     `toml:"doctor"`
	Accounts Accounts   `toml:"accounts"`
	Lab      Lab        `toml:"lab"`
}

// Log is what the server says about itself, on standard error.
type Log struct {
	// Level is the least important kind of line that is written: debug, info, warn or error.
	Level string `toml:"level"`
	// Format is text, json, or auto: text on a terminal and json elsewhere.
	Format string `toml:"format"`
}

// Listen is where the server waits for connections. Each key is an address or a list of them, written "host:port";
// ":25" is port 25 of all addresses, port 0 is any free port. "" or [] turns a service off.
type Listen struct {
	// SMTP is where mail from other hosts comes in (port 25).
	SMTP Addresses `toml:"smtp"`
	// Submission is where users' programs hand in mail, with STARTTLS (port 587).
	Submission Addresses `toml:"submission"`
	// Submissions is the same over TLS from the first octet (port 465), which RFC 8314 prefers.
	Submissions Addresses `toml:"submissions"`
	// LMTP is where a foreign mail server in front hands over mail for our users, unauthenticated: keep it
	// on loopback or a private network. It is off unless set.
	LMTP Addresses `toml:"lmtp"`
	// LMTPSocket is the path of a UNIX socket for the same. A relative path counts from the data directory.
	LMTPSocket string `toml:"lmtp_socket"`
	// LMTPSocketMode is who may connect to that socket, as the octal permissions of a file. Who can, hands over mail for our
	// users: "0660" lets in our own user and group, "0666" everybody who can reach its directory.
	LMTPSocketMode string `toml:"lmtp_socket_mode"`
	// IMAP is where users' programs read mail, with STARTTLS (port 143).
	IMAP Addresses `toml:"imap"`
	// IMAPS is the same over TLS from the first octet (port 993).
	IMAPS Addresses `toml:"imaps"`
	// POP3 is where programs fetch mail, with STLS (port 110).
	POP3 Addresses `toml:"pop3"`
	// POP3S is the same over TLS from the first octet (port 995).
	POP3S Addresses `toml:"pop3s"`
	// HTTP is where certificate authorities look whether a name is ours, and where mail programs ask for their settings
	// (port 80). Everything else there is sent on to HTTPS.
	HTTP Addresses `toml:"http"`
	// HTTPS is where the webmail, the administration and JMAP are, where other hosts read our MTA-STS policy and mail programs their
	// settings (port 443).
	HTTPS Addresses `toml:"https"`
	// Metrics is where Prometheus reads figures, without TLS or password: keep it on loopback or a private network.
	// It is off unless set.
	Metrics Addresses `toml:"metrics"`
	// ProxyFrom are networks or addresses of proxies in front, which may say for whom they connect (PROXY protocol,
	// versions 1 and 2), on all services.
	ProxyFrom []string `toml:"proxy_from"`
}

// TLS is the server's certificates: files, or certificates it gets and renews itself (ACME). Without either it makes a
// self-signed one in the data directory, which is good for development only: mail programs will ask whether to trust it.
type TLS struct {
	// MTASTS is what we ask of hosts that send to our domains, in the policy that listen.https serves: enforce (TLS with a valid certificate, or the
	// mail waits), testing (only report), or none.
	MTASTS string `toml:"mta_sts"`

	Certificates []Certificate `toml:"certificate"`
	ACME         ACME          `toml:"acme"`
}

// ACME is how certificates are fetched from an authority such as Let's Encrypt, and renewed (RFC 8555). They are for hostname, for
// the names that mail programs and other hosts use below our domains, and for those listed here.
type ACME struct {
	// Enabled turns it on.
	Enabled bool `toml:"enabled"`
	// Email is where the authority writes to when something is wrong. It may be empty.
	Email string `toml:"email"`
	// Directory is the authority's address; "" is Let's Encrypt's.
	Directory string `toml:"directory"`
	// Challenges are the ways to show that a name is ours, tried in turn: tls-alpn (port 443), http (port 80), dns (with [publish]).
	Challenges []string `toml:"challenges"`
	// Names are further names to have on certificates.
	Names []string `toml:"names"`
	// RootsFile is a PEM file of authorities to trust when the directory is asked, for one that is private; "" is the system's.
	RootsFile string `toml:"roots_file"`
}

// Certificate is one certificate with its key. The first one that fits the name a client asks for is shown, else the first.
type Certificate struct {
	// Cert is the path of a PEM file: the certificate, then those between it and the root.
	Cert string `toml:"cert"`
	// Key is the path of the PEM file of its private key.
	Key string `toml:"key"`
}

// SMTPServer is what one of the services that speak SMTP takes from its clients.
type SMTPServer struct {
	// MaxMessageSize is the largest message taken, header included; clients are told it as SIZE (RFC 1870).
	MaxMessageSize Size `toml:"max_message_size"`
	// MaxRecipients is how many recipients one message may have here; RFC 5321 4.5.3.1.8 asks for 100 at least.
	MaxRecipients int `toml:"max_recipients"`
	// MaxConnections is how many connections may be open at once; one more is told to come back later. 0 is no limit.
	MaxConnections int `toml:"max_connections"`
	// MaxConnectionsPerIP is how many of them one address may have. 0 is no limit.
	MaxConnectionsPerIP int `toml:"max_connections_per_ip"`
	// CommandTimeout is how long a client may be silent between commands (RFC 5321 4.5.3.2.7 asks for 5 minutes).
	CommandTimeout Duration `toml:"command_timeout"`
	// DataTimeout is how long a client may be silent inside a message.
	DataTimeout Duration `toml:"data_timeout"`
	// MaxErrors is after how many commands that failed a connection is closed. 0 is no limit.
	MaxErrors int `toml:"max_errors"`
}

// Relay is for machines that send mail through this host without logging in, such as printers and application servers.
type Relay struct {
	// Networks may send to any domain over port 25, with any sender: list only what you trust, as "192.0.2.0/24" or a
	// single address. All others can reach only your own users there.
	Networks []string `toml:"networks"`
}

// IMAP is the service that shows users their mail.
type IMAP struct {
	// IdleTimeout is how long a logged-in client may be silent (RFC 9051 5.4 asks for 30 minutes at least).
	IdleTimeout Duration `toml:"idle_timeout"`
	// LoginTimeout is how long a client may take to log in.
	LoginTimeout Duration `toml:"login_timeout"`
	// MaxMessageSize is the largest message a client may store.
	MaxMessageSize Size `toml:"max_message_size"`
	// MaxConnections is how many connections may be open at once. 0 is no limit.
	MaxConnections int `toml:"max_connections"`
	// MaxConnectionsPerIP is how many of them one address may have. 0 is no limit.
	MaxConnectionsPerIP int `toml:"max_connections_per_ip"`
}

// POP3 is the service that lets programs fetch mail.
type POP3 struct {
	// IdleTimeout is how long a client may be silent (RFC 1939 3 asks for 10 minutes at least).
	IdleTimeout Duration `toml:"idle_timeout"`
	// MaxConnections is how many connections may be open at once. 0 is no limit.
	MaxConnections int `toml:"max_connections"`
	// MaxConnectionsPerIP is how many of them one address may have. 0 is no limit.
	MaxConnectionsPerIP int `toml:"max_connections_per_ip"`
}

// Queue is how mail that could not be handed on at once is tried again.
type Queue struct {
	// RetryFirst is the wait after the first attempt that failed for now; each later wait is longer.
	RetryFirst Duration `toml:"retry_first"`
	// RetryMax is the longest wait between two attempts.
	RetryMax Duration `toml:"retry_max"`
	// Expire is after how long mail that nobody took goes back to its sender (RFC 5321 4.5.4.1 asks for 4 to 5 days).
	Expire Duration `toml:"expire"`
	// DelayWarning is after how long the sender is told, once, that the mail is still waiting. 0 never tells.
	DelayWarning Duration `toml:"delay_warning"`
	// Concurrency is how many attempts to hand mail on run at the same time.
	Concurrency int `toml:"concurrency"`
	// PerRoute is how many of them may be to one domain or host.
	PerRoute int `toml:"per_route"`
}

// Outbound is how mail for other hosts leaves.
type Outbound struct {
	// Port is the port of other hosts.
	Port int `toml:"port"`
	// Hello is the name said to other hosts; "" is hostname.
	Hello string `toml:"hello"`
	// TLS is how much encryption is asked of hosts that no route names: opportunistic (used when offered), require (or the mail
	// waits), verify (with a certificate that is valid for the host, or it waits) or none.
	TLS TLSPolicy `toml:"tls"`
	// ConnectTimeout is how long a connection to another host may take to open.
	ConnectTimeout Duration `toml:"connect_timeout"`
	// DANE obeys what domains with DNSSEC say about the certificates of their mail hosts (RFC 7672).
	DANE bool `toml:"dane"`
	// MTASTS obeys what domains publish about TLS on the web (RFC 8461).
	MTASTS bool `toml:"mta_sts"`
	// RootsFile is a PEM file of authorities to trust beside the system's when other hosts must prove their names; "" is none.
	RootsFile string `toml:"roots_file"`

	Smarthost Smarthost `toml:"smarthost"`
}

// Smarthost is one host that all mail without a route of its own is handed to, instead of the recipient's own mail
// host. It is what to use where the network does not let port 25 out.
type Smarthost struct {
	// Host is the host's name; "" is none.
	Host string `toml:"host"`
	// Port is its port.
	Port int `toml:"port"`
	// TLS is none, opportunistic, require, verify, or implicit: TLS from the first octet (port 465), verified.
	TLS TLSPolicy `toml:"tls"`
	// Username is who we log in as; "" does not log in.
	Username string `toml:"username"`
	// PasswordFile is the path of a file whose first line is the password. Nobody but the server's user should be able to read it.
	PasswordFile string `toml:"password_file"`
}

// Route sends the mail of one domain to a host of our choice; DNS is not asked for its mail hosts then.
type Route struct {
	// Domain is the recipients' domain, or "*.example.com" for all below example.com.
	Domain string `toml:"domain"`
	// Host is where its mail goes, as "host:port".
	Host string `toml:"host"`
	// TLS is as in [outbound]; "" is the same as there.
	TLS TLSPolicy `toml:"tls"`
}

// DNS is who is asked for names.
type DNS struct {
	// Servers are the addresses of the resolvers, as "192.0.2.1" or "192.0.2.1:53"; [] are those of the machine.
	Servers []string `toml:"servers"`
	// Trusted says that these resolvers check DNSSEC and that nobody can change their answers on the way
	// here, such as one on this machine. Their word counts then.
	Trusted bool `toml:"trusted"`
	// Validate checks DNSSEC here, from the root's key down, whatever the resolvers can; they only need to hand on the records.
	Validate bool `toml:"validate"`
	// Anchors are keys to trust in place of the root's published ones, as DS records in the form of zone files.
	Anchors []string `toml:"anchors"`
	// Exempt are domains whose signatures are not checked, such as private ones below a signed public one.
	Exempt []string `toml:"exempt"`
	// Timeout is how long one question may take, repetitions included.
	Timeout Duration `toml:"timeout"`
}

// DKIM is how mail of our domains is signed (RFC 6376).
type DKIM struct {
	// Enabled makes keys for every domain of ours, and signs with them. Others believe the signatures once the keys' records are in the DNS.
	Enabled bool `toml:"enabled"`
	// RotateEvery is the age at which a signing key makes room for a new one; 0 is only when asked: postrider dkim rotate. New keys
	// have to be published before they are used: where [publish] names no provider, that is done by hand.
	RotateEvery Duration `toml:"rotate_every"`
}

// Judge is how far mail from other hosts is believed: SPF, DKIM, DMARC and the client's name.
type Judge struct {
	// Enabled turns it on.
	Enabled bool `toml:"enabled"`
	// Within is how long the judgement of one message may take; what is not known by then does not count against the message.
	Within Duration `toml:"within"`
	// HonourReject refuses mail that fails DMARC where the owner of its domain wants that; else it is filed as junk.
	HonourReject bool `toml:"honour_reject"`
	// JunkSPFFail files as junk what has no DMARC policy and no valid signature and comes from a host that SPF forbids.
	JunkSPFFail bool `toml:"junk_spf_fail"`
	// Forwarders are networks that our users have mail sent on from; what comes from there is accepted whatever DMARC says.
	Forwarders []string `toml:"forwarders"`
	// Trusted are networks whose mail is not judged at all, nor looked at for junk. Networks that may relay are among them anyway.
	Trusted []string `toml:"trusted"`
}

// Junk is how mail that nobody asked for is told from other mail.
type Junk struct {
	// Enabled turns it on.
	Enabled bool `toml:"enabled"`
	// Threshold is the score from which on mail is filed in Junk. The trail of a message shows its score and what it is made of.
	Threshold float64 `toml:"threshold"`
	// Refuse is the score from which on mail is refused in the session; 0 refuses none.
	Refuse float64 `toml:"refuse"`
	// Lists are DNS lists of addresses that send junk, with what a listing adds to the score, as "zen.spamhaus.org=4".
	Lists []string `toml:"lists"`
	// DomainLists are DNS lists of domains, written likewise.
	DomainLists []string `toml:"domain_lists"`
}

// Scan is other programs that look at mail while it comes in.
type Scan struct {
	// Rspamd is the address of rspamd's worker, as "http://127.0.0.1:11333"; "" is none.
	Rspamd string `toml:"rspamd"`
	// ClamAV is where clamd listens, as "127.0.0.1:3310" or the path of a socket; "" is none. Mail it finds something in is refused.
	ClamAV string `toml:"clamav"`
	// Milters are asked in turn, as "127.0.0.1:8891" or "unix:/run/opendkim/opendkim.sock".
	Milters []string `toml:"milters"`
	// Timeout is how long each of them may take for one message.
	Timeout Duration `toml:"timeout"`
	// Required refuses mail for now (451) while one of them does not answer; else the mail is taken and the trail says so.
	Required bool `toml:"required"`
}

// Limits is how much one client, account or sender may do. 0 is no limit.
type Limits struct {
	// ConnectionsPerMinute is how many connections a network (an IPv4 /24 or IPv6 /56) may begin in a minute on the SMTP port.
	ConnectionsPerMinute int `toml:"connections_per_minute"`
	// MessagesPerMinute is how many messages such a network may bring in a minute.
	MessagesPerMinute int `toml:"messages_per_minute"`
	// SenderMessagesPerHour is how many messages one outside sender address may send to our users in an hour.
	SenderMessagesPerHour int `toml:"sender_messages_per_hour"`
	// AccountRecipientsPerDay is how many recipients an account may send to in a day.
	AccountRecipientsPerDay int `toml:"account_recipients_per_day"`
	// AccountNewRecipientsPerDay is how many of them may be people the account never wrote to.
	AccountNewRecipientsPerDay int `toml:"account_new_recipients_per_day"`
	// LoginFailures is how many wrong passwords an address may try in LoginWindow before it is banned for BanFor. Somebody
	// who has logged in from there with the right password is not locked out by others' guesses.
	LoginFailures int `toml:"login_failures"`
	// LoginWindow is the time in which failures count.
	LoginWindow Duration `toml:"login_window"`
	// BanFor is how long the first ban lasts; each further one is twice as long, up to a week.
	BanFor Duration `toml:"ban_for"`
}

// Reports is what we tell the owners of other domains about mail in their name, and about TLS to their hosts.
type Reports struct {
	// DMARC sends a daily report to each domain that asks for it (RFC 9990).
	DMARC bool `toml:"dmarc"`
	// TLS sends a daily report to each domain that asks for it (RFC 8460).
	TLS bool `toml:"tls"`
	// Address is the sender of reports, and where reports about our domains are received; "" is "postmaster@" the hostname's
	// domain for sending, and "tlsrpt@" and "dmarc@" each of our domains for receiving.
	Address string `toml:"address"`
}

// Publish is the DNS that setup, key rotation and certificates write records to, so that nobody has to do it by hand.
type Publish struct {
	// Provider is rfc2136, cloudflare, hetzner, desec, gandi or porkbun; "" is none: records are then printed.
	Provider string `toml:"provider"`
	// SecretFile is the path of a file whose first line is the provider's token, or the secret of the TSIG key for rfc2136.
	SecretFile string `toml:"secret_file"`
	// Server is the primary name server for rfc2136, as "192.0.2.1:53".
	Server string `toml:"server"`
	// KeyName is the name of the TSIG key for rfc2136.
	KeyName string `toml:"key_name"`
	// KeyAlgorithm is its algorithm: hmac-sha256, hmac-sha512 or hmac-sha1.
	KeyAlgorithm string `toml:"key_algorithm"`
}

// Doctor is the checks that the server makes of its own set-up, from the outside in. postrider doctor makes them at once.
type Doctor struct {
	// Every is how often they are made; 0 is never.
	Every Duration `toml:"every"`
	// Lists are DNS lists on which our own addresses are looked for.
	Lists []string `toml:"lists"`
	// Reach are mail hosts outside that are connected to, to see whether port 25 is open outward: "host:port" each.
	Reach []string `toml:"reach"`
	// TimeURLs are web pages whose servers' clocks ours is compared with; [] compares with nobody's.
	TimeURLs []string `toml:"time_urls"`
}

// Accounts is what new and existing accounts get.
type Accounts struct {
	// Subaddress parts a user's name from a detail: with "+", mail for ann+lists@ is ann's. "" turns it off.
	Subaddress string `toml:"subaddress"`
	// DefaultQuota is how much mail a new account may hold. 0 is no limit.
	DefaultQuota Size `toml:"default_quota"`
	// OneClick says that the web addresses in our people's List-Unsubscribe fields take a POST as a leave (RFC 8058): the field that lets
	// readers' programs show a button, which large providers ask of newsletters, is added where it is missing.
	OneClick bool `toml:"one_click"`

	Mailboxes Mailboxes `toml:"mailboxes"`
}

// Mailboxes are the mailboxes made for a new account beside INBOX, by what they are for. "" makes none.
type Mailboxes struct {
	// Drafts is for messages that are being written.
	Drafts string `toml:"drafts"`
	// Sent is for messages that were sent.
	Sent string `toml:"sent"`
	// Junk is for mail nobody asked for.
	Junk string `toml:"junk"`
	// Trash is for what was thrown away.
	Trash string `toml:"trash"`
	// Archive is for what was put aside.
	Archive string `toml:"archive"`
	// More are further mailboxes; "/" parts their levels.
	More []string `toml:"more"`
}

// Lab is for test benches only. Any of these settings is refused unless every listener is on loopback.
type Lab struct {
	// AllowAuthWithoutTLS lets clients log in over connections that are not encrypted.
	AllowAuthWithoutTLS bool `toml:"allow_auth_without_tls"`
	// NoLimits lifts the limits on connections, rates and errors of all services.
	NoLimits bool `toml:"no_limits"`
	// RouteAll is one "host:port" that all outgoing mail is sent to, whatever its domain.
	RouteAll string `toml:"route_all"`
	// Webmail is a directory with another build of the webmail to serve; "" is the built-in one.
	Webmail string `toml:"webmail"`
	// Hosts says where connections to a mail host really go: a name on the left, "host:port" on the right.
	Hosts map[string]string `toml:"hosts"`
	// DNS is a zone of our own. When it holds anything, nobody else is asked, and a name that it lacks does not exist.
	DNS map[string]Records `toml:"dns"`
}

// Records are the DNS records of one name.
type Records struct {
	// A are IPv4 addresses.
	A []string `toml:"a"`
	// AAAA are IPv6 addresses.
	AAAA []string `toml:"aaaa"`
	// MX are mail hosts, as "10 mx.example.test"; "0 ." says that there are none (RFC 7505).
	MX []string `toml:"mx"`
	// TXT are texts.
	TXT []string `toml:"txt"`
	// CNAME is the name this one stands for; it excludes the others.
	CNAME string `toml:"cname"`
	// PTR are the names an IP address says it has; the name on the left is the address then.
	PTR []string `toml:"ptr"`
	// Fail makes every question about the name fail for now, as a broken name server does.
	Fail bool `toml:"fail"`
}
