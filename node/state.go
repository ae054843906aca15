package node

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"golang.org/x/sync/errgroup"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// Keys of the state that rides in the tree's transactions.
const (
	authorityState = "authority/" // + subject
	createdState   = "created/"   // + vehicle subject: it has its vehicle.created
)

// state is the replicated state machine: the tree, and who may write. It
// decides from the ledger alone. Raft calls ApplyBatch from one goroutine,
// audit calls apply; everything else only reads.
type state struct {
	tree   *log.Log
	origin string

	mu   sync.RWMutex // guards auth against apply, which alone changes it
	auth *verify.Authority
	sigs *sigCache

	lawless bool // takes what no case allows: a lie of tests

	broken error // why nothing is applied any more; of the goroutine that applies

	own     sync.Map                                  // first byte of a proposal's data -> *proposal: this node's own, checked already
	applied func(*log.View)                           // told of each new view, after it is on disk
	begin   func(*raft.Log)                           // told at the start of each batch of entries
	settled func(uint64)                              // told of the newest Raft index that is applied and on disk
	fatal   func(error)                               // an error that must end the process
	changed func([]string)                            // subjects of authority that changed
	skipped func(entry uint64, pos int, reason error) // told of each record that the state machine refused
	bound   atomic.Uint64                             // newest Raft index applied and on disk
}

// outcome is what became of one record of a batch.
type outcome struct {
	index   uint64
	hash    [32]byte
	present bool // it was there before, the same
	err     error
}

// batchResult is what ApplyBatch answers for one ledger entry.
type batchResult struct {
	records []outcome
	size    uint64 // tree size that covers all of them
	root    [32]byte
}

// proposal is a batch that this node proposed, with its records opened and
// their signatures checked.
type proposal struct {
	batch   *batch
	records []*record.Record
	after   <-chan struct{} // closed once the batch before it is with Raft, or has failed
	handed  func()          // this one is
}

func openState(tree *log.Log, origin string) (*state, error) {
	s := &state{tree: tree, origin: origin, sigs: newSigCache()}
	s.auth = verify.NewAuthority(origin)
	s.applied, s.begin, s.changed, s.skipped = func(*log.View) {}, func(*raft.Log) {}, func([]string) {}, func(uint64, int, error) {}
	s.settled = func(uint64) {}
	s.fatal = func(err error) { panic(err) }
	err := tree.States(authorityState, func(key string, value []byte) error {
		return s.auth.Decode(strings.TrimPrefix(key, authorityState), value)
	})
	if err != nil {
		return nil, fmt.Errorf("authority in tree.db: %w", err)
	}
	if err := s.knowsRules(); err != nil {
		return nil, err
	}
	index, _ := tree.Applied()
	s.bound.Store(index)
	return s, nil
}

// knowsRules refuses to run when the log has types or a feature level that
// this program lacks: it would judge differently from the others.
func (s *state) knowsRules() error {
	g := s.auth.Governance
	if g == nil {
		return nil
	}
	if g.Level > featureLevel {
		return fault.New("newer_needed", "", fmt.Sprintf("the log is at feature level %d, this program at %d", g.Level, featureLevel)).WithHint("install a newer milepost")
	}
	for _, t := range g.Rules.Types {
		if record.Lookup(t) == nil {
			return fault.New("newer_needed", "", "the log knows "+t+", this program does not").WithHint("install a newer milepost")
		}
	}
	return nil
}

// featureLevel is the newest replicated command that this program knows.
const featureLevel = 1

// withAuthority calls fn with the authority as of the newest record, which
// fn must neither keep nor change.
func (s *state) withAuthority(fn func(*verify.Authority)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	fn(s.auth)
}

// ApplyBatch implements raft.BatchingFSM: one transaction for all. After an
// error nothing is ever applied again: the answers are that error, and the
// node ends.
func (s *state) ApplyBatch(entries []*raft.Log) []any {
	if s.broken == nil {
		s.begin(entries[len(entries)-1])
		var results []any
		err := log.Guard(func() (err error) { results, err = s.apply(entries); return err })
		if err == nil {
			return results
		}
		s.broken = fmt.Errorf("apply ledger entries %d to %d: %w", entries[0].Index, entries[len(entries)-1].Index, err)
		s.fatal(s.broken)
	}
	failed := make([]any, len(entries))
	for i := range failed {
		failed[i] = s.broken
	}
	return failed
}

// Apply implements raft.FSM; Raft calls ApplyBatch instead.
func (s *state) Apply(l *raft.Log) any { return s.ApplyBatch([]*raft.Log{l})[0] }

// Snapshot and Restore are never called: the ledger is never compacted.
func (s *state) Snapshot() (raft.FSMSnapshot, error) {
	return nil, fmt.Errorf("snapshots are never taken")
}
func (s *state) Restore(io.ReadCloser) error { return fmt.Errorf("snapshots are never restored") }

func (s *state) apply(entries []*raft.Log) ([]any, error) {
	work := make([]*proposal, len(entries))
	if err := s.open(entries, work); err != nil {
		return nil, err
	}
	tx, err := s.tree.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // nothing after Commit
	results := make([]any, len(entries))
	var changed []string
	for i, e := range entries {
		if e.Type == raft.LogConfiguration {
			tx.SetConfiguration(append(binary.BigEndian.AppendUint64(nil, e.Index), e.Data...))
		} else if results[i], err = s.applyEntry(tx, e, work[i], &changed); err != nil {
			return nil, err
		}
		tx.SetApplied(e.Index, e.Term)
	}
	for _, subject := range changed {
		tx.PutState(authorityState+subject, s.auth.Encode(subject))
	}
	view, err := tx.Commit()
	if err != nil {
		return nil, store.WriteError(err)
	}
	// On disk from here on. A crash before this line applies the same entries
	// again, from the ledger, to the same end.
	s.bound.Store(entries[len(entries)-1].Index)
	s.settled(entries[len(entries)-1].Index)
	if len(changed) > 0 {
		s.changed(changed)
	}
	if view != nil {
		s.applied(view)
	}
	return results, nil
}

// open decodes the entries, opens their records and checks the signatures
// of all, in parallel, before the transaction begins. What this node
// proposed itself it has checked already; that is told by the identity of
// the data, never by a field inside it, which anyone could set.
func (s *state) open(entries []*raft.Log, work []*proposal) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, e := range entries {
		if e.Type != raft.LogCommand {
			continue
		}
		if len(e.Data) > 0 {
			if p, ok := s.own.LoadAndDelete(&e.Data[0]); ok {
				work[i] = p.(*proposal)
				continue
			}
		}
		b, err := decodeBatch(e.Data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
		p := &proposal{batch: b, records: make([]*record.Record, len(b.notes))}
		work[i] = p
		const chunk = 32
		for lo := 0; lo < len(b.notes); lo += chunk {
			g.Go(func() error {
				for j := lo; j < min(lo+chunk, len(b.notes)); j++ {
					p.records[j], _ = record.Open(b.notes[j]) // nil: refused below, with its reason
					s.precheck(p.records[j])
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// checked marks a record whose one signature fits its author's key. A key is
// registered once for ever under its name and ID, so that the mark stays
// true whatever happens before the record is applied; whether the key counts
// there is decided then.
type checked struct{ public, sig string }

// precheck checks an ordinary record's signature ahead of its turn.
func (s *state) precheck(r *record.Record) bool {
	if r == nil || len(r.Sigs) != 1 {
		return false
	}
	s.mu.RLock()
	k := s.auth.Key(r)
	s.mu.RUnlock()
	if k == nil || !s.sigs.verify(k.Public, []byte(r.Text), r.Sigs[0].Bytes) {
		return false
	}
	r.Checked = checked{string(k.Public), string(r.Sigs[0].Bytes)}
	return true
}

// check asks the authority, trusting the mark of precheck.
func (s *state) check(r *record.Record, at verify.Place) error {
	mark, _ := r.Checked.(checked)
	return s.auth.Check(r, at, func(public, text, sig []byte) bool {
		if mark.public == string(public) && mark.sig == string(sig) {
			return true
		}
		return s.sigs.verify(public, text, sig)
	})
}

func (s *state) applyEntry(tx *log.Tx, e *raft.Log, p *proposal, changed *[]string) (*batchResult, error) {
	res := &batchResult{records: make([]outcome, len(p.records))}
	t := max(p.batch.time, tx.SealTime())
	added := false
	for i, r := range p.records {
		o := &res.records[i]
		if r == nil {
			_, o.err = record.Open(p.batch.notes[i])
		} else if err := s.applyRecord(tx, e.Index, i, r, t, o, changed); err != nil {
			return nil, err
		}
		if o.err != nil {
			s.skipped(e.Index, i, o.err)
		}
		added = added || o.err == nil && !o.present
	}
	if added {
		sealed, err := tx.Seal(p.batch.time)
		if err != nil {
			return nil, err
		}
		res.size, res.root = sealed.Size, sealed.Root
	}
	return res, nil
}

// applyRecord decides about one record and, if it may stand, appends it. The
// error that it returns is of the disk; what is wrong with the record is in
// the outcome.
func (s *state) applyRecord(tx *log.Tx, ledgerIndex uint64, pos int, r *record.Record, t int64, o *outcome, changed *[]string) error {
	o.hash = r.Hash
	index, found, err := tx.Lookup(r.Author, r.UUID)
	if err != nil {
		return err
	}
	if found {
		return s.again(tx, r, index, o)
	}
	at := verify.Place{Index: tx.Size(), Time: t}
	if o.err = s.check(r, at); o.err != nil {
		return nil
	}
	vehicle := r.Subject("vehicle")
	if r.Type == "vehicle.created/1" && tx.State(createdState+vehicle) != nil {
		o.err = fault.New("created_twice", "type", vehicle+" has its vehicle.created already")
		return nil
	}
	for _, ref := range r.References() {
		if o.err, err = s.checkReference(tx, r, ref); err != nil || o.err != nil {
			return err
		}
	}
	if o.err, err = s.takeCase(tx, r, at); err != nil || o.err != nil {
		return err
	}
	if o.index, err = tx.Add(ledgerIndex, pos, log.Record{Hash: r.Hash, Author: r.Author, ID: r.UUID, Subjects: r.Subjects}); err != nil {
		return err
	}
	if r.Type == "vehicle.created/1" {
		tx.PutState(createdState+vehicle, []byte{1})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	subject := s.auth.Apply(r, at)
	if subject != "" {
		*changed = append(*changed, subject)
	}
	if subject == record.Governance {
		// Before anything that this program might judge differently is on disk.
		return s.knowsRules()
	}
	return nil
}

// again answers for a record whose author and id are on the log.
func (s *state) again(tx *log.Tx, r *record.Record, index uint64, o *outcome) error {
	hash, err := tx.LeafHash(index)
	if err != nil {
		return err
	}
	if hash != r.Hash {
		// The signature may differ where the text does not.
		leaf, err := tx.Leaf(index)
		if err != nil {
			return err
		}
		if n, err := certs.ParseNote(leaf, record.MaxBytes, record.MaxSignatures); err != nil || n.Text != r.Text {
			o.err = fault.New("id_reused", "id", fmt.Sprintf("%s has used this id for another record, at log index %d", r.Author, index))
			return nil
		}
	}
	o.index, o.hash, o.present = index, hash, true
	return nil
}

// checkReference finds the record that r refers to, which must be on the log
// already, and asks the authority.
func (s *state) checkReference(tx *log.Tx, r *record.Record, ref record.Reference) (refused, err error) {
	hash, err := hex.DecodeString(ref.Hash)
	if err != nil {
		return nil, err
	}
	index, ok, err := tx.Find([32]byte(hash))
	if err != nil {
		return nil, err
	}
	var other *record.Record
	if ok {
		if other, err = openLeaf(tx, index); err != nil {
			return nil, err
		}
	}
	return s.auth.CheckReference(r, ref, other), nil
}

// openLeaf opens the record at a log index; nil for a seal.
func openLeaf(tx *log.Tx, index uint64) (*record.Record, error) {
	leaf, err := tx.Leaf(index)
	if err != nil {
		return nil, err
	}
	r, _ := record.Open(leaf)
	return r, nil
}
