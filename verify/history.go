package verify

import (
	"crypto/sha256"
	"encoding/binary"
)

// The first lines of what is hashed into the index, so that no key or value
// of it can be taken for another hash of milepost.
const (
	keyHeader     = "milepost/key@v1\n"
	historyHeader = "milepost/history@v1\n"
)

// Entry is one record of a history, as the index commits to it.
type Entry struct {
	Index uint64   // log index of the record
	Time  int64    // log time in milliseconds since 1970 UTC: that of the seal closing the record's batch
	Hash  [32]byte // RFC 6962 leaf hash of the record
}

// SubjectKey returns the key of a subject in the index of histories:
// SHA-256("milepost/key@v1\n" || subject).
func SubjectKey(subject string) [32]byte {
	buf := make([]byte, 0, 128) // on the stack for the subjects that there are
	buf = append(buf, keyHeader...)
	return sha256.Sum256(append(buf, subject...))
}

// HistoryValue returns the value of a history in the index, from the number
// of its entries and the root of the tree over them:
// SHA-256("milepost/history@v1\n" || uint64 count || root).
func HistoryValue(count uint64, root [32]byte) [32]byte {
	buf := make([]byte, 0, len(historyHeader)+8+32)
	buf = append(buf, historyHeader...)
	buf = binary.BigEndian.AppendUint64(buf, count)
	return sha256.Sum256(append(buf, root[:]...))
}

// HistoryLeaf returns the RFC 6962 leaf hash of an entry, whose 48 bytes are
// uint64 index || uint64 time || hash. The time must not be negative.
func HistoryLeaf(e Entry) [32]byte {
	var buf [1 + 48]byte // buf[0] = 0 is the leaf prefix of RFC 6962
	binary.BigEndian.PutUint64(buf[1:], e.Index)
	binary.BigEndian.PutUint64(buf[9:], uint64(e.Time))
	copy(buf[17:], e.Hash[:])
	return sha256.Sum256(buf[:])
}

// HistoryRoot returns the RFC 6962 tree hash over the entries of a history,
// in log order. Of no entries it is the hash of the empty string, to which no
// index ever commits.
func HistoryRoot(entries []Entry) [32]byte {
	// The roots of the perfect subtrees so far, largest first; there is one
	// for each bit set in the number of entries taken in.
	stack := make([][32]byte, 0, 64)
	for i, e := range entries {
		h := HistoryLeaf(e)
		for n := i; n&1 == 1; n >>= 1 {
			h = NodeHash(stack[len(stack)-1], h)
			stack = stack[:len(stack)-1]
		}
		stack = append(stack, h)
	}
	if len(stack) == 0 {
		return sha256.Sum256(nil)
	}
	root := stack[len(stack)-1]
	for i := len(stack) - 2; i >= 0; i-- {
		root = NodeHash(stack[i], root)
	}
	return root
}

// LeafHash returns the RFC 6962 hash of a leaf of the log: SHA-256(00 || leaf).
func LeafHash(leaf []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(leaf)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// NodeHash returns the RFC 6962 hash of an inner node:
// SHA-256(01 || left || right). It does what rfc6962.DefaultHasher does, but
// without allocating: the log spends much of its time here.
func NodeHash(left, right [32]byte) [32]byte {
	var buf [65]byte
	buf[0] = 1
	copy(buf[1:], left[:])
	copy(buf[33:], right[:])
	return sha256.Sum256(buf[:])
}
