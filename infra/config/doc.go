// Package config is the configuration of one Postrider process: one TOML file, every key with a sane default.
//
// It takes a file's text (Load) or nothing at all (Development) and hands app a Config whose
// every value has been judged by Validate. It starts nothing and looks at no other file, save the one a
// password is read from when app asks for it.
//
// Invariants: an unknown key, a wrong type or a value that cannot work is refused with file, line, column and
// a sentence that says what to do; all problems are told at once, not only the first. The text of the reference
// (Reference, Markdown) is made of the comments in keys.go, so it cannot differ from what the
// program reads. Settings meant for test benches ([lab]) are refused unless every listener is on
// loopback. The configuration holds no secret: passwords stand in files that it names.
package config
