package log

import (
	"fmt"
	"slices"

	"github.com/milepost-log/milepost/verify"
)

// Seal ends the batch: it gives the records added since the last seal their
// log time, files them in their histories, and appends the seal, which
// commits to all histories, as the next leaf. The time t is in milliseconds
// since 1970 UTC; if the previous seal's is later, that is taken, so that log
// times never fall. Without a record since the last seal there is nothing to
// seal, and it fails.
func (tx *Tx) Seal(t int64) (*Sealed, error) {
	if err := tx.check(); err != nil {
		return nil, err
	}
	if len(tx.pending) == 0 {
		return nil, misused("a seal without a record before it")
	}
	t = max(t, tx.state.seal.Time)
	if _, err := verify.ParseLogTime(verify.FormatLogTime(t)); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	sealed, err := tx.seal(t)
	if err := tx.fail("sealing", err); err != nil {
		return nil, err
	}
	return sealed, nil
}

func (tx *Tx) seal(t int64) (*Sealed, error) {
	keys, err := tx.fileHistories(t)
	if err != nil {
		return nil, err
	}
	s := &tx.state
	if s.trie, err = tx.b.updateTrie(s.trie, keys); err != nil {
		return nil, err
	}
	for i := range tx.pending {
		if err := s.edge.append(tx.pending[i].hash, tx.b.putChunk); err != nil {
			return nil, err
		}
	}
	tx.batch.time, tx.batch.root = t, s.trie.root()
	s.seal = *tx.batch.seal(originAt(s.origins, tx.batch.first, tx.log.origin))
	if err := s.edge.append(verify.LeafHash(s.seal.Bytes()), tx.b.putChunk); err != nil {
		return nil, err
	}
	if err := s.edge.flush(s.size, tx.b.putChunk); err != nil {
		return nil, err
	}
	if err := tx.b.indexHashes(s.size, s.edge.size); err != nil {
		return nil, err
	}
	if err := tx.b.putBatch(&tx.batch); err != nil {
		return nil, err
	}
	s.size, s.root = s.edge.size, s.edge.root()
	tx.pending = tx.pending[:0]
	clear(tx.histories)
	return &Sealed{Index: s.seal.Index, Time: t, Size: s.size, Root: s.root, IndexRoot: s.seal.IndexRoot}, nil
}

// fileHistories appends the pending records to their histories and returns
// the keys of those, sorted. In that order the pages of the bucket are
// visited one after the other, and the same order makes bbolt's file the same
// on every node.
func (tx *Tx) fileHistories(t int64) ([][32]byte, error) {
	type change struct {
		key     [32]byte
		records []int
	}
	changes := make([]change, 0, len(tx.histories))
	for subject, records := range tx.histories {
		changes = append(changes, change{verify.SubjectKey(subject), records})
	}
	slices.SortFunc(changes, func(a, b change) int { return compareKeys(a.key, b.key) })
	keys := make([][32]byte, len(changes))
	var entries []verify.Entry
	for i := range changes {
		c := &changes[i]
		entries = entries[:0]
		for _, r := range c.records {
			e := tx.unsealed(r)
			e.Time = t
			entries = append(entries, e)
		}
		if err := tx.b.appendHistory(&c.key, entries); err != nil {
			return nil, err
		}
		keys[i] = c.key
	}
	return keys, nil
}

// Commit writes the transaction to the disk, synced, and returns the view of
// the newest seal, nil while there is none. That view is the log's own and
// good until the writer's next Commit; who needs it longer calls Hold. After
// an error from the disk the log is broken: see ErrBroken. A transaction that
// had failed before is rolled back, and the log goes on as if it had not been.
func (tx *Tx) Commit() (*View, error) {
	if err := tx.check(); err != nil {
		tx.Rollback()
		return nil, fmt.Errorf("committing: %w", err)
	}
	if len(tx.pending) > 0 {
		return nil, fmt.Errorf("committing: %w", ErrUnsealed)
	}
	l := tx.log
	if err := tx.b.putMeta(&tx.state.meta, &l.state.meta); err != nil {
		tx.Rollback()
		return nil, fmt.Errorf("committing: %w", err)
	}
	// On the disk is the state before this transaction. bbolt writes and
	// syncs the new pages, which nothing points at yet, and then the meta
	// page that does, so a crash within Commit leaves the state before or
	// after it, never one between.
	err := tx.bolt.Commit()
	tx.bolt = nil
	var view *View
	if err == nil && tx.state.size > 0 {
		view, err = l.newView(&tx.state)
	}
	l.mu.Lock()
	l.tx = nil
	if err != nil {
		l.broken = fmt.Errorf("%w: %w", ErrBroken, err)
		l.mu.Unlock()
		return nil, l.broken
	}
	old := l.view
	l.state, l.view = tx.state, view
	l.mu.Unlock()
	if old != nil {
		old.Release()
	}
	return view, nil
}

// Rollback ends the transaction and forgets it. After Commit it does nothing.
func (tx *Tx) Rollback() {
	if tx.bolt == nil {
		return
	}
	tx.bolt.Rollback()
	tx.bolt = nil
	tx.log.mu.Lock()
	tx.log.tx = nil
	tx.log.mu.Unlock()
}
