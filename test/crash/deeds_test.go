package crash

import (
	"fmt"
	"maps"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/test/lab"
)

func keys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }

// store changes flags of a few messages.
func (o *owner) store() error {
	b := o.any()
	uids, err := o.pick(b, 4)
	if err != nil || len(uids) == 0 {
		return err
	}
	flag := []string{`\Seen`, `\Flagged`, `\Answered`, "$note", "work"}[o.rng.IntN(5)]
	sign := []string{"+", "-", ""}[o.rng.IntN(3)]
	var seen uint64
	d := deed{fmt.Sprintf("store of %s%s in %s for %v", sign, flag, b.name, uids), func(o *owner) {
		b := o.box(b.name)
		for _, u := range uids {
			m := b.messages[u].clone()
			switch sign {
			case "+":
				m.flags[flag] = true
			case "-":
				delete(m.flags, flag)
			default:
				m.flags = map[string]bool{flag: true}
			}
			b.messages[u] = m
		}
		b.modseq = max(b.modseq, seen)
	}}
	return o.attempt(d, func() (bool, error) {
		list, _, err := o.imap.do(fmt.Sprintf("UID STORE %s %sFLAGS (%s)", set(uids), sign, flag), "")
		for _, a := range list {
			seen = max(seen, number(`MODSEQ \((\d+)\)`, a.text))
		}
		return true, err
	})
}

// expunge marks a few messages as deleted and expunges them: two deeds.
func (o *owner) expunge() error {
	b := o.any()
	uids, err := o.pick(b, 12)
	if err != nil || len(uids) == 0 {
		return err
	}
	mark := deed{fmt.Sprintf("mark of %v in %s", uids, b.name), func(o *owner) {
		for _, u := range uids {
			m := o.box(b.name).messages[u].clone()
			m.flags[`\Deleted`] = true
			o.box(b.name).messages[u] = m
		}
	}}
	err = o.attempt(mark, func() (bool, error) {
		_, _, err := o.imap.do("UID STORE "+set(uids)+` +FLAGS.SILENT (\Deleted)`, "")
		return true, err
	})
	if err != nil {
		return err
	}
	return o.attempt(removal("expunge", b.name, uids), func() (bool, error) {
		_, _, err := o.imap.do("UID EXPUNGE "+set(uids), "")
		return true, err
	})
}

func removal(how, name string, uids []uint32) deed {
	return deed{fmt.Sprintf("%s of %v in %s", how, uids, name), func(o *owner) {
		for _, u := range uids {
			delete(o.box(name).messages, u)
		}
	}}
}

// copy copies or moves a few messages to another of the owner's mailboxes, or the same.
func (o *owner) copy(move bool) error {
	from, to := o.any(), o.any()
	if move && from == to {
		return o.read(from)
	}
	uids, err := o.pick(from, 5)
	if err != nil || len(uids) == 0 {
		return err
	}
	slices.Sort(uids)
	verb := "COPY"
	if move {
		verb = "MOVE"
	}
	var fresh []uint32
	d := deed{fmt.Sprintf("%s of %v from %s to %s", verb, uids, from.name, to.name), func(o *owner) {
		from, to := o.box(from.name), o.box(to.name)
		for i, u := range uids {
			m := from.messages[u].clone()
			m.modseq = 0
			if move {
				delete(from.messages, u)
			}
			if fresh != nil {
				to.place(m, fresh[i])
			} else {
				to.arrive(m)
			}
		}
	}}
	next := to.next
	return o.attempt(d, func() (bool, error) {
		list, tagged, err := o.imap.do(fmt.Sprintf("UID %s %s %s", verb, set(uids), to.name), "")
		if err != nil {
			return true, err
		}
		for _, text := range append(texts(list), tagged) {
			_, code, ok := strings.Cut(text, "[COPYUID ")
			if !ok {
				continue
			}
			parts := strings.Fields(strings.TrimRight(strings.SplitN(code, "]", 2)[0], "]"))
			if len(parts) == 3 && slices.Equal(expand(parts[1]), uids) {
				fresh = expand(parts[2])
			}
		}
		switch {
		case len(fresh) != len(uids):
			return true, fmt.Errorf("%w: %s %v: no COPYUID for them in %q, %q", errWrong, verb, uids, texts(list), tagged)
		case slices.Min(fresh) < next:
			return true, fmt.Errorf("%w: %s: COPYUID gives %v, but UIDNEXT was %d", errWrong, verb, fresh, next)
		}
		return true, nil
	})
}

// pop deletes the first message of the INBOX by POP3, where a deletion happens at the end (RFC 1939 6).
func (o *owner) pop() error {
	b := o.boxes[0]
	if err := o.read(b); err != nil {
		return err
	}
	all := b.uids()
	if len(all) == 0 {
		return nil
	}
	raw, err := net.DialTimeout("tcp", o.h.addr(lab.POP3), lab.Patience)
	if err != nil {
		return err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(lab.Patience))
	c := textproto.NewConn(raw)
	say := func(command string) (string, error) {
		if command != "" {
			if err := c.PrintfLine("%s", command); err != nil {
				return "", err
			}
		}
		line, err := c.ReadLine()
		if err == nil && !strings.HasPrefix(line, "+OK") {
			err = fmt.Errorf("%w: POP3 %.10s: %s", errRefused, command, line)
		}
		return line, err
	}
	for _, command := range []string{"", "USER " + o.user, "PASS " + password} {
		if _, err := say(command); err != nil {
			return err
		}
	}
	stat, err := say("STAT")
	if err != nil {
		return err
	}
	if n := number(`^\+OK (\d+)`, stat); n != uint64(len(all)) {
		return fmt.Errorf("%w: POP3 counts %d messages, there are %d", errWrong, n, len(all))
	}
	if _, err := say("DELE 1"); err != nil {
		return err
	}
	return o.attempt(removal("POP3 deletion", b.name, all[:1]), func() (bool, error) {
		_, err := say("QUIT")
		return true, err
	})
}

// check compares everything with the journal after a restart. What was open has happened or not, and is settled. The error says that
// the server could not be asked; nothing is settled then.
func (o *owner) check() error {
	if err := o.connect(); err != nil {
		return fmt.Errorf("%s cannot log in after the restart: %w", o.user, err)
	}
	defer o.hangUp()
	var state []shown
	for _, b := range o.boxes {
		s, err := look(o.imap, b.name)
		if err != nil {
			return fmt.Errorf("%s: %s cannot be read after the restart: %w", o.user, b.name, err)
		}
		state = append(state, s)
	}
	d := o.open
	o.open = nil
	wrong, before := o.judge(state)
	if len(wrong) > 0 && d != nil {
		other, save := *o, o.boxes
		other.boxes = nil
		for _, b := range save {
			other.boxes = append(other.boxes, b.clone())
		}
		d.apply(&other)
		var with []string
		if with, before = other.judge(state); len(with) == 0 {
			o.happened++
			o.relayed, o.letters = other.relayed, other.letters
			wrong = nil
		} else {
			wrong = append(append(wrong, "and had "+d.what+" happened:"), with...)
		}
	}
	if len(wrong) > 0 {
		o.t.Errorf("%s:\n\t%s", o.user, strings.Join(wrong, "\n\t"))
		return nil
	}
	o.boxes = before
	return nil
}

// judge compares copies of all boxes with what is shown, and gives them with what was learnt.
func (o *owner) judge(state []shown) (wrong []string, boxes []*box) {
	for i, b := range o.boxes {
		b = b.clone()
		wrong = append(wrong, b.compare(state[i])...)
		boxes = append(boxes, b)
	}
	return wrong, boxes
}
