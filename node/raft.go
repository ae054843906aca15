package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
)

// Raft's own bounds. The lease can't be changed later and must not exceed
// the heartbeat timeout; that starts short, so that a cluster that starts
// has a leader soon, and then grows to what the open internet needs.
const (
	raftLease        = 500 * time.Millisecond
	raftFirstTimeout = 600 * time.Millisecond
	transportTimeout = 30 * time.Second // covers one whole AppendEntries on a slow line
)

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
	cfg.Committed = func() uint64 {
		if r := n.currentRaft(); r != nil {
			return r.CommitIndex()
		}
		return 0
	}
	cfg.Check = n.checkEntry
	cfg.Failed = func(err error) {
		var refused *entryRefusal
		if errors.As(err, &refused) {
			n.log.Error("refused to store a ledger entry", "err", err)
			select {
			case n.restartRaft <- struct{}{}:
			default:
			}
			return
		}
		// A disk that failed once can't be trusted with the next write.
		go n.fail(fmt.Errorf("ledger: %w", err))
	}
	return store.Open(filepath.Join(n.dir, "raft.db"), cfg)
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
		return &entryRefusal{fmt.Errorf("entry %d is dated %s ahead of this node's clock", l.Index, ahead.Round(time.Second))}
	}
	return nil
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

// startRaft starts Raft on the open stores, also after a refusal to store an
// entry, when Raft's idea of its last index can't be trusted any more.
func (n *Node) startRaft() error {
	cfg := raft.DefaultConfig()
	cfg.LocalID = raft.ServerID(n.id)
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = raftFirstTimeout, raftFirstTimeout, raftLease
	cfg.CommitTimeout = 50 * time.Millisecond
	cfg.TrailingLogs, cfg.SnapshotThreshold = math.MaxUint64, math.MaxUint64
	cfg.SnapshotInterval = 24 * time.Hour
	cfg.NoSnapshotRestoreOnStart = true
	cfg.MaxAppendEntries = 2 // entries are large, and Raft queues up to 128 rounds of them
	cfg.BatchApplyCh = true
	cfg.NoLegacyTelemetry = true
	cfg.Logger = raftLogger(n.log)
	n.ledger.Throttle(true)
	layer := n.port.Raft()
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: layer, MaxPool: 4, Timeout: transportTimeout, Logger: cfg.Logger,
	})
	cache, err := raft.NewLogCache(32, n.ledger)
	if err != nil {
		return err
	}
	snapshots := store.Snapshots{Applied: func() (store.Applied, error) { return appliedState(n.tree) }}
	has, err := raft.HasExistingState(n.ledger, n.ledger, snapshots)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	if !has {
		if err := raft.BootstrapCluster(cfg, n.ledger, n.ledger, snapshots, transport, n.firstConfiguration()); err != nil {
			return fmt.Errorf("begin the ledger: %w", err)
		}
	}
	r, err := raft.NewRaft(cfg, n.state, cache, n.ledger, snapshots, transport)
	if err != nil {
		return fmt.Errorf("start Raft: %w", err)
	}
	n.raftMu.Lock()
	n.raft, n.transport = r, transport
	n.raftMu.Unlock()
	if n.timeout > raftFirstTimeout {
		go n.relax(r)
	}
	return nil
}

// relax gives Raft its final timeouts once there is a leader.
func (n *Node) relax(r *raft.Raft) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for addr, _ := r.LeaderWithID(); addr == ""; addr, _ = r.LeaderWithID() {
		select {
		case <-tick.C:
		case <-n.done:
			return
		}
	}
	c := r.ReloadableConfig()
	c.HeartbeatTimeout, c.ElectionTimeout = n.timeout, n.timeout
	if err := r.ReloadConfig(c); err != nil {
		n.log.Warn("raft keeps its first timeouts", "err", err)
	}
}

func (n *Node) stopRaft() {
	n.raftMu.Lock()
	r, t := n.raft, n.transport
	n.raft, n.transport = nil, nil
	n.raftMu.Unlock()
	if r == nil {
		return
	}
	n.ledger.Throttle(false) // a state machine that is stopped no longer drains what is stored
	done := make(chan struct{})
	go func() { r.Shutdown().Error(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		n.log.Warn("raft does not stop")
	}
	t.Close()
}

// superviseRaft restarts Raft after refusals, at most once a second.
func (n *Node) superviseRaft() {
	for {
		select {
		case <-n.done:
			return
		case <-n.restartRaft:
		}
		n.stopRaft()
		select {
		case <-n.done:
			return
		case <-time.After(time.Second):
		}
		if n.stopping.Load() {
			return
		}
		if err := n.startRaft(); err != nil {
			n.fail(err)
			return
		}
	}
}

func (n *Node) firstConfiguration() raft.Configuration {
	var c raft.Configuration
	for _, s := range n.cluster.Nodes {
		suffrage := raft.Nonvoter
		if s.Votes {
			suffrage = raft.Voter
		}
		c.Servers = append(c.Servers, raft.Server{Suffrage: suffrage, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	return c
}

func (n *Node) currentRaft() *raft.Raft {
	n.raftMu.RLock()
	defer n.raftMu.RUnlock()
	return n.raft
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

// nudger tells followers at once what is committed. Otherwise they would
// learn it with the next AppendEntries, up to CommitTimeout later, and their
// cosignatures would come that late.
type nudger struct {
	mu   sync.Mutex
	busy map[raft.ServerID]bool
	next map[raft.ServerID]*raft.AppendEntriesRequest // newest wins
}

// nudge sends every peer an empty AppendEntries that says that the entry
// just committed is. Its previous entry is that same entry, with that
// entry's own term, so that a follower which lacks it merely refuses; zeroes
// would be a heartbeat. The reply is of no interest.
func (n *Node) nudge(last *raft.Log) {
	n.raftMu.RLock()
	r, t := n.raft, n.transport
	n.raftMu.RUnlock()
	if r == nil {
		return
	}
	term := r.CurrentTerm()
	if r.State() != raft.Leader || r.CurrentTerm() != term || term != last.Term {
		return
	}
	local := raft.ServerAddress(n.address)
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if string(s.ID) == n.id {
			continue
		}
		n.nudges.send(t, s, &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(n.id), Addr: t.EncodePeer(raft.ServerID(n.id), local)},
			Term:      last.Term, Leader: t.EncodePeer(raft.ServerID(n.id), local), //nolint:staticcheck // peers of protocol 3 still read it
			PrevLogEntry: last.Index, PrevLogTerm: last.Term, LeaderCommitIndex: last.Index,
		})
	}
}

func (g *nudger) send(t *raft.NetworkTransport, s raft.Server, req *raft.AppendEntriesRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy == nil {
		g.busy, g.next = map[raft.ServerID]bool{}, map[raft.ServerID]*raft.AppendEntriesRequest{}
	}
	g.next[s.ID] = req
	if g.busy[s.ID] {
		return
	}
	g.busy[s.ID] = true
	go func() {
		for {
			g.mu.Lock()
			req := g.next[s.ID]
			delete(g.next, s.ID)
			if req == nil {
				g.busy[s.ID] = false
				g.mu.Unlock()
				return
			}
			g.mu.Unlock()
			var resp raft.AppendEntriesResponse
			t.AppendEntries(s.ID, s.Address, req, &resp)
		}
	}()
}

// raftLogger sends Raft's log lines to ours, its chatter left out.
func raftLogger(l *slog.Logger) hclog.Logger {
	return hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: "raft", Level: hclog.Warn, Output: slogWriter{l}, DisableTime: true,
	})
}

type slogWriter struct{ log *slog.Logger }

func (w slogWriter) Write(p []byte) (int, error) {
	w.log.Info(string(p[:max(len(p)-1, 0)]))
	return len(p), nil
}

var _ io.Writer = slogWriter{}
