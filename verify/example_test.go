package verify_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

var update = flag.Bool("update", false, "rewrite the worked example in testdata")

// exampleLog is the log of the worked example: seven leaves, of two batches.
//
//	0 genesis  1 member  2 seal  3 reading  4 reading of another car  5 reading  6 seal
func exampleLog(t testing.TB) *world {
	w := emptyWorld(t, cast{"milepost.example/worked", []string{"assoc.example", maker}, 2, []string{"east", "west"}})
	// The types of the first release, and no others: the example is to stay.
	var types []string
	var rights []jcs.Value
	for _, r := range []struct{ typ, read, write string }{
		{"key.added/1", "O", "admin"}, {"key.revoked/1", "O", "admin"}, {"log.genesis/1", "G", "GOV"}, {"member.admitted/1", "O", "GOV"}, {"node.added/1", "G", "GOV"},
		{"odometer.reading/1", "V", "DLR MFR PTI FIN INS DEV"}, {"service.visit/1", "V", "DLR"}, {"vehicle.created/1", "V", "MFR DLR"},
	} {
		types = append(types, r.typ)
		rights = append(rights, obj("read", []string{r.read}, "type", r.typ, "write", strings.Fields(r.write)))
	}
	genesis := w.genesis()
	genesis = genesis.With("rules", genesis.Get("rules").With("types", jcs.Texts(types)).With("rights", jcs.Array(rights...)))
	w.add(envelope{"log.genesis/1", w.govs[0].Name(), []string{"governance"}, genesis, nil}, w.govs...)
	w.admit(dealer, nil, "DLR")
	w.seal()
	w.reading(dealer, vinA, 15031, w.workshop(dealer))
	w.reading(dealer, vinB, 70210, w.workshop(dealer))
	w.reading(dealer, vinA, 29877, w.workshop(dealer))
	w.seal()
	return w
}

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s is no longer what is written; run with -update if that is meant", path)
	}
}

// TestWorkedExample holds the worked example of docs/format.md to the code.
// Everything in it is deterministic: the seeds of all keys are listed.
func TestWorkedExample(t *testing.T) {
	t.Parallel()
	w := exampleLog(t)
	f := w.file(vinA)
	golden(t, "example.mileproof", f.Bytes())
	golden(t, "example.policy", []byte(w.policy))
	golden(t, "example.txt", steps(w, f))

	opt := w.options()
	r := accepted(t, f.Bytes(), opt)
	report := map[string]any{
		"subject": opt.Subject, "now": opt.Now.UTC().Format(time.RFC3339), "verified": r.Verified, "scope": r.Scope(),
		"fingerprint": w.origin[strings.LastIndexByte(w.origin, '/')+1:],
	}
	var results []any
	for _, res := range r.Results {
		results = append(results, map[string]any{"index": res.Index, "time": res.Time, "leaf_hash": verify.Hex(res.Hash), "verdict": res.Verdict,
			"author": res.Record.Author, "value": res.Record.Body.Get("value").Int})
	}
	report["results"] = results
	b, err := json.MarshalIndent(report, "", "  ")
	w.must(err)
	golden(t, "example.json", append(b, '\n'))
}

// steps writes every value between the leaves and the signatures, in hex.
func steps(w *world, f *verify.File) []byte {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	show := func(name string, v []byte) { say("%s = %s", name, hex.EncodeToString(v)) }
	showHash := func(name string, h hash) { show(name, h[:]) }
	n := len(w.leaves)

	say("The worked example of docs/format.md, step by step. All bytes are in hex.")
	say("\n# keys: seed, public key")
	admins, rec, tls := memberKeys(w.t, w, dealer)
	signer := func(label string, s certs.Signer, seedOf string) {
		v, err := certs.ParseVKey(s.VKey())
		w.must(err)
		show(label+" seed", seed(seedOf))
		show(label+" public", v.Public())
	}
	for _, g := range w.govs {
		signer("governor "+g.Name(), g, g.Name()+" "+w.name+" governor")
	}
	for _, h := range w.hosts {
		signer("node "+h.id+" log", h.log, w.origin+" log "+h.id)
		signer("node "+h.id+" cosigner", h.cosigner, h.cosigner.Name())
		show("node "+h.id+" TLS seed", seed("tls "+h.cosigner.Name()))
		say("node %s TLS pin = %s", h.id, h.tls.Pin())
	}
	signer("member "+dealer+" record", rec, dealer+" "+w.name+" workshop")
	signer("member "+dealer+" admin office", admins[0], dealer+" "+w.name+" admin office")
	signer("member "+dealer+" admin foreman", admins[1], dealer+" "+w.name+" admin foreman")
	show("member "+dealer+" TLS seed", seed("tls "+w.name+dealer))
	say("member %s TLS pin = %s", dealer, tls.Pin())

	say("\n# origin: the name, and the first 20 bytes of a hash")
	genesis, err := jcs.Parse([]byte(strings.Split(string(w.leaves[0]), "\n")[1]), jcs.Limits{Bytes: 1 << 20, Depth: 16})
	w.must(err)
	founding := append([]byte("milepost/origin@v1\n"), genesis.Get("body").Get("founding").Bytes()...)
	show("hashed", founding)
	showHash("SHA-256", sha(founding))
	show("origin", []byte(w.origin))

	say("\n# a record: leaf 3, its signed text, its key ID, its signature")
	note, err := certs.ParseNote(w.leaves[3], 60_000, 1)
	w.must(err)
	v, err := certs.ParseVKey(rec.VKey())
	w.must(err)
	show("text", []byte(note.Text))
	id := append(append([]byte(dealer+"\n"), 1), v.Public()...)
	show("key ID, hashed", id)
	idHash := sha(id)
	show("key ID", idHash[:4])
	show("signature", note.Sigs[0].Bytes)
	show("note", w.leaves[3])

	say("\n# a proof of possession: the record key of the member")
	show("text", certs.PossessionText(w.origin, dealer, "record", rec.VKey()))
	proof, err := rec.Possess(w.origin, "record")
	w.must(err)
	show("signature", proof)

	say("\n# leaves of the log: leaf hash = SHA-256(00 || leaf)")
	for i, l := range w.leaves {
		what := "record"
		if w.subjects[i] == nil {
			what = "seal"
		}
		say("leaf %d, a %s of %d bytes", i, what, len(l))
		showHash("  leaf hash", leafHash(l))
	}
	show("leaf 2, the first seal", w.leaves[2])
	show("leaf 4, the other car's reading", w.leaves[4])

	for _, s := range []string{"governance", "member/" + dealer, "vehicle/" + vinA, "vehicle/" + vinB} {
		say("\n# history of %s", s)
		entries := w.history(s, n-1)
		var leaves []hash
		for _, e := range entries {
			h := leafHash(e.note)
			show(fmt.Sprintf("entry of leaf %d", e.index), append(append(u64(e.index), u64(uint64(e.time))...), h[:]...))
			leaves = append(leaves, historyLeaf(e))
			showHash("  its leaf hash", leaves[len(leaves)-1])
		}
		root := treeHash(leaves)
		showHash("MTH", root)
		show("value, hashed", append(append([]byte("milepost/history@v1\n"), u64(uint64(len(entries)))...), root[:]...))
		showHash("value", historyValue(entries))
		show("key, hashed", []byte("milepost/key@v1\n"+s))
		showHash("key", historyKey(s))
	}

	say("\n# index: Merkle Patricia tree over the sorted keys, from the top")
	pairs := w.pairs(n - 1)
	var walk func(pairs []pair, depth int) hash
	walk = func(pairs []pair, depth int) hash {
		in := strings.Repeat("  ", depth)
		h := indexRoot(pairs)
		if len(pairs) == 1 {
			showHash(in+"leaf, key", pairs[0].key)
			showHash(in+"leaf, value", pairs[0].value)
			showHash(in+"leaf, hash", h)
			return h
		}
		bit, at := fork(pairs)
		say("%sinner, bit %d", in, bit)
		showHash(in+"inner, hash", h)
		walk(pairs[:at], depth+1)
		walk(pairs[at:], depth+1)
		return h
	}
	showHash("index root", walk(pairs, 0))
	show("proof of presence of vehicle/"+vinA, f.History("vehicle/"+vinA).IndexProof)
	showHash("key of vehicle/"+vinAbsent, historyKey("vehicle/"+vinAbsent))
	show("proof of absence of vehicle/"+vinAbsent, indexProof(historyKey("vehicle/"+vinAbsent), pairs))

	say("\n# seal: leaf 6")
	show("seal", w.leaves[6])
	showHash("its leaf hash", leafHash(w.leaves[6]))

	say("\n# tree head over 7 leaves")
	for i, h := range auditPath(6, w.leafHashes(n)) {
		showHash(fmt.Sprintf("inclusion of leaf 6, hash %d", i), h)
	}
	showHash("root", treeHash(w.leafHashes(n)))
	show("checkpoint text", []byte(w.headText(n)))
	for _, s := range w.signers() {
		sig, err := s.Sign([]byte(w.headText(n)))
		w.must(err)
		say("signature of %s, key ID %08x, type %02x", s.Name(), s.ID(), s.Type())
		if s.Type() == certs.MLDSA44Cosig {
			show("  timestamp", sig.Bytes[:8])
			show("  message signed", subtree(s.Name(), binary.BigEndian.Uint64(sig.Bytes), w.origin, n, treeHash(w.leafHashes(n))))
			sig.Bytes = sig.Bytes[8:]
		}
		show("  signature", sig.Bytes)
	}
	return []byte(b.String())
}

// subtree is the cosigned_message of C2SP tlog-cosignature for a whole tree.
func subtree(name string, time uint64, origin string, size int, root hash) []byte {
	b := append([]byte("subtree/v1\n\x00"), byte(len(name)))
	b = append(append(b, name...), u64(time)...)
	b = append(append(b, byte(len(origin))), origin...)
	return append(append(append(b, u64(0)...), u64(uint64(size))...), root[:]...)
}
