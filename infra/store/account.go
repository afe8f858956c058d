package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/postrider/postrider/mail"
)

// account is what the committer remembers of an account.
type account struct {
	id     mail.AccountID
	modseq uint64
	quota  int64
	used   int64
	dirty  bool // its own row must take the modseq
}

// account loads an account. NotFound.
func (l *ledger) account(id mail.AccountID) (*account, error) {
	if a := l.accounts[id]; a != nil {
		return a, nil
	}
	a := &account{id: id}
	found, err := l.conn.one(func(r row) {
		a.quota, a.modseq, a.used = r.int(0), uint64(r.int(1)), r.int(2)
	}, `SELECT a.quota, max(a.modseq, coalesce(max(m.modseq), 0)), coalesce(sum(m.size), 0)
		FROM account a LEFT JOIN mailbox m ON m.account = a.id WHERE a.id = ? GROUP BY a.id`, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noAccount(id)
	}
	l.accounts[id] = a
	return a, nil
}

func noAccount(id mail.AccountID) error {
	return mail.Errorf(mail.NotFound, "there is no account number %d", id)
}

// touch raises an account's modseq by one and gives it to the mailboxes that changed, or, without one, to the
// account's own row.
func (l *ledger) touch(a *account, boxes ...*box) uint64 {
	l.set.wrote = true
	a.modseq++
	for _, b := range boxes {
		b.modseq, b.dirty = a.modseq, true
	}
	if len(boxes) == 0 {
		a.dirty = true
	}
	l.tell(mail.Topic{Kind: mail.TopicAccount, Account: a.id})
	return a.modseq
}

// room checks an account's quota for n more octets.
func (a *account) room(n int64) error {
	if a.quota > 0 && a.used+n > a.quota {
		return mail.Errorf(mail.OverQuota, "the mailbox is full: %d of %d octets are used, and %d more do not fit", a.used, a.quota, n)
	}
	return nil
}

func (l *ledger) addAccount(c mail.AddAccount) (mail.Result, error) {
	a := c.Account
	domain, err := l.ours(a.Address)
	if err != nil {
		return mail.Result{}, err
	}
	for _, has := range []func(mail.Path) (bool, error){l.hasAccount, l.hasAlias} {
		taken, err := has(a.Address)
		if err != nil {
			return mail.Result{}, err
		}
		if taken {
			return mail.Result{}, mail.Errorf(mail.Exists, "the address %s is taken", a.Address)
		}
	}
	boxes, err := newAccountBoxes(c.Mailboxes)
	if err != nil {
		return mail.Result{}, err
	}
	if a.Created.IsZero() {
		a.Created = l.now()
	}
	l.last.account++
	id := mail.AccountID(l.last.account)
	_, err = l.exec(`INSERT INTO account (id, address, domain, name, quota, modseq, disabled, admin, created, forgotten) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, 0)`,
		id, a.Address, domain, a.Name, a.Quota, a.Disabled, a.Admin, micros(a.Created))
	if err != nil {
		return mail.Result{}, err
	}
	acc := &account{id: id, modseq: 1, quota: a.Quota}
	l.accounts[id] = acc
	l.tell(mail.Topic{Kind: mail.TopicAccount, Account: id})
	for _, b := range boxes {
		if _, err := l.makeMailbox(acc, b); err != nil {
			return mail.Result{}, err
		}
	}
	return mail.Result{Account: id, ModSeq: acc.modseq}, nil
}

// newAccountBoxes checks an account's first mailboxes.
func newAccountBoxes(list []mail.NewMailbox) ([]mail.NewMailbox, error) {
	inbox := false
	out := make([]mail.NewMailbox, 0, len(list))
	for _, b := range list {
		name, err := cleanName(b.Name)
		if err != nil {
			return nil, err
		}
		b.Name = name
		switch {
		case name == mail.Inbox && (b.Use == mail.UseInbox || b.Use == mail.NoUse):
			b.Use, inbox = mail.UseInbox, true
		case name == mail.Inbox || b.Use == mail.UseInbox:
			return nil, mail.Errorf(mail.Invalid, "the use %q and the name %q do not go together", b.Use, name)
		}
		out = append(out, b)
	}
	if !inbox {
		return nil, mail.Errorf(mail.Invalid, "a new account needs an %s", mail.Inbox)
	}
	slices.SortStableFunc(out, func(a, b mail.NewMailbox) int { return strings.Compare(a.Name, b.Name) }) // parents first
	return out, nil
}

func (l *ledger) updateAccount(c mail.UpdateAccount) (mail.Result, error) {
	a, err := l.account(c.Account.ID)
	if err != nil {
		return mail.Result{}, err
	}
	n := l.touch(a)
	a.quota = c.Account.Quota
	_, err = l.exec(`UPDATE account SET name = ?, quota = ?, disabled = ?, admin = ? WHERE id = ?`,
		c.Account.Name, c.Account.Quota, c.Account.Disabled, c.Account.Admin, a.id)
	return mail.Result{Account: a.id, ModSeq: n}, err
}

func (l *ledger) removeAccount(c mail.RemoveAccount) (mail.Result, error) {
	a, err := l.account(c.Account)
	if err != nil {
		return mail.Result{}, err
	}
	ids, err := l.mailboxIDs(a.id)
	if err != nil {
		return mail.Result{}, err
	}
	for _, id := range ids {
		if err := l.dropMailbox(id, 0); err != nil {
			return mail.Result{}, err
		}
	}
	for _, q := range []string{
		`DELETE FROM thread_key WHERE account = ?`,
		`DELETE FROM departed WHERE account = ?`,
		`DELETE FROM deleted_mailbox WHERE account = ?`,
		`DELETE FROM credential WHERE account = ?`,
		`DELETE FROM note WHERE account = ? AND account > 0`,
		`DELETE FROM account WHERE id = ?`,
	} {
		if _, err := l.exec(q, a.id); err != nil {
			return mail.Result{}, err
		}
	}
	delete(l.accounts, a.id)
	l.tell(mail.Topic{Kind: mail.TopicAccount, Account: a.id})
	return mail.Result{Account: a.id}, nil
}

func (l *ledger) putCredential(c mail.PutCredential) (mail.Result, error) {
	a, err := l.account(c.Credential.Account)
	if err != nil {
		return mail.Result{}, err
	}
	k := c.Credential
	if k.Created.IsZero() {
		k.Created = l.now()
	}
	n := l.touch(a)
	_, err = l.exec(`INSERT INTO credential (account, label, hash, salt, iterations, stored_key, server_key, scope, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account, label) DO UPDATE SET hash = excluded.hash, salt = excluded.salt, iterations = excluded.iterations,
			stored_key = excluded.stored_key, server_key = excluded.server_key, scope = excluded.scope, created = excluded.created, expires = excluded.expires`,
		a.id, k.Label, k.Hash, k.Salt, k.Iterations, k.StoredKey, k.ServerKey, int64(k.Scope), micros(k.Created), micros(k.Expires))
	return mail.Result{Account: a.id, ModSeq: n}, err
}

func (l *ledger) removeCredential(c mail.RemoveCredential) (mail.Result, error) {
	a, err := l.account(c.Account)
	if err != nil {
		return mail.Result{}, err
	}
	there, err := l.conn.one(func(row) {}, `SELECT 1 FROM credential WHERE account = ? AND label = ?`, a.id, c.Label)
	if err != nil {
		return mail.Result{}, err
	}
	if !there {
		return mail.Result{}, mail.Errorf(mail.NotFound, "the account has no credential called %q", c.Label)
	}
	n := l.touch(a)
	_, err = l.exec(`DELETE FROM credential WHERE account = ? AND label = ?`, a.id, c.Label)
	return mail.Result{Account: a.id, ModSeq: n}, err
}

const selectAccounts = `SELECT a.id, a.address, a.name, a.quota, coalesce(sum(m.size), 0), coalesce(sum(m.messages), 0),
	max(a.modseq, coalesce(max(m.modseq), 0)), a.disabled, a.admin, a.created
	FROM account a LEFT JOIN mailbox m ON m.account = a.id`

// readAddress finds an address's account; 0 when there is none.
func (s *Store) readAddress(ctx context.Context, address mail.Path) (mail.AccountID, error) {
	return one(collect(ctx, s, func(r *sql.Rows) (id mail.AccountID, err error) {
		err = r.Scan(&id)
		return id, err
	}, `SELECT coalesce((SELECT id FROM account WHERE address = ?), 0)`, string(address)))(nil)
}

// readAccount reads an account with its mailboxes, in one statement so that both are of one state.
func (s *Store) readAccount(ctx context.Context, id mail.AccountID) (*knownAccount, error) {
	var a knownAccount
	list, err := collect(ctx, s, func(r *sql.Rows) (b knownBox, err error) {
		var created int64
		err = r.Scan(&a.ID, &a.Address, &a.Name, &a.Quota, &a.ModSeq, &a.Disabled, &a.Admin, &created, &b.ID, &b.Name, &b.Use, &b.modseq, &b.messages, &b.size)
		a.Created = fromMicros(created)
		return b, err
	}, `SELECT a.id, a.address, a.name, a.quota, a.modseq, a.disabled, a.admin, a.created, m.id, m.name, m.use, m.modseq, m.messages, m.size
		FROM account a JOIN mailbox m ON m.account = a.id WHERE a.id = ? ORDER BY m.name <> 'INBOX', m.name`, int64(id))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 { // each has an INBOX
		return nil, noAccount(id)
	}
	a.boxes = list
	for _, b := range list {
		a.Used += b.size
		a.Messages += b.messages
		a.ModSeq = max(a.ModSeq, b.modseq)
	}
	return &a, nil
}

// Accounts lists a domain's accounts, or all, by address.
func (s *Store) Accounts(ctx context.Context, domain string) ([]mail.Account, error) {
	if domain == "" {
		return s.accounts(ctx, selectAccounts+` GROUP BY a.id ORDER BY a.address`)
	}
	return s.accounts(ctx, selectAccounts+` WHERE a.domain = ? GROUP BY a.id ORDER BY a.address`, strings.ToLower(domain))
}

func (s *Store) accounts(ctx context.Context, query string, args ...any) ([]mail.Account, error) {
	return collect(ctx, s, func(r *sql.Rows) (a mail.Account, err error) {
		var created int64
		err = r.Scan(&a.ID, &a.Address, &a.Name, &a.Quota, &a.Used, &a.Messages, &a.ModSeq, &a.Disabled, &a.Admin, &created)
		a.Created = fromMicros(created)
		return a, err
	}, query, args...)
}

// Credentials lists an account's credentials by label; of an account that does not exist, NotFound.
func (s *Store) Credentials(ctx context.Context, id mail.AccountID) ([]mail.Credential, error) {
	list, err := collect(ctx, s, func(r *sql.Rows) (c mail.Credential, err error) {
		var created, expires int64
		err = r.Scan(&c.ID, &c.Account, &c.Label, &c.Hash, &c.Salt, &c.Iterations, &c.StoredKey, &c.ServerKey, &c.Scope, &created, &expires)
		c.Created, c.Expires = fromMicros(created), fromMicros(expires)
		return c, err
	}, `SELECT id, account, label, hash, salt, iterations, stored_key, server_key, scope, created, expires
		FROM credential WHERE account = ? ORDER BY label`, int64(id))
	if err != nil || len(list) > 0 {
		return list, err
	}
	_, err = s.Account(ctx, id)
	return nil, err
}
