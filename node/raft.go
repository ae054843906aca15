package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
)

// Raft's own bounds. The lease can't be changed later and must not exceed
// the heartbeat timeout; that starts short, so that a cluster that starts
// has a leader soon, and then grows to what the open internet needs.
const (
	raftLease        = 750 * time.Millisecond // a busy machine may keep a goroutine waiting for half of that
	raftFirstTimeout = 750 * time.Millisecond
	transportTimeout = 30 * time.Second // covers one whole AppendEntries on a slow line
	stuckAfter       = 10 * time.Second // a leader whose own entry finds no majority for so long ends
	asideTimeouts    = 10               // so many timeouts such a node lets the others elect one of their own
)

// asideKey marks, beside Raft's own values, a node that ended for want of a
// majority. Nobody else has its newest entries, so no other log is as long,
// and a node begins with a short timeout: it would win each election, and
// stop everybody again, until a clock is right or a disk has room. Its entries
// can't have been committed; once another node leads they are replaced.
var asideKey = []byte("NoMajority")

// ledgerNotes is the tree's way to the bytes of records: they are stored
// once, in the Raft log.
type ledgerNotes struct{ store *store.Store }

func (l ledgerNotes) Notes(index uint64) ([][]byte, error) {
	e, err := l.store.Entry(index)
	if err != nil {
		return nil, fmt.Errorf("ledger entry %d: %w", index, err)
	}
	b, err := decodeBatch(e.Data)
	if err != nil {
		return nil, fmt.Errorf("ledger entry %d: %w", index, err)
	}
	return b.notes, nil
}

// openLedger opens raft.db and refuses, before they are stored, entries that
// cannot be decoded or come from the future: once stored they would be
// acknowledged, and once committed they would bind every node.
func (n *Node) openLedger(cfg store.Config) (*store.Store, error) {
	cfg.Applied = func() uint64 {
		if n.state == nil {
			return 0
		}
		return n.state.bound.Load()
	}
	cfg.Committed = n.commitIndex
	cfg.Damaged = n.damage.suspects
	cfg.Begin = func() func() { return n.watchdog.begin(ledgerFile) }
	cfg.Check = n.checkEntry
	cfg.Failed = func(err error) {
		var refused *entryRefusal
		if code := fault.Code(err); !errors.As(err, &refused) && code != "ledger_order" && code != "ledger_entry" {
			// A disk that failed once can't be trusted with the next write; and
			// who is to rewrite what is final must not go on without a person.
			if leader := n.leader(); fault.Code(err) == "ledger_rewrite" && n.refusedOf(leader, 0, err, "rewrite") {
				n.log.Error("a leader wants to rewrite what is final", "peer", leader, "err", err)
			}
			n.fail(fmt.Errorf("ledger: %w", err))
			return
		}
		n.metrics.refusedEntries.Inc()
		leader := n.leader() // who sends entries; its name may be a moment old
		if n.refusedOf(leader, 0, err, "entry") {
			n.log.Error("refused to store a ledger entry", "peer", leader, "err", err)
		}
		select {
		case n.refused <- struct{}{}:
		default:
		}
	}
	return store.Open(filepath.Join(n.dir, ledgerFile), cfg)
}

// commitIndex is the highest index known to be committed, which a Raft that
// was started again has yet to learn.
func (n *Node) commitIndex() uint64 {
	if run := n.raftRun.Load(); run != nil {
		for c := run.raft.CommitIndex(); ; {
			known := n.committed.Load()
			if c <= known || n.committed.CompareAndSwap(known, c) {
				break
			}
		}
	}
	return n.committed.Load()
}

// entryRefusal is why a ledger entry is not stored here.
type entryRefusal struct{ err error }

func (e *entryRefusal) Error() string { return e.err.Error() }
func (e *entryRefusal) Unwrap() error { return e.err }

func (n *Node) checkEntry(l *raft.Log) error {
	if l.Type != raft.LogCommand {
		return nil
	}
	b, err := decodeBatch(l.Data)
	if err != nil {
		return &entryRefusal{err}
	}
	if ahead := time.UnixMilli(b.time).Sub(n.now()); ahead > maxAhead {
		return &entryRefusal{fault.New("clock", "", fmt.Sprintf("entry %d is dated %s ahead of this node's clock", l.Index, ahead.Round(time.Second)))}
	}
	return nil
}

// failApply is what the state machine calls when the tree can't be written.
// It holds Raft up until that is told to end, so that nobody takes the entry
// for applied.
func (n *Node) failApply(err error) {
	n.fail(err)
	if run := n.raftRun.Load(); run != nil {
		<-run.ending
	}
}

// appliedState tells Raft where the tree stands, in place of a snapshot.
func appliedState(tree *log.Log) (store.Applied, error) {
	var a store.Applied
	a.Index, a.Term = tree.Applied()
	if c := tree.Configuration(); len(c) > 8 {
		a.ConfigurationIndex = binary.BigEndian.Uint64(c)
		a.Configuration = raft.DecodeConfiguration(c[8:])
	}
	return a, nil
}

// raftRun is Raft from one start to its end.
type raftRun struct {
	raft      *raft.Raft
	transport *raft.NetworkTransport
	ending    chan struct{} // closed once it has been told to shut down
}

var errStopping = fault.New("stopping", "", "the node is stopping").WithHint("send it to another node")

// startRaft starts Raft on the open stores, also after a refusal to store an
// entry, when Raft's idea of its last index can't be trusted any more.
func (n *Node) startRaft() error {
	n.raftLife.Lock()
	defer n.raftLife.Unlock()
	n.lifeMu.Lock()
	ended := n.ended
	n.lifeMu.Unlock()
	if ended {
		return errStopping
	}
	cfg := raft.DefaultConfig()
	cfg.LocalID = raft.ServerID(n.id)
	first := raftFirstTimeout
	if v, err := n.ledger.GetUint64(asideKey); err == nil && v != 0 {
		first = asideTimeouts * max(n.timeout, raftFirstTimeout)
		n.log.Warn("lets another node lead: what this one had to propose found no majority", "for", first)
		if err := n.ledger.SetUint64(asideKey, 0); err != nil {
			return err
		}
	}
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = first, first, raftLease
	cfg.CommitTimeout = 50 * time.Millisecond
	cfg.TrailingLogs, cfg.SnapshotThreshold = math.MaxUint64, math.MaxUint64
	cfg.SnapshotInterval = 24 * time.Hour
	cfg.NoSnapshotRestoreOnStart = true
	cfg.MaxAppendEntries = 4 // entries are large, and Raft queues many rounds of them
	cfg.BatchApplyCh = true
	cfg.NoLegacyTelemetry = true
	cfg.Logger = raftLogger(n.log)
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: n.port.Raft(), MaxPool: 4, Timeout: transportTimeout, Logger: cfg.Logger,
		// No pipelining: where a follower refuses an entry while the next one is
		// being sent, Raft's pipeline waits for ever, and that follower gets
		// nothing any more as long as this node leads.
		MaxRPCsInFlight: 1,
	})
	r, err := n.newRaft(cfg, transport)
	if err != nil {
		transport.Close()
		return err
	}
	n.ledger.Throttle(true)
	run := &raftRun{r, transport, make(chan struct{})}
	n.raftRun.Store(run)
	if n.timeout > raftFirstTimeout || first > raftFirstTimeout {
		n.spawn(func() { n.relax(run) })
	}
	return nil
}

func (n *Node) newRaft(cfg *raft.Config, transport raft.Transport) (*raft.Raft, error) {
	if n.lie.transport != nil {
		transport = n.lie.transport(transport)
	}
	cache, err := raft.NewLogCache(32, n.ledger)
	if err != nil {
		return nil, err
	}
	snapshots := store.Snapshots{Applied: func() (store.Applied, error) { return appliedState(n.tree) }}
	has, err := raft.HasExistingState(n.ledger, n.ledger, snapshots)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	if !has && !n.joining() {
		if err := raft.BootstrapCluster(cfg, n.ledger, n.ledger, snapshots, transport, n.firstConfiguration()); err != nil {
			return nil, fmt.Errorf("begin the ledger: %w", err)
		}
	}
	var r *raft.Raft
	err = errors.New("the ledger cannot be written")
	made := make(chan struct{})
	go func() { // which a failure to write the term ends
		defer close(made)
		r, err = raft.NewRaft(cfg, n.state, cache, stable{n.ledger}, snapshots, transport)
	}()
	<-made
	if err != nil {
		return nil, fmt.Errorf("start Raft: %w", err)
	}
	return r, nil
}

// stable is where Raft keeps its term and its vote. Raft panics when the term
// can't be written, and the process with it, before anything is closed; here
// its main loop, which is the caller, just ends. The store has told of the
// failure, so that the node ends too, in its own way.
type stable struct{ *store.Store }

func (s stable) Set(key, val []byte) error { return endLoop(s.Store.Set(key, val)) }

func (s stable) SetUint64(key []byte, val uint64) error { return endLoop(s.Store.SetUint64(key, val)) }

func endLoop(err error) error {
	if err != nil {
		runtime.Goexit() // Raft counts its goroutines down in a defer
	}
	return nil
}

// relax gives Raft its final timeouts once there is a leader.
func (n *Node) relax(run *raftRun) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for addr, _ := run.raft.LeaderWithID(); addr == ""; addr, _ = run.raft.LeaderWithID() {
		select {
		case <-tick.C:
		case <-run.ending:
			return
		}
	}
	c := run.raft.ReloadableConfig()
	final := max(n.timeout, raftFirstTimeout)
	c.HeartbeatTimeout, c.ElectionTimeout = final, final
	if err := run.raft.ReloadConfig(c); err != nil {
		n.log.Warn("raft keeps its first timeouts", "err", err)
	}
}

// stopRaft reports whether Raft has ended, so that another may be started on
// the same stores.
func (n *Node) stopRaft() bool {
	n.raftLife.Lock()
	defer n.raftLife.Unlock()
	run := n.raftRun.Load()
	if run == nil {
		return true
	}
	n.commitIndex()
	n.raftRun.Store(nil)
	// Raft's main loop may be waiting in StoreLogs for the state machine.
	n.ledger.Throttle(false)
	future := run.raft.Shutdown()
	close(run.ending) // and the state machine for this, if it has failed
	done := make(chan struct{})
	go func() { future.Error(); close(done) }()
	ended := false
	select {
	case <-done:
		ended = true
	case <-time.After(10 * time.Second):
		n.log.Warn("raft does not stop")
	}
	run.transport.Close()
	return ended
}

// superviseRaft looks after Raft once the ledger has refused something. If
// that came in the middle of a truncation, Raft goes on with a wrong idea of
// its last index, and only starting it again helps.
func (n *Node) superviseRaft() {
	for {
		select {
		case <-n.done:
			return
		case <-n.refused:
		}
		if !n.raftAdrift() {
			continue
		}
		n.log.Warn("raft is started again, its last index is not the ledger's any more")
		err := fmt.Errorf("raft cannot be started again: the old one does not stop")
		if n.stopRaft() {
			err = n.startRaft()
		}
		if err != nil {
			n.fail(err)
			return
		}
		select {
		case <-n.done:
			return
		case <-time.After(time.Second): // at most once a second
		}
	}
}

// raftAdrift compares Raft's cached last index with the ledger's. It may say
// so wrongly while an entry is just being stored, which costs a restart.
func (n *Node) raftAdrift() bool {
	run := n.raftRun.Load()
	last, err := n.ledger.LastIndex()
	return run != nil && (err != nil || run.raft.LastIndex() != last)
}

// watch ends a leader whose entries find no majority: heartbeats renew its
// lease though nobody stores what it sends, so Raft would never step down by
// itself.
func (n *Node) watch(ctx context.Context) {
	tick := time.NewTicker(n.stuckAfter / 20)
	defer tick.Stop()
	var commit, term uint64
	since := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		run := n.raftRun.Load()
		if run == nil || run.raft.State() != raft.Leader {
			since = time.Now()
			continue
		}
		c, t, last := run.raft.CommitIndex(), run.raft.CurrentTerm(), run.raft.LastIndex()
		if c >= last || c != commit || t != term {
			commit, term, since = c, t, time.Now()
			continue
		}
		if time.Since(since) >= n.stuckAfter {
			if err := n.ledger.SetUint64(asideKey, 1); err != nil {
				n.log.Warn("the node may lead again at once", "err", err)
			}
			n.fail(fault.New("no_majority", "", fmt.Sprintf("an own entry found no majority for %s: the other nodes refuse or cannot store it", n.stuckAfter)).
				WithHint("look into the other nodes' logs: they say what they refuse; is this node's clock right?"))
			return
		}
	}
}

// firstConfiguration is Raft's beginning, the same on every founding node:
// the nodes of the genesis, with the votes that cluster.toml gives them.
func (n *Node) firstConfiguration() raft.Configuration {
	founding := map[string]bool{}
	for _, g := range n.founding.Genesis.Body.Get("nodes").List {
		founding[g.Get("id").Str] = true
	}
	var c raft.Configuration
	for _, s := range n.cluster.Nodes {
		if !founding[s.ID] {
			continue
		}
		suffrage := raft.Nonvoter
		if s.Votes {
			suffrage = raft.Voter
		}
		c.Servers = append(c.Servers, raft.Server{Suffrage: suffrage, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	return c
}

func (n *Node) currentRaft() *raft.Raft {
	if run := n.raftRun.Load(); run != nil {
		return run.raft
	}
	return nil
}

func (n *Node) leads() bool {
	r := n.currentRaft()
	return r != nil && r.State() == raft.Leader
}

// leader returns the leader's id, or "".
func (n *Node) leader() string {
	r := n.currentRaft()
	if r == nil {
		return ""
	}
	_, id := r.LeaderWithID()
	return string(id)
}

// raftLogger sends Raft's log lines to ours, its chatter left out.
func raftLogger(l *slog.Logger) hclog.Logger {
	return hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: "raft", Level: hclog.Warn, Output: &slogWriter{log: l, now: time.Now}, DisableTime: true,
	})
}

// maxRaftLines is how many of its own lines Raft may log a second: it has one
// for each message that it refuses, and a peer may send thousands.
const maxRaftLines = 20

// slogWriter is called by one goroutine at a time: the logger holds a lock.
type slogWriter struct {
	log            *slog.Logger
	now            func() time.Time
	second         int64 // Unix time
	lines, leftOut int   // in that second
}

func (w *slogWriter) Write(p []byte) (int, error) {
	if s := w.now().Unix(); s != w.second {
		if w.leftOut > 0 {
			w.log.Warn("more lines of Raft's were left out", "lines", w.leftOut)
		}
		w.second, w.lines, w.leftOut = s, 0, 0
	}
	if w.lines++; w.lines > maxRaftLines {
		w.leftOut++
		return len(p), nil
	}
	raftLine(w.log, string(p[:max(len(p)-1, 0)]))
	return len(p), nil
}

var _ io.Writer = (*slogWriter)(nil)
