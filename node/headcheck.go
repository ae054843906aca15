package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// policiesIn reads all policies of an origin that were ever in force from the
// governance history of a view, oldest first. Those of predecessors are not
// among them: no head of theirs is one of this log.
func policiesIn(view *log.View, origin string) (all []policyAt, err error) {
	err = eachRecord(view, record.Governance, func(e verify.Entry, r *record.Record) (err error) {
		if r.Origin != origin {
			return nil
		}
		all, err = appendPolicy(all, e.Index, r)
		return err
	})
	return all, err
}

// policyAtSize is the policy in force for a head of a size; nil if none is.
func policyAtSize(all []policyAt, size uint64) (p *verify.Policy) {
	for i := range all {
		if all[i].index < size {
			p = all[i].policy
		}
	}
	return p
}

// headWalk holds what heads.db keeps against a tree, in steps.
type headWalk struct {
	node  string
	found func(Damage)
	next  []byte // key of the next cosigned head; nil for the first
	heads int
	still bool // nothing grows while this walks: the node is stopped
}

func (w *headWalk) bad(format string, args ...any) {
	w.found(Damage{Node: w.node, File: headsFile, What: fmt.Sprintf(format, args...)})
}

// step goes on by n heads; done says that all were seen, the published one and
// the bridges too. Heads beyond the view are left to the next time.
func (w *headWalk) step(db *bolt.DB, v *log.View, n int) (done bool, err error) {
	all, err := policiesIn(v, v.Seal.Origin)
	if err != nil { // which is not for heads.db to answer
		d := Damage{Node: w.node, File: treeFile, What: err.Error()}
		if fault.Code(err) == "ledger_corrupt" {
			d.File = ledgerFile
		}
		w.found(d)
		return false, errWalkEnds
	}
	err = log.Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			cosigned, published, bridges := tx.Bucket(cosignedBucket), tx.Bucket(publishedBucket), tx.Bucket(bridgesBucket)
			if cosigned == nil || published == nil || bridges == nil {
				w.bad("it is not a file of heads")
				return errWalkEnds
			}
			c := cosigned.Cursor()
			k, val := c.Seek(w.next)
			for ; k != nil && n > 0; k, val = c.Next() {
				w.cosigned(v, all, k, val)
				n--
			}
			if k != nil {
				w.next = append([]byte(nil), k...)
				return nil
			}
			done = true
			w.published(v, all, published.Get([]byte("newest")))
			if k, _ := published.Cursor().First(); k != nil && published.Get([]byte("newest")) == nil {
				w.bad("the newest head with a quorum stands under another name")
			}
			return bridges.ForEach(func(k, val []byte) error {
				p, err := verify.ParseTLogProof(val)
				if err == nil && (len(k) != 8 || p.Index != binary.BigEndian.Uint64(k)) {
					err = errors.New("it is of another record")
				}
				if err != nil {
					w.bad("a head that changed the policy: %v", err)
				}
				return nil
			})
		})
	})
	if err != nil && !errors.Is(err, errWalkEnds) {
		w.bad("%v", err)
		err = errWalkEnds
	}
	return done, err
}

func (w *headWalk) cosigned(v *log.View, all []policyAt, k, val []byte) {
	if len(k) != 8 || len(val) < 40 {
		w.bad("an entry cannot be read")
		return
	}
	size := binary.BigEndian.Uint64(k)
	if size > v.Size {
		// In a running node the tree may have grown since the view was taken.
		if size > v.Size+1<<32 || w.still && !logSigned(headText(v, size, val), all) {
			w.bad("a cosigned head is said to cover %d leaves", size)
		}
		return
	}
	w.heads++
	if root, err := v.RootAt(size); err != nil || root != [32]byte(val[:32]) {
		w.bad("the head that this node cosigned at size %d has root %x, its tree gives %s", size, val[:32], verify.Hex(root))
		return
	}
	if !logSigned(headText(v, size, val), all) {
		w.bad("the log key's signature that was cosigned at size %d does not fit", size)
	}
}

// headText writes an entry of the cosigned heads as the note that it is of.
func headText(v *log.View, size uint64, val []byte) []byte {
	c := verify.Checkpoint{Origin: v.Seal.Origin, Size: size, Root: [32]byte(val[:32])}
	return []byte(c.Text() + "\n" + string(val[40:]))
}

// logSigned reports whether a note carries a signature of a log key of any of
// the policies.
func logSigned(msg []byte, all []policyAt) bool {
	note, err := certs.ParseNote(msg, verify.MaxCheckpoint, 4)
	if err != nil {
		return false
	}
	for _, s := range note.Sigs {
		for i := range all {
			for _, key := range all[i].policy.Logs() {
				if key.Name() == s.Name && key.ID() == s.ID && key.Verify([]byte(note.Text), s.Bytes) {
					return true
				}
			}
		}
	}
	return false
}

func (w *headWalk) published(v *log.View, all []policyAt, note []byte) {
	if note == nil {
		return
	}
	c, _, err := verify.ParseCheckpoint(note)
	if err != nil {
		w.bad("the newest head with a quorum: %v", err)
		return
	}
	if c.Size > v.Size {
		return
	}
	if root, err := v.RootAt(c.Size); err != nil || root != c.Root {
		w.bad("the newest head with a quorum, of size %d, has root %s, the tree gives %s", c.Size, verify.Hex(c.Root), verify.Hex(root))
		return
	}
	policy := policyAtSize(all, c.Size)
	if policy == nil {
		return
	}
	// In the far future no cosignature lies ahead: this is about bytes, not
	// about clocks.
	if _, err := policy.Check(note, time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		w.bad("the newest head with a quorum: %v", err)
	}
}
