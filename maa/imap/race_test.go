//go:build race

package imap

// raceEnabled: the race detector's own memory is in what tests measure.
const raceEnabled = true
