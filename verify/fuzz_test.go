package verify_test

import (
	"bytes"
	"testing"

	"github.com/milepost-log/milepost/verify"
)

// FuzzVerify cuts a piece out of a true file, or out of one of the texts in
// it, and puts another in its place. Whatever comes of it, Verify does not
// panic, and what it still accepts says the same of the car.
func FuzzVerify(f *testing.F) {
	w := recovered(newWorld(f), survivors)
	whole := w.file(vinA)
	last := uint64(len(w.leaves) - 1)
	w.reading(dealer, vinA, 34000, w.spare(dealer))
	w.seal()
	whole.Bridges = [][]byte{w.receipt(last, len(w.leaves), w.signers()...)}
	file, opt := whole.Bytes(), w.options()
	want := accepted(f, file, opt)
	f.Add(uint32(0), uint16(1), []byte("["))
	f.Add(uint32(len(file)-1), uint16(1), []byte{})
	for _, s := range []string{`"index":16,`, `"value":31450`, `"format"`, `tlog-proof@v1`, `seal@v1`, `mptproof`, `"subject"`, `predecessor`, `\"size\":18`, `\"prev\"`} {
		if i := bytes.Index(file, []byte(s)); i >= 0 {
			f.Add(uint32(i), uint16(len(s)), []byte("x"))
			f.Add(uint32(i), uint16(3), []byte{})
		}
	}
	f.Add(uint32(bytes.Index(file, []byte(`\n— `))), uint16(0), []byte(`\n— a AAAAAAA=`))
	f.Fuzz(func(t *testing.T, at uint32, cut uint16, put []byte) {
		i := int(at) % len(file)
		j := min(i+int(cut), len(file))
		b := append(append(bytes.Clone(file[:i]), put...), file[j:]...)
		r := verify.Verify(b, opt)
		r.Scope()
		if !r.Verified {
			if r.Failure == nil {
				t.Fatal("refused for no reason")
			}
			return
		}
		if r.Size != want.Size || len(r.Results) != len(want.Results) || r.Withheld > want.Withheld {
			t.Fatalf("another file is accepted: %s", r.Scope())
		}
		for k, res := range r.Results {
			if res.Hash != want.Results[k].Hash || res.Time != want.Results[k].Time || res.Index != want.Results[k].Index || res.Verdict != want.Results[k].Verdict {
				t.Fatalf("another record is accepted at log index %d", res.Index)
			}
		}
	})
}

// FuzzParseFile: a file has one form.
func FuzzParseFile(f *testing.F) {
	small := verify.File{Subject: "vehicle/" + vinA, Seal: []byte("seal\n"), TLogProof: []byte("proof\n"), Bridges: [][]byte{[]byte("b")},
		Histories: []verify.FileHistory{{Subject: "governance", IndexProof: []byte("mptproof"), Entries: []verify.FileEntry{
			{Index: 0, Time: 1, Note: []byte("note\n")}, {Index: 3, Time: 2, Hash: hash{1}}}}}}
	f.Add(small.Bytes())
	f.Add([]byte(`{"format":"milepost/proof@v1","histories":[],"seal":"","subject":"","tlog_proof":""}` + "\n"))
	policy := parsed(f, honest().policy)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := verify.ParseFile(data)
		if err != nil {
			return
		}
		if !bytes.Equal(file.Bytes(), data) {
			t.Fatal("written out it differs")
		}
		for _, h := range file.Histories {
			if file.History(h.Subject) == nil {
				t.Fatalf("%q is not found", h.Subject)
			}
		}
		verify.Verify(data, verify.Options{Policy: policy, Now: start})
	})
}
