package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs/fault"
)

func open(t testing.TB, path string, cfg Config) *Store {
	t.Helper()
	s, err := Open(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fresh(t testing.TB, cfg Config) *Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "raft.db"), cfg)
}

// command returns an entry as a leader stores it.
func command(index, term uint64, data string) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: []byte(data),
		AppendedAt: time.Date(2026, 5, 4, 8, 20, int(index), 123456789, time.UTC)}
}

func commands(from, to, term uint64) (logs []*raft.Log) {
	for i := from; i <= to; i++ {
		logs = append(logs, command(i, term, "batch"))
	}
	return logs
}

// tester is *testing.T, *testing.F or *rapid.T.
type tester interface {
	Helper()
	Errorf(string, ...any)
	Fatal(...any)
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t tester, err error, code string) {
	t.Helper()
	if err == nil || fault.Code(err) != code {
		t.Errorf("want code %s, have %v", code, err)
	}
}

// wantRange checks which entries a store holds and that all can be read.
func wantRange(t testing.TB, s *Store, first, last uint64) {
	t.Helper()
	f, err := s.FirstIndex()
	must(t, err)
	l, err := s.LastIndex()
	must(t, err)
	if f != first || l != last {
		t.Errorf("entries %d to %d, want %d to %d", f, l, first, last)
	}
	for i := f; i > 0 && i <= l; i++ {
		if err := s.GetLog(i, new(raft.Log)); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	for _, i := range []uint64{0, last + 1, 1 << 63} {
		if err := s.GetLog(i, new(raft.Log)); !errors.Is(err, raft.ErrLogNotFound) {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}

func copyFile(t testing.TB, from, to string, n int64) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.Create(to)
	must(t, err)
	defer out.Close()
	_, err = io.CopyN(out, in, n)
	must(t, err)
}

// What was acknowledged is there after the process ends at any moment: a
// copy of the file taken between two calls opens with all of it.
func TestReopenAndCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "raft.db")
	s := open(t, path, Config{})
	must(t, s.StoreLogs(commands(1, 100, 1)))
	must(t, s.SetUint64([]byte("CurrentTerm"), 7))
	info, err := os.Stat(path)
	must(t, err)
	copyFile(t, path, filepath.Join(dir, "copy.db"), info.Size())
	must(t, s.Close())

	s = open(t, path, Config{})
	wantRange(t, s, 1, 100)
	must(t, s.StoreLog(command(101, 2, "x")))
	wantRange(t, s, 1, 101)

	// An auditor reads the copy, and two of them may.
	audit := open(t, filepath.Join(dir, "copy.db"), Config{ReadOnly: true})
	again := open(t, filepath.Join(dir, "copy.db"), Config{ReadOnly: true})
	wantRange(t, audit, 1, 100)
	wantRange(t, again, 1, 100)
	if term, err := audit.GetUint64([]byte("CurrentTerm")); err != nil || term != 7 {
		t.Errorf("term %d, %v", term, err)
	}
	if err := audit.StoreLog(command(101, 2, "x")); err == nil {
		t.Error("a ledger that was opened to read was written to")
	}
	wantRange(t, audit, 1, 100)
}

func TestTwoProcessesNeverShareALedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path, Config{})
	must(t, s.StoreLog(command(1, 1, "x")))
	for _, cfg := range []Config{{}, {ReadOnly: true}} {
		_, err := Open(path, cfg)
		wantCode(t, err, "data_in_use")
		if fault.Hint(err) == "" {
			t.Error("no hint")
		}
	}
	wantRange(t, s, 1, 1)
}

// A full disk stores nothing of the call, says so, and what was there stays.
func TestFullDiskChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "raft.db")
	var told []error
	s := open(t, path, Config{MaxSize: 256 << 10, Failed: func(err error) { told = append(told, err) }})
	must(t, s.SetUint64([]byte("CurrentTerm"), 3))
	last := uint64(0)
	var err error
	for err == nil {
		if err = s.StoreLogs([]*raft.Log{command(last+1, 1, string(make([]byte, 9000))), command(last+2, 1, "small")}); err == nil {
			last += 2
		}
		if last > 1000 {
			t.Fatal("the disk never fills")
		}
	}
	wantCode(t, err, "disk_full")
	if last == 0 {
		t.Fatal("nothing was stored at all")
	}
	if len(told) != 1 || fault.Code(told[0]) != "disk_full" {
		t.Errorf("Failed was told %v", told)
	}
	wantRange(t, s, 1, last)
	// Nobody knows what a failed commit left on the disk: no write follows,
	// not even one that would fit.
	wantCode(t, s.StoreLog(command(last+1, 1, "")), "disk_full")
	wantCode(t, s.SetUint64([]byte("CurrentTerm"), 4), "disk_full")
	wantCode(t, s.DeleteRange(last, last), "disk_full")
	must(t, s.Close())

	s = open(t, path, Config{})
	wantRange(t, s, 1, last)
	if term, err := s.GetUint64([]byte("CurrentTerm")); err != nil || term != 3 {
		t.Errorf("term %d, %v", term, err)
	}
	must(t, s.StoreLog(command(last+1, 1, "there is room again")))
}

func TestWhatIsNoLedgerIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := filepath.Join(dir, "raft.db")
	s := open(t, whole, Config{})
	for i := uint64(1); i <= 200; i++ {
		must(t, s.StoreLog(command(i, 1, string(bytes.Repeat([]byte{byte(i)}, 3000)))))
	}
	must(t, s.Close())
	info, err := os.Stat(whole)
	must(t, err)

	for name, make := range map[string]func(path string){
		"a text":  func(path string) { must(t, os.WriteFile(path, bytes.Repeat([]byte("milepost "), 4000), 0o600)) },
		"a stump": func(path string) { copyFile(t, whole, path, 3000) },
		"half a copy": func(path string) {
			// BoltDB grows its file ahead of need, so half of it is not
			// half of the data: cut inside the pages in use.
			copyFile(t, whole, path, min(info.Size()/2, 300<<10))
		},
		"another database": func(path string) {
			db, err := bolt.Open(path, 0o600, nil)
			must(t, err)
			must(t, db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("log")); return err }))
			must(t, db.Close())
		},
	} {
		path := filepath.Join(dir, name)
		make(path)
		for _, cfg := range []Config{{ReadOnly: true}, {}} {
			if s, err := Open(path, cfg); err == nil {
				s.Close()
				t.Errorf("%s was opened (%+v)", name, cfg.ReadOnly)
			} else if fault.Code(err) != "ledger_corrupt" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := Open(filepath.Join(dir, "missing.db"), Config{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "missing.db")); err == nil {
		t.Error("opening to read made a file")
	}
}

// change edits the file behind the store's back.
func change(t *testing.T, path string, fn func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	must(t, err)
	must(t, db.Update(fn))
	must(t, db.Close())
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	put := func(index uint64, value []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket(logBucket).Put(key(index), value) }
	}
	flipped := encode(command(3, 1, "mileage 84120"))
	flipped[headerSize+8] ^= 1
	for name, c := range map[string]struct {
		damage func(*bolt.Tx) error
		opens  bool // damage in the middle is found when the entry is read
	}{
		"a flipped bit":         {put(3, flipped), true},
		"an entry of elsewhere": {put(3, encode(command(4, 1, "x"))), true},
		"an empty entry":        {put(3, nil), true},
		"a missing entry":       {func(tx *bolt.Tx) error { return tx.Bucket(logBucket).Delete(key(3)) }, true},
		"a damaged end":         {put(9, nil), false},
		"a lost beginning":      {func(tx *bolt.Tx) error { return tx.Bucket(logBucket).Delete(key(1)) }, false},
		"a lost end": {func(tx *bolt.Tx) error {
			for i := uint64(6); i <= 9; i++ {
				if err := tx.Bucket(logBucket).Delete(key(i)); err != nil {
					return err
				}
			}
			return nil
		}, false},
		"another format": {func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte("x")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "raft.db")
			s := open(t, path, Config{})
			must(t, s.StoreLogs(commands(1, 8, 1)))
			s.NoteApplied(8)
			must(t, s.StoreLogs(commands(9, 9, 1)))
			must(t, s.Close())
			change(t, path, c.damage)
			s, err := Open(path, Config{})
			if !c.opens {
				if err == nil || fault.Code(err) != "ledger_corrupt" && fault.Code(err) != "ledger_version" {
					t.Errorf("opened: %v", err)
				}
				return
			}
			must(t, err)
			defer s.Close()
			wantCode(t, s.GetLog(3, new(raft.Log)), "ledger_corrupt")
			must(t, s.GetLog(2, new(raft.Log)))
		})
	}
}
