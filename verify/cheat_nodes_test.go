package verify_test

import (
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// changed has the governors change the first node: with these new keys, and
// a policy made from the hosts as they are then.
func changed(policy func(w *world, hosts []host) string, keys ...string) func(*world) []byte {
	return lie(func(w *world) {
		h := w.replaced(w.hosts[0], " 2", keys...)
		text := ""
		if policy != nil {
			text = policy(w, append([]host{h}, w.hosts[1:]...))
		}
		w.changeHost(h, text, keys...)
	})
}

func (w *world) policyNow(hosts []host) string { return numbered(2, w.policyOf(hosts)) }

// Nodes and policies.
var nodeCheats = []cheat{
	{name: "a node's new cosigner key without a policy", do: changed(nil, "cosigner"),
		code: "authority < policy_keys", says: "comes with the policy that is then in force"},
	{name: "a node's new log key without a policy", do: changed(nil, "log"),
		code: "authority < policy_keys", says: "comes with the policy that is then in force"},
	{name: "a node's new cosigner key that the policy lacks", do: changed(func(w *world, _ []host) string { return numbered(2, w.policyOf(w.hosts[1:])) }, "cosigner"),
		code: "authority < policy_keys", says: "the policy lacks the"},
	{name: "a node's new cosigner key alone that the policy lacks", do: changed(func(w *world, hosts []host) string {
		logs := []string{hosts[0].log.VKey(), hosts[1].log.VKey(), hosts[2].log.VKey(), hosts[3].log.VKey()}
		return verify.NewPolicy(logs, hosts[1].cosigner.VKey(), hosts[2].cosigner.VKey(), hosts[3].cosigner.VKey())
	}, "cosigner"), code: "authority < policy_keys", says: "the policy lacks the cosigner key"},
	{name: "a policy with a cosigner key that was replaced", do: changed(func(w *world, hosts []host) string {
		return strings.Replace(numbered(2, w.policyOf(hosts)), "group ", "witness former "+w.hosts[0].cosigner.VKey()+"\ngroup ", 1)
	}, "cosigner"), code: "authority < policy_former", says: "the policy has the cosigner key"},
	{name: "a policy with a log key that was replaced", do: changed(func(w *world, hosts []host) string {
		old := w.hosts[0]
		old.cosigner = mustCosigner(w, w.origin+"/node/outside", "outside")
		return numbered(2, w.policyOf(append(hosts, old)))
	}, "log"), code: "authority < policy_former", says: "the policy has the log key"},
	{name: "a change of a node whose policy lacks another node", do: changed(func(w *world, hosts []host) string { return numbered(2, w.policyOf(hosts[:3])) }, "cosigner"),
		code: "authority < policy_keys", says: "the policy lacks the"},
	{name: "a change of a node with the policy of before", do: changed(func(w *world, _ []host) string { return w.policy }, "tls"),
		code: "authority < policy_again", says: "this very text was in force before"},
	{name: "a change of a node that changes nothing", do: changed(nil),
		code: "authority < field", says: "it changes nothing"},
	{name: "a change of a node that is none", do: lie(func(w *world) {
		h := w.newHost("fifth")
		w.changeHost(h, w.policyNow(append(slices.Clone(w.hosts), h)), "log", "cosigner", "tls")
	}), code: "authority < node_unknown", says: "there is no node fifth"},
	{name: "a node's new key without its proof of possession", do: lie(func(w *world) {
		h := w.replaced(w.hosts[0], " 2", "tls")
		w.changeHost(h, "")
	}), code: "authority < pop", says: "1 keys need 1 proofs of possession, here are 0"},
	{name: "a node's old key with a proof of possession anew", do: lie(func(w *world) {
		h := w.replaced(w.hosts[0], " 2", "tls")
		w.changeHost(h, "", "log", "tls")
	}), code: "authority < pop", says: "1 keys need 1 proofs of possession, here are 2"},
	{name: "a node's new TLS key that is another node's", do: lie(func(w *world) {
		h := w.hosts[0]
		h.tls = w.hosts[1].tls
		w.changeHost(h, "", "tls")
	}), code: "authority < key_reused", says: "was registered before"},
	{name: "a node that takes its former key back", do: lie(func(w *world) {
		h := w.replaced(w.hosts[0], " 2", "tls")
		w.changeHost(h, "", "tls")
		h.tls = w.hosts[0].tls
		w.changeHost(h, "", "tls")
	}), code: "authority < key_reused", says: "was registered before"},
	{name: "a change of a node by one governor", do: lie(func(w *world) {
		h := w.replaced(w.hosts[0], " 2", "tls")
		w.add(w.ballot("node.changed/1", "governance", w.changeBody(h, "", "tls")), w.govs[0])
	}), code: "authority < threshold", says: "exactly 2 governors sign this"},

	{name: "a node removed whose key stays in the policy", do: lie(func(w *world) { w.removeHost("ulm", numbered(2, w.policyOf(w.hosts))) }),
		code: "authority < policy_former", says: "which is no node's any more"},
	{name: "a node removed with a policy that lacks another", do: lie(func(w *world) { w.removeHost("ulm", w.policyNow(w.hosts[:2])) }),
		code: "authority < policy_keys", says: "the policy lacks the"},
	{name: "a node removed that is none", do: lie(func(w *world) { w.removeHost("fifth", w.policyNow(w.hosts)) }),
		code: "authority < node_unknown", says: "there is no node fifth"},
	{name: "a node removed twice", do: lie(func(w *world) {
		w.removeHost("ulm", w.policyNow(w.hosts[:3]))
		w.removeHost("ulm", numbered(3, w.policyOf(w.hosts[:3])))
	}), code: "authority < node_unknown", says: "there is no node ulm"},
	{name: "the last node removed", do: lie(func(w *world) {
		for n := 3; n > 0; n-- {
			w.removeHost(w.hosts[n].id, numbered(n, w.policyOf(w.hosts[:n])))
		}
		w.removeHost(w.hosts[0].id, numbered(9, w.policyOf([]host{w.newHost("outside")})))
	}), code: "authority < node_last", says: "a log has at least one node"},
	{name: "the id of a node that was removed", do: lie(func(w *world) {
		w.removeHost("ulm", w.policyNow(w.hosts[:3]))
		h := w.replaced(w.newHost("ulm"), " 2", "log", "cosigner", "tls")
		w.addHost(h, numbered(3, w.policyOf(append(slices.Clone(w.hosts[:3]), h))))
	}), code: "authority < node_exists", says: "ids are never used again"},
	{name: "a node added with the keys of one that was removed", do: lie(func(w *world) {
		w.removeHost("ulm", w.policyNow(w.hosts[:3]))
		h := w.newHost("fifth")
		h.tls, h.log = w.hosts[3].tls, w.hosts[3].log
		w.addHost(h, numbered(3, w.policyOf(append(slices.Clone(w.hosts[:3]), h))))
	}), code: "authority < key_reused", says: "was registered before"},
	{name: "a node added whose policy lacks another node", do: lie(func(w *world) {
		h := w.newHost("fifth")
		w.addHost(h, w.policyOf(append(slices.Clone(w.hosts[1:]), h)))
	}), code: "authority < policy_keys", says: "the policy lacks the"},
	{name: "a node added with a policy that still has a former key", do: lie(func(w *world) {
		w.removeHost("ulm", w.policyNow(w.hosts[:3]))
		h := w.newHost("fifth")
		w.addHost(h, numbered(3, w.policyOf(append(slices.Clone(w.hosts), h))))
	}), code: "authority < policy_former", says: "which is no node's any more"},
	{name: "a head of a node that was removed", do: func(w *world) []byte {
		policy := w.policyNow(w.hosts[:3])
		w.removeHost("ulm", policy)
		w.seal()
		w.policy = policy
		s := w.signers()
		return w.fileAt("vehicle/"+vinA, len(w.leaves), s[0], s[1], s[2], s[4]).Bytes()
	}, code: "quorum_missing", says: "2 of 3 cosigners signed"},
}

// dayAfter is the day after the one on which the fixture lives.
const dayAfter = "2026-05-05T08:00:00Z"

// Grants, and the record of their use. The file is the court's.
var accessCheats = []cheat{
	{name: "a grant by an inspection body", do: inCourt(func(w *world) {
		w.access("access.granted/1", inspector, vinA, grantBody())
	}), code: "record < not_allowed", says: inspector + " (PTI) may not write access.granted/1"},
	{name: "a grant to nobody", do: inCourt(func(w *world) {
		w.access("access.granted/1", dealer, vinA, grantBody("grantee", jcs.Make()))
	}), code: "record < field", says: "body.grantee: exactly one of these is expected: member, secret_sha256"},
	{name: "a grant for presence without a reading", do: inCourt(func(w *world) {
		w.access("access.granted/1", dealer, vinA, grantBody("basis", "presence"))
	}), code: "record < field", says: "body.reading_ref: who says that the vehicle is present"},
	{name: "a grant for presence with another member's reading", do: inCourt(func(w *world) {
		w.access("access.granted/1", dealer, vinA, grantBody("basis", "presence", "reading_ref", w.ref("inspection")))
	}), code: "record < presence", says: "is read by the same member on the same day"},
	{name: "a grant for presence with a reading of another day", do: inCourt(func(w *world) {
		e := envelope{"access.granted/1", dealer, []string{"access/" + vinA}, grantBody("basis", "presence", "reading_ref", w.ref("newest")), nil}
		e.more = []jcs.Field{{Name: "event_time", Value: jcs.Text(dayAfter)}}
		w.add(e, w.spare(dealer))
	}), code: "record < presence", says: "is read by the same member on the same day"},
	{name: "a grant for presence with another car's reading", do: inCourt(func(w *world) {
		w.access("access.granted/1", dealer, vinA, grantBody("basis", "presence", "reading_ref", w.ref("other car")))
	}), code: "record < reference", says: "that stands before it in vehicle/" + vinA},
	{name: "a grant revoked that never was", do: inCourt(func(w *world) {
		w.access("access.revoked/1", dealer, vinA, obj("grant", w.ref("newest")))
	}), code: "record < reference", says: "is no access.granted/1 that stands before it in access/" + vinA},
	{name: "a grant of another car revoked", do: inCourt(func(w *world) {
		g := w.access("access.granted/1", dealer, vinB, grantBody())
		w.access("access.revoked/1", dealer, vinA, obj("grant", w.hashAt(g)))
	}), code: "record < reference", says: "that stands before it in access/" + vinA},
	{name: "a grant revoked by another dealer", do: inCourt(func(w *world) {
		w.admit("other.example", nil, "DLR")
		g := w.access("access.granted/1", dealer, vinA, grantBody())
		w.access("access.revoked/1", "other.example", vinA, obj("grant", w.hashAt(g)))
	}), code: "record < not_allowed", says: "the grant is by " + dealer},
	{name: "a grant revoked by one who was a manufacturer", do: inCourt(func(w *world) {
		g := w.access("access.granted/1", dealer, vinA, grantBody())
		w.byGovernors("member.changed/1", "member/"+maker, obj("kind", []string{"DLR"}, "name", maker))
		w.access("access.revoked/1", maker, vinA, obj("grant", w.hashAt(g)))
	}), code: "record < not_allowed", says: "the grant is by " + dealer},
	{name: "a grant used before it was given", do: inCourt(func(w *world) {
		grant := w.signed(w.text(envelope{"access.granted/1", dealer, []string{"access/" + vinA}, grantBody(), nil}), w.spare(dealer))
		w.access("access.used/1", dealer, vinA, usedBody(leafHex(grant)))
		w.put(grant, "access/"+vinA)
	}), code: "record < reference", says: "is no access.granted/1 that stands before it in access/" + vinA},
	{name: "a reading noted by a member without a node", do: inCourt(func(w *world) {
		g := w.access("access.granted/1", dealer, vinA, grantBody())
		w.access("access.used/1", inspector, vinA, usedBody(w.hashAt(g)))
	}), code: "record < not_allowed", says: inspector + " (PTI) may not write access.used/1"},
	{name: "a reading noted by a device of a member with nodes", do: inCourt(func(w *world) {
		key := ed25519Key(w.t, dealer, "device")
		w.addKey(dealer, key, "record", "device", obj("kind", "obd", "vehicle", vinA))
		g := w.access("access.granted/1", dealer, vinA, grantBody())
		w.add(envelope{"access.used/1", dealer, []string{"access/" + vinA}, usedBody(w.hashAt(g)), nil}, key)
	}), code: "record < not_allowed", says: dealer + " (DEV) may not write access.used/1"},
	{name: "a reading noted by a member whose node was removed", do: inCourt(func(w *world) {
		h := w.newHost("fifth") // the maker's
		w.addHost(h, numbered(2, w.policyOf(append(slices.Clone(w.hosts), h))))
		g := w.access("access.granted/1", dealer, vinA, grantBody())
		w.access("access.used/1", maker, vinA, usedBody(w.hashAt(g)))
		w.removeHost("fifth", numbered(3, w.policyOf(w.hosts)))
		w.access("access.used/1", maker, vinA, usedBody(w.hashAt(g)))
	}), code: "record < not_allowed", says: maker + " (MFR) may not write access.used/1"},
	{name: "a grant by a member whose time is over", do: inCourt(func(w *world) {
		w.byGovernors("member.changed/1", "member/"+dealer, obj("name", dealer, "valid_to", "2026-05-03"))
		w.access("access.granted/1", dealer, vinA, grantBody())
	}), code: "record < membership_over", says: dealer + " is a member from 2026-01-01 to 2026-05-03"},
}

func usedBody(grant string) jcs.Value {
	return obj("authentication", "grant_link", "grant", grant, "size", 18, "types", "all")
}

// inCourt is lie, for a file with all the histories of the car.
func inCourt(tell func(w *world)) func(*world) []byte {
	return func(w *world) []byte {
		tell(w)
		w.seal()
		w.clock += time.Hour.Milliseconds()
		return w.court().Bytes()
	}
}
