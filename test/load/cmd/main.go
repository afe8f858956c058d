// Command cmd runs the load bench and writes its report: `go run ./test/load/cmd -h` lists the flags, docs/performance.md
// explains what is measured.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/postrider/postrider/test/load"
)

func main() {
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func do() error {
	o := load.Options{Log: os.Stderr}
	works := flag.String("works", strings.Join(load.Default(), ","), "what to measure; there are "+strings.Join(load.All(), ", "))
	flag.IntVar(&o.Rounds, "rounds", 5, "how often each system does everything")
	flag.BoolVar(&o.Quick, "quick", false, "do very little: a test of the bench, not of the systems")
	flag.StringVar(&o.Root, "dir", "", "where the systems keep their mail: a directory on the disk to measure (default: that for temporary files)")
	flag.StringVar(&o.DovecotFsync, "dovecot-fsync", "optimized", "Dovecot's mail_fsync: optimized or always")
	flag.StringVar(&o.Binary, "postrider", "", "the program to measure (default: build it)")
	flag.BoolVar(&o.Keep, "keep", false, "leave the systems' directories, for a look at their logs")
	cases := flag.String("cases", "", "measure only cases whose name this regular expression matches")
	raw := flag.String("json", "", "a file for all samples, as JSON")
	flag.StringVar(&o.Note, "note", "", "a sentence for the report, such as what else went on on the machine")
	from := flag.String("from", "", "files of earlier samples, parted by commas, that join the report; with -works \"\" nothing is measured anew")
	page := flag.String("out", "", "a Markdown page, whose part between markers is written anew, with a plot beside it; default: print the tables")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("what is %q? there are flags only", flag.Arg(0))
	}
	var err error
	if o.Cases, err = regexp.Compile(*cases); err != nil {
		return err
	}
	samples, err := read(*from)
	if err != nil {
		return err
	}
	fresh, failed := measure(o, *works)
	// What was measured before something failed is reported all the same.
	return errors.Join(failed, report(o, append(samples, fresh...), *raw, *page))
}

// measure does the works of this comma-separated list.
func measure(o load.Options, works string) (load.Samples, error) {
	if works == "" {
		return nil, nil
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	b, err := load.New(ctx, o)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	failed := b.Run(ctx, strings.Split(works, ","))
	return b.Samples(), failed
}

// read reads files that -json wrote.
func read(files string) (load.Samples, error) {
	var all load.Samples
	for _, path := range strings.FieldsFunc(files, func(r rune) bool { return r == ',' }) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var samples load.Samples
		if err := json.Unmarshal(text, &samples); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, samples...)
	}
	return all, nil
}

func report(o load.Options, samples load.Samples, raw, page string) error {
	if raw != "" {
		text, err := json.MarshalIndent(samples, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(raw, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	generated := load.Report(samples, load.Machine(o, samples))
	if page == "" {
		fmt.Print(generated)
		return nil
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text, err := load.Insert(string(old), generated)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(page, filepath.Ext(page))+".svg", []byte(load.Plot(samples)), 0o644)
}
