package verify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/milepost-log/milepost/certs"
)

// outsideKey returns the vkey of an outside witness of type 0x04, made from
// an Ed25519 key of type 0x01.
func outsideKey(name string) string {
	return cosigVKey(name, ed25519.NewKeyFromSeed(headSeed(name)).Public().(ed25519.PublicKey))
}

func TestDefaultPolicy(t *testing.T) {
	t.Parallel()
	ids := []string{"lyon", "porto", "ghent", "insurer", "maker", "inspector", "court"}
	for n, want := range map[int]struct{ quorum, tolerates int }{
		1: {1, 0}, 2: {2, 1}, 3: {3, 2}, 4: {3, 1}, 5: {4, 2}, 6: {4, 1}, 7: {5, 2},
	} {
		l := newHeadLog(t, headOrigin, ids[:n]...)
		p := l.policy(t)
		if p.Origin() != headOrigin || p.Quorum() != want.quorum || p.Of() != n || p.Tolerates() != want.tolerates {
			t.Errorf("%d nodes: %d of %d, tolerates %d, want %+v", n, p.Quorum(), p.Of(), p.Tolerates(), want)
		}
		logs, nodes := vkeysOf(l.logs), vkeysOf(l.nodes)
		slices.Reverse(logs)
		slices.Reverse(nodes)
		if NewPolicy(logs, nodes...) != p.Text() {
			t.Errorf("%d nodes: the text depends on the order of the keys", n)
		}
		if n == 4 {
			goldenHead(t, "trust.policy", []byte(p.Text()))
		}
	}
}

func TestDefaultPolicyNames(t *testing.T) {
	t.Parallel()
	l := newHeadLog(t, headOrigin, "lyon", "none", "nodes")
	keys := append(vkeysOf(l.nodes), outsideKey("witness.example/lyon"), outsideKey("witness.example/w1"), outsideKey("witness.example/"))
	p := mustPolicy(t, NewPolicy(vkeysOf(l.logs), keys...))
	var names []string
	for _, w := range p.Witnesses() {
		names = append(names, w.Name)
	}
	slices.Sort(names)
	want := []string{headOrigin + "/node/lyon", headOrigin + "/node/nodes", headOrigin + "/node/none", "w1", "witness.example/", "witness.example/lyon"}
	if !slices.Equal(names, want) {
		t.Errorf("named %q, want %q", names, want)
	}
}

// The example of C2SP tlog-policy, with its white space and comments made
// worse.
func TestPolicyOfGroups(t *testing.T) {
	t.Parallel()
	l := newHeadLog(t, headOrigin, "x1", "x2", "x3", "y1", "y2", "y3", "idle")
	text := "# two organisations\n\n \t \n\t log\t" + l.logs[0].VKey() + "  https://log.example/#top \n"
	for _, s := range l.nodes {
		name := strings.ToUpper(s.Name()[strings.LastIndexByte(s.Name(), '/')+1:])
		text += "witness " + name + " " + s.VKey() + "\n"
	}
	text += "group X\xffwitnesses 2 X1 X2 X3\n  # group X 1 X1\ngroup Y\u00a0 any Y1 Y2 Y3\n" +
		"group X-and-Y all X\xffwitnesses Y\u00a0\nquorum X-and-Y\nlog " + l.logs[1].VKey() + "\n"
	p := mustPolicy(t, text)
	if p.Text() != text || len(p.Logs()) != 2 || len(p.Witnesses()) != 7 {
		t.Errorf("read %d logs and %d witnesses", len(p.Logs()), len(p.Witnesses()))
	}
	// Two sets may share one X witness only, and no Y witness.
	if p.Of() != 6 || p.Quorum() != 3 || p.Overlap() != 1 || p.Tolerates() != 0 {
		t.Errorf("%d of %d, overlap %d, tolerates %d", p.Quorum(), p.Of(), p.Overlap(), p.Tolerates())
	}
}

func TestQuorumOfOneWitness(t *testing.T) {
	t.Parallel()
	l := newHeadLog(t, headOrigin, "lyon", "porto")
	p := mustPolicy(t, fmt.Sprintf("log %s\nwitness a %s\nwitness b %s\nquorum b\n", l.logs[0].VKey(), l.nodes[0].VKey(), l.nodes[1].VKey()))
	if p.Of() != 1 || p.Quorum() != 1 || p.Tolerates() != 0 || p.Overlap() != 1 {
		t.Errorf("%d of %d, tolerates %d", p.Quorum(), p.Of(), p.Tolerates())
	}
}

func TestPolicyRefusals(t *testing.T) {
	t.Parallel()
	l := newHeadLog(t, headOrigin, "lyon", "porto", "ghent")
	other := newHeadLog(t, strings.Replace(headOrigin, "/demo/", "/other/", 1), "vienna")
	good := l.policyText()
	log, wit := l.logs[0].VKey(), l.nodes[0].VKey()
	groups := good[strings.Index(good, "group"):]
	names := strings.TrimPrefix(strings.Split(groups, "\n")[0], "group nodes 3 ")
	first, _, _ := strings.Cut(names, " ")
	for name, c := range map[string]struct{ old, new, words string }{
		"no log":               {good, "witness a " + wit + "\nquorum a\n", "names no log"},
		"no quorum":            {"quorum nodes\n", "", "no quorum line"},
		"quorum none":          {"quorum nodes", "quorum none", "quorum none would believe"},
		"two quorums":          {"quorum nodes\n", "quorum nodes\nquorum nodes\n", "second quorum"},
		"an unknown quorum":    {"quorum nodes", "quorum node", `"node" is not defined`},
		"a quorum too early":   {groups, "quorum nodes\n" + groups, "is not defined on a line above"},
		"a quorum of two":      {"quorum nodes", "quorum nodes " + first, "quorum <name>"},
		"logs of two names":    {"log ", "log " + other.logs[0].VKey() + "\nlog ", "a second log"},
		"a log twice":          {"log ", "log " + log + "\nlog ", "stands on a line above"},
		"a log of type 6":      {"log ", "log " + wit + "\nlog ", "type 0x01"},
		"a log with a comment": {"log " + log, "log " + log + " # the leader", "log <vkey> [<url>]"},
		"a log of no origin":   {good, "log " + plainVKey("milepost.example/demo") + "\n", "not the origin"},
		"a key of no log":      {"log ", "log x+1\nlog ", "bad key"},
		"a broken key ID":      {"log ", "log " + headOrigin + "+00000000+" + log[strings.LastIndex(log, "+")+1:] + "\nlog ", "bad key"},
		"a witness of type 1":  {"group", "witness w " + plainVKey("w.example") + "\ngroup", "type 0x04 or 0x06"},
		"a key of two names":   {"group", "witness w " + wit + "\ngroup", "stands on a line above"},
		"a log as a witness":   {"group", "witness w " + cosigVKey("w.example", logPublic(t, log)) + "\ngroup", "stands on a line above"},
		"a name twice":         {"group", "witness " + first + " " + outsideKey("w.example") + "\ngroup", "defined twice"},
		"a group of that name": {"group nodes", "group " + first, "defined twice"},
		"a witness none":       {"group", "witness none " + outsideKey("w.example") + "\ngroup", "meaning of its own"},
		"a group none":         {"group nodes", "group none", "meaning of its own"},
		"none as a member":     {names, names + " none", `"none" is not defined`},
		"a witness line short": {"group", "witness w\ngroup", "witness <name>"},
		"a witness line long":  {"group", "witness w " + outsideKey("w.example") + " url #\ngroup", "witness <name>"},
		"a member twice":       {names, names + " " + first, "already"},
		"in two groups":        {"group", "group early any " + first + "\ngroup", "already"},
		"a group of itself":    {names, names + " nodes", `"nodes" is not defined`},
		"a group ahead":        {"group nodes", "group a any nodes\ngroup nodes", `"nodes" is not defined`},
		"an empty group":       {"group", "group a any\ngroup", "group <name>"},
		"k of 0":               {"nodes 3", "nodes 0", "from 1 to 3"},
		"k above n":            {"nodes 3", "nodes 4", "from 1 to 3"},
		"k with a zero":        {"nodes 3", "nodes 03", "from 1 to 3"},
		"k with a sign":        {"nodes 3", "nodes +3", "from 1 to 3"},
		"k as a word":          {"nodes 3", "nodes All", "from 1 to 3"},
		"k of 2^64":            {"nodes 3", "nodes 18446744073709551616", "from 1 to 3"},
		"an unknown keyword":   {"quorum nodes", "Quorum nodes", "unknown keyword"},
		"a carriage return":    {"quorum nodes\n", "quorum nodes\r\n", "0x0d"},
		"a form feed":          {"quorum nodes", "quorum\fnodes", "0x0c"},
		"a byte 0":             {"quorum nodes", "quorum nodes # \x00", "0x00"},
		"a delete":             {"quorum nodes", "# \x7f\nquorum nodes", "0x7f"},
		"a Unicode space":      {"quorum nodes", "quorum\u00a0nodes", "unknown keyword"},
		"a byte order mark":    {"log", "\ufefflog", "unknown keyword"},
		"cut off":              {"quorum nodes\n", "quorum nodes", "newline"},
		"nothing":              {good, "", "newline"},
		"too many lines":       {"quorum", manyGroups() + "quorum", "more than 128"},
		"too many bytes":       {"quorum", "#" + strings.Repeat("x", MaxPolicy) + "\nquorum", "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doctored := strings.Replace(good, c.old, c.new, 1)
			if doctored == good {
				t.Fatalf("%q does not occur", c.old)
			}
			_, err := ParsePolicy([]byte(doctored))
			refused(t, err, "policy_form", c.words)
		})
	}
	t.Run("comments are not counted", func(t *testing.T) {
		t.Parallel()
		mustPolicy(t, strings.Repeat("# a comment\n\n", 500)+good)
	})
}

func logPublic(t testing.TB, vkey string) []byte {
	v, err := certs.ParseVKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v.Public()
}

// plainVKey returns a vkey of type 0x01 under any name.
func plainVKey(name string) string {
	s, err := certs.NewEd25519Signer(name, headSeed(name))
	if err != nil {
		panic(err)
	}
	return s.VKey()
}

// manyGroups writes a chain of groups of one member each, after the group
// "nodes".
func manyGroups() string {
	var b strings.Builder
	b.WriteString("group g0 all nodes\n")
	for i := range MaxPolicyLines {
		fmt.Fprintf(&b, "group g%d all g%d\n", i+1, i)
	}
	return b.String()
}

// Two keys of one name whose four-byte key IDs agree, found by trying
// 213,099 keys: a signature line could not say which of them it is of.
func TestKeysThatCannotBeToldApart(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, label := range []string{"twin 28144", "twin 213099"} {
		s, err := certs.NewEd25519Signer(headOrigin, headSeed(label))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, s.VKey())
	}
	w := newHeadLog(t, headOrigin, "lyon").nodes[0].VKey()
	mustPolicy(t, NewPolicy(keys[:1], w))
	mustPolicy(t, NewPolicy(keys[1:], w))
	_, err := ParsePolicy([]byte(NewPolicy(keys, w)))
	refused(t, err, "policy_form", "same name and key ID")
}

// randomMember makes a tree of groups over the witnesses from..to-1.
func randomMember(r *rand.Rand, from, to int) *member {
	if to-from == 1 {
		return &member{witness: from}
	}
	g := &member{witness: -1}
	for at := from; at < to; {
		next := at + 1 + r.IntN(to-at)
		if at == from && next == to { // a group of one group of all would never end
			next--
		}
		g.members = append(g.members, randomMember(r, at, next))
		at = next
	}
	g.k = 1 + r.IntN(len(g.members))
	return g
}

// The size of the smallest quorum and the smallest overlap of two are what
// trying all sets of witnesses gives.
func TestOverlapIsThatOfAllQuorums(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	seen := map[int]int{}
	for round := range 400 {
		n := 2 + r.IntN(8)
		m := randomMember(r, 0, n)
		var quorums []uint
		least := n
		for set := range uint(1) << n {
			votes := make([]vote, n)
			size := 0
			for i := range votes {
				if set>>i&1 == 1 {
					votes[i].counts = true
					size++
				}
			}
			if m.judge(votes).counts {
				quorums = append(quorums, set)
				least = min(least, size)
			}
		}
		overlap := n
		for i, a := range quorums {
			for _, b := range quorums[i:] {
				overlap = min(overlap, onesCount(a&b))
			}
		}
		if m.least() != least || m.overlap() != overlap {
			t.Fatalf("round %d: %s has quorums from %d witnesses, two share %d; computed %d and %d",
				round, describe(m), least, overlap, m.least(), m.overlap())
		}
		seen[overlap]++
	}
	t.Logf("overlaps seen: %v", seen)
	if len(seen) < 4 {
		t.Error("the trees tried are too much alike")
	}
}

func onesCount(x uint) (n int) {
	for ; x != 0; x &= x - 1 {
		n++
	}
	return n
}

func describe(m *member) string {
	if m.witness >= 0 {
		return fmt.Sprint(m.witness)
	}
	var parts []string
	for _, sub := range m.members {
		parts = append(parts, describe(sub))
	}
	return fmt.Sprintf("%d(%s)", m.k, strings.Join(parts, " "))
}

func TestPlainGroupTolerates(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 40; n++ {
		for k := 1; k <= n; k++ {
			g := &member{witness: -1, k: k}
			for i := range n {
				g.members = append(g.members, &member{witness: i})
			}
			p := &Policy{quorum: g}
			if p.Tolerates() != max(2*k-n-1, 0) || p.Overlap() != max(2*k-n, 0) || p.Quorum() != k || p.Of() != n {
				t.Errorf("%d of %d tolerates %d, overlaps in %d", k, n, p.Tolerates(), p.Overlap())
			}
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	l := newHeadLog(f, headOrigin, "a", "b")
	log := l.logs[0].VKey()
	w1, w2, w3 := outsideKey("w1.example"), outsideKey("w2.example"), outsideKey("w3.example")
	f.Add([]byte("log " + log + "\nwitness a " + w1 + "\nquorum a\n"))
	f.Add([]byte("# x\nwitness a " + w1 + "\nwitness b " + w2 + " url\nwitness c " + w3 + "\ngroup d 2 a b\ngroup e all d c\nquorum e\nlog " + log + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			refusedAs(t, err, "policy_form")
			return
		}
		if p.Text() != string(text) || CheckOrigin(p.Origin()) != nil || len(p.Logs()) == 0 {
			t.Errorf("accepted %q as %+v", text, p)
		}
		if of := p.Of(); p.Quorum() < 1 || p.Quorum() > of || p.Overlap() < 0 || p.Overlap() > p.Quorum() || of > len(p.Witnesses()) {
			t.Errorf("%q: %d of %d, overlap %d", text, p.Quorum(), of, p.Overlap())
		}
		votes := make([]vote, len(p.Witnesses()))
		if p.quorum.judge(votes).counts {
			t.Errorf("%q is satisfied by nobody", text)
		}
		for i := range votes {
			votes[i] = vote{true, 7}
		}
		if v := p.quorum.judge(votes); !v.counts || v.time != 7 {
			t.Errorf("%q is not satisfied by all: %+v", text, v)
		}
	})
}
