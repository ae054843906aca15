package verify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// The majority is lost, and the survivor's log goes on as another one: the
// file of before verifies with the policy of before, the file of after, with
// the records of both, with that of after, and says what happened.
func TestALogIsRecovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, old, size, origin := w.file(vinA).Bytes(), w.options(), len(w.leaves), w.origin
	recovered(w, survivors)
	accepted(t, before, old)
	after := w.file(vinA).Bytes()
	r := accepted(t, after, w.options())
	says := continues(origin, size, "2026-05-04")
	if !strings.HasSuffix(r.Scope(), "; "+says) {
		t.Errorf("scope: %s", r.Scope())
	}
	if r.Records != 7 || r.Origin != w.origin || r.Governance.Begins() != uint64(size) {
		t.Errorf("%d records of %s, which begins at %d", r.Records, r.Origin, r.Governance.Begins())
	}
	for _, res := range r.Results {
		if res.Verdict.Refused() {
			t.Errorf("log index %d: %s, %s", res.Index, res.Verdict, res.Reason)
		}
	}
	// Neither policy takes the other log's file.
	if r := refused(t, after, old, "seal_origin", origin[:len(w.name)]); !strings.Contains(fault.Hint(r.Failure), "went on as another one") {
		t.Errorf("hint: %s", fault.Hint(r.Failure))
	}
	refused(t, before, w.options(), "seal_origin", origin)
	if _, _, err := verify.Follow(old.Policy, after, w.options().Now); err == nil {
		t.Error("the policy of before leads to the one of after")
	}

	// And a second time, by another founder and two governors of before.
	middle, second := w.origin, len(w.leaves)
	zurich := ed25519Key(t, "zurich.example", "governor")
	recovered(w, succession{nonce: "third", hosts: []string{"insurer3", "maker3"}, govs: []certs.Signer{zurich}, need: 1,
		signers: []certs.Signer{w.govs[0], w.govs[2], zurich}})
	r = accepted(t, w.file(vinA).Bytes(), w.options())
	if !strings.HasSuffix(r.Scope(), "; "+says+"; "+continues(middle, second, "2026-05-04")) {
		t.Errorf("scope: %s", r.Scope())
	}
	if r.Records != 8 || len(r.Governance.Policies) != 3 || len(r.Governance.Removed) != 7 {
		t.Errorf("%d records, %d policies, %d nodes gone", r.Records, len(r.Governance.Policies), len(r.Governance.Removed))
	}
}

// A log that its governors closed goes on in the one that they named, in no
// other, and nothing is missing.
func TestAClosedLogGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next := w.clone(t)
	next.succeed(survivors)
	w.byGovernors("log.closed/1", "governance", obj("successor", next.origin))
	w.seal()
	other := w.clone(t)
	origin, size := w.origin, len(w.leaves)
	recovered(w, survivors)
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	if !strings.Contains(r.Scope(), "; the log continues "+origin+", closed at size "+jcsNumber(size)) || len(r.Warnings) != 0 {
		t.Errorf("%s, %q", r.Scope(), r.Warnings)
	}
	recovered(other, succession{nonce: "another", hosts: survivors.hosts})
	refused(t, other.file(vinA).Bytes(), other.options(), "authority < log_closed", "it goes on in "+next.origin)
}

func jcsNumber(n int) string { return string(jcs.Number(int64(n)).Bytes()) }

// What no successor gets past a verifier with, though its nodes sign it.
func TestNobodyCanCheatByRecovering(t *testing.T) {
	t.Parallel()
	strangers := func(w *world) []certs.Signer {
		return []certs.Signer{ed25519Key(w.t, "assoc.example", "second governor"), ed25519Key(w.t, "zurich.example", "second governor")}
	}
	predecessor := func(field string, v jcs.Value) func(jcs.Value) jcs.Value {
		return func(b jcs.Value) jcs.Value { return b.With("predecessor", b.Get("predecessor").With(field, v)) }
	}
	for _, c := range []struct {
		name, code, says string
		do               func(*world)
	}{
		{"strangers found it without a governor of before", "authority < threshold", "2 of the governors of the log before", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, govs: strangers(w)})
		}},
		{"one governor of before is one too few", "authority < threshold", "3 signatures, here are 2", func(w *world) {
			s := strangers(w)[1:]
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, govs: s, need: 1, signers: append(w.govs[1:2:2], s[0])})
		}},
		{"all governors of before where two are needed", "authority < threshold", "3 signatures, here are 4", func(w *world) {
			s := strangers(w)
			g := w.govs
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, govs: s[1:], need: 1, signers: append(g[:3:3], s[1])})
		}},
		{"a stranger signs in the place of a governor of before", "authority < not_governor", "zz.example", func(w *world) {
			s := strangers(w)[1:]
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, govs: s, need: 1, signers: append(w.govs[1:2:2], s[0], ed25519Key(w.t, "zz.example", "z"))})
		}},
		{"a founder has not signed", "authority < threshold", "3 signatures, here are 2", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, signers: w.govs[:2]})
		}},
		{"it goes on from a smaller size", "authority < predecessor", "stands at log index", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, change: predecessor("size", jcs.Number(int64(len(w.leaves)-1)))})
		}},
		{"it names no node that begins", "authority < predecessor", "it names no node", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, change: func(b jcs.Value) jcs.Value {
				b.Obj = slices.DeleteFunc(slices.Clone(b.Obj), func(f jcs.Field) bool { return f.Name == "seed" })
				return b
			}})
		}},
		{"it goes on from another log", "authority < predecessor", "the leaves before it are of", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, change: predecessor("origin", jcs.Text(successor))})
		}},
		{"it leaves out the newest record of governance", "authority < prev", "the newest record of this history", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, change: func(b jcs.Value) jcs.Value {
				return b.With("prev", jcs.Text(strings.Repeat("0", 64)))
			}})
		}},
		{"a node comes back under its old id", "authority < node_exists", "a node lyon was added before", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: []string{"insurer2", "lyon"}})
		}},
		{"its rules begin at 1 again", "authority < rules_version", "the next version of the rules is 2", func(w *world) {
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, change: func(b jcs.Value) jcs.Value {
				return b.With("rules", b.Get("rules").With("version", jcs.Number(1)))
			}})
		}},
		{"a record of the log before comes after it", "authority < origin", "the record belongs to another log", func(w *world) {
			origin := w.origin
			w.succeed(survivors)
			w.seal()
			now := w.origin
			w.origin = origin
			w.suspend(inspector)
			w.origin = now
			w.seal()
		}},
		{"a second successor of the same log comes after the first", "authority < origin", "the record belongs to another log", func(w *world) {
			second := w.clone(w.t)
			i := second.succeed(succession{nonce: "x", hosts: survivors.hosts})
			recovered(w, survivors)
			w.put(second.leaves[i], "governance")
			w.seal()
		}},
		{"a governor of before takes a new key that was used before", "authority < key_reused", "was registered before", func(w *world) {
			g := w.workshop(maker)
			s := []certs.Signer{g}
			recovered(w, succession{nonce: "x", hosts: survivors.hosts, govs: s, need: 1, signers: append(w.govs[:2:2], g)})
		}},
		{"a successor of nothing that the file shows", "authority < predecessor", "whose leaves are not before it", func(w *world) {
			*w = *emptyWorld(w.t, fullCast)
			w.reading(dealer, vinA, 12, w.workshop(dealer))
			w.seal()
			recovered(w, survivors)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.do(w)
			refused(t, w.file(vinA).Bytes(), w.options(), c.code, c.says)
		})
	}
}

// A reading of before may still be moved to another car, by a note that names
// the log of then.
func TestAnOldReadingIsCarriedOn(t *testing.T) {
	t.Parallel()
	w := newWrongCar(t)
	w.succeed(survivors)
	w.seal()
	w.moves()
	r := accepted(t, w.file(vinB).Bytes(), w.of())
	if got := resultAt(t, r, w.at); got.Verdict != verify.Valid || !strings.Contains(got.Reason, "its signature by "+garage) {
		t.Errorf("%s: %s", got.Verdict, got.Reason)
	}
	// One that was never of this log is none.
	w = newWrongCar(t)
	w.note = []byte(strings.ReplaceAll(string(w.note), w.origin, successor))
	w.moves()
	refused(t, w.file(vinB).Bytes(), w.of(), "record < field", "is of another log, "+successor)
}

// The state machine asks record by record, and takes up where it stood after
// a restart, also in the middle of the leaves of before. It alone knows the
// root that the genesis must name.
func TestTheAuthorityOfASuccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	size := uint64(len(w.leaves))
	root := treeHash(w.leafHashes(len(w.leaves)))
	genesis := w.leaves[w.succeed(survivors)]
	w.seal()
	w.suspend(inspector)
	w.seal()
	a := verify.NewSuccessor(w.origin)
	for i, leaf := range w.leaves {
		if w.subjects[i] == nil {
			continue
		}
		again := verify.NewSuccessor(w.origin)
		for _, s := range a.Subjects() {
			w.must(again.Decode(s, a.Encode(s)))
		}
		for _, a := range []*verify.Authority{a, again} {
			r, err := record.Open(leaf)
			w.must(err)
			at := verify.Place{Index: uint64(i), Time: w.times[i]}
			w.must(a.Check(r, at, certs.VerifyEd25519))
			a.Apply(r, at)
			if a.Arrived() != (uint64(i) >= size) || a.Origin != r.Origin {
				t.Errorf("after log index %d the authority is of %s, arrived: %v", i, a.Origin, a.Arrived())
			}
		}
		for _, s := range a.Subjects() {
			if string(a.Encode(s)) != string(again.Encode(s)) {
				t.Fatalf("after log index %d a restart makes another state of %s", i, s)
			}
		}
	}
	r, err := record.Open(genesis)
	w.must(err)
	w.must(verify.CheckGenesis(r, certs.VerifyEd25519))
	p := verify.PredecessorOf(r)
	w.must(p.CheckRoot(root))
	wants(t, p.CheckRoot([32]byte{1}), "predecessor", "the leaves before it have the root")
	// A log that never awaited a successor takes none, however well signed.
	plain := ask(t)
	wants(t, plain.auth.Check(r, verify.Place{Index: size, Time: w.clock}, certs.VerifyEd25519), "origin", "belongs to another log")
}
