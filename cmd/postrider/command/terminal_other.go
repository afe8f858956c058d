//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package command

import (
	"errors"
	"os"
)

func hideTyping(*os.File) (show func(), err error) {
	return nil, errors.New("not known how on this system")
}
