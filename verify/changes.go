package verify

import (
	"fmt"
	"slices"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// governor returns the governor of this name with this very key, or nil.
func (a *Authority) governor(name, vkey string) *Governor {
	for i, g := range a.Governance.Governors {
		if g.Name == name && g.Key.VKey == vkey {
			return &a.Governance.Governors[i]
		}
	}
	return nil
}

// key returns the node's key of a use.
func (n *Node) key(use string) *Key {
	switch use {
	case UseLog:
		return &n.Log
	case UseCosigner:
		return &n.Cosigner
	}
	return &n.TLS
}

// keyName is the name that a node's key of a use is registered under.
func (a *Authority) keyName(id, use string) string {
	if use == UseLog {
		return a.Origin
	}
	return record.NodeName(a.Origin, id)
}

// nodeUses are the uses of a node's keys in the order of their proofs of
// possession.
var nodeUses = []string{UseLog, UseCosigner, UseTLS}

// checkChange: what a record of the governance history says fits the state
// that the log is in. Keys and policy are checked apart.
func (a *Authority) checkChange(r *record.Record) error {
	b, g := r.Body, a.Governance
	id := b.Get("id").Str
	switch r.Type {
	case "node.added/1":
		if g.Nodes[id] != nil || g.Gone(id) {
			return fault.New("node_exists", "body.id", "a node of this id was added before, and ids are never used again")
		}
	case "node.changed/1", "node.removed/1":
		n := g.Nodes[id]
		if n == nil {
			return fault.New("node_unknown", "body.id", "there is no node "+id)
		}
		if r.Type == "node.removed/1" {
			if len(g.Nodes) == 1 {
				return fault.New("node_last", "body.id", "a log has at least one node")
			}
			return nil
		}
		same := func(field, have string) bool { return b.Get(field).Str == have }
		sameKeys := same("log_key", n.Log.VKey) && same("cosigner_key", n.Cosigner.VKey)
		switch {
		case b.Has("policy"):
		case !sameKeys:
			return fault.New("policy_keys", "body.policy", "another log or cosigner key comes with the policy that is then in force")
		case same("tls_key", n.TLS.VKey) && same("address", n.Address) && same("member", n.Member):
			return fault.New("field", "body", "it changes nothing")
		}
	case "rules.published/1":
		return g.checkRules(b, "body")
	case "feature.raised/1":
		if got, want := b.Get("level").Int, g.Level+1; got != want {
			return fault.New("feature_level", "body.level", fmt.Sprintf("the next feature level is %d, not %d", want, got))
		}
	}
	return nil
}

// checkRules: rules that are to follow those in force.
func (g *Governance) checkRules(rules jcs.Value, at string) error {
	if got, want := rules.Get("version").Int, g.Rules.Version+1; got != want {
		return fault.New("rules_version", at+".version", fmt.Sprintf("the next version of the rules is %d, not %d", want, got))
	}
	types := rules.Get("types").Strings()
	for _, t := range g.Rules.Types {
		if !contains(types, t) {
			return fault.New("rules_types", at+".types", t+" is missing; a type that the log knows it knows for ever").
				WithHint("to have nobody write it any more, leave out its rights")
		}
	}
	return nil
}

// applyChange changes the state by a record of the governance history that
// Check has let through. keys are those that it registers.
func (a *Authority) applyChange(r *record.Record, at Place, keys []registered) {
	b := r.Body
	id := b.Get("id").Str
	switch r.Type {
	case "log.genesis/1":
		a.openLog(r, at, keys)
	case "governors.changed/1":
		a.changeGovernors(r, at, keys)
	case "node.added/1":
		a.addNode(b, keys)
	case "node.changed/1":
		n := *a.Governance.Nodes[id]
		n.Member, n.Address = b.Get("member").Str, b.Get("address").Str
		for _, k := range keys {
			a.retire(a.keyName(id, k.key.Use), *n.key(k.key.Use), r, at, "retired")
			*n.key(k.key.Use) = *k.key
		}
		a.Governance.Nodes[id] = &n
	case "node.removed/1":
		n := a.Governance.Nodes[id]
		for _, use := range nodeUses {
			a.retire(a.keyName(id, use), *n.key(use), r, at, b.Get("reason").Str)
		}
		delete(a.Governance.Nodes, id)
		a.Governance.Removed = append(a.Governance.Removed, Gone{n, at.Index})
	case "rules.published/1":
		a.Governance.Rules = rulesOf(b)
	case "feature.raised/1":
		a.Governance.Level = b.Get("level").Int
	case "log.closed/1":
		a.Governance.Closed = b.Get("successor").Str
	}
	g := a.Governance
	if text := PolicyText(r); text != "" {
		g.Policy = text
		g.Policies = append(g.Policies, policyHash(text))
	}
	g.Last = Hex(r.Hash)
}

// openLog begins a log, or goes on from another one.
func (a *Authority) openLog(r *record.Record, at Place, keys []registered) {
	if a.Governance == nil {
		a.Governance = opened(r, at)
	} else {
		a.succeed(r, at)
	}
	if a.heir != "" {
		if a.arrive(r.Origin); a.heir != "" {
			a.Governance.Origin = r.Origin
		}
	}
	for i := range a.Governance.Governors {
		a.use(a.Governance.Governors[i].Name, &a.Governance.Governors[i].Key)
	}
	for i, n := range r.Body.Get("nodes").List {
		a.addNode(n, keys[len(nodeUses)*i:])
	}
}

// opened is how a genesis begins.
func opened(r *record.Record, at Place) *Governance {
	founding := r.Body.Get("founding")
	governors, _ := governorsOf(founding, at)
	return &Governance{
		Governors: governors, Threshold: int(founding.Get("threshold").Int),
		Level: r.Body.Get("feature_level").Int, Rules: rulesOf(r.Body.Get("rules")), Nodes: map[string]*Node{},
	}
}

func (a *Authority) addNode(n jcs.Value, keys []registered) {
	id := n.Get("id").Str
	a.Governance.Nodes[id] = &Node{
		ID: id, Member: n.Get("member").Str, Address: n.Get("address").Str,
		Log: *keys[0].key, Cosigner: *keys[1].key, TLS: *keys[2].key,
	}
}

func (a *Authority) changeGovernors(r *record.Record, at Place, keys []registered) {
	var governors []Governor
	for _, v := range r.Body.Get("governors").List {
		name, vkey := v.Get("name").Str, v.Get("key").Str
		if g := a.governor(name, vkey); g != nil {
			governors = append(governors, *g)
			continue
		}
		i := slices.IndexFunc(keys, func(k registered) bool { return k.key.VKey == vkey })
		governors = append(governors, Governor{name, *keys[i].key})
	}
	old := a.Governance.Governors
	a.Governance.Governors, a.Governance.Threshold = governors, int(r.Body.Get("threshold").Int)
	a.Governance.Appointed = Hex(r.Hash)
	for _, g := range old {
		if a.governor(g.Name, g.Key.VKey) == nil {
			a.retire(g.Name, g.Key, r, at, "retired")
		}
	}
}

// retire keeps a governor's or a node's key among those that count no more.
func (a *Authority) retire(name string, k Key, r *record.Record, at Place, reason string) {
	k.Revoked = &Revocation{Index: at.Index, Time: at.Time, Reason: reason, By: r.Author}
	a.Governance.Former = append(a.Governance.Former, Former{name, k})
}
