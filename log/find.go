package log

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

// Size returns the number of leaves, those of this transaction included: the
// log index that the next record gets.
func (tx *Tx) Size() uint64 { return tx.size() }

// SealTime returns the time of the newest seal, in milliseconds since 1970
// UTC, below which the next seal's never falls.
func (tx *Tx) SealTime() int64 { return tx.state.seal.Time }
