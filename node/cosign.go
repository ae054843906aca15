package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/verify"
)

const (
	roundTimeout = 3 * time.Second        // after which a round without quorum gives way to the next
	waitForTree  = 2 * time.Second        // that a node asked to cosign waits to reach the size
	freshEvery   = time.Hour              // an idle head is cosigned anew
	freshForFile = 10 * time.Second       // a proof file gets a head no older than this, if it can be had
	gossipEvery  = 500 * time.Millisecond // that a node tells the others what it cosigned
)

// errOldSize answers add-checkpoint when the caller's idea of this node's
// newest cosigned size is wrong (C2SP tlog-witness: 409).
type errOldSize struct{ size uint64 }

func (e errOldSize) Error() string { return fmt.Sprintf("the newest size cosigned here is %d", e.size) }

// cosignRequest is the body of C2SP tlog-witness add-checkpoint.
type cosignRequest struct {
	old        uint64
	proof      [][32]byte // consistency from old to the checkpoint
	checkpoint []byte
}

// cosign signs a tree head, after this node's own tree gave the same root at
// that size and the last leaf there is a seal: the index root under the
// signature is one that this node computed.
func (n *Node) cosign(ctx context.Context, req *cosignRequest) (certs.Sig, error) {
	none := certs.Sig{}
	c, note, err := verify.ParseCheckpoint(req.checkpoint)
	if err != nil {
		return none, err
	}
	if c.Origin != n.origin {
		return none, fault.New("origin", "", "this node cosigns only "+n.origin)
	}
	logSig, ok := n.logSignature(note)
	if !ok {
		return none, fault.New("log_key_missing", "", "no log key of the policy signed this checkpoint")
	}
	if req.old > c.Size {
		return none, fault.New("old_size", "", "the old size is larger than the checkpoint's")
	}
	view, err := n.waitForSize(ctx, c.Size)
	if err != nil {
		return none, err
	}
	defer view.Release()
	root, err := view.RootAt(c.Size)
	if err != nil {
		return none, err
	}
	if root != c.Root || !view.IsSeal(c.Size) {
		n.metrics.refusedHeads.Inc()
		n.log.Error("refused to cosign a root that is not this tree's", "size", c.Size, "theirs", verify.Hex(c.Root), "own", verify.Hex(root))
		n.keepRefused(req.checkpoint)
		return none, fault.New("root_mismatch", "", fmt.Sprintf("this node's own tree has another root at size %d", c.Size))
	}

	n.cosignMu.Lock()
	defer n.cosignMu.Unlock()
	if last := n.heads.lastCosigned(); last != req.old {
		return none, errOldSize{last}
	}
	if req.old > 0 {
		oldRoot, err := view.RootAt(req.old)
		if err != nil {
			return none, err
		}
		hashes := make([][]byte, len(req.proof))
		for i := range req.proof {
			hashes[i] = req.proof[i][:]
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, req.old, c.Size, hashes, oldRoot[:], c.Root[:]); err != nil {
			return none, fault.New("consistency", "", "the consistency proof does not fit").Because(err)
		}
	}
	sig, err := n.cosigner.Sign([]byte(note.Text))
	if err != nil {
		return none, err
	}
	// On disk before anyone sees it: a node that restarts still knows what
	// it put its name to.
	if err := n.heads.keep(c, logSig.Line(), certs.CosignTime(sig.Bytes)); err != nil {
		n.fail(fmt.Errorf("keep a cosigned head: %w", err))
		return none, err
	}
	n.metrics.cosigned.Inc()
	n.ownHead.Store(&ownHead{c.Size, assemble(note.Text, logSig, sig)})
	return sig, nil
}

// ownHead is the newest head that this node cosigned, as it tells others.
type ownHead struct {
	size uint64
	note []byte
}

// logSignature returns the first signature line of a log key that verifies.
func (n *Node) logSignature(note *certs.Note) (certs.Sig, bool) {
	for _, v := range n.policy().Logs() {
		for _, s := range note.Sigs {
			if s.Name == v.Name() && s.ID == v.ID() && v.Verify([]byte(note.Text), s.Bytes) {
				return s, true
			}
		}
	}
	return certs.Sig{}, false
}

// waitForSize waits until the tree has reached a size and returns a view of
// it with a hold.
func (n *Node) waitForSize(ctx context.Context, size uint64) (*log.View, error) {
	ctx, cancel := context.WithTimeout(ctx, waitForTree)
	defer cancel()
	for {
		newest, _, moved := n.heads.state()
		if newest >= size {
			if v := n.heads.newest(); v != nil {
				return v, nil
			}
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, fault.New("behind", "", fmt.Sprintf("this node has reached size %d, not %d", newest, size)).WithHint("try again in a moment")
		}
	}
}

// rounds runs while this node lives; whenever it leads and its tree has
// outgrown the published head, or that head has grown old, it has one head
// cosigned by all, and then the next.
func (n *Node) rounds(ctx context.Context) {
	for {
		newest, published, moved := n.heads.state()
		old := published == 0
		if h := n.heads.current(); h != nil {
			old = n.now().Sub(h.time) > freshEvery || n.fresh.Load() > h.time.UnixNano()
			h.view.Release()
		}
		if n.leads() && newest > 0 && (newest > published || old) {
			if n.round(ctx) {
				continue
			}
			// No quorum: the peers may be down. Wait a little, or for news.
			moved = nil
		}
		retry := time.NewTimer(roundRetry)
		select {
		case <-ctx.Done():
			retry.Stop()
			return
		case <-moved:
		case <-n.wakeRounds:
		case <-retry.C:
		}
		retry.Stop()
	}
}

const roundRetry = 250 * time.Millisecond

// round has the newest head cosigned and, with a quorum, publishes it.
func (n *Node) round(ctx context.Context) bool {
	view := n.heads.newest()
	if view == nil {
		return false
	}
	defer view.Release()
	start := time.Now()
	c := verify.Checkpoint{Origin: n.origin, Size: view.Size, Root: view.Root}
	logSig, err := n.logSigner.Sign([]byte(c.Text()))
	if err != nil {
		n.fail(err)
		return false
	}
	checkpoint := assemble(c.Text(), logSig)
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	policy := n.policy()
	keys := map[string]certs.Verifier{}
	for _, w := range policy.Witnesses() {
		keys[w.Key.Name()] = w.Key
	}
	peers := n.cosignPeers()
	got := make(chan certs.Sig, len(peers)+1)
	var wg sync.WaitGroup
	wg.Add(len(peers) + 1)
	go func() {
		defer wg.Done()
		// The leader's own cosignature goes the way of all others.
		if s, err := n.cosign(ctx, &cosignRequest{checkpoint: checkpoint, old: n.heads.lastCosigned(), proof: n.consistency(view, n.heads.lastCosigned())}); err == nil {
			got <- s
		}
	}()
	for _, p := range peers {
		go func() {
			defer wg.Done()
			if s, err := p.cosign(ctx, n, view, checkpoint); err == nil {
				got <- s
			} else if ctx.Err() == nil {
				n.log.Warn("no cosignature", "peer", p.id, "size", c.Size, "err", err)
			}
		}()
	}
	go func() { wg.Wait(); close(got) }()
	sigs := []certs.Sig{logSig}
	for s := range got {
		// A garbled signature would spoil the head for every verifier.
		if k := keys[s.Name]; k == nil || k.ID() != s.ID || !k.Verify([]byte(c.Text()), s.Bytes) {
			n.log.Warn("a cosignature does not verify", "by", s.Name)
			continue
		}
		sigs = append(sigs, s)
		if len(sigs)-1 < policy.Quorum() {
			continue
		}
		note := assemble(c.Text(), sigs...)
		if _, err := policy.Check(note, n.now()); err != nil {
			continue
		}
		n.publish(note)
		n.metrics.roundSeconds.Observe(time.Since(start).Seconds())
		return true
	}
	return false
}

func (n *Node) consistency(view *log.View, from uint64) [][32]byte {
	if from == 0 || from > view.Size {
		return nil
	}
	p, err := view.Consistency(from)
	if err != nil {
		return nil
	}
	return p
}

// publish takes a head that satisfies the policy, if the tree here is that
// far, and tells the other nodes when this one leads.
func (n *Node) publish(note []byte) {
	h, err := n.policy().Check(note, n.now())
	if err != nil {
		return
	}
	asOf := time.Unix(h.CompleteAsOf, 0)
	if !n.heads.publish(h.Size, note, asOf) {
		return
	}
	n.metrics.published.Set(float64(h.Size))
	if n.leads() {
		for _, p := range n.peers() {
			p.push(pushPublished, note)
		}
	}
}

// takeHead takes a head from another node: evidence of a lie if it
// contradicts this node's tree, the published head if it satisfies the
// policy, and nothing otherwise.
func (n *Node) takeHead(from string, msg []byte) error {
	c, note, err := verify.ParseCheckpoint(msg)
	if err != nil {
		return err
	}
	if c.Origin != n.origin {
		return fault.New("origin", "", "a head of another log: "+c.Origin)
	}
	if _, ok := n.logSignature(note); !ok {
		return fault.New("log_key_missing", "", "no log key of the policy signed this head")
	}
	view := n.heads.newest()
	if view == nil || view.Size < c.Size {
		if view != nil {
			view.Release()
		}
		n.pendMu.Lock()
		n.pending[from] = msg
		n.pendMu.Unlock()
		return nil
	}
	root, err := view.RootAt(c.Size)
	view.Release()
	if err != nil {
		return err
	}
	if root != c.Root {
		return n.contradiction(from, c, note, msg)
	}
	n.publish(msg)
	return nil
}

// contradiction: a head that a log key signed has another root than this
// node's tree at that size. With a cosignature of a node on it, two heads of
// one size exist, and this node stops with both kept; without one, anybody
// who holds a log key could stop the cluster, so it is kept and refused.
func (n *Node) contradiction(from string, c *verify.Checkpoint, note *certs.Note, msg []byte) error {
	n.metrics.refusedHeads.Inc()
	n.log.Error("a tree head contradicts this node's tree", "from", from, "size", c.Size, "theirs", verify.Hex(c.Root))
	cosigned := false
	for _, w := range n.policy().Witnesses() {
		for _, s := range note.Sigs {
			if s.Name == w.Key.Name() && s.ID == w.Key.ID() && s.Name != n.cosigner.Name() && w.Key.Verify([]byte(note.Text), s.Bytes) {
				cosigned = true
			}
		}
	}
	own := n.ownCheckpoint(c.Size)
	if !cosigned || own == nil {
		n.keepRefused(msg)
		return fault.New("root_mismatch", "", "the head contradicts this node's tree")
	}
	dir, err := evidence(n.dir, own, msg)
	if err != nil {
		n.log.Error("evidence could not be written", "err", err)
	}
	n.fail(&Contradiction{Size: c.Size, Evidence: dir})
	return fault.New("contradiction", "", "two tree heads of one size exist; this node has stopped")
}

// Contradiction is why a node stopped: it holds two heads of one size.
type Contradiction struct {
	Size     uint64
	Evidence string // directory that holds both
}

func (e *Contradiction) Error() string {
	return fmt.Sprintf("two tree heads of size %d with different roots exist: a node has lied or lost data; both are in %s", e.Size, e.Evidence)
}

// ownCheckpoint is what this node cosigned at a size, as a note that stands
// as evidence: with the log's signature of then and a cosignature.
func (n *Node) ownCheckpoint(size uint64) []byte {
	root, line, ok := n.heads.cosignedAt(size)
	if !ok {
		view := n.heads.newest()
		if view == nil {
			return nil
		}
		defer view.Release()
		r, err := view.RootAt(size)
		if err != nil {
			return nil
		}
		root = r
	}
	c := verify.Checkpoint{Origin: n.origin, Size: size, Root: root}
	sig, err := n.cosigner.Sign([]byte(c.Text()))
	if err != nil {
		return nil
	}
	return []byte(c.Text() + "\n" + line + sig.Line())
}

// keepRefused keeps the newest head that was refused, for whoever looks into it.
func (n *Node) keepRefused(msg []byte) {
	if _, err := evidence(n.dir, msg); err != nil {
		n.log.Error("a refused head could not be kept", "err", err)
	}
}

// settlePending looks again at heads that were ahead of the tree.
func (n *Node) settlePending() {
	n.pendMu.Lock()
	heads := n.pending
	n.pending = map[string][]byte{}
	n.pendMu.Unlock()
	for from, msg := range heads {
		if err := n.takeHead(from, msg); err != nil {
			n.log.Warn("a head was refused", "from", from, "err", err)
		}
	}
}

// gossip tells the other nodes what this one cosigned, whoever leads: a
// leader that shows two of them different trees is found out by this.
func (n *Node) gossip(ctx context.Context) {
	tick := time.NewTicker(gossipEvery)
	defer tick.Stop()
	var told uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if own := n.ownHead.Load(); own != nil && own.size != told {
			told = own.size
			for _, p := range n.peers() {
				p.push(pushOwn, own.note)
			}
		}
		if err := n.heads.save(); err != nil {
			n.fail(fmt.Errorf("keep the published head: %w", err))
		}
	}
}
