package node

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// Bounds on clocks. A leader that is off proposes nothing; a node stores no
// entry from the future, for one batch sealed in the year 9999 would poison
// every later time.
const (
	maxLeaderSkew = 2 * time.Minute
	maxAhead      = 10 * time.Minute
	clockEvery    = time.Minute
)

// clock compares this node's time with that of the others.
type clock struct {
	now  func() time.Time
	ask  func(ctx context.Context) []time.Duration // how far the others are ahead of this node, those that answered
	peer int                                       // how many others there are

	mu      sync.Mutex
	checked time.Time // monotonic
	skew    time.Duration
	err     error
}

// ok returns nil if this node, as leader, may propose: its clock was within
// two minutes of the median of the nodes that answered, a minute ago at most.
func (c *clock) ok() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.checked.IsZero() && time.Since(c.checked) < clockEvery {
		return c.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	others := c.ask(ctx)
	c.checked = time.Now()
	all := append([]time.Duration{0}, others...)
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	c.skew = all[len(all)/2]
	if len(all)%2 == 0 {
		c.skew = (all[len(all)/2-1] + all[len(all)/2]) / 2
	}
	c.err = nil
	if c.skew > maxLeaderSkew || c.skew < -maxLeaderSkew {
		c.err = fault.New("clock", "", fmt.Sprintf("the leader's clock is %s off the nodes' median", c.skew.Round(time.Second))).
			WithHint("its operator must set the clock; the record was not stored, try again later")
	}
	return c.err
}

// reset makes the next ok ask anew: a new term has begun.
func (c *clock) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = time.Time{}
}
