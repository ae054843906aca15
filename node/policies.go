package node

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// policyAt is a policy and the log index of the record that put it in force.
type policyAt struct {
	index  uint64
	hash   [32]byte // leaf hash of the record
	policy *verify.Policy
}

// bridgesBucket keeps, for ever, the tlog-proof of each policy record but
// the genesis under the first head that covers it: log index -> tlog-proof.
var bridgesBucket = []byte("bridges")

// loadPolicies reads all policies from the governance history, oldest
// first; before there is one, the genesis' own.
func (n *Node) loadPolicies(view *log.View) error {
	var all []policyAt
	if view != nil {
		var err error
		if all, err = policiesIn(view, n.origin); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		var err error
		if all, err = appendPolicy(nil, 0, n.founding.Genesis); err != nil {
			return err
		}
	}
	n.policies.Store(&all)
	return nil
}

func appendPolicy(all []policyAt, index uint64, r *record.Record) ([]policyAt, error) {
	text := verify.PolicyText(r)
	if text == "" {
		return all, nil
	}
	p, err := verify.ParsePolicy([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("policy in the log, index %d: %w", index, err)
	}
	return append(all, policyAt{index, r.Hash, p}), nil
}

// policy is the policy in force.
func (n *Node) policy() *verify.Policy {
	all := *n.policies.Load()
	return all[len(all)-1].policy
}

// demands lists the policies that a head of a size must satisfy: the one in
// force there and, if it is the first head to cover a policy record, also
// the one of before. unbridged are the policy records that no kept head
// covers yet.
func (n *Node) demands(size uint64) (policies []*verify.Policy, unbridged []policyAt) {
	all := *n.policies.Load()
	last := 0
	for i, p := range all {
		if i > 0 && p.index < size {
			last = i
		}
	}
	need := map[int]bool{last: true}
	for i := 1; i <= last; i++ {
		if !n.heads.bridged(all[i].index) {
			need[i-1], need[i] = true, true
			unbridged = append(unbridged, all[i])
		}
	}
	for i := range all {
		if need[i] {
			policies = append(policies, all[i].policy)
		}
	}
	return policies, unbridged
}

// satisfies checks a head against all policies that it must satisfy, and
// returns it as the newest of them sees it.
func (n *Node) satisfies(size uint64, note []byte) (h *verify.Head, unbridged []policyAt, err error) {
	policies, unbridged := n.demands(size)
	for _, p := range policies {
		if h, err = p.Check(note, n.now()); err != nil {
			return nil, unbridged, err
		}
	}
	return h, unbridged, nil
}

// keepBridges puts the head that first covers policy records beside their
// proofs of inclusion, on disk, before the head is published.
func (n *Node) keepBridges(size uint64, note []byte, records []policyAt) error {
	if len(records) == 0 {
		return nil
	}
	view := n.heads.at(size)
	if view == nil {
		return fmt.Errorf("the tree at size %d is not at hand", size)
	}
	defer view.Release()
	for _, r := range records {
		proof, err := receipt(view, r.index, note)
		if err != nil {
			return err
		}
		if err := n.heads.keepBridge(r.index, proof); err != nil {
			return err
		}
		n.log.Info("the policy has changed; the head of before and after is kept", "index", r.index, "size", size)
	}
	return nil
}

// bridgesJSON is how nodes hand each other the bridges.
type bridgesJSON struct {
	Bridges []string `json:"bridges"`
}

// takeBridges takes the bridges that another node has and this one lacks:
// it was down when the head of before and after was cosigned. Each must fit
// this node's own tree.
func (n *Node) takeBridges(data []byte) error {
	var in bridgesJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	all := *n.policies.Load()
	for _, raw := range in.Bridges {
		p, err := verify.ParseTLogProof([]byte(raw))
		if err != nil {
			return err
		}
		for i := 1; i < len(all); i++ {
			if all[i].index != p.Index || n.heads.bridged(p.Index) {
				continue
			}
			c, err := p.CheckInclusion(all[i].hash)
			if err != nil {
				return err
			}
			if err := n.fitsTree(c); err != nil {
				return err
			}
			for _, q := range all[i-1 : i+1] {
				if _, err := q.policy.Check(p.Checkpoint, n.now()); err != nil {
					return fmt.Errorf("bridge over log index %d: %w", p.Index, err)
				}
			}
			if err := n.heads.keepBridge(p.Index, []byte(raw)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fitsTree checks that a head is one of this node's own tree.
func (n *Node) fitsTree(c *verify.Checkpoint) error {
	view := n.heads.newest()
	if view == nil {
		return fmt.Errorf("the tree is empty")
	}
	defer view.Release()
	root, err := view.RootAt(c.Size)
	if err == nil && root != c.Root {
		err = fmt.Errorf("the head of size %d is not of this tree", c.Size)
	}
	return err
}

// counted are the cosigners that any of some policies counts, by name and
// key ID.
func counted(policies []*verify.Policy) map[string]certs.Verifier {
	keys := map[string]certs.Verifier{}
	for _, p := range policies {
		for _, w := range p.Witnesses() {
			keys[cosignerID(w.Key.Name(), w.Key.ID())] = w.Key
		}
	}
	return keys
}

func cosignerID(name string, id uint32) string { return name + "+" + certs.FormatID(id) }

// keepBridge stores a bridge for ever.
func (h *heads) keepBridge(index uint64, proof []byte) error {
	err := h.update(func(tx *bolt.Tx) error {
		return tx.Bucket(bridgesBucket).Put(binary.BigEndian.AppendUint64(nil, index), proof)
	})
	if err != nil {
		return store.WriteError(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hasBridge[index] = true
	return nil
}

// bridged reports whether there is a bridge over a policy record.
func (h *heads) bridged(index uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hasBridge[index]
}

// bridges returns all bridges over records below a tree size, ascending.
func (h *heads) bridges(size uint64) (proofs [][]byte) {
	h.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bridgesBucket).ForEach(func(k, v []byte) error {
			if binary.BigEndian.Uint64(k) < size {
				proofs = append(proofs, append([]byte{}, v...))
			}
			return nil
		})
	})
	return proofs
}

// at returns the view of one of the recent seals with a hold, or nil.
func (h *heads) at(size uint64) *log.View {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.recent {
		if v.Size == size {
			return v.Hold()
		}
	}
	if h.published != nil && h.published.size == size {
		return h.published.view.Hold()
	}
	return nil
}
