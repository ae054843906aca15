package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/verify"
)

// Growth says what a log costs as it grows. It is of one node that is a
// cluster by itself, without the network: records are opened, their
// signatures checked, written to the ledger, appended to the tree and
// sealed, all of it synced, and the heads cosigned.
type Growth struct {
	Appends   []Append `json:"appends"`
	Flat      float64  `json:"flat"`               // processor time at the last size against the first; of wall time where the system does not tell
	Heap      float64  `json:"heap_and_stacks_mb"` // Go heap and stacks of the process at the last size, in 10^6 bytes
	Restart   float64  `json:"restart_s"`          // from nothing to ready for records, files in the page cache
	RaftDB    float64  `json:"raft_db_bytes"`      // on disk, a record
	TreeDB    float64  `json:"tree_db_bytes"`      // on disk, a record
	History   int      `json:"history_records"`    // records of the history that the following is about
	ProofMake float64  `json:"proof_make_ms"`      // median, by HTTPS
	Verify    float64  `json:"proof_verify_ms"`    // median
	ProofSize int      `json:"proof_bytes"`        // of the file

	Join        float64 `json:"join_s"`         // until a node that began with nothing has cosigned and published all of it
	JoinBytes   float64 `json:"join_mb"`        // that went over the network for it, both ways, in 10^6 bytes
	JoinRestart float64 `json:"join_restart_s"` // of that node
}

// Append is the cost of a record at a size of the log, over the last half of
// it, but at most measuredRecords.
type Append struct {
	Records int     `json:"records"` // in the log
	Wall    float64 `json:"us"`      // time a record, in microseconds
	CPU     float64 `json:"cpu_us"`  // processor time a record, in microseconds; 0 where the system does not tell
}

const (
	growRecords     = 2000   // in a submission; a request of the API can be as large
	measuredRecords = 50_000 // before each size
)

// watched is the vehicle whose history the proof is made of: a vehicle
// beyond those that the rest is spread over.
const watched = vehicles + 1

func grow(ctx context.Context, cfg *Config) (*Growth, error) {
	cfg.Progress("founding one node")
	starting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	moved := new(atomic.Int64)
	c, err := embed.Start(starting, embed.Config{
		Dir: filepath.Join(cfg.Dir, "grow"), Voters: true, LastWord: func(c *node.Cluster) { c.Nodes = c.Nodes[:1] },
		Each: func(_ string, c *node.Config) { c.Dial = counted(moved) },
	})
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	g := &growing{cluster: c, id: c.IDs()[0], moved: moved}
	if g.forge, err = newForge(c, vehicles); err != nil {
		return nil, err
	}
	// The history of 100 records is spread evenly over the last size.
	last := cfg.Grow[len(cfg.Grow)-1]
	g.every = max(last/100, 1)
	out := &Growth{}
	for _, size := range cfg.Grow {
		cfg.Progress("growing to %d records", size)
		a, err := g.to(ctx, size)
		if err != nil {
			return nil, err
		}
		out.Appends = append(out.Appends, a)
	}
	first, now := out.Appends[0], out.Appends[len(out.Appends)-1]
	if out.Flat = round(now.Wall / first.Wall); first.CPU > 0 {
		out.Flat = round(now.CPU / first.CPU)
	}
	g.forge = nil
	out.Heap = round(heapAndStacks() / 1e6)
	if err := g.proof(ctx, out); err != nil {
		return nil, err
	}
	if err := g.restart(ctx, out); err != nil {
		return nil, err
	}
	cfg.Progress("a fresh node joins")
	return out, g.join(ctx, out)
}

// growing is a log that grows.
type growing struct {
	cluster *embed.Cluster
	id      string
	forge   *forge
	records int           // so far
	every   int           // so many records, one is of the watched vehicle
	moved   *atomic.Int64 // bytes on the connections that nodes open
}

func (g *growing) node() *node.Node { return g.cluster.Nodes[g.id] }

// to grows the log to a size and measures the last part of the way.
func (g *growing) to(ctx context.Context, size int) (Append, error) {
	from := size - min(size/2, measuredRecords)
	for g.records < from {
		if _, err := g.submit(ctx, min(growRecords, from-g.records)); err != nil {
			return Append{}, err
		}
	}
	var total cost
	begin := g.records
	for g.records < size {
		c, err := g.submit(ctx, min(growRecords, size-g.records))
		if err != nil {
			return Append{}, err
		}
		total.wall, total.cpu = total.wall+c.wall, total.cpu+c.cpu
	}
	n := float64(g.records - begin)
	return Append{
		Records: size, Wall: round(float64(total.wall.Microseconds()) / n), CPU: round(float64(total.cpu.Microseconds()) / n),
	}, nil
}

type cost struct{ wall, cpu time.Duration }

// submit appends fresh records in one submission. What counts is from the
// signed bytes to the answer.
func (g *growing) submit(ctx context.Context, n int) (cost, error) {
	notes, err := g.forge.sign(n)
	if err != nil {
		return cost{}, err
	}
	for i := range notes {
		if (g.records+i)%g.every == 0 {
			if notes[i], err = g.forge.note(i, vehicle(watched), time.Now()); err != nil {
				return cost{}, err
			}
		}
	}
	start, cpu := time.Now(), processorTime()
	ans, err := g.node().Submit(ctx, notes...)
	if err != nil {
		return cost{}, err
	}
	c := cost{time.Since(start), processorTime() - cpu}
	for _, r := range ans.Records {
		if r.Status != "accepted" {
			return cost{}, fmt.Errorf("a record was not accepted: %+v", r)
		}
	}
	g.records += n
	return c, nil
}

// heapAndStacks is what Go holds for data and goroutines, in bytes, after a
// collection.
func heapAndStacks() float64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// proof makes and verifies the proof of the watched vehicle's history.
func (g *growing) proof(ctx context.Context, out *Growth) error {
	policy, err := g.cluster.Policy()
	if err != nil {
		return err
	}
	client, err := g.cluster.Client(g.id, g.cluster.Cluster.Members[0].Name)
	if err != nil {
		return err
	}
	defer client.Close()
	var makes, checks []float64
	for range 21 {
		start := time.Now()
		file, err := client.Proof(ctx, vehicle(watched))
		if err != nil {
			return err
		}
		made := time.Now()
		rep := verify.Verify(file, verify.Options{Policy: policy, Now: time.Now(), Subject: vehicle(watched)})
		checked := time.Now()
		if !rep.Verified {
			return fmt.Errorf("the proof does not verify: %w", rep.Failure)
		}
		out.History, out.ProofSize = rep.Records, len(file)
		makes = append(makes, float64(made.Sub(start).Microseconds())/1000)
		checks = append(checks, float64(checked.Sub(made).Microseconds())/1000)
	}
	out.ProofMake, out.Verify = round(median(makes)), round(median(checks))
	return nil
}

// restart stops the node and measures how long it takes to be ready again.
func (g *growing) restart(ctx context.Context, out *Growth) error {
	before := g.node().Status()
	g.cluster.StopNode(g.id)
	data := g.cluster.Cluster.DataPath(g.id)
	for name, to := range map[string]*float64{"raft.db": &out.RaftDB, "tree.db": &out.TreeDB} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil {
			return err
		}
		*to = round(float64(info.Size()) / float64(g.records))
	}
	start := time.Now()
	if err := g.cluster.Run(g.id); err != nil {
		return err
	}
	if err := g.cluster.Ready(ctx); err != nil {
		return err
	}
	out.Restart = round(time.Since(start).Seconds())
	if after := g.node().Status(); after.TreeSize != before.TreeSize || after.Published != before.Published {
		return errors.New("the node came back with another tree")
	}
	return nil
}
