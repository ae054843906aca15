package log

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/verify"
)

// Record is what the log needs to know of a record.
type Record struct {
	Hash     [32]byte // RFC 6962 leaf hash of the note
	Author   string   // not empty
	ID       [16]byte // the author's own, unique among its records
	Subjects []string // the histories it belongs to: at least one, none twice
}

// Sealed is the state of the log right after a seal.
type Sealed struct {
	Index     uint64   // log index of the seal
	Time      int64    // log time in milliseconds since 1970 UTC
	Size      uint64   // Index+1
	Root      [32]byte // RFC 6962 tree hash at Size
	IndexRoot [32]byte // root of the index of histories, as the seal says it
}

// Tx is one transaction of the writer. It sees its own changes; nobody else
// does before Commit. It is not safe for concurrent use.
//
// Add and Seal build up what the next tree head will cover: records collect
// in memory until Seal gives them their time and writes them out.
type Tx struct {
	log    *Log
	bolt   *bbolt.Tx
	b      buckets
	state  state // starts as a copy of the log's
	failed error // an I/O error after which the changes can't be trusted

	// The batch that Seal will end.
	pending   []pendingRecord
	batch     batch
	histories map[string][]int // subject -> positions in pending
}

type pendingRecord struct {
	hash [32]byte
	pos  int
}

// Begin starts a transaction. There is one at a time: ErrBusy says that one
// is open.
func (l *Log) Begin() (*Tx, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, fmt.Errorf("beginning a transaction: %w", ErrClosed)
	case l.broken != nil:
		return nil, l.broken
	case l.tx != nil:
		return nil, fmt.Errorf("beginning a transaction: %w", ErrBusy)
	case l.readOnly:
		return nil, misused("the log is open for reading only")
	}
	bolt, err := l.db.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	b, err := openBuckets(bolt)
	if err != nil {
		bolt.Rollback()
		return nil, err
	}
	tx := &Tx{log: l, bolt: bolt, b: b, state: l.state, histories: map[string][]int{}}
	tx.state.edge = l.state.edge.clone()
	l.tx = tx
	return tx, nil
}

// check says whether the transaction can still be used.
func (tx *Tx) check() error {
	if tx.bolt == nil {
		return fmt.Errorf("transaction: %w", ErrClosed)
	}
	return tx.failed
}

// fail remembers an I/O error, so that half of a change is never committed.
func (tx *Tx) fail(doing string, err error) error {
	if err != nil {
		tx.failed = fmt.Errorf("%s: %w", doing, err)
	}
	return tx.failed
}

// size returns the number of leaves, those of the unsealed batch included.
func (tx *Tx) size() uint64 { return tx.state.size + uint64(len(tx.pending)) }

// Lookup returns the log index of the record that an author gave an id, those
// of this transaction included.
func (tx *Tx) Lookup(author string, id [16]byte) (index uint64, found bool, err error) {
	if err := tx.check(); err != nil {
		return 0, false, err
	}
	return tx.b.lookupID(author, id)
}

// Add appends a record, which stands at position pos of the ledger entry at
// ledgerIndex, and returns its log index. All records between two seals are
// of one ledger entry, in its order. A record whose (author, id) is there
// already is refused, so ask Lookup first. An error leaves the log without
// the record.
func (tx *Tx) Add(ledgerIndex uint64, pos int, r Record) (index uint64, err error) {
	if err := tx.check(); err != nil {
		return 0, err
	}
	if n := len(tx.pending); n > 0 && (tx.batch.ledger != ledgerIndex || tx.pending[n-1].pos >= pos) || pos < 0 {
		return 0, misused("record %d of ledger entry %d is added out of order", pos, ledgerIndex)
	}
	if r.Author == "" || len(r.Subjects) == 0 {
		return 0, misused("record %d of ledger entry %d has no author or no subject", pos, ledgerIndex)
	}
	for i, s := range r.Subjects {
		for _, other := range r.Subjects[:i] {
			if s == other {
				return 0, misused("record %d of ledger entry %d has the subject %s twice", pos, ledgerIndex, s)
			}
		}
	}
	switch at, found, err := tx.b.lookupID(r.Author, r.ID); {
	case err != nil:
		return 0, err
	case found:
		return 0, misused("record %d of ledger entry %d has the author and id of leaf %d", pos, ledgerIndex, at)
	}
	index = tx.size()
	if err := tx.fail("filing an id", tx.b.putID(r.Author, r.ID, index)); err != nil {
		return 0, err
	}
	if len(tx.pending) == 0 {
		tx.batch = batch{first: index, ledger: ledgerIndex}
	}
	tx.batch.add(uint64(pos))
	for _, s := range r.Subjects {
		tx.histories[s] = append(tx.histories[s], len(tx.pending))
	}
	tx.pending = append(tx.pending, pendingRecord{r.Hash, pos})
	return index, nil
}

// Last returns the newest entry of a history and the number of its entries,
// those of this transaction included; the time of one that no seal covers
// yet is 0. A count of 0 says that there is no such history.
func (tx *Tx) Last(subject string) (e verify.Entry, count uint64, err error) {
	if err := tx.check(); err != nil {
		return e, 0, err
	}
	key := verify.SubjectKey(subject)
	index, count, err := tx.b.lastIndex(&key)
	if err != nil {
		return e, 0, err
	}
	if p := tx.histories[subject]; len(p) > 0 {
		return tx.unsealed(p[len(p)-1]), count + uint64(len(p)), nil
	}
	if count == 0 {
		return e, 0, nil
	}
	entries, err := tx.b.entries([]uint64{index})
	if err != nil {
		return e, 0, err
	}
	return entries[0], count, nil
}

// History returns the entries of a history, oldest first, as Last does; nil
// if there is no such history.
func (tx *Tx) History(subject string) ([]verify.Entry, error) {
	if err := tx.check(); err != nil {
		return nil, err
	}
	entries, err := tx.b.history(subject)
	if err != nil {
		return nil, err
	}
	for _, i := range tx.histories[subject] {
		entries = append(entries, tx.unsealed(i))
	}
	return entries, nil
}

func (tx *Tx) unsealed(i int) verify.Entry {
	return verify.Entry{Index: tx.state.size + uint64(i), Hash: tx.pending[i].hash}
}

// LeafHash returns the RFC 6962 hash of a leaf.
func (tx *Tx) LeafHash(index uint64) ([32]byte, error) {
	switch err := tx.check(); {
	case err != nil:
		return [32]byte{}, err
	case index < tx.state.size:
		return tx.b.leafHash(index)
	case index < tx.size():
		return tx.pending[index-tx.state.size].hash, nil
	}
	return [32]byte{}, outside(fmt.Sprintf("leaf %d", index), tx.size())
}

// Leaf returns the bytes of a leaf: a record's note, or a seal.
func (tx *Tx) Leaf(index uint64) ([]byte, error) {
	switch err := tx.check(); {
	case err != nil:
		return nil, err
	case index < tx.state.size:
		return tx.reader().leaf(index)
	case index < tx.size():
		p := tx.pending[index-tx.state.size]
		return tx.reader().note(index, tx.batch.ledger, uint64(p.pos), p.hash)
	}
	return nil, outside(fmt.Sprintf("leaf %d", index), tx.size())
}

func (tx *Tx) reader() *reader {
	return &reader{b: &tx.b, origin: tx.log.origin, origins: tx.state.origins, ledger: tx.log.ledger}
}

// State returns the value of a state of the rooms above, or nil. The value is
// the caller's to keep.
func (tx *Tx) State(key string) []byte {
	if tx.check() != nil {
		return nil // Commit will say it
	}
	return bytes.Clone(tx.b.state.Get([]byte(key)))
}

// PutState sets a state, or deletes it if the value is nil. Keys are not
// empty and at most 32 KiB; values had better stay under 1.5 KiB. An error
// comes out of Commit.
func (tx *Tx) PutState(key string, value []byte) {
	switch {
	case tx.check() != nil:
	case value == nil:
		tx.fail("deleting a state", tx.b.state.Delete([]byte(key)))
	default:
		tx.fail("putting a state", tx.b.state.Put([]byte(key), bytes.Clone(value)))
	}
}

// SetApplied says which ledger entry was taken in last.
func (tx *Tx) SetApplied(index, term uint64) { tx.state.index, tx.state.term = index, term }

// SetOrigin says of which origin the seals from here on are: a log that goes
// on from another one begins with leaves that are not of its own. It is called
// between batches.
func (tx *Tx) SetOrigin(origin string) {
	s := &tx.state
	if originAt(s.origins, s.size, tx.log.origin) != origin {
		s.origins = append(s.origins[:len(s.origins):len(s.origins)], span{s.size, origin})
	}
}

// Head returns the size and the root right after the newest seal, those of
// this transaction included.
func (tx *Tx) Head() (size uint64, root [32]byte) { return tx.state.size, tx.state.root }

// SetConfiguration keeps opaque bytes of the rooms above.
func (tx *Tx) SetConfiguration(c []byte) { tx.state.configuration = bytes.Clone(c) }
