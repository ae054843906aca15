package node_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// role is what the liar is in the cluster. Whoever leads is honest unless it
// is the liar.
type role struct {
	name, liar, leader string
}

var roles = []role{
	{"the leader", "lyon", "lyon"},
	{"a follower", "lyon", "turin"},
	{"the node that does not vote", "mutual", "turin"},
}

// honest lists all nodes but the liar, the leader first if it is one of them.
func (r role) honest() []string {
	ids := []string{"turin", "leeds", "lyon", "mutual"}
	return slices.DeleteFunc(ids, func(id string) bool { return id == r.liar })
}

// names checks that each honest node names the liar with a code: in its
// status, among its metrics and in its log.
func (c *cluster) names(r role, code string, honest ...string) {
	c.t.Helper()
	for _, id := range honest {
		var seen []node.Refusal
		c.eventually(fmt.Sprintf("%s naming %s with %s", id, r.liar, code), func() bool {
			seen = c.Nodes[id].Status().Refused
			return slices.ContainsFunc(seen, func(x node.Refusal) bool { return x.Node == r.liar && x.Error.Code == code && x.Count > 0 })
		})
		for _, x := range seen {
			if x.Node != r.liar {
				c.t.Errorf("%s names %s, which is honest: %+v", id, x.Node, x)
			}
		}
		if c.metricOf(id, "milepost_peer_refusals_total", fmt.Sprintf(`{code=%q,peer=%q}`, code, r.liar)) == 0 {
			c.t.Errorf("%s does not count what it refused", id)
		}
		if !c.said(id, "peer="+r.liar) || !c.said(id, "code="+code) {
			c.t.Errorf("the log of %s does not name %s with %s", id, r.liar, code)
		}
	}
}

// fails checks that a file does not verify under the policy of the cluster.
func (c *cluster) fails(file []byte, code string) {
	c.t.Helper()
	rep := verify.Verify(file, verify.Options{Policy: c.policy(), Now: time.Now()})
	if rep.Verified {
		c.t.Error("a file of the lie verifies")
	}
	refused(c.t, rep.Failure, code)
}

// noQuorum checks that nothing is acknowledged while the liar leads: the
// honest nodes stop safely, with the record in the ledger and no head over it.
func (c *cluster) noQuorum(liar, at string, note []byte) {
	c.t.Helper()
	before := c.Nodes[liar].Status()
	ctx, cancel := context.WithTimeout(c.t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.as(at, dealer).Submit(ctx, note)
	// Nobody is to blame if a busy machine had another one elected meanwhile.
	if now := c.Nodes[liar].Status(); err == nil && now.Role == "leader" && now.Term == before.Term {
		c.t.Error("a record is acknowledged that only the liar's tree has under a head")
	}
}

// One node of four has another tree than the others, keeps to it and signs it:
// it forks, hides a record, re-orders, or rewrites its ledger. As a follower,
// or without a vote, it changes nothing; as the leader it stops all, and
// nothing is acknowledged until another one leads. The others refuse its tree,
// keep its head and name it, and no file of its tree verifies.
func TestALyingNodesTree(t *testing.T) {
	t.Parallel()
	for _, r := range roles {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var muted atomic.Bool // one that is to follow asks for no votes
			muted.Store(r.leader != r.liar)
			c := startCluster(t, func(id string, cfg *node.Config) {
				if id == r.liar {
					cfg.Lie(node.Lies{Shameless: true, Transport: func(tr raft.Transport) raft.Transport {
						return &mutedTransport{tr.(*raft.NetworkTransport), &muted}
					}})
				}
			})
			for _, lie := range []struct {
				name string
				tell func(c *cluster, car string, notes [][]byte) [][]byte
			}{
				{"forks", func(c *cluster, car string, _ [][]byte) [][]byte {
					return [][]byte{c.reading(car, 80_000), c.reading(newVIN(), 40_000)}
				}},
				{"hides", func(_ *cluster, _ string, notes [][]byte) [][]byte { return notes[1:] }},
				{"re-orders", func(_ *cluster, _ string, notes [][]byte) [][]byte {
					slices.Reverse(notes)
					return notes
				}},
				{"rewrites", func(c *cluster, car string, notes [][]byte) [][]byte {
					notes[0] = c.reading(car, 80_000)
					return notes
				}},
			} {
				t.Run(lie.name, func(t *testing.T) {
					defer func(t testing.TB) { c.t = t }(c.t)
					c.t = t
					c.liesByTree(r, func(car string, notes [][]byte) [][]byte { return lie.tell(c, car, notes) })
				})
			}
		})
	}
}

func (c *cluster) liesByTree(r role, tell func(car string, notes [][]byte) [][]byte) {
	c.lead("turin")
	car := newVIN()
	truth := c.reading(car, 180_000)
	_, err := c.Nodes["turin"].Propose(time.Now(), truth, c.reading(newVIN(), 20_000), c.reading(car, 190_000))
	must(c.t, err)
	c.ack("turin", c.readings(2)...)
	c.agree()
	subject := record.VehicleSubject(car)
	file, err := c.as("turin", dealer).Proof(c.t.Context(), subject) // where its head covers them
	must(c.t, err)

	dir := c.Cluster.Cluster.DataPath(r.liar)
	c.StopNode(r.liar)
	kept := c.t.TempDir()
	for _, db := range []string{"raft.db", "tree.db", "heads.db"} {
		copyFile(c.t, filepath.Join(dir, db), filepath.Join(kept, db))
	}
	must(c.t, node.DoctorBatch(dir, truth, func(notes [][]byte) [][]byte { return tell(car, notes) }))
	c.run(r.liar)
	liar := c.Nodes[r.liar]
	c.lead(r.leader)
	c.eventually("the liar having all of the ledger", func() bool { return liar.Status().Applied == c.Nodes["turin"].Status().Applied })
	size, root := liar.TreeHead()

	honest := r.honest()
	own := c.checkpoint(size, root, r.liar, r.liar)
	for _, id := range honest {
		if was, err := c.Nodes[id].RootAt(size); err == nil && was == root {
			c.t.Fatalf("%s has the tree of the lie", id)
		}
		_, err := c.askCosign(r.liar, id, own, func(uint64) [][32]byte { return nil })
		refused(c.t, err, "root_mismatch")
		refused(c.t, c.nodeClient(r.liar, id).PushHead(c.t.Context(), own), "root_mismatch")
		files, _ := filepath.Glob(filepath.Join(c.Cluster.Cluster.DataPath(id), "evidence", fmt.Sprintf("refused-%d-*-%s", size, verify.Hex(root)[:16])))
		if len(files) == 0 {
			c.t.Errorf("%s keeps no evidence of the head", id)
		}
	}
	c.names(r, "root_mismatch", honest...)

	// What a buyer gets from the liar.
	forged, err := liar.ForgeProof(subject, func(size uint64, root [32]byte) []byte { return c.checkpoint(size, root, r.liar, r.liar) })
	must(c.t, err)
	c.fails(forged, "quorum_missing")
	head, err := c.as("leeds", "").Get(c.t.Context(), "/checkpoint")
	must(c.t, err)
	forged, err = liar.ForgeProof(subject, func(uint64, [32]byte) []byte { return head })
	must(c.t, err)
	c.fails(forged, "inclusion")
	f, err := verify.ParseFile(file)
	must(c.t, err)
	f.History(subject).Entries = f.History(subject).Entries[1:]
	c.fails(f.Bytes(), "index_present")

	next := c.reading(newVIN(), 60_000)
	if r.leader == r.liar {
		c.noQuorum(r.liar, "leeds", next)
	} else {
		c.ack("leeds", next)
		c.eventually("the leader naming who does not cosign", func() bool { // in a round that waits for its answer
			c.ack("leeds", c.reading(newVIN(), 60_000))
			silent := c.Nodes[c.leader()].Status().Silent
			// A tree with fewer leaves than the head's can't be compared.
			return len(silent) > 0 && silent[0].Node == r.liar && slices.Contains([]string{"root_mismatch", "behind"}, silent[0].Error.Code)
		})
	}
	c.StopNode(r.liar) // as its operator, or the governors, would
	c.ack("leeds", next)
	c.agree()
	for _, id := range honest {
		if err := c.Nodes[id].Err(); err != nil {
			c.t.Errorf("%s has stopped: %v", id, err)
		}
	}
	for _, db := range []string{"raft.db", "tree.db", "heads.db"} {
		copyFile(c.t, filepath.Join(kept, db), filepath.Join(dir, db))
	}
	c.run(r.liar)
	c.agree()
}
