package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// next is the same cluster file for the log that goes on, with other nodes
// and files of its own for founding and policy.
func (c *cluster) next(t testing.TB, files string, ids ...string) *cluster {
	own := *c.Cluster.Cluster
	own.Founding, own.Trust = files+".json", files+".policy"
	own.Nodes = nil
	for _, id := range ids {
		address, err := embed.FreeAddress()
		must(t, err)
		own.Nodes = append(own.Nodes, node.NodeConfig{ID: id, Member: dealer, Address: address, Votes: true})
	}
	e := *c.Cluster
	e.Cluster, e.Nodes = &own, map[string]*node.Node{}
	n := &cluster{Cluster: &e, t: t, signer: c.signer, clients: map[string]*node.Client{}}
	t.Cleanup(e.Stop)
	return n
}

// survivor reads what is left on a node that is stopped.
func (c *cluster) survivor(id string) *node.Survivor {
	c.t.Helper()
	s, err := node.ReadSurvivor(context.Background(), c.Cluster.Cluster.DataPath(id), time.Now(), nil)
	must(c.t, err)
	return s
}

// draftNext drafts the genesis with which a cluster goes on from a survivor.
func (c *cluster) draftNext(s *node.Survivor, seed string) (*record.Proposal, error) {
	c.t.Helper()
	own := c.Cluster.Cluster
	founding, origin, err := s.Founding(own)
	must(c.t, err)
	var requests []*node.Request
	for i := range own.Nodes {
		q, err := node.NewRequest(node.AskNode, own.Nodes[i].ID, origin, own.Nodes[i].Details(), nil, func(holder, use, name string) (*keyfile.Key, error) {
			path := own.KeyPath(holder, use)
			os.Remove(path) // of a draft that came to nothing
			k, _, err := node.KeyAt(path, use, name, nil)
			return k, err
		})
		must(c.t, err)
		requests = append(requests, q)
	}
	return s.Genesis(own, founding, seed, requests, time.Now())
}

// goOn has the governors sign how a cluster goes on from a survivor.
func (c *cluster) goOn(s *node.Survivor, seed string) {
	c.t.Helper()
	p, err := c.draftNext(s, seed)
	must(c.t, err)
	for _, g := range p.Records[0].Missing() {
		k, err := c.key(g, keyfile.UseGovernor).Signer()
		must(c.t, err)
		_, err = p.Sign(k)
		must(c.t, err)
	}
	f, err := node.Founded(p)
	must(c.t, err)
	must(c.t, f.Write(c.Cluster.Cluster))
	c.origin = f.Origin
}

func (c *cluster) recover(id, from string) error {
	_, err := node.Recover(context.Background(), node.RecoverOptions{Cluster: c.Cluster.Cluster, ID: id, From: from, Now: time.Now()})
	return err
}

// verifies checks a proof file of a vehicle offline.
func (c *cluster) verifies(file []byte, vin string, records int) *verify.Report {
	c.t.Helper()
	r := verify.Verify(file, verify.Options{Policy: c.policy(), Now: time.Now(), Subject: record.VehicleSubject(vin)})
	if !r.Verified || r.Records != records {
		c.t.Fatalf("%d records, %v", r.Records, r.Failure)
	}
	return r
}

// Three of four nodes are gone. The fourth, which was behind, is what is left:
// its log goes on as another one on two fresh nodes and itself under another
// name, with all that it had, and every file says what may be missing.
func TestRecoveryOfALostMajority(t *testing.T) {
	t.Parallel()
	old := startCluster(t, nil)
	ctx := context.Background()
	car := newVIN()
	old.ack("lyon", old.reading(car, 10_000))
	old.ack("turin", old.readings(5)...)
	old.agree()
	before, err := old.as("lyon", dealer).Proof(ctx, record.VehicleSubject(car))
	must(t, err)
	if old.leader() == "lyon" {
		old.lead("turin")
	}
	old.StopNode("lyon")
	old.ack("turin", old.reading(car, 20_000)) // acknowledged, and will be lost
	stale := old.reading(car, 25_000)          // signed, and never sent
	old.Stop()

	from := old.Cluster.Cluster.DataPath("lyon")
	s := old.survivor("lyon")
	if s.Origin != old.origin || s.Published > s.Size || s.Published == 0 {
		t.Errorf("%+v", s)
	}
	// Neither the old ids nor strangers as governors.
	_, err = old.next(t, "same", "lyon", "paris").draftNext(s, "lyon")
	refused(t, err, "node_exists")
	_, err = old.next(t, "same", "lyon2").draftNext(s, "paris")
	refused(t, err, "config")
	strange := old.next(t, "strange", "lyon2")
	strange.Cluster.Cluster.Governs.Names = []string{"stranger.example"}
	_, _, err = s.Founding(strange.Cluster.Cluster)
	refused(t, err, "config")

	c := old.next(t, "second", "lyon2", "paris", "rome")
	c.goOn(s, "lyon2")
	// The seed has nothing to begin with yet; no other node may begin.
	refused(t, c.Run("lyon2"), "seed_empty")
	refused(t, c.recover("paris", from), "not_seed")
	refused(t, c.recover("lyon2", old.Cluster.Cluster.DataPath("turin")), "predecessor")
	must(t, c.recover("lyon2", from))
	refused(t, c.recover("lyon2", from), "dir_not_empty")
	refused(t, old.Run("lyon"), "recovered")
	_, err = node.ReadSurvivor(ctx, from, time.Now(), nil)
	refused(t, err, "recovered")

	for _, id := range []string{"paris", "lyon2", "rome"} {
		c.run(id)
	}
	// One stops wherever it is, among the leaves of before perhaps.
	c.eventually("paris beginning", func() bool { size, _ := c.Nodes["paris"].TreeHead(); return size > 0 })
	c.StopNode("paris")
	paris := c.Cluster.Cluster.DataPath("paris")
	for range 2 {
		audit, err := node.Audit(ctx, paris, node.AuditOptions{Policy: c.policy(), Now: time.Now()})
		must(t, err)
		if len(audit.Wrong) > 0 || audit.Origin != c.origin {
			t.Errorf("half way: %+v", audit)
		}
		_, err = node.Rebuild(ctx, paris, nil)
		must(t, err)
	}
	c.run("paris")
	c.ready()
	if _, err = c.as("paris", dealer).Submit(ctx, stale); err == nil {
		t.Error("a record of the log before is taken")
	}
	refused(t, err, "origin")
	c.ack("paris", c.reading(car, 30_000))
	c.ack("rome", c.readings(3)...)
	c.agree()
	for _, id := range c.IDs() {
		after, err := c.as(id, dealer).Proof(ctx, record.VehicleSubject(car))
		must(t, err)
		r := c.verifies(after, car, 2)
		if want := "; the log continues " + old.origin + ", recovered at size "; !strings.Contains(r.Scope(), want) {
			t.Errorf("scope: %s", r.Scope())
		}
		if r.Results[0].Record.Origin != old.origin || r.Results[1].Record.Origin != c.origin {
			t.Error("the records are of the wrong logs")
		}
	}
	old.verifies(before, car, 1)
	c.backUpASuccessor(t, s)
}

// backUpASuccessor does with a log that begins with another's leaves whatever
// is done with data directories.
func (c *cluster) backUpASuccessor(t *testing.T, s *node.Survivor) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "backup")
	_, err := c.backup("rome", dir)
	must(t, err)
	size, root := c.agree()
	c.Stop()
	for _, id := range []string{"lyon2", "paris", "rome"} {
		data := c.Cluster.Cluster.DataPath(id)
		if id == "paris" {
			must(t, os.Remove(filepath.Join(data, "tree.db")))
			rep, err := node.Rebuild(ctx, data, nil)
			must(t, err)
			if rep.Origin != c.origin || rep.Size != size {
				t.Errorf("rebuilt: %+v", rep)
			}
		}
		check, err := node.Check(ctx, data, node.CheckOptions{Node: id})
		must(t, err)
		audit, err := node.Audit(ctx, data, node.AuditOptions{Policy: c.policy(), Now: time.Now()})
		must(t, err)
		if len(check.Damage) > 0 || len(audit.Wrong) > 0 || audit.Size != size || audit.Root != verify.Hex(root) {
			t.Errorf("%s: check %v, audit %+v", id, check.Damage, audit)
		}
	}
	entry := c.Cluster.Cluster.Nodes[0]
	entry.ID = "ghent"
	c.Cluster.Cluster.Nodes = append(c.Cluster.Cluster.Nodes, entry)
	rep, err := c.restore("ghent", dir)
	must(t, err)
	if rep.Size <= s.Size {
		t.Errorf("restored: %+v", rep)
	}
	for _, id := range []string{"lyon2", "paris", "rome"} {
		c.run(id)
	}
	c.ready()
	c.ack("lyon2", c.readings(1)...)
}
