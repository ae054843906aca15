package verify

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// registered is a key that a record registers, and the name that it is
// registered under.
type registered struct {
	name string
	key  *Key
}

// keysIn lists the keys that a record registers, in the order in which its
// proofs of possession stand: of a node its log, cosigner and TLS key, as far
// as they are new; of a member its admin, record and TLS keys; of governors
// those that no governor of before has. The keys of the founders are not
// among them: their signatures under the genesis say the same.
func (a *Authority) keysIn(r *record.Record, at Place) (keys []registered, err error) {
	b := r.Body
	member := b.Get("name").Str
	add := func(name, vkey, use string) *Key {
		k, kerr := keyOf(vkey, use, at)
		if kerr != nil {
			err = kerr
			return &Key{}
		}
		keys = append(keys, registered{name, k})
		return k
	}
	node := func(n jcs.Value) {
		add(r.Origin, n.Get("log_key").Str, UseLog)
		own := record.NodeName(r.Origin, n.Get("id").Str)
		add(own, n.Get("cosigner_key").Str, UseCosigner)
		add(own, n.Get("tls_key").Str, UseTLS)
	}
	switch r.Type {
	case "log.genesis/1":
		for _, n := range b.Get("nodes").List {
			node(n)
		}
	case "node.added/1":
		node(b)
	case "node.changed/1":
		node(b)
		if old := a.Governance.Nodes[b.Get("id").Str]; old != nil {
			keys = slices.DeleteFunc(keys, func(k registered) bool { return old.key(k.key.Use).VKey == k.key.VKey })
		}
	case "governors.changed/1":
		for _, g := range b.Get("governors").List {
			if a.governor(g.Get("name").Str, g.Get("key").Str) == nil {
				add(g.Get("name").Str, g.Get("key").Str, UseGovernor)
			}
		}
	case "member.admitted/1":
		for _, k := range b.Get("admin_keys").List {
			add(member, k.Get("key").Str, UseAdmin).Actor = k.Get("actor").Str
		}
		for _, k := range b.Get("keys").Strings() {
			add(member, k, UseRecord)
		}
		for _, k := range b.Get("tls_keys").Strings() {
			add(member, k, UseTLS)
		}
	case "key.added/1":
		k := add(member, b.Get("key").Str, b.Get("use").Str)
		k.Actor = b.Get("actor").Str
		if d := b.Get("device"); d.Kind != 0 {
			k.Device = &Device{d.Get("kind").Str, d.Get("vehicle").Str}
		}
		if a.admin(r) != nil {
			k.By = certs.FormatID(r.Sigs[0].ID)
		}
	}
	return keys, err
}

// checkRegistration checks the keys that a record registers, and the policy
// that it puts in force.
func (a *Authority) checkRegistration(r *record.Record, at Place) error {
	keys, err := a.keysIn(r, at)
	if err != nil {
		return err
	}
	if err := a.checkPossession(r, keys); err != nil {
		return err
	}
	return a.checkPolicyText(r, keys)
}

// checkPossession: each key is new, under its name and as such, and its
// proof of possession fits.
func (a *Authority) checkPossession(r *record.Record, keys []registered) error {
	proofs := r.Body.Get("pop").Strings()
	if len(proofs) != len(keys) {
		return fault.New("pop", "body.pop", fmt.Sprintf("%d keys need %d proofs of possession, here are %d", len(keys), len(keys), len(proofs)))
	}
	seen := map[string]bool{}
	for _, g := range r.Body.Get("founding").Get("governors").List {
		if v, err := certs.ParseVKey(g.Get("key").Str); err == nil {
			seen[string(v.Public())] = true
		}
	}
	for i, reg := range keys {
		pub, pair := string(reg.key.Public), reg.name+"+"+reg.key.ID
		if a.used[pub] || a.used[pair] || seen[pub] || seen[pair] {
			return fault.New("key_reused", "body", fmt.Sprintf("key %s of %s was registered before; a key is registered once, for one use", reg.key.ID, reg.name))
		}
		seen[pub], seen[pair] = true, true
		proof, _ := base64.StdEncoding.DecodeString(proofs[i])
		if !possessed(reg, r.Origin, proof) {
			return fault.New("pop", fmt.Sprintf("body.pop[%d]", i), fmt.Sprintf("the proof of possession of key %s (%s of %s) does not fit", reg.key.ID, reg.key.Use, reg.name))
		}
	}
	return nil
}

func possessed(reg registered, origin string, proof []byte) bool {
	if reg.key.Use == UseTLS {
		return certs.PinPossessed(reg.key.VKey, origin, reg.name, proof)
	}
	v, err := certs.ParseVKey(reg.key.VKey)
	return err == nil && v.Possessed(origin, reg.key.Use, proof)
}

func keyOf(s, use string, at Place) (*Key, error) {
	k := &Key{VKey: s, Use: use, Index: at.Index, Time: at.Time}
	if use == UseTLS {
		pub, err := certs.ParsePin(s)
		if err != nil {
			return nil, err
		}
		k.Public, k.ID = pub, s[len(s)-8:]
		return k, nil
	}
	v, err := certs.ParseVKey(s)
	if err != nil {
		return nil, err
	}
	k.Public, k.ID = v.Public(), certs.FormatID(v.ID())
	return k, nil
}
