package node

import (
	"context"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/verify"
)

const (
	waitForTree  = 2 * time.Second  // that a node asked to cosign waits to reach the size
	freshEvery   = time.Hour        // an idle head is cosigned anew
	freshForFile = 10 * time.Second // a proof file gets a head no older than this, if it can be had
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
// signature is one that this node computed. from is the node that asks, which
// may be this one.
func (n *Node) cosign(ctx context.Context, from string, req *cosignRequest) (sigs []certs.Sig, err error) {
	c, note, err := verify.ParseCheckpoint(req.checkpoint)
	if err != nil {
		n.blame(from, 0, err)
		return nil, err
	}
	defer func() {
		if _, old := err.(errOldSize); !old {
			n.blame(from, c.Size, err)
		}
	}()
	if err := n.damage.err(); err != nil {
		return nil, err // of what is known to be damaged nothing is signed
	}
	if c.Origin != n.origin {
		return nil, fault.New("log_unknown", "", "this node cosigns only "+n.origin)
	}
	if n.predecessor != nil && c.Size <= n.predecessor.Size {
		return nil, fault.New("log_unknown", "", fmt.Sprintf("heads up to size %d are of %s", n.predecessor.Size, n.predecessor.Origin))
	}
	logSig, ok := n.logSignature(note)
	if !ok && n.ahead(c.Size) { // the log may have exchanged its key there
		return nil, fault.New("behind", "", "a head beyond this node's tree is signed by no log key that it knows").WithHint("try again in a moment")
	}
	if !ok {
		return nil, fault.New("log_key_missing", "", "no log key of the policy signed this checkpoint")
	}
	if req.old > c.Size {
		return nil, fault.New("old_size", "", "the old size is larger than the checkpoint's")
	}
	view, err := n.waitForSize(ctx, c.Size)
	if err != nil {
		return nil, err
	}
	defer view.Release()
	root, err := view.RootAt(c.Size)
	if err != nil {
		return nil, err
	}
	if root != c.Root || !view.IsSeal(c.Size) {
		err := fault.New("root_mismatch", "", fmt.Sprintf("this node's own tree has another root at size %d", c.Size))
		n.metrics.refusedHeads.Inc()
		if n.refusedOf(from, c.Size, err, "cosign") {
			n.log.Error("refused to cosign a root that is not this tree's", "peer", from, "size", c.Size, "theirs", verify.Hex(c.Root), "own", verify.Hex(root), "err", err)
		}
		n.keepRefused(req.checkpoint)
		return nil, err
	}

	n.cosignMu.Lock()
	defer n.cosignMu.Unlock()
	if n.stopping.Load() {
		return nil, errStopping
	}
	if last := n.heads.lastCosigned(); last != req.old {
		return nil, errOldSize{last}
	}
	// C2SP: the empty tree is consistent with any, so there is nothing to prove.
	if req.old == 0 && len(req.proof) > 0 {
		return nil, fault.New("consistency", "", "a consistency proof from size 0 has no hashes")
	}
	if req.old > 0 {
		oldRoot, err := view.RootAt(req.old)
		if err != nil {
			return nil, err
		}
		hashes := make([][]byte, len(req.proof))
		for i := range req.proof {
			hashes[i] = req.proof[i][:]
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, req.old, c.Size, hashes, oldRoot[:], c.Root[:]); err != nil {
			return nil, fault.New("consistency", "", "the consistency proof does not fit").Because(err)
		}
	}
	policies, _ := n.demands(c.Size)
	for _, k := range n.cosigners(policies) {
		sig, err := k.Sign([]byte(note.Text))
		if err != nil {
			return nil, err
		}
		sigs = append(sigs, sig)
	}
	if len(sigs) == 0 {
		return nil, fault.New("not_cosigner", "", "the policy counts no key of this node")
	}
	// On disk before anyone sees it: a node that restarts still knows what
	// it put its name to.
	if err := n.heads.keep(c, logSig.Line(), certs.CosignTime(sigs[0].Bytes)); err != nil {
		n.fail(fmt.Errorf("keep a cosigned head: %w", err))
		return nil, err
	}
	n.metrics.cosigned.Inc()
	n.ownHead.Store(&ownHead{c.Size, assemble(note.Text, append([]certs.Sig{logSig}, sigs...)...)})
	return sigs, nil
}

// ownHead is the newest head that this node cosigned, as it tells others.
type ownHead struct {
	size uint64
	note []byte
}

// logSignature returns a signature line of a log key, and false if there is
// none or one of them does not verify (C2SP tlog-witness: such a note is
// malformed, whatever else signed it).
func (n *Node) logSignature(note *certs.Note) (found certs.Sig, ok bool) {
	for _, v := range n.logKeys() {
		for _, s := range note.Sigs {
			if s.Name != v.Name() || s.ID != v.ID() {
				continue
			}
			if !v.Verify([]byte(note.Text), s.Bytes) {
				return certs.Sig{}, false
			}
			found, ok = s, true
		}
	}
	return found, ok
}

// logKeys are the log keys of all policies there were: a head that covers an
// exchange of keys is signed with the one of before and the one of after.
func (n *Node) logKeys() (keys []certs.Verifier) {
	seen := map[string]bool{}
	for _, p := range *n.policies.Load() {
		for _, l := range p.policy.Logs() {
			if !seen[l.VKey()] {
				seen[l.VKey()] = true
				keys = append(keys, l)
			}
		}
	}
	return keys
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
