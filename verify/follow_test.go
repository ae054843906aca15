package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/verify"
)

// turned is a log whose policy changes in every way there is, with the file
// that someone took away after each change.
type turned struct {
	*world
	policies []string
	signers  [][]certs.Signer // who signs heads, at each stage
	records  []uint64         // that put the policies in force, from the second on
	sizes    []int            // trees of the files
	bridges  [][]byte         // to the policies, from the second on
	files    []*verify.File
}

// turn goes on by one stage: change puts a record into the log and the hosts
// into place, and returns the policy that it put in force.
func (s *turned) turn(change func() (uint64, string)) {
	before := s.world.signers()
	if change != nil {
		i, policy := change()
		s.seal()
		s.records, s.policy = append(s.records, i), policy
		// The quorum of before and of after, each key once.
		both := before
		for _, now := range s.world.signers() {
			if !slices.ContainsFunc(both, func(b certs.Signer) bool { return b.VKey() == now.VKey() }) {
				both = append(both, now)
			}
		}
		s.bridges = append(s.bridges, s.receipt(i, len(s.leaves), both...))
	}
	s.reading(dealer, vinA, 32000+len(s.leaves), s.spare(dealer))
	s.seal()
	now := s.world.signers()
	f := s.fileAt("vehicle/"+vinA, len(s.leaves), now...)
	f.Bridges = slices.Clone(s.bridges)
	s.policies, s.signers, s.sizes, s.files = append(s.policies, s.policy), append(s.signers, now), append(s.sizes, len(s.leaves)), append(s.files, f)
}

func turnOften(t testing.TB) *turned {
	s := &turned{world: newWorld(t)}
	s.turn(nil)
	s.turn(func() (uint64, string) { // a node more
		h := s.newHost("fifth")
		s.hosts = append(s.hosts, h)
		p := s.policyOf(s.hosts)
		return s.addHost(h, p), p
	})
	s.turn(func() (uint64, string) { // one node fewer
		s.hosts = without(s.hosts, "ulm")
		p := numbered(3, s.policyOf(s.hosts))
		return s.removeHost("ulm", p), p
	})
	s.turn(func() (uint64, string) { // another cosigner key
		s.hosts[1] = s.replaced(s.hosts[1], " 2", "cosigner")
		p := numbered(4, s.policyOf(s.hosts))
		return s.changeHost(s.hosts[1], p, "cosigner"), p
	})
	s.turn(func() (uint64, string) { // another quorum
		p := strings.Replace(numbered(5, s.policyOf(s.hosts)), "group nodes 3 ", "group nodes all ", 1)
		return s.changeHost(s.hosts[0], p), p
	})
	s.turn(func() (uint64, string) { // another log key, and that of the node that signs heads
		s.hosts[0] = s.replaced(s.hosts[0], " 2", "log", "tls")
		p := numbered(6, s.policyOf(s.hosts))
		return s.changeHost(s.hosts[0], p, "log", "tls"), p
	})
	s.turn(func() (uint64, string) { // other governors, and a node by them
		s.appoint(3, s.govs[0], s.newGovernor("insurer.example"), s.newGovernor("police.example"))
		h := s.newHost("sixth")
		s.hosts = append(s.hosts, h)
		p := numbered(7, s.policyOf(s.hosts))
		return s.byGovernors("node.added/1", "governance", s.changeBody(h, p, "log", "cosigner", "tls")), p
	})
	return s
}

// Every file that was taken away on the way verifies with every policy from
// the first to the last.
func TestEveryFileWithEveryPolicy(t *testing.T) {
	t.Parallel()
	s := turnOften(t)
	for i, f := range s.files {
		for j := range s.policies {
			t.Run(fmt.Sprintf("file %d, policy %d", i, j), func(t *testing.T) {
				f := *f
				steps := i - j
				if j > i { // a newer policy: the seal under a head of then
					f.Bridges = append(slices.Clone(f.Bridges), s.receipt(uint64(s.sizes[i]-1), s.sizes[j], s.signers[j]...))
					steps = 0
				}
				opt := s.options()
				opt.Policy = parsed(t, s.policies[j])
				r := accepted(t, f.Bytes(), opt)
				if len(r.PolicySteps) != steps || r.Size != uint64(s.sizes[i]) || r.Policy.Text() != s.policies[max(i, j)] {
					t.Errorf("%d steps: %q", len(r.PolicySteps), r.PolicySteps)
				}
				for _, res := range r.Results {
					if res.Verdict.Refused() {
						t.Errorf("log index %d: %q", res.Index, res.Verdict)
					}
				}
			})
		}
	}
}

// What an old policy leads to, step by step.
func TestAPolicyIsFollowed(t *testing.T) {
	t.Parallel()
	s := turnOften(t)
	last := len(s.policies) - 1
	now := s.options().Now
	for i, f := range s.files {
		for j := range s.policies {
			next, steps, err := verify.Follow(parsed(t, s.policies[j]), f.Bytes(), now)
			if j > i {
				// The file is older than the policy: at best it has nothing to say.
				if err == nil {
					t.Errorf("file %d leads from policy %d to %q", i, j, next.Text())
				}
				continue
			}
			if err != nil || next.Text() != s.policies[i] || len(steps) != i-j {
				t.Errorf("file %d, policy %d: %q, %v", i, j, steps, err)
			}
		}
	}
	_, steps, err := verify.Follow(parsed(t, s.policies[0]), s.files[last].Bytes(), now.AddDate(30, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	id := func(h host) string { return fmt.Sprintf("witness %q (key %08x)", h.id, h.cosigner.ID()) }
	old := newWorld(t)
	for i, says := range []string{
		"node.added/1 at log index %d (2026-05-04T14:00:00.000Z), node fifth: quorum 4 of 5, was 3 of 4; added log key " + fmt.Sprintf("%08x", s.hosts[3].log.ID()) + ", " + id(s.hosts[3]) + "; under tree size %d, signed by 4 of 4 of before",
		"node.removed/1 at log index %d (2026-05-04T16:00:00.000Z), node ulm: quorum 3 of 4, was 4 of 5; dropped log key " + fmt.Sprintf("%08x", old.hosts[3].log.ID()) + ", " + id(old.hosts[3]) + "; under tree size %d, signed by 5 of 5 of before",
		"node.changed/1 at log index %d (2026-05-04T18:00:00.000Z), node lyon: quorum 3 of 4, was 3 of 4; added " + id(s.hosts[1]) + "; dropped " + id(old.hosts[1]) + "; under tree size %d, signed by 4 of 4 of before",
		"node.changed/1 at log index %d (2026-05-04T20:00:00.000Z), node insurer: quorum 4 of 4, was 3 of 4; under tree size %d, signed by 4 of 4 of before",
	} {
		if want := fmt.Sprintf(says, s.records[i], s.records[i]+2); steps[i] != want {
			t.Errorf("step %d:\n%s\nwant\n%s", i, steps[i], want)
		}
	}
}

// No step may lack the signatures of before. One may be left out where the
// head of the next satisfies the policy of before as well.
func TestAPolicyIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := turnOften(t)
	last := len(s.policies) - 1
	follow := func(bridges [][]byte) error {
		f := *s.files[last]
		f.Bridges = bridges
		_, _, err := verify.Follow(parsed(t, s.policies[0]), f.Bytes(), s.options().Now)
		return err
	}
	if err := follow(s.bridges); err != nil {
		t.Fatal(err)
	}
	for k := range s.bridges {
		others := func(b []byte) [][]byte {
			bridges := slices.Clone(s.bridges)
			bridges[k] = b
			return bridges
		}
		size := int(s.records[k]) + 2
		before := s.signers[k]
		need := parsed(t, s.policies[k]).Quorum()
		for name, err := range map[string]error{
			"one signature short":  follow(others(s.receipt(s.records[k], size, before[:need]...))),
			"no log key of before": follow(others(s.receipt(s.records[k], size, append([]certs.Signer{ed25519Key(t, s.origin, "stranger")}, before[1:]...)...))),
			"of another record":    follow(others(s.receipt(s.places["visit"], size, before...))),
		} {
			if err == nil {
				t.Errorf("step %d, %s: followed", k, name)
			}
		}
		// With just enough it is.
		if err := follow(others(s.receipt(s.records[k], size, before[:need+1]...))); err != nil {
			t.Errorf("step %d: %v", k, err)
		}
	}
	if err := follow(s.bridges[1:]); err != nil {
		t.Error(err)
	}
	if err := follow(slices.Delete(slices.Clone(s.bridges), 4, 5)); err == nil {
		t.Error("nobody whom the policy of before knows signed the head of the last step")
	}
	// The head of the last file satisfies the policy of before as well.
	f := *s.files[4]
	f.Bridges = s.bridges[:3]
	_, _, err := verify.Follow(parsed(t, s.policies[0]), f.Bytes(), s.options().Now)
	wants(t, err, "bridge_missing", "the log has a newer policy than these bridges lead to")
	// A policy of one's own making leads nowhere, and neither does a bad file.
	_, _, err = verify.Follow(parsed(t, "# mine\n"+s.policies[last]), s.files[last].Bytes(), s.options().Now)
	wants(t, err, "policy_unknown", "none of those that the log published")
	_, _, err = verify.Follow(parsed(t, s.policies[0]), []byte("{}\n"), s.options().Now)
	wants(t, err, "proof_form", "not a proof file")
	_, _, err = verify.Follow(nil, s.files[last].Bytes(), s.options().Now)
	wants(t, err, "policy_missing", "a trust policy is needed")
	// Withheld contents are no hindrance.
	w := *s.files[last]
	w.Histories = slices.Clone(w.Histories)
	h := w.History("vehicle/" + vinA)
	h.Entries = slices.Clone(h.Entries)
	at(s.world, h, "service in").Note = nil
	if _, _, err := verify.Follow(parsed(t, s.policies[0]), w.Bytes(), s.options().Now.Add(time.Hour)); err != nil {
		t.Error(err)
	}
}
