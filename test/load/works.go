package load

import (
	"context"
	"fmt"
)

// work is a task that every system gets.
type work struct {
	name     string
	run      func(context.Context, *Bench) error
	optional bool // not part of a run unless asked for
}

func works() []work {
	return []work{
		{name: workInbound, run: measureInbound},
		{name: workRelay, run: measureRelay},
		{name: workSubmission, run: measureSubmission},
		{name: workIMAP, run: measureIMAP},
		{name: workMailbox, run: measureMailbox},
		{name: workPOP3, run: measurePOP3},
		{name: workIdle, run: measureIdle},
		{name: workMemory, run: measureMemory},
		{name: workGrowth, run: measureGrowth, optional: true},
	}
}

// All names every work.
func All() []string {
	var names []string
	for _, w := range works() {
		names = append(names, w.name)
	}
	return names
}

// Default names the works that are done when none is asked for.
func Default() []string {
	var names []string
	for _, w := range works() {
		if !w.optional {
			names = append(names, w.name)
		}
	}
	return names
}

// Run does the works of these names, in their own order, and stops at the first that fails.
func (b *Bench) Run(ctx context.Context, names []string) error {
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	for _, w := range works() {
		if wanted[w.name] {
			delete(wanted, w.name)
			if err := w.run(ctx, b); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	for n := range wanted {
		return fmt.Errorf("there is no work %q", n)
	}
	return nil
}
