package node_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// disks says how large the databases of nodes may become.
type disks struct {
	sync.Mutex
	max, tree map[string]int
}

func (d *disks) limit(id string, max, tree int) {
	d.Lock()
	defer d.Unlock()
	d.max[id], d.tree[id] = max, tree
}

func startOnDisks(t *testing.T, max map[string]int) (*cluster, *disks) {
	d := &disks{max: max, tree: map[string]int{}}
	return startCluster(t, func(id string, cfg *node.Config) {
		d.Lock()
		defer d.Unlock()
		cfg.MaxSize = d.max[id]
		cfg.Lie(node.Lies{MaxTree: cmp.Or(d.tree[id], roomForTree)})
	}), d
}

// BoltDB doubles the file of a ledger that has a bound, so that these are
// reached one after the other; a tree.db begins at 16 MiB.
const (
	roomForTree = 32 << 20
	plenty      = 64 << 20
)

// A node whose disk is full ends by itself and says so, whatever its part.
// The rest go on, what was acknowledged stays, and with more room the node
// comes back.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c, disks := startOnDisks(t, map[string]int{"lyon": 2 << 20, "turin": plenty, "leeds": plenty, "mutual": 1 << 20})
	acked := map[string]uint64{} // leaf hash -> index
	load := func() {
		for _, r := range c.ack("turin", c.readings(5)...).Records {
			acked[r.LeafHash] = *r.Index
		}
	}
	c.lead("lyon")
	for _, id := range []string{"mutual", "lyon"} {
		c.fill(id, load)
		load()
		disks.limit(id, plenty, 0)
		c.run(id)
		c.ready()
		c.agree()
	}
	for _, id := range c.IDs() {
		c.holds(id, acked)
	}
}

// fill loads until a node has ended for want of room.
func (c *cluster) fill(id string, load func()) {
	c.t.Helper()
	for end := time.Now().Add(2 * patience); time.Now().Before(end); {
		select {
		case <-c.Nodes[id].Done():
			refused(c.t, c.ended(id), "disk_full")
			return
		default:
			load()
			c.ballast()
			last, _ := c.Nodes["turin"].Ledger() // one that has room
			c.eventually(id+" keeping up, or full", func() bool {
				own, _ := c.Nodes[id].Ledger()
				return own >= last || c.Nodes[id].Err() != nil
			})
		}
	}
	c.t.Fatalf("%s is never full: %+v", id, c.Nodes[id].Status())
}

// ballast makes the ledger larger by a quarter of a megabyte: by what every
// node stores and none takes for a record. It reports whether that was stored.
func (c *cluster) ballast() bool {
	junk := bytes.Repeat([]byte("junk "), 12_000)
	leader := c.Nodes[c.Leader()]
	if leader == nil {
		return false
	}
	_, err := leader.Propose(time.Now(), junk, junk, junk, junk)
	return err == nil
}

// holds checks that a node has every acknowledged record at its index.
func (c *cluster) holds(id string, acked map[string]uint64) {
	c.t.Helper()
	for hash, index := range acked {
		raw, err := hex.DecodeString(hash)
		must(c.t, err)
		got, ok, err := c.Nodes[id].Find([32]byte(raw))
		if err != nil || !ok || got != index {
			c.t.Fatalf("%s has an acknowledged record of index %d at %d (%v, %v)", id, index, got, ok, err)
		}
	}
}

// All disks are full at once. Nothing acknowledged is lost, what was not may
// be sent again, and with more room all go on.
func TestAllDisksFull(t *testing.T) {
	t.Parallel()
	c, disks := startOnDisks(t, map[string]int{"lyon": 1 << 20, "turin": 1 << 20, "leeds": 1 << 20, "mutual": 1 << 20})
	ids := c.IDs()
	acked := map[string]uint64{}
	var unsure [][]byte
	running := func() (n int) {
		for _, id := range ids {
			if c.Nodes[id].Err() == nil {
				n++
			}
		}
		return n
	}
	for running() >= 3 {
		c.ballast()
		bulk := c.readings(5)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		ans, err := c.as("turin", dealer).Submit(ctx, bulk...)
		cancel()
		if err != nil {
			if !outage(err) && fault.Code(err) != "disk_full" {
				t.Fatalf("%v (%s)", err, fault.Code(err))
			}
			unsure = bulk
			continue
		}
		for _, r := range ans.Records {
			acked[r.LeafHash] = *r.Index
		}
	}
	for _, id := range ids {
		if err := c.Nodes[id].Err(); err != nil {
			refused(t, err, "disk_full")
		}
		c.StopNode(id)
		disks.limit(id, plenty, 0)
	}
	if len(acked) == 0 || len(unsure) == 0 {
		t.Fatalf("%d records were acknowledged, %d were not", len(acked), len(unsure))
	}
	for _, id := range ids {
		c.run(id)
	}
	c.ready()
	c.ack("leeds", unsure...)
	c.agree()
	for _, id := range ids {
		c.holds(id, acked)
	}
}

// The tree's file can't grow though the ledger's can: Raft never hears of an
// entry as applied that is not, the node ends or does not start, and with more
// room it applies it.
func TestFullDiskUnderTheTree(t *testing.T) {
	t.Parallel()
	c, disks := startOnDisks(t, map[string]int{})
	c.ack("turin", c.readings(50)...)
	c.lead("lyon")
	for _, id := range []string{"mutual", "leeds"} {
		c.StopNode(id)
		must(t, os.Remove(filepath.Join(c.Cluster.Cluster.DataPath(id), "tree.db")))
		disks.limit(id, 0, 64<<10)
		begun := time.Now()
		// What is known to be final is applied before the node is up.
		err := c.Run(id)
		if err == nil {
			err = c.ended(id)
		}
		refused(t, err, "disk_full")
		if took := time.Since(begun); took > 8*time.Second {
			t.Errorf("%s takes %v to end", id, took)
		}
		disks.limit(id, 0, 0)
		c.run(id)
		c.ready()
		c.agree()
	}
	c.ack("leeds", c.reading(newVIN(), 50_000))
}
