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
}

// TLS is the server's certificates. Without any it makes a self-signed one in the data directory, which is good
// for development only: mail programs will ask whether to trust it.
type TLS struct {
	Certificates []Certificate `toml:"certificate"`
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
	// here, such as one on this machine. What rests on signed answers is used only then.
	Trusted bool `toml:"trusted"`
	// Timeout is how long one question may take, repetitions included.
	Timeout Duration `toml:"timeout"`
}

// Accounts is what new and existing accounts get.
type Accounts struct {
	// Subaddress parts a user's name from a detail: with "+", mail for ann+lists@ is ann's. "" turns it off.
	Subaddress string `toml:"subaddress"`
	// DefaultQuota is how much mail a new account may hold. 0 is no limit.
	DefaultQuota Size `toml:"default_quota"`

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
