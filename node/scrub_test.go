package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

// scrubbed is a cluster whose node lyon reads everything again each 200 ms.
func scrubbed(t *testing.T) *cluster {
	return startCluster(t, func(id string, cfg *node.Config) {
		cfg.Scrub = -1
		if id == "lyon" {
			cfg.Scrub = 200 * time.Millisecond
		}
	})
}

func (c *cluster) passes(n float64) {
	c.t.Helper()
	before := c.metric("lyon", "milepost_scrub_passes_total")
	c.eventually("passes of the scrub", func() bool { return c.metric("lyon", "milepost_scrub_passes_total") >= before+n })
}

// A bit flips on the disk of a running node, in a record. The scrub finds it,
// names it, and mends it from another node; the node goes on, and so does the
// log.
func TestScrubMendsTheLedger(t *testing.T) {
	t.Parallel()
	c := scrubbed(t)
	car := newVIN()
	note, ans := c.ackOnce("turin", car, 77_777)
	c.ack("turin", c.readings(30)...)
	c.agree()
	c.passes(2)
	if n := c.metric("lyon", "milepost_damage_found_total"); n > 0 {
		t.Fatalf("damage is found where there is none: %s", c.logOf("lyon"))
	}
	dir := c.Cluster.Cluster.DataPath("lyon")
	flipAll(t, filepath.Join(dir, "raft.db"), note[60:])
	c.eventually("the damage being mended", func() bool { return c.metric("lyon", "milepost_damage_mended_total") > 0 })
	hash := verify.Hex(verify.LeafHash(note))
	if !c.said("lyon", "leaf hash "+hash) || !c.said("lyon", "node lyon, raft.db: leaf ") || !c.said("lyon", "was mended") {
		t.Errorf("the damage was not named:\n%s", c.logOf("lyon"))
	}
	got, err := c.as("lyon", dealer).Get(t.Context(), "/v1/records/"+ans.Records[0].LeafHash)
	if err != nil || string(got) != string(note) {
		t.Errorf("after mending the record is %q, %v", got, err)
	}
	c.ack("lyon", c.readings(3)...)
	c.passes(2)
	c.eventually("no damage being left", func() bool { return c.metric("lyon", "milepost_damaged_entries") == 0 })
	c.agree()
	c.StopNode("lyon")
	if rep := check(t, dir); len(rep.Damage) > 0 {
		t.Errorf("after mending: %v", rep.Damage)
	}
}

// What can't be proven is not mended. While its ledger is damaged a node
// cosigns nothing and says that it isn't ready; nobody is given the damaged
// bytes. Once another node gives the right ones again it goes on.
func TestDamagedNodeCosignsNothing(t *testing.T) {
	t.Parallel()
	var lying atomic.Bool
	c := startCluster(t, func(id string, cfg *node.Config) {
		cfg.Scrub = -1
		if id == "lyon" {
			cfg.Scrub = 200 * time.Millisecond
		} else {
			cfg.Lie(node.Lies{LedgerEntry: func(stored []byte) []byte {
				if lying.Load() {
					return node.OtherEntry(stored)
				}
				return stored
			}})
		}
	})
	note, ans := c.ackOnce("turin", newVIN(), 66_666)
	c.ack("turin", c.readings(10)...)
	c.agree()
	c.passes(1)
	lying.Store(true)
	dir := c.Cluster.Cluster.DataPath("lyon")
	flipAll(t, filepath.Join(dir, "raft.db"), note[60:])
	c.eventually("the damage being noticed", func() bool {
		_, err := c.as("lyon", "").Get(t.Context(), "/readyz")
		return fault.Code(err) == "damaged"
	})
	c.eventually("the others' lies being refused", func() bool { return c.said("lyon", "is not the one under the signed tree head") })
	if n := c.metric("lyon", "milepost_damage_mended_total"); n > 0 {
		t.Error("a lie was written into the ledger")
	}
	_, err := c.as("lyon", dealer).Get(t.Context(), "/v1/records/"+ans.Records[0].LeafHash)
	if code := fault.Code(err); code != "ledger_corrupt" {
		t.Errorf("the damaged record: %v (%s)", err, code)
	}
	head, err := c.as("turin", "").Get(t.Context(), "/checkpoint")
	must(t, err)
	peer, err := c.key("node/turin", keyfile.UseTLS).TLS()
	must(t, err)
	_, err = c.clientAs("lyon", peer).AskCosign(t.Context(), head, nil)
	refused(t, err, "damaged")
	_, err = c.backup("lyon", filepath.Join(t.TempDir(), "backup"))
	refused(t, err, "damaged")
	// The others have their quorum, three of four.
	c.ack("turin", c.readings(3)...)
	if n := c.metric("lyon", "milepost_damaged_entries"); n != 1 {
		t.Errorf("milepost_damaged_entries is %v", n)
	}
	lying.Store(false)
	c.eventually("the node being ready again", func() bool {
		_, err := c.as("lyon", "").Get(t.Context(), "/readyz")
		return err == nil
	})
	c.agree()
}

// Damage of what derives from the ledger ends the node, and keeps it from
// being started again, until tree.db has been made anew.
func TestScrubFindsADamagedTree(t *testing.T) {
	t.Parallel()
	c := scrubbed(t)
	note := c.reading(newVIN(), 55_555)
	c.ack("turin", note)
	c.ack("turin", c.readings(40)...)
	size, root := c.agree()
	c.passes(1)
	hash := verify.LeafHash(note)
	dir := c.Cluster.Cluster.DataPath("lyon")
	flipAll(t, filepath.Join(dir, "tree.db"), hash[:])
	err := c.ended("lyon")
	refused(t, err, "damaged")
	// Of the leaf's hash and the one over it, whichever is read first.
	if !strings.Contains(err.Error(), "node lyon, tree.db: ") || !strings.Contains(err.Error(), " lea") || !strings.Contains(fault.Hint(err), "node rebuild") {
		t.Errorf("it ended with %v, hint %q", err, fault.Hint(err))
	}
	refused(t, c.Run("lyon"), "damaged")
	c.ack("turin", c.readings(3)...) // the others go on
	rep, err := node.Rebuild(t.Context(), dir, nil)
	must(t, err)
	if rep.Size < size || len(check(t, dir).Damage) > 0 {
		t.Errorf("the new tree: %+v", rep)
	}
	if cleared, err := node.ClearDamage(dir); err != nil || !cleared {
		t.Errorf("the mark: %v %v", cleared, err)
	}
	c.run("lyon")
	c.ready()
	c.agree()
	if got, err := c.Nodes["lyon"].RootAt(size); err != nil || got != root {
		t.Errorf("root %x, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tree.db.old")); err != nil {
		t.Error("the damaged tree was not set aside")
	}
}

// A node whose files make no sense to bbolt says so, and does not start.
func TestGarbageIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	c.ack("turin", c.readings(20)...)
	c.agree()
	c.StopNode("lyon")
	dir := c.Cluster.Cluster.DataPath("lyon")
	page := int64(os.Getpagesize())
	for file, code := range map[string]string{"raft.db": "ledger_corrupt", "tree.db": "tree_corrupt", "heads.db": "heads_corrupt"} {
		path := filepath.Join(dir, file)
		kept := filepath.Join(t.TempDir(), "kept")
		copyFile(t, path, kept)
		for _, at := range node.DataPages(kept) {
			if at > 1 { // not the metas
				flipAt(t, path, int64(at)*page) // the number of the page
			}
		}
		if err := c.Run("lyon"); err == nil || fault.Code(err) != code {
			t.Errorf("%s: started with %v (%s), want %s", file, err, fault.Code(err), code)
		}
		copyFile(t, kept, path)
	}
	c.run("lyon")
	c.ready()
	c.agree()
}

func (c *cluster) logOf(id string) string {
	book, _ := c.logs.Load(id)
	return book.(*logbook).String()
}
