// Package embed runs a whole cluster in one process, over real TLS on
// loopback: for the demo, for `milepost bench` and for tests. It adds
// nothing to what a node is.
package embed

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

// Example is the example cluster, as cluster.toml has it: three dealers that
// vote and an insurer's node that only cosigns.
const Example = `name = "milepost.example/demo"
dir = "cluster"
timeout = "3s"

[governors]
names = ["board.example/chair", "board.example/inspection", "board.example/insurers"]
threshold = 2

[[member]]
name = "dealer.example/lyon"
legal_name = "Garage de Lyon (example)"
kind = ["DLR"]
country = "FR"
zone = "Europe/Paris"
admins = ["chief", "deputy"]

[[member]]
name = "dealer.example/turin"
legal_name = "Officina di Torino (example)"
kind = ["DLR"]
country = "IT"
zone = "Europe/Rome"
admins = ["chief", "deputy"]

[[member]]
name = "inspection.example/leeds"
legal_name = "Leeds Vehicle Testing (example)"
kind = ["DLR", "PTI"]
country = "GB"
zone = "Europe/London"
admins = ["chief", "deputy"]

[[member]]
name = "insurer.example/mutual"
legal_name = "Mutual Insurance (example)"
kind = ["INS", "AUD"]
country = "BE"
zone = "Europe/Brussels"
admins = ["chief", "deputy"]

[[node]]
id = "lyon"
member = "dealer.example/lyon"
address = "127.0.0.1:7401"
votes = true

[[node]]
id = "turin"
member = "dealer.example/turin"
address = "127.0.0.1:7402"
votes = true

[[node]]
id = "leeds"
member = "inspection.example/leeds"
address = "127.0.0.1:7403"
votes = true

[[node]]
id = "mutual"
member = "insurer.example/mutual"
address = "127.0.0.1:7404"
votes = false
`

// Config is a cluster to run.
type Config struct {
	Dir      string // keys, founding and data
	Text     string // of cluster.toml; Example if empty. Addresses are replaced by free ports
	Log      *slog.Logger
	Voters   bool                            // leave out the nodes that do not vote
	Each     func(id string, c *node.Config) // last word on each node's configuration; may be nil
	Timeout  string                          // of Raft; "1s" if empty
	LastWord func(*node.Cluster)             // on the cluster before it is founded; may be nil
}

// Cluster is a running cluster.
type Cluster struct {
	Cluster *node.Cluster
	Nodes   map[string]*node.Node // by id; those that run
	cfg     Config
}

// New founds a cluster in an empty directory, and starts nothing.
func New(cfg Config) (*Cluster, error) {
	if cfg.Text == "" {
		cfg.Text = Example
	}
	c, err := node.ParseCluster([]byte(cfg.Text))
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	c.SetDir(dir)
	c.Timeout = cfg.Timeout
	if c.Timeout == "" {
		c.Timeout = "1s"
	}
	if cfg.Voters {
		var voters []node.NodeConfig
		for _, n := range c.Nodes {
			if n.Votes {
				voters = append(voters, n)
			}
		}
		c.Nodes = voters
	}
	if err := freePorts(c); err != nil {
		return nil, err
	}
	if cfg.LastWord != nil {
		cfg.LastWord(c)
	}
	if _, err := node.Found(c, time.Now()); err != nil {
		return nil, err
	}
	return &Cluster{Cluster: c, Nodes: map[string]*node.Node{}, cfg: cfg}, nil
}

// nextPort counts the ports that FreeAddress has tried. Each process begins
// elsewhere, so that what one has found free, and not opened yet, isn't found
// by another.
var nextPort atomic.Int64

func init() { nextPort.Store(int64(os.Getpid()) * 997) }

// FreeAddress returns a port of loopback that was free a moment ago, another
// each time. It takes none that the system gives to outgoing connections (from
// 32768 on Linux): one of those could get it before the node does, or while
// the node is down.
func FreeAddress() (string, error) {
	const lowest, count = 10_000, 22_000
	var last error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", lowest+nextPort.Add(1)%count)
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("find a free port: %w", last)
}

// freePorts gives every node a port.
func freePorts(c *node.Cluster) (err error) {
	for i := range c.Nodes {
		c.Nodes[i].Listen = ""
		if c.Nodes[i].Address, err = FreeAddress(); err != nil {
			return err
		}
	}
	return nil
}

// Start founds a cluster and starts all its nodes.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	for _, n := range c.Cluster.Nodes {
		if err := c.Run(n.ID); err != nil {
			c.Stop()
			return nil, err
		}
	}
	if err := c.Ready(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Run starts one node.
func (c *Cluster) Run(id string) error {
	own := *c.Cluster // a node reads its own copy of the cluster file, as each on its own machine does
	own.Nodes = slices.Clone(own.Nodes)
	cfg := node.Config{Cluster: &own, ID: id, Log: c.cfg.Log}
	if cfg.Log != nil {
		cfg.Log = cfg.Log.With("node", id)
	}
	if c.cfg.Each != nil {
		c.cfg.Each(id, &cfg)
	}
	n, err := node.Start(cfg)
	if err != nil {
		return fmt.Errorf("start node %s: %w", id, err)
	}
	c.Nodes[id] = n
	return nil
}

// Ready waits until every running node knows a tree head with a quorum, and
// the founding members.
func (c *Cluster) Ready(ctx context.Context) error {
	for id, n := range c.Nodes {
		for {
			if s := n.Status(); s.Published > 0 && s.Leader != "" && n.Founded() {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("node %s has no tree head with a quorum: %w", id, ctx.Err())
			case <-n.Done():
				return fmt.Errorf("node %s: %w", id, n.Err())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

// Leader returns the id of the leader, or "".
func (c *Cluster) Leader() string {
	for id, n := range c.Nodes {
		if s := n.Status(); s.Role == "leader" {
			return id
		}
	}
	return ""
}

// IDs lists the running nodes, sorted.
func (c *Cluster) IDs() []string {
	var ids []string
	for id := range c.Nodes {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// StopNode stops one node.
func (c *Cluster) StopNode(id string) {
	if n := c.Nodes[id]; n != nil {
		n.Stop(context.Background())
		delete(c.Nodes, id)
	}
}

// Stop stops all nodes.
func (c *Cluster) Stop() {
	var wg sync.WaitGroup
	for _, n := range c.Nodes {
		wg.Go(func() { n.Stop(context.Background()) })
	}
	wg.Wait()
	c.Nodes = map[string]*node.Node{}
}

// Client returns a client of a node, in the name of a member; "" is nobody.
func (c *Cluster) Client(id, member string) (*node.Client, error) {
	return c.Cluster.Client(id, member, nil)
}

// Signer returns a member's record key.
func (c *Cluster) Signer(member string) (certs.Signer, error) {
	k, err := keyfile.ReadKeyFile(c.Cluster.KeyPath(member, keyfile.UseRecord), nil)
	if err != nil {
		return nil, err
	}
	return k.Signer()
}

// Policy reads the trust policy of the founding.
func (c *Cluster) Policy() (*verify.Policy, error) {
	text, err := os.ReadFile(c.Cluster.PolicyPath())
	if err != nil {
		return nil, err
	}
	return verify.ParsePolicy(text)
}
