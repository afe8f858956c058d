package load

import (
	"context"
	"fmt"
	"sync"
)

// workMemory names this work in samples.
const workMemory = "memory"

// measureMemory has many sessions send large messages at the same moment and looks at the peak of memory.
func measureMemory(ctx context.Context, b *Bench) error {
	sessions, size := b.pick(20, 1000), b.pick(64<<10, 1<<20)
	kase := memoryCase(sessions, size)
	message := plainMessage(size)
	for round := range min(b.Rounds, 3) {
		rigs, err := both(b, Spec{})
		if err != nil {
			return err
		}
		for _, r := range rigs { // one after the other, with the memory of the machine to itself
			stop, err := fleet(ctx, userNames(bases), r)
			if err != nil {
				return err
			}
			err = b.crowd(ctx, r, Sample{Work: workMemory, Case: kase, Round: round}, sessions, message)
			stop()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func memoryCase(sessions, size int) string {
	return fmt.Sprintf("%d busy SMTP sessions, messages of %d KB", sessions, size>>10)
}

// crowd opens all sessions and then has all of them send at once.
func (b *Bench) crowd(ctx context.Context, r Rig, s Sample, sessions int, message []byte) error {
	w, err := newWatcher(r, userNames(bases))
	if err != nil {
		return err
	}
	defer w.close()
	clients, err := dialAll(r, sessions)
	if err != nil {
		return err
	}
	return b.measure(ctx, r, s, sessions, func(map[string]float64) error {
		var together sync.WaitGroup
		together.Add(sessions)
		err := parallel(sessions, sessions, func(i int) error {
			together.Done()
			together.Wait()
			if _, err := clients[i].send(sender, []string{Address(base(i % bases))}, message); err != nil {
				return err
			}
			return clients[i].quit()
		})
		if err != nil {
			return err
		}
		for i := range sessions {
			w.expect(base(i%bases), 1)
		}
		return w.wait(ctx)
	})
}
