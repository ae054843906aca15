package log

import (
	"encoding/binary"

	"github.com/transparency-dev/merkle/compact"
)

// A chunk of hashes is the unit of storage. 512 bytes instead of the 8 KiB of
// a C2SP tile: the last chunk of each level is written with every batch, and
// a tile of 256 hashes would have bbolt write two pages for it each time.

func chunkKey(level int, chunk uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(level)}, chunk)
}

func (b *buckets) putChunk(level int, chunk uint64, hashes [][32]byte) error {
	value := make([]byte, 0, len(hashes)*32)
	for i := range hashes {
		value = append(value, hashes[i][:]...)
	}
	return b.tiles.Put(chunkKey(level, chunk), value)
}

// hashesOf returns n hashes of a level from index first on, which all lie in
// one chunk.
func (b *buckets) hashesOf(level int, first uint64, n int) ([][32]byte, error) {
	value := b.tiles.Get(chunkKey(level, first>>chunkBits))
	from := int(first%chunkLen) * 32
	if len(value) < from+n*32 || len(value) > chunkLen*32 {
		return nil, corrupt("chunk %d of tile level %d has %d bytes", first>>chunkBits, level, len(value))
	}
	out := make([][32]byte, n)
	for i := range out {
		out[i] = [32]byte(value[from+i*32:])
	}
	return out, nil
}

// leafHash returns the hash of a leaf that the tree is known to have.
func (b *buckets) leafHash(index uint64) ([32]byte, error) {
	h, err := b.hashesOf(0, index, 1)
	if err != nil {
		return [32]byte{}, err
	}
	return h[0], nil
}

// node returns the hash of a perfect subtree that the tree is known to have.
func (b *buckets) node(id compact.NodeID) ([32]byte, error) {
	level, up := int(id.Level/chunkBits), id.Level%chunkBits
	h, err := b.hashesOf(level, id.Index<<up, 1<<up)
	if err != nil {
		return [32]byte{}, err
	}
	return perfectRoot(h), nil
}

// loadEdge reads the right edge of the tree of the given size.
func (b *buckets) loadEdge(size uint64) (edge, error) {
	e := edge{size: size}
	for k := range e.level {
		n := size >> (chunkBits * k)
		if n%chunkLen == 0 {
			continue
		}
		h, err := b.hashesOf(k, n-n%chunkLen, int(n%chunkLen))
		if err != nil {
			return e, err
		}
		e.level[k] = append(make([][32]byte, 0, chunkLen), h...)
	}
	return e, nil
}
