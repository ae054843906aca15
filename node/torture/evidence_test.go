//go:build unix

package torture

import (
	"sync"
	"time"
)

// hash is the leaf hash of a record.
type hash = [32]byte

// ack is a record that was acknowledged.
type ack struct {
	hash  hash
	index uint64 // in the log
}

// head is a tree head that some node has shown to somebody.
type head struct {
	size uint64
	root hash
	from string // where it was seen
}

// operation is one of a client on a car whose whole history is followed: a
// record that was added, sent again with the same bytes for as long as it
// took, or a read with consistency=strict that was answered.
type operation struct {
	car       string
	call, ret int64 // ns since the start; ret is never where no answer came
	write     bool
	hash      hash  // of the record written
	seen      []ack // by a read: the whole history
}

const never = int64(1) << 62

// leaf is one of a tree as it is on a node's disk.
type leaf struct {
	hash hash
	seal bool
}

// evidence is all that a run has seen. Its methods are safe for concurrent
// use while it goes on.
type evidence struct {
	mu         sync.Mutex
	started    time.Time
	acks       []ack
	heads      map[head]bool
	operations []operation
	proofs     int      // files, and receipts, that verified
	wrong      []string // what was wrong the moment it was seen

	// What is on the disks at the end.
	trees   map[string][]leaf
	partial map[string]bool // nodes that were removed: their trees end early
}

func newEvidence() *evidence {
	return &evidence{started: time.Now(), heads: map[head]bool{}, trees: map[string][]leaf{}, partial: map[string]bool{}}
}

func (e *evidence) now() int64 { return int64(time.Since(e.started)) }

func (e *evidence) ack(a ack) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.acks = append(e.acks, a)
}

func (e *evidence) head(size uint64, root hash, from string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heads[head{size, root, from}] = true
}

func (e *evidence) operation(o operation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.operations = append(e.operations, o)
}

func (e *evidence) verified() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.proofs++
}

func (e *evidence) bad(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wrong = append(e.wrong, what)
}

func (e *evidence) acked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.acks)
}
