package log

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/milepost-log/milepost/verify"
)

// Every leaf must be found by its hash while runs are made, merged and gone:
// the model is a map. 80,000 leaves reach the third level of runs.
func TestHashes(t *testing.T) {
	t.Parallel()
	leafAt := func(i uint64) [32]byte {
		return sha256.Sum256(binary.BigEndian.AppendUint64(nil, i))
	}
	scratch(t, testFile(t), func(b *buckets) {
		var e edge
		step := uint64(1)
		for e.size < 80_000 {
			from := e.size
			for range step {
				if err := e.append(leafAt(e.size), b.putChunk); err != nil {
					t.Fatal(err)
				}
			}
			e.flush(from, b.putChunk)
			if err := b.indexHashes(from, e.size); err != nil {
				t.Fatal(err)
			}
			step = step*7%4001 + 1
			for i := e.size - 1; i < e.size; i -= 1 + i/5 {
				h := leafAt(i)
				if at, ok, err := b.findHash(&h, e.size); at != i || !ok || err != nil {
					t.Fatalf("leaf %d of %d: %d %v %v", i, e.size, at, ok, err)
				}
			}
			h := leafAt(e.size)
			if _, ok, err := b.findHash(&h, e.size); ok || err != nil {
				t.Fatalf("a leaf beyond %d: %v %v", e.size, ok, err)
			}
		}
		for i := uint64(0); i < e.size; i += 31 {
			h := leafAt(i)
			if at, ok, err := b.findHash(&h, e.size); at != i || !ok || err != nil {
				t.Fatalf("leaf %d of %d: %d %v %v", i, e.size, at, ok, err)
			}
		}
		if n := b.hashes.Stats().KeyN; n > 80_000/(1<<cellBits)*5/4 {
			t.Errorf("%d cells: those that were merged are still there", n)
		}
		h := leafAt(5)
		for level := range 3 {
			for run := range e.size >> runShift(level) {
				key := cellKey(level, run, cellOf(level, h[:]))
				if c := b.hashes.Get(key); c != nil {
					b.hashes.Put(key, c[:len(c)-1])
				}
			}
		}
		if _, _, err := b.findHash(&h, e.size); err == nil {
			t.Error("a damaged cell went unnoticed")
		}
	})
}

// One big seal must leave the runs that many small ones leave.
func TestHashesAtOnce(t *testing.T) {
	t.Parallel()
	db := testFile(t)
	cells := func(steps ...int) (sum [32]byte) {
		scratch(t, db, func(b *buckets) {
			var e edge
			for _, n := range steps {
				from := e.size
				for range n {
					e.append(sha256.Sum256(binary.BigEndian.AppendUint64(nil, e.size)), b.putChunk)
				}
				if err := b.indexHashes(from, e.size); err != nil {
					t.Fatal(err)
				}
			}
			all := sha256.New()
			b.hashes.ForEach(func(k, v []byte) error {
				fmt.Fprintf(all, "%x %x\n", k, v)
				return nil
			})
			all.Sum(sum[:0])
		})
		return sum
	}
	if cells(20_000) != cells(slices.Repeat([]int{400}, 50)...) {
		t.Error("the runs depend on how the tree grew")
	}
}

func TestEdge(t *testing.T) {
	t.Parallel()
	scratch(t, testFile(t), func(b *buckets) {
		var m model
		var e edge
		if e.root() != m.root(0) {
			t.Fatal("root of the empty tree")
		}
		for i := range 5000 {
			leaf := fmt.Appendf(nil, "%d", i)
			m.leaf(leaf, place{}, 0, [16]byte{})
			before := e.clone()
			if err := e.append(verify.LeafHash(leaf), b.putChunk); err != nil {
				t.Fatal(err)
			}
			if before.size != uint64(i) || i%97 == 0 && before.root() != m.root(i) {
				t.Fatal("appending to the edge changed its copy")
			}
			if i%97 > 1 && i%256 > 1 {
				continue
			}
			if got := e.root(); got != m.root(i+1) {
				t.Fatalf("root of %d leaves", i+1)
			}
			e.flush(0, b.putChunk)
			loaded, err := b.loadEdge(e.size)
			if err != nil || loaded.root() != e.root() {
				t.Fatalf("loading the edge of %d leaves: %v", i+1, err)
			}
		}
	})
}

func TestBatchProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := batch{first: rapid.Uint64Max(1<<60).Draw(t, "first"), ledger: rapid.Uint64().Draw(t, "ledger"), time: 7, root: [32]byte{9}}
		positions := rapid.SliceOfNDistinct(rapid.Uint64Max(50), 1, 30, rapid.ID).Draw(t, "positions")
		slices.Sort(positions)
		for _, p := range positions {
			b.add(p)
		}
		got, err := parseBatch(binary.BigEndian.AppendUint64(nil, b.first), b.bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.runs, b.runs) || got.count != b.count || got.ledger != b.ledger || got.time != 7 || got.root != b.root {
			t.Fatalf("%+v came back as %+v", b, got)
		}
		for i, p := range positions {
			if got.pos(uint64(i)) != p {
				t.Fatalf("position %d is %d, want %d", i, got.pos(uint64(i)), p)
			}
		}
	})
}

func TestHistoryValueSize(t *testing.T) {
	t.Parallel()
	h := &history{count: math.MaxUint32 - 1}
	for range 31 {
		h.frontier = append(h.frontier, [32]byte{})
	}
	for i := range 62 {
		h.recent = append(h.recent, uint64(i)<<30)
	}
	if n := len(h.bytes()); n > 2000 {
		t.Errorf("a history can take %d bytes, which is more than half a page", n)
	}
	if got, err := parseHistory(h.bytes()); err != nil || !slices.Equal(got.recent, h.recent) {
		t.Errorf("it came back as %+v, %v", got, err)
	}
}

func FuzzParseHistory(f *testing.F) {
	h := &history{}
	f.Add([]byte{})
	for i := range 130 {
		h.append(verify.Entry{Index: uint64(i * i)})
		f.Add(h.bytes())
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := parseHistory(value)
		if err != nil {
			return
		}
		again, err := parseHistory(h.bytes())
		if err != nil || !bytes.Equal(again.bytes(), h.bytes()) {
			t.Fatalf("%+v came back as %+v, %v", h, again, err)
		}
		h.append(verify.Entry{})
		h.value()
	})
}

func FuzzParseBatch(f *testing.F) {
	b := batch{ledger: 3, time: 5}
	for i := range 9 {
		b.add(uint64(i * i))
	}
	f.Add(make([]byte, 8), b.bytes())
	f.Add([]byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		b, err := parseBatch(key, value)
		if err != nil {
			return
		}
		b.pos(0)
		b.pos(b.count - 1)
		b.seal("origin").Bytes()
		again, err := parseBatch(key, b.bytes())
		if err != nil || again.count != b.count {
			t.Fatalf("%+v came back as %+v, %v", b, again, err)
		}
	})
}

func FuzzCell(f *testing.F) {
	f.Add(0, make([]byte, 14))
	f.Add(3, make([]byte, 27))
	f.Fuzz(func(t *testing.T, level int, cell []byte) {
		if level < 0 || level >= runLevels {
			return
		}
		n := 0
		err := eachInCell(level, cell, func(prefix []byte, offset uint64) error {
			n++
			if offset>>(8*offsetLen(level)) != 0 || cellOf(level, prefix)>>cellShift(level) != 0 {
				t.Fatal("out of range")
			}
			return nil
		})
		if (err == nil) != (n*(prefixLen+offsetLen(level)) == len(cell)) {
			t.Fatalf("%d entries of %d bytes: %v", n, len(cell), err)
		}
	})
}

func FuzzParseSpans(f *testing.F) {
	f.Add(encodeSpans([]span{{0, "first.example/00"}, {18, "second.example/11"}}))
	f.Add([]byte{0, 200, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		spans, err := parseSpans(value)
		if err != nil {
			return
		}
		again, err := parseSpans(encodeSpans(spans))
		if err != nil || !slices.Equal(spans, again) {
			t.Fatalf("%v came back as %v, %v", spans, again, err)
		}
		originAt(spans, 17, "own")
	})
}
