package log

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/verify"
)

// The index tree is not stored. Its leaves are the histories bucket, in key
// order, so that the keys below any node of it are neighbours there, mostly
// on one page. What is kept in memory is its upper part: a binary trie on the
// bits of the key down to slots of at most slotKeys keys, of which only the
// root is kept. The rest is computed from a scan of the bucket when a proof
// or a new root asks for it.
//
// The trie is not path-compressed, yet gives the roots of the Patricia tree:
// a node both of whose sides hold keys stands exactly where those keys first
// differ, so it is an inner node of that tree; one with an empty side is no
// node of it, and has the root of its other side.
//
// A slot is split when a scan finds more than slotKeys keys in it; nothing is
// ever deleted, so the same keys always give the same trie. Nodes never
// change once they are made. A new root shares all but the changed paths with
// the old, and each View keeps its own.

// slotKeys trades memory (about 100 bytes for each slot, two thirds full)
// against hashing (up to slotKeys inner nodes for each changed key).
const slotKeys = 32

// node is a subtree that is not empty; an empty one is nil. A slot has
// neither side.
type node struct {
	hash        [32]byte
	left, right *node
}

func (n *node) slot() bool { return n.left == nil && n.right == nil }

func (n *node) root() [32]byte {
	if n == nil {
		return sha256.Sum256(nil) // the empty tree
	}
	return n.hash
}

func join(left, right *node, depth int) *node {
	n := &node{left: left, right: right}
	switch {
	case left == nil:
		n.hash = right.hash
	case right == nil:
		n.hash = left.hash
	default:
		n.hash = verify.MPTInner(left.hash, right.hash, byte(depth))
	}
	return n
}

// leaf is a leaf of the index tree.
type leaf struct {
	key  [32]byte
	hash [32]byte
}

// common returns the number of leading bits that two keys share.
func common(a, b *[32]byte) int {
	for i := 0; i < 32; i += 8 {
		if x := binary.BigEndian.Uint64(a[i:]) ^ binary.BigEndian.Uint64(b[i:]); x != 0 {
			return 8*i + bits.LeadingZeros64(x)
		}
	}
	return 256
}

// splitLeaves returns where the right side of a tree of two or more leaves,
// in key order, begins, and its bit position.
func splitLeaves(leaves []leaf) (mid, bit int) {
	bit = common(&leaves[0].key, &leaves[len(leaves)-1].key)
	lo, hi := 0, len(leaves)-1 // leaves[lo] has a 0 there, leaves[hi] a 1
	for hi-lo > 1 {
		if m := (lo + hi) / 2; verify.MPTBit(&leaves[m].key, byte(bit)) == 0 {
			lo = m
		} else {
			hi = m
		}
	}
	return hi, bit
}

// leavesRoot returns the root of the tree over one or more leaves, in key order.
func leavesRoot(leaves []leaf) [32]byte {
	if len(leaves) == 1 {
		return leaves[0].hash
	}
	mid, bit := splitLeaves(leaves)
	return verify.MPTInner(leavesRoot(leaves[:mid]), leavesRoot(leaves[mid:]), byte(bit))
}

// trieWalk reads the leaves of the histories bucket in order, through a
// window of at most slotKeys+1, which is what it takes to see that a slot
// must be split. It reads only keys at or after the one it was placed at.
type trieWalk struct {
	cursor *bbolt.Cursor
	window []leaf
	next   [2][]byte // what the cursor gave last; a nil key at the end
	err    error
}

func newTrieWalk(histories *bbolt.Bucket) *trieWalk {
	return &trieWalk{cursor: histories.Cursor()}
}

func (w *trieWalk) seek(prefix *[32]byte) {
	w.window = w.window[:0]
	w.next[0], w.next[1] = w.cursor.Seek(prefix[:])
}

// fill makes the window as long as it gets, but takes in no key beyond the
// prefix.
func (w *trieWalk) fill(prefix *[32]byte, depth int) {
	for len(w.window) <= slotKeys && w.next[0] != nil {
		if len(w.next[0]) != 32 || len(w.next[1]) < 32 {
			w.err = corrupt("a history can't be read")
			return
		}
		key := [32]byte(w.next[0])
		if common(&key, prefix) < depth {
			return
		}
		w.window = append(w.window, leaf{key, [32]byte(w.next[1])})
		w.next[0], w.next[1] = w.cursor.Next()
	}
}

// build makes the subtree of the keys that begin with the first depth bits of
// prefix, whose other bits are 0. The walk must stand at its first key.
func (w *trieWalk) build(prefix [32]byte, depth int) *node {
	w.fill(&prefix, depth)
	n := 0
	for n < len(w.window) && common(&w.window[n].key, &prefix) >= depth {
		n++
	}
	switch {
	case n == 0 || w.err != nil:
		return nil
	case n <= slotKeys:
		slot := &node{hash: leavesRoot(w.window[:n])}
		w.window = w.window[:copy(w.window, w.window[n:])]
		return slot
	}
	left := w.build(prefix, depth+1)
	prefix[depth/8] |= 0x80 >> (depth % 8)
	right := w.build(prefix, depth+1)
	if w.err != nil {
		return nil
	}
	return join(left, right, depth)
}

// update returns the subtree n, at depth, after the histories of the given
// keys have changed. The keys are sorted, and all lie below n.
func (w *trieWalk) update(n *node, depth int, keys [][32]byte) *node {
	if n == nil || n.slot() {
		prefix := truncate(keys[0], depth)
		w.seek(&prefix)
		return w.build(prefix, depth)
	}
	mid := 0
	for mid < len(keys) && verify.MPTBit(&keys[mid], byte(depth)) == 0 {
		mid++
	}
	left, right := n.left, n.right
	if mid > 0 {
		left = w.update(left, depth+1, keys[:mid])
	}
	if mid < len(keys) {
		right = w.update(right, depth+1, keys[mid:])
	}
	if w.err != nil {
		return nil
	}
	return join(left, right, depth)
}

// truncate clears all bits of key from depth on.
func truncate(key [32]byte, depth int) [32]byte {
	if depth < 256 {
		key[depth/8] &= ^byte(0xff >> (depth % 8))
		clear(key[depth/8+1:])
	}
	return key
}

// buildTrie makes the whole trie, by one scan.
func (b *buckets) buildTrie() (*node, error) {
	w := newTrieWalk(b.histories)
	w.seek(&[32]byte{})
	root := w.build([32]byte{}, 0)
	return root, w.err
}

// updateTrie returns the trie after the histories of the given keys have
// changed; the keys are sorted and unique.
func (b *buckets) updateTrie(root *node, keys [][32]byte) (*node, error) {
	if len(keys) == 0 {
		return root, nil
	}
	w := newTrieWalk(b.histories)
	root = w.update(root, 0, keys)
	return root, w.err
}

// prove makes the proof of what the index holds for a key: the way down from
// the root, on the key's side wherever there are two, ends at the key's own
// leaf or at the one that shows its absence.
func (b *buckets) prove(root *node, key [32]byte) (*verify.MPTProof, error) {
	if root == nil {
		return nil, misused("the index is empty")
	}
	var steps []verify.MPTStep // from the root down
	var prefix [32]byte
	n, depth := root, 0
	for ; !n.slot(); depth++ {
		right := verify.MPTBit(&key, byte(depth)) == 1
		switch {
		case n.left == nil:
			right = true
		case n.right == nil:
			right = false
		case right:
			steps = append(steps, verify.MPTStep{Bit: byte(depth), Sibling: n.left.hash})
		default:
			steps = append(steps, verify.MPTStep{Bit: byte(depth), Sibling: n.right.hash})
		}
		if right {
			prefix[depth/8] |= 0x80 >> (depth % 8)
			n = n.right
		} else {
			n = n.left
		}
	}
	w := newTrieWalk(b.histories)
	w.seek(&prefix)
	w.fill(&prefix, depth)
	leaves := w.window
	if w.err != nil {
		return nil, w.err
	}
	if len(leaves) == 0 || leavesRoot(leaves) != n.hash {
		return nil, corrupt("the histories do not give the index root")
	}
	for len(leaves) > 1 {
		mid, bit := splitLeaves(leaves)
		if verify.MPTBit(&key, byte(bit)) == 0 {
			steps = append(steps, verify.MPTStep{Bit: byte(bit), Sibling: leavesRoot(leaves[mid:])})
			leaves = leaves[:mid]
		} else {
			steps = append(steps, verify.MPTStep{Bit: byte(bit), Sibling: leavesRoot(leaves[:mid])})
			leaves = leaves[mid:]
		}
	}
	h, err := parseHistory(b.histories.Get(leaves[0].key[:]))
	if err != nil {
		return nil, err
	}
	p := &verify.MPTProof{Present: leaves[0].key == key, Value: h.value()}
	if !p.Present {
		p.Key = leaves[0].key
	}
	if verify.MPTLeaf(leaves[0].key, p.Value) != leaves[0].hash {
		return nil, corrupt("a history does not give its leaf of the index")
	}
	for i := len(steps) - 1; i >= 0; i-- {
		p.Steps = append(p.Steps, steps[i])
	}
	return p, nil
}

// compareKeys orders keys as bbolt does.
func compareKeys(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) }
