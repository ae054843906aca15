package log

import (
	"crypto/sha256"

	"github.com/milepost-log/milepost/verify"
)

// chunkLen is the number of hashes in a chunk, and the arity of what is
// stored of the tree: level k of the tiles holds the roots of the perfect
// subtrees of 16^k leaves. The binary levels between are computed on reading.
const (
	chunkBits = 4
	chunkLen  = 1 << chunkBits
	maxLevels = 64 / chunkBits
)

// edge is the right edge of the RFC 6962 tree: for each level the hashes of
// the last chunk, which is not full. The writer appends to it in memory.
type edge struct {
	size  uint64
	level [maxLevels][][32]byte // at most 15 hashes each
}

func (e *edge) clone() edge {
	c := edge{size: e.size}
	for k, hashes := range e.level {
		if len(hashes) > 0 {
			c.level[k] = append(make([][32]byte, 0, chunkLen), hashes...)
		}
	}
	return c
}

// append adds a leaf hash and hands every chunk that it fills to put.
func (e *edge) append(h [32]byte, put func(level int, chunk uint64, hashes [][32]byte) error) error {
	for k := 0; ; k++ {
		e.level[k] = append(e.level[k], h)
		if len(e.level[k]) < chunkLen {
			break
		}
		if err := put(k, e.size>>(chunkBits*(k+1)), e.level[k]); err != nil {
			return err
		}
		h = perfectRoot(e.level[k])
		e.level[k] = e.level[k][:0]
	}
	e.size++
	return nil
}

// flush hands put the chunks that are not full and have changed since the
// tree had the given size.
func (e *edge) flush(since uint64, put func(level int, chunk uint64, hashes [][32]byte) error) error {
	for k, hashes := range e.level {
		if since>>(chunkBits*k) == e.size>>(chunkBits*k) {
			break // no hash of this level is new, nor any above
		}
		if len(hashes) == 0 {
			continue
		}
		if err := put(k, e.size>>(chunkBits*(k+1)), hashes); err != nil {
			return err
		}
	}
	return nil
}

// root returns the RFC 6962 tree hash.
func (e *edge) root() [32]byte {
	// From the right: the smallest perfect subtree first.
	var root [32]byte
	have := false
	for _, hashes := range e.level {
		for end := len(hashes); end > 0; {
			n := end & -end
			h := perfectRoot(hashes[end-n : end])
			if have {
				h = verify.NodeHash(h, root)
			}
			root, have, end = h, true, end-n
		}
	}
	if !have {
		return sha256.Sum256(nil)
	}
	return root
}

// perfectRoot returns the root over 1, 2, 4, 8 or 16 hashes.
func perfectRoot(hashes [][32]byte) [32]byte {
	switch n := len(hashes); n {
	case 1:
		return hashes[0]
	case 2:
		return verify.NodeHash(hashes[0], hashes[1])
	default:
		return verify.NodeHash(perfectRoot(hashes[:n/2]), perfectRoot(hashes[n/2:]))
	}
}
