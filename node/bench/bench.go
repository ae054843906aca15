package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/verify"
)

// Config says what to measure.
type Config struct {
	Dir      string                           // an empty or absent directory for keys and data
	Seconds  float64                          // that each phase is measured; 5 if 0
	Inflight []int                            // requests in flight; 1, 64 and 1,024 if nil
	Grow     []int                            // log sizes in records, rising, at which Grow measures; none if nil
	Progress func(format string, args ...any) // told what is going on; may be nil
}

// GrowSizes are the sizes that `milepost bench --grow` measures at.
var GrowSizes = []int{10_000, 100_000, 1_000_000}

// Figures are the result. As JSON they have exactly these fields.
type Figures struct {
	Inflight  map[string]Phase `json:"inflight"` // by requests in flight, one record each
	Bulk      Phase            `json:"bulk"`     // bulkRecords a request, bulkInflight requests in flight
	Fdatasync float64          `json:"fdatasync_per_s"`
	Ed25519   float64          `json:"ed25519_verify_per_s"` // circl, one core
	Grow      *Growth          `json:"grow,omitempty"`

	Expanded float64 `json:"-"` // checks a second with a node's expanded keys, one core
}

// Phase is one measurement.
type Phase struct {
	Acked float64 `json:"acked_per_s"` // records acknowledged a second
	P50   float64 `json:"p50_ms"`      // of the time from a request to its answer
	P99   float64 `json:"p99_ms"`
}

// A bulk request is smaller than a batch of Raft's, so that several fill one.
const (
	bulkRecords  = 256
	bulkInflight = 8
)

// machineTime is how long each of the machine's own rates is measured
// between two phases; the median counts.
const machineTime = 300 * time.Millisecond

// Run measures. With Grow it takes minutes.
func Run(ctx context.Context, cfg Config) (*Figures, error) {
	if cfg.Seconds <= 0 {
		cfg.Seconds = 5
	}
	if cfg.Inflight == nil {
		cfg.Inflight = []int{1, 64, 1024}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, ...any) {}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	f := &Figures{Inflight: map[string]Phase{}}
	m := &machine{dir: cfg.Dir}
	if err := run(ctx, &cfg, f, m); err != nil {
		return nil, err
	}
	if len(cfg.Grow) > 0 {
		var err error
		if f.Grow, err = grow(ctx, &cfg); err != nil {
			return nil, fmt.Errorf("growth: %w", err)
		}
	}
	f.Fdatasync, f.Ed25519, f.Expanded = median(m.fdatasync), median(m.ed25519), median(m.expanded)
	return f, nil
}

func run(ctx context.Context, cfg *Config, f *Figures, m *machine) error {
	cfg.Progress("founding three nodes")
	starting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := embed.Start(starting, embed.Config{Dir: filepath.Join(cfg.Dir, "cluster"), Voters: true})
	if err != nil {
		return err
	}
	defer c.Stop()
	b, err := newLoad(c)
	if err != nil {
		return err
	}
	defer b.close()
	for _, n := range cfg.Inflight {
		if err := m.measure(); err != nil {
			return err
		}
		cfg.Progress("%d requests in flight", n)
		p, err := b.phase(ctx, shape{clients: n, records: 1}, cfg.Seconds)
		if err != nil {
			return fmt.Errorf("%d requests in flight: %w", n, err)
		}
		f.Inflight[strconv.Itoa(n)] = p
	}
	if err := m.measure(); err != nil {
		return err
	}
	cfg.Progress("%d requests of %d records in flight", bulkInflight, bulkRecords)
	if f.Bulk, err = b.phase(ctx, shape{clients: bulkInflight, records: bulkRecords}, cfg.Seconds); err != nil {
		return fmt.Errorf("bulk: %w", err)
	}
	if err := m.measure(); err != nil {
		return err
	}
	return b.agree(ctx)
}

// load is a running cluster and what speaks to it.
type load struct {
	cluster *embed.Cluster
	policy  *verify.Policy
	forge   *forge
	clients map[string]*node.Client // one of each node, to check what it holds
	senders []*sender               // to the leader, one for each request in flight
	leader  string
	acked   int // records acknowledged in all phases
}

func newLoad(c *embed.Cluster) (*load, error) {
	b := &load{cluster: c, leader: c.Leader(), clients: map[string]*node.Client{}}
	var err error
	if b.policy, err = c.Policy(); err != nil {
		return nil, err
	}
	if b.forge, err = newForge(c, vehicles); err != nil {
		return nil, err
	}
	for _, id := range c.IDs() {
		if b.clients[id], err = c.Client(id, b.forge.authors[0]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *load) close() {
	for _, c := range b.clients {
		c.Close()
	}
	for _, s := range b.senders {
		s.close()
	}
}

// agree checks that all nodes end with one tree, no smaller than what was
// acknowledged.
func (b *load) agree(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		sizes := map[uint64]bool{}
		for _, n := range b.cluster.Nodes {
			s := n.Status()
			sizes[s.TreeSize], sizes[s.Published] = true, true
		}
		// Equal sizes that all nodes cosigned have equal roots: each signs
		// only what its own tree gives.
		if len(sizes) == 1 {
			for size := range sizes {
				if size < uint64(b.acked) {
					return fmt.Errorf("%d records were acknowledged, the tree has %d leaves", b.acked, size)
				}
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the nodes do not come to one tree: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
