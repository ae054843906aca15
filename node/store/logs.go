package store

import (
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs/fault"
)

var (
	_ raft.LogStore          = (*Store)(nil)
	_ raft.MonotonicLogStore = (*Store)(nil)
)

func key(index uint64) []byte  { return binary.BigEndian.AppendUint64(nil, index) }
func number(key []byte) uint64 { return binary.BigEndian.Uint64(key) }
func (s *Store) applied() uint64 {
	n := s.unapplied.mark()
	if s.cfg.Applied != nil {
		n = max(n, s.cfg.Applied())
	}
	return n
}

func (s *Store) committed() uint64 {
	if s.cfg.Committed == nil {
		return 0
	}
	return s.cfg.Committed()
}

// IsMonotonic tells Raft that there are never gaps.
func (s *Store) IsMonotonic() bool { return true }

// FirstIndex returns 1, or 0 if there is no entry.
func (s *Store) FirstIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return min(s.last, 1), nil
}

// LastIndex returns the index of the last entry, or 0 if there is none.
func (s *Store) LastIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last, nil
}

// Floor returns an index at or below which every entry is known, on disk and
// from this file alone, to have been applied once. It lags behind the state
// machine by a call of StoreLogs or so, and is what protects the ledger
// while a lost tree is being rebuilt and the applied index starts from 0.
func (s *Store) Floor() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.floor
}

// GetLog reads the entry at index into log; raft.ErrLogNotFound if there is
// none, code ledger_corrupt if it is damaged.
func (s *Store) GetLog(index uint64, log *raft.Log) error {
	l, err := s.Entry(index)
	if err == nil {
		*log = *l
	}
	return err
}

// Entry returns the entry at index, which belongs to the caller. Errors are
// those of GetLog.
func (s *Store) Entry(index uint64) (*raft.Log, error) {
	last, _ := s.LastIndex()
	if index == 0 || index > last {
		return nil, raft.ErrLogNotFound
	}
	var l *raft.Log
	err := s.view(func(tx *bolt.Tx) (err error) {
		b := tx.Bucket(logBucket)
		v := b.Get(key(index))
		if v != nil {
			l, err = decode(index, v)
			return err
		}
		// Truncated since the look above, or lost from the middle?
		if k, _ := b.Cursor().Last(); k == nil || number(k) < index {
			return raft.ErrLogNotFound
		}
		return corrupt(fmt.Sprintf("entry %d is missing", index))
	})
	if fault.Code(err) == "ledger_corrupt" && s.cfg.Damaged != nil {
		s.cfg.Damaged(index)
	}
	return l, err
}

// StoreLog stores one entry.
func (s *Store) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs stores entries, which must follow the last one, in one synced
// transaction. It may wait first: see the package. Codes: ledger_order,
// ledger_entry, disk_full, and those of Config.Check.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	s.wait()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.RLock()
	last, term, floor := s.last, s.lastTerm, s.floor
	s.mu.RUnlock()
	values := make([][]byte, len(logs))
	total := 0
	for i, l := range logs {
		if err := s.check(l, last, term); err != nil {
			s.Counters.Refused.Add(1)
			return s.failed(err)
		}
		last, term = l.Index, l.Term
		values[i] = encode(l)
		total += len(values[i])
	}
	// Never above what is stored: the mark must hold when read back.
	floor = max(floor, min(s.applied(), logs[0].Index-1))
	err := s.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(logBucket)
		b.FillPercent = 1 // keys only ever rise: leave no room in a page
		for i, l := range logs {
			if err := b.Put(key(l.Index), values[i]); err != nil {
				return fmt.Errorf("store ledger entry %d: %w", l.Index, err)
			}
		}
		// Costs no page: the bucket is small enough to lie in its parent.
		return tx.Bucket(metaBucket).Put(floorKey, key(floor))
	})
	if err != nil {
		return s.failed(err)
	}
	s.mu.Lock()
	s.last, s.lastTerm, s.floor = last, term, floor
	s.mu.Unlock()
	for i, l := range logs {
		s.unapplied.stored(l.Index, len(values[i]))
	}
	s.Counters.Entries.Add(uint64(len(logs)))
	s.Counters.Bytes.Add(uint64(total))
	return nil
}

// check judges one entry that is to follow entry last of that term.
func (s *Store) check(l *raft.Log, last, term uint64) error {
	if l.Index != last+1 || l.Term < term {
		return fault.New("ledger_order", "", fmt.Sprintf("entry %d of term %d can't follow entry %d of term %d", l.Index, l.Term, last, term))
	}
	if err := checkShape(l); err != nil {
		return err
	}
	if s.cfg.Check == nil {
		return nil
	}
	if err := s.cfg.Check(l); err != nil {
		return fmt.Errorf("refuse ledger entry %d: %w", l.Index, err)
	}
	return nil
}

// DeleteRange deletes the entries from lo to hi, which must reach to the
// end: a follower's tail that lost against another leader's. It refuses to
// delete what was committed or applied (code ledger_rewrite).
func (s *Store) DeleteRange(lo, hi uint64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.RLock()
	last, floor := s.last, s.floor
	s.mu.RUnlock()
	if lo > last || lo > hi {
		return nil
	}
	if kept := max(floor, s.applied(), s.committed()); lo <= kept {
		s.Counters.Refused.Add(1)
		return s.failed(fault.New("ledger_rewrite", "", fmt.Sprintf("entries %d to %d are to be replaced, but all up to %d are final", lo, hi, kept)).
			WithHint("the leader's ledger and this one differ where both were final: compare the nodes' tree heads before anything else"))
	}
	if hi < last {
		s.Counters.Refused.Add(1)
		return s.failed(fault.New("ledger_order", "", fmt.Sprintf("to delete entries %d to %d would leave a gap before entry %d", lo, hi, last)))
	}
	var term uint64
	err := s.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(logBucket)
		if lo > 1 {
			l, err := decode(lo-1, b.Get(key(lo-1)))
			if err != nil {
				return err
			}
			term = l.Term
		}
		for i := lo; i <= last; i++ {
			if err := b.Delete(key(i)); err != nil {
				return fmt.Errorf("delete ledger entry %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		return s.failed(err)
	}
	s.mu.Lock()
	s.last, s.lastTerm = lo-1, term
	s.mu.Unlock()
	s.unapplied.truncate(lo)
	s.Counters.Truncated.Add(last - lo + 1)
	return nil
}
