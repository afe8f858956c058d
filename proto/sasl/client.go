package sasl

// Client is the client's side of one exchange. It is used once, by one goroutine.
type Client interface {
	// Start names the mechanism and gives the initial response; nil means that there is none.
	Start() (mechanism string, initial []byte, err error)
	// Next answers a challenge.
	Next(challenge []byte) (response []byte, err error)
	// Finish is asked when the server reports success. An error means that the server did not prove what the mechanism
	// demands of it, and the connection must not be trusted.
	Finish() error
}

// Reveals reports whether a mechanism shows the password to the server, so that it belongs inside TLS only.
func Reveals(mechanism string) bool { return mechanism == Plain || mechanism == Login }
