package verify

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestTLogProofIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	_, _, msg := testHead(t)
	p := &TLogProof{Index: 20, Hashes: growHeadTree(t, 21).prove(20), Checkpoint: msg}
	goldenHead(t, "leaf.tlog-proof", p.Bytes())
	got, err := ParseTLogProof(p.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got.Index != 20 || len(got.Hashes) != len(p.Hashes) || string(got.Checkpoint) != string(msg) {
		t.Errorf("read %+v", got)
	}
	c, err := got.CheckInclusion(LeafHash(binary.BigEndian.AppendUint32([]byte("leaf "), 20)))
	if err != nil || c.Size != 21 {
		t.Errorf("%+v, %v", c, err)
	}
}

// Every leaf of every small tree is found at its index, and what the Go
// checksum database's checker refuses we refuse: another leaf, another
// index, a hash changed, dropped or added.
func TestInclusionAgreesWithTlog(t *testing.T) {
	t.Parallel()
	l := newHeadLog(t, headOrigin, "lyon")
	m := &headTree{t: t}
	tried := 0
	for size := 1; size <= 33; size++ {
		leaf := binary.BigEndian.AppendUint32([]byte("leaf "), uint32(size-1))
		m.add(leaf)
		c := m.head()
		msg := sign(t, c.Text(), l.logs[0])
		for i := range size {
			p := &TLogProof{Index: uint64(i), Hashes: m.prove(int64(i)), Checkpoint: msg}
			h := LeafHash(binary.BigEndian.AppendUint32([]byte("leaf "), uint32(i)))
			check := func(what string, p TLogProof, h [32]byte, good bool) {
				t.Helper()
				tried++
				_, err := p.CheckInclusion(h)
				theirs := make(tlog.RecordProof, len(p.Hashes))
				for j := range p.Hashes {
					theirs[j] = p.Hashes[j]
				}
				oracle := tlog.CheckRecord(theirs, int64(c.Size), c.Root, int64(p.Index), h)
				if (err == nil) != good || (oracle == nil) != good {
					t.Fatalf("%s, leaf %d of %d: we say %v, tlog says %v", what, i, size, err, oracle)
				}
				if err != nil {
					refusedAs(t, err, "inclusion")
				}
			}
			check("as it is", *p, h, true)
			check("another leaf", *p, LeafHash([]byte("another")), false)
			if n := len(p.Hashes); n > 0 {
				q := *p
				q.Hashes = append([][32]byte(nil), p.Hashes...)
				q.Hashes[i%n][31] ^= 1
				check("a hash changed", q, h, false)
				q.Hashes = p.Hashes[:n-1]
				check("a hash dropped", q, h, false)
			}
			q := *p
			q.Hashes = append(append([][32]byte(nil), p.Hashes...), h)
			check("a hash added", q, h, false)
			q = *p
			q.Index = uint64(size)
			check("an index past the end", q, h, false)
			if q.Index = uint64(i) ^ 1; q.Index < uint64(size) {
				check("the neighbour's index", q, h, false)
			}
		}
	}
	t.Logf("%d proofs", tried)
}

func TestTLogProofRefusals(t *testing.T) {
	t.Parallel()
	_, _, msg := testHead(t)
	p := &TLogProof{Index: 20, Hashes: growHeadTree(t, 21).prove(20), Checkpoint: msg}
	good := string(p.Bytes())
	first := formatHash(p.Hashes[0])
	for name, c := range map[string]struct{ old, new, code, words string }{
		"another version":     {"proof@v1", "proof@v2", "proof_form", "first line"},
		"an extra line":       {"\nindex", "\nextra AAAA\nindex", "proof_form", "extra line"},
		"no index":            {"index 20\n", "", "proof_form", "index line"},
		"index with a zero":   {"index 20", "index 020", "proof_form", "index is not"},
		"index with a sign":   {"index 20", "index +20", "proof_form", "index is not"},
		"index with a space":  {"index 20", "index  20", "proof_form", "index is not"},
		"a tab":               {"index 20", "index\t20", "proof_form", "index line"},
		"an index of 2^63":    {"index 20", "index 9223372036854775808", "proof_form", "index is not"},
		"a carriage return":   {"index 20\n", "index 20\r\n", "proof_form", "index is not"},
		"a short hash":        {first, first[:40] + "AA==", "proof_form", "hash 1"},
		"loose bits":          {first, first[:42] + loosen(first[42]) + "=", "proof_form", "hash 1"},
		"65 hashes":           {first + "\n", strings.Repeat(first+"\n", 65), "proof_form", "more than 64"},
		"a blank line":        {first + "\n", "\n" + first + "\n", "checkpoint_form", "three lines"},
		"no checkpoint":       {"\n\n", "\n", "proof_form", "hash 3"},
		"an injected line":    {"\n\n— ", "\ninjected\n\n— ", "checkpoint_form", "three lines"},
		"a size with a zero":  {"\n21\n", "\n021\n", "checkpoint_form", "size"},
		"nothing signed":      {good[strings.Index(good, "\n\n— ")+1:], "", "checkpoint_form", "blank line"},
		"cut off in the path": {good[strings.Index(good, "\n\n")+1:], "", "proof_form", "no empty line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doctored := strings.Replace(good, c.old, c.new, 1)
			if doctored == good {
				t.Fatalf("%q does not occur", c.old)
			}
			_, err := ParseTLogProof([]byte(doctored))
			refused(t, err, c.code, c.words)
		})
	}
	_, err := ParseTLogProof(append([]byte(good), make([]byte, MaxTLogProof)...))
	refused(t, err, "proof_form", "at most")
}

// loosen sets the lowest of the bits that a base64 digit before one padding
// sign must leave clear.
func loosen(digit byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string(alphabet[strings.IndexByte(alphabet, digit)|1])
}

func FuzzParseTLogProof(f *testing.F) {
	l, c, _ := testHead(f)
	msg := sign(f, c.Text(), l.logs[0]) // short, or the fuzzer would get nowhere
	f.Add((&TLogProof{Index: 20, Hashes: growHeadTree(f, 21).prove(20), Checkpoint: msg}).Bytes())
	f.Add((&TLogProof{Checkpoint: []byte(c.Text() + "\n— x AAAAAAAA\n")}).Bytes())
	f.Add([]byte(TLogProofHeader + "\nextra AAAA\nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseTLogProof(data)
		if err != nil {
			refusedAs(t, err, "proof_form", "checkpoint_form")
			return
		}
		if string(p.Bytes()) != string(data) {
			t.Errorf("%q is written as %q", data, p.Bytes())
		}
		leaf := LeafHash(nil)
		c, err := p.CheckInclusion(leaf)
		if err == nil && p.Index >= c.Size {
			t.Errorf("leaf %d of %d", p.Index, c.Size)
		}
	})
}
