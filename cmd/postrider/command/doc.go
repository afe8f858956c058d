// Package command is the command line: what an operator types, and what they see.
//
// It takes arguments, streams and an environment (Env) from main, reads the configuration (infra/config), and asks a running
// server over its socket (admin/httpapi) or, when none runs, the store itself (Backend.Open, which app provides) to do
// what is wanted. serve and demo hand over to app. It decides nothing about mail.
//
// Invariants: standard output holds the answer alone, as text or with --json as one JSON value, errors included;
// everything else goes to standard error. An error is one sentence of what is wrong and one of what to do. Exit codes are
// those of ExitCodes. Nothing asks a question unless a person sits at a terminal. Passwords are taken from standard
// input or typed unseen, never from arguments, which other users can see.
package command
