package node_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record/jcs"
)

// programs are nodes of two programs: the one of today, and one to come, that
// knows another feature level and another type of records.
type programs struct {
	mu    sync.Mutex
	newer map[string]bool
}

const typeToCome = "senate.convened/1"

func (p *programs) of(id string, cfg *node.Config) {
	cfg.SightEvery(50 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.newer[id] {
		cfg.Lie(node.Lies{Level: 2, Types: []string{typeToCome}})
	}
}

// upgrade installs the newer program on a node, as an operator does: stop,
// exchange, start.
func (p *programs) upgrade(c *cluster, id string) {
	c.t.Helper()
	p.mu.Lock()
	p.newer[id] = true
	p.mu.Unlock()
	c.StopNode(id)
	c.run(id)
	c.ready()
}

func raise(level int64) jcs.Value {
	return jcs.Make(jcs.Field{Name: "level", Value: jcs.Number(level)})
}

// rulesToCome are the rules of the founding with a type that the program of
// today lacks.
func (b *board) rulesToCome() jcs.Value {
	f, err := node.ReadFounding(b.Cluster.Cluster.FoundingPath())
	must(b.t, err)
	rules := f.Genesis.Body.Get("rules")
	types := append(rules.Get("types").Strings(), typeToCome)
	slices.Sort(types)
	return rules.With("types", jcs.Texts(types)).With("version", jcs.Number(rules.Get("version").Int+1))
}

// Nodes get the newer program one after the other, and all the while the
// cluster takes records. The level is raised by nobody while a node can't
// follow, whichever node is asked; then all of them raise it.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	p := &programs{newer: map[string]bool{}}
	c := startCluster(t, p.of)
	b := newBoard(c)
	ballot := b.ballot("feature.raised/1", raise(2))
	refusedAt := func(why string) {
		t.Helper()
		for _, id := range c.IDs() {
			c.eventually(fmt.Sprintf("%s refusing because %s", id, why), func() bool {
				_, err := c.as(id, auditor).Submit(t.Context(), ballot)
				if !outage(err) && fault.Code(err) != "newer_needed" {
					t.Fatalf("%s answers %v (%s)", id, err, fault.Code(err))
				}
				return fault.Code(err) == "newer_needed" && strings.Contains(err.Error(), why)
			})
		}
	}
	refusedAt("this program knows feature level 1, not 2")
	for i, id := range []string{"mutual", "leeds", "turin", "lyon"} {
		p.upgrade(c, id)
		c.ack("turin", c.reading(newVIN(), int64(10_000+i)))
		c.agree()
		for _, other := range c.IDs() {
			c.eventually(other+" seeing which program "+id+" runs", func() bool {
				st := c.Nodes[other].Status()
				return other == id && st.Supports == 2 || slices.ContainsFunc(st.Peers, func(p node.PeerStatus) bool {
					return p.Node == id && p.Sighting != nil && p.Supports == 2
				})
			})
		}
		if i == 2 { // only lyon's is old
			c.lead("turin")
			_, err := c.as("leeds", auditor).Submit(t.Context(), ballot)
			refused(t, err, "newer_needed")
			if err == nil || !strings.Contains(err.Error(), "node lyon knows feature level 1, not 2") {
				t.Errorf("it says %v", err)
			}
		}
	}
	c.ack("leeds", ballot)
	size, root := c.agree()
	for _, id := range c.IDs() {
		if got := c.Nodes[id].Status().Level; got != 2 {
			t.Errorf("%s is at level %d", id, got)
		}
	}
	// There is no way back to the older program, and nothing is lost by trying.
	c.StopNode("mutual")
	p.newer["mutual"] = false
	refused(t, c.Run("mutual"), "newer_needed")
	p.upgrade(c, "mutual")
	if s, r := c.agree(); s != size || r != root {
		t.Errorf("the tree is another: %d leaves, %d before", s, size)
	}
	c.ack("mutual", c.reading(newVIN(), 20_000))
}

// What a program does not know it never passes over: a feature level, or rules
// with a type, that were decided past its node stop it, before anything of
// that entry or after it is in its tree, and again at each start. With the
// program that knows them it goes on to the same roots.
func TestUnknownDecisionsHalt(t *testing.T) {
	t.Parallel()
	for name, decision := range map[string]func(*board) (string, jcs.Value){
		"a feature level": func(*board) (string, jcs.Value) { return "feature.raised/1", raise(2) },
		"a type":          func(b *board) (string, jcs.Value) { return "rules.published/1", b.rulesToCome() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &programs{newer: map[string]bool{"lyon": true, "turin": true}}
			c := startCluster(t, p.of)
			b := newBoard(c)
			c.lead("lyon")
			c.ack("turin", c.readings(3)...)
			size, _ := c.agree()
			note := b.ballot(decision(b))
			_, err := c.Nodes["lyon"].Propose(time.Now(), c.reading(newVIN(), 50_000), note) // past what the API would refuse
			must(t, err)
			for _, id := range []string{"leeds", "mutual"} {
				refused(t, c.ended(id), "newer_needed")
			}
			after := c.reading(newVIN(), 60_000)
			_, err = c.Nodes[c.leader()].Propose(time.Now(), after)
			must(t, err)
			for _, id := range []string{"leeds", "mutual"} {
				if err := c.Run(id); err == nil {
					err = c.ended(id)
					refused(t, err, "newer_needed")
				} else {
					refused(t, err, "newer_needed")
				}
				if rep := check(t, c.Cluster.Cluster.DataPath(id)); rep.Size != size || len(rep.Damage) > 0 {
					t.Errorf("the tree of %s has %d leaves, %d before: %v", id, rep.Size, size, rep.Damage)
				}
			}
			for _, id := range []string{"leeds", "mutual"} {
				p.upgrade(c, id)
			}
			c.ack("leeds", c.reading(newVIN(), 70_000))
			if s, _ := c.agree(); s <= size+5 {
				t.Errorf("the tree has %d leaves", s)
			}
			if ans := c.ack("mutual", after); ans.Records[0].Status != "present" {
				t.Error("what came after the decision was passed over")
			}
		})
	}
}

// A ledger entry of a form that this program does not know is stored by
// nobody; where a newer program has stored it the node stops at it, and takes
// nothing of what follows.
func TestUnknownEntriesHalt(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	c.ack("turin", c.readings(3)...)
	c.agree()
	known := node.EncodeBatch(time.Now(), c.reading(newVIN(), 50_000))
	unknown := append([]byte{2}, known[1:]...)
	leader := c.leader()
	if _, err := c.Nodes[leader].ProposeEntry(unknown); err == nil || !c.said(leader, "code=newer_needed") {
		t.Errorf("%s was to store it: %v", leader, err)
	}
	c.ack("turin", c.reading(newVIN(), 40_000))
	size, root := c.agree()

	voters := []string{"lyon", "turin", "leeds"}
	kept := t.TempDir()
	all := c.IDs()
	c.Stop()
	for _, id := range voters {
		dir := c.Cluster.Cluster.DataPath(id)
		for _, db := range []string{"raft.db", "tree.db", "heads.db"} {
			copyFile(t, filepath.Join(dir, db), filepath.Join(kept, id+"."+db))
			// Who led last may have an entry of Raft's own that others lack.
			copyFile(t, filepath.Join(kept, "lyon."+db), filepath.Join(dir, db))
		}
		must(t, node.StoreEntries(dir, unknown, known))
	}
	for _, id := range voters {
		c.run(id)
	}
	// Whoever hears that it is committed stops. The last one may not hear of it
	// before the others are gone; alone it commits nothing.
	c.eventually("the end of two", func() bool {
		ended := 0
		for _, id := range voters {
			if c.Nodes[id].Err() != nil {
				ended++
			}
		}
		return ended >= 2
	})
	for _, id := range voters {
		if c.Nodes[id].Err() == nil {
			c.StopNode(id)
		} else {
			refused(t, c.ended(id), "newer_needed")
		}
	}
	for _, id := range voters {
		dir := c.Cluster.Cluster.DataPath(id)
		if rep := check(t, dir); rep.Size != size || rep.Root != fmt.Sprintf("%x", root) {
			t.Errorf("the tree of %s has %d leaves, %d before", id, rep.Size, size)
		}
		for _, db := range []string{"raft.db", "tree.db", "heads.db"} {
			copyFile(t, filepath.Join(kept, id+"."+db), filepath.Join(dir, db))
		}
	}
	for _, id := range all {
		c.run(id)
	}
	c.ready()
	if s, r := c.agree(); s != size || r != root {
		t.Errorf("the tree is another: %d leaves, %d before", s, size)
	}
}
