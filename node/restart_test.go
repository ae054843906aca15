package node_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
)

// Every node restarts, then all do, and nothing is different: the tree, what
// is published, and what was acknowledged.
func TestRestarts(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	var acked []*node.SubmitAnswer
	var notes [][]byte
	load := func(at string) {
		notes = append(notes, c.readings(3)...)
		acked = append(acked, c.ack(at, notes[len(notes)-3:]...))
	}
	load("turin")
	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		size, root := c.agree()
		c.StopNode(id)
		c.run(id)
		c.ready()
		if s, r := c.agree(); s != size || r != root {
			t.Errorf("after a restart of %s the tree is another: %d leaves, %d before", id, s, size)
		}
		load(id)
	}
	size, root := c.agree()
	c.Stop()
	for _, id := range []string{"mutual", "leeds", "turin", "lyon"} {
		c.run(id)
	}
	c.ready()
	if s, r := c.agree(); s != size || r != root {
		t.Errorf("after a restart of all the tree is another: %d leaves, %d before", s, size)
	}
	for _, id := range c.IDs() {
		ans := c.ack(id, notes...)
		for i, r := range ans.Records {
			if was := acked[i/3].Records[i%3]; r.Status != "present" || *r.Index != *was.Index {
				t.Errorf("%s: record %d is %s at %d, was at %d", id, i, r.Status, *r.Index, *was.Index)
			}
		}
		if s := c.Nodes[id].Status(); s.Published != size {
			t.Errorf("%s publishes %d of %d leaves", id, s.Published, size)
		}
	}
	load("mutual")
}

// The founding is proposed until all of it is on the log, in order, though
// proposals fail: a batch of admissions that went through after the one with
// the genesis had failed was refused, and a cluster once never opened for it.
func TestFoundingIsPersistent(t *testing.T) {
	t.Parallel()
	var proposals atomic.Int32
	c := startCluster(t, func(id string, cfg *node.Config) {
		cfg.Lie(node.Lies{Propose: func() error {
			if proposals.Add(1)%2 == 1 {
				return node.ErrNoLeader
			}
			return nil
		}})
	})
	c.ack("turin", c.reading(newVIN(), 50_000))
	c.agree()
}

// A leader that is stopped hands over: though elections wait for 20 seconds
// in this cluster, the next one leads at once, and no client loses anything.
func TestStopHandsOver(t *testing.T) {
	t.Parallel()
	c := newClusterWith(t, embed.Config{Timeout: "20s"}, nil)
	for _, n := range c.Cluster.Cluster.Nodes {
		c.run(n.ID)
	}
	c.ready()
	leader := c.leader()
	at := "turin"
	if leader == at {
		at = "leeds"
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	acked := map[string]uint64{}
	var mu sync.Mutex
	for range 3 {
		wg.Go(func() {
			for !stop.Load() {
				ans := c.ack(at, c.readings(2)...)
				mu.Lock()
				for _, r := range ans.Records {
					acked[r.LeafHash] = *r.Index
				}
				mu.Unlock()
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	c.eventually("some records", func() bool { return count() > 20 })
	old := c.Nodes[leader].Status().Term
	n := c.Nodes[leader]
	delete(c.Nodes, leader)
	begun := time.Now()
	n.Stop(context.Background())
	next := c.leader()
	took := time.Since(begun)
	before := count()
	c.eventually("more records", func() bool { return count() > before+10 })
	stop.Store(true)
	wg.Wait()
	if took > 15*time.Second {
		t.Errorf("the next leader took %v", took)
	}
	if term := c.Nodes[next].Status().Term; term != old+1 {
		t.Errorf("the term went from %d to %d", old, term)
	}
	c.agree()
	for id := range c.Nodes {
		c.holds(id, acked)
	}
}

// The tree is derived: a node that lost it builds the same one from its
// ledger. A second process finds the directory in use.
func TestLostTree(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	c.ack("turin", c.readings(100)...)
	size, root := c.agree()
	for _, id := range []string{"lyon", "mutual"} {
		c.StopNode(id)
		must(t, os.Remove(filepath.Join(c.Cluster.Cluster.DataPath(id), "tree.db")))
		c.run(id)
		c.ready()
		if s, r := c.agree(); s != size || r != root {
			t.Errorf("%s has built a tree of %d leaves, want %d", id, s, size)
		}
	}
	// A data directory has one process; the second is told so, and the first
	// goes on.
	_, err := node.Start(node.Config{Cluster: c.Cluster.Cluster, ID: "lyon"})
	refused(t, err, "data_in_use")
	c.ack("mutual", c.reading(newVIN(), 50_000))
	c.agree()
}

// A raft.db that tree.db was not made from is refused: an older one, and
// another log's.
func TestForeignLedger(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	c.ack("turin", c.readings(3)...)
	c.agree()
	c.StopNode("leeds")
	ledger := filepath.Join(c.Cluster.Cluster.DataPath("leeds"), "raft.db")
	older := filepath.Join(t.TempDir(), "older")
	copyFile(t, ledger, older)
	c.run("leeds")
	c.ready()
	c.ack("turin", c.readings(3)...)
	c.agree()
	c.StopNode("leeds")
	newest := filepath.Join(t.TempDir(), "newest")
	copyFile(t, ledger, newest)

	copyFile(t, older, ledger)
	refused(t, c.Run("leeds"), "ledger_short")
	must(t, os.Remove(ledger))
	refused(t, c.Run("leeds"), "ledger_short")

	// As long as it should be, of the right terms, with another last record.
	last := c.reading(newVIN(), 70_000)
	copyFile(t, newest, ledger)
	c.run("leeds")
	c.ready()
	c.ack("turin", last)
	c.agree()
	c.StopNode("leeds")
	copyFile(t, ledger, newest)
	doctored := t.TempDir()
	for _, db := range []string{"raft.db", "tree.db", "heads.db"} {
		copyFile(t, filepath.Join(c.Cluster.Cluster.DataPath("leeds"), db), filepath.Join(doctored, db))
	}
	must(t, node.DoctorLedger(doctored, last, c.reading(newVIN(), 70_000)))
	copyFile(t, filepath.Join(doctored, "raft.db"), ledger)
	refused(t, c.Run("leeds"), "ledger_foreign")

	copyFile(t, newest, ledger)
	c.run("leeds")
	c.ready()
	c.agree()
}

// Keys of another founding, of another node, or that the log does not know
// are refused at the start, before anybody else is bothered.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	c, foreign := newCluster(t, nil), newCluster(t, nil)
	for _, use := range []string{keyfile.UseLog, keyfile.UseCosigner, keyfile.UseTLS} {
		own := c.Cluster.Cluster.KeyPath("node/lyon", use)
		kept := filepath.Join(t.TempDir(), "kept")
		copyFile(t, own, kept)
		for _, from := range []string{foreign.Cluster.Cluster.KeyPath("node/lyon", use), c.Cluster.Cluster.KeyPath("node/turin", use)} {
			copyFile(t, from, own)
			refused(t, c.Run("lyon"), "key_file")
		}
		copyFile(t, kept, own)
	}
	// The data of another founding.
	foreign.run("lyon")
	foreign.run("turin")
	foreign.eventually("a tree", func() bool { size, _ := foreign.Nodes["lyon"].TreeHead(); return size > 0 })
	foreign.Stop()
	for _, db := range []string{"raft.db", "tree.db", "heads.db"} {
		must(t, os.MkdirAll(c.Cluster.Cluster.DataPath("lyon"), 0o700))
		copyFile(t, filepath.Join(foreign.Cluster.Cluster.DataPath("lyon"), db), filepath.Join(c.Cluster.Cluster.DataPath("lyon"), db))
	}
	refused(t, c.Run("lyon"), "tree_corrupt")
	must(t, os.RemoveAll(c.Cluster.Cluster.DataPath("lyon")))
	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		c.run(id)
	}
	c.ready()
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
}
