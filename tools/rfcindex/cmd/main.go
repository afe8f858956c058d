// Command cmd writes the RFC index of the tree it is run in: to standard output, or to the file named with -o.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/postrider/postrider/tools/rfcindex"
)

func main() {
	out := flag.String("o", "", "the file to write; standard output when empty")
	root := flag.String("root", ".", "the tree to read")
	flag.Parse()
	if err := run(*root, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root, out string) error {
	page, err := rfcindex.Page(os.DirFS(root))
	if err != nil {
		return err
	}
	if out == "" {
		_, err = os.Stdout.WriteString(page)
		return err
	}
	return os.WriteFile(out, []byte(page), 0o644)
}
