package verify_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/verify"
)

// grown is a log whose nodes change: the four of genesis, then a fifth, then
// a sixth, each with its policy, and a reading after that.
type grown struct {
	*world
	policies [3]string
	records  [3]uint64 // log indices of the records that put them in force
	sizes    [3]int    // sizes of the first trees that cover those
	bridges  [][]byte  // of the second and third, as their nodes keep them
}

func grow(t testing.TB) *grown {
	g := &grown{world: newWorld(t)}
	g.policies[0], g.sizes[0] = g.policy, 5
	for i, id := range []string{"fifth", "sixth"} {
		before := g.signers()
		h := g.newHost(id)
		policy := g.policyOf(append(g.hosts, h))
		g.records[i+1] = g.addHost(h, policy)
		g.seal()
		g.hosts = append(g.hosts, h)
		g.policies[i+1], g.sizes[i+1] = policy, len(g.leaves)
		// The quorum of before and of after.
		g.bridges = append(g.bridges, g.receipt(g.records[i+1], len(g.leaves), append(before, h.cosigner)...))
	}
	g.reading(dealer, vinA, 32000, g.spare(dealer))
	g.seal()
	return g
}

// newest is the true file under the newest head, which the nodes of the
// newest policy have signed and not those of the first.
func (g *grown) newest() *verify.File {
	h := g.hosts
	f := g.fileAt("vehicle/"+vinA, len(g.leaves), h[5].log, h[5].cosigner, h[4].cosigner, h[3].cosigner, h[2].cosigner)
	f.Bridges = g.bridges
	return f
}

// holding are the options of someone who holds the i-th policy.
func (g *grown) holding(i int) verify.Options {
	opt := g.options()
	opt.Policy = parsed(g.t, g.policies[i])
	return opt
}

func parsed(t testing.TB, text string) *verify.Policy {
	p, err := verify.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnOldPolicyLeadsToTheNewest(t *testing.T) {
	t.Parallel()
	g := grow(t)
	f := g.newest()
	for i, steps := range []int{2, 1, 0} {
		r := accepted(t, f.Bytes(), g.holding(i))
		if len(r.PolicySteps) != steps || r.Later || r.Size != uint64(len(g.leaves)) || r.Head.Of != 6 || r.Tolerates != 1 {
			t.Errorf("holding policy %d: steps %q, %+v", i, r.PolicySteps, r.Head)
		}
	}
	f.Bridges = nil
	refused(t, f.Bytes(), g.holding(0), "log_key_missing", "no log key of the policy signed")
	accepted(t, f.Bytes(), g.holding(2))
}

func TestBridgesThatDoNotHold(t *testing.T) {
	t.Parallel()
	g := grow(t)
	n := len(g.leaves)
	all := append(g.signers(), g.hosts[4].log)
	for _, c := range []struct {
		name    string
		bridges [][]byte
		code    string
		says    string
	}{
		{"one missing", g.bridges[:1], "log_key_missing", "no log key of the policy signed"},
		{"out of order", [][]byte{g.bridges[1], g.bridges[0]}, "proof_form", "bridges[1]: not a proof file: bridges ascend"},
		{"one twice", [][]byte{g.bridges[0], g.bridges[0]}, "proof_form", "bridges[1]: not a proof file: bridges ascend"},
		{"too few signatures", [][]byte{g.receipt(g.records[1], g.sizes[1], g.signers()[:3]...), g.bridges[1]},
			"bridge < quorum_missing", "bridges[0]: its tree head does not satisfy the policy held so far"},
		{"no signature of the policy before", [][]byte{g.bridges[0], g.receipt(g.records[2], n, g.hosts[5].log, g.hosts[5].cosigner, g.hosts[4].cosigner, g.hosts[3].cosigner, g.hosts[2].cosigner)},
			"bridge < log_key_missing", "bridges[1]: its tree head does not satisfy the policy held so far"},
		{"a cosignature spoiled", [][]byte{flipped(g.world, g.bridges[0]), g.bridges[1]}, "bridge < cosigner_bad", "bridges[0]"},
		{"to a record that is no policy", [][]byte{g.receipt(g.places["visit"], n, all...)}, "bridge", "it leads to no policy record of this file"},
		{"to a record that the file does not have", [][]byte{g.receipt(g.places["other car"], n, all...)}, "bridge", "it leads to no policy record of this file"},
		{"to a place where the record is not", [][]byte{tlogProof(g.records[1], auditPath(1, g.leafHashes(n)), g.note(g.headText(n), all...))},
			"bridge < inclusion", "it does not include the policy record"},
		{"after the seal's own", [][]byte{g.receipt(uint64(n-1), n, all...), g.receipt(uint64(n-1), n, all...)}, "proof_form", "the seal's own is the last"},
		{"that is no proof", [][]byte{[]byte("bridge\n")}, "proof_form", "bridges[0]: not a tlog-proof"},
		{"of a checkpoint of another log", [][]byte{tlogProof(g.records[1], nil, g.note(strings.Replace(g.headText(n), "/demo/", "/deno/", 1), all...))},
			"bridge < checkpoint_origin", "bridges[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := *g.newest()
			f.Bridges = c.bridges
			refused(t, f.Bytes(), g.holding(0), c.code, c.says)
		})
	}
}

// The bridge to a policy that is none stops there, whatever the log says of
// the record.
func TestABridgeToNoPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ policy, code, says string }{
		{"log nobody\nquorum none\n", "bridge < policy_form < key_form", "the record's policy is malformed"},
		{emptyWorld(t, cast{"milepost.example/other", fullCast.governors, 2, fullCast.hosts}).policy, "bridge", "the new policy is of another log: milepost.example/other/"},
	} {
		w := newWorld(t)
		i := w.addHost(w.newHost("fifth"), c.policy)
		w.seal()
		f := w.file(vinA)
		f.Bridges = [][]byte{w.receipt(i, len(w.leaves), w.signers()...)}
		refused(t, f.Bytes(), w.options(), c.code, c.says)
	}
}

func flipped(w *world, b []byte) []byte { return flip(w, b, w.hosts[1].cosigner) }

// Whoever has stolen the keys of former nodes can't lead a newer policy back
// to theirs, though the true head of today covers the old policy record.
func TestBridgesLeadForwardOnly(t *testing.T) {
	t.Parallel()
	g := grow(t)
	n := len(g.leaves)
	today := g.receipt(g.records[1], n, g.signers()[0], g.hosts[5].cosigner, g.hosts[4].cosigner, g.hosts[3].cosigner, g.hosts[2].cosigner)
	former := append(g.signers()[:4:4], g.hosts[4].cosigner) // a quorum of five, none of six would do with it alone

	// A forged end of the true log, under the former quorum only.
	forged := g.clone(t)
	forged.reading(dealer, vinA, 5, g.spare(dealer))
	forged.seal()
	f := forged.fileAt("vehicle/"+vinA, len(forged.leaves), former[:4]...)
	f.Bridges = [][]byte{today}
	refused(t, f.Bytes(), g.holding(2), "quorum_missing", "3 of 6 cosigners signed")

	// A fork from before the newest policy, with the former quorum's signatures.
	fork := newWorld(t)
	fork.addHost(fork.newHost("fifth"), g.policies[1])
	fork.seal()
	fork.reading(dealer, vinA, 5, fork.spare(dealer))
	fork.seal()
	f = fork.fileAt("vehicle/"+vinA, len(fork.leaves), former[:4]...)
	f.Bridges = [][]byte{today}
	refused(t, f.Bytes(), g.holding(2), "quorum_missing", "3 of 6 cosigners signed")
}

// A policy of one's own making stands nowhere in the log.
func TestAPolicyOfOnesOwn(t *testing.T) {
	t.Parallel()
	g := grow(t)
	opt := g.holding(0)
	opt.Policy = parsed(t, "# mine\n"+g.policies[0])
	refused(t, g.newest().Bytes(), opt, "log_key_missing", "no log key")
	opt.Policy = parsed(t, "# mine\n"+g.policies[2])
	accepted(t, g.newest().Bytes(), opt)
}

// An old file, for one who holds only a newer policy than its own.
func TestAnOldFileUnderANewPolicy(t *testing.T) {
	t.Parallel()
	g := grow(t)
	old := func() *verify.File { return g.fileAt("vehicle/"+vinA, 18, g.signers()[:4]...) }
	f := old()
	accepted(t, f.Bytes(), g.holding(0))
	refused(t, f.Bytes(), g.holding(2), "quorum_missing", "3 of 6 cosigners signed")

	h := g.hosts
	today := []certs.Signer{h[5].log, h[5].cosigner, h[4].cosigner, h[3].cosigner, h[2].cosigner}
	later := g.receipt(17, len(g.leaves), today...)
	f.Bridges = [][]byte{later}
	r := accepted(t, f.Bytes(), g.holding(2))
	// The later head proves that the file is of this log. It does not make
	// the file any younger.
	if !r.Later || r.Size != 18 || r.AsOf != start.Add(4*time.Hour).Unix() || r.Head.Size != uint64(len(g.leaves)) {
		t.Errorf("%+v", r)
	}
	if want := "tree size 18, cosigned by 4 of 6 nodes (tolerates 1 liar), complete as of 2026-05-04T12:00:00Z"; !strings.Contains(r.Scope(), want) {
		t.Error(r.Scope())
	}
	opt := g.holding(2)
	opt.MaxAge = time.Hour
	refused(t, f.Bytes(), opt, "too_old", "complete as of 2026-05-04T12:00:00Z only")
	// Who holds the old policy needs no bridge, and is not troubled by it.
	if r := accepted(t, f.Bytes(), g.holding(0)); r.Later {
		t.Errorf("%+v", r)
	}

	f = old()
	f.Bridges = [][]byte{g.receipt(17, len(g.leaves), today[:4]...)}
	refused(t, f.Bytes(), g.holding(2), "bridge < quorum_missing", "neither its tree head nor the file's own")
	f.Bridges = [][]byte{flip(g.world, later, h[5].cosigner)}
	refused(t, f.Bytes(), g.holding(2), "bridge < cosigner_bad", "neither its tree head nor the file's own")
	f.Bridges = [][]byte{tlogProof(17, auditPath(16, g.leafHashes(len(g.leaves))), g.note(g.headText(len(g.leaves)), today...))}
	refused(t, f.Bytes(), g.holding(2), "inclusion < inclusion", "bridges[0]: the seal is not in the tree")
	// A later head makes up for missing signatures only.
	f.Bridges = [][]byte{later}
	f.TLogProof = flip(g.world, f.TLogProof, h[1].cosigner)
	refused(t, f.Bytes(), g.holding(2), "cosigner_bad", "/node/lyon")
	// Nor may the file's own tree go on after the seal.
	f = old()
	f.TLogProof = g.receipt(17, g.sizes[1], g.signers()[:4]...)
	f.Bridges = [][]byte{later}
	refused(t, f.Bytes(), g.holding(2), "seal_last", "the seal is leaf 17 of a tree of 20")
}

// The log takes no policy text twice: which came later would be unclear.
func TestNoPolicyTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	five, six := w.newHost("fifth"), w.newHost("sixth")
	both := w.policyOf(append(slices.Clone(w.hosts), five, six))
	w.addHost(five, both)
	w.seal()
	accepted(t, w.file(vinA).Bytes(), w.options())
	again := w.clone(t)
	again.addHost(six, both)
	again.seal()
	refused(t, again.file(vinA).Bytes(), w.options(), "authority < policy_again", "this very text was in force before")
	w.addHost(six, "# version 3\n"+both)
	w.seal()
	accepted(t, w.file(vinA).Bytes(), w.options())
}

func TestTooManyBridges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file(vinA)
	f.Bridges = slices.Repeat([][]byte{bytes.Repeat([]byte("x"), 10)}, verify.MaxBridges+1)
	refused(t, f.Bytes(), w.options(), "proof_form", "at most 256 are allowed")
}
