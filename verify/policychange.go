package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// PolicyText returns the policy that a governance record puts in force, or
// "" if it changes none.
func PolicyText(r *record.Record) string {
	lines := r.Body.Get("policy").Strings()
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func policyHash(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// checkPolicyText: the policy that a record puts in force, if any, is this
// log's, is no former one, has the keys of all nodes as they are after the
// record, and none that a node had before. A text stands for one time of the
// log only, so that a verifier that holds it knows which policies came after
// it (see bridges). keys are those that the record registers.
func (a *Authority) checkPolicyText(r *record.Record, keys []registered) error {
	text := PolicyText(r)
	if text == "" {
		return nil
	}
	p, err := ParsePolicy([]byte(text))
	if err != nil {
		return fault.New("policy_form", "body.policy", err.Error())
	}
	if p.Origin() != r.Origin {
		return fault.New("policy_origin", "body.policy", "the policy is of another log: "+p.Origin())
	}
	if a.Governance != nil && contains(a.Governance.Policies, policyHash(text)) {
		return fault.New("policy_again", "body.policy", "this very text was in force before").
			WithHint("a comment line with a number makes it another one")
	}
	logs, witnesses := map[string]bool{}, map[string]bool{}
	for _, l := range p.Logs() {
		logs[l.VKey()] = true
	}
	for _, w := range p.Witnesses() {
		witnesses[w.Key.VKey()] = true
	}
	counting, former := a.nodeKeys(r, keys)
	for _, k := range counting {
		if k.Use == UseLog && !logs[k.VKey] || k.Use == UseCosigner && !witnesses[k.VKey] {
			return fault.New("policy_keys", "body.policy", fmt.Sprintf("the policy lacks the %s key %s of a node", k.Use, k.ID))
		}
	}
	for _, k := range former {
		if logs[k.VKey] || witnesses[k.VKey] {
			return fault.New("policy_former", "body.policy", fmt.Sprintf("the policy has the %s key %s, which is no node's any more", k.Use, k.ID))
		}
	}
	return nil
}

// nodeKeys lists the nodes' keys as they will be after a record: those that
// count and those that do no more.
func (a *Authority) nodeKeys(r *record.Record, keys []registered) (counting, former []*Key) {
	replaced := map[string]bool{} // uses
	for _, k := range keys {
		counting = append(counting, k.key)
		replaced[k.key.Use] = true
	}
	if a.Governance == nil {
		return counting, nil
	}
	for i := range a.Governance.Former {
		former = append(former, &a.Governance.Former[i].Key)
	}
	id := r.Body.Get("id").Str
	for _, nodeID := range slices.Sorted(maps.Keys(a.Governance.Nodes)) {
		n := a.Governance.Nodes[nodeID]
		for _, use := range nodeUses {
			if r.Type == "log.genesis/1" || n.ID == id && (r.Type == "node.removed/1" || replaced[use]) {
				former = append(former, n.key(use))
			} else {
				counting = append(counting, n.key(use))
			}
		}
	}
	return counting, former
}
