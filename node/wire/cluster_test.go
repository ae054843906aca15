package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/node/wire"
	"github.com/milepost-log/milepost/node/wire/wiretest"
)

// long is how long a test waits for what should happen soon.
const long = time.Minute

// tree stands for tree.db: it outlives its node's process, and knows how
// far it got.
type tree struct {
	mu      sync.Mutex
	at      store.Applied
	applied []uint64 // indices, in the order they were applied
	data    []string
	changed chan struct{}
	gate    sync.Mutex // held by a test: applying stalls
}

func (t *tree) note(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *tree) read() (store.Applied, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at, nil
}

func (t *tree) index() uint64 { at, _ := t.read(); return at.Index }

// machine is the state machine of one run of a node.
type machine struct {
	*tree
	store *store.Store
}

func (m machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

func (m machine) ApplyBatch(logs []*raft.Log) []any {
	m.gate.Lock()
	defer m.gate.Unlock()
	m.note(func() {
		for _, l := range logs {
			m.at.Index, m.at.Term = l.Index, l.Term
			m.applied = append(m.applied, l.Index)
			if l.Type == raft.LogConfiguration {
				m.at.Configuration, m.at.ConfigurationIndex = raft.DecodeConfiguration(l.Data), l.Index
			} else {
				m.data = append(m.data, string(l.Data))
			}
		}
	})
	m.store.NoteApplied(logs[len(logs)-1].Index)
	return make([]any, len(logs))
}

func (m machine) Snapshot() (raft.FSMSnapshot, error) { return nil, store.ErrNoSnapshots }
func (m machine) Restore(io.ReadCloser) error         { return store.ErrNoSnapshots }

type node struct {
	name, path string
	id         *certs.TLSIdentity
	port       *wire.Port
	tree       *tree
	store      *store.Store
	raft       *raft.Raft
	transport  *raft.NetworkTransport
	leads      chan bool
}

type cluster struct {
	t       *testing.T
	network *wiretest.Network
	nodes   []*node
	pins    map[string]string // pin -> name
	at      map[string]string // address -> pin
	leaders chan *node
}

func newCluster(t *testing.T, n int) *cluster {
	c := &cluster{t: t, network: wiretest.New(), pins: map[string]string{}, at: map[string]string{}, leaders: make(chan *node, 100)}
	dir := t.TempDir()
	for i := range n {
		id, err := certs.NewTLSIdentity(bytes.Repeat([]byte{byte(i + 1)}, certs.SeedSize))
		c.must(err)
		c.nodes = append(c.nodes, &node{name: fmt.Sprintf("n%d", i+1), path: filepath.Join(dir, fmt.Sprintf("raft%d.db", i+1)),
			id: id, tree: &tree{changed: make(chan struct{})}})
		c.pins[id.Pin()] = c.nodes[i].name
	}
	var servers []raft.Server
	for _, nd := range c.nodes {
		var err error
		nd.port, err = wire.Listen("127.0.0.1:0", wire.Config{
			Identity: nd.id,
			RaftPeer: func(pin string) (string, bool) { name, ok := c.pins[pin]; return name, ok },
			PinOf:    func(addr raft.ServerAddress) (string, bool) { pin, ok := c.at[string(addr)]; return pin, ok },
			Dialer:   c.network.Dialer(nd.name),
		})
		c.must(err)
		t.Cleanup(func() { nd.port.Close() })
		addr := nd.port.Addr().String()
		c.at[addr] = nd.id.Pin()
		c.network.Name(addr, nd.name)
		servers = append(servers, raft.Server{ID: raft.ServerID(nd.name), Address: raft.ServerAddress(addr)})
	}
	for _, nd := range c.nodes {
		c.start(nd)
		c.must(nd.raft.BootstrapCluster(raft.Configuration{Servers: servers}).Error())
	}
	t.Cleanup(func() {
		for _, nd := range c.nodes {
			c.stop(nd)
		}
	})
	return c
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// start runs a node on what is on its disk.
func (c *cluster) start(nd *node) {
	var err error
	var r *raft.Raft
	var mu sync.Mutex // Committed may be asked while Raft is being made
	nd.store, err = store.Open(nd.path, store.Config{
		Applied: nd.tree.index,
		Committed: func() uint64 {
			mu.Lock()
			defer mu.Unlock()
			if r == nil {
				return 0
			}
			return r.CommitIndex()
		},
		Failed:       func(err error) { c.t.Errorf("%s: %v", nd.name, err) },
		MaxUnapplied: 2000,
	})
	c.must(err)
	cfg := raft.DefaultConfig()
	cfg.LocalID = raft.ServerID(nd.name)
	// Long enough for a busy test machine not to unseat a leader.
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 1500*time.Millisecond, 1500*time.Millisecond, 1500*time.Millisecond
	cfg.CommitTimeout = 20 * time.Millisecond
	cfg.SnapshotThreshold, cfg.TrailingLogs = math.MaxUint64, math.MaxUint64
	cfg.SnapshotInterval = 10 * time.Millisecond // so that one would be taken if ever
	cfg.NoSnapshotRestoreOnStart = true
	cfg.MaxAppendEntries = 4
	cfg.Logger = hclog.NewNullLogger()
	leads := make(chan bool, 10)
	cfg.NotifyCh = leads
	nd.transport = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: nd.port.Raft(), MaxPool: 3, Timeout: 2 * time.Second, Logger: cfg.Logger})
	logs, err := raft.NewLogCache(16, nd.store)
	c.must(err)
	made, err := raft.NewRaft(cfg, machine{nd.tree, nd.store}, logs, nd.store, store.Snapshots{Applied: nd.tree.read}, nd.transport)
	c.must(err)
	mu.Lock()
	r = made
	mu.Unlock()
	nd.raft = made
	go func() {
		for leading := range leads {
			if leading {
				c.leaders <- nd
			}
		}
	}()
	nd.leads = leads
}

func (c *cluster) stop(nd *node) {
	if nd.raft == nil {
		return
	}
	nd.store.Throttle(false)
	c.must(nd.raft.Shutdown().Error())
	close(nd.leads)
	c.must(nd.transport.Close())
	if n := nd.store.Counters.Overdue.Load(); n > 0 {
		c.t.Errorf("%s: %d waits of StoreLogs were in vain", nd.name, n)
	}
	c.must(nd.store.Close())
	nd.raft = nil
}

// leader returns the next node that is elected.
func (c *cluster) leader() *node {
	c.t.Helper()
	select {
	case nd := <-c.leaders:
		return nd
	case <-time.After(long):
		c.t.Fatal("no leader was elected")
	}
	return nil
}

// write applies entries at a leader, several at a time.
func (c *cluster) write(leader *node, from, to int) {
	c.t.Helper()
	var futures []raft.ApplyFuture
	for i := from; i <= to; i++ {
		futures = append(futures, leader.raft.Apply(fmt.Appendf(nil, "record %d %0300d", i, 0), long))
	}
	for _, f := range futures {
		c.must(f.Error())
	}
}

// settle waits until every running node has applied n records, and checks
// that they are the same ones, each applied once and in order.
func (c *cluster) settle(n int) {
	c.t.Helper()
	late := time.After(long)
	for _, nd := range c.nodes {
		if nd.raft == nil {
			continue
		}
		for {
			nd.tree.mu.Lock()
			have, changed := len(nd.tree.data), nd.tree.changed
			nd.tree.mu.Unlock()
			if have >= n {
				break
			}
			select {
			case <-changed:
			case <-late:
				c.t.Fatalf("%s has %d records of %d", nd.name, have, n)
			}
		}
		nd.tree.mu.Lock()
		for i, d := range nd.tree.data {
			if d != fmt.Sprintf("record %d %0300d", i+1, 0) {
				c.t.Fatalf("%s: record %d is %q", nd.name, i+1, d)
			}
		}
		for i := 1; i < len(nd.tree.applied); i++ {
			if nd.tree.applied[i] <= nd.tree.applied[i-1] {
				c.t.Fatalf("%s applied entry %d after %d", nd.name, nd.tree.applied[i], nd.tree.applied[i-1])
			}
		}
		nd.tree.mu.Unlock()
	}
}

func (c *cluster) others(than *node) (others []*node) {
	for _, nd := range c.nodes {
		if nd != than {
			others = append(others, nd)
		}
	}
	return others
}

// A node restarts from its raft.db and its tree: nothing is applied twice,
// nothing is missed, and no snapshot is ever asked for.
func TestAClusterRestartsFromItsLedger(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader := c.leader()
	c.write(leader, 1, 40)
	c.settle(40)

	follower := c.others(leader)[0]
	c.stop(follower)
	c.write(leader, 41, 60)
	c.start(follower)
	c.settle(60)
	if at, _ := follower.tree.read(); at.ConfigurationIndex != 1 || len(at.Configuration.Servers) != 3 {
		t.Errorf("the configuration is %+v", at)
	}

	// The tree of a node is lost: it is built again from the ledger alone.
	c.stop(follower)
	follower.tree = &tree{changed: make(chan struct{})}
	c.start(follower)
	if floor := follower.store.Floor(); floor < 40 {
		t.Errorf("the ledger forgot that entry 40 was final (%d)", floor)
	}
	c.settle(60)

	// A node comes without anything, and catches up by AppendEntries.
	c.stop(follower)
	follower.tree, follower.path = &tree{changed: make(chan struct{})}, follower.path+".new"
	c.start(follower)
	c.settle(60)

	// All of them restart; what they hold is what they held.
	for _, nd := range c.nodes {
		c.stop(nd)
	}
	for len(c.leaders) > 0 {
		<-c.leaders
	}
	for _, nd := range c.nodes {
		c.start(nd)
	}
	c.write(c.leader(), 61, 70)
	c.settle(70)
	for _, nd := range c.nodes {
		if first, _ := nd.store.FirstIndex(); first != 1 {
			t.Errorf("the ledger of %s begins at %d", nd.name, first)
		}
	}
}

// A leader whose cable is pulled loses its office, and its tail of entries
// that found no majority is replaced when it is back.
func TestAnIsolatedLeaderIsReplaced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	old := c.leader()
	c.write(old, 1, 5)
	c.settle(5)
	for i, other := range c.others(old) {
		if i == 0 {
			c.network.Hold(old.name, other.name) // packets are lost
		} else {
			c.network.Cut(old.name, other.name) // the line is dead
		}
	}
	lost := old.raft.Apply([]byte("lost"), long)
	next := c.leader()
	if next == old {
		t.Fatal("the isolated node leads")
	}
	if err := lost.Error(); err == nil {
		t.Error("an isolated leader committed an entry")
	}
	c.write(next, 6, 20)
	c.network.HealAll()
	c.settle(20)
	if n := old.store.Counters.Truncated.Load(); n == 0 {
		t.Error("the lost entry was never stored, so nothing was tested")
	}
	for len(c.leaders) > 0 {
		next = <-c.leaders
	}
	c.write(next, 21, 25)
	c.settle(25)
}

// A node that catches up faster than it can apply stores no more than fits:
// it waits, stays a follower of the same leader meanwhile, and goes on.
func TestCatchingUpWaitsForTheStateMachine(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader := c.leader()
	follower := c.others(leader)[0]
	c.settle(0)
	c.stop(follower)
	c.write(leader, 1, 100)
	follower.tree.gate.Lock()
	c.start(follower)
	look, late := time.NewTicker(2*time.Millisecond), time.After(long)
	defer look.Stop()
	for follower.store.Counters.Waits.Load() == 0 {
		select {
		case <-look.C:
		case <-late:
			t.Fatal("it never waits")
		}
	}
	if last, _ := follower.store.LastIndex(); last > 60 {
		t.Errorf("%d entries were stored before it waited", last)
	}
	c.write(leader, 101, 110) // the others go on
	follower.tree.gate.Unlock()
	c.settle(110)
}

// HTTPS is served on the same ports while Raft replicates.
func TestHTTPSBesideRaft(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader := c.leader()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pin, _ := certs.PinOf(*r.TLS)
		fmt.Fprint(w, c.pins[pin])
	})}
	go server.Serve(leader.port.HTTPS())
	defer server.Close()
	peer := c.others(leader)[0]
	client := &http.Client{Timeout: long, Transport: &http.Transport{TLSClientConfig: certs.ClientConfig(peer.id, leader.id.Pin(), wire.ALPNHTTP)}}
	for i := 1; i <= 10; i++ {
		c.write(leader, i, i)
		resp, err := client.Get("https://" + leader.port.Addr().String())
		c.must(err)
		body, err := io.ReadAll(resp.Body)
		c.must(err)
		resp.Body.Close()
		if string(body) != peer.name {
			t.Fatalf("the leader took %s for %q", peer.name, body)
		}
	}
	c.settle(10)
}
