package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// workPOP3 names this work in samples.
const workPOP3 = "pop3"

// measurePOP3 fetches every message of a mailbox over POP3, one command at a time.
func measurePOP3(ctx context.Context, b *Bench) error {
	rigs, err := both(b, Spec{})
	if err != nil {
		return err
	}
	stop, err := fleet(ctx, []string{base(0)}, rigs...)
	if err != nil {
		return err
	}
	defer stop()
	n := b.pick(50, 10_000)
	for _, r := range rigs {
		if err := fill(ctx, r, base(0), n); err != nil {
			return err
		}
	}
	for round := range b.Rounds {
		for _, r := range rigs {
			s := Sample{Work: workPOP3, Case: fmt.Sprintf("fetch %d messages", n), Round: round}
			if err := b.measure(ctx, r, s, n, func(map[string]float64) error { return fetchAll(r.Addr(POP3), base(0), n) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchAll logs in, checks that there are n messages, and reads all of them.
func fetchAll(addr, name string, n int) error {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * patience)); err != nil {
		return err
	}
	in := bufio.NewReaderSize(conn, 16<<10)
	reply := func() (string, error) {
		line, err := in.ReadSlice('\n')
		if err == nil && !bytes.HasPrefix(line, []byte("+OK")) {
			err = fmt.Errorf("refused: %s", bytes.TrimSpace(line))
		}
		return string(line), err
	}
	if _, err := reply(); err != nil {
		return err
	}
	var stat string
	for _, command := range []string{"USER " + Address(name), "PASS " + Password, "STAT"} {
		if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
			return err
		}
		if stat, err = reply(); err != nil {
			return err
		}
	}
	var there int
	if _, err := fmt.Sscanf(stat, "+OK %d", &there); err != nil || there != n {
		return fmt.Errorf("STAT says %q, there should be %d messages", stat, n)
	}
	for i := 1; i <= n; i++ {
		if _, err := io.WriteString(conn, "RETR "+strconv.Itoa(i)+"\r\n"); err != nil {
			return err
		}
		if _, err := reply(); err != nil {
			return err
		}
		if err := skipBody(in); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(conn, "QUIT\r\n"); err != nil {
		return err
	}
	_, err = reply()
	return err
}
