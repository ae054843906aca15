package log

import (
	"errors"
	"slices"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log/logtest"
	"github.com/milepost-log/milepost/verify"
)

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	if err == nil || fault.Code(err) != code {
		t.Errorf("%s: got %v, want code %s", what, err, code)
	}
}

func TestTxSeesItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	tx := w.begin()
	defer tx.Rollback()
	if e, n, err := tx.Last("vehicle/A"); n != 0 || err != nil || e != (verify.Entry{}) {
		t.Errorf("last of a history that is not there: %v %d %v", e, n, err)
	}
	w.batch(tx, 100, []string{"vehicle/A"}, []string{"vehicle/A", "vehicle/B"})

	notes := [][]byte{[]byte("passed over\n"), []byte("a note of A\n")}
	entry := w.ledger.Append(notes...)
	w.add(tx, entry, 1, notes[1], []string{"vehicle/A"})
	index := uint64(len(w.leaves) - 1)

	h, err := tx.History("vehicle/A")
	if err != nil || !slices.Equal(h, w.histories["vehicle/A"]) || h[1].Time != 100 || h[2].Time != 0 {
		t.Errorf("history %v, want %v: %v", h, w.histories["vehicle/A"], err)
	}
	if e, n, err := tx.Last("vehicle/B"); n != 1 || err != nil || e != w.histories["vehicle/B"][0] {
		t.Errorf("last of B: %v %d %v", e, n, err)
	}
	for i, leaf := range w.leaves {
		if got, err := tx.Leaf(uint64(i)); string(got) != string(leaf) || err != nil {
			t.Errorf("leaf %d: %q %v", i, got, err)
		}
		want := verify.LeafHash(leaf)
		if got, err := tx.LeafHash(uint64(i)); got != want || err != nil {
			t.Errorf("hash of leaf %d: %x %v", i, got, err)
		}
		if got, ok, err := tx.Find(want); got != uint64(i) || !ok || err != nil {
			t.Errorf("find of leaf %d: %d %v %v", i, got, ok, err)
		}
	}
	for _, want := range h {
		if e, err := tx.Entry(want.Index); e != want || err != nil {
			t.Errorf("entry %d: %v %v, want %v", want.Index, e, err, want)
		}
	}
	if tx.Size() != index+1 || tx.SealTime() != 100 {
		t.Errorf("size %d, seal time %d", tx.Size(), tx.SealTime())
	}
	_, err = tx.Leaf(index + 1)
	wantCode(t, "a leaf beyond the tree", err, "not_in_tree")
	_, err = tx.LeafHash(index + 1)
	wantCode(t, "a leaf beyond the tree", err, "not_in_tree")
	_, err = tx.Entry(index + 1)
	wantCode(t, "a leaf beyond the tree", err, "not_in_tree")
	if w.log.View() != nil {
		t.Error("others see what is not committed")
	}
}

func TestTxRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	tx := w.begin()
	defer tx.Rollback()
	w.batch(tx, 1, []string{"vehicle/A"})

	good := Record{Hash: [32]byte{1}, Author: "a", ID: [16]byte{1}, Subjects: []string{"vehicle/A"}}
	bad := func(what string, pos int, change func(r *Record)) {
		t.Helper()
		r := good
		change(&r)
		_, err := tx.Add(9, pos, r)
		wantCode(t, what, err, "log_misused")
	}
	bad("no subject", 0, func(r *Record) { r.Subjects = nil })
	bad("a subject twice", 0, func(r *Record) { r.Subjects = []string{"a", "b", "a"} })
	bad("no author", 0, func(r *Record) { r.Author = "" })
	bad("a negative position", -1, func(*Record) {})
	_, err := tx.Seal(5)
	wantCode(t, "a seal of nothing", err, "log_misused")
	if _, err := tx.Add(9, 4, good); err != nil {
		t.Fatal(err)
	}
	bad("an id again", 5, func(*Record) {})
	bad("a position again", 4, func(r *Record) { r.ID[0] = 2 })
	if _, err := tx.Add(10, 5, Record{Author: "a", ID: [16]byte{2}, Subjects: []string{"s"}}); fault.Code(err) != "log_misused" {
		t.Errorf("a record of another ledger entry: %v", err)
	}
	if _, err := tx.Add(9, 5, Record{Author: "b", ID: good.ID, Subjects: []string{"s"}}); err != nil {
		t.Errorf("another author's record with the same id: %v", err)
	}
	if _, err := tx.Commit(); !errors.Is(err, ErrUnsealed) {
		t.Errorf("commit of unsealed records: %v", err)
	}
	_, err = tx.Seal(1 << 60)
	wantCode(t, "a time that no seal can carry", err, "time_form")
	if s, err := tx.Seal(0); err != nil || s.Index != 4 || s.Time != 1 {
		t.Errorf("a refusal left something behind: %+v %v", s, err)
	}
	if _, err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("a second commit: %v", err)
	}
	if _, err := tx.Add(11, 0, good); !errors.Is(err, ErrClosed) {
		t.Errorf("adding after the commit: %v", err)
	}
	if tx.State("x") != nil {
		t.Error("a state after the commit")
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	states := func(prefix string) (out string) {
		t.Helper()
		err := w.log.States(prefix, func(key string, value []byte) error {
			out += key + "=" + string(value) + " "
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	tx := w.begin()
	value := []byte("1")
	tx.PutState("a/1", value)
	value[0] = '9' // the log keeps its own copy
	tx.PutState("a/2", []byte("2"))
	tx.PutState("b/1", []byte{})
	if got := tx.State("a/1"); string(got) != "1" {
		t.Errorf("state within the transaction: %q", got)
	}
	tx.SetConfiguration([]byte("nodes"))
	tx.SetApplied(3, 2)
	if states("") != "" || w.log.Configuration() != nil {
		t.Error("others see what is not committed")
	}
	if v := w.commit(tx); v != nil {
		t.Error("a view of a log without a seal")
	}
	if got := states("a/"); got != "a/1=1 a/2=2 " {
		t.Errorf("states a/: %q", got)
	}
	tx = w.begin()
	tx.PutState("a/1", nil)
	tx.PutState("a/3", nil)
	w.commit(tx)
	w.reopen()
	if got := states(""); got != "a/2=2 b/1= " {
		t.Errorf("all states: %q", got)
	}
	if index, term := w.log.Applied(); index != 3 || term != 2 || string(w.log.Configuration()) != "nodes" {
		t.Errorf("applied %d %d, configuration %q", index, term, w.log.Configuration())
	}
	stop := errors.New("stop")
	if err := w.log.States("", func(string, []byte) error { return stop }); err != stop {
		t.Errorf("fn's error: %v", err)
	}
	tx = w.begin()
	tx.PutState("", []byte("no key"))
	if _, err := tx.Commit(); err == nil {
		t.Error("a state without a key is committed")
	}
	// What failed before the disk was asked has not happened, no more.
	w.commit(w.begin())
}

// A transaction may be rolled back at any point, and the next one begins
// where it began.
func TestRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	tx := w.begin()
	w.batch(tx, 1, []string{"a"}, []string{"b"})
	w.commit(tx)
	before := w.model.clone()
	for range 3 {
		tx := w.begin()
		w.batch(tx, 9, []string{"a"}, []string{"c"})
		entry := w.ledger.Append([]byte("a note\n"))
		w.add(tx, entry, 0, []byte("a note\n"), []string{"a"})
		tx.SetApplied(100, 100)
		tx.Rollback()
		tx.Rollback()
		w.model = before.clone()
		v := w.log.View()
		w.check(t, v, 1)
		v.Release()
	}
	if index, _ := w.log.Applied(); index != 0 {
		t.Errorf("applied %d", index)
	}
	tx = w.begin()
	w.batch(tx, 2, []string{"c"})
	w.check(t, w.commit(tx), 1)
}

// The ledger is another file: what it gives is checked against the tree.
func TestLedgerIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	tx := w.begin()
	w.batch(tx, 1, []string{"a"}, []string{"b"})
	w.commit(tx)

	reopen := func(ledger Ledger) *View {
		w.cfg.Ledger = ledger
		w.reopen()
		return w.log.View()
	}
	v := reopen(nil)
	_, err := v.Leaf(0)
	wantCode(t, "no ledger", err, "log_misused")
	if leaf, err := v.Leaf(2); string(leaf) != string(w.leaves[2]) || err != nil {
		t.Errorf("a seal needs no ledger: %q %v", leaf, err)
	}
	v.Release()
	v = reopen(&logtest.Ledger{})
	if _, err = v.Leaf(0); err == nil {
		t.Error("an empty ledger has a leaf")
	}
	v.Release()
	other := &logtest.Ledger{}
	other.Append([]byte("something else\n"))
	v = reopen(other)
	_, err = v.Leaf(0)
	wantCode(t, "other bytes", err, "tree_corrupt")
	_, err = v.Leaf(1)
	wantCode(t, "too few notes", err, "tree_corrupt")
	if _, err = v.Entries(0, 3); err == nil {
		t.Error("a bundle of other bytes")
	}
	v.Release()
}

// A log that begins with the leaves of others has seals of several origins,
// and gives each as it was, also after a restart between any two.
func TestSealsOfSeveralOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	for i, origin := range []string{"first.example/" + testOrigin[12:], "first.example/" + testOrigin[12:], "second.example/" + testOrigin[12:], testOrigin, testOrigin} {
		w.origin = origin
		tx := w.begin()
		size, root := tx.Head()
		if size != uint64(len(w.leaves)) || size > 0 && root != w.root(int(size)) {
			t.Errorf("head of size %d, %x", size, root)
		}
		tx.SetOrigin(origin)
		w.batch(tx, int64(100*i), []string{"vehicle/A"})
		w.commit(tx)
		w.reopen()
		v := w.log.View()
		if v.Seal != w.seal {
			t.Errorf("the newest seal is %+v, want %+v", v.Seal, w.seal)
		}
		for j, leaf := range w.leaves {
			if got, err := v.Leaf(uint64(j)); err != nil || string(got) != string(leaf) {
				t.Errorf("leaf %d: %q, %v, want %q", j, got, err, leaf)
			}
		}
		if err := v.CheckTiles(0, v.Size); err != nil {
			t.Error(err)
		}
		b, err := v.Batch(v.Size - 1)
		if err != nil || v.SealHash(b) != verify.LeafHash(w.seal.Bytes()) {
			t.Errorf("the seal that the batch gives: %v", err)
		}
		v.Release()
	}
	// Forgotten again with the rest of a transaction that came to nothing.
	tx := w.begin()
	tx.SetOrigin("third.example/" + testOrigin[12:])
	tx.Rollback()
	tx = w.begin()
	w.batch(tx, 900, []string{"vehicle/A"})
	w.commit(tx)
}
