package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
)

var updateAbsence = flag.Bool("update-absence", false, "write testdata/mpt_absence.jsonl afresh")

const absenceFile = "mpt_absence.jsonl"

// The specification has no known answers for absence; these are ours, for
// whoever writes a second verifier. A vector without "refused" is to be
// accepted: the tree with this root does not have this key.
func TestMPTAbsence(t *testing.T) {
	t.Parallel()
	if *updateAbsence {
		writeAbsence(t)
	}
	trees := mptTrees(t)
	accepted, refused := 0, 0
	for _, v := range readVectors(t, absenceFile) {
		root, key := [32]byte(unhex(t, v.Root)), [32]byte(unhex(t, v.Key))
		if want := naiveRoot(trees[v.Tree]); root != want {
			t.Errorf("%s: root %x, want %x", v.Label, root, want)
		}
		p, err := ParseMPTProof(unhex(t, v.Proof))
		if err == nil {
			err = p.VerifyAbsent(root, key)
		}
		if v.Refused != "" {
			refused++
			if err == nil || fault.Code(err) != v.Refused {
				t.Errorf("%s: got %v, want code %s: %s", v.Label, err, v.Refused, v.Why)
			}
			continue
		}
		accepted++
		if err != nil {
			t.Errorf("%s: %v", v.Label, err)
		} else if got := naiveProof(trees[v.Tree], key).Bytes(); hex.EncodeToString(got) != v.Proof {
			t.Errorf("%s: we prove it with other bytes, %x", v.Label, got)
		}
	}
	if accepted < 20 || refused < 10 {
		t.Errorf("only %d vectors to accept and %d to refuse", accepted, refused)
	}
}

// writeAbsence makes the vectors from the trees of mpt_roots.jsonl, with the
// naive tree.
func writeAbsence(t *testing.T) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	put := func(v vector) {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	put(vector{Source: "milepost: proofs of absence, for the trees of mpt_roots.jsonl; with \"refused\", to be refused with that code"})
	for _, v := range readVectors(t, "mpt_roots.jsonl") {
		pairs := v.pairs(t)
		if len(pairs) == 0 {
			continue
		}
		vec := func(label string, key [32]byte) vector {
			return vector{Label: v.Label + "_" + label, Tree: v.Label, Root: v.Root,
				Key: hex.EncodeToString(key[:]), Proof: hex.EncodeToString(naiveProof(pairs, key).Bytes())}
		}
		absent := func(key [32]byte) bool {
			for _, p := range pairs {
				if p.key == key {
					return false
				}
			}
			return true
		}
		last := pairs[len(pairs)-1].key
		for _, bit := range []int{0, 5, 200, 255} {
			key := last
			key[bit/8] ^= 0x80 >> (bit % 8)
			if absent(key) {
				put(vec(fmt.Sprintf("flip_%d", bit), key))
			}
		}
		if key := sha256.Sum256([]byte(v.Label)); absent(key) {
			put(vec("elsewhere", key))
			if v.Label == "random_size_16" {
				for _, bad := range badAbsences(vec("", key), pairs, key) {
					put(bad)
				}
			}
		}
	}
	if err := os.WriteFile("testdata/"+absenceFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// badAbsences spoils a good proof in every way that a verifier must notice.
func badAbsences(good vector, pairs []pair, key [32]byte) []vector {
	var out []vector
	add := func(label, code, why string, proof []byte, key [32]byte) {
		v := good
		v.Label, v.Refused, v.Why = "refused_"+label, code, why
		v.Proof, v.Key = hex.EncodeToString(proof), hex.EncodeToString(key[:])
		out = append(out, v)
	}
	proof := func(change func(p *MPTProof)) []byte {
		p := naiveProof(pairs, key)
		change(p)
		return p.Bytes()
	}
	plain := proof(func(*MPTProof) {})
	alt := naiveProof(pairs, key).Key

	present := naiveProof(pairs, alt)
	claim := &MPTProof{Key: alt, Value: present.Value, Steps: present.Steps}
	add("key_is_there", "index_proof", "the key is the one that the proof shows: it is in the tree", claim.Bytes(), alt)
	add("presence", "index_proof", "a proof of presence says nothing about absence", present.Bytes(), alt)
	for _, p := range pairs {
		if naiveProof(pairs, key).Key == p.key {
			continue
		}
		q := naiveProof(pairs, p.key)
		q.Present, q.Key = false, p.key
		add("elsewhere", "index_proof", "a true leaf and path, but the key differs from it at a listed bit", q.Bytes(), key)
		break
	}
	add("no_steps", "index_proof", "the steps are left out", proof(func(p *MPTProof) { p.Steps = nil }), key)
	add("first_step_missing", "index_proof", "the lowest step is left out", proof(func(p *MPTProof) { p.Steps = p.Steps[1:] }), key)
	add("last_step_missing", "index_proof", "the highest step is left out", proof(func(p *MPTProof) { p.Steps = p.Steps[:len(p.Steps)-1] }), key)
	add("value", "index_proof", "the other leaf's value is changed", proof(func(p *MPTProof) { p.Value[0] ^= 1 }), key)
	add("zero_sibling", "index_proof", "a sibling is all zeroes", proof(func(p *MPTProof) { p.Steps[0].Sibling = [32]byte{} }), key)
	add("bits_rise", "index_proof_form", "the bit positions rise", proof(func(p *MPTProof) { p.Steps[0], p.Steps[1] = p.Steps[1], p.Steps[0] }), key)
	add("bit_twice", "index_proof_form", "a bit position is there twice", proof(func(p *MPTProof) { p.Steps[1].Bit = p.Steps[0].Bit }), key)
	add("left_over", "index_proof_form", "bytes are left over", append(bytes.Clone(plain), 0, 0), key)
	add("cut", "index_proof_form", "the last byte is missing", plain[:len(plain)-1], key)
	add("too_long", "index_proof_form", "more steps than a key has bits", append(bytes.Clone(plain), make([]byte, MaxMPTProof)...), key)
	empty := append([]byte("mptproof\x00"), plain[9:]...)
	add("empty_tree", "index_proof_form", "tag 00: no log has an empty index", empty, key)
	add("tag", "index_proof_form", "an unknown tag", append([]byte("mptproof\x03"), plain[9:]...), key)
	add("magic", "index_proof_form", "another magic", append([]byte("MPTproof"), plain[8:]...), key)
	return out
}
