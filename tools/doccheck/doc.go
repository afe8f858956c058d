// Package doccheck finds what the documentation says and the tree does not have.
//
// Links looks at every relative link of a Markdown page: the file must exist, and the heading too where the link has one. Names
// looks at every name in backquotes that reads like Go, such as a folder, a dot and a function: the folder must be a package that
// declares it. The root's docs_test.go gives them the pages; each finding is a sentence with the page and the line.
//
// Invariants: nothing is left out silently; text in fenced blocks is an example and no link; nothing outside the tree is asked.
package doccheck
