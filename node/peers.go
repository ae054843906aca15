package node

import (
	"context"
	"maps"
	"sort"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// nodesNow lists the nodes by id, from the log or, before it is there, from
// the genesis. Where this node's copy of the log is known to be behind on
// them, they are those of the proof that it was shown.
func (n *Node) nodesNow() map[string]*verify.Node {
	if l := n.shownAhead(); l != nil {
		return maps.Clone(l.Nodes)
	}
	nodes := map[string]*verify.Node{}
	n.state.withAuthority(func(a *verify.Authority) {
		if !a.Arrived() {
			return // the nodes of a predecessor are none of this log's
		}
		maps.Copy(nodes, a.Governance.Nodes)
		// Until a head that covers its removal is kept, a node is one still:
		// the quorum of before counts it, and it may be the leader that
		// gathers that quorum.
		for _, v := range a.Governance.Removed {
			if v.Index > a.Governance.Begins() && !n.heads.bridged(v.Index) {
				nodes[v.ID] = v.Node
			}
		}
	})
	if len(nodes) == 0 {
		for _, g := range n.founding.Genesis.Body.Get("nodes").List {
			id := g.Get("id").Str
			nodes[id] = &verify.Node{
				ID: id, Member: g.Get("member").Str, Address: g.Get("address").Str, TLS: verify.Key{VKey: g.Get("tls_key").Str},
				Log: verify.Key{VKey: g.Get("log_key").Str}, Cosigner: verify.Key{VKey: g.Get("cosigner_key").Str},
			}
		}
	}
	return nodes
}

func (n *Node) foundingNode(pin string) *verify.Node {
	for _, v := range n.nodesNow() {
		if v.TLS.VKey == pin && v.TLS.Live() {
			return v
		}
	}
	return nil
}

func (n *Node) raftPeer(pin string) (string, bool) {
	if v := n.foundingNode(pin); v != nil && v.ID != n.id {
		return v.ID, true
	}
	return "", false
}

// pinOfAddress is the key of the node that Raft has at an address. While a
// node moves that is not the address that the log has registered for it.
func (n *Node) pinOfAddress(addr raft.ServerAddress) (string, bool) {
	nodes := n.nodesNow()
	for _, s := range n.servers() {
		if v := nodes[string(s.ID)]; v != nil && s.Address == addr {
			return v.TLS.VKey, true
		}
	}
	for _, v := range nodes {
		if v.Address == string(addr) {
			return v.TLS.VKey, true
		}
	}
	return "", false
}

// peers returns the other nodes, sorted by id.
func (n *Node) peers() []*peer {
	nodes := n.nodesNow()
	n.peersMu.Lock()
	defer n.peersMu.Unlock()
	var out []*peer
	for id, v := range nodes {
		if id == n.id {
			continue
		}
		p := n.peerMap[id]
		if p == nil || p.pin != v.TLS.VKey || p.client.Address != v.Address {
			if p != nil {
				p.end()
			}
			var ctx context.Context
			p = newPeer(id, NewClient(v.Address, v.TLS.VKey, n.keys.Load().identity, n.dial))
			p.pin = v.TLS.VKey
			ctx, p.end = context.WithCancel(n.ctx)
			n.peerMap[id] = p
			n.spawn(func() { p.run(ctx, n.log) })
		}
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}

// cosignPeers are the other nodes with one of some cosigner keys. A node
// that was just removed is among them: the policy of before counts it.
func (n *Node) cosignPeers(keys map[string]certs.Verifier) []*peer {
	names := map[string]bool{}
	for _, k := range keys {
		names[k.Name()] = true
	}
	n.peers()
	n.peersMu.Lock()
	defer n.peersMu.Unlock()
	var out []*peer
	for _, p := range n.peerMap {
		if names[record.NodeName(n.origin, p.id)] {
			out = append(out, p)
		}
	}
	return out
}

func (n *Node) leaderPeer() *peer {
	id := n.leader()
	for _, p := range n.peers() {
		if p.id == id {
			return p
		}
	}
	return nil
}

// askClocks asks the other nodes how far they are ahead of this one.
func (n *Node) askClocks(ctx context.Context) []time.Duration {
	var mu sync.Mutex
	var out []time.Duration
	var wg sync.WaitGroup
	for _, p := range n.peers() {
		wg.Go(func() {
			if d, err := p.ask(ctx, n.now); err == nil {
				mu.Lock()
				out = append(out, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return out
}
