package inbound

import "net"

// NameOf is the search for a client's name, start to end.
func NameOf(n Names, a net.Addr) string {
	r := lookUp(n, a)
	defer r.end()
	return r.wait()
}
