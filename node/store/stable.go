package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"
)

var _ raft.StableStore = (*Store)(nil)

// ErrNotFound is returned for a key that was never set. Raft compares its
// text.
var ErrNotFound = errors.New("not found")

// Set keeps a value of Raft's own, such as its vote. It is synced.
func (s *Store) Set(key, val []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.failed(s.update(func(tx *bolt.Tx) error {
		if err := tx.Bucket(stableBucket).Put(key, val); err != nil {
			return fmt.Errorf("set %q: %w", key, err)
		}
		return nil
	}))
}

// Get returns what Set kept, or ErrNotFound.
func (s *Store) Get(key []byte) ([]byte, error) {
	var val []byte
	err := s.view(func(tx *bolt.Tx) error {
		v := tx.Bucket(stableBucket).Get(key)
		if v == nil {
			return ErrNotFound
		}
		val = append([]byte{}, v...)
		return nil
	})
	return val, err
}

// SetUint64 is Set of a number, such as the current term.
func (s *Store) SetUint64(key []byte, val uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, val))
}

// GetUint64 returns what SetUint64 kept, or ErrNotFound.
func (s *Store) GetUint64(key []byte) (uint64, error) {
	v, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, corrupt(fmt.Sprintf("the value of %q is no number", key))
	}
	return number(v), nil
}
