package verify_test

import (
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// begun tells the lie in the genesis, signed by all founders.
func begun(genesis func(jcs.Value) jcs.Value) func(*world) []byte {
	return func(w *world) []byte {
		w = founded(w.t, genesis)
		w.live()
		return w.file(vinA).Bytes()
	}
}

// admitted has someone admit a member, by whom the test says, and that
// member write the newest reading.
func admitted(change func(jcs.Value) jcs.Value, more []jcs.Field, signers func(w *world) []certs.Signer) func(*world) []byte {
	return lie(func(w *world) {
		const name = "new.example"
		body := w.memberBody(name, "DLR")
		if change != nil {
			body = change(body)
		}
		s := signers(w)
		w.add(envelope{"member.admitted/1", s[0].Name(), []string{"member/" + name}, body, more}, s...)
		w.reading(name, vinA, 32000, w.workshop(name))
	})
}

func two(w *world) []certs.Signer { return w.govs[:2] }

// newHost is a node that the genesis does not know.
func (w *world) newHost(id string) host {
	h := host{id: id, log: ed25519Key(w.t, w.origin, "log "+id)}
	own := w.origin + "/node/" + id
	var err error
	h.cosigner, err = certs.NewCosigner(own, seed(own), func() time.Time { return time.UnixMilli(w.clock).Add(2 * time.Second) })
	w.must(err)
	h.tls, err = certs.NewTLSIdentity(seed("tls " + own))
	w.must(err)
	return h
}

// addHost puts a node.added into the log, with a policy that it puts in force.
func (w *world) addHost(h host, policy string) uint64 {
	fields, pops := w.nodeValue(h, maker)
	body := obj(append(fields, "policy", lines(policy), "pop", pops, "prev", w.prev("governance"))...)
	return w.add(envelope{"node.added/1", w.govs[0].Name(), []string{"governance"}, body, nil}, two(w)...)
}

func (w *world) revocation(key certs.Signer, reason, since string) func(*world) []byte {
	return lie(func(w *world) { w.revokeKey(dealer, key, reason, since) })
}

// Governance, members and their keys.
var governanceCheats = []cheat{
	{name: "a genesis that does not hash to the origin", do: begun(func(b jcs.Value) jcs.Value {
		return b.With("founding", b.Get("founding").With("nonce", jcs.Text(b64(make([]byte, 16)))))
	}), code: "authority < genesis_origin", says: "the founding does not hash to the origin"},
	{name: "a genesis with a lower threshold", do: begun(func(b jcs.Value) jcs.Value {
		return b.With("founding", b.Get("founding").With("threshold", jcs.Number(1)))
	}), code: "authority < genesis_origin", says: "the founding does not hash to the origin"},
	{name: "a genesis that one founder did not sign", do: func(w *world) []byte {
		w = emptyWorld(w.t, fullCast)
		w.add(envelope{"log.genesis/1", w.govs[0].Name(), []string{"governance"}, w.genesis(), nil}, two(w)...)
		w.admit(dealer, nil, "DLR")
		w.reading(dealer, vinA, 12, w.workshop(dealer))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "authority < threshold", says: "signed by all 3 founders, here by 2"},
	{name: "a genesis that one founder signed with another key", do: func(w *world) []byte {
		w = emptyWorld(w.t, fullCast)
		w.add(envelope{"log.genesis/1", w.govs[0].Name(), []string{"governance"}, w.genesis(), nil},
			w.govs[0], ed25519Key(w.t, "insurer.example", "another"), w.govs[2])
		w.reading(dealer, vinA, 12, w.workshop(dealer))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "authority < not_governor", says: "insurer.example"},
	{name: "a genesis with one founder's signature of something else", do: func(w *world) []byte {
		w = emptyWorld(w.t, fullCast)
		e := envelope{"log.genesis/1", w.govs[0].Name(), []string{"governance"}, w.genesis(), nil}
		text := w.text(e)
		n := certs.Note{Text: text}
		for i, g := range w.govs {
			sig, err := g.Sign([]byte(text[i/2:])) // the third signs one byte less
			w.must(err)
			n.Sigs = append(n.Sigs, sig)
		}
		w.put(n.Bytes(), "governance")
		w.reading(dealer, vinA, 12, w.workshop(dealer))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "authority < signature", says: "the signature by governor " + maker},
	{name: "a genesis that claims to succeed another log", do: begun(func(b jcs.Value) jcs.Value {
		return b.With("predecessor", obj("origin", "milepost.example/old/"+strings.Repeat("0", 40), "root", strings.Repeat("0", 64), "size", 4)).With("seed", jcs.Text("lyon"))
	}), code: "authority < predecessor", says: "it goes on from another log, whose leaves are not before it"},
	{name: "a genesis that is not the first leaf", do: func(w *world) []byte {
		w = emptyWorld(w.t, fullCast)
		w.reading(dealer, vinB, 12, w.workshop(dealer))
		w.found(nil)
		w.live()
		return w.file(vinA).Bytes()
	}, code: "authority < genesis_place", says: "a genesis stands at log index 0"},
	{name: "a record before the genesis", do: func(w *world) []byte {
		w = emptyWorld(w.t, fullCast)
		w.admit(dealer, nil, "DLR")
		w.found(nil)
		w.live()
		return w.file(vinA).Bytes()
	}, code: "authority < no_genesis", says: "the first record of a log is its genesis"},
	{name: "a log without a genesis", do: func(w *world) []byte {
		w = emptyWorld(w.t, fullCast)
		w.reading(dealer, vinA, 12, w.workshop(dealer))
		w.seal()
		return w.file(vinA).Bytes()
	}, code: "authority", says: "the file holds no genesis record"},
	{name: "a second genesis", do: lie(func(w *world) {
		w.add(envelope{"log.genesis/1", w.govs[0].Name(), []string{"governance"}, w.genesis(), nil}, w.govs...)
	}), code: "authority < genesis_place", says: "the log has its genesis already"},
	{name: "a genesis with a predecessor of its history", do: begun(func(b jcs.Value) jcs.Value {
		return b.With("prev", jcs.Text(strings.Repeat("0", 64)))
	}), code: "authority < prev", says: "the first record of a history has no predecessor"},
	{name: "a genesis whose policy is of another log", do: begun(func(b jcs.Value) jcs.Value {
		return b.With("policy", jcs.Texts(lines(emptyWorld(tb{}, cast{"milepost.example/other", fullCast.governors, 2, fullCast.hosts}).policy)))
	}), code: "authority < policy_origin", says: "the policy is of another log: milepost.example/other/"},
	{name: "a genesis whose policy lacks a node", do: begun(func(b jcs.Value) jcs.Value {
		w := emptyWorld(tb{}, fullCast)
		return b.With("policy", jcs.Texts(lines(w.policyOf(w.hosts[:3]))))
	}), code: "authority < policy_keys", says: "the policy lacks the log key"},
	{name: "a genesis whose policy has a node in a comment only", do: begun(func(b jcs.Value) jcs.Value {
		w := emptyWorld(tb{}, fullCast)
		comments := []string{"# " + w.hosts[3].log.VKey(), "# " + w.hosts[3].cosigner.VKey()}
		return b.With("policy", jcs.Texts(append(comments, lines(w.policyOf(w.hosts[:3]))...)))
	}), code: "authority < policy_keys", says: "the policy lacks the log key"},
	{name: "a genesis whose policy believes the log alone", do: begun(func(b jcs.Value) jcs.Value {
		ls := b.Get("policy").Strings()
		return b.With("policy", jcs.Texts(append(ls[:len(ls)-1], "quorum none")))
	}), code: "authority < policy_form", says: "quorum none would believe the log alone"},
	{name: "a genesis with a node that has a governor's key", do: func(w *world) []byte {
		w = emptyWorld(w.t, fullCast)
		w.hosts[0].log = ed25519KeyOf(w, w.origin, "assoc.example "+w.name+" governor")
		w.policy = w.policyOf(w.hosts)
		w.found(nil)
		w.live()
		return w.file(vinA).Bytes()
	}, opt: func(o *verify.Options) {
		w := emptyWorld(tb{}, fullCast)
		w.hosts[0].log = ed25519KeyOf(w, w.origin, "assoc.example "+w.name+" governor")
		o.Policy = parsed(tb{}, w.policyOf(w.hosts))
	}, code: "authority < key_reused", says: "was registered before"},
	{name: "a genesis of a newer feature level", do: begun(func(b jcs.Value) jcs.Value {
		return b.With("feature_level", jcs.Number(2))
	}), code: "newer_needed", says: "the log is at feature level 2, this program at 1"},
	{name: "a governance record of an unknown type", do: lie(func(w *world) {
		w.add(envelope{"senate.convened/1", w.govs[0].Name(), []string{"governance"}, obj("level", 2, "prev", w.prev("governance")), nil}, two(w)...)
	}), code: "newer_needed", says: "a record of type senate.convened/1 decides who may write"},
	{name: "a member record of an unknown type", do: lie(func(w *world) {
		w.add(envelope{"member.knighted/1", w.govs[0].Name(), []string{"member/" + dealer}, obj("name", dealer, "prev", w.prev("member/"+dealer), "reason", "unpaid"), nil}, two(w)...)
	}), code: "newer_needed", says: "a record of type member.knighted/1 decides who may write"},

	{name: "a member admitted by one governor of two", do: admitted(nil, nil, func(w *world) []certs.Signer { return w.govs[:1] }),
		code: "authority < threshold", says: "exactly 2 governors sign this, here are 1 signatures"},
	{name: "a member admitted by one governor too many", do: admitted(nil, nil, func(w *world) []certs.Signer { return w.govs }),
		code: "authority < threshold", says: "exactly 2 governors sign this, here are 3 signatures"},
	{name: "a member admitted by one governor under two names", do: admitted(nil, nil, func(w *world) []certs.Signer {
		return []certs.Signer{w.govs[0], ed25519Key(w.t, "bystander.example", "x")}
	}), code: "authority < not_governor", says: "bystander.example"},
	{name: "a member admitted with a governor's name and another key", do: admitted(nil, nil, func(w *world) []certs.Signer {
		return []certs.Signer{w.govs[0], w.workshop(maker)}
	}), code: "authority < not_governor", says: maker},
	{name: "a member admitted with a governor's signature of something else", do: lie(func(w *world) {
		const name = "new.example"
		e := envelope{"member.admitted/1", w.govs[0].Name(), []string{"member/" + name}, w.memberBody(name, "DLR"), nil}
		text := w.text(e)
		first, err := w.govs[0].Sign([]byte(text))
		w.must(err)
		second, err := w.govs[1].Sign([]byte(strings.Replace(text, "DLR", "MFR", 1)))
		w.must(err)
		n := certs.Note{Text: text, Sigs: []certs.Sig{first, second}}
		w.put(n.Bytes(), e.subjects...)
		w.reading(name, vinA, 32000, w.workshop(name))
	}), code: "authority < signature", says: "the signature by governor insurer.example does not fit"},
	{name: "a member admitted by governors as an actor", do: admitted(nil, as("office"), two),
		code: "authority < actor", says: "governors' keys are bound to no actor"},
	{name: "a member admitted after a record that is not there", do: admitted(func(b jcs.Value) jcs.Value {
		return b.With("prev", jcs.Text(strings.Repeat("0", 64)))
	}, nil, two), code: "authority < prev", says: "the newest record of this history is none, not 0000"},
	{name: "a member admitted twice", do: lie(func(w *world) {
		w.admit(dealer, func(b jcs.Value) jcs.Value { return b.With("prev", jcs.Text(w.prev("member/"+dealer))) }, "DLR", "MFR")
	}), code: "authority < member_exists", says: dealer + " was admitted before"},
	{name: "a member admitted without one proof of possession", do: admitted(func(b jcs.Value) jcs.Value {
		return b.With("pop", jcs.Texts(b.Get("pop").Strings()[1:]))
	}, nil, two), code: "authority < pop", says: "4 keys need 4 proofs of possession, here are 3"},
	{name: "a member admitted with two proofs of possession exchanged", do: admitted(func(b jcs.Value) jcs.Value {
		p := b.Get("pop").Strings()
		p[1], p[2] = p[2], p[1]
		return b.With("pop", jcs.Texts(p))
	}, nil, two), code: "authority < pop", says: "body.pop[1]: the proof of possession of key"},
	{name: "a member admitted with a proof of possession for another log", do: lie(func(w *world) {
		w.admit("new.example", func(b jcs.Value) jcs.Value {
			p := b.Get("pop").Strings()
			proof, err := w.workshop("new.example").Possess("milepost.example/other/"+strings.Repeat("0", 40), "record")
			w.must(err)
			p[2] = b64(proof)
			return b.With("pop", jcs.Texts(p))
		}, "DLR")
		w.reading("new.example", vinA, 32000, w.workshop("new.example"))
	}), code: "authority < pop", says: "body.pop[2]"},
	{name: "a member admitted with another member's key", do: lie(func(w *world) {
		w.admit("new.example", func(b jcs.Value) jcs.Value {
			// The same public key; only the name in the verifier key differs.
			same := ed25519KeyOf(w, "new.example", dealer+" "+w.name+" spare")
			p := b.Get("pop").Strings()
			p[2] = w.pop(same, "record")
			return b.With("keys", jcs.Texts([]string{same.VKey()})).With("pop", jcs.Texts(p))
		}, "DLR")
		w.reading("new.example", vinA, 32000, ed25519KeyOf(w, "new.example", dealer+" "+w.name+" spare"))
	}), code: "authority < key_reused", says: "of new.example was registered before"},

	{name: "a key added after a stale record", do: lie(func(w *world) {
		prev := w.prev("member/" + dealer)
		w.addKey(dealer, ed25519Key(w.t, dealer, "one"), "record")
		key := ed25519Key(w.t, dealer, "two")
		w.add(envelope{"key.added/1", dealer, []string{"member/" + dealer},
			obj("key", key.VKey(), "name", dealer, "pop", []string{w.pop(key, "record")}, "prev", prev, "use", "record"), as("office")}, w.office(dealer))
	}), code: "authority < prev", says: "the newest record of this history is"},
	{name: "a key added by a record key", do: lie(func(w *world) {
		key := ed25519Key(w.t, dealer, "new")
		w.add(envelope{"key.added/1", dealer, []string{"member/" + dealer},
			obj("key", key.VKey(), "name", dealer, "pop", []string{w.pop(key, "record")}, "prev", w.prev("member/"+dealer), "use", "record"), nil}, w.spare(dealer))
	}), code: "authority < key_unknown", says: dealer + " has no admin key"},
	{name: "a key added for one who is no member", do: lie(func(w *world) {
		const name = "nobody.example"
		key := ed25519Key(w.t, name, "new")
		w.add(envelope{"key.added/1", w.govs[0].Name(), []string{"member/" + name},
			obj("key", key.VKey(), "name", name, "pop", []string{w.pop(key, "record")}, "use", "record"), nil}, two(w)...)
		w.reading(name, vinA, 32000, key)
	}), code: "authority < member_unknown", says: "nobody.example is not a member"},
	{name: "a key added by another member's administrator", do: lie(func(w *world) {
		key := ed25519Key(w.t, dealer, "new")
		w.add(envelope{"key.added/1", inspector, []string{"member/" + dealer},
			obj("key", key.VKey(), "name", dealer, "pop", []string{w.pop(key, "record")}, "prev", w.prev("member/"+dealer), "use", "record"), as("office")}, w.office(inspector))
	}), code: "authority < threshold", says: "exactly 2 governors sign this, here are 1 signatures"},
	{name: "a key added by two administrators", do: lie(func(w *world) {
		key := ed25519Key(w.t, dealer, "new")
		w.add(envelope{"key.added/1", dealer, []string{"member/" + dealer},
			obj("key", key.VKey(), "name", dealer, "pop", []string{w.pop(key, "record")}, "prev", w.prev("member/"+dealer), "use", "record"), as("office")}, w.office(dealer), w.office(maker))
	}), code: "authority < signatures", says: "a record of a member's administrator carries one signature"},
	{name: "a revoked key added anew", do: lie(func(w *world) { w.addKey(dealer, w.workshop(dealer), "record") }),
		code: "authority < key_reused", says: "a key is registered once, for one use"},
	{name: "a key added with the proof of possession for another use", do: lie(func(w *world) {
		key := ed25519Key(w.t, dealer, "new")
		w.add(envelope{"key.added/1", dealer, []string{"member/" + dealer},
			obj("key", key.VKey(), "name", dealer, "pop", []string{w.pop(key, "admin")}, "prev", w.prev("member/"+dealer), "use", "record"), as("office")}, w.office(dealer))
	}), code: "authority < pop", says: "body.pop[0]: the proof of possession of key"},

	{name: "a revocation dated into the future", do: func(w *world) []byte {
		return w.revocation(w.spare(dealer), "compromised", time.UnixMilli(w.clock).Add(time.Second).UTC().Format(time.RFC3339))(w)
	}, code: "authority < since", says: "it lies after the log time of this record"},
	{name: "a member's own revocation dated too far back", do: func(w *world) []byte {
		return w.revocation(w.spare(dealer), "compromised", time.UnixMilli(w.clock).Add(-30*24*time.Hour-time.Second).UTC().Format(time.RFC3339))(w)
	}, code: "authority < since", says: "a member's own report reaches back 30 days"},
	{name: "one of two administrators revoked by the other", do: func(w *world) []byte {
		return w.revocation(ed25519Key(w.t, dealer, w.name+" admin foreman"), "retired", "")(w)
	}, code: "authority < administrators", says: "at least two administrators always remain"},
	{name: "a key revoked twice", do: func(w *world) []byte {
		return w.revocation(w.workshop(dealer), "lost", "")(w)
	}, code: "authority < key_unknown", says: dealer + " has no such key in force"},
	{name: "a key revoked that never was", do: func(w *world) []byte {
		return w.revocation(ed25519Key(w.t, dealer, "never"), "lost", "")(w)
	}, code: "authority < key_unknown", says: dealer + " has no such key in force"},

	{name: "a node added whose policy lacks it", do: lie(func(w *world) { w.addHost(w.newHost("fifth"), "# version 2\n"+w.policy) }),
		code: "authority < policy_keys", says: "the policy lacks the log key"},
	{name: "a node added twice", do: lie(func(w *world) {
		h := w.newHost("fifth")
		w.addHost(h, w.policyOf(append(slices.Clone(w.hosts), h)))
		h.log, h.cosigner = ed25519Key(w.t, w.origin, "log other"), mustCosigner(w, w.origin+"/node/fifth", "other")
		w.addHost(h, w.policyOf(append(slices.Clone(w.hosts), h)))
	}), code: "authority < node_exists", says: "ids are never used again"},
	{name: "a node added with the keys of another", do: lie(func(w *world) {
		h := w.newHost("fifth")
		h.log = w.hosts[0].log
		w.addHost(h, w.policyOf(append(slices.Clone(w.hosts[1:]), h)))
	}), code: "authority < key_reused", says: "was registered before"},
}

func mustCosigner(w *world, name, label string) certs.Signer {
	s, err := certs.NewCosigner(name, seed(label), func() time.Time { return start })
	w.must(err)
	return s
}

// ed25519KeyOf is a key from another's seed, under a name of its own.
func ed25519KeyOf(w *world, name, label string) certs.Signer {
	s, err := certs.NewEd25519Signer(name, seed(label))
	w.must(err)
	return s
}
