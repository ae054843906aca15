package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sort"
	"strings"
	"time"
)

// The formats once more, written as plainly as the specification puts them:
// RFC 6962 trees by recursion, the Merkle Patricia tree by parting sorted
// keys, a seal by printing six lines. Nothing here calls the code under test.

type hash = [32]byte

func sha(parts ...[]byte) hash { return sha256.Sum256(bytes.Join(parts, nil)) }

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func leafHash(leaf []byte) hash { return sha([]byte{0}, leaf) }

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

// treeHash is MTH of RFC 6962 section 2.1, over leaf hashes.
func treeHash(leaves []hash) hash {
	switch n := len(leaves); n {
	case 0:
		return sha()
	case 1:
		return leaves[0]
	default:
		l, r := treeHash(leaves[:split(n)]), treeHash(leaves[split(n):])
		return sha([]byte{1}, l[:], r[:])
	}
}

// auditPath is PATH of RFC 6962 section 2.1.1, from the leaf up.
func auditPath(i int, leaves []hash) []hash {
	n := len(leaves)
	if n == 1 {
		return nil
	}
	k := split(n)
	if i < k {
		return append(auditPath(i, leaves[:k]), treeHash(leaves[k:]))
	}
	return append(auditPath(i-k, leaves[k:]), treeHash(leaves[:k]))
}

// placed is one record of a history.
type placed struct {
	index uint64
	time  int64
	note  []byte
}

func historyKey(subject string) hash { return sha([]byte("milepost/key@v1\n" + subject)) }

func historyLeaf(p placed) hash {
	h := leafHash(p.note)
	return leafHash(bytes.Join([][]byte{u64(p.index), u64(uint64(p.time)), h[:]}, nil))
}

func historyValue(entries []placed) hash {
	var leaves []hash
	for _, e := range entries {
		leaves = append(leaves, historyLeaf(e))
	}
	root := treeHash(leaves)
	return sha([]byte("milepost/history@v1\n"), u64(uint64(len(entries))), root[:])
}

// pair is a leaf of the index.
type pair struct{ key, value hash }

func keyBit(k hash, n int) byte { return k[n/8] >> (7 - n%8) & 1 }

// sorted returns the pairs in the order of their keys.
func sorted(pairs []pair) []pair {
	pairs = append([]pair(nil), pairs...)
	sort.Slice(pairs, func(i, j int) bool { return bytes.Compare(pairs[i].key[:], pairs[j].key[:]) < 0 })
	return pairs
}

// fork is the first bit in which sorted pairs differ, and the first of them
// that has a 1 there.
func fork(pairs []pair) (bit, at int) {
	for keyBit(pairs[0].key, bit) == keyBit(pairs[len(pairs)-1].key, bit) {
		bit++
	}
	for keyBit(pairs[at].key, bit) == 0 {
		at++
	}
	return bit, at
}

// indexRoot is the root of the Merkle Patricia tree over sorted pairs.
func indexRoot(pairs []pair) hash {
	if len(pairs) == 1 {
		return sha(pairs[0].key[:], pairs[0].value[:])
	}
	bit, at := fork(pairs)
	l, r := indexRoot(pairs[:at]), indexRoot(pairs[at:])
	return sha(l[:], r[:], []byte{byte(bit)})
}

// indexPath walks down by the bits of key and returns the leaf it ends at and
// the steps from there up: bit position and sibling.
func indexPath(key hash, pairs []pair) (end pair, steps [][]byte) {
	if len(pairs) == 1 {
		return pairs[0], nil
	}
	bit, at := fork(pairs)
	near, far := pairs[:at], pairs[at:]
	if keyBit(key, bit) == 1 {
		near, far = far, near
	}
	end, steps = indexPath(key, near)
	sibling := indexRoot(far)
	return end, append(steps, append([]byte{byte(bit)}, sibling[:]...))
}

// indexProof is the proof of presence or absence, as the truth has it.
func indexProof(key hash, pairs []pair) []byte {
	end, steps := indexPath(key, pairs)
	if end.key == key {
		return presentProof(end.value, steps)
	}
	return absentProof(end, steps)
}

func presentProof(value hash, steps [][]byte) []byte {
	return append(append([]byte("mptproof\x01"), value[:]...), bytes.Join(steps, nil)...)
}

func absentProof(other pair, steps [][]byte) []byte {
	b := append([]byte("mptproof\x02"), other.key[:]...)
	return append(append(b, other.value[:]...), bytes.Join(steps, nil)...)
}

func sealText(origin string, index uint64, ms int64, prev uint64, root hash) []byte {
	return fmt.Appendf(nil, "milepost/seal@v1\n%s\n%d\n%s\n%d\n%s\n", origin, index,
		time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"), prev, b64(root[:]))
}

func checkpointText(origin string, size int, root hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, b64(root[:]))
}

func tlogProof(index uint64, path []hash, checkpoint []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "c2sp.org/tlog-proof@v1\nindex %d\n", index)
	for _, h := range path {
		b.WriteString(b64(h[:]) + "\n")
	}
	return append([]byte(b.String()+"\n"), checkpoint...)
}
