package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/node/wire"
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
	Scrub      time.Duration          // that one reading of everything on disk takes; 0 is DefaultScrub, less than 0 none

	sightEvery time.Duration // 0 is the constant of that name; tests shorten it
	stuckAfter time.Duration // 0 is the constant of that name; tests shorten it
	lie        *liar         // nil in every real node
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
	stuckAfter               time.Duration
	metrics                  *metrics
	dial                     DialFunc
	lie                      *liar

	passphrase func() ([]byte, error)
	keys       atomic.Pointer[keyring]

	ledger *store.Store
	tree   *log.Log
	state  *state
	heads  *heads
	pool   *pool
	clock  *clock
	usage  *usage
	port   *wire.Port
	server *http.Server

	raftLife  sync.Mutex // held while Raft is being started or stopped
	raftRun   atomic.Pointer[raftRun]
	committed atomic.Uint64 // highest commit index known; it never falls, though a new raft.Raft begins at 0
	refused   chan struct{} // the ledger refused to store something
	nudges    nudger

	policies   atomic.Pointer[[]policyAt] // all that were ever in force, oldest first
	damage     *damages
	scrubPace  time.Duration
	backingUp  atomic.Bool // one backup at a time
	governed   atomic.Bool // governance changed in the transaction just committed
	cosignMu   sync.Mutex
	ownHead    atomic.Pointer[ownHead]
	fresh      atomic.Int64 // unix ns: a head whose time is older is cosigned anew
	wakeRounds chan struct{}

	peersMu sync.Mutex
	peerMap map[string]*peer

	pendMu  sync.Mutex
	pending map[string][]byte // peer -> newest head that is ahead of the tree

	foreignMu    sync.Mutex
	foreign      map[string][]string // text of a head that is not this tree's -> who signed it
	contradicted atomic.Bool

	complainMu sync.Mutex
	complaints map[string]complaint // node id -> why it did not cosign, while it doesn't

	sightEvery time.Duration
	sights     sights
	disk       atomic.Pointer[Disk] // as it was a moment ago; nil until it was looked at

	stopping atomic.Bool
	stopOnce sync.Once
	ctx      context.Context // ends with the node
	cancel   context.CancelFunc
	lifeMu   sync.Mutex // guards ended, and running against an Add after Wait
	ended    bool
	running  sync.WaitGroup
	done     chan struct{}
	failOnce sync.Once
	err      error // written once, before done is closed
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
		log: cfg.Log, now: cfg.Now, metrics: newMetrics(), dial: cfg.Dial, lie: cfg.lie, stuckAfter: cfg.stuckAfter,
		damage: newDamages(), scrubPace: cfg.Scrub, sightEvery: cfg.sightEvery, sights: sights{peers: map[string]sight{}},
		refused: make(chan struct{}, 1), wakeRounds: make(chan struct{}, 1),
		peerMap: map[string]*peer{}, pending: map[string][]byte{}, foreign: map[string][]string{}, complaints: map[string]complaint{}, done: make(chan struct{}),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.log = slog.New(withCodes{n.log.Handler()})
	if n.now == nil {
		n.now = time.Now
	}
	if n.stuckAfter == 0 {
		n.stuckAfter = stuckAfter
	}
	if n.scrubPace == 0 {
		n.scrubPace = DefaultScrub
	}
	if n.sightEvery == 0 {
		n.sightEvery = sightEvery
	}
	if n.lie == nil {
		n.lie = &liar{}
	}
	n.timeout, _ = parseTimeout(c.Timeout)
	opened := n // a return of nil and an error sets n to nil first
	defer func() {
		if err != nil {
			opened.release()
		}
	}()
	if err := n.open(cfg); err != nil {
		return nil, err
	}
	listen := entry.Listen
	if listen == "" {
		listen = entry.Address
	}
	n.port, err = wire.Listen(listen, wire.Config{
		Identity: n.keys.Load().identity, RaftPeer: n.raftPeer, PinOf: n.pinOfAddress, HTTPSPeer: n.refuseRevoked,
		Advertise: n.address, Dialer: cfg.Dial,
	})
	if err != nil {
		return nil, fault.New("listen", listen, "the node's port cannot be opened").Because(err).WithHint("is another node running on it?")
	}
	n.pool = newPool(n.proposeRaft, n.now)
	n.clock = &clock{ask: n.askClocks, off: n.clockOff, spawn: n.spawn}
	n.metrics.registry.MustRegister(gauges{n})
	n.server = &http.Server{
		Handler: n.routes(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 5 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ConnContext: withPin, ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	n.openUsage(cfg.Passphrase)
	n.resume()
	// All that the state machine may call is in place before Raft calls it.
	if err := n.startRaft(); err != nil {
		return nil, err
	}
	for _, fn := range []func(){
		func() { n.server.Serve(n.port.HTTPS()) },
		func() { n.pool.run(n.ctx) },
		func() { n.rounds(n.ctx) },
		func() { n.gossip(n.ctx) },
		func() { n.openLog(n.ctx) },
		func() { n.watch(n.ctx) },
		func() { n.reconcile(n.ctx) },
		func() { n.scrub(n.ctx) },
		func() { n.mending(n.ctx) },
		func() { n.look(n.ctx) },
		n.superviseRaft,
	} {
		n.spawn(fn)
	}
	n.log.Info("node is up", "address", n.address, "origin", n.origin, "version", Version)
	return n, nil
}

// open takes everything from disk that the node is made of.
func (n *Node) open(cfg Config) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return fault.New("data_dir", n.dir, "the data directory cannot be made").Because(err)
	}
	if err := refuseDamaged(n.dir); err != nil {
		return err
	}
	if err := n.openStores(cfg.MaxSize); err != nil {
		return err
	}
	view := n.tree.View()
	if view != nil {
		defer view.Release()
	}
	if err := n.loadPolicies(view); err != nil {
		return err
	}
	n.passphrase = cfg.Passphrase
	return n.loadKeys()
}

// spawn runs fn as a goroutine that Stop waits for; once Stop has come that
// far it does nothing and returns false.
func (n *Node) spawn(fn func()) bool {
	n.lifeMu.Lock()
	defer n.lifeMu.Unlock()
	if !n.ended {
		n.running.Go(fn)
	}
	return !n.ended
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

// Done is closed when the node stops by itself or by Stop.
func (n *Node) Done() <-chan struct{} { return n.done }

// errStopped is what Err says of a node that was stopped by Stop.
var errStopped = errors.New("stopped")

// Err says why the node stopped, once Done is closed.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// Stop shuts the node down: it takes no more records, hands leadership over,
// waits for the requests under way and closes its files. It returns when all
// that is done, whoever began it.
func (n *Node) Stop(ctx context.Context) {
	n.stopOnce.Do(func() {
		n.stopping.Store(true)
		if n.leads() && n.Err() == nil {
			n.handOver(ctx)
		}
		n.stopServing() // requests under way get their answers, if those come soon
		n.failOnce.Do(func() { n.err = errStopped; close(n.done) })
		n.release()
	})
}

func (n *Node) stopServing() {
	if n.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if n.server.Shutdown(ctx) != nil {
		n.server.Close()
	}
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
	n.lifeMu.Lock()
	n.ended = true
	n.lifeMu.Unlock()
	n.cancel()
	n.stopRaft()
	if n.port != nil {
		n.port.Close()
	}
	n.running.Wait()
	n.peersMu.Lock()
	for _, p := range n.peerMap {
		p.client.Close()
	}
	n.peersMu.Unlock()
	if n.heads != nil {
		n.heads.save()
		n.heads.close()
	}
	if n.tree != nil {
		if err := n.tree.Close(); err != nil {
			n.log.Warn("tree.db stays open", "err", err)
		}
	}
	if n.ledger != nil {
		n.ledger.Close()
	}
}

// Origin is the origin of the node's log.
func (n *Node) Origin() string { return n.origin }

// Founded reports whether all founding records are in this node's tree.
func (n *Node) Founded() bool {
	view := n.heads.newest()
	if view == nil {
		return false
	}
	defer view.Release()
	for _, r := range n.founding.Records {
		if all, err := view.History(r.Subjects[0]); err != nil || len(all) == 0 {
			return false
		}
	}
	return true
}

// ID is the node's id.
func (n *Node) ID() string { return n.id }
