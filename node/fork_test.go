package node_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

// forkTransport sends some followers another batch than the rest, with the
// same Raft index and term.
type forkTransport struct {
	*raft.NetworkTransport
	fork *atomic.Pointer[fork]
}

// fork is the lie: where the true batch stands, those in to get the other.
type fork struct {
	marker      []byte // bytes of the true batch
	other       []byte
	to          map[raft.ServerID]bool
	told, spoke atomic.Int32 // times that the lie and the truth were sent
}

func (f *forkTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	lie := f.fork.Load()
	copied := *args
	copied.Entries = nil
	for _, e := range args.Entries {
		if lie != nil && bytes.Contains(e.Data, lie.marker) {
			if lie.to[id] {
				doctored := *e
				doctored.Data = lie.other
				e = &doctored
				lie.told.Add(1)
			} else {
				lie.spoke.Add(1)
			}
		}
		copied.Entries = append(copied.Entries, e)
	}
	return f.NetworkTransport.AppendEntries(id, target, &copied, resp)
}

func (f *forkTransport) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// A leader that sends two sides different batches, and asks each side to
// cosign its own tree, never gets two heads of one size past three of four
// nodes; and when the honest nodes compare, they all stop, with evidence.
func TestForkedLeader(t *testing.T) {
	t.Parallel()
	var lies atomic.Pointer[fork]
	c := startCluster(t, func(id string, cfg *node.Config) {
		if id == "lyon" {
			cfg.Lie(node.Lies{Transport: func(tr raft.Transport) raft.Transport {
				return &forkTransport{tr.(*raft.NetworkTransport), &lies}
			}, Rounds: func() bool { return lies.Load() == nil }})
		}
	})
	c.lead("lyon")
	c.ack("lyon", c.readings(3)...)
	before, _ := c.agree()

	car := newVIN()
	truth, other := c.reading(car, 180_000), c.reading(car, 80_000)
	now := time.Now()
	lie := &fork{marker: truth, other: node.EncodeBatch(now, other), to: map[raft.ServerID]bool{"leeds": true, "mutual": true}}
	lies.Store(lie)
	if _, err := c.Nodes["lyon"].Propose(now, truth); err != nil {
		t.Fatal(err)
	}
	c.eventually("the batch at all nodes", func() bool {
		for _, n := range c.Nodes {
			if size, _ := n.TreeHead(); size != before+2 {
				return false
			}
		}
		return true
	})
	if lie.told.Load() == 0 || lie.spoke.Load() == 0 {
		t.Fatal("nobody was lied to")
	}
	size, rootA := c.Nodes["turin"].TreeHead()
	_, rootB := c.Nodes["leeds"].TreeHead()
	if rootA == rootB {
		t.Fatal("both sides have the same tree")
	}

	// The liar signs both heads, as log and as cosigner, and asks each node
	// for the one that it has. Then it tries the other way round.
	side := map[string][32]byte{"turin": rootA, "leeds": rootB, "mutual": rootB}
	crossed := map[string][32]byte{"turin": rootB, "leeds": rootA, "mutual": rootA}
	signed := map[[32]byte]int{rootA: 1, rootB: 1}
	for i, roots := range []map[string][32]byte{side, crossed} {
		var mu sync.Mutex
		var asking sync.WaitGroup
		for to, root := range roots {
			asking.Go(func() {
				_, err := c.askCosign("lyon", to, c.checkpoint(size, root, "lyon"), c.Nodes[to].Consistency)
				// A node may have heard of the other side already, and stopped.
				if i == 0 && err != nil && !outage(err) || i == 1 && err == nil {
					t.Errorf("%s is asked about root %s: %v", to, verify.Hex(root)[:8], err)
				}
				if err == nil {
					mu.Lock()
					signed[root]++
					mu.Unlock()
				}
			})
		}
		asking.Wait()
	}
	if signed[rootA] > 2 || signed[rootB] > 3 {
		t.Errorf("cosignatures: %v", signed)
	}
	for _, id := range []string{"turin", "leeds", "mutual"} {
		var found *node.Contradiction
		if err := c.ended(id); !errors.As(err, &found) {
			t.Errorf("%s ends with %v", id, err)
			continue
		}
		if found.Size != size {
			t.Errorf("%s has evidence of size %d", id, found.Size)
		}
		if !slices.Contains(strings.Fields(found.SignedBy), "lyon") {
			t.Errorf("%s names %s", id, found.SignedBy)
		}
		c.checkEvidence(found)
	}
}
