package smtpd

import (
	"errors"
	"io"

	"github.com/postrider/postrider/proto/smtp"
)

// bdat obeys the first BDAT of a message (RFC 3030 2); the others are obeyed inside chunks, while the session reads. One
// that does not fit, or comes after the message was refused, is read, thrown away and answered with 503.
func (c *conversation) bdat(first *smtp.Bdat) {
	c.grow()
	if !c.mayHaveData() {
		c.skip(first.Size)
		return
	}
	c.tx.bdat = true
	k := &chunks{c: c, left: first.Size, size: first.Size, last: first.Last}
	b := &body{src: k, max: c.cfg.MaxSize}
	replies := c.deliver(b)
	if b.cause == nil && replies[0].Code/100 == 2 {
		// Taken without being read to the end: what is left must still be well formed.
		for b.cause == nil {
			_, b.cause = k.Next()
		}
	}
	switch {
	case c.closing: // an error among the commands between chunks, or stopping
	case c.pending != nil: // RSET and its like ended the message, and are still to be answered
	case k.lost != nil:
		c.lost(k.lost)
	default:
		c.skip(k.left)
		if !c.closing {
			replies = c.verdict(b, k.violation, replies)
			if !k.last {
				replies = replies[:1] // RFC 2033 4.2 speaks of the last chunk only
			}
			c.answer(replies)
		}
	}
	c.endTransaction()
}

// skip reads over the rest of a chunk.
func (c *conversation) skip(n int64) {
	if n > c.cfg.drainLimit() {
		c.close(smtp.Errorf(421, "4.3.0", "the chunk is too large to be skipped"))
		return
	}
	for n > 0 {
		b, err := c.in.Next(int(min(n, largeBuffer)))
		if err != nil {
			c.lost(err)
			return
		}
		n -= int64(len(b))
	}
}

// chunks gives the text of a message that comes by BDAT. When a chunk is used up it answers for it and obeys the
// commands that follow, up to the next BDAT: the session sees one stream and no goroutine is needed.
type chunks struct {
	c         *conversation
	size      int64 // of the chunk at hand
	left      int64 // of it, to be read
	last      bool
	check     smtp.TextCheck
	closed    bool  // the missing end of the last line was supplied
	violation error // bare CR, bare LF or NUL
	lost      error // the connection failed
}

// errEnded is what the session reads when the client gave up or started anew between two chunks.
var errEnded = errors.New("smtpd: the client ended the transaction")

// Next implements pieces.
func (k *chunks) Next() ([]byte, error) {
	for k.left == 0 {
		if k.last {
			return k.finish()
		}
		if err := k.nextChunk(); err != nil {
			return nil, err
		}
	}
	b, err := k.c.in.Next(int(min(k.left, largeBuffer)))
	if err != nil {
		k.lost = err
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	k.left -= int64(len(b))
	if k.violation = k.check.Check(b); k.violation != nil {
		return nil, k.violation
	}
	return b, nil
}

// finish ends the text. A last line without CR LF gets one: the session is promised lines.
func (k *chunks) finish() ([]byte, error) {
	if k.closed {
		return nil, io.EOF
	}
	open, err := k.check.End()
	if err != nil {
		k.violation = err
		return nil, err
	}
	k.closed = true
	if open {
		return []byte("\r\n"), nil
	}
	return nil, io.EOF
}

// nextChunk answers for the chunk that was read and obeys commands up to the next BDAT.
func (k *chunks) nextChunk() error {
	c := k.c
	c.reply(smtp.Errorf(250, "2.0.0", "%d octets received", k.size))
	for !c.closing {
		c.blockTime = 0
		line, err := c.readLine(smtp.MaxAuthLine, false)
		if err != nil && !isLineError(err) {
			k.lost = err
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if err != nil {
			c.badLine(err)
			continue
		}
		switch smtp.VerbOf(line) {
		case smtp.RSET, smtp.QUIT, smtp.EHLO, smtp.HELO, smtp.LHLO:
			c.pending = append([]byte{}, line...)
			return errEnded
		case smtp.BDAT:
			cmd, err := smtp.Parse(line)
			if err != nil || c.doom != nil {
				c.obey(line) // answers and closes
				return errEnded
			}
			b := cmd.(*smtp.Bdat)
			k.size, k.left, k.last = b.Size, b.Size, b.Last
			c.blockTime = c.cfg.Timeouts.DataBlock
			return nil
		}
		c.obey(line)
	}
	return errEnded
}

func isLineError(err error) bool {
	for _, e := range []error{smtp.ErrLineTooLong, smtp.ErrLineEndless, smtp.ErrBareCR, smtp.ErrBareLF, smtp.ErrNUL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
