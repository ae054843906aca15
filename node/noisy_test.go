package node_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
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
	c.eventually("an answer", func() bool {
		ans, err := c.as(followers[0], other).Submit(t.Context(), junk...)
		if err != nil {
			return fault.Code(err) == "rate_limited" // an answer was lost
		}
		for _, r := range ans.Records {
			if r.Status != "refused" {
				t.Fatalf("%+v", r)
			}
		}
		return true
	})
	cut := func(at string) bool {
		code, again := c.limited(at, other, c.reading(newVIN(), 10))
		return code == "rate_limited" && again != ""
	}
	c.eventually("being cut short there", func() bool { return cut(followers[0]) })
	c.eventually("being cut short by whoever led", func() bool {
		return slices.ContainsFunc([]string{leader, "lyon", "turin", "leeds"}, func(at string) bool { return at != followers[0] && cut(at) })
	})
	for _, at := range []string{leader, followers[0]} {
		c.ack(at, c.reading(newVIN(), 10)) // by another member
	}
	if !c.said(followers[0], "a caller is cut short") {
		t.Error("its log does not say so")
	}
	// A member can't say that it sends for another one.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+followers[0]+"/v1/records", bytes.NewReader(c.reading(newVIN(), 10)))
	must(t, err)
	req.Header.Set("Milepost-Member", dealer)
	resp, err := c.as(followers[0], other).Raw(req)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("in another's name: %s", resp.Status)
	}
}

// A member that has as many records under way as it may is told to come
// again, while there is still a place for another member.
func TestNoisyMemberLeavesRoom(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	room := 0
	for _, id := range c.IDs() { // whichever leads
		for room = 0; c.Nodes[id].Occupy(dealer, 1); room++ {
		}
	}
	if room != 16384 {
		t.Errorf("who is alone has %d places", room)
	}
	at := c.followers()[0]
	note := c.reading(newVIN(), 10)
	c.eventually("a refusal", func() bool {
		_, err := c.as(at, dealer).Submit(t.Context(), note)
		return fault.Code(err) == "overloaded"
	})
	c.eventually("another member's record", func() bool {
		_, err := c.as(at, other).Submit(t.Context(), note) // who sends it in need not be its author
		return err == nil
	})
	for _, id := range c.IDs() {
		c.Nodes[id].Vacate(dealer, room)
	}
	c.ack(at, note)
}
