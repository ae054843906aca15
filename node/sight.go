package node

import (
	"context"
	"sync"
	"time"
)

// sightEvery is how often a node looks at the others. It is for those who
// watch, and for a leader to know who has room on its disk.
// When the newest leaves have waited for a quorum for twice as long, it says
// that there is none.
const sightEvery = 5 * time.Second

// sight is what this node last saw of another one.
type sight struct {
	answered time.Time     // when it answered last, by this node's clock; zero if it never did
	err      error         // why it does not answer now
	status   *Status       // its newest answer; nil if there is none
	ahead    time.Duration // how far its clock is ahead
	behind   uint64        // leaves that its tree lacked of this node's
}

// sights is what a node keeps in sight: the others, and since when
// the published head stands still though the tree has outgrown it.
type sights struct {
	mu    sync.Mutex
	peers map[string]sight // by node id

	waitMu    sync.Mutex
	published uint64
	waiting   time.Time // monotonic; zero while all is published
}

// look keeps the other nodes in sight until ctx ends.
func (n *Node) look(ctx context.Context) {
	tick := time.NewTicker(n.sightEvery)
	defer tick.Stop()
	for {
		n.lookAround(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Node) lookAround(ctx context.Context) {
	n.waited()
	ctx, cancel := context.WithTimeout(ctx, sightEvery) // a slow answer is one all the same
	defer cancel()
	var wg sync.WaitGroup
	seen := map[string]bool{}
	for _, p := range n.peers() {
		seen[p.id] = true
		wg.Go(func() { n.lookAt(ctx, p) })
	}
	wg.Wait()
	n.sights.mu.Lock()
	defer n.sights.mu.Unlock()
	for id := range n.sights.peers {
		if !seen[id] {
			delete(n.sights.peers, id) // it was removed
		}
	}
}

func (n *Node) lookAt(ctx context.Context, p *peer) {
	size, _, _ := n.heads.state()
	ahead, err := p.ask(ctx, n.now)
	var st *Status
	if err == nil {
		st, err = p.client.Status(ctx)
	}
	if n.ctx.Err() != nil {
		return // the node is stopping, which says nothing of the other one
	}
	n.sights.mu.Lock()
	defer n.sights.mu.Unlock()
	s := n.sights.peers[p.id]
	switch {
	case err != nil && s.err == nil:
		n.log.Warn("a node does not answer", "peer", p.id, "err", err)
	case err == nil && s.err != nil:
		n.log.Info("a node answers again", "peer", p.id)
	}
	s.err = err
	if err == nil {
		s = sight{answered: n.now(), status: st, ahead: ahead, behind: size - min(size, st.TreeSize)}
	}
	n.sights.peers[p.id] = s
}

func (n *Node) sightOf(id string) (sight, bool) {
	n.sights.mu.Lock()
	defer n.sights.mu.Unlock()
	s, ok := n.sights.peers[id]
	return s, ok
}

// furthest returns the largest published size that another node told of, and
// that node.
func (n *Node) furthest() (size uint64, id string) {
	n.sights.mu.Lock()
	defer n.sights.mu.Unlock()
	for peer, s := range n.sights.peers {
		if s.err == nil && (s.status.Published > size || s.status.Published == size && peer < id) {
			size, id = s.status.Published, peer
		}
	}
	return size, id
}

// clocksSeen lists how far the clocks of the nodes that answer are ahead.
func (n *Node) clocksSeen() (ahead []time.Duration) {
	n.sights.mu.Lock()
	defer n.sights.mu.Unlock()
	for _, s := range n.sights.peers {
		if s.err == nil {
			ahead = append(ahead, s.ahead)
		}
	}
	return ahead
}

// waited is for how long the published head has stood still though the tree
// has outgrown it.
func (n *Node) waited() time.Duration {
	newest, published, _ := n.heads.state()
	s := &n.sights
	s.waitMu.Lock()
	defer s.waitMu.Unlock()
	switch {
	case newest <= published:
		s.waiting = time.Time{}
		return 0
	case s.waiting.IsZero() || s.published != published:
		s.waiting, s.published = time.Now(), published
	}
	return time.Since(s.waiting)
}
