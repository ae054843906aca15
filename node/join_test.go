package node_test

import (
	"testing"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record/jcs"
)

// Two nodes are added at once to three that all must cosign. The head that
// covers it needs the cosignature of one of the two, which therefore get their
// copies before there is such a head.
func TestTwoNodesJoinAtOnce(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	delete(b.nodes, "mutual")
	b.decide("node.removed/1", jcs.Make(jcs.Field{Name: "id", Value: jcs.Text("mutual")}, jcs.Field{Name: "reason", Value: jcs.Text("left")}))
	refused(t, c.ended("mutual"), "node_removed")

	var notes [][]byte
	for _, id := range []string{"ghent", "porto"} {
		address, err := embed.FreeAddress()
		must(t, err)
		entry := jcs.Make(jcs.Field{Name: "id", Value: jcs.Text(id)}, jcs.Field{Name: "member", Value: jcs.Text(dealer)}, jcs.Field{Name: "address", Value: jcs.Text(address)})
		c.Cluster.Cluster.Nodes = append(c.Cluster.Cluster.Nodes, node.NodeConfig{ID: id, Member: dealer, Address: address})
		entry, pops := b.newKeys(id, entry, c.Cluster.Cluster.KeyPath)
		b.nodes[id] = entry
		notes = append(notes, b.cast("node.added/1", entry.With("pop", pops).With("policy", jcs.Texts(b.policyText()))))
	}
	c.run("ghent")
	c.run("porto")
	b.follow(b.ack("leeds", notes...))
	c.agree()
}
