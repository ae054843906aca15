package log

import (
	"fmt"

	"github.com/milepost-log/milepost/verify"
)

// Find returns the log index of a leaf with the given hash, those of this
// transaction included.
func (tx *Tx) Find(hash [32]byte) (index uint64, found bool, err error) {
	if err := tx.check(); err != nil {
		return 0, false, err
	}
	if index, found, err = tx.b.findHash(&hash, tx.state.size); found || err != nil {
		return index, found, err
	}
	for i := range tx.pending {
		if tx.pending[i].hash == hash {
			return tx.state.size + uint64(i), true, nil
		}
	}
	return 0, false, nil
}

// Entry returns the leaf hash and the log time of a leaf, as Last does.
func (tx *Tx) Entry(index uint64) (verify.Entry, error) {
	switch err := tx.check(); {
	case err != nil:
		return verify.Entry{}, err
	case index < tx.state.size:
		entries, err := tx.b.entries([]uint64{index})
		if err != nil {
			return verify.Entry{}, err
		}
		return entries[0], nil
	case index < tx.size():
		return tx.unsealed(int(index - tx.state.size)), nil
	}
	return verify.Entry{}, outside(fmt.Sprintf("leaf %d", index), tx.size())
}

// Size returns the number of leaves, those of this transaction included: the
// log index that the next record gets.
func (tx *Tx) Size() uint64 { return tx.size() }

// SealTime returns the time of the newest seal, in milliseconds since 1970
// UTC, below which the next seal's never falls.
func (tx *Tx) SealTime() int64 { return tx.state.seal.Time }
