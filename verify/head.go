package verify

import (
	"fmt"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// maxAhead is how far a cosigner's clock may be ahead of the verifier's
// before its time is not believed.
const maxAhead = 10 * time.Minute

// Head is a tree head that satisfies a policy.
type Head struct {
	Checkpoint
	LogKeys      []string   // vkeys of the log keys that signed, in the policy's order
	Cosigners    []Cosigner // every witness of the policy, in its order
	CompleteAsOf int64      // the quorum's time, seconds since 1970 UTC; 0 if unknown
	Signed       int        // how many cosigners of the quorum signed
	Of           int        // how many there are
	Quorum       int        // how many are needed at least
}

// Cosigner is one witness of a policy and what it said of a tree head.
type Cosigner struct {
	Name    string // the name inside the policy
	KeyName string
	Signed  bool   // it signed, with a timestamp other than 0
	Time    int64  // its time, seconds since 1970 UTC; 0 if it has not signed or its time is not believed
	Stamp   uint64 // the timestamp as signed, also if not believed
}

// Check is the first step of verifying: it parses a checkpoint, demands the
// policy's origin, at least one known log key's signature and the quorum's
// cosignatures. Signatures of unknown keys are ignored; a known key on two
// lines, or one whose signature does not verify, refuses the checkpoint
// whatever else it holds.
//
// A cosigner's time is its timestamp. One that is more than ten minutes
// ahead of now is no time: the cosignature counts, since what it says of the
// tree does not depend on anyone's clock, and CompleteAsOf may come out
// unknown. A timestamp of 0 is another matter: by C2SP tlog-cosignature its
// signer makes no statement that this was the largest tree it had seen, and
// C2SP tlog-witness forbids it for checkpoints, so such a cosignature is
// verified and then does not count.
//
// Errors: "checkpoint_form"; "checkpoint_origin"; "log_key_twice",
// "log_key_bad", "log_key_missing"; "cosigner_twice", "cosigner_bad";
// "cosigner_time" if the quorum is missed only for timestamps of 0;
// "quorum_missing".
func (p *Policy) Check(checkpoint []byte, now time.Time) (*Head, error) {
	c, n, err := ParseCheckpoint(checkpoint)
	if err != nil {
		return nil, err
	}
	if c.Origin != p.origin {
		return nil, fault.New("checkpoint_origin", "",
			fmt.Sprintf("the checkpoint is of the log %q, the policy is about %q", c.Origin, p.origin))
	}
	sigs, unknown, err := p.verified(n)
	if err != nil {
		return nil, err
	}
	h := &Head{Checkpoint: *c, Of: p.Of(), Quorum: p.Quorum()}
	for _, v := range p.logs {
		if sigs[idOf(v)] != nil {
			h.LogKeys = append(h.LogKeys, v.VKey())
		}
	}
	if len(h.LogKeys) == 0 {
		return nil, fault.New("log_key_missing", "", "no log key of the policy signed the checkpoint").
			WithHint("the policy may be older than the node that signed")
	}
	if err := p.count(h, sigs, unknown, now); err != nil {
		return nil, err
	}
	return h, nil
}

// verified checks every signature of a key that the policy knows. It returns
// what follows the key ID in each, and the number of lines of unknown keys.
func (p *Policy) verified(n *certs.Note) (sigs map[keyID][]byte, unknown int, err error) {
	known := make(map[keyID]certs.Verifier, len(p.logs)+len(p.witnesses))
	for _, v := range p.logs {
		known[idOf(v)] = v
	}
	for _, w := range p.witnesses {
		known[idOf(w.Key)] = w.Key
	}
	sigs = make(map[keyID][]byte)
	for _, s := range n.Sigs {
		id := keyID{s.Name, s.ID}
		v := known[id]
		if v == nil {
			unknown++
			continue
		}
		who := "cosigner"
		if v.Type() == certs.Ed25519 {
			who = "log_key"
		}
		where := fmt.Sprintf("%s, key %s", v.Name(), certs.FormatID(v.ID()))
		if sigs[id] != nil {
			return nil, 0, fault.New(who+"_twice", where, "the key signed the checkpoint on two lines")
		}
		// C2SP tlog-cosignature: a timestamp must not exceed 2^63-1.
		late := who == "cosigner" && certs.CosignTime(s.Bytes) > MaxIndex
		if late || !v.Verify([]byte(n.Text), s.Bytes) {
			return nil, 0, fault.New(who+"_bad", where, "the key's signature on the checkpoint does not verify")
		}
		sigs[id] = s.Bytes
	}
	return sigs, unknown, nil
}

// count fills the cosigners of h from verified signatures and demands the
// quorum.
func (p *Policy) count(h *Head, sigs map[keyID][]byte, unknown int, now time.Time) error {
	votes := make([]vote, len(p.witnesses))
	timeless := make([]vote, len(p.witnesses)) // the votes if a timestamp of 0 counted
	latest := now.Add(maxAhead).Unix()
	for i, w := range p.witnesses {
		sig := sigs[idOf(w.Key)]
		c := Cosigner{Name: w.Name, KeyName: w.Key.Name(), Stamp: certs.CosignTime(sig)}
		c.Signed = c.Stamp != 0
		if t := int64(c.Stamp); t <= latest {
			c.Time = t
		}
		votes[i], timeless[i] = vote{c.Signed, c.Time}, vote{counts: sig != nil}
		h.Cosigners = append(h.Cosigners, c)
	}
	var missing []string
	p.quorum.each(func(i int) {
		if votes[i].counts {
			h.Signed++
		} else {
			missing = append(missing, clip(p.witnesses[i].Name))
		}
	})
	if v := p.quorum.judge(votes); v.counts {
		h.CompleteAsOf = v.time
		return nil
	}
	if p.quorum.judge(timeless).counts {
		return fault.New("cosigner_time", "",
			"the quorum is reached only with cosignatures of timestamp 0, which do not count")
	}
	what := fmt.Sprintf("%d of %d cosigners signed, and the policy's quorum %q needs %d",
		h.Signed, h.Of, clip(p.quorum.name), h.Quorum)
	if h.Signed >= h.Quorum {
		what = fmt.Sprintf("%d of %d cosigners signed, but not those that the policy's quorum %q needs",
			h.Signed, h.Of, clip(p.quorum.name))
	}
	if unknown > 0 {
		what += fmt.Sprintf(" (lines of keys that it does not know: %d)", unknown)
	}
	return fault.New("quorum_missing", "", what).WithHint("missing: " + strings.Join(missing, ", "))
}
