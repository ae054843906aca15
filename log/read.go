package log

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"

	"github.com/milepost-log/milepost/verify"
)

// reader puts leaves together from the file and the ledger.
type reader struct {
	b       *buckets
	origin  string
	origins []span
	ledger  Ledger

	// The ledger entry read last: a bundle reads many leaves of one entry.
	entry uint64
	notes [][]byte
}

// leaf returns the bytes of a leaf that the tree is known to have.
func (r *reader) leaf(index uint64) ([]byte, error) {
	in, err := r.b.batchOf(index)
	if err != nil {
		return nil, err
	}
	if index == in.first+in.count {
		return in.seal(originAt(r.origins, in.first, r.origin)).Bytes(), nil
	}
	hash, err := r.b.leafHash(index)
	if err != nil {
		return nil, err
	}
	return r.note(index, in.ledger, in.pos(index-in.first), hash)
}

// note reads a record's note from the ledger and checks that it is the one
// that the tree holds.
func (r *reader) note(index, entry, pos uint64, hash [32]byte) ([]byte, error) {
	if r.ledger == nil {
		return nil, misused("the log was opened without a ledger")
	}
	if r.notes == nil || r.entry != entry {
		notes, err := r.ledger.Notes(entry)
		if err != nil {
			return nil, fmt.Errorf("reading leaf %d from the ledger: %w", index, err)
		}
		r.entry, r.notes = entry, notes
	}
	if pos >= uint64(len(r.notes)) {
		return nil, corrupt("the ledger's entry %d has %d notes, leaf %d is said to be note %d", entry, len(r.notes), index, pos)
	}
	if verify.LeafHash(r.notes[pos]) != hash {
		return nil, corrupt("the ledger's bytes of leaf %d do not have the hash that the tree holds", index)
	}
	return r.notes[pos], nil
}

func (b *buckets) history(subject string) ([]verify.Entry, error) {
	key := verify.SubjectKey(subject)
	indices, err := b.historyIndices(&key)
	if err != nil {
		return nil, err
	}
	return b.entries(indices)
}

// rootAt returns the RFC 6962 tree hash of the first size leaves.
func (b *buckets) rootAt(size uint64) ([32]byte, error) {
	if size == 0 {
		return sha256.Sum256(nil), nil
	}
	ids := compact.RangeNodes(0, size, nil)
	root, err := b.node(ids[len(ids)-1])
	for i := len(ids) - 2; i >= 0 && err == nil; i-- {
		var left [32]byte
		left, err = b.node(ids[i])
		root = verify.NodeHash(left, root)
	}
	return root, err
}

// proveNodes collects the hashes of an inclusion or consistency proof.
func (b *buckets) proveNodes(nodes proof.Nodes, err error) ([][32]byte, error) {
	if err != nil {
		return nil, misused("%v", err)
	}
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		h, err := b.node(id)
		if err != nil {
			return nil, err
		}
		hashes[i] = h[:]
	}
	hashes, err = nodes.Rehash(hashes, func(left, right []byte) []byte {
		h := verify.NodeHash([32]byte(left), [32]byte(right))
		return h[:]
	})
	if err != nil {
		return nil, fmt.Errorf("proving: %w", err)
	}
	out := make([][32]byte, len(hashes))
	for i, h := range hashes {
		out[i] = [32]byte(h)
	}
	return out, nil
}

// tile returns the hashes of a C2SP tile, which the tree is known to have.
func (b *buckets) tile(level int, n uint64, width int) ([]byte, error) {
	out := make([]byte, 0, width*32)
	for got := 0; got < width; got += chunkLen {
		// Two levels of ours make one of 8 bits.
		h, err := b.hashesOf(2*level, n*tileWidth+uint64(got), min(chunkLen, width-got))
		if err != nil {
			return nil, err
		}
		for i := range h {
			out = append(out, h[i][:]...)
		}
	}
	return out, nil
}

// bundle returns leaves as a C2SP entry bundle holds them.
func (r *reader) bundle(first uint64, width int) ([]byte, error) {
	var out []byte
	for i := range uint64(width) {
		leaf, err := r.leaf(first + i)
		if err != nil {
			return nil, err
		}
		if len(leaf) > 0xffff {
			return nil, errors.New("a leaf is longer than an entry bundle can hold")
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(leaf)))
		out = append(out, leaf...)
	}
	return out, nil
}
