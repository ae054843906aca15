package node_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/node/store/powertest"
	"github.com/milepost-log/milepost/verify"
)

// Power fails at any moment while a node takes records in, in the middle of
// what its three databases write. Each of them opens with what was synced and
// any part of what was not, they fit each other, and whatever the node has
// told anybody by then is there: records at their indices, and the heads that
// it has cosigned. It starts and goes on.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	c := newClusterWith(t, embed.Config{LastWord: func(c *node.Cluster) { c.Nodes = c.Nodes[:1] }}, nil)
	id := c.Cluster.Cluster.Nodes[0].ID
	c.run(id)
	c.ready()
	var trace powertest.Trace
	dbs := map[string]*bolt.DB{}
	for name, store := range c.Nodes[id].Stores() {
		dbs[name] = powertest.DB(store)
	}
	must(t, trace.Watch(dbs))
	type promise struct {
		from  int // event
		notes map[string]uint64
		head  *verify.Checkpoint
	}
	var promises []promise
	r := rand.New(rand.NewPCG(3, 4))
	first := trace.Mark()
	for range 12 {
		ans := c.ack(id, c.readings(1+r.IntN(40))...)
		p := promise{from: trace.Mark(), notes: map[string]uint64{}}
		for _, a := range ans.Records {
			p.notes[a.LeafHash] = *a.Index
		}
		var err error
		p.head, err = verify.ParseCheckpointText(ans.Checkpoint)
		must(t, err)
		promises = append(promises, p)
	}
	c.StopNode(id)
	must(t, trace.Check())

	data := c.Cluster.Cluster.DataPath(id)
	must(t, os.Rename(data, data+".whole"))
	images := 40
	if testing.Short() {
		images = 10
	}
	moments := r.Perm(trace.Len() - first)[:images]
	for i, at := range moments {
		n, loss := first+at+1, powertest.Sectors
		if i%2 == 0 {
			loss = powertest.Loss(i/2) % powertest.Losses
		}
		where := fmt.Sprintf("event %d of %d, loss %d", n, trace.Len(), loss)
		must(t, os.Mkdir(data, 0o700))
		paths := map[string]string{}
		for name := range dbs {
			paths[name] = filepath.Join(data, name)
		}
		must(t, trace.Leave(n, loss, r, paths))
		rep, err := node.Check(t.Context(), data, node.CheckOptions{Node: id})
		if err != nil || len(rep.Damage) > 0 {
			t.Fatalf("%s: %v, %+v", where, err, rep)
		}
		tree, err := log.Open(filepath.Join(data, "tree.db"), log.Config{ReadOnly: true})
		must(t, err)
		v := tree.View()
		cosigned, err := node.CosignedRoots(data)
		must(t, err)
		for _, p := range promises {
			if p.from > n {
				continue
			}
			for leaf, want := range p.notes {
				raw, err := hex.DecodeString(leaf)
				must(t, err)
				if got, ok, err := v.Find([32]byte(raw)); err != nil || !ok || got != want {
					t.Fatalf("%s: a record acknowledged at index %d is at %d (%v, %v)", where, want, got, ok, err)
				}
			}
			if root, ok := cosigned[p.head.Size]; !ok || root != p.head.Root {
				t.Fatalf("%s: the node has forgotten the head of size %d (%v)", where, p.head.Size, ok)
			}
		}
		v.Release()
		must(t, tree.Close())
		if i < 2 {
			c.run(id)
			c.ready()
			c.ack(id, c.reading(newVIN(), 50_000))
			c.StopNode(id)
			rep, err := node.Audit(t.Context(), data, node.AuditOptions{Policy: c.policy(), Now: time.Now(), Temp: t.TempDir()})
			if err != nil || len(rep.Wrong) > 0 || !rep.Quorum {
				t.Fatalf("%s: %v, %+v", where, err, rep)
			}
		}
		must(t, os.RemoveAll(data))
	}
	t.Logf("%d of %d moments, %d promises", len(moments), trace.Len()-first, len(promises))
}
