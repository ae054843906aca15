package node

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/raft"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// walk reads a ledger and its tree side by side, everything in them once, in
// steps: `node check` takes them one after the other, the scrub of a running
// node with pauses between. It computes leaf hashes from the ledger's bytes,
// tiles from the tiles below, histories from their leaves, and what governance,
// members and cases are from their records. Signatures of records are left to
// an audit: the tree's root, which cosigners signed, vouches for the bytes.
type walk struct {
	node   string
	ledger *store.Store
	found  func(Damage)

	auth    *verify.Authority // as the records say, in their order
	cases   caseStates        // as the records say, in their order
	whole   bool              // auth and cases have seen all of them
	created int               // vehicles that have their vehicle.created
	config  []byte            // newest configuration of Raft, after its index

	entry, leaf    uint64 // next of each
	term           uint64
	records, seals uint64
	histories      int
	lastKey        []byte // of the histories looked at
}

// errWalkEnds says that the rest can't be reached; what is in the way has
// been told.
var errWalkEnds = errors.New("the rest cannot be read")

func newWalk(node, origin string, ledger *store.Store, found func(Damage)) *walk {
	return &walk{node: node, ledger: ledger, found: found, auth: verify.NewSuccessor(origin), cases: caseStates{}, whole: true, entry: 1}
}

func (w *walk) bad(d Damage, format string, args ...any) {
	d.Node, d.What = w.node, fmt.Sprintf(format, args...)
	w.found(d)
}

func (w *walk) badTree(err error) { w.bad(Damage{File: treeFile}, "%v", err) }

// ledgerStep goes on by about so many bytes of the ledger, up to where a view
// stands; done says that it is there.
func (w *walk) ledgerStep(v *log.View, budget int) (done bool, read int, err error) {
	applied, _, err := v.Applied()
	if err != nil {
		w.badTree(err)
		return false, 0, errWalkEnds
	}
	for w.entry <= applied {
		if read >= budget {
			return false, read, nil
		}
		n, err := w.next(v)
		if err != nil {
			return false, read, err
		}
		read += n
	}
	return true, read, nil
}

// next looks at one entry and the leaves that were made of it.
func (w *walk) next(v *log.View) (read int, err error) {
	i := w.entry
	w.entry++
	var b *log.Batch
	for b == nil && w.leaf < v.Size {
		if b, err = v.Batch(w.leaf); err != nil {
			w.badTree(err)
			return 0, errWalkEnds
		}
		if b.First != w.leaf {
			w.bad(Damage{File: treeFile, Leaf: &b.First}, "its batch begins at leaf %d, the one before ends below %d", b.First, w.leaf)
			return 0, errWalkEnds
		}
		if b.Entry < i {
			w.bad(Damage{File: treeFile, Leaf: &b.First, Entry: b.Entry}, "its batch is said to come from an earlier ledger entry than it can")
			w.leaf, w.whole, b = b.Seal+1, false, nil
		}
	}
	if b != nil && b.Entry != i {
		b = nil // the entry gave no leaves
	}
	e, err := w.ledger.Entry(i)
	if err != nil {
		w.badEntry(v, i, b, err)
		if b != nil {
			w.leaf, w.whole = b.Seal+1, false
		}
		return 0, nil
	}
	if e.Term < w.term {
		w.bad(Damage{File: ledgerFile, Entry: i}, "it is of term %d, the one before of %d", e.Term, w.term)
	}
	w.term = e.Term
	if e.Type == raft.LogConfiguration {
		w.config = append(binary.BigEndian.AppendUint64(nil, i), e.Data...)
	}
	if e.Type == raft.LogCommand {
		batch, err := decodeBatch(e.Data)
		if err != nil {
			w.bad(Damage{File: ledgerFile, Entry: i}, "%v", err)
		} else if b != nil {
			w.leaves(v, b, batch)
		}
	} else if b != nil {
		w.bad(Damage{File: treeFile, Leaf: &b.First, Entry: i}, "its batch is said to come from a ledger entry that holds no records")
		w.whole = false
	}
	if b != nil {
		w.leaf = b.Seal + 1
	}
	return len(e.Data) + 64, nil
}

// badEntry names an entry that can't be read and, if its bytes still give its
// records, which of these it is.
func (w *walk) badEntry(v *log.View, i uint64, b *log.Batch, cause error) {
	d := Damage{File: ledgerFile, Entry: i}
	if b == nil {
		w.bad(d, "%v", cause)
		return
	}
	_, l, err := w.ledger.Salvage(i)
	var notes [][]byte
	if err == nil && l != nil {
		if batch, err := decodeBatch(l.Data); err == nil {
			notes = batch.notes
		}
	}
	if notes == nil {
		w.bad(d, "its records, leaves %d to %d, cannot be told apart: %v", b.First, b.Seal-1, cause)
		return
	}
	named := 0
	for leaf := b.First; leaf < b.Seal; leaf++ {
		pos := b.Pos(leaf)
		want, err := v.LeafHash(leaf)
		if err != nil || pos < len(notes) && verify.LeafHash(notes[pos]) == want {
			continue
		}
		named++
		d.Leaf, d.Position, d.LeafHash = &leaf, &pos, verify.Hex(want)
		if pos < len(notes) {
			d.Record = describe(notes[pos])
		}
		w.bad(d, "its bytes do not have the leaf hash that the tree holds")
	}
	if named == 0 {
		w.bad(d, "its records, leaves %d to %d, are whole; the damage is beside them: %v", b.First, b.Seal-1, cause)
	}
}

// describe says which record a note is, "" if it can't be read.
func describe(note []byte) string {
	r, err := record.Open(note)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s by %s, id %s", r.Type, r.Author, r.ID)
}

// leaves holds the records of an entry against the tree's leaves.
func (w *walk) leaves(v *log.View, b *log.Batch, batch *batch) {
	for leaf := b.First; leaf < b.Seal; leaf++ {
		pos := b.Pos(leaf)
		if err := w.record(v, b, leaf, pos, batch); err != nil {
			w.bad(Damage{File: treeFile, Leaf: &leaf, Entry: b.Entry, Position: &pos}, "%v", err)
			w.whole = false
		}
	}
	want, err := v.LeafHash(b.Seal)
	switch {
	case err != nil:
		w.badTree(err)
	case want != v.SealHash(b):
		seal := b.Seal
		w.bad(Damage{File: treeFile, Leaf: &seal, LeafHash: verify.Hex(want)}, "the seal that its batch gives has another leaf hash, %s", verify.Hex(v.SealHash(b)))
	}
	w.seals++
	if err := v.CheckTiles(b.First, b.Seal+1); err != nil {
		w.badTree(err)
	}
}

// record checks one leaf. The error is damage of tree.db; what is wrong with
// the ledger it tells itself.
func (w *walk) record(v *log.View, b *log.Batch, leaf uint64, pos int, batch *batch) error {
	stored, err := v.LeafHash(leaf)
	if err != nil {
		return err
	}
	if pos >= len(batch.notes) {
		return fmt.Errorf("it is said to stand at a position that its ledger entry of %d records does not have", len(batch.notes))
	}
	note := batch.notes[pos]
	if hash := verify.LeafHash(note); hash != stored {
		w.whole = false
		d := Damage{File: treeFile, Leaf: &leaf, Entry: b.Entry, Position: &pos, LeafHash: verify.Hex(hash), Record: describe(note)}
		switch {
		case !included(v, leaf, stored):
			w.bad(d, "its leaf hash in tree.db is %s, which is not under the tree's own root", verify.Hex(stored))
		case slices.ContainsFunc(batch.notes, func(n []byte) bool { return verify.LeafHash(n) == stored }):
			w.bad(d, "its place in the ledger is wrong in tree.db")
		default:
			d.File, d.LeafHash = ledgerFile, verify.Hex(stored)
			w.bad(d, "the ledger holds another record there, with leaf hash %s, under a checksum that fits: this is no flipped bit", verify.Hex(hash))
		}
		return nil
	}
	r, err := record.Open(note)
	if err != nil {
		return fmt.Errorf("a leaf that is no record: %w", err)
	}
	w.records++
	switch at, ok, err := v.Lookup(r.Author, r.UUID); {
	case err != nil:
		return err
	case !ok || at != leaf:
		return fmt.Errorf("the index of ids does not lead to it")
	}
	switch _, ok, err := v.Find(stored); {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("the index of leaf hashes does not lead to it")
	}
	if r.Type == "vehicle.created/1" {
		w.created++
		if s, err := v.State(createdState + r.Subject("vehicle")); err != nil || len(s) == 0 {
			return fmt.Errorf("tree.db does not know that the vehicle was created")
		}
	}
	if w.whole {
		at := verify.Place{Index: leaf, Time: b.Time}
		w.takeCase(v, r, at)
		w.auth.Apply(r, at)
	}
	return nil
}

// takeCase takes a record into its case as the state machine did. Whether it
// may stand there is for an audit: what is refused changes nothing.
func (w *walk) takeCase(v *log.View, r *record.Record, at verify.Place) {
	if r.Def.Case == "" || w.auth.Governance == nil || w.auth.Members[r.Author] == nil {
		return
	}
	f := w.auth.CaseFacts(r, at)
	f.Find = func(_, hash string) (found cases.Found) {
		raw, err := hex.DecodeString(hash)
		if err != nil || len(raw) != 32 {
			return found
		}
		index, ok, err := v.Find([32]byte(raw))
		if err == nil && ok && index < at.Index {
			found.Index = index
			if found.Time, err = v.Time(index); err == nil {
				var leaf []byte
				leaf, err = v.Leaf(index)
				found.Record, _ = record.Open(leaf) // nil for a seal
			}
		}
		if err != nil {
			w.whole = false // told where that leaf is read
		}
		return found
	}
	cases.Apply(w.cases, r, f)
}

// caseStates is a cases.Store: states of cases by their keys in tree.db, as
// they stand there.
type caseStates map[string][]byte

func (m caseStates) Case(subject, id string) *cases.State {
	c, _ := cases.DecodeState(m[caseState+subject+"/"+id])
	return c
}

func (m caseStates) SetCase(subject string, c *cases.State) {
	m[caseState+subject+"/"+c.ID] = cases.Encode(c)
}

func (m caseStates) Target(vehicle, hash string) *cases.Standing {
	t, _ := cases.DecodeStanding(m[targetState+vehicle+"/"+hash])
	return t
}

func (m caseStates) SetTarget(vehicle string, t *cases.Standing) {
	m[targetState+vehicle+"/"+t.Hash] = cases.Encode(t)
}

// included reports whether a leaf hash is under the root of a view.
func included(v *log.View, leaf uint64, hash [32]byte) bool {
	p, err := v.Inclusion(leaf)
	if err != nil {
		return false
	}
	hashes := make([][]byte, len(p))
	for i := range p {
		hashes[i] = p[i][:]
	}
	return proof.VerifyInclusion(rfc6962.DefaultHasher, leaf, v.Size, hash[:], hashes, v.Root[:]) == nil
}

// historyStep goes on by n histories.
func (w *walk) historyStep(v *log.View, n int) (done bool, err error) {
	last, seen, err := v.CheckHistories(w.lastKey, n, func(first uint64, known bool, err error) {
		d := Damage{File: treeFile}
		if known {
			if note, err := v.Leaf(first); err == nil {
				d.Record = describe(note)
			}
			d.Leaf = &first
		}
		w.bad(d, "%v", err)
	})
	if err != nil {
		w.badTree(err)
		return false, errWalkEnds
	}
	w.lastKey, w.histories = last, w.histories+seen
	return last == nil, nil
}

// end checks, once the ledger is read up to where a view stands, what is one
// for all leaves: the root, the right edge, and the state.
func (w *walk) end(v *log.View) {
	if w.leaf != v.Size {
		w.bad(Damage{File: treeFile}, "its leaves from %d on come from no ledger entry", w.leaf)
	}
	if err := v.CheckRoot(); err != nil {
		w.badTree(err)
	}
	switch c, err := v.Configuration(); {
	case err != nil:
		w.badTree(err)
	case len(w.config) > 0 && string(c) != string(w.config):
		w.bad(Damage{File: treeFile}, "its configuration of Raft is not the ledger's newest")
	}
	if index, term, err := v.Applied(); err != nil {
		w.badTree(err)
	} else if e, err := w.ledger.Entry(index); err == nil && e.Term != term {
		w.bad(Damage{File: treeFile}, "it has taken ledger entry %d of term %d, the ledger's is of %d", index, term, e.Term)
	}
	if !w.whole {
		return // what governance, members and cases are can't be told; the reason has been
	}
	for _, s := range w.auth.Subjects() {
		w.state(v, authorityState+s, w.auth.Encode(s))
	}
	cases := map[string]int{} // by prefix
	for _, key := range sortedKeys(w.cases) {
		w.state(v, key, w.cases[key])
		cases[key[:strings.Index(key, "/")+1]]++
	}
	for _, c := range []struct {
		prefix string
		want   int
	}{
		{authorityState, len(w.auth.Subjects())}, {createdState, w.created},
		{caseState, cases[caseState]}, {targetState, cases[targetState]},
	} {
		if n, err := v.CountStates(c.prefix); err != nil {
			w.badTree(err)
		} else if n != c.want {
			w.bad(Damage{File: treeFile}, "it has %d states of %s, the ledger gives %d", n, c.prefix, c.want)
		}
	}
}

// state holds a state of tree.db against what the ledger gives.
func (w *walk) state(v *log.View, key string, want []byte) {
	if kept, err := v.State(key); err != nil {
		w.badTree(err)
	} else if string(kept) != string(want) {
		w.bad(Damage{File: treeFile}, "what it says of %s is not what the ledger gives", strings.TrimPrefix(key, authorityState))
	}
}
