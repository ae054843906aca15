package verify_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// story is a log whose governors, members and nodes do as chance has it,
// rightly and wrongly.
type story struct {
	*asked
	rt    *rapid.T
	tries int // a number in whatever must be new
	taken map[string]int
}

func (s *story) of(label string, words ...string) string {
	return rapid.SampledFrom(words).Draw(s.rt, label)
}

func (s *story) odds(label string, one int) bool {
	return rapid.IntRange(1, one).Draw(s.rt, label) == one
}

// governors are a few of a pool of people and keys, and how many are needed.
func (s *story) governors() ([]certs.Signer, int) {
	var govs []certs.Signer
	for _, name := range []string{"assoc.example", "insurer.example", maker, "police.example"} {
		switch s.of("governor", "none", "first", "first", "second") {
		case "first":
			govs = append(govs, ed25519Key(s.t, name, s.name+" governor"))
		case "second":
			govs = append(govs, s.newGovernor(name))
		}
	}
	if len(govs) == 0 {
		govs = s.govs
	}
	return govs, rapid.IntRange(1, len(govs)).Draw(s.rt, "threshold")
}

// policy is one that fits the nodes as they would be, mostly.
func (s *story) policy(hosts []host) string {
	s.tries++
	if s.odds("a wrong policy", 6) {
		hosts = append(slices.Clone(hosts), s.hosts[0])
	}
	if s.odds("a short policy", 6) || len(hosts) == 0 {
		hosts = s.hosts[:1]
	}
	seen := map[string]bool{}
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(h host) bool {
		twice := seen[h.id]
		seen[h.id] = true
		return twice
	})
	return numbered(s.tries, s.policyOf(hosts))
}

// step puts one record at the end, and returns what is to be done if the log
// takes it.
func (s *story) step() (index uint64, then func()) {
	name := s.of("member", dealer, inspector, maker, "late.example")
	actor := s.of("actor", "office", "foreman", "owner", "fitter")
	subject := "member/" + name
	write := s.byAdmin
	if s.odds("by governors", 3) {
		write = func(typ, name string, body jcs.Value) uint64 {
			return s.byGovernors(typ, subject, body.With("name", jcs.Text(name)))
		}
	}
	then = func() {}
	switch what := s.of("step", "admit", "change", "suspend", "reinstate", "grant", "take", "key", "revoke", "govern", "rules",
		"add node", "change node", "remove node", "reading", "again", "close"); what {
	case "admit":
		index = s.byGovernors("member.admitted/1", subject, s.memberBody(name, "DLR"))
	case "change":
		index = s.byGovernors("member.changed/1", subject, obj("kind", []string{s.of("kind", "DLR", "PTI", "MFR")}, "name", name, "valid_to", s.of("until", "2025-01-01", "2026-12-31")))
	case "suspend":
		index = s.suspend(name)
	case "reinstate":
		index = s.reinstate(name)
	case "grant":
		index = write("role.granted/1", name, obj("actor", actor, "role", s.of("role", "administrator", "technician")))
	case "take":
		index = write("role.revoked/1", name, obj("actor", actor, "role", s.of("role", "administrator", "technician")))
	case "key":
		use := s.of("use", "record", "admin")
		key := ed25519Key(s.t, name, s.of("key", "one", "two", "three")+use)
		index = write("key.added/1", name, obj("actor", actor, "key", key.VKey(), "pop", []string{s.pop(key, use)}, "use", use))
	case "revoke":
		admins, rec, tls := memberKeys(s.t, s.world, name)
		ids := []string{certs.FormatID(admins[0].ID()), certs.FormatID(admins[1].ID()), certs.FormatID(rec.ID()), tls.Pin()[len(tls.Pin())-8:]}
		for _, label := range []string{"one", "two", "three"} {
			ids = append(ids, certs.FormatID(ed25519Key(s.t, name, label+"record").ID()), certs.FormatID(ed25519Key(s.t, name, label+"admin").ID()))
		}
		body := obj("key_id", s.of("which", ids...), "reason", s.of("reason", "retired", "lost", "compromised"))
		if body.Get("reason").Str == "compromised" {
			body = body.With("since", jcs.Text(s.of("since", "2026-05-04T08:00:00Z", "2026-05-04T13:00:00Z", "2027-01-01T00:00:00Z")))
		}
		index = write("key.revoked/1", name, body)
	case "govern":
		govs, need := s.governors()
		index = s.byGovernors("governors.changed/1", "governance", s.governorsBody(need, govs...))
		then = func() { s.govs, s.need, s.appointed = govs, need, s.hashAt(index) }
	case "rules":
		version := int(s.auth.Governance.Rules.Version) + rapid.IntRange(0, 1).Draw(s.rt, "version")
		index = s.publish(version, mayWrite("odometer.reading/1", s.of("writer", "DLR", "PTI", "any")))
	case "add node":
		h := s.newHost(s.of("id", "fifth", "sixth", "ulm"))
		hosts := append(slices.Clone(s.hosts), h)
		index = s.byGovernors("node.added/1", "governance", s.changeBody(h, s.policy(hosts), "log", "cosigner", "tls"))
		then = func() { s.hosts = hosts }
	case "change node":
		hosts := slices.Clone(s.hosts)
		h := &hosts[rapid.IntRange(0, len(hosts)-1).Draw(s.rt, "host")]
		keys := slices.DeleteFunc([]string{"log", "cosigner", "tls"}, func(string) bool { return s.odds("same", 2) })
		*h = s.replaced(*h, s.of("keys", " 2", " 3"), keys...)
		policy := s.policy(hosts)
		if s.odds("without a policy", 3) {
			policy = ""
		}
		index = s.byGovernors("node.changed/1", "governance", s.changeBody(*h, policy, keys...))
		then = func() { s.hosts = hosts }
	case "remove node":
		id := s.hosts[rapid.IntRange(0, len(s.hosts)-1).Draw(s.rt, "host")].id
		hosts := without(s.hosts, id)
		index = s.removeHost(id, s.policy(hosts))
		then = func() { s.hosts = hosts }
	case "reading":
		index = s.reading(name, vinA, 32000, s.workshop(name))
	case "again":
		i := rapid.IntRange(0, len(s.leaves)-1).Draw(s.rt, "earlier")
		for s.subjects[i] == nil { // a seal
			i--
		}
		index = s.put(s.leaves[i], s.subjects[i]...)
	case "close":
		if !s.odds("closed", 8) {
			return s.reading(name, vinA, 32000, s.workshop(name)), then
		}
		index = s.byGovernors("log.closed/1", "governance", obj("successor", successor))
	}
	return index, then
}

// consistent are what must hold of any state that a log can reach.
func (s *story) consistent() {
	g := s.auth.Governance
	if g.Threshold < 1 || g.Threshold > len(g.Governors) || len(g.Nodes) < 1 {
		s.rt.Fatalf("%d of %d governors, %d nodes", g.Threshold, len(g.Governors), len(g.Nodes))
	}
	seen := map[string]bool{}
	once := func(k *verify.Key) {
		if seen[string(k.Public)] {
			s.rt.Fatalf("key %s stands there twice", k.ID)
		}
		seen[string(k.Public)] = true
	}
	for i := range g.Governors {
		once(&g.Governors[i].Key)
	}
	for i := range g.Former {
		once(&g.Former[i].Key)
		if g.Former[i].Key.Live() {
			s.rt.Fatalf("a former key is live: %+v", g.Former[i])
		}
	}
	for _, m := range s.auth.Members {
		for _, k := range m.Keys {
			once(k)
		}
	}
	p, err := verify.ParsePolicy([]byte(g.Policy))
	if err != nil {
		s.rt.Fatal(err)
	}
	listed := map[string]bool{}
	for _, l := range p.Logs() {
		listed[l.VKey()] = true
	}
	for _, w := range p.Witnesses() {
		listed[w.Key.VKey()] = true
	}
	for _, n := range g.Nodes {
		once(&n.Log)
		once(&n.Cosigner)
		once(&n.TLS)
		if !listed[n.Log.VKey] || !listed[n.Cosigner.VKey] {
			s.rt.Fatalf("the policy in force lacks a key of node %s", n.ID)
		}
	}
}

// After every record the state that a restart reads back is the one that the
// replay has reached, judges the same, and holds together.
func TestStateIsTheReplay(t *testing.T) {
	t.Parallel()
	taken := map[string]int{}
	known := map[string]bool{} // what fits fits for ever
	sigOK := func(public, text, sig []byte) bool {
		key := string(public) + string(sig) + string(text)
		if _, ok := known[key]; !ok {
			known[key] = certs.VerifyEd25519(public, text, sig)
		}
		return known[key]
	}
	first := ask(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := &story{asked: &asked{newWorld(t), first.decoded(t)}, rt: rt, taken: taken}
		again := s.decoded(t)
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			index, then := s.step()
			at := verify.Place{Index: index, Time: s.clock}
			r, err := record.Open(s.newest(index))
			if err == nil {
				err = s.auth.Check(r, at, sigOK)
				if other := again.Check(r, at, sigOK); fmt.Sprint(other) != fmt.Sprint(err) {
					rt.Fatalf("after a restart: %v; before it: %v", other, err)
				}
			}
			if err != nil {
				s.undo(int(index))
				continue
			}
			taken[r.Type]++
			s.auth.Apply(r, at)
			then()
			if subject := again.Apply(r, at); string(again.Encode(subject)) != string(s.auth.Encode(subject)) {
				rt.Fatalf("%s makes another state after a restart", r.Type)
			}
			if again = s.decoded(t); !reflect.DeepEqual(again, s.auth) {
				rt.Fatalf("the state after %s does not survive a restart", r.Type)
			}
			s.consistent()
			if s.odds("sealed", 3) {
				s.seal()
			}
		}
		s.seal()
		replayed := verify.NewAuthority(s.origin)
		for i, leaf := range s.leaves {
			if s.subjects[i] == nil {
				continue
			}
			r, err := record.Open(leaf)
			s.must(err)
			at := verify.Place{Index: uint64(i), Time: s.times[i]}
			if err := replayed.Check(r, at, sigOK); err != nil {
				rt.Fatalf("log index %d: %v", i, err)
			}
			replayed.Apply(r, at)
		}
		if !reflect.DeepEqual(replayed, s.auth) {
			rt.Fatal("the replay makes another state")
		}
	})
	// Which records a story has is up to chance: most types must be in some.
	missing := 0
	for _, d := range record.Types() {
		if d.Governed() && taken[d.Name] == 0 && d.Name != "log.genesis/1" && d.Name != "feature.raised/1" {
			missing++
			t.Logf("no %s in any story", d.Name)
		}
	}
	if missing > 6 {
		t.Errorf("%d types are in no story", missing)
	}
}
