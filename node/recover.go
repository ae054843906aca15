package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/durable"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/verify"
)

// recoveredFile marks a data directory that another log went on from.
const recoveredFile = "successor.json"

// RecoverOptions say which node goes on from what.
type RecoverOptions struct {
	Cluster  *Cluster // of the log that goes on; its founding file is the signed genesis
	ID       string   // of the node: the seed that the genesis names
	From     string   // data directory of the survivor, stopped
	Now      time.Time
	Progress func(done, total uint64) // may be nil
}

// RecoverReport says what a recovered log begins with.
type RecoverReport struct {
	Origin      string `json:"origin"`
	Predecessor string `json:"predecessor"`
	Size        uint64 `json:"size"` // leaves of the predecessor
	Entries     uint64 `json:"ledger_entries"`
	Root        string `json:"root"` // after the genesis
}

// Recover makes the data directory of the node that a log begins with which
// goes on from another one. Its ledger is: Raft's first configuration, in
// which this node alone votes; the entries of the survivor's ledger that made
// the leaves of the predecessor, as they are; the genesis. The same state
// machine takes them, signatures and all, and must give the root that the
// governors have signed. Other nodes fetch that ledger from this one.
//
// The survivor's directory stays as it is, but for a mark that no other log
// goes on from it and no node runs on it. Codes: not_seed, predecessor,
// recovered, data_in_use, dir_not_empty, disk_full, and those of a ledger.
func Recover(ctx context.Context, opt RecoverOptions) (*RecoverReport, error) {
	if _, err := opt.Cluster.Node(opt.ID); err != nil {
		return nil, err
	}
	founding, err := ReadFounding(opt.Cluster.FoundingPath())
	if err != nil {
		return nil, err
	}
	p := verify.PredecessorOf(founding.Genesis)
	if p == nil {
		return nil, fault.New("predecessor", opt.Cluster.FoundingPath(), "this founding goes on from no other log")
	}
	if seed := founding.Genesis.Body.Get("seed").Str; seed != opt.ID {
		return nil, fault.New("not_seed", "node "+opt.ID, "the governors have signed that the log begins on node "+seed+", and on no other").
			WithHint("start this node as it is: milepost node run --node " + opt.ID + "; it fetches everything from there")
	}
	if err := refuseRecovered(opt.From, founding.Origin); err != nil {
		return nil, err
	}
	s, err := stage(opt.Cluster.DataPath(opt.ID))
	if err != nil {
		return nil, err
	}
	defer s.drop()
	r := &recovery{opt: &opt, founding: founding, p: p, dir: s.tmp}
	rep, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	// From here on no other log may begin with these leaves. A crash before
	// the directory is in place leaves a mark that lets this log begin again.
	if err := markRecovered(opt.From, founding.Origin, p); err != nil {
		return nil, err
	}
	return rep, s.place()
}

// recovery is one run of Recover.
type recovery struct {
	opt      *RecoverOptions
	founding *Founding
	p        *verify.Predecessor
	dir      string // where it grows
	ledger   *store.Store
	last     uint64 // newest entry of it
	chunk    []*raft.Log
	bytes    int // of chunk
}

func (r *recovery) run(ctx context.Context) (rep *RecoverReport, err error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.ledger.Close()) }()
	if err := new(Survivor).open(r.opt.From, r.copy); err != nil {
		return nil, err
	}
	return r.replay(ctx)
}

// copy takes over what made the leaves of the predecessor.
func (r *recovery) copy(from *store.Store, view *log.View) error {
	differs := func(what string) error {
		return fault.New("predecessor", r.opt.From, what).
			WithHint("the governors have signed what was there when the genesis was drafted: take that node's data, or have another genesis signed")
	}
	if view.Seal.Origin != r.p.Origin || view.Size != r.p.Size || verify.Hex(view.Root) != r.p.Root {
		return differs(fmt.Sprintf("it holds %s at size %d with root %s, the genesis goes on from %s at size %d with root %s",
			view.Seal.Origin, view.Size, verify.Hex(view.Root), r.p.Origin, r.p.Size, r.p.Root))
	}
	end, _, _, err := view.Place(view.Size - 1)
	if err != nil {
		return err
	}
	for i := uint64(1); i <= end; i++ {
		e, err := from.Entry(i)
		if err != nil {
			return fmt.Errorf("ledger entry %d of the survivor: %w", i, err)
		}
		if e.Type != raft.LogCommand {
			continue // Raft's own, of nodes that are no more
		}
		if err := r.store(e.Data); err != nil {
			return err
		}
	}
	return r.flush()
}

// store adds a batch to the new ledger.
func (r *recovery) store(data []byte) error {
	r.last++
	r.chunk, r.bytes = append(r.chunk, &raft.Log{Index: r.last, Term: 1, Type: raft.LogCommand, Data: data}), r.bytes+len(data)
	if r.bytes < recoverChunk {
		return nil
	}
	return r.flush()
}

func (r *recovery) flush() error {
	err := r.ledger.StoreLogs(r.chunk)
	r.chunk, r.bytes = nil, 0
	return err
}

// recoverChunk is how many bytes of the ledger are written at once.
const recoverChunk = 4 << 20

// begin makes the new ledger, as Raft would.
func (r *recovery) begin() (err error) {
	if r.ledger, err = store.Open(filepath.Join(r.dir, ledgerFile), store.Config{}); err != nil {
		return err
	}
	var c raft.Configuration
	for _, g := range r.founding.Genesis.Body.Get("nodes").List {
		id := g.Get("id").Str
		s := raft.Server{Suffrage: raft.Nonvoter, ID: raft.ServerID(id), Address: raft.ServerAddress(g.Get("address").Str)}
		if id == r.opt.ID {
			// Alone: the others have nothing yet, and could elect one of
			// themselves that lacks the leaves of the predecessor.
			s.Suffrage = raft.Voter
		}
		if n, err := r.opt.Cluster.Node(id); err == nil {
			s.Address = raft.ServerAddress(n.Address)
		}
		c.Servers = append(c.Servers, s)
	}
	cfg := raft.DefaultConfig()
	cfg.LocalID = raft.ServerID(r.opt.ID)
	_, transport := raft.NewInmemTransport("")
	none := store.Snapshots{Applied: func() (a store.Applied, err error) { return a, nil }}
	if err := raft.BootstrapCluster(cfg, r.ledger, r.ledger, none, transport, c); err != nil {
		return fmt.Errorf("begin the ledger: %w", err)
	}
	r.last = 1
	return nil
}

// replay makes the tree of the new ledger, adds the genesis, and takes that.
func (r *recovery) replay(ctx context.Context) (rep *RecoverReport, err error) {
	tree, err := log.Open(filepath.Join(r.dir, treeFile), log.Config{Origin: r.founding.Origin, Ledger: ledgerNotes{r.ledger}})
	if err != nil {
		return nil, store.WriteError(err)
	}
	defer func() {
		if cerr := tree.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close the new tree: %w", cerr)
		}
	}()
	st, err := openState(tree, r.founding.Origin)
	if err != nil {
		return nil, err
	}
	var refused error // why the record taken last was refused
	st.skipped = func(_ uint64, _ int, err error) { refused = err }
	end := r.last
	take := func(chunk []*raft.Log) error {
		if _, err := st.apply(chunk); err != nil {
			return err
		}
		if r.opt.Progress != nil {
			r.opt.Progress(chunk[len(chunk)-1].Index, end)
		}
		return ctx.Err()
	}
	if err := replay(r.ledger, 1, end, take); err != nil {
		return nil, err
	}
	// The ledger then knows of itself that all up to here is final.
	r.ledger.NoteApplied(end)
	genesis := &batch{time: r.opt.Now.UnixMilli(), notes: [][]byte{r.founding.Genesis.Note}}
	if err := errors.Join(r.store(genesis.encode()), r.flush()); err != nil {
		return nil, err
	}
	refused = nil
	if err := replay(r.ledger, r.last, r.last, take); err != nil {
		return nil, err
	}
	if !st.auth.Arrived() {
		return nil, fmt.Errorf("the genesis cannot stand after these leaves: %w", refused)
	}
	h, err := openHeads(r.dir)
	if err != nil {
		return nil, err
	}
	h.close()
	view := tree.View()
	defer view.Release()
	return &RecoverReport{Origin: r.founding.Origin, Predecessor: r.p.Origin, Size: r.p.Size, Entries: r.last, Root: verify.Hex(view.Root)}, nil
}

// marked is the content of recoveredFile.
type marked struct {
	Successor string `json:"successor"`
	Size      uint64 `json:"size"`
}

func markRecovered(dir, origin string, p *verify.Predecessor) error {
	path := filepath.Join(dir, recoveredFile)
	if _, err := os.Stat(path); err == nil {
		return nil // of an attempt that was broken off; it names this origin
	}
	data, err := json.Marshal(marked{origin, p.Size})
	if err == nil {
		err = writeSynced(path, append(data, '\n'))
	}
	if err == nil {
		err = durable.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("mark the survivor's directory: %w", store.WriteError(err))
	}
	return nil
}

// refuseRecovered refuses a data directory that another log than that of
// origin has gone on from.
func refuseRecovered(dir, origin string) error {
	data, err := os.ReadFile(filepath.Join(dir, recoveredFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var m marked
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return fault.New("file", filepath.Join(dir, recoveredFile), "it cannot be read").Because(err)
	}
	if m.Successor == origin {
		return nil
	}
	return fault.New("recovered", dir, fmt.Sprintf("the log of this directory was recovered at size %d; it goes on in %s", m.Size, m.Successor)).
		WithHint("keep the directory as a copy; a node of the new log begins with an empty one, under a new id")
}

// mayRun refuses a data directory that another log has gone on from, and the
// seed of such a log that has nothing to begin with.
func (n *Node) mayRun() error {
	if err := refuseRecovered(n.dir, ""); err != nil || n.predecessor == nil || n.id != n.founding.Genesis.Body.Get("seed").Str {
		return err
	}
	_, err := os.Stat(filepath.Join(n.dir, ledgerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New("seed_empty", n.dir, "the log begins on this node, and it has nothing to begin with").
			WithHint("bring over what is left of the log before: `milepost node recover`; once the log has begun, a node that lost its data comes back under a new id")
	}
	return err
}
