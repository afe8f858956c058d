package smtp

import "bytes"

// TextCheck watches text that arrives in pieces, as the chunks of BDAT do, for a bare CR, a bare LF or a NUL. The zero
// value is ready.
type TextCheck struct {
	cr  bool // the last octet was a CR
	mid bool // the last octet did not end a line
}

// Check looks at the next piece and gives ErrBareCR, ErrBareLF, ErrNUL or nil.
func (t *TextCheck) Check(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if t.cr {
		if b[0] != '\n' {
			return ErrBareCR
		}
		t.cr, t.mid = false, false
		b = b[1:]
	}
	for n := 0; n < len(b); {
		i := bytes.IndexByte(b[n:], '\r')
		if i < 0 {
			t.mid = true
			return plain(b[n:])
		}
		if err := plain(b[n : n+i]); err != nil {
			return err
		}
		if n+i+1 == len(b) {
			t.cr, t.mid = true, true
			return nil
		}
		if b[n+i+1] != '\n' {
			return ErrBareCR
		}
		n += i + 2
		t.mid = false
	}
	return nil
}

func plain(b []byte) error {
	if bytes.IndexByte(b, '\n') >= 0 {
		return ErrBareLF
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return ErrNUL
	}
	return nil
}

// End says how the text ended: ErrBareCR behind a lone CR; open when its last line has no CR LF.
func (t *TextCheck) End() (open bool, err error) {
	if t.cr {
		return true, ErrBareCR
	}
	return t.mid, nil
}
