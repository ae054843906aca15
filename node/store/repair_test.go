package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// damaged is a ledger of nine entries, eight of them applied, whose third was
// changed by fn.
func damaged(t *testing.T, fn func(v []byte) []byte) (s *Store, told *[]uint64) {
	told = new([]uint64)
	path := filepath.Join(t.TempDir(), "raft.db")
	s = open(t, path, Config{})
	must(t, s.StoreLogs(commands(1, 8, 1)))
	s.NoteApplied(8)
	must(t, s.StoreLogs(commands(9, 9, 1)))
	must(t, s.Close())
	change(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket(logBucket)
		if v := fn(bytes.Clone(b.Get(key(3)))); v != nil {
			return b.Put(key(3), v)
		}
		return b.Delete(key(3))
	})
	s = open(t, path, Config{Damaged: func(index uint64) { *told = append(*told, index) }})
	s.NoteApplied(8)
	return s, told
}

// An entry that can't be read is told of, salvaged, and replaced by the same
// one of elsewhere; one that can be read never is, nor by another one.
func TestRepair(t *testing.T) {
	t.Parallel()
	whole := encode(command(3, 1, "batch"))
	flip := func(v []byte) []byte { v[headerSize+2] ^= 1; return v }
	s, told := damaged(t, flip)
	_, err := s.Entry(3)
	wantCode(t, err, "ledger_corrupt")
	if d := cmp.Diff([]uint64{3}, *told); d != "" {
		t.Errorf("told of damage:\n%s", d)
	}
	stored, l, err := s.Salvage(3)
	must(t, err)
	if l == nil || string(l.Data) != "bauch" || !SameSum(stored, whole) || SameSum(stored, encode(command(3, 1, "other"))) {
		t.Errorf("salvaged %+v", l)
	}
	for name, c := range map[string]struct {
		index  uint64
		stored []byte
		code   string
	}{
		"of another index":      {3, encode(command(4, 1, "batch")), "ledger_corrupt"},
		"damaged itself":        {3, flip(bytes.Clone(whole)), "ledger_corrupt"},
		"of another length":     {3, encode(command(3, 1, "batches")), "ledger_repair"},
		"that can be read":      {4, encode(command(4, 1, "other")), "ledger_repair"},
		"that was not applied":  {9, encode(command(9, 1, "other")), "ledger_repair"},
		"that there is none of": {12, encode(command(12, 1, "batch")), "ledger_repair"},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, s.Repair(c.index, c.stored), c.code) })
	}
	must(t, s.Repair(3, whole))
	if l, err := s.Entry(3); err != nil || string(l.Data) != "batch" {
		t.Errorf("after the repair: %+v, %v", l, err)
	}
	must(t, s.StoreLogs(commands(10, 11, 1))) // it goes on

	// What is not a value that has changed is not mended.
	s, _ = damaged(t, func([]byte) []byte { return nil })
	wantCode(t, s.Repair(3, whole), "ledger_repair")
}

// A snapshot opens as a ledger of its moment, whatever came later; disowned it
// has another's entries but not its vote, and no more of them than was
// applied.
func TestSnapshotAndDisown(t *testing.T) {
	t.Parallel()
	s := fresh(t, Config{})
	must(t, s.StoreLogs(commands(1, 5, 1)))
	must(t, s.SetUint64([]byte("CurrentTerm"), 7))
	must(t, s.SetUint64([]byte("LastVoteTerm"), 7))
	must(t, s.Set([]byte("LastVoteCand"), []byte("lyon")))
	s.NoteApplied(3)
	must(t, s.StoreLogs(commands(6, 6, 1)))
	snap, err := s.Snapshot()
	must(t, err)
	defer snap.Release()
	must(t, s.StoreLogs(commands(7, 90, 1)))
	var b bytes.Buffer
	n, err := snap.WriteTo(&b)
	must(t, err)
	if n != snap.Size() || int(n) != b.Len() || snap.Last != 6 || snap.Floor != 3 {
		t.Errorf("a snapshot of %d bytes is %d long, last %d, floor %d", snap.Size(), n, snap.Last, snap.Floor)
	}
	for _, c := range []struct{ keep, last uint64 }{{0, 3}, {4, 4}, {6, 6}, {9, 6}} {
		path := filepath.Join(t.TempDir(), "raft.db")
		must(t, os.WriteFile(path, b.Bytes(), 0o600))
		must(t, CheckPages(path))
		copied := open(t, path, Config{})
		must(t, copied.Disown(c.keep))
		wantRange(t, copied, 1, c.last)
		for _, k := range []string{"LastVoteTerm", "LastVoteCand"} {
			if _, err := copied.Get([]byte(k)); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s is inherited: %v", k, err)
			}
		}
		if term, err := copied.GetUint64([]byte("CurrentTerm")); err != nil || term != 7 {
			t.Errorf("the term is %d, %v", term, err)
		}
		must(t, copied.Close())
	}
}

// Pages that lead in a circle, past the end, or to two places are found
// without bbolt, which would follow them.
func TestCheckPages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path, Config{})
	for i := uint64(1); i <= 40; i++ {
		must(t, s.StoreLogs(commands(i*25-24, i*25, 1)))
	}
	must(t, s.Close())
	must(t, CheckPages(path))
	whole, err := os.ReadFile(path)
	must(t, err)
	size := os.Getpagesize()
	branch := -1 // the live branch page: the one that bbolt would go through
	for id := 2; id < len(whole)/size; id++ {
		if p := whole[id*size:]; p[8] == branchPage && p[9] == 0 && int(p[0])|int(p[1])<<8 == id {
			spoilt := bytes.Clone(whole)
			spoilt[id*size+8] = 0x40
			must(t, os.WriteFile(path, spoilt, 0o600))
			if CheckPages(path) != nil {
				branch = id
			}
		}
	}
	if branch < 0 {
		t.Fatal("the ledger is too small to have a branch page")
	}
	child := branch*size + pageHeader + 8 // page number of the first element
	for name, spoil := range map[string]func(p []byte){
		"a circle":            func(p []byte) { p[child], p[child+1] = byte(branch), byte(branch>>8) },
		"past the end":        func(p []byte) { p[child+6] = 1 },
		"one page twice":      func(p []byte) { copy(p[child:child+8], p[child+elementSize:]) },
		"a count":             func(p []byte) { p[branch*size+11] = 0xff },
		"a key out of itself": func(p []byte) { p[branch*size+pageHeader+6] = 0xff },
		"one meta":            func(p []byte) { p[40] ^= 1 },
		"the other meta":      func(p []byte) { p[size+40] ^= 1 },
		"a longer key":        func(p []byte) { p[branch*size+pageHeader+4]++ },
		"both metas":          func(p []byte) { p[40] ^= 1; p[size+40] ^= 1 },
	} {
		spoilt := bytes.Clone(whole)
		spoil(spoilt)
		must(t, os.WriteFile(path, spoilt, 0o600))
		if err := CheckPages(path); !errors.Is(err, errPages) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, os.WriteFile(path, whole[:4*size], 0o600))
	if err := CheckPages(path); err == nil {
		t.Error("a file cut short passes")
	}
}
