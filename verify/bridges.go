package verify

import (
	"fmt"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// bridge is a tlog-proof by which a verifier gets from the policy that it
// holds to the one that the file's head satisfies, or to a head that the
// policy it holds satisfies.
type bridge struct {
	*TLogProof
	where string
}

// head is steps 1 and 2: a tree head that satisfies the policy covers the
// seal, following bridges where the policy needs them, and the seal is the
// last leaf of the file's own tree.
func (c *check) head() error {
	held := c.opt.Policy
	if held == nil {
		return fault.New("policy_missing", "", "a trust policy is needed")
	}
	seal, err := ParseSeal(c.file.Seal)
	if err != nil {
		return err
	}
	if seal.Origin != held.Origin() {
		err := fault.New("seal_origin", "seal", "the seal is of another log: "+seal.Origin)
		for _, s := range c.all {
			if p := PredecessorOf(s.rec); p != nil && p.Origin == held.Origin() {
				err = err.WithHint("the file says that the policy's log went on as another one: ask the consortium for that one's policy, and compare its fingerprint")
			}
		}
		return err
	}
	c.seal, c.rep.SealTime = seal, seal.Time
	own, err := ParseTLogProof(c.file.TLogProof)
	if err != nil {
		return fault.New(fault.Code(err), "tlog_proof", err.Error())
	}
	policies, later, err := c.bridges()
	if err != nil {
		return err
	}
	if held, err = c.follow(held, policies); err != nil {
		return err
	}
	c.rep.Policy, c.rep.Tolerates = held, held.Tolerates()

	h, err := held.Check(own.Checkpoint, c.opt.Now)
	switch fault.Code(err) {
	case "log_key_missing", "quorum_missing", "cosigner_time":
		// The policy may be newer than the file, which a later head makes up
		// for. Anything worse than missing signatures refuses the file.
		if later == nil {
			return err
		}
		if h, err = held.Check(later.Checkpoint, c.opt.Now); err != nil {
			return fault.New("bridge", later.where, "neither its tree head nor the file's own satisfies the policy").Because(err)
		}
		if err := c.include(later.TLogProof, later.where); err != nil {
			return err
		}
		c.rep.Later = true
	}
	if err != nil {
		return err
	}
	if err := c.include(own, "tlog_proof"); err != nil {
		return err
	}
	c.rep.Head, c.rep.Size, c.rep.AsOf = h, seal.Index+1, h.CompleteAsOf
	if c.rep.Later {
		// The later head says that the seal is in the log, and nothing of what
		// followed it: the file is complete as of the seal only.
		c.rep.AsOf = seal.Time / 1000
	}
	return nil
}

// include: the seal is where it says that it is, and in the file's own proof
// it is the last leaf. That the head is of the seal's log, Policy.Check has
// told, since both are of the policy's.
func (c *check) include(p *TLogProof, where string) error {
	head, err := p.CheckInclusion(LeafHash(c.file.Seal))
	switch {
	case err != nil:
		return fault.New(fault.Code(err), where, "the seal is not in the tree").Because(err).
			WithHint("seal and tree head do not belong together")
	case p.Index != c.seal.Index:
		return fault.New("seal_index", where, fmt.Sprintf("the seal says that it is leaf %d, the proof is of leaf %d", c.seal.Index, p.Index))
	case where == "tlog_proof" && head.Size != c.seal.Index+1:
		return fault.New("seal_last", where, fmt.Sprintf("the seal is leaf %d of a tree of %d: a later seal would cover more records", c.seal.Index, head.Size))
	}
	return nil
}

// bridges parts the file's bridges into those of policy records and that of
// the seal under a later head, if there is one.
func (c *check) bridges() (policies []bridge, later *bridge, err error) {
	for i, raw := range c.file.Bridges {
		b := bridge{where: fmt.Sprintf("bridges[%d]", i)}
		if b.TLogProof, err = ParseTLogProof(raw); err != nil {
			return nil, nil, fault.New(fault.Code(err), b.where, err.Error())
		}
		if later != nil || len(policies) > 0 && b.Index <= policies[len(policies)-1].Index {
			return nil, nil, badFile(b.where, "bridges ascend by leaf index, the seal's own is the last")
		}
		if b.Index == c.seal.Index {
			later = &b
			continue
		}
		if s := c.all[b.Index]; s == nil || s.subject != record.Governance || PolicyText(s.rec) == "" {
			return nil, nil, fault.New("bridge", b.where, "it leads to no policy record of this file")
		}
		policies = append(policies, b)
	}
	return policies, later, nil
}

// follow leads from the policy held to that of the last bridge.
//
// It only ever leads forward: from the policy record whose very text is the
// policy held, to later ones. The bridges to that record and earlier ones
// are for verifiers of older policies and are passed over. Otherwise the
// true head of today, which covers every policy record there ever was, would
// be a bridge back to the first policy, whose keys may have been stolen
// since. A policy that the log never published has no place in it, and no
// bridge leads on from there.
func (c *check) follow(held *Policy, bridges []bridge) (*Policy, error) {
	place, found := c.place(held)
	if !found {
		return held, nil
	}
	for _, b := range bridges {
		if b.Index <= place {
			continue
		}
		s := c.all[b.Index]
		h, err := held.Check(b.Checkpoint, c.opt.Now)
		if err != nil {
			return nil, fault.New("bridge", b.where, "its tree head does not satisfy the policy held so far").Because(err)
		}
		if _, err := b.CheckInclusion(s.entry.Hash); err != nil {
			return nil, fault.New("bridge", b.where, "it does not include the policy record").Because(err)
		}
		next, err := ParsePolicy([]byte(PolicyText(s.rec)))
		if err != nil {
			return nil, fault.New("bridge", b.where, "the record's policy is malformed").Because(err)
		}
		if next.Origin() != held.Origin() {
			return nil, fault.New("bridge", b.where, "the new policy is of another log: "+next.Origin())
		}
		c.rep.PolicySteps = append(c.rep.PolicySteps, policyStep(s, held, next, h))
		held, place = next, b.Index
	}
	return held, nil
}

// place returns the log index of the record whose policy text is the given
// policy, byte for byte. The log takes no text twice.
func (c *check) place(p *Policy) (index uint64, found bool) {
	for i, s := range c.all {
		if s.subject == record.Governance && PolicyText(s.rec) == p.Text() {
			if !found || i > index {
				index, found = i, true
			}
		}
	}
	return index, found
}
