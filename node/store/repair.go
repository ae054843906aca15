package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs/fault"
)

// A damaged entry can be written anew in place, because nothing of it is
// decided here: the caller has found the same bytes elsewhere and held them
// against the tree. What makes it sound:
//   - only an entry that can't be read is ever replaced, and only by one of
//     the same index and length, so that no entry becomes another one;
//   - only while its key and both neighbours' keys stand where they should:
//     damage in the structure of a page, not in a value, is not mended here,
//     for bbolt would spread it;
//   - bbolt writes the value to a fresh page, in a synced transaction, so a
//     crash leaves the damaged entry or the mended one.

// Salvage returns what can be read of an entry without trusting it: its
// stored bytes, and the entry that they decode to if their checksum is
// passed over; nil if they decode to none.
func (s *Store) Salvage(index uint64) (stored []byte, l *raft.Log, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		stored = bytes.Clone(tx.Bucket(logBucket).Get(key(index)))
		return nil
	})
	if err != nil || stored == nil {
		return nil, nil, err
	}
	l, _ = decodeBody(index, stored)
	return stored, l, nil
}

// Stored returns the stored form of an entry, checked as Entry does.
func (s *Store) Stored(index uint64) ([]byte, error) {
	l, err := s.Entry(index)
	if err != nil {
		return nil, err
	}
	return encode(l), nil
}

// Parse reads the stored form of the entry at index. Code ledger_corrupt.
func Parse(index uint64, stored []byte) (*raft.Log, error) { return decode(index, stored) }

// SameSum reports whether the checksum that a damaged entry carries is that
// of another's stored form: then that is what once was stored, or the
// checksum was chosen so.
func SameSum(damaged, stored []byte) bool {
	if len(damaged) != len(stored) || len(stored) < SumSize {
		return false
	}
	body := stored[:len(stored)-SumSize]
	return binary.BigEndian.Uint32(damaged[len(body):]) == crc32.Checksum(body, castagnoli)
}

// Repair replaces a damaged entry that was applied by the stored form of the
// same entry. Codes: ledger_repair (it is not one that can be replaced),
// ledger_corrupt, disk_full.
func (s *Store) Repair(index uint64, stored []byte) error {
	if _, err := decode(index, stored); err != nil {
		return err
	}
	refuse := func(why string) error {
		return fault.New("ledger_repair", "", fmt.Sprintf("entry %d of the ledger cannot be repaired in place: %s", index, why)).
			WithHint("replace the node: docs/operations.md, A damaged node")
	}
	if index > s.applied() {
		return refuse("it was not applied yet")
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.update(func(tx *bolt.Tx) error {
		return guarded(func() error {
			b := tx.Bucket(logBucket)
			c := b.Cursor()
			k, v := c.Seek(key(index))
			if !bytes.Equal(k, key(index)) {
				return refuse("its key is not where it should be")
			}
			if _, err := decode(index, v); err == nil {
				return refuse("it is not damaged")
			}
			if len(v) != len(stored) {
				return refuse("the other has another length")
			}
			if next, _ := c.Next(); next == nil && index != s.last || next != nil && !bytes.Equal(next, key(index+1)) {
				return refuse("the next entry is not where it should be")
			}
			c.Seek(key(index))
			if prev, _ := c.Prev(); prev == nil && index != 1 || prev != nil && !bytes.Equal(prev, key(index-1)) {
				return refuse("the entry before it is not where it should be")
			}
			if err := b.Put(key(index), stored); err != nil {
				return fmt.Errorf("repair ledger entry %d: %w", index, err)
			}
			return nil
		})
	})
	if fault.Code(err) == "ledger_repair" {
		return err // nothing was written
	}
	return s.failed(err)
}
