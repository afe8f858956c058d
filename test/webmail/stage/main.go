// Command stage starts a whole Postrider with people and mail in it, and a second one to write to, and says where its webmail is,
// for people who work on the webmail. Everything is on loopback and in a directory that is removed at the end.
//
//	go run ./test/webmail/stage [-dist DIR] [-many N] [-v]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/postrider/postrider/test/webmail/house"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	dist := flag.String("dist", "", "a directory with another build of the webmail")
	many := flag.Int("many", 0, "how many messages "+house.Big+" has")
	loud := flag.Bool("v", false, "write the log to standard error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "postrider-stage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory of our own
	o := house.Options{Dir: dir, Dist: *dist, Many: *many}
	if *loud {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	h, err := house.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = h.Close() }()
	control, end, err := h.Control()
	if err != nil {
		return err
	}
	defer end() //nolint:errcheck // it ends with us
	facts := h.Facts("http://" + control)
	facts["chromium"] = fmt.Sprintf("--no-sandbox --host-resolver-rules=\"MAP *.example 127.0.0.1\" --ignore-certificate-errors-spki-list=%s", h.Pin())
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(facts); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
