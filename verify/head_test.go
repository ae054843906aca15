package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"

	"github.com/milepost-log/milepost/certs"
)

// cosigVKey writes the vkey of a public key as type 0x04.
func cosigVKey(name string, public []byte) string {
	raw := append([]byte{certs.Ed25519Cosig}, public...)
	id := sha256.Sum256(append([]byte(name+"\n"), raw...))
	return fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(raw))
}

// outsider is an outside witness of type 0x04: written here after C2SP
// tlog-cosignature, since milepost itself never signs so.
type outsider struct {
	certs.Signer // of type 0x01, for what does not depend on the type
	key          certs.Verifier
	private      ed25519.PrivateKey
	stamp        uint64
}

func newOutsider(t testing.TB, name string, stamp uint64) *outsider {
	plain, err := certs.NewEd25519Signer(name, headSeed(name))
	if err != nil {
		t.Fatal(err)
	}
	key, err := certs.ParseVKey(outsideKey(name))
	if err != nil {
		t.Fatal(err)
	}
	return &outsider{plain, key, ed25519.NewKeyFromSeed(headSeed(name)), stamp}
}

func (o *outsider) ID() uint32   { return o.key.ID() }
func (o *outsider) Type() byte   { return o.key.Type() }
func (o *outsider) VKey() string { return o.key.VKey() }

func (o *outsider) Sign(text []byte) (certs.Sig, error) {
	sig := ed25519.Sign(o.private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", o.stamp, text))
	return certs.Sig{Name: o.Name(), ID: o.ID(), Bytes: append(binary.BigEndian.AppendUint64(nil, o.stamp), sig...)}, nil
}

func TestQuorumCosigned(t *testing.T) {
	t.Parallel()
	l, c, msg := testHead(t)
	h, err := l.policy(t).Check(msg, headTime)
	if err != nil {
		t.Fatal(err)
	}
	if h.Checkpoint != *c || h.Signed != 3 || h.Of != 4 || h.Quorum != 3 {
		t.Errorf("%+v", h)
	}
	if len(h.LogKeys) != 1 || h.LogKeys[0] != l.logs[0].VKey() {
		t.Errorf("signed by the log keys %q", h.LogKeys)
	}
	// Three signed, one second apart: all three had seen it as the largest
	// tree at the time of the first.
	if h.CompleteAsOf != headTime.Unix() {
		t.Errorf("complete as of %d, want %d", h.CompleteAsOf, headTime.Unix())
	}
	signed := map[string]int64{}
	for _, w := range h.Cosigners {
		if w.Signed {
			signed[w.Name] = w.Time - headTime.Unix()
		} else if w.Time != 0 || w.Stamp != 0 || w.Name != "insurer" {
			t.Errorf("%+v", w)
		}
	}
	if len(h.Cosigners) != 4 || len(signed) != 3 || signed["lyon"] != 0 || signed["porto"] != 1 || signed["ghent"] != 2 {
		t.Errorf("signed: %v", signed)
	}
	// With the fourth, the quorum of three had it at the second's time.
	h, err = l.policy(t).Check(sign(t, c.Text(), l.signers(3, 0, 2, 1)...), headTime)
	if err != nil || h.CompleteAsOf != headTime.Unix()+1 || h.Signed != 4 {
		t.Errorf("%+v, %v", h, err)
	}
}

// What a known key said can't be read two ways, and who is unknown has no
// voice.
func TestHeadRefusals(t *testing.T) {
	t.Parallel()
	l, c, good := testHead(t)
	text := c.Text()
	all := l.signers(0, 1, 2, 3)
	stranger := newHeadLog(t, headOrigin, "mallory", "trudy", "eve")
	elsewhere := newHeadLog(t, strings.Replace(headOrigin, "/demo/", "/other/", 1), "lyon", "porto", "ghent", "insurer")
	otherText := strings.Replace(text, "/demo/", "/other/", 1)
	flipped := func(signer int) []byte {
		_, n, err := ParseCheckpoint(sign(t, text, all...))
		if err != nil {
			t.Fatal(err)
		}
		n.Sigs[signer].Bytes[40] ^= 1
		return n.Bytes()
	}
	stamped := func(node int, stamp uint64) []byte {
		_, n, err := ParseCheckpoint(sign(t, text, all...))
		if err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint64(n.Sigs[1+node].Bytes, stamp)
		return n.Bytes()
	}
	resized := strings.Replace(string(good), "\n21\n", "\n22\n", 1)
	for name, s := range map[string]struct {
		msg         []byte
		code, words string
	}{
		"no form":                {[]byte("nothing"), "checkpoint_form", "not a checkpoint"},
		"another log":            {sign(t, otherText, elsewhere.signers(0, 1, 2, 3)...), "checkpoint_origin", "/other/"},
		"no log key":             {sign(t, text, l.nodes...), "log_key_missing", "no log key"},
		"an unknown log key":     {sign(t, text, append(stranger.signers(), l.nodes...)...), "log_key_missing", "no log key"},
		"another size":           {[]byte(resized), "log_key_bad", "does not verify"},
		"a log key twice":        {sign(t, text, append(l.signers(), all...)...), "log_key_twice", "two lines"},
		"a bad log signature":    {flipped(0), "log_key_bad", headOrigin},
		"too few cosigners":      {sign(t, text, l.signers(0, 3)...), "quorum_missing", "2 of 4"},
		"no cosigner":            {sign(t, text, l.logs[0]), "quorum_missing", "0 of 4"},
		"strangers":              {sign(t, text, append(l.signers(), stranger.nodes...)...), "quorum_missing", "does not know: 3"},
		"a cosigner twice":       {sign(t, text, l.signers(0, 1, 1)...), "cosigner_twice", "/node/porto"},
		"a cosigner's bad line":  {flipped(4), "cosigner_bad", "/node/insurer"},
		"an altered time":        {stamped(3, uint64(headTime.Unix()+9)), "cosigner_bad", "/node/insurer"},
		"a time altered to 0":    {stamped(0, 0), "cosigner_bad", "/node/lyon"},
		"a time past 2^63":       {stamped(0, 1<<63), "cosigner_bad", "/node/lyon"},
		"quorum and a bad line":  {flipped(2), "cosigner_bad", "/node/porto"},
		"a line of another log":  {moved(t, text, l, sign(t, otherText, l.nodes[3])), "cosigner_bad", "/node/insurer"},
		"a record's signature":   {moved(t, text, l, sign(t, otherText, l.logs[1])), "log_key_bad", headOrigin},
		"an empty cosignature":   {moved(t, text, l, emptied(t, sign(t, text, l.nodes[3]), 1)), "cosigner_bad", "/node/insurer"},
		"a cosignature cut":      {moved(t, text, l, emptied(t, sign(t, text, l.nodes[3]), 8+mldsa44.SignatureSize-1)), "cosigner_bad", "/node/insurer"},
		"a line under its name":  {moved(t, text, l, renamed(t, sign(t, text, stranger.nodes[0]), l.nodes[3])), "cosigner_bad", "/node/insurer"},
		"an extension line":      {[]byte(strings.Replace(string(good), "\n\n— ", "\nx\n\n— ", 1)), "checkpoint_form", "three lines"},
		"a size with a zero":     {[]byte(strings.Replace(string(good), "\n21\n", "\n021\n", 1)), "checkpoint_form", "size"},
		"an early head's quorum": {moved(t, growHeadTree(t, 20).head().Text(), l, good), "log_key_twice", "two lines"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := l.policy(t).Check(s.msg, headTime)
			refused(t, err, s.code, s.words)
			if h != nil {
				t.Error("a head came with the refusal")
			}
		})
	}
}

// moved returns a checkpoint of text signed by the log and three nodes, with
// the signature lines of another note put below.
func moved(t *testing.T, text string, l *headLog, from []byte) []byte {
	t.Helper()
	msg := string(sign(t, text, l.signers(0, 1, 2)...))
	return []byte(msg + string(from[strings.Index(string(from), "\n\n")+2:]))
}

// emptied leaves only the first bytes of the signature of a note.
func emptied(t *testing.T, msg []byte, keep int) []byte {
	t.Helper()
	_, n, err := ParseCheckpoint(msg)
	if err != nil {
		t.Fatal(err)
	}
	n.Sigs[0].Bytes = n.Sigs[0].Bytes[:keep]
	return n.Bytes()
}

// renamed puts another key's name and ID on the signature of a note.
func renamed(t *testing.T, msg []byte, as certs.Signer) []byte {
	t.Helper()
	_, n, err := ParseCheckpoint(msg)
	if err != nil {
		t.Fatal(err)
	}
	n.Sigs[0].Name, n.Sigs[0].ID = as.Name(), as.ID()
	return n.Bytes()
}

// Strangers' lines, also under a known name with another key ID, change
// nothing.
func TestStrangersAreIgnored(t *testing.T) {
	t.Parallel()
	l, c, _ := testHead(t)
	stranger := newHeadLog(t, headOrigin, "mallory")
	sigs := append([]certs.Signer{stranger.logs[0]}, l.signers(0, 1, 2)...)
	sigs = append(sigs, stranger.nodes[0], stranger.nodes[0])
	h, err := l.policy(t).Check(sign(t, c.Text(), sigs...), headTime)
	if err != nil || h.Signed != 3 || len(h.Cosigners) != 4 {
		t.Errorf("%+v, %v", h, err)
	}
}

// A timestamp of 0 says nothing of the largest tree: such a cosignature is
// no voice, but does no harm beside a quorum.
func TestTimestampZero(t *testing.T) {
	t.Parallel()
	l, c, _ := testHead(t)
	l.clocks[1] = time.Unix(0, 0)
	p := l.policy(t)
	_, err := p.Check(sign(t, c.Text(), l.signers(0, 1, 2)...), headTime)
	refused(t, err, "cosigner_time", "timestamp 0")
	_, err = p.Check(sign(t, c.Text(), l.signers(0, 1)...), headTime)
	refused(t, err, "quorum_missing", "1 of 4")
	h, err := p.Check(sign(t, c.Text(), l.signers(0, 1, 2, 3)...), headTime)
	if err != nil {
		t.Fatal(err)
	}
	if h.Signed != 3 || h.CompleteAsOf != headTime.Unix() {
		t.Errorf("%+v", h)
	}
	for _, w := range h.Cosigners {
		if w.Signed == (w.Name == "porto") {
			t.Errorf("%+v", w)
		}
	}
}

// A clock far ahead takes away a time, not a voice: when the verifier's own
// clock is behind, the proof still proves, and does not say as of when.
func TestTimeAhead(t *testing.T) {
	t.Parallel()
	l, c, _ := testHead(t)
	p := l.policy(t)
	l.clocks[2] = headTime.AddDate(1, 0, 0)
	three, four := sign(t, c.Text(), l.signers(0, 1, 2)...), sign(t, c.Text(), l.signers(0, 1, 2, 3)...)
	for _, s := range []struct {
		what string
		msg  []byte
		now  time.Time
		want int64
	}{
		{"three signed, one is a year ahead", three, headTime, 0},
		{"four signed, one is a year ahead", four, headTime, headTime.Unix()},
		{"a year later", three, headTime.AddDate(1, 0, 0), headTime.Unix()},
		{"four, a year later", four, headTime.AddDate(1, 0, 0), headTime.Unix() + 1},
		{"a clock stuck in 1970", four, time.Unix(0, 0), 0},
		{"no clock", four, time.Time{}, 0},
	} {
		h, err := p.Check(s.msg, s.now)
		if err != nil {
			t.Fatalf("%s: %v", s.what, err)
		}
		if h.CompleteAsOf != s.want {
			t.Errorf("%s: complete as of %d, want %d", s.what, h.CompleteAsOf, s.want)
		}
	}
	// Ten minutes ahead is a time, a second more is not.
	l.clocks[2] = headTime.Add(2 * time.Second)
	for ahead, want := range map[time.Duration]int64{10 * time.Minute: headTime.Unix(), 10*time.Minute + time.Second: 0} {
		h, err := p.Check(sign(t, c.Text(), l.signers(0, 1, 2)...), headTime.Add(2*time.Second-ahead))
		if err != nil || h.CompleteAsOf != want {
			t.Errorf("%v ahead: %+v, %v", ahead, h, err)
		}
	}
}

// A quorum of groups, with an outside witness that signs as type 0x04: the
// time is the majority's or the outside witness's, whichever is earlier.
func TestNodesAndAnOutsideWitness(t *testing.T) {
	t.Parallel()
	l, c, _ := testHead(t)
	out := newOutsider(t, "witness.example/w1", uint64(headTime.Unix()))
	idle := newOutsider(t, "witness.example/w2", uint64(headTime.Unix()))
	text := strings.TrimSuffix(NewPolicy(vkeysOf(l.logs), vkeysOf(l.nodes)...), "quorum nodes\n")
	text += "witness outside " + out.VKey() + "\nwitness idle " + idle.VKey() + "\ngroup q all nodes outside\nquorum q\n"
	p := mustPolicy(t, text)
	if p.Of() != 5 || p.Quorum() != 4 || p.Overlap() != 3 || p.Tolerates() != 2 {
		t.Errorf("%d of %d, tolerates %d", p.Quorum(), p.Of(), p.Tolerates())
	}
	_, err := p.Check(sign(t, c.Text(), l.signers(0, 1, 2, 3)...), headTime)
	refused(t, err, "quorum_missing", `not those that the policy's quorum "q" needs`)
	_, err = p.Check(sign(t, c.Text(), append(l.signers(0, 1), out, idle)...), headTime)
	refused(t, err, "quorum_missing", "3 of 5")

	for stamp, want := range map[int64]int64{-60: -60, 0: 0, 5: 1, 60: 1, 3600: -headTime.Unix()} {
		out.stamp = uint64(headTime.Unix() + stamp)
		h, err := p.Check(sign(t, c.Text(), append(l.signers(0, 1, 2, 3), idle, out)...), headTime)
		if err != nil {
			t.Fatal(err)
		}
		if h.CompleteAsOf != headTime.Unix()+want || h.Signed != 5 || len(h.Cosigners) != 6 {
			t.Errorf("outside at %+d: complete as of %+d, want %+d", stamp, h.CompleteAsOf-headTime.Unix(), want)
		}
	}
	out.stamp = 0
	_, err = p.Check(sign(t, c.Text(), append(l.signers(0, 1, 2), out)...), headTime)
	refused(t, err, "cosigner_time", "timestamp 0")
	out.stamp = 1 << 63
	_, err = p.Check(sign(t, c.Text(), append(l.signers(0, 1, 2), out)...), headTime)
	refused(t, err, "cosigner_bad", "witness.example/w1")
	// A witness outside the quorum does not count, but must not lie either.
	_, n, _ := ParseCheckpoint(sign(t, c.Text(), append(l.signers(0, 1, 2), idle)...))
	n.Sigs[4].Bytes[30] ^= 1
	_, err = p.Check(n.Bytes(), headTime)
	refused(t, err, "cosigner_bad", "witness.example/w2")
}

// Whichever node led when the head was cut, its log key is one of the policy's.
func TestEveryLogKeyWillDo(t *testing.T) {
	t.Parallel()
	l, c, _ := testHead(t)
	p := l.policy(t)
	for i, s := range l.logs {
		h, err := p.Check(sign(t, c.Text(), s, l.nodes[0], l.nodes[1], l.nodes[2]), headTime)
		if err != nil || len(h.LogKeys) != 1 || h.LogKeys[0] != l.logs[i].VKey() {
			t.Errorf("log key %d: %+v, %v", i, h, err)
		}
	}
	h, err := p.Check(sign(t, c.Text(), append(append([]certs.Signer{}, l.logs...), l.nodes...)...), headTime)
	if err != nil || len(h.LogKeys) != 4 {
		t.Errorf("all of them: %+v, %v", h, err)
	}
}

func FuzzPolicyCheck(f *testing.F) {
	// Witnesses of type 0x04: the fuzzer gets nowhere with the 3 kB lines of
	// ML-DSA cosignatures.
	l, c, _ := testHead(f)
	var nodes []certs.Signer
	for i, name := range []string{"w.example/a", "w.example/b", "w.example/c", "w.example/d"} {
		nodes = append(nodes, newOutsider(f, name, uint64(headTime.Unix()+int64(i))))
	}
	p := mustPolicy(f, NewPolicy(vkeysOf(l.logs), vkeysOf(nodes)...))
	f.Add(sign(f, c.Text(), l.logs[0], nodes[0], nodes[1], nodes[2]), int64(0))
	f.Add(sign(f, c.Text(), l.logs[1], nodes[1], nodes[3]), int64(-1000))
	f.Add(sign(f, c.Text(), l.logs[0], nodes[1], nodes[3], nodes[3]), int64(1))
	f.Fuzz(func(t *testing.T, msg []byte, ahead int64) {
		h, err := p.Check(msg, headTime.Add(time.Duration(ahead)*time.Second))
		if err != nil {
			refusedAs(t, err, "checkpoint_form", "checkpoint_origin", "log_key_twice", "log_key_bad", "log_key_missing",
				"cosigner_twice", "cosigner_bad", "cosigner_time", "quorum_missing")
			return
		}
		// No input but the head that was signed can pass.
		if h.Checkpoint != *c || h.Signed < 3 {
			t.Errorf("accepted %q as %+v", msg, h)
		}
	})
}
