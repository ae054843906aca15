// Package powertest takes down what BoltDB writes to its files while a program
// runs, and makes the files that a loss of power could have left at any moment
// of it.
//
// What may be lost is what was written since the last sync of a file. Each
// sector of 512 bytes of that is on the disk or not, whatever became of the
// others, in any order. So every record has all that was synced, and some,
// none or all of the rest.
//
// Writes are seen where BoltDB makes them: its DB calls one function for them,
// which is replaced here by reflection (there is no other way in, and a test
// fails at once if a new BoltDB has another one). Syncs can't be seen like
// that. BoltDB makes two in a commit: after the pages of data, and after the
// meta page that makes them count (tx.go, write and writeMeta). So data is
// taken to be synced when the meta page is written, which Trace checks to be
// the last write of each commit; and a meta page when that file's next commit
// writes, or when the commit was seen to have returned. A larger file is synced
// at its new size before anything is written there (db.go, grow), and no record
// here is of a moment within that.
//
// It assumes that a disk keeps what it says it has synced, and that a sector is
// written whole or not at all.
package powertest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

const sector = 512

// Trace is what the files that it watches saw written, in one order. It is
// safe for concurrent use.
type Trace struct {
	mu     sync.Mutex
	files  []*file
	events []event
}

type file struct {
	name   string
	db     *bolt.DB
	page   int
	base   []byte // as it was when the watch began
	writes int    // seen since

	counts  bool        // whether BoltDB keeps count
	before  int64       // of its writes, when the watch began
	writing *sync.Mutex // BoltDB's own, held from the begin of a writing transaction to its end
}

// event is a write, or a mark of the test.
type event struct {
	file     int // -1 for a mark
	off      int64
	data     []byte
	meta     bool
	sizes    []int64 // of all files, then
	returned []int   // writes of each other file that belong to commits that have returned, at least
}

// DB returns the database that a store keeps in its field db.
func DB(store any) *bolt.DB {
	v := reflect.ValueOf(store).Elem().FieldByName("db")
	if !v.IsValid() || v.Type() != reflect.TypeFor[*bolt.DB]() {
		panic(fmt.Sprintf("%T has no field db that is a BoltDB", store))
	}
	return (*bolt.DB)(v.UnsafePointer())
}

// Watch begins to take down what is written to some databases, from a moment
// at which none is in the middle of a commit.
func (t *Trace) Watch(dbs map[string]*bolt.DB) error {
	for name, db := range dbs {
		tx, err := db.Begin(true) // nobody else writes until all are watched
		if err != nil {
			return fmt.Errorf("watch %s: %w", name, err)
		}
		defer tx.Rollback()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(dbs)) {
		if err := t.watch(name, dbs[name]); err != nil {
			return fmt.Errorf("watch %s: %w", name, err)
		}
	}
	return nil
}

func (t *Trace) watch(name string, db *bolt.DB) error {
	if db.NoSync || db.NoGrowSync {
		return errors.New("it does not sync")
	}
	base, err := os.ReadFile(db.Path())
	if err != nil {
		return err
	}
	inside := reflect.ValueOf(db).Elem()
	ops, lock := inside.FieldByName("ops"), inside.FieldByName("rwlock")
	if !ops.IsValid() || !ops.FieldByName("writeAt").IsValid() || !lock.IsValid() || lock.Type() != reflect.TypeFor[sync.Mutex]() {
		return errors.New("this BoltDB writes in another way")
	}
	stats := db.Stats()
	at, before := len(t.files), stats.TxStats.GetWrite()
	t.files = append(t.files, &file{
		name: name, db: db, page: db.Info().PageSize, base: base, counts: before > 0, before: before,
		writing: (*sync.Mutex)(unsafe.Pointer(lock.UnsafeAddr())),
	})
	write := (*func([]byte, int64) (int, error))(unsafe.Pointer(ops.FieldByName("writeAt").UnsafeAddr()))
	real := *write
	*write = func(b []byte, off int64) (int, error) {
		t.wrote(at, b, off)
		return real(b, off)
	}
	return nil
}

// Mark notes a moment, and returns how many events came before: whatever had
// been promised by then must hold at each of these or later.
func (t *Trace) Mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(event{file: -1})
	return len(t.events)
}

// Len is the number of events so far.
func (t *Trace) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.events)
}

func (t *Trace) wrote(at int, b []byte, off int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.files[at]
	f.writes++
	t.add(event{file: at, off: off, data: bytes.Clone(b), meta: off < 2*int64(f.page)})
}

// add is called with mu held.
func (t *Trace) add(e event) {
	for i, f := range t.files {
		size := int64(0)
		if info, err := os.Stat(f.db.Path()); err == nil {
			size = info.Size()
		}
		e.sizes = append(e.sizes, size)
		returned := 0
		if i != e.file { // what a file writes tells by itself what of it was synced
			returned = f.returned()
		}
		e.returned = append(e.returned, returned)
	}
	t.events = append(t.events, e)
}

// returned is how many of the writes seen belong to commits that have returned.
// BoltDB counts them; of a database that doesn't keep count, all have if nobody
// is writing at the moment. Such a one must not be written to on and on, for
// then nothing counts as synced that is.
func (f *file) returned() int {
	if stats := f.db.Stats(); f.counts {
		return int(stats.TxStats.GetWrite() - f.before)
	}
	if !f.writing.TryLock() {
		return 0
	}
	defer f.writing.Unlock()
	return f.writes
}

// Check demands of each commit that its one meta page came last.
func (t *Trace) Check() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range t.files {
		data, commits := 0, 0
		for _, e := range t.events {
			switch {
			case e.file != i:
			case !e.meta:
				data++
			case data == 0:
				return fmt.Errorf("%s: a meta page was written without any page of data", f.name)
			default:
				data, commits = 0, commits+1
			}
		}
		if commits == 0 {
			return fmt.Errorf("%s: no commit was seen", f.name)
		}
	}
	return nil
}

// Loss is how much of what was not synced is lost.
type Loss int

// What was not synced is lost whole, not at all, or a part of it that is drawn
// by lot: sector by sector, or from some write on.
const (
	All Loss = iota
	None
	Sectors
	Tail
	Losses
)

// Leave writes, under the given paths by name, what is left when power fails
// after the first n events.
func (t *Trace) Leave(n int, loss Loss, r *rand.Rand, paths map[string]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range t.files {
		if err := t.leave(i, f, n, loss, r, paths[f.name]); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func (t *Trace) leave(at int, f *file, n int, loss Loss, r *rand.Rand, path string) error {
	var writes []event // of this file
	returned := 0
	size := int64(len(f.base))
	for _, e := range t.events[:n] {
		if e.file == at {
			writes = append(writes, e)
		} else {
			returned = max(returned, e.returned[at])
		}
		size = max(size, e.sizes[at])
	}
	synced := returned
	for i, e := range writes {
		if e.meta || i > 0 && writes[i-1].meta {
			synced = max(synced, i) // all before it
		}
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	put := func(b []byte, off int64) {
		if err == nil {
			_, err = out.WriteAt(b, off)
		}
	}
	if err = out.Truncate(size); err != nil { // sparse: most of a file is empty
		return err
	}
	for off := 0; off < len(f.base); off += f.page {
		if b := f.base[off:min(off+f.page, len(f.base))]; len(bytes.Trim(b, "\x00")) > 0 {
			put(b, int64(off))
		}
	}
	cut := synced
	if len(writes) > synced {
		cut += r.IntN(len(writes) - synced + 1)
	}
	for i, e := range writes {
		switch {
		case i < synced, loss == None, loss == Tail && i < cut:
			put(e.data, e.off)
		case loss == Sectors:
			for s := 0; s < len(e.data); s += sector {
				if r.IntN(2) == 0 {
					put(e.data[s:min(s+sector, len(e.data))], e.off+int64(s))
				}
			}
		}
	}
	return err
}
