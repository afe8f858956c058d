// Package rfcindex makes docs/rfc.md: which RFC the code claims to follow, section by section, and which tests prove it.
//
// It takes the Go sources of the tree and a small table (titles.tsv) that names every RFC we care about; it hands a Markdown
// page to the command in rfcindex/cmd and to the root's docs_test.go, which compares it with the committed one.
//
// A reference is written "RFC", a space, the number, and optionally a space and a section, as in "RFC 5321" with "4.5.4.1" behind
// it; more sections of the same RFC may follow after a comma or "and" when they have a dot. A reference in a file that is no test is a
// claim. One in a test file is a proof: of the test function it stands in or directly above, else of the whole file. A proof of a
// section proves claims of that section and of the sections around it; a proof without a section proves only the
// claim without one, and any proof of an RFC does that.
//
// Invariants: the same tree gives the same bytes; line numbers are left out so that the page changes only when a claim does; an RFC
// that the code names and the table does not is an error.
package rfcindex
