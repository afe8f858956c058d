// Package terminal is mail for people at a terminal: a program of screens to read, answer and file mail, and plain prints for pipes.
//
// It takes a JMAP account (Mail, Post, a channel of news; package ua/client is all of them) and hands out a Model for bubbletea, or text. Searches are read
// by ua/terminal/query; every text of a message goes through ua/terminal/plain before it is shown.
//
// Invariants:
//
//   - No control character, escape sequence or turn of the writing direction that comes with mail reaches the terminal, a pager, an editor, or the name
//     of a file.
//   - A list is a window: so many lines are kept as fit on some screens, whatever the mailbox holds.
//   - Update never waits: what takes time is a command, and what comes of one that is no longer wanted is dropped.
//   - A letter is not lost: until it is sent, kept as a draft, or given up by the person, the program has it.
//   - Files that are saved replace nothing, and are readable by their owner alone.
//
// RFCs: RFC 8621 (mail), RFC 5322 3.6.4 (references of answers), RFC 3676 4.3 (signatures).
package terminal
