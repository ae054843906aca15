package node

import (
	"encoding/hex"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// Keys of the states of cases, followed by a subject and a leaf hash.
const (
	caseState   = "case/"
	targetState = "target/"
)

// takeCase takes a record that is about to be appended into its case. Nearly
// every record has none.
func (s *state) takeCase(tx *log.Tx, r *record.Record, at verify.Place) (refused, err error) {
	if r.Def.Case == "" {
		return nil, nil
	}
	c := &caseStore{tx: tx, time: at.Time}
	f := s.auth.CaseFacts(r, at)
	f.Find = c.find
	if refused = cases.Apply(c, r, f); s.lawless {
		refused = nil
	}
	return refused, c.err
}

// caseStore keeps cases in the tree's transaction.
type caseStore struct {
	tx   *log.Tx
	time int64 // log time of the batch that the transaction is adding, ms
	err  error // of the disk, or a state that cannot be read: the first
}

func (c *caseStore) Case(subject, id string) *cases.State {
	return stored(c, caseState+subject+"/"+id, cases.DecodeState)
}

func (c *caseStore) SetCase(subject string, s *cases.State) {
	c.tx.PutState(caseState+subject+"/"+s.ID, cases.Encode(s))
}

func (c *caseStore) Target(vehicle, hash string) *cases.Standing {
	return stored(c, targetState+vehicle+"/"+hash, cases.DecodeStanding)
}

func (c *caseStore) SetTarget(vehicle string, t *cases.Standing) {
	c.tx.PutState(targetState+vehicle+"/"+t.Hash, cases.Encode(t))
}

func stored[T any](c *caseStore, key string, decode func([]byte) (*T, error)) *T {
	b := c.tx.State(key)
	if b == nil {
		return nil
	}
	v, err := decode(b)
	if err != nil && c.err == nil {
		c.err = err
	}
	return v
}

// find looks through the whole log: a leaf hash is there once, and whoever
// asks looks at the record's own subjects.
func (c *caseStore) find(_, hash string) (found cases.Found) {
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != 32 {
		return found
	}
	index, ok, err := c.tx.Find([32]byte(raw))
	if err == nil && ok {
		var e verify.Entry
		if e, err = c.tx.Entry(index); err == nil {
			found = cases.Found{Index: index, Time: e.Time}
			if found.Time == 0 { // of this batch: its seal is to come
				found.Time = c.time
			}
			found.Record, err = openLeaf(c.tx, index)
		}
	}
	if err != nil && c.err == nil {
		c.err = err
	}
	return found
}

// casework reads the cases of subjects, as they stand on disk, into a book.
func casework(tree *log.Log, book *cases.Memory, subjects ...string) error {
	for _, subject := range subjects {
		err := tree.States(caseState+subject+"/", func(_ string, value []byte) error {
			c, err := cases.DecodeState(value)
			if err == nil {
				book.SetCase(subject, c)
			}
			return err
		})
		if err != nil {
			return err
		}
		err = tree.States(targetState+subject+"/", func(_ string, value []byte) error {
			t, err := cases.DecodeStanding(value)
			if err == nil {
				book.SetTarget(subject, t)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
