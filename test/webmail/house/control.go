package house

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Control serves the house's control on a loopback port until the house is closed: POST /stop, /start, /stop-other, /start-other, and
// /deliver?from=&to= with a message. It gives the port's address, and a function that ends it.
func (h *House) Control() (address string, end func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	act := func(f func(*http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := f(r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, "done") //nolint:errcheck // a test that is gone
		}
	}
	mux.HandleFunc("POST /stop", act(func(*http.Request) error { return h.Stop() }))
	mux.HandleFunc("POST /start", act(func(r *http.Request) error { return h.Start(r.Context()) }))
	mux.HandleFunc("POST /stop-other", act(func(*http.Request) error { return h.StopOther() }))
	mux.HandleFunc("POST /start-other", act(func(r *http.Request) error { return h.StartOther(r.Context()) }))
	mux.HandleFunc("POST /deliver", act(func(r *http.Request) error {
		text, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
		if err != nil {
			return err
		}
		return h.Deliver(r.URL.Query().Get("from"), r.URL.Query().Get("to"), string(text))
	}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	return l.Addr().String(), func() error {
		err := server.Close()
		if e := <-done; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}, nil
}
