// Package httpapi is the way to a running server's operator: JSON over HTTP on a UNIX socket.
//
// It takes an admin.Operator and serves it (Serve); Client is an admin.Operator that asks a server so served. Each
// operation is one POST to a path of its own in the table of routes; request and reply are the types
// of package admin. An error is {"error": {"kind", "text"}}, and comes out of Client as the same mail.Error. Some operations stream:
// send, whose body is the request on one line and then the message as it is, and verify and a run of doctor, whose reply is one JSON
// object a line, progress first. Another way in to the same operations is a Face: admin/webapi is one.
//
// Serve says in the context of each request who asks, by the process at the other end of the connection.
//
// Invariants: the socket has mode 0600, and where the system tells who connects (Linux), only the server's own user and
// root are answered; request bodies are bounded and every connection has deadlines; a request with a field that the server
// does not know is refused instead of half done. It decides nothing.
package httpapi
