package log

import (
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// readOver reads a whole tree as a scrub does and returns what does not fit.
func readOver(t *testing.T, l *Log) (wrong []string) {
	t.Helper()
	v := l.View()
	defer v.Release()
	note := func(err error) {
		if err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	histories := 0
	for leaf := uint64(0); leaf < v.Size; {
		b, err := v.Batch(leaf)
		if err != nil {
			return append(wrong, err.Error())
		}
		if hash, err := v.LeafHash(b.Seal); err != nil || hash != v.SealHash(b) {
			wrong = append(wrong, "a seal does not fit")
		}
		note(v.CheckTiles(b.First, b.Seal+1))
		leaf = b.Seal + 1
	}
	for after, first := []byte(nil), true; first || after != nil; first = false {
		last, n, err := v.CheckHistories(after, 7, func(_ uint64, _ bool, err error) { note(err) })
		note(err)
		after, histories = last, histories+n
		if err != nil {
			break
		}
	}
	note(v.CheckRoot())
	if histories == 0 {
		t.Error("no history was looked at")
	}
	return wrong
}

// An id's value that has grown at its end is not read as if it had not.
func TestLookupIsStrict(t *testing.T) {
	t.Parallel()
	w := filled(t)
	if err := w.log.db.Update(func(tx *bbolt.Tx) error {
		b, err := openBuckets(tx)
		if err != nil {
			return err
		}
		k, v := b.ids.Cursor().First()
		var id [16]byte
		copy(id[:], k)
		author, number := b.authors.Cursor().First()
		if err := b.ids.Put(idKey(id, number), v); err != nil {
			return err
		}
		if _, found, err := b.lookupID(string(author), id); !found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
		if err := b.ids.Put(idKey(id, number), append(append([]byte(nil), v...), 0)); err != nil {
			return err
		}
		_, _, err = b.lookupID(string(author), id)
		wantCode(t, "an id's value with a byte more", err, "tree_corrupt")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// The checks of a scrub pass a sound tree, and find whatever is changed under
// an open one: there it is not Open that looks.
func TestReadOver(t *testing.T) {
	t.Parallel()
	w := filled(t)
	if wrong := readOver(t, w.log); len(wrong) > 0 {
		t.Fatalf("a sound tree: %v", wrong)
	}
	spoil := func(fn func(b *buckets)) {
		if err := w.log.db.Update(func(tx *bbolt.Tx) error {
			b, err := openBuckets(tx)
			fn(&b)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	key := func(b *bbolt.Bucket, n int) []byte {
		c := b.Cursor()
		k, _ := c.First()
		for range n {
			k, _ = c.Next()
		}
		return append([]byte(nil), k...)
	}
	for _, c := range []struct {
		what, says string
		bucket     func(b *buckets) *bbolt.Bucket
		n, at      int
	}{
		{"a leaf hash", "is not that of the hashes below it", func(b *buckets) *bbolt.Bucket { return b.tiles }, 2, 40},
		{"a hash of the second level", "is not that of the hashes below it", func(b *buckets) *bbolt.Bucket { return b.tiles }, 20, 7},
		{"the time of a batch", "a seal does not fit", func(b *buckets) *bbolt.Bucket { return b.batches }, 2, 30},
		{"the count of a history", "", func(b *buckets) *bbolt.Bucket { return b.histories }, 3, 32},
		{"the frontier of a history", "is not that of its leaves", func(b *buckets) *bbolt.Bucket { return b.histories }, 5, 40},
		{"the leaf of a history", "is not that of its leaves", func(b *buckets) *bbolt.Bucket { return b.histories }, 6, 3},
	} {
		var k, before []byte
		spoil(func(b *buckets) {
			k = key(c.bucket(b), c.n)
			before = append([]byte(nil), c.bucket(b).Get(k)...)
			after := append([]byte(nil), before...)
			after[c.at] ^= 1
			c.bucket(b).Put(k, after)
		})
		v, err := w.log.newView(&w.log.state) // of what was just written
		if err != nil {
			t.Fatal(err)
		}
		w.log.view.Release()
		w.log.view = v
		if all := strings.Join(readOver(t, w.log), "\n"); all == "" || !strings.Contains(all, c.says) {
			t.Errorf("%s: %q, want %q", c.what, all, c.says)
		}
		spoil(func(b *buckets) { c.bucket(b).Put(k, before) })
	}
	v, err := w.log.newView(&w.log.state)
	if err != nil {
		t.Fatal(err)
	}
	w.log.view.Release()
	w.log.view = v
	if wrong := readOver(t, w.log); len(wrong) > 0 {
		t.Errorf("after all was put back: %v", wrong)
	}
}
