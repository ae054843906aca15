package log

import (
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// TestLogProperty drives a log with random batches, several in one
// transaction, rolls some back, opens the file afresh in between, and keeps
// views that must not change. After every step the log must say what the
// model says.
func TestLogProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "milepost-log")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := newWorld(t, dir)
		defer func() { w.log.Close() }()

		type held struct {
			view *View
			then model
		}
		var views []held
		release := func() {
			for _, h := range views {
				h.then.check(t, h.view, 97)
				h.view.Release()
			}
			views = nil
		}
		defer release()
		subject := rapid.Map(rapid.IntRange(0, 60), func(i int) string { return fmt.Sprintf("vehicle/%d", i*i/60) })
		time := rapid.Int64Range(1_000_000, 1_000_500)

		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			tx, before := w.begin(), w.model.clone()
			applied, _ := w.log.Applied()
			for range rapid.IntRange(0, 3).Draw(t, "batches") {
				var subjects [][]string
				for i := range rapid.IntRange(1, 40).Draw(t, "records") {
					s := rapid.SliceOfNDistinct(subject, 1, 3, rapid.ID).Draw(t, "subjects")
					if i > 0 && rapid.IntRange(0, 9).Draw(t, "skip") == 0 {
						s = nil
					}
					subjects = append(subjects, s)
				}
				w.batch(tx, time.Draw(t, "time"), subjects...)
				applied = w.ledger.Len()
			}
			tx.SetApplied(applied, 7)
			if rapid.IntRange(0, 4).Draw(t, "rollback") == 0 {
				tx.Rollback()
				w.model = before
			} else {
				w.commit(tx)
				if got, term := w.log.Applied(); got != applied || term != 7 {
					t.Fatalf("applied %d, %d", got, term)
				}
			}
			if v := w.log.View(); v != nil {
				w.check(t, v, 41)
				views = append(views, held{v, w.model.clone()})
			}
			if rapid.IntRange(0, 3).Draw(t, "reopen") == 0 {
				release()
				w.reopen()
			}
		}
		if v := w.log.View(); v != nil {
			w.check(t, v, 3)
			w.checkTiles(t, v)
			v.Release()
		}
	})
}

// A history long enough to spill over several chunks, in one batch and over
// many, and others beside it.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	for _, n := range []int{1, 62, 1, 1, 200, 63, 64, 65, 1} {
		var subjects [][]string
		for i := range n {
			subjects = append(subjects, []string{"governance"})
			if i%3 == 0 {
				subjects[i] = append(subjects[i], fmt.Sprintf("vehicle/%d", i))
			}
		}
		tx := w.begin()
		w.batch(tx, 5, subjects...)
		if h, err := tx.History("governance"); err != nil || len(h) != len(w.histories["governance"]) {
			t.Fatalf("history within the transaction: %d %v", len(h), err)
		}
		w.check(t, w.commit(tx), 1)
	}
	w.reopen()
	w.check(t, w.log.View(), 1)
}

// Several thousand leaves, so that tiles of level 1 fill, chunks of level 2
// begin and hash runs are merged; many subjects, so that slots of the trie
// split.
func TestManyLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	n := 0
	for len(w.leaves) < 9000 {
		tx := w.begin()
		for range 4 {
			var subjects [][]string
			for range 300 {
				n++
				subjects = append(subjects, []string{fmt.Sprintf("vehicle/%d", n*7919%1500)})
			}
			w.batch(tx, int64(n), subjects...)
		}
		w.commit(tx)
	}
	v := w.log.View()
	w.check(t, v, 97)
	w.checkTiles(t, v)
	w.reopenHeld(t, v)
}

// reopenHeld opens the file again, as a crash would leave it, while the view
// that is given goes on.
func (w *world) reopenHeld(t *testing.T, v *View) {
	copied := copyFile(t, w.path)
	l, err := Open(copied, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	again := l.View()
	defer again.Release()
	w.check(t, again, 501)
	w.check(t, v, 501)
}

func copyFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir() + "/tree.db"
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}
