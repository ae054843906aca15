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
// (it has no vote), one that was removed gets no more. It waits until the
// head that covers the change is kept, for the node that goes may be needed
// to cosign it.
func (n *Node) reconcile(ctx context.Context) {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, published, _ := n.heads.state()
		if published == 0 {
			continue
		}
		if index, removed := n.removedAt(); removed {
			// It may have been cut off before it saw the head that covers its
			// removal; the others tell everyone.
			if n.heads.bridged(index) || n.askBridge(ctx, index) {
				n.fail(fault.New("node_removed", "", "governance has removed this node").
					WithHint("keep its data directory as a copy, or delete it; it can't be started as a node again"))
				return
			}
			continue
		}
		if all := *n.policies.Load(); all[len(all)-1].index >= published {
			continue
		}
		if _, unbridged := n.demands(published); len(unbridged) > 0 {
			continue
		}
		if n.leads() {
			n.reconcileRaft()
		}
	}
}

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

func (n *Node) reconcileRaft() {
	r := n.currentRaft()
	if r == nil {
		return
	}
	nodes := n.nodesNow()
	known := map[string]bool{}
	for _, s := range r.GetConfiguration().Configuration().Servers {
		known[string(s.ID)] = true
		if _, stays := nodes[string(s.ID)]; !stays {
			n.log.Info("a node leaves Raft", "peer", s.ID)
			n.await(r.RemoveServer(s.ID, 0, time.Second))
		}
	}
	for id, v := range nodes {
		if !known[id] {
			n.log.Info("a node joins Raft, without a vote", "peer", id, "address", n.addressOf(v))
			n.await(r.AddNonvoter(raft.ServerID(id), raft.ServerAddress(n.addressOf(v)), 0, time.Second))
		}
	}
}

// await waits for a change of Raft's servers, which has no context of its own.
func (n *Node) await(f raft.IndexFuture) {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		if err != nil {
			n.log.Warn("Raft's servers did not change", "err", err)
		}
	case <-n.done:
	case <-time.After(answerTimeout):
	}
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
