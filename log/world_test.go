package log

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/milepost-log/milepost/log/logtest"
	"github.com/milepost-log/milepost/verify"
)

const testOrigin = "log.example/00112233445566778899aabbccddeeff00112233"

// testing.T and rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world is a log beside a model of it that is too simple to be wrong: all
// leaves in a slice, all histories in a map, the tree hashed by x/mod.
type world struct {
	t      tester
	path   string
	cfg    Config
	log    *Log
	ledger *logtest.Ledger
	model
	serial int    // of the last note made
	origin string // of the next seal
}

type model struct {
	leaves    [][]byte
	stored    []tlog.Hash // of the leaves, in x/mod's order
	places    []place
	times     []int64
	ids       [][16]byte
	histories map[string][]verify.Entry
	sealed    int // leaves up to the newest seal
	seal      verify.Seal
}

type place struct {
	entry uint64
	pos   int
	seal  bool
}

func (m *model) clone() model {
	c := *m
	c.histories = map[string][]verify.Entry{}
	for s, h := range m.histories {
		c.histories[s] = slices.Clip(h)
	}
	c.leaves, c.stored, c.places = slices.Clip(m.leaves), slices.Clip(m.stored), slices.Clip(m.places)
	c.times, c.ids = slices.Clip(m.times), slices.Clip(m.ids)
	return c
}

func (m *model) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = m.stored[x]
	}
	return out, nil
}

func (m *model) leaf(leaf []byte, p place, t int64, id [16]byte) {
	stored, err := tlog.StoredHashes(int64(len(m.leaves)), leaf, m)
	if err != nil {
		panic(err)
	}
	m.leaves, m.stored = append(m.leaves, leaf), append(m.stored, stored...)
	m.places, m.times, m.ids = append(m.places, p), append(m.times, t), append(m.ids, id)
}

func (m *model) root(size int) [32]byte {
	if size == 0 {
		return sha256.Sum256(nil)
	}
	h, err := tlog.TreeHash(int64(size), m)
	if err != nil {
		panic(err)
	}
	return h
}

// indexRoot is the index tree's definition, over all histories.
func (m *model) indexRoot() [32]byte {
	var leaves []leaf
	for s, h := range m.histories {
		key := verify.SubjectKey(s)
		value := verify.HistoryValue(uint64(len(h)), verify.HistoryRoot(h))
		leaves = append(leaves, leaf{key, verify.MPTLeaf(key, value)})
	}
	return naiveRoot(leaves, 0)
}

func naiveRoot(leaves []leaf, bit int) [32]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0].hash
	}
	var side [2][]leaf
	for _, l := range leaves {
		b := l.key[bit/8] >> (7 - bit%8) & 1
		side[b] = append(side[b], l)
	}
	if len(side[0]) == 0 || len(side[1]) == 0 {
		return naiveRoot(leaves, bit+1)
	}
	return verify.MPTInner(naiveRoot(side[0], bit+1), naiveRoot(side[1], bit+1), byte(bit))
}

// newWorld makes a world in dir. Tests do not sync: they stop no power.
func newWorld(t tester, dir string) *world {
	w := &world{t: t, path: filepath.Join(dir, "tree.db"), ledger: &logtest.Ledger{}, origin: testOrigin}
	w.histories = map[string][]verify.Entry{}
	w.cfg = Config{Origin: testOrigin, Ledger: w.ledger, noSync: true}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.log, err = Open(w.path, w.cfg); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reopen() {
	w.t.Helper()
	if err := w.log.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *world) begin() *Tx {
	w.t.Helper()
	tx, err := w.log.Begin()
	if err != nil {
		w.t.Fatal(err)
	}
	return tx
}

func (w *world) commit(tx *Tx) *View {
	w.t.Helper()
	v, err := tx.Commit()
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// batch adds one batch: a record for each list of subjects; an empty list is
// a record that the state machine passed over.
func (w *world) batch(tx *Tx, t int64, subjects ...[]string) *Sealed {
	w.t.Helper()
	var notes [][]byte
	for range subjects {
		w.serial++
		notes = append(notes, fmt.Appendf(nil, "note %d\n", w.serial))
	}
	entry := w.ledger.Append(notes...)
	for pos, s := range subjects {
		if len(s) > 0 {
			w.add(tx, entry, pos, notes[pos], s)
		}
	}
	return w.sealBatch(tx, t)
}

func (w *world) add(tx *Tx, entry uint64, pos int, note []byte, subjects []string) {
	w.t.Helper()
	r := Record{Hash: verify.LeafHash(note), Author: author(note), ID: recordID(note), Subjects: subjects}
	if _, found, err := tx.Lookup(r.Author, r.ID); found || err != nil {
		w.t.Fatalf("lookup before: %v %v", found, err)
	}
	index, err := tx.Add(entry, pos, r)
	if err != nil {
		w.t.Fatal(err)
	}
	if want := uint64(len(w.leaves)); index != want {
		w.t.Fatalf("added at %d, want %d", index, want)
	}
	for _, s := range subjects {
		w.histories[s] = append(w.histories[s], verify.Entry{Index: index, Hash: r.Hash})
		e, n, err := tx.Last(s)
		if h := w.histories[s]; err != nil || n != uint64(len(h)) || e != h[len(h)-1] {
			w.t.Fatalf("last of %s: %v %d %v", s, e, n, err)
		}
	}
	if at, found, err := tx.Lookup(r.Author, r.ID); at != index || !found || err != nil {
		w.t.Fatalf("lookup after: %d %v %v", at, found, err)
	}
	w.leaf(note, place{entry, pos, false}, 0, r.ID)
}

func (w *world) sealBatch(tx *Tx, t int64) *Sealed {
	w.t.Helper()
	first, index := w.sealed, len(w.leaves)
	entry := w.places[index-1].entry
	t = max(t, w.seal.Time)
	for i := first; i < index; i++ {
		w.times[i] = t
	}
	for _, h := range w.histories {
		for i := len(h) - 1; i >= 0 && h[i].Index >= uint64(first); i-- {
			h[i].Time = t
		}
	}
	w.seal = verify.Seal{Origin: w.origin, Index: uint64(index), Time: t, IndexRoot: w.indexRoot()}
	if first > 0 {
		w.seal.Prev = uint64(first - 1)
	}
	w.leaf(w.seal.Bytes(), place{entry, 0, true}, t, [16]byte{})
	w.sealed = len(w.leaves)
	got, err := tx.Seal(t)
	if err != nil {
		w.t.Fatal(err)
	}
	want := Sealed{Index: uint64(index), Time: t, Size: uint64(w.sealed), Root: w.root(w.sealed), IndexRoot: w.seal.IndexRoot}
	if *got != want {
		w.t.Fatalf("sealed %+v, want %+v", *got, want)
	}
	return got
}

func author(note []byte) string {
	return fmt.Sprintf("dealer.example/%d", len(note)%3+int(note[len(note)-2])%4)
}

func recordID(note []byte) (id [16]byte) {
	h := sha256.Sum256(note)
	copy(id[:], h[:])
	return id
}

// check compares everything that a view says with the model of its moment;
// a step above 1 thins out
// what is looked at.
func (m *model) check(t tester, v *View, step int) {
	t.Helper()
	if v == nil {
		if m.sealed > 0 {
			t.Fatal("no view")
		}
		return
	}
	if v.Size != uint64(m.sealed) || v.Root != m.root(m.sealed) || v.Seal != m.seal {
		t.Fatalf("view of %d %+v, want %d %+v", v.Size, v.Seal, m.sealed, m.seal)
	}
	for s, h := range m.histories {
		if len(h) > step && step > 1 && h[len(h)-1].Index+uint64(step) < v.Size {
			continue
		}
		got, err := v.History(s)
		if err != nil || !slices.Equal(got, h) {
			t.Fatalf("history of %s: %v %v, want %v", s, got, err, h)
		}
		p := m.proof(t, v, s)
		value := verify.HistoryValue(uint64(len(h)), verify.HistoryRoot(h))
		if err := p.VerifyPresent(v.Seal.IndexRoot, verify.SubjectKey(s), value); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		s := fmt.Sprintf("vehicle/NONE%d", i)
		if h, err := v.History(s); h != nil || err != nil {
			t.Fatalf("history of %s: %v %v", s, h, err)
		}
		if err := m.proof(t, v, s).VerifyAbsent(v.Seal.IndexRoot, verify.SubjectKey(s)); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < m.sealed; i += step {
		m.checkLeaf(t, v, uint64(i))
	}
	m.checkLeaf(t, v, v.Size-1)
	if _, ok, err := v.Find([32]byte{1}); ok || err != nil {
		t.Fatalf("found a hash that is not there: %v %v", ok, err)
	}
	if v.IsSeal(0) || v.IsSeal(v.Size+1) || !v.IsSeal(v.Size) {
		t.Fatal("sizes at which a tree head may be cut")
	}
}

func (m *model) proof(t tester, v *View, subject string) *verify.MPTProof {
	t.Helper()
	data, err := v.IndexProof(subject)
	if err != nil {
		t.Fatal(err)
	}
	p, err := verify.ParseMPTProof(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (m *model) checkLeaf(t tester, v *View, i uint64) {
	t.Helper()
	size := int64(m.sealed)
	hash := verify.LeafHash(m.leaves[i])
	if h, err := v.LeafHash(i); h != hash || err != nil {
		t.Fatalf("hash of leaf %d: %x %v", i, h, err)
	}
	if b, err := v.Leaf(i); !bytes.Equal(b, m.leaves[i]) || err != nil {
		t.Fatalf("leaf %d: %q %v, want %q", i, b, err, m.leaves[i])
	}
	if at, err := v.Time(i); at != m.times[i] || err != nil {
		t.Fatalf("time of leaf %d: %d %v, want %d", i, at, err, m.times[i])
	}
	if at, ok, err := v.Find(hash); at != i || !ok || err != nil {
		t.Fatalf("find of leaf %d: %d %v %v", i, at, ok, err)
	}
	p := m.places[i]
	if entry, pos, seal, err := v.Place(i); (place{entry, pos, seal}) != p || err != nil {
		t.Fatalf("place of leaf %d: %d %d %v %v, want %v", i, entry, pos, seal, err, p)
	}
	if v.IsSeal(i+1) != p.seal {
		t.Fatalf("leaf %d is a seal: %v", i, !p.seal)
	}
	if !p.seal {
		if at, ok, err := v.Lookup(author(m.leaves[i]), m.ids[i]); at != i || !ok || err != nil {
			t.Fatalf("lookup of leaf %d: %d %v %v", i, at, ok, err)
		}
	}
	record, err := tlog.ProveRecord(size, int64(i), m)
	if got, err2 := v.Inclusion(i); err != nil || err2 != nil || !slices.EqualFunc(got, record, equalHash) {
		t.Fatalf("inclusion of %d in %d: %v %v", i, size, err, err2)
	}
	tree, err := tlog.ProveTree(size, int64(i)+1, m)
	if got, err2 := v.Consistency(i + 1); err != nil || err2 != nil || !slices.EqualFunc(got, tree, equalHash) {
		t.Fatalf("consistency of %d and %d: %v %v", i+1, size, err, err2)
	}
	if got, err := v.RootAt(i); got != m.root(int(i)) || err != nil {
		t.Fatalf("root at %d: %x %v", i, got, err)
	}
}

func equalHash(a [32]byte, b tlog.Hash) bool { return a == [32]byte(b) }

// checkTiles compares all tiles, full and partial.
func (m *model) checkTiles(t tester, v *View) {
	t.Helper()
	for level := 0; v.Size>>(8*level) > 0; level++ {
		for n := uint64(0); n*tileWidth < v.Size>>(8*level); n++ {
			width := int(min(tileWidth, v.Size>>(8*level)-n*tileWidth))
			want, err := tlog.ReadTileData(tlog.Tile{H: 8, L: level, N: int64(n), W: width}, m)
			if got, err2 := v.Tile(level, n, width); err != nil || err2 != nil || !bytes.Equal(got, want) {
				t.Fatalf("tile %d/%d of width %d: %v %v", level, n, width, err, err2)
			}
			if got, err := v.Tile(level, n, 1); err != nil || !bytes.Equal(got, want[:32]) {
				t.Fatalf("tile %d/%d of width 1: %v", level, n, err)
			}
			if _, err := v.Tile(level, n, width+1); err == nil {
				t.Fatalf("tile %d/%d has a width of %d", level, n, width+1)
			}
			if level > 0 {
				continue
			}
			var bundle []byte
			for _, leaf := range m.leaves[n*tileWidth:][:width] {
				bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(leaf))), leaf...)
			}
			if got, err := v.Entries(n, width); err != nil || !bytes.Equal(got, bundle) {
				t.Fatalf("entries %d of width %d: %v", n, width, err)
			}
		}
	}
}

var _ tester = (*testing.T)(nil)
