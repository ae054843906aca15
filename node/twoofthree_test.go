package node_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/node/wire/wiretest"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// Under a policy of two of three nodes one liar who leads can show two
// histories, as long as the two honest nodes can't reach each other: both files
// verify, and the report says that the policy tolerates nobody's lie. As soon
// as the two talk both stop, and what they keep names the liar: the only one
// who signed both heads. The default policy of three nodes is three of three.
func TestTwoOfThreeForks(t *testing.T) {
	t.Parallel()
	lines := wiretest.New()
	var lies atomic.Pointer[fork]
	c := newClusterWith(t, embed.Config{Voters: true}, func(id string, cfg *node.Config) {
		cfg.Dial = lines.Dialer(id)
		if id == "lyon" {
			cfg.Lie(node.Lies{Shameless: true, Rounds: func() bool { return lies.Load() == nil }, Transport: func(tr raft.Transport) raft.Transport {
				return &forkTransport{tr.(*raft.NetworkTransport), &lies}
			}})
		}
	})
	for _, n := range c.Cluster.Cluster.Nodes {
		lines.Name(n.Address, n.ID)
		c.run(n.ID)
	}
	c.ready()
	b := newBoard(c)
	b.quorum = 2
	b.decide("node.changed/1", b.nodes["lyon"])
	c.eventually("two of three in force everywhere", func() bool {
		for _, n := range c.Nodes {
			if n.Status().Quorum != 2 {
				return false
			}
		}
		return true
	})
	text, err := c.as("turin", "").Get(t.Context(), "/v1/policy")
	must(t, err)
	policy, err := verify.ParsePolicy(text)
	must(t, err)
	if policy.Tolerates() != 0 {
		t.Fatalf("two of three tolerates %d liars", policy.Tolerates())
	}
	c.lead("lyon")
	before, _ := c.agree()

	lines.Cut("turin", "leeds")
	car := newVIN()
	truth, other := c.reading(car, 180_000), c.reading(car, 80_000)
	now := time.Now()
	lies.Store(&fork{marker: truth, other: node.EncodeBatch(now, other), to: map[raft.ServerID]bool{"leeds": true}})
	_, err = c.Nodes["lyon"].Propose(now, truth)
	must(t, err)
	c.eventually("the batch at both", func() bool {
		a, _ := c.Nodes["turin"].TreeHead()
		b, _ := c.Nodes["leeds"].TreeHead()
		return a == before+2 && b == before+2
	})
	heads := map[string][]byte{}
	for _, id := range []string{"turin", "leeds"} {
		size, root := c.Nodes[id].TreeHead()
		head := c.checkpoint(size, root, "lyon", "lyon")
		sig, err := c.askCosign("lyon", id, head, c.Nodes[id].Consistency)
		must(t, err)
		heads[id] = append(head, sig...)
		must(t, c.nodeClient("lyon", id).PushHead(t.Context(), heads[id]))
	}
	if bytes.Equal(heads["turin"], heads["leeds"]) {
		t.Fatal("both sides have the same head")
	}
	readings := map[string]int64{}
	for id, head := range heads {
		file, err := c.Nodes[id].ForgeProof(record.VehicleSubject(car), func(uint64, [32]byte) []byte { return head })
		must(t, err)
		rep := verify.Verify(file, verify.Options{Policy: policy, Now: time.Now()})
		if !rep.Verified || rep.Tolerates != 0 || rep.Records != 1 || !strings.Contains(rep.Scope(), "tolerates 0 liars") {
			t.Fatalf("the file of %s: %s: %v", id, rep.Scope(), rep.Failure)
		}
		readings[id] = rep.Results[0].Record.Body.Get("value").Int
	}
	if readings["turin"] == readings["leeds"] {
		t.Error("both files say the same")
	}

	lines.Heal("turin", "leeds")
	for _, id := range []string{"turin", "leeds"} {
		var found *node.Contradiction
		if err := c.ended(id); !errors.As(err, &found) {
			t.Fatalf("%s ends with %v", id, err)
		}
		c.checkEvidence(found)
		if both := b.signedBoth(found); len(both) != 1 || !both["lyon"] {
			t.Errorf("the evidence of %s is against %v", id, both)
		}
	}
}

// signedBoth are the nodes with a key, the one of the log or the cosigner's,
// that signed both heads of a contradiction.
func (b *board) signedBoth(e *node.Contradiction) map[string]bool {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(e.Evidence, "size-*"))
	must(b.t, err)
	signed := map[string]int{} // by key
	both := map[string]bool{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		must(b.t, err)
		_, n, err := verify.ParseCheckpoint(data)
		must(b.t, err)
		for id, v := range b.nodes {
			for _, field := range []string{"log_key", "cosigner_key"} {
				key, err := certs.ParseVKey(v.Get(field).Str)
				must(b.t, err)
				for _, s := range n.Sigs {
					if key.Name() == s.Name && key.ID() == s.ID && key.Verify([]byte(n.Text), s.Bytes) {
						if signed[key.VKey()]++; signed[key.VKey()] == 2 {
							both[id] = true
						}
					}
				}
			}
		}
	}
	return both
}
