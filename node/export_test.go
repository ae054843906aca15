package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// What the tests of package node_test, which may use node/embed, need from
// the inside: lies, short cuts, and a look at what is on disk.

// Lies is what a test may have a node do.
type Lies struct {
	ClockUnchecked bool
	Rounds         func() bool  // whether it has heads cosigned; nil for always
	Propose        func() error // becomes of a batch instead of being proposed, if not nil
	MaxTree        int          // bytes of tree.db
	Lawless        bool         // lets into the log what no case allows
	Transport      func(raft.Transport) raft.Transport
	LedgerEntry    func([]byte) []byte // becomes of an entry that another node asks for
	Shameless      bool                // goes on though its tree is contradicted
	Cosign         func([]certs.Sig) []certs.Sig
	Level          int64    // newest feature level that it knows
	Types          []string // record types that it knows beside the program's
}

// Lie makes a node lie.
func (c *Config) Lie(l Lies) {
	c.lie = &liar{clockUnchecked: l.ClockUnchecked, rounds: l.Rounds, maxTree: l.MaxTree, propose: l.Propose, lawless: l.Lawless, transport: l.Transport, ledgerEntry: l.LedgerEntry,
		shameless: l.Shameless, cosign: l.Cosign, level: l.Level, types: l.Types}
}

// Unapplied returns the bytes of ledger entries that the node takes to be
// stored and not yet applied.
func (n *Node) Unapplied() int { return n.ledger.Unapplied() }

// ErrNoLeader is what a proposal meets when leadership was just lost.
var ErrNoLeader error = errNoLeader

// SightEvery shortens the time between two looks at the other nodes.
func (c *Config) SightEvery(d time.Duration) { c.sightEvery = d }

// StuckAfter shortens the time after which a leader without majority ends.
func (c *Config) StuckAfter(d time.Duration) { c.stuckAfter = d }

// Disk has the node take a disk for as full as measure says, and look at it
// every so often.
func (c *Config) Disk(every time.Duration, measure func(path string) (free, size uint64, err error)) {
	c.roomEvery, c.measure = every, measure
}

// Hang has the node look for calls of databases that hang at the given ticks
// only, and fn called at the start of each call.
func (c *Config) Hang(ticks <-chan time.Time, fn func(file string)) { c.hangTicks, c.hang = ticks, fn }

// RateClock is what the rates of requests go by.
func (c *Config) RateClock(now func() time.Time) { c.rateClock = now }

// Released reports whether everything that the node had opened is closed.
func (n *Node) Released() bool {
	select {
	case <-n.released:
		return true
	default:
		return false
	}
}

// Occupy takes places for records under way in a caller's name, if it may
// have so many; Vacate gives them back.
func (n *Node) Occupy(who string, records int) bool { return n.places.take(who, records) }
func (n *Node) Vacate(who string, records int)      { n.places.give(who, records) }

// Propose has the ledger take records that nobody has checked, as a lying
// leader would, and returns what the state machine made of each.
func (n *Node) Propose(at time.Time, notes ...[]byte) ([]error, error) {
	return n.ProposeEntry(EncodeBatch(at, notes...))
}

// ProposeEntry is Propose with bytes of any kind.
func (n *Node) ProposeEntry(data []byte) ([]error, error) {
	r := n.currentRaft()
	if r == nil {
		return nil, errNoLeader
	}
	f := r.Apply(data, time.Second)
	if err := f.Error(); err != nil {
		return nil, err
	}
	res, ok := f.Response().(*batchResult)
	if !ok {
		return nil, fmt.Errorf("the answer is %v", f.Response())
	}
	errs := make([]error, len(res.records))
	for i, o := range res.records {
		errs[i] = o.err
	}
	return errs, nil
}

// EncodeBatch writes a ledger entry.
func EncodeBatch(at time.Time, notes ...[]byte) []byte {
	return (&batch{time: at.UnixMilli(), notes: notes}).encode()
}

// TreeHead is the newest seal's.
func (n *Node) TreeHead() (size uint64, root [32]byte) {
	if v := n.heads.newest(); v != nil {
		defer v.Release()
		return v.Size, v.Root
	}
	return 0, root
}

// Ledger returns the last index of the ledger and of what is committed.
func (n *Node) Ledger() (last, committed uint64) {
	last, _ = n.ledger.LastIndex()
	return last, n.commitIndex()
}

// Entry is the index and term of an entry of the ledger; 0 is the last one.
func (n *Node) Entry(index uint64) (at, term uint64) {
	if index == 0 {
		index, _ = n.ledger.LastIndex()
	}
	e, err := n.ledger.Entry(index)
	if err != nil {
		panic(err)
	}
	return e.Index, e.Term
}

// Authority is all that the node holds of who may write what: members, their
// keys and roles, nodes, governors, rules, in one text.
func (n *Node) Authority() string {
	var b strings.Builder
	n.state.withAuthority(func(a *verify.Authority) {
		for _, s := range a.Subjects() {
			fmt.Fprintf(&b, "%s %s\n", s, a.Encode(s))
		}
	})
	return b.String()
}

// LeadershipTo asks the leader that n is to hand over to another node.
func (n *Node) LeadershipTo(id string) error {
	r := n.currentRaft()
	if r == nil {
		return errNoLeader
	}
	c, err := n.cluster.Node(id)
	if err != nil {
		return err
	}
	return r.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(c.Address)).Error()
}

// TakeGovernance shows the node a proof file of the governance history.
func (n *Node) TakeGovernance(data []byte) error { return n.takeGovernance(data) }

// Consistency is the proof from a size to the newest seal.
func (n *Node) Consistency(from uint64) [][32]byte {
	v := n.heads.newest()
	defer v.Release()
	return n.consistency(v, from)
}

// CosignBody is the body of add-checkpoint.
func CosignBody(old uint64, proof [][32]byte, checkpoint []byte) []byte {
	return formatCosignRequest(&cosignRequest{old, proof, checkpoint})
}

// DoctorLedger rewrites the raft.db of a node that is down: a note becomes
// another in the entry that holds it. Everything that derives from it is
// deleted, so that the node builds a tree of the doctored ledger.
func DoctorLedger(dir string, old, doctored []byte) error {
	return DoctorBatch(dir, old, func(notes [][]byte) [][]byte {
		for i := range notes {
			if bytes.Equal(notes[i], old) {
				notes[i] = doctored
			}
		}
		return notes
	})
}

// DoctorBatch is DoctorLedger with a change of any kind to the notes of the
// entry that holds one.
func DoctorBatch(dir string, held []byte, change func(notes [][]byte) [][]byte) error {
	path := filepath.Join(dir, "raft.db")
	if err := os.Rename(path, path+".true"); err != nil {
		return err
	}
	from, err := store.Open(path+".true", store.Config{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := store.Open(path, store.Config{})
	if err != nil {
		return err
	}
	defer to.Close()
	for _, key := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
		v, err := from.Get([]byte(key))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			err = to.Set([]byte(key), v)
		}
		if err != nil {
			return err
		}
	}
	found := false
	last, _ := from.LastIndex()
	for i := uint64(1); i <= last; i++ {
		e, err := from.Entry(i)
		if err != nil {
			return err
		}
		if e.Type == raft.LogCommand && bytes.Contains(e.Data, held) {
			b, err := decodeBatch(e.Data)
			if err != nil {
				return err
			}
			b.notes, found = change(b.notes), true
			e.Data = b.encode()
		}
		if err := to.StoreLog(e); err != nil {
			return err
		}
	}
	if !found {
		return errors.New("the note is not in the ledger")
	}
	return errors.Join(os.Remove(filepath.Join(dir, "tree.db")), os.Remove(filepath.Join(dir, "heads.db")))
}

// RootAt is the root of this node's tree at a size.
func (n *Node) RootAt(size uint64) ([32]byte, error) {
	v := n.heads.newest()
	if v == nil {
		return [32]byte{}, errStopping
	}
	defer v.Release()
	return v.RootAt(size)
}

// Find looks a record up in the newest tree.
func (n *Node) Find(hash [32]byte) (index uint64, ok bool, err error) {
	v := n.heads.newest()
	if v == nil {
		return 0, false, errStopping
	}
	defer v.Release()
	return v.Find(hash)
}

// SealTime is the log time of the newest seal.
func (n *Node) SealTime() (time.Time, error) {
	v := n.heads.newest()
	if v == nil {
		return time.Time{}, errStopping
	}
	defer v.Release()
	return time.UnixMilli(v.Seal.Time), nil
}

// AskCosign makes the add-checkpoint call; proof is asked for the consistency
// proof from the size that the node says it cosigned last.
func (c *Client) AskCosign(ctx context.Context, checkpoint []byte, proof func(old uint64) [][32]byte) ([]byte, error) {
	req := &cosignRequest{checkpoint: checkpoint}
	data, err := c.do(ctx, "POST", "/add-checkpoint", nil, formatCosignRequest(req))
	var old errOldSize
	if errors.As(err, &old) {
		req.old, req.proof = old.size, proof(old.size)
		data, err = c.do(ctx, "POST", "/add-checkpoint", nil, formatCosignRequest(req))
	}
	return data, err
}

// PushHead tells a node of a tree head.
func (c *Client) PushHead(ctx context.Context, head []byte) error {
	_, err := c.do(ctx, "POST", "/v1/heads", nil, head)
	return err
}

// Raw makes any request and returns the whole answer.
func (c *Client) Raw(req *http.Request) (*http.Response, error) {
	req.URL.Scheme, req.URL.Host = "https", c.Address
	return c.http.Do(req)
}

// AccessHistory is what this node holds of who may read about a vehicle.
func (n *Node) AccessHistory(vin string) (records []*record.Record) {
	view := n.heads.newest()
	defer view.Release()
	err := eachRecord(view, "access/"+vin, func(_ verify.Entry, r *record.Record) error {
		records = append(records, r)
		return nil
	})
	if err != nil {
		panic(err)
	}
	return records
}

// ForgeProof is a proof file of this node's own tree, whoever signed that.
func (n *Node) ForgeProof(subject string, sign func(size uint64, root [32]byte) []byte) ([]byte, error) {
	v := n.heads.newest()
	if v == nil {
		return nil, errStopping
	}
	defer v.Release()
	f, err := proofFile(v, []string{subject}, sign(v.Size, v.Root), nil, nil)
	if err != nil {
		return nil, err
	}
	return f.Bytes(), nil
}

// Kept counts what a node keeps in memory of heads that are not its own, and
// the lines of what it refused of others.
func (n *Node) Kept() (pending, foreign, refused int) {
	n.pendMu.Lock()
	pending = len(n.pending)
	n.pendMu.Unlock()
	n.foreignMu.Lock()
	foreign = len(n.foreign)
	n.foreignMu.Unlock()
	return pending, foreign, len(n.refusals())
}

// StoreEntries puts entries into the raft.db of a node that is down, after its
// last one and of that one's term, as a program that knows more than this one
// would have.
func StoreEntries(dir string, data ...[]byte) error {
	s, err := store.Open(filepath.Join(dir, "raft.db"), store.Config{})
	if err != nil {
		return err
	}
	defer s.Close()
	last, err := s.LastIndex()
	if err != nil {
		return err
	}
	e, err := s.Entry(last)
	if err != nil {
		return err
	}
	for i, d := range data {
		if err := s.StoreLog(&raft.Log{Index: last + uint64(i) + 1, Term: e.Term, Type: raft.LogCommand, Data: d}); err != nil {
			return err
		}
	}
	return nil
}
