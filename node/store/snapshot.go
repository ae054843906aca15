package store

import (
	"errors"
	"fmt"
	"io"

	bolt "go.etcd.io/bbolt"
)

// Snapshot is the ledger as of one moment, for a backup: it doesn't change
// while the store goes on. While it is held the file grows, since no page
// that it sees is used again.
type Snapshot struct {
	Last  uint64 // index of the last entry
	Floor uint64 // see Store.Floor

	tx *bolt.Tx
}

// Snapshot begins one, which the caller must release.
func (s *Store) Snapshot() (*Snapshot, error) {
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	out := &Snapshot{tx: tx}
	err = guarded(func() error {
		if k, _ := tx.Bucket(logBucket).Cursor().Last(); len(k) == 8 {
			out.Last = number(k)
		}
		if f := tx.Bucket(metaBucket).Get(floorKey); len(f) == 8 {
			out.Floor = number(f)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return out, nil
}

// Size is the number of bytes that WriteTo writes.
func (s *Snapshot) Size() int64 { return s.tx.Size() }

// WriteTo writes a file that Open opens.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	n, err := s.tx.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("copy the ledger: %w", err)
	}
	return n, nil
}

// Release ends the snapshot.
func (s *Snapshot) Release() { s.tx.Rollback() } // a read transaction: nothing can fail

// Disown makes a copied ledger that of another node, which has voted for
// nobody: Raft's vote is forgotten, its term is kept. Entries above keep, and
// above what is known to have been applied, are dropped: they were the other
// node's to store, not this one's.
func (s *Store) Disown(keep uint64) error {
	s.writing.Lock()
	err := s.update(func(tx *bolt.Tx) error {
		for _, k := range []string{"LastVoteTerm", "LastVoteCand"} {
			if err := tx.Bucket(stableBucket).Delete([]byte(k)); err != nil {
				return fmt.Errorf("forget the vote: %w", err)
			}
		}
		return nil
	})
	s.writing.Unlock()
	if err != nil {
		return s.failed(err)
	}
	last, _ := s.LastIndex()
	return s.DeleteRange(max(keep, s.Floor())+1, last)
}

// guarded runs what reads pages: see view.
func guarded(fn func() error) (err error) {
	defer recoverPanic(&err)
	return fn()
}
