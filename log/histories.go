package log

import (
	"encoding/binary"
	"math/bits"

	"github.com/milepost-log/milepost/verify"
)

// spillLen is the number of log indices that a history keeps beside its
// value before they move to the spill bucket, 64 at a time. Until then an
// append touches one page.
const spillLen = 64

// history is the state of one history, enough to append to it and to commit
// to it. Its key is the subject key; its value is
//
//	32-byte leaf of the index tree || uvarint count || frontier || indices
//
// The frontier holds the roots of the perfect subtrees of the history's own
// RFC 6962 tree, largest first: as many as count has bits. The indices are
// the newest count%64, the first as it is, each other as its distance from
// the one before. The leaf comes first because scans of the index tree read
// nothing else.
type history struct {
	leaf     [32]byte
	count    uint64
	frontier [][32]byte
	recent   []uint64
}

func parseHistory(value []byte) (*history, error) {
	in := decoder{rest: value}
	h := &history{leaf: in.hash(), count: in.uvarint()}
	n := bits.OnesCount64(h.count)
	h.frontier = make([][32]byte, n, n+1)
	for i := range h.frontier {
		h.frontier[i] = in.hash()
	}
	h.recent = make([]uint64, 0, h.count%spillLen+1)
	h.recent = in.indices(h.recent, int(h.count%spillLen))
	if in.bad || len(in.rest) > 0 || h.count == 0 {
		return nil, corrupt("a history can't be read")
	}
	return h, nil
}

func (h *history) bytes() []byte {
	out := make([]byte, 0, 32+binary.MaxVarintLen64+32*len(h.frontier)+5+3*len(h.recent))
	out = append(out, h.leaf[:]...)
	out = binary.AppendUvarint(out, h.count)
	for i := range h.frontier {
		out = append(out, h.frontier[i][:]...)
	}
	return appendIndices(out, h.recent)
}

// append adds an entry. It returns the 64 indices that must be spilled, or
// nil; they are chunk count/64-1.
func (h *history) append(e verify.Entry) (spill []uint64) {
	leaf := verify.HistoryLeaf(e)
	for n := h.count; n&1 == 1; n >>= 1 {
		last := len(h.frontier) - 1
		leaf = verify.NodeHash(h.frontier[last], leaf)
		h.frontier = h.frontier[:last]
	}
	h.frontier = append(h.frontier, leaf)
	h.recent = append(h.recent, e.Index)
	h.count++
	if len(h.recent) == spillLen {
		spill, h.recent = h.recent, nil
	}
	return spill
}

// value returns what the index commits to.
func (h *history) value() [32]byte {
	root := h.frontier[len(h.frontier)-1]
	for i := len(h.frontier) - 2; i >= 0; i-- {
		root = verify.NodeHash(h.frontier[i], root)
	}
	return verify.HistoryValue(h.count, root)
}

func appendIndices(out []byte, indices []uint64) []byte {
	last := uint64(0)
	for _, x := range indices {
		out = binary.AppendUvarint(out, x-last)
		last = x
	}
	return out
}

func (d *decoder) indices(out []uint64, n int) []uint64 {
	last := uint64(0)
	for range n {
		last += d.uvarint()
		out = append(out, last)
	}
	return out
}

func spillKey(key *[32]byte, chunk uint64) []byte {
	return binary.BigEndian.AppendUint64(key[:], chunk) // key is full: this copies
}

// spilled returns the 64 indices of a spilled chunk.
func (b *buckets) spilled(out []uint64, key *[32]byte, chunk uint64) ([]uint64, error) {
	in := decoder{rest: b.spill.Get(spillKey(key, chunk))}
	out = in.indices(out, spillLen)
	if in.bad || len(in.rest) > 0 {
		return nil, corrupt("chunk %d of a history can't be read", chunk)
	}
	return out, nil
}

// appendHistory adds entries to the history of a subject.
func (b *buckets) appendHistory(key *[32]byte, entries []verify.Entry) error {
	h := &history{}
	if old := b.histories.Get(key[:]); old != nil {
		var err error
		if h, err = parseHistory(old); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if full := h.append(e); full != nil {
			if err := b.spill.Put(spillKey(key, h.count/spillLen-1), appendIndices(nil, full)); err != nil {
				return err
			}
		}
	}
	h.leaf = verify.MPTLeaf(*key, h.value())
	return b.histories.Put(key[:], h.bytes())
}

// historyIndices returns the log indices of a history, ascending.
func (b *buckets) historyIndices(key *[32]byte) ([]uint64, error) {
	value := b.histories.Get(key[:])
	if value == nil {
		return nil, nil
	}
	h, err := parseHistory(value)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, 0, h.count)
	for chunk := range h.count / spillLen {
		if out, err = b.spilled(out, key, chunk); err != nil {
			return nil, err
		}
	}
	return append(out, h.recent...), nil
}

// lastIndex returns the newest log index of a history, and its length.
func (b *buckets) lastIndex(key *[32]byte) (index, count uint64, err error) {
	value := b.histories.Get(key[:])
	if value == nil {
		return 0, 0, nil
	}
	h, err := parseHistory(value)
	if err != nil {
		return 0, 0, err
	}
	last := h.recent
	if len(last) == 0 {
		if last, err = b.spilled(nil, key, h.count/spillLen-1); err != nil {
			return 0, 0, err
		}
	}
	return last[len(last)-1], h.count, nil
}

// entries looks up the times and leaf hashes of log indices.
func (b *buckets) entries(indices []uint64) ([]verify.Entry, error) {
	if len(indices) == 0 {
		return nil, nil
	}
	out := make([]verify.Entry, len(indices))
	var in *batch
	for i, index := range indices {
		var err error
		if in == nil || index > in.first+in.count {
			if in, err = b.batchOf(index); err != nil {
				return nil, err
			}
		}
		out[i] = verify.Entry{Index: index, Time: in.time}
		if out[i].Hash, err = b.leafHash(index); err != nil {
			return nil, err
		}
	}
	return out, nil
}
