package scan

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/mail"
)

// endpoint is where a program listens.
type endpoint struct{ network, address string }

// parseEndpoint reads an address of the configuration.
func parseEndpoint(what, text string) (endpoint, error) {
	path, isUnix := strings.CutPrefix(text, "unix:")
	if isUnix || strings.HasPrefix(text, "/") {
		if path == "" || strings.ContainsRune(path, 0) {
			return endpoint{}, mail.Errorf(mail.Invalid, "%q is not where %s listens: the path of the socket is missing", text, what)
		}
		return endpoint{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(text, "tcp:"))
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || n == 0 || host == "" {
		return endpoint{}, mail.Errorf(mail.Invalid, "%q is not where %s listens; write host and port as \"127.0.0.1:3310\", or the path of a socket", text, what)
	}
	return endpoint{"tcp", net.JoinHostPort(host, port)}, nil
}

func (e endpoint) String() string { return e.address }

// dial connects, with all deadlines those of ctx. The connection ends when ctx does; stop ends that watch.
func (e endpoint) dial(ctx context.Context) (conn net.Conn, stop func() bool, err error) {
	var d net.Dialer
	conn, err = d.DialContext(ctx, e.network, e.address)
	if err != nil {
		return nil, nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end) //nolint:errcheck // the watch below ends it too
	}
	return conn, context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }), nil //nolint:errcheck // it was closed, then
}

// cause prefers the reason why ctx ended to what that did to the connection.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
