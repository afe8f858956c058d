package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/postrider/postrider/mail"
)

func (l *ledger) hasDomain(name string) (bool, error) {
	return l.conn.one(func(row) {}, `SELECT 1 FROM domain WHERE name = ?`, name)
}

func (l *ledger) addDomain(c mail.AddDomain) error {
	d := c.Domain
	if d.Name == "" {
		return mail.Errorf(mail.Invalid, "a domain must have a name")
	}
	there, err := l.hasDomain(d.Name)
	if err != nil {
		return err
	}
	if there {
		return mail.Errorf(mail.Exists, "the domain %s exists already", d.Name)
	}
	if d.Created.IsZero() {
		d.Created = l.now()
	}
	_, err = l.exec(`INSERT INTO domain (name, catch_all, created) VALUES (?, ?, ?)`, d.Name, d.CatchAll, micros(d.Created))
	return err
}

func (l *ledger) updateDomain(c mail.UpdateDomain) error {
	there, err := l.hasDomain(c.Domain.Name)
	if err != nil {
		return err
	}
	if !there {
		return noDomain(c.Domain.Name)
	}
	_, err = l.exec(`UPDATE domain SET catch_all = ? WHERE name = ?`, c.Domain.CatchAll, c.Domain.Name)
	return err
}

func (l *ledger) removeDomain(c mail.RemoveDomain) error {
	there, err := l.hasDomain(c.Name)
	if err != nil {
		return err
	}
	if !there {
		return noDomain(c.Name)
	}
	used, err := l.conn.one(func(row) {},
		`SELECT 1 FROM account WHERE domain = ?1 UNION ALL SELECT 1 FROM alias WHERE domain = ?1 LIMIT 1`, c.Name)
	if err != nil {
		return err
	}
	if used {
		return mail.Errorf(mail.Conflict, "accounts or aliases still have addresses in %s; remove them first", c.Name)
	}
	_, err = l.exec(`DELETE FROM domain WHERE name = ?`, c.Name)
	return err
}

func noDomain(name string) error {
	return mail.Errorf(mail.NotFound, "%s is not a domain of this system", name)
}

// ours checks that an address is whole and in a domain of ours, and gives the domain.
func (l *ledger) ours(a mail.Path) (string, error) {
	local, domain := a.Split()
	if local == "" || domain == "" {
		return "", mail.Errorf(mail.Invalid, "%q is not an address; it must read name@domain", string(a))
	}
	there, err := l.hasDomain(domain)
	if err != nil {
		return "", err
	}
	if !there {
		return "", noDomain(domain)
	}
	return domain, nil
}

func (l *ledger) hasAccount(address mail.Path) (bool, error) {
	return l.conn.one(func(row) {}, `SELECT 1 FROM account WHERE address = ?`, address)
}

func (l *ledger) hasAlias(address mail.Path) (bool, error) {
	return l.conn.one(func(row) {}, `SELECT 1 FROM alias WHERE address = ?`, address)
}

func (l *ledger) putAlias(c mail.PutAlias) error {
	a := c.Alias
	domain, err := l.ours(a.Address)
	if err != nil {
		return err
	}
	if len(a.Targets) == 0 {
		return mail.Errorf(mail.Invalid, "the alias %s needs at least one target", a.Address)
	}
	taken, err := l.hasAccount(a.Address)
	if err != nil {
		return err
	}
	if taken {
		return mail.Errorf(mail.Exists, "%s is an account's address", a.Address)
	}
	targets, err := json.Marshal(a.Targets)
	if err != nil {
		return err
	}
	if a.Created.IsZero() {
		a.Created = l.now()
	}
	_, err = l.exec(`INSERT INTO alias (address, domain, targets, created) VALUES (?, ?, ?, ?)
		ON CONFLICT (address) DO UPDATE SET targets = excluded.targets, created = excluded.created`,
		a.Address, domain, string(targets), micros(a.Created))
	return err
}

func (l *ledger) removeAlias(c mail.RemoveAlias) error {
	there, err := l.hasAlias(c.Address)
	if err != nil {
		return err
	}
	if !there {
		return mail.Errorf(mail.NotFound, "%s is not an alias", c.Address)
	}
	_, err = l.exec(`DELETE FROM alias WHERE address = ?`, c.Address)
	return err
}

func (s *Store) readDomain(ctx context.Context, name string) (mail.Domain, error) {
	list, err := s.domains(ctx, `SELECT name, catch_all, created FROM domain WHERE name = ?`, name)
	if err != nil {
		return mail.Domain{}, err
	}
	if len(list) == 0 {
		return mail.Domain{}, noDomain(name)
	}
	return list[0], nil
}

// Domains lists all domains by name.
func (s *Store) Domains(ctx context.Context) ([]mail.Domain, error) {
	return s.domains(ctx, `SELECT name, catch_all, created FROM domain ORDER BY name`)
}

func (s *Store) domains(ctx context.Context, query string, args ...any) ([]mail.Domain, error) {
	return collect(ctx, s, func(r *sql.Rows) (d mail.Domain, err error) {
		var created int64
		err = r.Scan(&d.Name, &d.CatchAll, &created)
		d.Created = fromMicros(created)
		return d, err
	}, query, args...)
}

func noAlias(address mail.Path) error {
	return mail.Errorf(mail.NotFound, "%s is not an alias", address)
}

func (s *Store) readAlias(ctx context.Context, address mail.Path) (mail.Alias, error) {
	list, err := s.aliases(ctx, `SELECT address, targets, created FROM alias WHERE address = ?`, string(address))
	if err != nil {
		return mail.Alias{}, err
	}
	if len(list) == 0 {
		return mail.Alias{}, noAlias(address)
	}
	return list[0], nil
}

// Aliases lists a domain's aliases, or all, by address.
func (s *Store) Aliases(ctx context.Context, domain string) ([]mail.Alias, error) {
	if domain == "" {
		return s.aliases(ctx, `SELECT address, targets, created FROM alias ORDER BY address`)
	}
	return s.aliases(ctx, `SELECT address, targets, created FROM alias WHERE domain = ? ORDER BY address`, domain)
}

func (s *Store) aliases(ctx context.Context, query string, args ...any) ([]mail.Alias, error) {
	return collect(ctx, s, func(r *sql.Rows) (a mail.Alias, err error) {
		var created int64
		var targets []byte
		if err = r.Scan(&a.Address, &targets, &created); err != nil {
			return a, err
		}
		a.Created = fromMicros(created)
		if err := json.Unmarshal(targets, &a.Targets); err != nil {
			return a, errors.Join(mail.Errorf(mail.Internal, "the targets of alias %s cannot be read", a.Address), err)
		}
		return a, nil
	}, query, args...)
}
