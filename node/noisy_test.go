package node_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// limited makes a submission at a node and returns the code of its refusal
// and when to come again.
func (c *cluster) limited(at, member string, notes ...[]byte) (code, again string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+at+"/v1/records", bytes.NewReader(notes[0]))
	must(c.t, err)
	resp, err := c.as(at, member).Raw(req)
	must(c.t, err)
	resp.Body.Close()
	if resp.StatusCode == http.StatusTooManyRequests {
		return "rate_limited", resp.Header.Get("Retry-After")
	}
	return resp.Status, resp.Header.Get("Retry-After")
}

// Who sends what is refused is cut short, wherever it sends it: at the leader,
// and through another node, which sends it on in that member's name. Others
// are served meanwhile, by the same nodes.
func TestRefusedMemberIsLimited(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	c := startCluster(t, func(id string, cfg *node.Config) {
		cfg.MaxRequests = 4000
		cfg.RateClock(func() time.Time { return begun }) // what was spent does not come back
	})
	leader, followers := c.leader(), c.followers()
	junk := make([][]byte, 2000)
	for i := range junk {
		junk[i] = []byte("junk")
	}
	ans, err := c.as(followers[0], other).Submit(t.Context(), junk...)
	must(t, err)
	for _, r := range ans.Records {
		if r.Status != "refused" {
			t.Fatalf("%+v", r)
		}
	}
	for _, at := range []string{leader, followers[0], followers[1]} {
		if code, again := c.limited(at, other, c.reading(newVIN(), 10)); code != "rate_limited" || again == "" {
			t.Errorf("%s answers %s, to come again in %q s", at, code, again)
		}
		c.ack(at, c.reading(newVIN(), 10)) // by another member
	}
	if n := c.metric(leader, "milepost_refusals_total"); n < 2000 {
		t.Errorf("%v refusals are counted", n)
	}
	// A member can't say that it sends for another one.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+leader+"/v1/records", bytes.NewReader(c.reading(newVIN(), 10)))
	must(t, err)
	req.Header.Set("Milepost-Member", dealer)
	resp, err := c.as(leader, other).Raw(req)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("in another's name: %s", resp.Status)
	}
}

// One member fills the leader with records that wait. It is told to come
// again, while there is still a place for another member.
func TestNoisyMemberLeavesRoom(t *testing.T) {
	t.Parallel()
	var holding atomic.Bool
	let := make(chan struct{})
	c := startCluster(t, func(id string, cfg *node.Config) {
		cfg.MaxHandled(160)
		cfg.Lie(node.Lies{Propose: func() error {
			if holding.Load() {
				<-let
			}
			return nil
		}})
	})
	leader := c.leader()
	bulk := c.readings(20)
	holding.Store(true)
	answers := make(chan error, 10)
	for range 5 { // 100 records, of which one member alone may have 80 under way
		go func() {
			_, err := c.as(leader, dealer).Submit(context.WithoutCancel(t.Context()), bulk...)
			answers <- err
		}()
	}
	refused(t, <-answers, "overloaded")
	quiet := make(chan error, 1)
	note := c.reading(newVIN(), 10)
	go func() {
		_, err := c.as(leader, other).Submit(context.WithoutCancel(t.Context()), note)
		quiet <- err
	}()
	c.eventually("the other's record waiting", func() bool { return c.Nodes[leader].Handled(other) == 1 })
	holding.Store(false)
	close(let)
	if err := <-quiet; err != nil && fault.Code(err) != "unknown" {
		t.Errorf("the other member: %v", err)
	}
	for range 4 {
		if err := <-answers; err != nil && !errors.Is(err, context.Canceled) && !outage(err) {
			t.Error(err)
		}
	}
	c.ack(leader, note)
	c.eventually("nothing being left", func() bool { return c.Nodes[leader].Handled(dealer) == 0 })
}
