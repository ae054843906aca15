package node

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// reconcileEvery is how often a leader compares Raft's servers with the
// nodes that governance has registered.
const reconcileEvery = 500 * time.Millisecond

// reconcile lets Raft follow governance: a node that was added gets copies
// (it has no vote), one that has moved is reached where it is now, one that
// was removed gets no more.
//
// One that was added joins at once, for its cosignature may be missing from
// the head that covers its registration. One that was removed counts until
// such a head is kept (nodesNow), for the same reason.
func (n *Node) reconcile(ctx context.Context) {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if index, removed := n.removedAt(); removed {
			// It may have been cut off before it saw the head that covers its
			// removal; the others tell everyone.
			if n.heads.bridged(index) || n.askBridge(ctx, index) {
				n.fail(errRemoved)
				return
			}
			continue
		}
		if n.leads() {
			n.reconcileRaft()
		}
	}
}

var errRemoved = fault.New("node_removed", "", "governance has removed this node").
	WithHint("keep its data directory as a copy, or delete it; it can't be started as a node again")

// removedAt is the log index of the record that removed this node, if one did.
func (n *Node) removedAt() (index uint64, removed bool) {
	n.state.withAuthority(func(a *verify.Authority) {
		if a.Governance == nil {
			return
		}
		for _, v := range a.Governance.Removed {
			if v.ID == n.id {
				index, removed = v.Index, true
			}
		}
	})
	return index, removed
}

// askBridge asks the other nodes in turn for bridges, and reports whether the
// one over a policy record is here then.
func (n *Node) askBridge(ctx context.Context, index uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, p := range n.peers() {
		if err := n.fetchBridges(ctx, p); err != nil {
			continue // as long as it is one of those that sign, the leader asks it
		}
		if n.heads.bridged(index) {
			return true
		}
	}
	return false
}

// servers are those that Raft has now, as far as this node knows.
func (n *Node) servers() []raft.Server {
	r := n.currentRaft()
	if r == nil {
		return nil
	}
	return r.GetConfiguration().Configuration().Servers
}

// reconcileRaft changes at the leader what differs between Raft's servers and
// the nodes that are registered: who is there, and at which address. Votes
// are not registered: they are asked for (changeVotes).
func (n *Node) reconcileRaft() {
	n.votesMu.Lock()
	defer n.votesMu.Unlock()
	r := n.currentRaft()
	if r == nil {
		return
	}
	nodes := n.nodesNow()
	known, taken := map[string]bool{}, map[raft.ServerAddress]bool{}
	for _, s := range n.servers() {
		known[string(s.ID)], taken[s.Address] = true, true
	}
	for _, s := range n.servers() {
		v := nodes[string(s.ID)]
		switch {
		case v == nil:
			n.log.Info("a node leaves Raft", "peer", s.ID)
			n.await(r.RemoveServer(s.ID, 0, time.Second))
		case string(s.Address) != v.Address && !taken[raft.ServerAddress(v.Address)]:
			n.log.Info("a node has moved", "peer", s.ID, "from", s.Address, "to", v.Address)
			change := r.AddNonvoter // keeps the vote of one that has it
			if s.Suffrage == raft.Voter {
				change = r.AddVoter
			}
			n.await(change(s.ID, raft.ServerAddress(v.Address), 0, time.Second))
		}
	}
	for id, v := range nodes {
		// A node that comes in another's place may have its address, and waits
		// until that one has left.
		if !known[id] && !taken[raft.ServerAddress(v.Address)] {
			n.log.Info("a node joins Raft, without a vote", "peer", id, "address", v.Address)
			n.await(r.AddNonvoter(raft.ServerID(id), raft.ServerAddress(v.Address), 0, time.Second))
		}
	}
}

// await waits for a change of Raft's servers, which has no context of its own.
func (n *Node) await(f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	var err error
	select {
	case err = <-done:
	case <-n.done:
		return errStopping
	case <-time.After(answerTimeout):
		err = errUnknown
	}
	if err != nil {
		n.log.Warn("Raft's servers did not change", "err", err)
	}
	return err
}

// joining reports whether this node is none of the founding ones: it then
// waits to be brought up to date, and begins no Raft of its own. In a log that
// goes on from another one only the seed has anything to begin with, which
// Recover gave it.
func (n *Node) joining() bool {
	if n.predecessor != nil {
		return true
	}
	for _, g := range n.founding.Genesis.Body.Get("nodes").List {
		if g.Get("id").Str == n.id {
			return false
		}
	}
	return true
}

// getBridges hands the kept heads of policy changes to another node.
func (n *Node) getBridges(w http.ResponseWriter, r *http.Request, c caller) error {
	out := bridgesJSON{Bridges: []string{}}
	newest, _, _ := n.heads.state()
	for _, b := range n.heads.bridges(newest) {
		out.Bridges = append(out.Bridges, string(b))
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// fetchBridges asks another node for bridges that this one lacks.
func (n *Node) fetchBridges(ctx context.Context, p *peer) error {
	data, err := p.client.Get(ctx, "/v1/bridges")
	if err != nil {
		return err
	}
	if err := n.takeBridges(data); err != nil {
		return fmt.Errorf("bridges of %s: %w", p.id, err)
	}
	return nil
}
