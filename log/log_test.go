package log

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/milepost-log/milepost/certs/fault"
)

func filled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, t.TempDir())
	for i := range 6 {
		tx := w.begin()
		var subjects [][]string
		for j := range 50 {
			subjects = append(subjects, []string{fmt.Sprintf("vehicle/%d", i*31+j)})
		}
		w.batch(tx, int64(i), subjects...)
		tx.SetApplied(w.ledger.Len(), 1)
		w.commit(tx)
	}
	return w
}

// Readers go on, on the view that they hold, while the writer appends; with
// the race detector this shows that what they share is not written to.
func TestViewsWhileWriting(t *testing.T) {
	t.Parallel()
	w := filled(t)
	var readers sync.WaitGroup
	for round := range 12 {
		for range 3 {
			v, then := w.log.View(), w.model.clone()
			readers.Go(func() {
				defer v.Release()
				shared := v.Hold()
				defer shared.Release()
				if err := check(&then, v); err != nil {
					t.Error(err)
				}
			})
		}
		tx := w.begin()
		w.batch(tx, int64(round), []string{"vehicle/1", "vehicle/x"}, []string{fmt.Sprintf("vehicle/%d", 1000+round)})
		w.commit(tx)
	}
	readers.Wait()
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
}

// check is model.check for goroutines, where Fatal can't be called.
func check(m *model, v *View) (err error) {
	f := &failure{}
	defer func() {
		if r := recover(); r != nil && r != f {
			panic(r)
		}
		err = f.err
	}()
	m.check(f, v, 13)
	return nil
}

type failure struct{ err error }

func (f *failure) Helper()           {}
func (f *failure) Fatal(args ...any) { f.err = errors.New(fmt.Sprint(args...)); panic(f) }
func (f *failure) Fatalf(format string, args ...any) {
	f.err = fmt.Errorf(format, args...)
	panic(f)
}

// One view is shared by many requests.
func TestOneViewManyReaders(t *testing.T) {
	t.Parallel()
	w := filled(t)
	v := w.log.View()
	defer v.Release()
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			if err := check(&w.model, v); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
}

func TestViewEnds(t *testing.T) {
	t.Parallel()
	w := filled(t)
	v := w.log.View()
	v.Hold().Release()
	tx := w.begin()
	w.batch(tx, 9, []string{"x"})
	w.commit(tx)
	v.Release()
	if _, err := v.History("x"); !errors.Is(err, ErrClosed) {
		t.Errorf("reading from a view that has ended: %v", err)
	}
	for name, misuse := range map[string]func(){"Hold": func() { v.Hold() }, "Release": v.Release} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a view that has ended did not panic", name)
				}
			}()
			misuse()
		}()
	}
	v = w.log.View()
	defer v.Release()
	for what, err := range map[string]error{
		"leaf":        second(v.Leaf(v.Size)),
		"inclusion":   second(v.Inclusion(v.Size)),
		"consistency": second(v.Consistency(v.Size + 1)),
		"root":        second(v.RootAt(v.Size + 1)),
		"time":        second(v.Time(v.Size)),
		"tile":        second(v.Tile(0, 2, 256)),
		"far tile":    second(v.Tile(0, 1<<60, 256)),
		"level":       second(v.Tile(9, 0, 1)),
		"width":       second(v.Tile(0, 0, 0)),
		"wide":        second(v.Tile(0, 0, 257)),
		"entries":     second(v.Entries(5, 1)),
	} {
		wantCode(t, what, err, "not_in_tree")
	}
	if p, err := v.Consistency(0); len(p) != 0 || err != nil {
		t.Errorf("consistency with the empty tree: %v %v", p, err)
	}
	if p, err := v.Consistency(v.Size); len(p) != 0 || err != nil {
		t.Errorf("consistency with itself: %v %v", p, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestClose(t *testing.T) {
	t.Parallel()
	w := filled(t)
	v := w.log.View()
	tx := w.begin()
	if _, err := w.log.Begin(); !errors.Is(err, ErrBusy) {
		t.Errorf("a second transaction: %v", err)
	}
	if err := w.log.Close(); !errors.Is(err, ErrBusy) {
		t.Errorf("closing with a transaction open: %v", err)
	}
	tx.Rollback()
	w.log.wait = time.Millisecond
	if err := w.log.Close(); !errors.Is(err, ErrBusy) {
		t.Errorf("closing with a view held: %v", err)
	}
	w.check(t, v, 29) // still good
	if w.log.View() != nil {
		t.Error("a view of a closed log")
	}
	if _, err := w.log.Begin(); !errors.Is(err, ErrClosed) {
		t.Errorf("a transaction of a closed log: %v", err)
	}
	if err := w.log.States("", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("the states of a closed log: %v", err)
	}
	w.log.wait = time.Minute
	closed := make(chan error)
	go func() { closed <- w.log.Close() }()
	v.Release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := w.log.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	w.open()
	w.log.Close()
}

// A full disk: the commit fails, the log is broken, what was committed stays.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	w.log.Close()
	w.cfg.MaxSize = 256 << 10
	w.open()
	var before model
	var failed error
	for i := 0; failed == nil; i++ {
		before = w.model.clone()
		tx := w.begin()
		var subjects [][]string
		for j := range 100 {
			subjects = append(subjects, []string{fmt.Sprintf("vehicle/%d-%d", i, j)})
		}
		w.batch(tx, int64(i), subjects...)
		_, failed = tx.Commit()
	}
	if !errors.Is(failed, ErrBroken) || !errors.Is(failed, bolterrors.ErrMaxSizeReached) {
		t.Errorf("the commit failed with %v", failed)
	}
	if _, err := w.log.Begin(); !errors.Is(err, ErrBroken) {
		t.Errorf("a broken log begins a transaction: %v", err)
	}
	v := w.log.View()
	before.check(t, v, 41)
	v.Release()
	w.model = before
	w.cfg.MaxSize = 0
	w.reopen()
	v = w.log.View()
	w.check(t, v, 41)
	v.Release()
	tx := w.begin()
	w.batch(tx, 1, []string{"vehicle/next"})
	w.check(t, w.commit(tx), 41)
}

// What is on the disk while a transaction is open is the state before it.
func TestCrashBeforeCommit(t *testing.T) {
	t.Parallel()
	w := filled(t)
	then := w.model.clone()
	tx := w.begin()
	w.batch(tx, 77, []string{"vehicle/1"})
	cfg := w.cfg
	cfg.ReadOnly = true
	l, err := Open(copyFile(t, w.path), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := l.View()
	defer v.Release()
	then.check(t, v, 3)
	if _, err := l.Begin(); fault.Code(err) != "log_misused" {
		t.Errorf("writing to a log opened for reading: %v", err)
	}
	w.check(t, w.commit(tx), 3)
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	w := filled(t)
	w.log.Close()
	dir := t.TempDir()
	refused := func(what, path string, cfg Config, want string) {
		t.Helper()
		l, err := Open(path, cfg)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	refused("no origin", filepath.Join(dir, "new.db"), Config{}, "origin")
	refused("no directory", filepath.Join(dir, "none", "tree.db"), w.cfg, "no such file")
	refused("reading only what is not there", filepath.Join(dir, "none.db"), Config{ReadOnly: true}, "no such file")
	refused("another origin", w.path, Config{Origin: "other.example/1"}, "belongs to the log")

	spoil := func(fn func(b *buckets)) string {
		path := copyFile(t, w.path)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.Update(func(tx *bbolt.Tx) error {
			b, err := openBuckets(tx)
			fn(&b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	flip := func(b *bbolt.Bucket, key []byte, at int) {
		v := append([]byte(nil), b.Get(key)...)
		v[at] ^= 1
		b.Put(key, v)
	}
	last := func(b *bbolt.Bucket) []byte { k, _ := b.Cursor().Last(); return append([]byte(nil), k...) }
	first := func(b *bbolt.Bucket) []byte { k, _ := b.Cursor().First(); return append([]byte(nil), k...) }
	for _, c := range []struct {
		what, want string
		path       string
	}{
		{"another format", "its format is", spoil(func(b *buckets) { b.meta.Put(metaFormat, []byte("2")) })},
		{"another root", "its tiles give the root", spoil(func(b *buckets) { flip(b.meta, metaHead, 20) })},
		{"another size", "", spoil(func(b *buckets) { flip(b.meta, metaHead, 7) })},
		{"a short head", "can't be read", spoil(func(b *buckets) { b.meta.Put(metaHead, []byte("x")) })},
		{"a short place", "can't be read", spoil(func(b *buckets) { b.meta.Put(metaApplied, []byte("x")) })},
		{"a changed tile", "its tiles give the root", spoil(func(b *buckets) { flip(b.tiles, last(b.tiles), 0) })},
		{"a lost tile", "tile level", spoil(func(b *buckets) { b.tiles.Delete(last(b.tiles)) })},
		{"a changed seal", "not the seal of its last batch", spoil(func(b *buckets) { flip(b.batches, last(b.batches), 3) })},
		{"a lost batch", "no batch has leaf", spoil(func(b *buckets) { b.batches.Delete(last(b.batches)) })},
		{"a changed history", "its histories give the index root", spoil(func(b *buckets) { flip(b.histories, first(b.histories), 0) })},
		{"a lost history", "its histories give the index root", spoil(func(b *buckets) { b.histories.Delete(first(b.histories)) })},
		{"a short history", "a history can't be read", spoil(func(b *buckets) { b.histories.Put(first(b.histories), []byte("x")) })},
		{"a lost bucket", "has no bucket", spoil(func(b *buckets) { b.meta.Tx().DeleteBucket([]byte("tiles")) })},
	} {
		refused(c.what, c.path, w.cfg, c.want)
		if _, err := Open(c.path, w.cfg); fault.Code(err) != "tree_corrupt" {
			t.Errorf("%s: code %q of %v", c.what, fault.Code(err), err)
		}
	}
}

// A file that was copied only in part must give an error, not a fault.
func TestOpenDamagedFile(t *testing.T) {
	t.Parallel()
	w := filled(t)
	w.log.Close()
	data, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(strings.TrimRight(string(data), "\x00"))
	for i := 1; i < 20; i++ {
		path := filepath.Join(t.TempDir(), "tree.db")
		if err := os.WriteFile(path, data[:used*i/20], 0o600); err != nil {
			t.Fatal(err)
		}
		for _, readOnly := range []bool{true, false} {
			cfg := w.cfg
			cfg.ReadOnly = readOnly
			if l, err := Open(path, cfg); err == nil {
				l.Close()
				t.Errorf("%d twentieths of a file open as if whole", i)
			}
		}
	}
}

// Two processes must not write to one file.
func TestOpenTwice(t *testing.T) {
	t.Parallel()
	w := filled(t)
	defer w.log.Close()
	if l, err := Open(w.path, w.cfg); !errors.Is(err, bolterrors.ErrTimeout) {
		t.Errorf("opened twice: %v %v", l, err)
	}
}
