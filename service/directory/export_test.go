package directory

import "context"

// Waiting is how many uses are not written yet.
func (c *Clients) Waiting() int { return len(c.queue) }

// Drain writes what waits, as Run does.
func (c *Clients) Drain(ctx context.Context) {
	for {
		select {
		case u := <-c.queue:
			if err := c.write(ctx, u); err != nil {
				panic(err)
			}
		default:
			return
		}
	}
}
