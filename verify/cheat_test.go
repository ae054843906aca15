package verify_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/verify"
)

// cheat is one way to doctor a proof file, and the one reason for which it
// is to be refused. The code is the whole chain, outermost first, so that a
// trick that happens to fail for another reason is noticed.
type cheat struct {
	name string
	do   func(w *world) []byte // w is honest, and this test's own
	code string
	says string
	opt  func(*verify.Options)
}

// TestNobodyCanCheat tries every trick that we could think of, each on a
// file that verifies before it is touched.
func TestNobodyCanCheat(t *testing.T) {
	t.Parallel()
	honestFile := newWorld(t).file(vinA).Bytes()
	accepted(t, honestFile, newWorld(t).options())
	var all []cheat
	for _, group := range [][]cheat{historyCheats, indexCheats, headCheats, formCheats, recordFormCheats, keyCheats, ruleCheats, governanceCheats,
		memberCheats, governorCheats, nodeCheats, accessCheats} {
		all = append(all, group...)
	}
	if len(all) < 50 {
		t.Errorf("only %d tricks", len(all))
	}
	names := map[string]bool{}
	for _, c := range all {
		if names[c.name] {
			t.Errorf("%q stands there twice", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			file := c.do(w)
			if bytes.Equal(file, honestFile) {
				t.Fatal("nothing was doctored")
			}
			opt := w.options()
			if c.opt != nil {
				c.opt(&opt)
			}
			r := refused(t, file, opt, c.code, c.says)
			if r.Failure != nil && strings.ContainsFunc(r.Failure.Error(), func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r > 0x2020 }) {
				t.Errorf("the message carries what a terminal obeys: %q", r.Failure)
			}
		})
	}
}

// doctored changes a true file of the first car.
func doctored(change func(w *world, f *verify.File)) func(*world) []byte {
	return func(w *world) []byte {
		f := w.file(vinA)
		change(w, f)
		return f.Bytes()
	}
}

// replaced changes the text of a true file, in one place.
func replaced(old, new string) func(*world) []byte {
	return func(w *world) []byte { return once(w, w.file(vinA).Bytes(), old, new) }
}

func once(w *world, b []byte, old, new string) []byte {
	w.t.Helper()
	if n := bytes.Count(b, []byte(old)); n != 1 {
		w.t.Fatalf("%q stands there %d times", old, n)
	}
	return bytes.Replace(b, []byte(old), []byte(new), 1)
}

// lie has the log itself go on with something untrue, sealed, and cosigned
// by all.
func lie(tell func(w *world)) func(*world) []byte {
	return func(w *world) []byte {
		tell(w)
		w.seal()
		return w.file(vinA).Bytes()
	}
}

// car is the history of the first car in a file.
func car(f *verify.File) *verify.FileHistory { return f.History("vehicle/" + vinA) }

// at is the entry of a file's history at a log index.
func at(w *world, h *verify.FileHistory, place string) *verify.FileEntry {
	for i := range h.Entries {
		if h.Entries[i].Index == w.places[place] {
			return &h.Entries[i]
		}
	}
	w.t.Fatalf("no entry %q", place)
	return nil
}

func drop(h *verify.FileHistory, i int) {
	h.Entries = append(h.Entries[:i:i], h.Entries[i+1:]...)
}

func dropHistory(f *verify.File, subject string) {
	for i := range f.Histories {
		if f.Histories[i].Subject == subject {
			f.Histories = append(f.Histories[:i:i], f.Histories[i+1:]...)
			return
		}
	}
}

// sealedAs puts the count and root of the entries as they now are into a
// history's index proof.
func sealedAs(h *verify.FileHistory) {
	var p []placed
	for _, e := range h.Entries {
		p = append(p, placed{e.Index, e.Time, e.Note})
	}
	v := historyValue(p)
	copy(h.IndexProof[9:], v[:])
}

const incomplete = "are not the complete, unchanged history that the log sealed"

// What was recorded is changed, dropped, added or moved.
var historyCheats = []cheat{
	{name: "one digit of a mileage", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = once(w, e.Note, `"value":31450`, `"value":21450`)
	}), code: "index_present < index_proof", says: "these 6 records " + incomplete},
	{name: "the signature of a record", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = w.signed(strings.SplitAfter(string(e.Note), "}\n")[0], ed25519Key(w.t, dealer, "another key"))
	}), code: "index_present < index_proof", says: incomplete},
	{name: "a mileage changed by its own author, signed anew", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		text := strings.Replace(strings.SplitAfter(string(e.Note), "}\n")[0], "31450", "21450", 1)
		e.Note = w.signed(text, w.spare(dealer))
	}), code: "index_present < index_proof", says: incomplete},
	{name: "a changed record, and the index proof made to fit", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = once(w, e.Note, `"value":31450`, `"value":21450`)
		sealedAs(car(f))
	}), code: "index_present < index_proof", says: "it does not lead to the index root"},
	{name: "a record dropped", do: doctored(func(w *world, f *verify.File) { drop(car(f), 2) }),
		code: "index_present < index_proof", says: "these 5 records " + incomplete},
	{name: "the newest record dropped", do: doctored(func(w *world, f *verify.File) { drop(car(f), 5) }),
		code: "index_present < index_proof", says: "these 5 records " + incomplete},
	{name: "the count shortened, and the true index proof", do: doctored(func(w *world, f *verify.File) {
		h := car(f)
		h.Entries = h.Entries[:1]
		dropHistory(f, "member/"+dealer)
		dropHistory(f, "member/"+inspector)
	}), code: "index_present < index_proof", says: "these 1 records " + incomplete},
	{name: "the count shortened, and the index proof made to fit", do: doctored(func(w *world, f *verify.File) {
		drop(car(f), 5)
		sealedAs(car(f))
	}), code: "index_present < index_proof", says: "it does not lead to the index root"},
	{name: "all records dropped", do: doctored(func(w *world, f *verify.File) {
		car(f).Entries = nil
		dropHistory(f, "member/"+dealer)
		dropHistory(f, "member/"+inspector)
		dropHistory(f, "member/"+maker)
	}), code: "index_absent < index_proof", says: "it shows a history, not that there is none"},
	{name: "a true signed record added that the log never saw", do: doctored(func(w *world, f *verify.File) {
		note := w.signed(w.text(readingOf(dealer, vinA, 32000)), w.spare(dealer))
		h := car(f)
		last := h.Entries[len(h.Entries)-1]
		h.Entries[len(h.Entries)-1].Index--
		h.Entries = append(h.Entries, verify.FileEntry{Index: last.Index, Time: last.Time, Note: note})
	}), code: "index_present < index_proof", says: "these 7 records " + incomplete},
	{name: "two entries change places", do: doctored(func(w *world, f *verify.File) {
		e := car(f).Entries
		e[1], e[2] = e[2], e[1]
	}), code: "history_order", says: "log indices do not rise"},
	{name: "two notes change places", do: doctored(func(w *world, f *verify.File) {
		e := car(f).Entries
		e[1].Note, e[2].Note = e[2].Note, e[1].Note
	}), code: "index_present < index_proof", says: incomplete},
	{name: "an entry twice", do: doctored(func(w *world, f *verify.File) {
		h := car(f)
		h.Entries = append(h.Entries, h.Entries[5])
	}), code: "history_order", says: "log indices do not rise"},
	{name: "two records at one place", do: doctored(func(w *world, f *verify.File) {
		e := car(f).Entries
		e[4].Index = e[5].Index
	}), code: "index_twice", says: "two different entries claim log index 16"},
	{name: "one place at two times", do: doctored(func(w *world, f *verify.File) {
		h := car(f)
		e := h.Entries[5]
		e.Time++
		h.Entries = append(h.Entries, e)
	}), code: "index_twice", says: "two different entries claim log index 16"},
	{name: "a record of another car", do: doctored(func(w *world, f *verify.File) {
		other := w.file(vinB).History("vehicle/" + vinB).Entries[0]
		car(f).Entries[1] = other
	}), code: "record_elsewhere", says: "it names vehicle/" + vinB},
	{name: "the history of another car under this one's name", do: doctored(func(w *world, f *verify.File) {
		*f = *w.file(vinB)
		f.Subject = "vehicle/" + vinA
		for i := range f.Histories {
			if f.Histories[i].Subject == "vehicle/"+vinB {
				f.Histories[i].Subject = f.Subject
			}
		}
	}), code: "record_elsewhere", says: "it names vehicle/" + vinB},
	{name: "the file of another car", do: func(w *world) []byte { return w.file(vinB).Bytes() },
		code: "subject", says: "the file is about vehicle/" + vinB + ", not vehicle/" + vinA},
	{name: "a record of another log", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		other := emptyWorld(w.t, cast{"milepost.example/other", fullCast.governors, 2, fullCast.hosts})
		e.Note = other.signed(other.text(readingOf(dealer, vinA, 21450)), w.spare(dealer))
	}), code: "index_present < index_proof", says: incomplete},
	{name: "a record of the future", do: doctored(func(w *world, f *verify.File) {
		at(w, car(f), "newest").Index = 17
	}), code: "history_future", says: "log index 17 is not below the seal's, 17"},
	{name: "a time of the future", do: doctored(func(w *world, f *verify.File) {
		at(w, car(f), "newest").Time = w.clock
	}), code: "history_future", says: "its log time lies after the seal's"},
	{name: "a log time changed", do: doctored(func(w *world, f *verify.File) {
		at(w, car(f), "newest").Time--
	}), code: "index_present < index_proof", says: incomplete},
	{name: "log times that fall", do: doctored(func(w *world, f *verify.File) {
		at(w, car(f), "newest").Time = start.UnixMilli()
	}), code: "history_time", says: "log times fall"},
	{name: "a log index changed", do: doctored(func(w *world, f *verify.File) {
		at(w, car(f), "newest").Index = 15
	}), code: "index_present < index_proof", says: incomplete},
	{name: "a revocation hidden", do: doctored(func(w *world, f *verify.File) {
		h := f.History("member/" + dealer)
		h.Entries = h.Entries[:len(h.Entries)-1]
	}), code: "index_present < index_proof", says: "member/" + dealer + ": these 2 records " + incomplete},
	{name: "a governance entry withheld", do: doctored(func(w *world, f *verify.File) {
		f.History("governance").Entries[0].Note = nil
	}), code: "withheld", says: "governance, entry 0: only records of the vehicle may be withheld"},
	{name: "a member entry withheld", do: doctored(func(w *world, f *verify.File) {
		f.History("member/" + dealer).Entries[2].Note = nil
	}), code: "withheld", says: "member/" + dealer + ", entry 2: only records of the vehicle may be withheld"},
	{name: "an entry of the car withheld without leave", do: doctored(func(w *world, f *verify.File) {
		at(w, car(f), "service in").Note = nil
	}), code: "withheld", says: "the contents of 1 of 6 records are withheld"},
	{name: "a withheld entry with another hash", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "service in")
		e.Note, e.Hash = nil, leafHash([]byte("something else"))
	}), opt: func(o *verify.Options) { o.AllowWithheld = true }, code: "index_present < index_proof", says: incomplete},
	{name: "the history of the car missing", do: doctored(func(w *world, f *verify.File) { dropHistory(f, "vehicle/"+vinA) }),
		code: "history_missing", says: "the file lacks the history of vehicle/" + vinA},
	{name: "governance missing", do: doctored(func(w *world, f *verify.File) { dropHistory(f, "governance") }),
		code: "history_missing", says: "the file lacks the history of governance"},
	{name: "an author's history missing", do: doctored(func(w *world, f *verify.File) { dropHistory(f, "member/"+inspector) }),
		code: "history_missing", says: "member/" + inspector + ", who wrote some of what it shows"},
	{name: "the history of one whose records are all withheld", do: doctored(func(w *world, f *verify.File) {
		at(w, car(f), "inspection").Note = nil
	}), opt: func(o *verify.Options) { o.AllowWithheld = true }, code: "history_extra", says: "the history of member/" + inspector},
	{name: "a history that does not belong there", do: doctored(func(w *world, f *verify.File) {
		f.Histories = append(f.Histories, w.fileHistory("vehicle/"+vinB, len(w.leaves)))
	}), code: "history_extra", says: "the history of vehicle/" + vinB + " does not belong"},
	{name: "a history twice", do: doctored(func(w *world, f *verify.File) {
		f.Histories = append(f.Histories, f.Histories[len(f.Histories)-1])
	}), code: "proof_form", says: "histories are sorted by subject, each once"},
	{name: "a history under a name that is none", do: doctored(func(w *world, f *verify.File) {
		f.Histories = append(f.Histories, verify.FileHistory{Subject: "vehicles/" + vinA, IndexProof: f.Histories[0].IndexProof})
	}), code: "proof_form", says: "is not the name of a history"},
}

// The index proof is of something else.
var indexCheats = []cheat{
	{name: "the index proof of another key", do: doctored(func(w *world, f *verify.File) {
		car(f).IndexProof = w.fileHistory("vehicle/"+vinB, len(w.leaves)).IndexProof
	}), code: "index_present < index_proof", says: "it is for another history of the same subject"},
	{name: "the steps of another key's index proof", do: doctored(func(w *world, f *verify.File) {
		car(f).IndexProof = w.fileHistory("vehicle/"+vinB, len(w.leaves)).IndexProof
		sealedAs(car(f))
	}), code: "index_present < index_proof", says: "it does not lead to the index root"},
	{name: "an absence proof for a present VIN", do: func(w *world) []byte {
		f := w.file(vinAbsent)
		pairs := w.pairs(len(w.leaves) - 1)
		key := historyKey("vehicle/" + vinB)
		end, steps := indexPath(key, pairs)
		f.Subject = "vehicle/" + vinA
		f.History("vehicle/" + vinAbsent).IndexProof = absentProof(end, steps)
		f.History("vehicle/" + vinAbsent).Subject = f.Subject
		return f.Bytes()
	}, code: "index_absent < index_proof", says: "the key that it shows stands elsewhere"},
	{name: "an absence proof that shows the key itself", do: func(w *world) []byte {
		f := w.file(vinAbsent)
		end, steps := indexPath(historyKey("vehicle/"+vinA), w.pairs(len(w.leaves)-1))
		f.Subject = "vehicle/" + vinA
		f.History("vehicle/" + vinAbsent).IndexProof = absentProof(end, steps)
		f.History("vehicle/" + vinAbsent).Subject = f.Subject
		return f.Bytes()
	}, code: "index_absent < index_proof", says: "the key that is to be absent is the one it shows"},
	{name: "the true absence proof of a look-alike VIN", do: func(w *world) []byte {
		f := w.file(vinAbsent)
		f.History("vehicle/" + vinAbsent).Subject = "vehicle/" + vinA
		f.Subject = "vehicle/" + vinA
		return f.Bytes()
	}, code: "index_absent < index_proof", says: "the index proof is refused"},
	{name: "the whole true file of an absent look-alike", do: func(w *world) []byte { return w.file(vinAbsent).Bytes() },
		code: "subject", says: "the file is about vehicle/" + vinAbsent},
	{name: "a presence proof for an absent VIN", do: func(w *world) []byte {
		f := w.file(vinAbsent)
		f.History("vehicle/" + vinAbsent).IndexProof = w.fileHistory("vehicle/"+vinA, len(w.leaves)).IndexProof
		return f.Bytes()
	}, opt: func(o *verify.Options) { o.Subject = "vehicle/" + vinAbsent },
		code: "index_absent < index_proof", says: "it shows a history, not that there is none"},
	{name: "an absence proof under shown records", do: doctored(func(w *world, f *verify.File) {
		car(f).IndexProof = indexProof(historyKey("vehicle/"+vinAbsent), w.pairs(len(w.leaves)-1))
	}), code: "index_present < index_proof", says: "it shows that there is no history"},
	{name: "an absence proof of the index before the first record", do: func(w *world) []byte {
		f := w.file(vinAbsent)
		f.History("vehicle/" + vinAbsent).IndexProof = indexProof(historyKey("vehicle/"+vinA), w.pairs(4))
		f.History("vehicle/" + vinAbsent).Subject = "vehicle/" + vinA
		f.Subject = "vehicle/" + vinA
		return f.Bytes()
	}, code: "index_absent < index_proof", says: "it does not lead to the index root"},
	{name: "the index of an empty tree", do: doctored(func(w *world, f *verify.File) {
		car(f).IndexProof = []byte("mptproof\x00")
	}), code: "index_proof_form", says: "its tag 00 is unknown"},
	{name: "steps of an index proof out of order", do: doctored(func(w *world, f *verify.File) {
		p := car(f).IndexProof
		p[41], p[41+33] = p[41+33], p[41]
	}), code: "index_proof_form", says: "its bit positions do not fall"},
	{name: "a step of an index proof dropped", do: doctored(func(w *world, f *verify.File) {
		car(f).IndexProof = append(car(f).IndexProof[:41:41], car(f).IndexProof[41+33:]...)
	}), code: "index_present < index_proof", says: "it does not lead to the index root"},
	{name: "bytes after an index proof", do: doctored(func(w *world, f *verify.File) {
		car(f).IndexProof = append(car(f).IndexProof, 0)
	}), code: "index_proof_form", says: "1 bytes are left over"},
	{name: "no index proof", do: doctored(func(w *world, f *verify.File) { car(f).IndexProof = nil }),
		code: "index_proof_form", says: "it does not begin with"},
	{name: "the index of a larger log", do: func(w *world) []byte {
		f := w.file(vinA)
		w.reading(dealer, vinB, 71000, w.spare(dealer))
		w.seal()
		car(f).IndexProof = w.fileHistory("vehicle/"+vinA, len(w.leaves)).IndexProof
		return f.Bytes()
	}, code: "index_present < index_proof", says: "it does not lead to the index root"},
}
