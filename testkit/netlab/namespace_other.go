//go:build !linux

package netlab

import (
	"errors"
	"syscall"
)

func inNamespace(string, func() error) error {
	return errors.New("netlab: network namespaces are a thing of Linux")
}

func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
