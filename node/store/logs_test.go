package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"github.com/milepost-log/milepost/certs/fault"
)

func TestEmptyLedger(t *testing.T) {
	t.Parallel()
	s := fresh(t, Config{})
	wantRange(t, s, 0, 0)
	must(t, s.StoreLogs(nil))
	must(t, s.DeleteRange(1, 5))
	wantRange(t, s, 0, 0)
	if !s.IsMonotonic() {
		t.Error("gaps are announced")
	}
}

func TestEveryFieldComesBack(t *testing.T) {
	t.Parallel()
	s := fresh(t, Config{})
	configuration := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a:1"}}})
	logs := []*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: configuration},
		{Index: 2, Term: 1, Type: raft.LogNoop, AppendedAt: time.Unix(0, 0).UTC()},
		{Index: 3, Term: 2, Type: raft.LogCommand, Data: []byte("d"), Extensions: []byte("ext"), AppendedAt: time.Unix(1777882811, 999999999).UTC()},
		{Index: 4, Term: 2, Type: raft.LogBarrier, Extensions: []byte("e"), AppendedAt: time.Unix(1777882811, 0).In(time.FixedZone("", 7200))},
	}
	must(t, s.StoreLogs(logs))
	for _, want := range logs {
		var l raft.Log
		must(t, s.GetLog(want.Index, &l))
		if d := cmp.Diff(*want, l); d != "" { // compares times as instants
			t.Errorf("entry %d:\n%s", want.Index, d)
		}
	}
	// What is returned belongs to the caller.
	a, err := s.Entry(3)
	must(t, err)
	a.Data[0], a.Extensions[0] = 'X', 'X'
	b, err := s.Entry(3)
	must(t, err)
	if string(b.Data) != "d" || string(b.Extensions) != "ext" {
		t.Error("entries share memory")
	}
}

func TestACallIsStoredAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]*raft.Log{
		"a gap":                    command(7, 2, ""),
		"an index twice":           command(5, 2, ""),
		"a falling term":           command(6, 1, ""),
		"an unknown type":          {Index: 6, Term: 2, Type: 99},
		"an abandoned type":        {Index: 6, Term: 2, Type: raft.LogAddPeerDeprecated},
		"an unreadable membership": {Index: 6, Term: 2, Type: raft.LogConfiguration, Data: []byte("\xc1")},
		"an empty membership":      {Index: 6, Term: 2, Type: raft.LogConfiguration},
		"an entry too large":       {Index: 6, Term: 2, Data: make([]byte, MaxEntry)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told int
			s := fresh(t, Config{Failed: func(error) { told++ }})
			must(t, s.StoreLogs(commands(1, 4, 2)))
			err := s.StoreLogs([]*raft.Log{command(5, 2, ""), bad})
			if code := fault.Code(err); code != "ledger_order" && code != "ledger_entry" {
				t.Errorf("%v", err)
			}
			wantRange(t, s, 1, 4)
			if told != 1 || s.Counters.Refused.Load() != 1 || s.Counters.Entries.Load() != 4 {
				t.Errorf("told %d times, counters %d", told, s.Counters.Refused.Load())
			}
			// A refusal breaks nothing.
			must(t, s.StoreLogs(commands(5, 6, 2)))
			wantRange(t, s, 1, 6)
		})
	}
	s := fresh(t, Config{})
	wantCode(t, s.StoreLog(command(2, 1, "")), "ledger_order")
	wantCode(t, s.StoreLog(command(0, 1, "")), "ledger_order")
	wantCode(t, s.StoreLog(command(1, 0, "")), "ledger_entry")
}

// One batch sealed in the year 9999 would poison every later time: a node
// refuses to store it, whoever proposes it.
func TestCheckRefusesBeforeStoring(t *testing.T) {
	t.Parallel()
	future := fault.New("future_time", "", "the batch is sealed in the future")
	var told error
	s := fresh(t, Config{
		Check: func(l *raft.Log) error {
			if string(l.Data) == "9999" {
				return future
			}
			return nil
		},
		Failed: func(err error) { told = err },
	})
	err := s.StoreLogs([]*raft.Log{command(1, 1, "2026"), command(2, 1, "9999"), command(3, 1, "2026")})
	if !errors.Is(err, future) || !errors.Is(told, future) {
		t.Errorf("returned %v, told %v", err, told)
	}
	wantRange(t, s, 0, 0)
}

func TestFinalEntriesAreNeverDeleted(t *testing.T) {
	t.Parallel()
	var applied, committed atomic.Uint64
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path, Config{Applied: applied.Load, Committed: committed.Load})
	must(t, s.StoreLogs(commands(1, 10, 1)))
	applied.Store(4)
	for _, lo := range []uint64{0, 1, 4} {
		wantCode(t, s.DeleteRange(lo, 10), "ledger_rewrite")
	}
	committed.Store(6)
	wantCode(t, s.DeleteRange(6, 10), "ledger_rewrite")
	s.NoteApplied(7)
	wantCode(t, s.DeleteRange(7, 10), "ledger_rewrite")
	wantCode(t, s.DeleteRange(8, 9), "ledger_order") // a gap
	wantRange(t, s, 1, 10)

	// A follower's tail that lost is replaced by the next leader's.
	must(t, s.DeleteRange(9, 12))
	wantRange(t, s, 1, 8)
	must(t, s.StoreLogs(commands(9, 11, 2)))
	if l, err := s.Entry(9); err != nil || l.Term != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	if n := s.Counters.Truncated.Load(); n != 2 {
		t.Errorf("%d entries truncated", n)
	}
	must(t, s.DeleteRange(20, 30))
	must(t, s.DeleteRange(11, 10))
	must(t, s.DeleteRange(8, 11))
	// After a truncation the term of what is now last counts again.
	must(t, s.StoreLog(command(8, 1, "")))

	// The tree is lost: applied starts from 0, and the ledger still knows.
	must(t, s.Close())
	s = open(t, path, Config{})
	if f := s.Floor(); f != 7 {
		t.Errorf("floor %d", f)
	}
	wantCode(t, s.DeleteRange(1, 8), "ledger_rewrite")
	wantCode(t, s.DeleteRange(7, 8), "ledger_rewrite")
	must(t, s.DeleteRange(8, 8))
	wantRange(t, s, 1, 7)
}

func TestStableValues(t *testing.T) {
	t.Parallel()
	s := fresh(t, Config{})
	// Raft compares this very text.
	if _, err := s.Get([]byte("k")); err == nil || err.Error() != "not found" || !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if n, err := s.GetUint64([]byte("n")); err == nil || err.Error() != "not found" || n != 0 {
		t.Error(n, err)
	}
	must(t, s.Set([]byte("k"), []byte("v")))
	must(t, s.Set([]byte("empty"), nil))
	must(t, s.SetUint64([]byte("n"), 1<<63+5))
	must(t, s.SetUint64([]byte("n"), 1<<63+6))
	if v, err := s.Get([]byte("k")); err != nil || string(v) != "v" {
		t.Error(v, err)
	}
	if v, err := s.Get([]byte("empty")); err != nil || v == nil || len(v) != 0 {
		t.Error(v, err)
	}
	if n, err := s.GetUint64([]byte("n")); err != nil || n != 1<<63+6 {
		t.Error(n, err)
	}
	_, err := s.GetUint64([]byte("k"))
	wantCode(t, err, "ledger_corrupt")
	if err := s.Set(nil, nil); err == nil {
		t.Error("a value without a key was kept")
	}
	must(t, s.Set([]byte("k"), []byte("w"))) // and it broke nothing
}

// Raft replicates from several goroutines while its main loop stores and
// truncates; the API reads records meanwhile.
func TestReadersAndAWriter(t *testing.T) {
	t.Parallel()
	s := fresh(t, Config{})
	must(t, s.StoreLogs(commands(1, 20, 1)))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := uint64(1); ; i = i%40 + 1 {
				select {
				case <-stop:
					return
				default:
				}
				if l, err := s.Entry(i); err == nil && l.Index != i || err != nil && !errors.Is(err, raft.ErrLogNotFound) {
					t.Errorf("entry %d: %+v, %v", i, l, err)
					return
				}
			}
		})
	}
	for term := uint64(2); term < 30; term++ {
		must(t, s.StoreLogs(commands(21, 40, term)))
		must(t, s.SetUint64([]byte("CurrentTerm"), term))
		must(t, s.DeleteRange(21, 40))
	}
	close(stop)
	readers.Wait()
	if n := s.Counters.Syncs.Load(); n != 1+1+3*28 {
		t.Errorf("%d syncs: a write was not synced, or one was synced twice", n)
	}
}

// A store behaves like a list in memory, through any calls and reopenings.
func TestModel(t *testing.T) {
	t.Parallel()
	dir, run := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		path := filepath.Join(dir, fmt.Sprintf("%d.db", run))
		var applied uint64 // the tree's, on disk: survives reopening
		cfg := Config{Applied: func() uint64 { return applied }}
		s, err := Open(path, cfg)
		must(t, err)
		defer func() { s.Close() }()
		var logs []*raft.Log
		values := map[string]uint64{}
		last := func() uint64 { return uint64(len(logs)) }
		t.Repeat(map[string]func(*rapid.T){
			"store": func(t *rapid.T) {
				term := uint64(1)
				if len(logs) > 0 {
					term = logs[len(logs)-1].Term
				}
				var more []*raft.Log
				for range rapid.IntRange(1, 4).Draw(t, "n") {
					term += rapid.Uint64Range(0, 1).Draw(t, "term")
					l := command(last()+uint64(len(more))+1, term, string(rapid.SliceOfN(rapid.Byte(), 1, 9000).Draw(t, "data")))
					more = append(more, l)
				}
				must(t, s.StoreLogs(more))
				logs = append(logs, more...)
			},
			"apply": func(t *rapid.T) {
				applied = rapid.Uint64Range(applied, last()).Draw(t, "applied")
			},
			"truncate": func(t *rapid.T) {
				lo, hi := rapid.Uint64Range(0, last()+2).Draw(t, "lo"), rapid.Uint64Range(0, last()+2).Draw(t, "hi")
				err := s.DeleteRange(lo, hi)
				switch {
				case lo > last() || lo > hi:
					must(t, err)
				case lo <= applied || lo == 0:
					wantCode(t, err, "ledger_rewrite")
				case hi < last():
					wantCode(t, err, "ledger_order")
				default:
					must(t, err)
					logs = logs[:lo-1]
				}
			},
			"set": func(t *rapid.T) {
				k, v := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "k"), rapid.Uint64().Draw(t, "v")
				must(t, s.SetUint64([]byte(k), v))
				values[k] = v
			},
			"reopen": func(t *rapid.T) {
				must(t, s.Close())
				s, err = Open(path, cfg)
				must(t, err)
			},
			"": func(t *rapid.T) {
				first, _ := s.FirstIndex()
				end, _ := s.LastIndex()
				if end != last() || first != min(1, last()) {
					t.Fatalf("entries %d to %d, want %d", first, end, last())
				}
				for _, want := range logs {
					have, err := s.Entry(want.Index)
					must(t, err)
					if d := cmp.Diff(want, have); d != "" {
						t.Fatal(d)
					}
				}
				if _, err := s.Entry(last() + 1); !errors.Is(err, raft.ErrLogNotFound) {
					t.Fatal(err)
				}
				for k, v := range values {
					if n, err := s.GetUint64([]byte(k)); err != nil || n != v {
						t.Fatal(k, n, v, err)
					}
				}
				if s.Floor() > applied {
					t.Fatalf("floor %d above %d", s.Floor(), applied)
				}
			},
		})
	})
}
