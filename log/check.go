package log

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/milepost-log/milepost/verify"
)

// What a scrub reads. bbolt's pages have no checksums, so a bit that flips on
// the disk shows only where what is stored is computed again: leaf hashes
// from the ledger, tiles from the tiles below, histories from the leaves. All
// of it hangs on the root under the signed tree head.

// Batch is where the leaves of one batch come from.
type Batch struct {
	First uint64 // log index of its first record
	Seal  uint64 // log index of its seal
	Entry uint64 // index of the ledger entry that holds its records
	Time  int64  // log time in ms since 1970 UTC

	batch *batch
}

// Pos returns the position in the ledger entry of a record of the batch, by
// its log index, which must be from First to below Seal.
func (b *Batch) Pos(index uint64) int { return int(b.batch.pos(index - b.First)) }

// Batch returns the batch of a leaf, be it a record or the seal.
func (v *View) Batch(index uint64) (out *Batch, err error) {
	if err := v.leaf(index); err != nil {
		return nil, err
	}
	err = guarded(func() error {
		b, err := v.b.batchOf(index)
		if err != nil {
			return err
		}
		if b.first+b.count >= v.Size {
			return corrupt("the batch at leaf %d is said to end beyond the tree", b.first)
		}
		out = &Batch{First: b.first, Seal: b.first + b.count, Entry: b.ledger, Time: b.time, batch: b}
		return nil
	})
	return out, err
}

// SealHash computes the leaf hash of a batch's seal from what the batch says.
func (v *View) SealHash(b *Batch) [32]byte {
	return verify.LeafHash(b.batch.seal(originAt(v.origins, b.batch.first, v.log.origin)).Bytes())
}

// CheckTiles holds the stored hashes over whole chunks that end in the leaves
// after from, up to to, against the hashes below them. A caller that goes
// through the tree in steps has so checked every whole chunk once; the right
// edge is checked by CheckRoot.
func (v *View) CheckTiles(from, to uint64) error {
	if err := v.covers(to); err != nil {
		return err
	}
	return guarded(func() error {
		for k := 0; k < maxLevels-1; k++ {
			shift := chunkBits * (k + 1)
			for c := from >> shift; c < to>>shift; c++ {
				below, err := v.b.hashesOf(k, c<<chunkBits, chunkLen)
				if err != nil {
					return err
				}
				stored, err := v.b.hashesOf(k+1, c, 1)
				if err != nil {
					return err
				}
				if perfectRoot(below) != stored[0] {
					return corrupt("the hash stored over leaves %d to %d (level %d) is not that of the hashes below it", c<<shift, (c+1)<<shift-1, k+1)
				}
			}
		}
		return nil
	})
}

// CheckRoot computes the root from the stored tiles.
func (v *View) CheckRoot() error {
	if err := v.check(); err != nil {
		return err
	}
	return guarded(func() error {
		got, err := v.b.rootAt(v.Size)
		if err == nil && got != v.Root {
			err = corrupt("its tiles give the root %x, its tree head says %x", got, v.Root)
		}
		return err
	})
}

// CheckHistories computes up to n histories anew, those whose keys come after
// a key, nil for the first, and holds each against what is stored and against
// the index root of the newest seal. It tells bad of each that does not fit,
// with the log index of its first record if that can be read, and returns the
// last key that it looked at, nil at the end, and how many it looked at. The
// error is of the walk itself: it can't go on.
func (v *View) CheckHistories(after []byte, n int, bad func(first uint64, known bool, err error)) (last []byte, seen int, err error) {
	if err := v.check(); err != nil {
		return nil, 0, err
	}
	err = guarded(func() error {
		c := v.b.histories.Cursor()
		k, _ := c.First()
		if after != nil {
			if k, _ = c.Seek(after); bytes.Equal(k, after) {
				k, _ = c.Next()
			}
		}
		for ; k != nil && seen < n; k, _ = c.Next() {
			if len(k) != 32 || last != nil && bytes.Compare(last, k) >= 0 {
				return corrupt("the histories are out of order")
			}
			key := [32]byte(k)
			var first uint64
			known := false
			if err := guarded(func() (err error) { first, known, err = v.checkHistory(&key); return err }); err != nil {
				bad(first, known, err)
			}
			last, seen = bytes.Clone(k), seen+1
		}
		if k == nil {
			last = nil
		}
		return nil
	})
	return last, seen, err
}

func (v *View) checkHistory(key *[32]byte) (first uint64, known bool, err error) {
	h, err := parseHistory(v.b.histories.Get(key[:]))
	if err != nil {
		return 0, false, err
	}
	if h.count > v.Size {
		return 0, false, corrupt("a history is said to have %d records", h.count)
	}
	indices, err := v.b.historyIndices(key)
	if err != nil {
		return 0, false, err
	}
	for i, index := range indices {
		if index >= v.Size || i > 0 && index <= indices[i-1] {
			return 0, false, corrupt("a history lists leaf %d out of order", index)
		}
	}
	first = indices[0]
	entries, err := v.b.entries(indices)
	if err != nil {
		return first, true, err
	}
	made := &history{}
	for _, e := range entries {
		made.append(e)
	}
	if made.count != h.count || !slices.Equal(made.frontier, h.frontier) || h.leaf != verify.MPTLeaf(*key, made.value()) {
		return first, true, corrupt("the history that begins with leaf %d is not that of its leaves", first)
	}
	_, err = v.b.prove(v.trie, *key) // its leaf is under the newest seal's index root
	return first, true, err
}

// State returns the value of a state of the rooms above as of this view, or
// nil. The value is the caller's to keep.
func (v *View) State(key string) (value []byte, err error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	err = guarded(func() error { value = bytes.Clone(v.b.state.Get([]byte(key))); return nil })
	return value, err
}

// CountStates counts the states whose keys begin with a prefix.
func (v *View) CountStates(prefix string) (n int, err error) {
	if err := v.check(); err != nil {
		return 0, err
	}
	err = guarded(func() error {
		c := v.b.state.Cursor()
		for k, _ := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
			n++
		}
		return nil
	})
	return n, err
}

// Applied returns the newest ledger entry that the log had taken in.
func (v *View) Applied() (index, term uint64, err error) {
	if err := v.check(); err != nil {
		return 0, 0, err
	}
	err = guarded(func() error {
		at := v.b.meta.Get(metaApplied)
		if len(at) != 16 {
			return corrupt("its place in the ledger can't be read")
		}
		index, term = binary.BigEndian.Uint64(at), binary.BigEndian.Uint64(at[8:])
		return nil
	})
	return index, term, err
}

// Configuration returns the opaque bytes that Tx.SetConfiguration was given
// last, as of this view; nil for none.
func (v *View) Configuration() (c []byte, err error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	err = guarded(func() error { c = bytes.Clone(v.b.meta.Get(metaConfiguration)); return nil })
	return c, err
}

// FileSize is the number of bytes that WriteTo writes.
func (v *View) FileSize() int64 { return v.bolt.Size() }

// WriteTo writes a copy of tree.db as of this view: a file that Open opens.
func (v *View) WriteTo(w io.Writer) (n int64, err error) {
	if err := v.check(); err != nil {
		return 0, err
	}
	if n, err = v.bolt.WriteTo(w); err != nil {
		return n, fmt.Errorf("copying the tree: %w", err)
	}
	return n, nil
}

// Guard runs fn, which reads or writes tree.db through bbolt, and turns a
// panic into the error tree_corrupt: bbolt trusts the file that it maps.
func Guard(fn func() error) error { return guarded(fn) }
