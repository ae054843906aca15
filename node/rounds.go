package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

const (
	roundTimeout = 3 * time.Second        // after which a round without quorum gives way to the next
	roundRetry   = 250 * time.Millisecond // between rounds without quorum, and to look whether this node leads
)

// rounds runs while this node lives; whenever it leads and its tree has
// outgrown the published head, or that head has grown old, it has one head
// cosigned by all, and then the next.
func (n *Node) rounds(ctx context.Context) {
	var last time.Time // when an unchanged tree was cosigned last
	for {
		newest, published, moved := n.heads.state()
		old := published == 0
		if h := n.heads.current(); h != nil {
			old = n.now().Sub(h.time) > freshEvery || n.fresh.Load() > h.time.UnixNano()
			h.view.Release()
		}
		// With the cosigners' clocks off, a head may be old for ever.
		old = old && time.Since(last) >= roundRetry
		if n.leads() && newest > 0 && (newest > published || old) && (n.lie.rounds == nil || n.lie.rounds()) {
			if newest <= published {
				last = time.Now()
			}
			if n.round(ctx) {
				continue
			}
			// No quorum: the peers may be down. Wait a little.
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

// cosigned is what one node answered in a round.
type cosigned struct {
	by   string
	sigs []certs.Sig
	err  error
}

// round has the newest head cosigned and, with a quorum, publishes it. A
// node that is slower than the quorum is not cut short: its answer is of no
// more use, but the connection and the knowledge of its newest size are.
func (n *Node) round(ctx context.Context) bool {
	view := n.heads.newest()
	if view == nil {
		return false
	}
	defer view.Release()
	if view.Seal.Origin != n.origin {
		return false // still among the leaves of the predecessor
	}
	start := time.Now()
	c := verify.Checkpoint{Origin: n.origin, Size: view.Size, Root: view.Root}
	policies, _ := n.demands(c.Size)
	var sigs []certs.Sig // of the log first, then of cosigners as they come
	for _, s := range n.logSigners(policies) {
		sig, err := s.Sign([]byte(c.Text()))
		if err != nil {
			n.fail(err)
			return false
		}
		sigs = append(sigs, sig)
	}
	if !signedForAll(policies, sigs) {
		// The leader itself was removed: no head of its can satisfy the policy
		// of after, so one that stays must gather the signatures.
		n.handOver(ctx)
		return false
	}
	checkpoint := assemble(c.Text(), sigs...)
	decided, end := context.WithTimeout(ctx, roundTimeout)
	defer end()
	policy := policies[len(policies)-1]
	keys := counted(policies)
	peers := n.cosignPeers(keys)
	answers := make(chan cosigned, len(peers)+1)
	ask := func(id string, fn func() ([]certs.Sig, error)) {
		hold := view.Hold()
		if !n.spawn(func() {
			defer hold.Release()
			asked := time.Now()
			sigs, err := fn()
			took := time.Since(asked)
			for i, sig := range sigs {
				// A garbled signature, or a copy of another node's, would spoil
				// the head for every verifier.
				k := keys[cosignerID(sig.Name, sig.ID)]
				if k == nil || i > 0 && sig.ID == sigs[i-1].ID || len(sigs) > 2 || sig.Name != record.NodeName(n.origin, id) || !k.Verify([]byte(c.Text()), sig.Bytes) {
					err = fault.New("cosignature", "", "the answer is no cosignature by this node of this head")
				}
			}
			if fault.Code(err) == "cosignature" && n.refusedOf(id, c.Size, err, "cosignature") {
				n.log.Error("a node's cosignature is none", "peer", id, "size", c.Size, "err", err)
			}
			n.heardOf(id, c.Size, err)
			if err == nil {
				n.metrics.cosignSeconds.WithLabelValues(id).Observe(took.Seconds())
			}
			answers <- cosigned{id, sigs, err}
		}) {
			hold.Release()
		}
	}
	// The leader's own cosignature goes the way of all others.
	ask(n.id, func() ([]certs.Sig, error) {
		old := n.heads.lastCosigned()
		return n.cosign(ctx, n.id, &cosignRequest{checkpoint: checkpoint, old: old, proof: n.consistency(view, old)})
	})
	for _, p := range peers {
		ask(p.id, func() ([]certs.Sig, error) { return p.cosign(decided, n, view, checkpoint) })
	}
	logged := len(sigs)
	contradicted := 0
	for range len(peers) + 1 {
		select {
		case a := <-answers:
			if a.err != nil {
				if a.by != n.id && fault.Code(a.err) == "root_mismatch" {
					contradicted++
				}
				continue
			}
			sigs = append(sigs, a.sigs...)
		case <-decided.Done():
			return false
		}
		if len(sigs)-logged < policy.Quorum() {
			continue
		}
		note := assemble(c.Text(), sigs...)
		h, unbridged, err := n.satisfies(c.Size, note)
		if err != nil {
			continue
		}
		n.publishChecked(note, h, unbridged)
		n.metrics.roundSeconds.Observe(time.Since(start).Seconds())
		return true
	}
	if contradicted > len(peers)/2 && policy.Of()-contradicted < policy.Quorum() && !n.lie.shameless {
		// Most others have another tree: it is this one that is wrong, and
		// while it leads nothing can be acknowledged.
		n.fail(fault.New("root_mismatch", "", fmt.Sprintf("%d other nodes have another root at size %d: this node's tree is wrong", contradicted, c.Size)).
			WithHint("see what `milepost audit` says of the data directory; tree.db can be rebuilt from raft.db"))
	}
	return false
}

// complaintEvery is how often the log repeats that a node does not cosign: a
// node that is down would otherwise fill it, a line a round.
const complaintEvery = time.Minute

// complaint is about a node that does not cosign.
type complaint struct {
	err   error     // why it did not the last time
	size  uint64    // of the head that it was asked about then
	since time.Time // by this node's clock: when an error of this code began
	told  time.Time // monotonic: when the log last said so
}

// heardOf logs why a node did not cosign, when that changes and each minute,
// and when it cosigns again.
func (n *Node) heardOf(id string, size uint64, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && fault.Code(err) == "internal" {
		return // the round was decided without it
	}
	n.complainMu.Lock()
	defer n.complainMu.Unlock()
	last, complained := n.complaints[id]
	if err == nil {
		if complained {
			delete(n.complaints, id)
			n.log.Info("a node cosigns again", "peer", id)
		}
		return
	}
	if !complained || fault.Code(last.err) != fault.Code(err) {
		last = complaint{since: n.now()}
	}
	last.err, last.size = err, size
	if time.Since(last.told) >= complaintEvery {
		last.told = time.Now()
		n.log.Warn("no cosignature", "peer", id, "size", size, "err", err)
	}
	n.complaints[id] = last
}

// signedForAll reports whether each policy lists one of the log signatures.
func signedForAll(policies []*verify.Policy, sigs []certs.Sig) bool {
	for _, p := range policies {
		if !slices.ContainsFunc(p.Logs(), func(l certs.Verifier) bool {
			return slices.ContainsFunc(sigs, func(s certs.Sig) bool { return s.Name == l.Name() && s.ID == l.ID() })
		}) {
			return false
		}
	}
	return true
}

// handOver has another voter lead, if there is one that can.
func (n *Node) handOver(ctx context.Context) {
	r := n.currentRaft()
	if r == nil || len(n.peers()) == 0 {
		return
	}
	n.awaitTransfer(ctx, r.LeadershipTransfer())
}

func (n *Node) awaitTransfer(ctx context.Context, transfer raft.Future) {
	handed := make(chan error, 1)
	go func() { handed <- transfer.Error() }() // it may never answer after a shutdown
	select {
	case err := <-handed:
		if err != nil {
			n.log.Warn("leadership could not be handed over", "err", err)
		}
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
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
// far, and tells the other nodes when this one leads. The first head that
// covers a change of policy must satisfy the policy of before too, and is
// kept for ever before anyone is shown it.
//
// The error is of a signature that a key of the policy can't have made; that
// the quorum has not signed is none.
func (n *Node) publish(note []byte) error {
	c, _, err := verify.ParseCheckpoint(note)
	if err != nil {
		return err
	}
	h, unbridged, err := n.satisfies(c.Size, note)
	if err == nil {
		n.publishChecked(note, h, unbridged)
	}
	switch fault.Code(err) {
	case "log_key_bad", "log_key_twice", "cosigner_bad", "cosigner_twice":
		return err
	}
	return nil
}

// publishChecked is publish of a head that the policies have been asked
// about; it is the first to cover the unbridged records.
func (n *Node) publishChecked(note []byte, h *verify.Head, unbridged []policyAt) {
	if err := n.keepBridges(h.Size, note, unbridged); err != nil {
		n.log.Warn("a head that changes the policy could not be kept", "size", h.Size, "err", err)
		return
	}
	asOf := time.Unix(h.CompleteAsOf, 0)
	if !n.heads.publish(h.Size, note, asOf) {
		return
	}
	if n.leads() {
		for _, p := range n.peers() {
			p.push(pushPublished, note)
		}
	}
}
