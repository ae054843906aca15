package verify

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/milepost-log/milepost/certs/fault"
)

// pair is one leaf of an index tree.
type pair struct{ key, value [32]byte }

// naiveRoot is the tree's definition, written down without any thought of
// speed: the oracle of the index tests.
func naiveRoot(pairs []pair) [32]byte {
	switch len(pairs) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(slices.Concat(pairs[0].key[:], pairs[0].value[:]))
	}
	bit, left, right := naiveSplit(pairs)
	l, r := naiveRoot(left), naiveRoot(right)
	return sha256.Sum256(slices.Concat(l[:], r[:], []byte{byte(bit)}))
}

// naiveSplit finds the first bit at which two or more pairs differ.
func naiveSplit(pairs []pair) (bit int, left, right []pair) {
	for ; ; bit++ {
		left, right = nil, nil
		for _, p := range pairs {
			if p.key[bit/8]&(0x80>>(bit%8)) == 0 {
				left = append(left, p)
			} else {
				right = append(right, p)
			}
		}
		if len(left) > 0 && len(right) > 0 {
			return bit, left, right
		}
	}
}

// naiveProof walks down from the root with the key's bits.
func naiveProof(pairs []pair, key [32]byte) *MPTProof {
	var steps []MPTStep
	for len(pairs) > 1 {
		bit, left, right := naiveSplit(pairs)
		if key[bit/8]&(0x80>>(bit%8)) != 0 {
			left, right = right, left
		}
		pairs = left
		steps = append(steps, MPTStep{byte(bit), naiveRoot(right)})
	}
	slices.Reverse(steps)
	p := &MPTProof{Present: pairs[0].key == key, Value: pairs[0].value, Steps: steps}
	if !p.Present {
		p.Key = pairs[0].key
	}
	return p
}

// vector is a line of the files mpt_*.jsonl. The first line of each names
// the source.
type vector struct {
	Source  string   `json:"source,omitempty"`
	Label   string   `json:"label,omitempty"`
	Why     string   `json:"why,omitempty"`
	Tree    string   `json:"tree,omitempty"` // label of a tree in mpt_roots.jsonl
	Leaf    int      `json:"leaf,omitempty"`
	Root    string   `json:"root,omitempty"`
	Leaves  []string `json:"leaves,omitempty"` // key, then value
	Key     string   `json:"key,omitempty"`
	Value   string   `json:"value,omitempty"`
	Proof   string   `json:"proof,omitempty"`
	Refused string   `json:"refused,omitempty"` // the error's code
}

func readVectors(t *testing.T, name string) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, v)
	}
	if len(out) < 2 || out[0].Source == "" {
		t.Fatalf("%s: no source line, or no vectors", name)
	}
	return out[1:]
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v *vector) pairs(t testing.TB) []pair {
	var out []pair
	for _, s := range v.Leaves {
		b := unhex(t, s)
		out = append(out, pair{[32]byte(b), [32]byte(b[32:])})
	}
	return out
}

func mptTrees(t *testing.T) map[string][]pair {
	trees := map[string][]pair{}
	for _, v := range readVectors(t, "mpt_roots.jsonl") {
		trees[v.Label] = v.pairs(t)
	}
	return trees
}

func TestMPTRoots(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "mpt_roots.jsonl") {
		if got := naiveRoot(v.pairs(t)); hex.EncodeToString(got[:]) != v.Root {
			t.Errorf("%s: root %x, want %s", v.Label, got, v.Root)
		}
	}
}

func TestMPTInclusion(t *testing.T) {
	t.Parallel()
	trees := mptTrees(t)
	for _, v := range readVectors(t, "mpt_inclusion.jsonl") {
		pairs := trees[v.Tree]
		root, leaf := naiveRoot(pairs), pairs[v.Leaf]
		if got := naiveProof(pairs, leaf.key).Bytes(); hex.EncodeToString(got) != v.Proof {
			t.Errorf("%s: we prove it with other bytes, %x", v.Label, got)
		}
		p, err := ParseMPTProof(unhex(t, v.Proof))
		if err != nil {
			t.Errorf("%s: %v", v.Label, err)
			continue
		}
		if err := p.VerifyPresent(root, leaf.key, leaf.value); err != nil {
			t.Errorf("%s: %v", v.Label, err)
		}
		if p.VerifyPresent(root, leaf.key, sha256.Sum256(leaf.value[:])) == nil {
			t.Errorf("%s: it also proves another value", v.Label)
		}
		if p.VerifyAbsent(root, leaf.key) == nil {
			t.Errorf("%s: a proof of presence also proves absence", v.Label)
		}
	}
}

func TestMPTRefused(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "mpt_refused.jsonl") {
		p, err := ParseMPTProof(unhex(t, v.Proof))
		if err == nil {
			err = p.VerifyPresent([32]byte(unhex(t, v.Root)), [32]byte(unhex(t, v.Key)), [32]byte(unhex(t, v.Value)))
		}
		if err == nil {
			t.Errorf("%s: accepted: %s", v.Label, v.Why)
		}
	}
}

// Some implementations take an all-zero hash for an empty side.
func TestMPTZeroSibling(t *testing.T) {
	t.Parallel()
	p := &MPTProof{Present: true, Steps: []MPTStep{{Bit: 255}, {Bit: 0}}}
	if err := p.VerifyPresent([32]byte{}, [32]byte{}, [32]byte{}); fault.Code(err) != "index_proof" {
		t.Errorf("got %v", err)
	}
	root := MPTInner(MPTInner(MPTLeaf([32]byte{}, [32]byte{}), [32]byte{}, 255), [32]byte{}, 0)
	if err := p.VerifyPresent(root, [32]byte{}, [32]byte{}); err != nil {
		t.Errorf("an all-zero sibling is a hash like any other: %v", err)
	}
	slices.Reverse(p.Steps)
	if err := p.VerifyPresent(root, [32]byte{}, [32]byte{}); err == nil || !strings.Contains(err.Error(), "do not fall") {
		t.Errorf("positions that rise: %v", err)
	}
}

// drawPairs draws a set of pairs whose keys crowd together, so that branches
// stand at all depths.
func drawPairs(t *rapid.T) []pair {
	var pairs []pair
	seen := map[[32]byte]bool{}
	base := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "base"))
	for range rapid.IntRange(1, 12).Draw(t, "pairs") {
		key := drawKey(t, base)
		if !seen[key] {
			seen[key] = true
			pairs = append(pairs, pair{key, sha256.Sum256(key[:])})
		}
	}
	return pairs
}

func drawKey(t *rapid.T, base [32]byte) [32]byte {
	for range rapid.IntRange(0, 3).Draw(t, "flips") {
		bit := rapid.IntRange(0, 255).Draw(t, "bit")
		base[bit/8] ^= 0x80 >> (bit % 8)
	}
	return base
}

// For every tree and every key exactly one of the two claims can be proved,
// and no proof survives a change.
func TestMPTProofsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pairs := drawPairs(t)
		root := naiveRoot(pairs)
		key := drawKey(t, pairs[0].key)
		p, err := ParseMPTProof(naiveProof(pairs, key).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(pairs, func(p pair) bool { return p.key == key })
		present, absent := p.VerifyPresent(root, key, p.Value), p.VerifyAbsent(root, key)
		if (present == nil) != (i >= 0) || (absent == nil) != (i < 0) {
			t.Fatalf("in the tree: %v; present: %v; absent: %v", i >= 0, present, absent)
		}
		// The path of any other leaf shows nothing about the key.
		other := naiveProof(pairs, pairs[rapid.IntRange(0, len(pairs)-1).Draw(t, "other")].key)
		if other.Value != p.Value {
			other.Present = false
			other.Key = pairs[slices.IndexFunc(pairs, func(p pair) bool { return p.value == other.Value })].key
			if other.VerifyAbsent(root, key) == nil {
				t.Fatal("another leaf's path proves absence")
			}
		}
		data := p.Bytes()
		data[rapid.IntRange(0, len(data)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "change")
		if q, err := ParseMPTProof(data); err == nil {
			if q.VerifyPresent(root, key, p.Value) == nil || q.VerifyAbsent(root, key) == nil {
				t.Fatal("a changed proof is accepted")
			}
		}
	})
}

func FuzzParseMPTProof(f *testing.F) {
	f.Add((&MPTProof{Present: true}).Bytes())
	f.Add((&MPTProof{Key: [32]byte{1}, Steps: []MPTStep{{Bit: 9}, {Bit: 3}}}).Bytes())
	f.Add([]byte("mptproof\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseMPTProof(data)
		if err != nil {
			if fault.Code(err) != "index_proof_form" {
				t.Fatalf("code %q", fault.Code(err))
			}
			return
		}
		if !bytes.Equal(p.Bytes(), data) {
			t.Fatal("two byte forms of one proof")
		}
		p.VerifyPresent([32]byte{}, p.Key, p.Value)
		p.VerifyAbsent([32]byte{}, [32]byte{})
	})
}
