// Package logtest holds what tests of the log, and of the rooms above it,
// share: a ledger in memory, so that neither Raft nor a disk is needed.
package logtest

import (
	"fmt"
	"sync"
)

// Ledger is a ledger in memory: entry i holds the notes of one batch. Its
// zero value is empty. It is safe for concurrent use.
type Ledger struct {
	mu      sync.RWMutex
	entries [][][]byte
}

// Append adds an entry and returns its index. The first has index 1, as in
// Raft.
func (l *Ledger) Append(notes ...[]byte) (index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, notes)
	return uint64(len(l.entries))
}

// Len returns the number of entries.
func (l *Ledger) Len() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return uint64(len(l.entries))
}

// Notes returns the notes of the entry at an index.
func (l *Ledger) Notes(index uint64) ([][]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if index == 0 || index > uint64(len(l.entries)) {
		return nil, fmt.Errorf("the ledger has no entry %d", index)
	}
	return l.entries[index-1], nil
}
