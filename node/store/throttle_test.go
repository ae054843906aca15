package store

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// Only what is committed and not applied counts: an entry that awaits its
// commit must never hold back the loop that would learn of the commit.
func TestOnlyCommittedBytesCount(t *testing.T) {
	t.Parallel()
	th := &throttle{limit: 100}
	full := func(committed uint64) bool { return th.full(committed) != nil }
	for i := uint64(5); i <= 14; i++ { // a ledger that held 4 entries before
		th.stored(i, 30)
	}
	if full(0) || full(4) || full(7) {
		t.Error("entries below the limit make it wait")
	}
	if !full(8) || !full(14) || !full(99) {
		t.Error("entries above the limit don't make it wait")
	}
	// Raft was started anew: its queue is empty until it learns the index.
	if full(0) {
		t.Error("a fresh Raft waits for what it never queued")
	}
	th.note(3)
	th.note(6)
	if full(9) || !full(10) {
		t.Error("applied entries count")
	}
	th.truncate(9)
	if full(99) {
		t.Error("deleted entries count")
	}
	th.stored(9, 500)
	if full(8) || !full(9) {
		t.Error("entries after a truncation count wrongly")
	}
	th.note(9)
	th.note(20)
	th.truncate(3)
	if full(99) {
		t.Error("something is left")
	}
	th.stored(21, 101)
	if !full(21) || full(20) {
		t.Error("entries after an empty stretch count wrongly")
	}
}

type waiting struct {
	*Store
	committed atomic.Uint64
	done      chan error
}

// store begins a call of StoreLogs and reports whether it is over.
func (w *waiting) store(l *raft.Log) (over bool) {
	go func() { w.done <- w.StoreLog(l) }()
	synctest.Wait()
	return len(w.done) == 1
}

func inBubble(t *testing.T, fn func(t *testing.T, w *waiting)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &waiting{done: make(chan error, 1)}
		w.Store = fresh(t, Config{MaxUnapplied: 1000, MaxWait: time.Minute, Committed: w.committed.Load})
		big := string(make([]byte, 600))
		for i := uint64(1); i <= 3; i++ { // never waits before a commit
			if !w.store(command(i, 1, big)) {
				t.Fatal("it waits for its own commit")
			}
			must(t, <-w.done)
		}
		w.committed.Store(2)
		fn(t, w)
	})
}

func TestStoreLogsWaitsUntilEnoughIsApplied(t *testing.T) {
	inBubble(t, func(t *testing.T, w *waiting) {
		if w.store(command(4, 1, "x")) {
			t.Fatal("it does not wait")
		}
		start := time.Now()
		w.NoteApplied(1)
		must(t, <-w.done)
		if time.Since(start) != 0 || w.Counters.Waits.Load() != 1 || w.Counters.Overdue.Load() != 0 {
			t.Errorf("after %v, %d waits", time.Since(start), w.Counters.Waits.Load())
		}
		wantRange(t, w.Store, 1, 4)
	})
}

func TestAStalledStateMachineHoldsTheWaitForAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, w *waiting) {
		start := time.Now()
		must(t, w.StoreLog(command(4, 1, "x")))
		if time.Since(start) != time.Minute || w.Counters.Overdue.Load() != 1 {
			t.Errorf("stored after %v", time.Since(start))
		}
	})
}

func TestThrottleOffEndsTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T, w *waiting) {
		if w.store(command(4, 1, "x")) {
			t.Fatal("it does not wait")
		}
		w.Throttle(false)
		must(t, <-w.done)
		must(t, w.StoreLog(command(5, 1, "x")))
		w.Throttle(true)
		if w.store(command(6, 1, "x")) {
			t.Error("it no longer waits")
		}
		must(t, w.Close())
		if err := <-w.done; err == nil {
			t.Error("stored into a closed ledger")
		}
	})
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	var at Applied
	var broken error
	s := Snapshots{Applied: func() (Applied, error) { return at, broken }}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	at = Applied{Index: 9, Term: 3, ConfigurationIndex: 1,
		Configuration: raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a:1"}}}}
	list, err := s.List()
	must(t, err)
	if len(list) != 1 || list[0].Version != 1 || list[0].Index != 9 || list[0].Term != 3 ||
		list[0].ConfigurationIndex != 1 || len(list[0].Configuration.Servers) != 1 {
		t.Errorf("%+v", list)
	}
	if _, err := s.Create(1, 9, 3, at.Configuration, 1, nil); !errors.Is(err, ErrNoSnapshots) {
		t.Error(err)
	}
	if _, _, err := s.Open(list[0].ID); !errors.Is(err, ErrNoSnapshots) {
		t.Error(err)
	}
	broken = errors.New("the tree can't be read")
	if _, err := s.List(); !errors.Is(err, broken) {
		t.Error(err)
	}
}
