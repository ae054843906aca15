package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/node/wire"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// Config is how one node is run.
type Config struct {
	Cluster    *Cluster
	ID         string                 // which of the cluster's nodes
	Passphrase func() ([]byte, error) // for key files that have one; nil for none
	Log        *slog.Logger           // nil discards
	Now        func() time.Time       // nil is time.Now; tests set it
	Dial       DialFunc               // nil is the ordinary one; tests inject faults
	MaxSize    int                    // bytes that each database may take; 0 for no bound
	// lie lets a test replace what this node does; nil in every real node.
	lie *liar
}

// Node is a running node. It ends by Stop, or by itself when going on would
// break a promise: Done is closed then, and Err says why.
type Node struct {
	id, origin, dir, address string
	cluster                  *Cluster
	founding                 *Founding
	log                      *slog.Logger
	now                      func() time.Time
	timeout                  time.Duration
	metrics                  *metrics

	logSigner certs.Signer
	cosigner  certs.Signer
	identity  *certs.TLSIdentity

	ledger *store.Store
	tree   *log.Log
	state  *state
	heads  *heads
	pool   *pool
	clock  *clock
	port   *wire.Port
	server *http.Server
	dial   DialFunc
	lie    *liar

	raftMu      sync.RWMutex
	raft        *raft.Raft
	transport   *raft.NetworkTransport
	restartRaft chan struct{}
	nudges      nudger

	policyNow  atomic.Pointer[verify.Policy]
	cosignMu   sync.Mutex
	ownHead    atomic.Pointer[ownHead]
	fresh      atomic.Int64 // unix ns: a head whose time is older is cosigned anew
	wakeRounds chan struct{}

	peersMu sync.Mutex
	peerMap map[string]*peer

	pendMu  sync.Mutex
	pending map[string][]byte // peer -> newest head that is ahead of the tree

	stopping atomic.Bool
	stopOnce sync.Once
	cancel   context.CancelFunc
	running  sync.WaitGroup
	done     chan struct{}
	failOnce sync.Once
	err      error
}

// Start opens a node's data directory and starts it. Without a data
// directory it begins one.
func Start(cfg Config) (n *Node, err error) {
	c := cfg.Cluster
	entry, err := c.Node(cfg.ID)
	if err != nil {
		return nil, err
	}
	founding, err := ReadFounding(c.FoundingPath())
	if err != nil {
		return nil, err
	}
	n = &Node{
		id: cfg.ID, origin: founding.Origin, dir: c.DataPath(cfg.ID), address: entry.Address, cluster: c, founding: founding,
		log: cfg.Log, now: cfg.Now, metrics: newMetrics(), dial: cfg.Dial, lie: cfg.lie,
		restartRaft: make(chan struct{}, 1), wakeRounds: make(chan struct{}, 1),
		peerMap: map[string]*peer{}, pending: map[string][]byte{}, done: make(chan struct{}),
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if n.now == nil {
		n.now = time.Now
	}
	n.timeout, _ = parseTimeout(c.Timeout)
	defer func() {
		if err != nil {
			n.release()
		}
	}()
	if err := n.loadKeys(cfg.Passphrase); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return nil, fault.New("data_dir", n.dir, "the data directory cannot be made").Because(err)
	}
	if err := n.openStores(cfg.MaxSize); err != nil {
		return nil, err
	}
	if err := n.loadPolicy(); err != nil {
		return nil, err
	}
	listen := entry.Listen
	if listen == "" {
		listen = entry.Address
	}
	n.port, err = wire.Listen(listen, wire.Config{
		Identity: n.identity, RaftPeer: n.raftPeer, PinOf: n.pinOfAddress, Advertise: n.address, Dialer: cfg.Dial,
	})
	if err != nil {
		return nil, fault.New("listen", listen, "the node's port cannot be opened").Because(err).WithHint("is another node running on it?")
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.pool = newPool(n.proposeRaft, n.now)
	n.clock = &clock{now: n.now, ask: n.askClocks}
	n.resume()
	if err := n.startRaft(); err != nil {
		return nil, err
	}
	n.server = &http.Server{
		Handler: n.routes(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 5 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	n.running.Go(func() { n.server.Serve(n.port.HTTPS()) })
	n.running.Go(func() { n.pool.run(ctx) })
	n.running.Go(func() { n.rounds(ctx) })
	n.running.Go(func() { n.gossip(ctx) })
	n.running.Go(n.superviseRaft)
	n.running.Go(func() { n.openLog(ctx) })
	for _, p := range n.peers() {
		n.running.Go(func() { p.run(ctx) })
	}
	n.log.Info("node is up", "node", n.id, "address", n.address, "origin", n.origin)
	return n, nil
}

// loadKeys reads the node's three keys and holds them against the genesis.
func (n *Node) loadKeys(passphrase func() ([]byte, error)) error {
	read := func(use string) (*keyfile.Key, error) {
		return keyfile.ReadKeyFile(n.cluster.KeyPath("node/"+n.id, use), passphrase)
	}
	k, err := read(keyfile.UseLog)
	if err != nil {
		return err
	}
	if n.logSigner, err = k.Signer(); err != nil {
		return err
	}
	if k, err = read(keyfile.UseCosigner); err != nil {
		return err
	}
	if n.cosigner, err = k.Cosigner(n.now); err != nil {
		return err
	}
	if k, err = read(keyfile.UseTLS); err != nil {
		return err
	}
	if n.identity, err = k.TLS(); err != nil {
		return err
	}
	if n.logSigner.Name() != n.origin || n.cosigner.Name() != record.NodeName(n.origin, n.id) {
		return fault.New("key_file", n.cluster.Path("keys"), "the keys belong to another log or node").
			WithHint("the founding file and the keys must come from the same founding")
	}
	return nil
}

func (n *Node) openStores(maxSize int) (err error) {
	if n.ledger, err = n.openLedger(store.Config{MaxSize: maxSize}); err != nil {
		return err
	}
	n.tree, err = log.Open(filepath.Join(n.dir, "tree.db"), log.Config{Origin: n.origin, Ledger: ledgerNotes{n.ledger}, MaxSize: maxSize})
	if err != nil {
		return err
	}
	applied, _ := n.tree.Applied()
	first, err := n.ledger.FirstIndex()
	if err != nil {
		return err
	}
	last, err := n.ledger.LastIndex()
	if err != nil {
		return err
	}
	if first > 1 || last < applied {
		return fault.New("ledger_short", n.dir, fmt.Sprintf("the ledger holds entries %d to %d, the tree has taken %d", first, last, applied)).
			WithHint("raft.db is not the one that tree.db was made from; restore both from one backup")
	}
	n.ledger.NoteApplied(applied)
	st, err := openState(n.tree, n.origin)
	if err != nil {
		return err
	}
	st.applied = n.onView
	st.begin = n.nudge
	st.changed = n.onChanged
	st.fatal = n.failApply
	st.skipped = func(code string) { n.metrics.skipped.WithLabelValues(code).Inc() }
	n.state = st
	n.heads, err = openHeads(n.dir)
	return err
}

// resume takes up what was known before a restart.
func (n *Node) resume() {
	if v := n.tree.View(); v != nil {
		n.heads.add(v)
		n.metrics.treeSize.Set(float64(v.Size))
	}
	if note := n.heads.saved(); note != nil {
		n.publish(note)
	}
}

// onView is told of every new seal, once it is on disk.
func (n *Node) onView(v *log.View) {
	n.metrics.treeSize.Set(float64(v.Size))
	n.heads.add(v.Hold())
	n.ledger.NoteApplied(n.state.bound.Load())
	n.pendMu.Lock()
	waiting := len(n.pending) > 0
	n.pendMu.Unlock()
	if waiting {
		go n.settlePending()
	}
}

// onChanged is told which histories of authority changed.
func (n *Node) onChanged(subjects []string) {
	for _, s := range subjects {
		if s == record.Governance {
			if err := n.loadPolicy(); err != nil {
				n.fail(err)
			}
		}
	}
	n.cutRevoked()
}

// cutRevoked closes the connections of TLS keys that no longer count.
func (n *Node) cutRevoked() {
	var pins []string
	n.state.withAuthority(func(a *verify.Authority) {
		for _, m := range a.Members {
			for _, k := range m.Keys {
				if k.Use == verify.UseTLS && !k.Live() {
					pins = append(pins, k.VKey)
				}
			}
		}
	})
	for _, p := range pins {
		n.port.CloseKey(p)
	}
}

// loadPolicy takes the policy from the log, or from the genesis before that
// is applied.
func (n *Node) loadPolicy() error {
	text := verify.PolicyText(n.founding.Genesis)
	n.state.withAuthority(func(a *verify.Authority) {
		if a.Governance != nil {
			text = a.Governance.Policy
		}
	})
	p, err := verify.ParsePolicy([]byte(text))
	if err != nil {
		return fmt.Errorf("policy in the log: %w", err)
	}
	n.policyNow.Store(p)
	return nil
}

func (n *Node) policy() *verify.Policy { return n.policyNow.Load() }

// openLog proposes the founding records when this node leads and the log is
// still empty.
func (n *Node) openLog(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		empty := true
		n.state.withAuthority(func(a *verify.Authority) { empty = a.Governance == nil })
		if !empty {
			return
		}
		if n.leads() {
			var recs []*record.Record
			for _, note := range n.founding.Notes {
				r, err := record.Open(note)
				if err != nil {
					n.fail(err)
					return
				}
				recs = append(recs, r)
			}
			// Whether it was taken shows in the state; who else leads may have
			// done the same, and the second time is "already there".
			n.pool.submit(ctx, recs)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// nodesNow lists the nodes by id, from the log or, before it is there, from
// the genesis.
func (n *Node) nodesNow() map[string]*verify.Node {
	nodes := map[string]*verify.Node{}
	n.state.withAuthority(func(a *verify.Authority) {
		if a.Governance != nil {
			maps.Copy(nodes, a.Governance.Nodes)
		}
	})
	if len(nodes) == 0 {
		for _, g := range n.founding.Genesis.Body.Get("nodes").List {
			id := g.Get("id").Str
			nodes[id] = &verify.Node{ID: id, Member: g.Get("member").Str, Address: g.Get("address").Str, TLS: verify.Key{VKey: g.Get("tls_key").Str}}
		}
	}
	return nodes
}

func (n *Node) foundingNode(pin string) *verify.Node {
	for _, v := range n.nodesNow() {
		if v.TLS.VKey == pin && v.TLS.Live() {
			return v
		}
	}
	return nil
}

func (n *Node) raftPeer(pin string) (string, bool) {
	if v := n.foundingNode(pin); v != nil && v.ID != n.id {
		return v.ID, true
	}
	return "", false
}

func (n *Node) pinOfAddress(addr raft.ServerAddress) (string, bool) {
	for _, s := range n.cluster.Nodes {
		if s.Address == string(addr) {
			if v := n.nodesNow()[s.ID]; v != nil {
				return v.TLS.VKey, true
			}
		}
	}
	return "", false
}

// peers returns the other nodes, sorted by id.
func (n *Node) peers() []*peer {
	nodes := n.nodesNow()
	n.peersMu.Lock()
	defer n.peersMu.Unlock()
	var out []*peer
	for id, v := range nodes {
		if id == n.id {
			continue
		}
		if n.peerMap[id] == nil {
			address := v.Address
			if c, err := n.cluster.Node(id); err == nil {
				address = c.Address
			}
			n.peerMap[id] = newPeer(id, NewClient(address, v.TLS.VKey, n.identity, n.dial))
		}
		out = append(out, n.peerMap[id])
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}

// cosignPeers are the other nodes whose cosignature the policy counts.
func (n *Node) cosignPeers() []*peer {
	counted := map[string]bool{}
	for _, w := range n.policy().Witnesses() {
		counted[w.Key.Name()] = true
	}
	var out []*peer
	for _, p := range n.peers() {
		if counted[record.NodeName(n.origin, p.id)] {
			out = append(out, p)
		}
	}
	return out
}

func (n *Node) leaderPeer() *peer {
	id := n.leader()
	for _, p := range n.peers() {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (n *Node) askClocks(ctx context.Context) []time.Duration {
	var mu sync.Mutex
	var out []time.Duration
	var wg sync.WaitGroup
	for _, p := range n.peers() {
		wg.Go(func() {
			if d, err := p.ask(ctx, n.now); err == nil {
				mu.Lock()
				out = append(out, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return out
}

// fail ends the node because going on would break a promise. It returns at
// once; the caller must not go on with what it was doing.
func (n *Node) fail(err error) {
	n.failOnce.Do(func() {
		n.log.Error("the node stops", "err", err)
		n.err = err
		n.stopping.Store(true)
		close(n.done)
		go n.Stop(context.Background())
	})
}

// failApply is what the state machine calls when the tree can't be written:
// Raft must never hear of an entry as applied that is not, so its goroutine
// ends here.
func (n *Node) failApply(err error) {
	n.fail(err)
	select {} // Raft's state machine goroutine; the process or the test ends
}

// Done is closed when the node stops by itself.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err says why the node stopped by itself, once Done is closed.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// Stop shuts the node down: it takes no more records, hands leadership over,
// waits for the requests under way and closes its files.
func (n *Node) Stop(ctx context.Context) {
	n.stopOnce.Do(func() {
		n.stopping.Store(true)
		if r := n.currentRaft(); r != nil && r.State() == raft.Leader && n.err == nil && len(n.peers()) > 0 {
			done := make(chan struct{})
			go func() { r.LeadershipTransfer().Error(); close(done) }()
			select {
			case <-done:
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
		}
		n.failOnce.Do(func() { n.err = errors.New("stopped"); close(n.done) })
		n.release()
	})
}

// release closes whatever was opened, in reverse.
func (n *Node) release() {
	if n.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		if n.server.Shutdown(ctx) != nil {
			n.server.Close()
		}
		cancel()
	}
	if n.cancel != nil {
		n.cancel()
	}
	n.stopRaft()
	if n.port != nil {
		n.port.Close()
	}
	n.running.Wait()
	for _, p := range n.peerMap {
		p.client.Close()
	}
	if n.heads != nil {
		n.heads.save()
		n.heads.close()
	}
	if n.tree != nil {
		n.tree.Close()
	}
	if n.ledger != nil {
		n.ledger.Close()
	}
}

// Origin is the origin of the node's log.
func (n *Node) Origin() string { return n.origin }

// ID is the node's id.
func (n *Node) ID() string { return n.id }
