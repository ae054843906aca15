package log

import (
	"fmt"
	"sync/atomic"

	"github.com/transparency-dev/merkle/proof"
	"go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/verify"
)

// tileWidth is the number of hashes of a full C2SP tile.
const tileWidth = 256

// View is the log as it was right after a seal: all of it, unchanged for as
// long as it is held, while the writer goes on. It is one read transaction of
// bbolt and the index trie of that moment. It is safe for concurrent use.
//
// A view keeps the pages that it sees from being used again, so the file
// grows while one is held: hold it for a request, not for a day.
type View struct {
	Size uint64      // number of leaves
	Root [32]byte    // RFC 6962 tree hash at Size
	Seal verify.Seal // the newest leaf

	log     *Log
	bolt    *bbolt.Tx
	b       buckets
	trie    *node
	origins []span
	refs    atomic.Int64
}

// newView begins a read transaction on the newest commit, whose state is s.
// Only the writer commits, and it is the writer who calls this, so no other
// commit comes between.
func (l *Log) newView(s *state) (*View, error) {
	bolt, err := l.db.Begin(false)
	if err != nil {
		return nil, fmt.Errorf("beginning to read: %w", err)
	}
	v := &View{log: l, bolt: bolt}
	if v.b, err = openBuckets(bolt); err != nil {
		bolt.Rollback()
		return nil, err
	}
	v.fill(s)
	v.refs.Store(1)
	l.mu.Lock()
	l.views++
	l.mu.Unlock()
	return v, nil
}

func (v *View) fill(s *state) {
	v.Size, v.Root, v.Seal, v.trie, v.origins = s.size, s.root, s.seal, s.trie, s.origins
}

// View returns the newest view, held for the caller, who must release it. It
// is nil while the log has no seal, and after Close.
func (l *Log) View() *View {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.view == nil {
		return nil
	}
	return l.view.Hold()
}

// Hold holds the view once more and returns it. The caller must have it on
// hold already, or be the writer before its next Commit.
func (v *View) Hold() *View {
	for {
		n := v.refs.Load()
		if n <= 0 {
			panic("log: Hold of a view that was released")
		}
		if v.refs.CompareAndSwap(n, n+1) {
			return v
		}
	}
}

// Release ends one hold. With the last the view ends.
func (v *View) Release() {
	switch n := v.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("log: Release of a view that was released")
	}
	v.bolt.Rollback() // a read transaction: nothing can fail
	l := v.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.views--; l.views == 0 && l.closed {
		close(l.idle)
	}
}

// check refuses work on a view that has ended; to be called with it held is
// the caller's duty, and this finds the plain slips only.
func (v *View) check() error {
	if v.refs.Load() <= 0 {
		return fmt.Errorf("view: %w", ErrClosed)
	}
	return nil
}

func (v *View) batch(index uint64) (in *batch, err error) {
	err = guarded(func() error { in, err = v.b.batchOf(index); return err })
	return in, err
}

// leaf checks that the view has a leaf.
func (v *View) leaf(index uint64) error {
	if err := v.check(); err != nil {
		return err
	}
	if index >= v.Size {
		return outside(fmt.Sprintf("leaf %d", index), v.Size)
	}
	return nil
}

func (v *View) reader() *reader {
	return &reader{b: &v.b, origin: v.log.origin, origins: v.origins, ledger: v.log.ledger}
}

// History returns the entries of a history, oldest first; nil if there is no
// such history.
func (v *View) History(subject string) (entries []verify.Entry, err error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	err = guarded(func() error { entries, err = v.b.history(subject); return err })
	return entries, err
}

// IndexProof returns the bytes of the proof that leads from the history of a
// subject, or from there being none, to the seal's index root. One of absence
// shows the key and value of another history.
func (v *View) IndexProof(subject string) ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	var p *verify.MPTProof
	err := guarded(func() (err error) { p, err = v.b.prove(v.trie, verify.SubjectKey(subject)); return err })
	if err != nil {
		return nil, fmt.Errorf("proving a history: %w", err)
	}
	return p.Bytes(), nil
}

// Inclusion returns the RFC 6962 inclusion proof of a leaf at Size, from the
// leaf's sibling up.
func (v *View) Inclusion(index uint64) (hashes [][32]byte, err error) {
	if err := v.leaf(index); err != nil {
		return nil, err
	}
	err = guarded(func() error { hashes, err = v.b.proveNodes(proof.Inclusion(index, v.Size)); return err })
	return hashes, err
}

// Consistency returns the RFC 6962 consistency proof between the tree of the
// first from leaves and that at Size; empty if from is 0 or Size.
func (v *View) Consistency(from uint64) (hashes [][32]byte, err error) {
	if err := v.covers(from); err != nil {
		return nil, err
	}
	err = guarded(func() error { hashes, err = v.b.proveNodes(proof.Consistency(from, v.Size)); return err })
	return hashes, err
}

// RootAt returns the RFC 6962 tree hash of the first size leaves. It need not
// be a size that any tree head was cut at.
func (v *View) RootAt(size uint64) (root [32]byte, err error) {
	if err := v.covers(size); err != nil {
		return root, err
	}
	err = guarded(func() error { root, err = v.b.rootAt(size); return err })
	return root, err
}

// covers checks that the view has a tree of the given size.
func (v *View) covers(size uint64) error {
	if err := v.check(); err != nil {
		return err
	}
	if size > v.Size {
		return outside(fmt.Sprintf("tree size %d", size), v.Size)
	}
	return nil
}

// Leaf returns the bytes of a leaf: a record's note, read from the ledger and
// checked against the tree, or a seal. They must not be changed.
func (v *View) Leaf(index uint64) (leaf []byte, err error) {
	if err := v.leaf(index); err != nil {
		return nil, err
	}
	err = guarded(func() error { leaf, err = v.reader().leaf(index); return err })
	return leaf, err
}

// LeafHash returns the RFC 6962 hash of a leaf.
func (v *View) LeafHash(index uint64) (hash [32]byte, err error) {
	if err := v.leaf(index); err != nil {
		return hash, err
	}
	err = guarded(func() error { hash, err = v.b.leafHash(index); return err })
	return hash, err
}

// Time returns the log time of a leaf in milliseconds since 1970 UTC: that of
// the seal of its batch.
func (v *View) Time(index uint64) (int64, error) {
	if err := v.leaf(index); err != nil {
		return 0, err
	}
	in, err := v.batch(index)
	if err != nil {
		return 0, err
	}
	return in.time, nil
}

// Find returns the log index of the leaf with a hash. If several have it, any
// of them.
func (v *View) Find(hash [32]byte) (index uint64, ok bool, err error) {
	if err := v.check(); err != nil {
		return 0, false, err
	}
	err = guarded(func() error { index, ok, err = v.b.findHash(&hash, v.Size); return err })
	return index, ok, err
}

// Lookup returns the log index of the record that an author gave an id.
func (v *View) Lookup(author string, id [16]byte) (index uint64, ok bool, err error) {
	if err := v.check(); err != nil {
		return 0, false, err
	}
	err = guarded(func() error { index, ok, err = v.b.lookupID(author, id); return err })
	return index, ok, err
}

// Place returns where the bytes of a leaf lie: a record's at position pos of
// the ledger entry at ledgerIndex; a seal's nowhere, though the entry whose
// records it seals is given.
func (v *View) Place(index uint64) (ledgerIndex uint64, pos int, seal bool, err error) {
	if err := v.leaf(index); err != nil {
		return 0, 0, false, err
	}
	in, err := v.batch(index)
	if err != nil {
		return 0, 0, false, err
	}
	if index == in.first+in.count {
		return in.ledger, 0, true, nil
	}
	return in.ledger, int(in.pos(index - in.first)), false, nil
}

// IsSeal says whether leaf size-1 is a seal, so that a tree head may be cut
// at this size.
func (v *View) IsSeal(size uint64) bool {
	if size == 0 || v.leaf(size-1) != nil {
		return false
	}
	in, err := v.batch(size - 1)
	return err == nil && size-1 == in.first+in.count
}

// Tile returns a C2SP tlog-tiles hash tile: the first width hashes, 32 bytes
// each, of tile n of a level. The width is 1 to 256.
func (v *View) Tile(level int, n uint64, width int) (hashes []byte, err error) {
	if err := v.tile(level, n, width); err != nil {
		return nil, err
	}
	err = guarded(func() error { hashes, err = v.b.tile(level, n, width); return err })
	return hashes, err
}

// Entries returns a C2SP tlog-tiles entry bundle: the first width leaves of
// bundle n, each after its length as a uint16.
func (v *View) Entries(n uint64, width int) (bundle []byte, err error) {
	if err := v.tile(0, n, width); err != nil {
		return nil, err
	}
	err = guarded(func() error { bundle, err = v.reader().bundle(n*tileWidth, width); return err })
	return bundle, err
}

// tile checks that the view's tree has a tile.
func (v *View) tile(level int, n uint64, width int) error {
	if err := v.check(); err != nil {
		return err
	}
	if level < 0 || level > 7 || width < 1 || width > tileWidth ||
		n >= 1<<56 || n*tileWidth+uint64(width) > v.Size>>(8*level) {
		return outside(fmt.Sprintf("tile %d of level %d with %d hashes", n, level, width), v.Size)
	}
	return nil
}
