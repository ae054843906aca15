package node

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
)

// Bounds on clocks. A leader that is off proposes nothing; a node stores no
// entry from the future, for one batch sealed in the year 9999 would poison
// every later time.
const (
	maxLeaderSkew = 2 * time.Minute
	maxAhead      = 10 * time.Minute
	clockEvery    = time.Minute
	clockTimeout  = 2 * time.Second // for the answers of the others
)

// clock compares this node's time with that of the others.
type clock struct {
	ask   func(ctx context.Context) []time.Duration // how far the others are ahead of this node, those that answered
	off   func(error)                               // told of each verdict against this node
	spawn func(func()) bool

	mu      sync.Mutex
	asking  chan struct{} // closed when the check under way is over; nil if there is none
	term    uint64        // of the verdict
	checked time.Time     // of the verdict, monotonic
	err     error         // the verdict
}

// ok returns nil if this node, as the leader of a term, may propose: its
// clock was within two minutes of the median of the nodes that answered. It
// waits for their answers before the first batch of a term only; later they
// are asked each minute beside the work, since a node that is down would
// hold everything up.
func (c *clock) ok(ctx context.Context, term uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.checked.IsZero() || c.term != term {
		asking := c.begin(term)
		c.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			c.mu.Lock()
			return errNoLeader
		}
		c.mu.Lock()
	}
	if time.Since(c.checked) >= clockEvery {
		c.begin(term)
	}
	return c.err
}

// begin has the others asked, unless that is under way. Called with mu held.
func (c *clock) begin(term uint64) <-chan struct{} {
	if c.asking != nil {
		return c.asking
	}
	asking := make(chan struct{})
	c.asking = asking
	c.spawn(func() {
		ctx, cancel := context.WithTimeout(context.Background(), clockTimeout)
		defer cancel()
		err := judgeClock(c.ask(ctx))
		if err != nil {
			c.off(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.term, c.checked, c.err, c.asking = term, time.Now(), err, nil
		close(asking)
	})
	return asking
}

// judgeClock takes how far the others are ahead of this node.
func judgeClock(others []time.Duration) error {
	all := append([]time.Duration{0}, others...)
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	skew := all[len(all)/2]
	if len(all)%2 == 0 {
		skew = (all[len(all)/2-1] + all[len(all)/2]) / 2
	}
	if skew <= maxLeaderSkew && skew >= -maxLeaderSkew {
		return nil
	}
	return fault.New("clock", "", fmt.Sprintf("the leader's clock is %s off the nodes' median", skew.Round(time.Second).Abs())).
		WithHint("its operator must set the clock; the record was not stored, try again later")
}

// checkClock refuses to propose with a clock that is off.
func (n *Node) checkClock(run *raftRun) error {
	if n.lie.clockUnchecked {
		return nil
	}
	return n.clock.ok(n.ctx, run.raft.CurrentTerm())
}

// clockOff lets another node lead, whose clock may be better.
func (n *Node) clockOff(err error) {
	n.log.Error("nothing is proposed", "err", err)
	if r := n.currentRaft(); r != nil && r.State() == raft.Leader {
		r.LeadershipTransfer()
	}
}

// Ahead asks how far a node's clock is ahead of the caller's. Half the time
// that the answer took is how far it may be off.
func (c *Client) Ahead(ctx context.Context, now func() time.Time) (time.Duration, error) {
	before := now()
	data, err := c.Get(ctx, "/v1/time")
	if err != nil {
		return 0, err
	}
	after := now()
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fault.New("unexpected", c.Address, "the node's answer is not a time").Because(err)
	}
	return t.Sub(before.Add(after.Sub(before) / 2)), nil
}
