package node

import (
	"context"
	"fmt"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// gossipEvery is how often a node tells the others what it cosigned, and
// looks whether it missed a published head.
const gossipEvery = 500 * time.Millisecond

// takeHead takes a head from another node: evidence of a lie if it
// contradicts this node's tree, the published head if it satisfies the
// policy, and nothing otherwise.
func (n *Node) takeHead(from string, msg []byte) error {
	c, note, err := verify.ParseCheckpoint(msg)
	if err != nil {
		n.blame(from, 0, err)
		return err
	}
	if err = n.judgeHead(from, c, note, msg); err != nil {
		n.blame(from, c.Size, err)
	}
	return err
}

func (n *Node) judgeHead(from string, c *verify.Checkpoint, note *certs.Note, msg []byte) error {
	if c.Origin != n.origin {
		return fault.New("log_unknown", "", "a head of another log: "+c.Origin)
	}
	ahead := n.ahead(c.Size)
	if _, ok := n.logSignature(note); !ok {
		if ahead { // the log may have exchanged its key there
			return fault.New("behind", "", "a head beyond this node's tree is signed by no log key that it knows")
		}
		return fault.New("log_key_missing", "", "no log key of the policy signed this head")
	}
	if ahead {
		n.pendMu.Lock()
		n.pending[from] = msg
		n.pendMu.Unlock()
		// The tree may have come that far before the head was put there.
		if !n.ahead(c.Size) {
			n.settlePending()
		}
		return nil
	}
	view := n.heads.newest()
	if view == nil {
		return nil // the node is stopping
	}
	root, err := view.RootAt(c.Size)
	view.Release()
	if err != nil {
		return err
	}
	if root != c.Root {
		return n.contradiction(from, c, note, msg)
	}
	return n.publish(msg)
}

// ahead reports whether a size lies beyond this node's tree.
func (n *Node) ahead(size uint64) bool {
	newest, _, _ := n.heads.state()
	return size > newest || newest == 0
}

// settlePending looks again at heads that were ahead of the tree.
func (n *Node) settlePending() {
	n.pendMu.Lock()
	heads := n.pending
	n.pending = map[string][]byte{}
	n.pendMu.Unlock()
	for from, msg := range heads {
		if err := n.takeHead(from, msg); err != nil {
			n.log.Warn("a head was refused", "peer", from, "err", err)
		}
	}
}

// gossip tells the other nodes what this one cosigned, whoever leads: a
// leader that shows two of them different trees is found out by this.
func (n *Node) gossip(ctx context.Context) {
	tick := time.NewTicker(gossipEvery)
	defer tick.Stop()
	var told *ownHead
	var was noted
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if own := n.ownHead.Load(); own != told {
			told = own
			for _, p := range n.peers() {
				p.push(pushOwn, own.note)
			}
		}
		n.noteChanges(&was)
		n.catchUp(ctx)
		if err := n.heads.save(); err != nil {
			n.fail(fmt.Errorf("keep the published head: %w", err))
		}
	}
}

// catchUp fetches the published head from the leader when the tree here is
// past the one that is known: heads are sent once, and this node may have
// been down.
func (n *Node) catchUp(ctx context.Context) {
	newest, published, _ := n.heads.state()
	if newest <= published || n.leads() {
		return
	}
	p := n.leaderPeer()
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, unbridged := n.demands(newest); len(unbridged) > 0 {
		if err := n.fetchBridges(ctx, p); err != nil {
			n.log.Warn("the leader's bridges were not taken", "err", err)
		}
	}
	note, err := p.client.Get(ctx, "/checkpoint")
	if err != nil {
		return // it has none yet, or is down: the next time
	}
	if err := n.takeHead(p.id, note); err != nil {
		n.log.Warn("the leader's head was refused", "peer", p.id, "err", err)
	}
}
