package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// operator is a client of one node in the name of another, as the operator of
// that one has it.
func (c *cluster) operator(at, as string) *node.Client {
	c.t.Helper()
	identity, err := c.key("node/"+as, keyfile.UseTLS).TLS()
	must(c.t, err)
	return c.clientAs(at, identity)
}

// votes has the operator of leeds ask for a change until it is made, and
// returns the voters. On a busy machine another node may lead by now.
func (c *cluster) votes(change, id string) (voters []string) {
	c.t.Helper()
	c.eventually(change+" "+id, func() bool {
		a, err := c.operator("leeds", "leeds").ChangeVotes(c.t.Context(), change, id)
		if err == nil {
			voters = a.Voters
			return true
		}
		c.voteLater(err, change, id)
		return false
	})
	return voters
}

// voteLater lets pass what says "not now".
func (c *cluster) voteLater(err error, change, id string) {
	c.t.Helper()
	switch code := fault.Code(err); code {
	case "node_behind", "node_unreachable", "not_transferred":
	case "node_leads":
		_, _ = c.operator("leeds", "leeds").ChangeVotes(c.t.Context(), node.VoteTransfer, "") // it is asked again
	default:
		if !outage(err) {
			c.t.Fatalf("%s %s: %v (%s)", change, id, err, code)
		}
	}
}

// votesNot has the operator of lyon ask at every node of the founding for a
// change that is refused.
func (c *cluster) votesNot(change, id, want string) {
	c.t.Helper()
	for _, at := range c.IDs() {
		if at == "ghent" {
			continue // it may know of no leader yet
		}
		c.eventually(at+" refusing "+change+" "+id, func() bool {
			_, err := c.operator(at, "lyon").ChangeVotes(c.t.Context(), change, id)
			if err == nil {
				c.t.Fatalf("%s %s is done, want %s", change, id, want)
			}
			if fault.Code(err) != want {
				c.voteLater(err, change, id)
			}
			return fault.Code(err) == want
		})
	}
}

// newNode makes the keys of a node at a free address, and knows it from then
// on. It is not registered yet.
func (b *board) newNode(id string) (registration jcs.Value) {
	b.t.Helper()
	address, err := embed.FreeAddress()
	must(b.t, err)
	b.Cluster.Cluster.Nodes = append(b.Cluster.Cluster.Nodes, node.NodeConfig{ID: id, Member: dealer, Address: address})
	n, pops := b.newKeys(id, jcs.Make(jcs.Field{Name: "id", Value: jcs.Text(id)}, jcs.Field{Name: "member", Value: jcs.Text(dealer)},
		jcs.Field{Name: "address", Value: jcs.Text(address)}), b.Cluster.Cluster.KeyPath)
	b.nodes[id] = n
	return n.With("pop", pops)
}

// remove has the governors remove a node.
func (b *board) remove(id string) {
	b.t.Helper()
	delete(b.nodes, id)
	b.decide("node.removed/1", removal(id))
}

func removal(id string) jcs.Value {
	return jcs.Make(jcs.Field{Name: "id", Value: jcs.Text(id)}, jcs.Field{Name: "reason", Value: jcs.Text("left")})
}

// exchange has the governors register new keys for a node. One that is down
// has them in its .next.key files then.
func (b *board) exchange(id string) {
	b.t.Helper()
	n, pops := b.newKeys(id, b.nodes[id], b.Cluster.Cluster.NextKeyPath)
	b.nodes[id] = n
	b.decide("node.changed/1", n.With("pop", pops))
	if b.Nodes[id] == nil {
		return
	}
	for _, use := range []string{keyfile.UseLog, keyfile.UseCosigner, keyfile.UseTLS} {
		_, err := b.Cluster.Cluster.PromoteKey("node/"+id, use, "former")
		must(b.t, err)
	}
	b.mu.Lock()
	clear(b.clients) // they expect the former key
	b.mu.Unlock()
}

func (c *cluster) catchesUp(id string) {
	c.t.Helper()
	c.eventually(id+" catching up", func() bool {
		return c.Nodes[id].Err() != nil || c.Nodes[id].Status().Published >= c.Nodes["leeds"].Status().Published
	})
	must(c.t, c.Nodes[id].Err())
}

// Votes are given, taken and kept over a restart of everyone; whoever may not
// ask is refused, and so is what would leave too few voters.
func TestVotes(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	ctx := context.Background()
	_, err := c.as("leeds", dealer).ChangeVotes(ctx, node.VotePromote, "mutual")
	refused(t, err, "forbidden")
	_, err = c.as("leeds", "").ChangeVotes(ctx, node.VotePromote, "mutual")
	refused(t, err, "unauthenticated")
	c.votesNot(node.VotePromote, "paris", "node_unknown")
	c.votesNot(node.VotePromote, "../x", "request_form")
	c.votesNot(node.VoteDemote, "paris", "node_unknown")
	c.votesNot(node.VoteTransfer, "paris", "node_unknown")
	c.votesNot(node.VoteTransfer, "mutual", "no_vote")
	c.votesNot("crown", "lyon", "request_form")

	w := c.write("leeds")
	if v := c.votes(node.VotePromote, "mutual"); len(v) != 4 {
		t.Errorf("the voters are %v", v)
	}
	c.votes(node.VotePromote, "mutual")
	w.goesOn("with four voters")
	c.votes(node.VoteTransfer, "mutual")
	w.goesOn("with another leader")
	c.votes(node.VoteTransfer, "")
	w.goesOn("with a third leader")
	w.end()

	c.Stop()
	for _, n := range c.Cluster.Cluster.Nodes {
		c.run(n.ID)
	}
	c.ready()
	if s := c.Nodes["mutual"].Status(); s.Role == "observer" {
		t.Error("the vote of mutual is lost by a restart")
	}
	c.eventually("the leader keeping its vote", func() bool {
		id := c.leader()
		_, err := c.operator("leeds", "lyon").ChangeVotes(ctx, node.VoteDemote, id)
		if err == nil {
			c.votes(node.VotePromote, id) // it led no more
		}
		return fault.Code(err) == "node_leads"
	})
	if v := c.votes(node.VoteDemote, "mutual"); !slices.Equal(v, []string{"leeds", "lyon", "turin"}) {
		t.Errorf("the voters are %v", v)
	}
	c.eventually("mutual being without a vote", func() bool { return c.Nodes["mutual"].Status().Role == "observer" })

	// One voter down: no other can be done without.
	c.StopNode("lyon")
	c.votesNot(node.VoteDemote, "turin", "few_voters")
	c.votesNot(node.VoteTransfer, "lyon", "node_unreachable")
	b := newBoard(c)
	delete(b.nodes, "turin")
	ballot := b.ballot("node.removed/1", removal("turin").With("policy", jcs.Texts(b.policyText())))
	refused(t, try(func() error { _, err := c.as("leeds", dealer).Submit(ctx, ballot); return err }), "few_voters")
	c.StopNode("mutual")
	c.votesNot(node.VotePromote, "mutual", "node_unreachable")
	c.run("mutual")
	c.votes(node.VotePromote, "mutual")
	c.votes(node.VoteDemote, "lyon") // the one that is down
	c.votes(node.VoteDemote, "turin")
}

// A voter's disk is lost. A node with another id takes its place: registered
// while it runs already, caught up, promoted, and the dead one removed. A
// writer writes on all the while, and nothing that it sent is lost.
func TestADeadNodeIsReplaced(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	first := c.policy()
	w := c.write("leeds")
	w.goesOn("at first")
	c.StopNode("turin")
	must(t, os.RemoveAll(c.Cluster.Cluster.DataPath("turin")))
	w.goesOn("without turin")

	registration := b.newNode("ghent")
	c.run("ghent")
	c.votesNot(node.VotePromote, "ghent", "node_unknown")
	b.decide("node.added/1", registration)
	w.goesOn("with ghent, whose cosignature is needed: 4 of 5, and turin is down")
	c.catchesUp("ghent")

	// Without a vote it serves reads and proofs. It writes down that a grant
	// was used, though its member was told to it only while it ran.
	car := newVIN()
	c.ack("leeds", c.reading(car, 10_000))
	c.catchesUp("ghent")
	if s := c.Nodes["ghent"].Status(); s.Role != "observer" || s.Cosigned == 0 {
		t.Errorf("ghent: %+v", s)
	}
	c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(time.Hour), jcs.Text("all"))
	data, err := c.proof(c.as("ghent", other), record.VehicleSubject(car))
	must(t, err)
	if rep := verify.Verify(data, verify.Options{Policy: first, Now: time.Now(), Subject: record.VehicleSubject(car)}); !rep.Verified || rep.Withheld != 0 {
		t.Errorf("the proof by a node without a vote: %v", rep.Failure)
	}
	c.eventually("the use on the log", func() bool { return c.uses(car) == 1 })

	if v := c.votes(node.VotePromote, "ghent"); !slices.Contains(v, "ghent") {
		t.Errorf("the voters are %v", v)
	}
	w.goesOn("with ghent voting")
	b.remove("turin")
	w.goesOn("after the removal")
	c.eventually("Raft without turin", func() bool {
		s := c.Nodes[c.leader()].Status()
		return !slices.ContainsFunc(s.Peers, func(p node.PeerStatus) bool { return p.Node == "turin" })
	})
	c.votes(node.VoteTransfer, "ghent")
	w.goesOn("with ghent leading")
	w.end()
	if err := c.Run("turin"); err == nil { // with an empty disk: what it was it can't know
		c.eventually("turin hearing of its removal", func() bool { return c.Nodes["turin"].Err() != nil })
		if err := c.ended("turin"); fault.Code(err) != "node_removed" {
			t.Errorf("the removed node ended with %v", err)
		}
	}
}

// A node moves: the others reach it where it is now, none of them restarted.
func TestANodeMoves(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	c.lead("lyon")
	address, err := embed.FreeAddress()
	must(t, err)
	w := c.write("leeds")
	c.StopNode("turin")
	moved := b.nodes["turin"].With("address", jcs.Text(address))
	b.pass("node.changed/1", moved)
	for i := range c.Cluster.Cluster.Nodes {
		if n := &c.Cluster.Cluster.Nodes[i]; n.ID == "turin" {
			n.Address = address
		}
	}
	for _, id := range c.IDs() {
		c.eventually("the new address at "+id, func() bool {
			return slices.ContainsFunc(c.Nodes[id].Status().Peers, func(p node.PeerStatus) bool { return p.Node == "turin" && p.Address == address && p.Votes })
		})
	}
	c.run("turin")
	c.catchesUp("turin")
	w.goesOn("with turin elsewhere")
	c.votes(node.VoteTransfer, "turin")
	w.goesOn("with turin leading from there")
	for _, id := range c.IDs() {
		c.eventually(id+" seeing turin", func() bool {
			return id == "turin" || slices.ContainsFunc(c.Nodes[id].Status().Peers, func(p node.PeerStatus) bool { return p.Node == "turin" && p.Sighting != nil && p.Error == nil })
		})
	}
	w.end()
}

// While a node was down all others have exchanged their keys, and its own are
// others too: it knows nobody, and nobody knows it. It is shown a proof.
func TestStrangersAreIntroduced(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	c.ack("leeds", c.reading(newVIN(), 10_000))
	c.StopNode("mutual")
	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		b.exchange(id)
	}
	c.ack("turin", c.reading(newVIN(), 20_000))
	c.run("mutual")
	c.catchesUp("mutual")
	before := c.Nodes["mutual"].Status().Published
	c.eventually("mutual cosigning with its new key", func() bool {
		c.ack("turin", c.reading(newVIN(), 30_000))
		return c.Nodes["mutual"].Status().Cosigned > before
	})
	// A node that begins knows the keys of the founding alone.
	registration := b.newNode("ghent")
	b.decide("node.added/1", registration)
	c.run("ghent")
	c.catchesUp("ghent")
	c.agree()
	// What is not proven, or known already, is not believed.
	data, err := c.as("leeds", dealer).GovernanceProof(t.Context())
	must(t, err)
	refused(t, c.Nodes["mutual"].TakeGovernance(data), "behind")
	elsewhere := bytes.Replace(data, []byte(b.nodes["turin"].Get("address").Str), []byte("127.0.0.1:1"), -1)
	if err := c.Nodes["mutual"].TakeGovernance(elsewhere); err == nil || fault.Code(err) == "behind" {
		t.Errorf("a proof that was changed: %v", err)
	}
}

// A node that was removed while it was down says so, and does not stay up.
func TestRemovedWhileDown(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	c.StopNode("mutual")
	b.remove("mutual")
	for range 2 {
		if err := c.Run("mutual"); err != nil {
			refused(t, err, "node_removed")
			continue
		}
		c.eventually("mutual hearing of its removal", func() bool { return c.Nodes["mutual"].Err() != nil })
		refused(t, c.ended("mutual"), "node_removed")
	}
	_, err := c.operator("leeds", "mutual").ChangeVotes(t.Context(), node.VotePromote, "mutual")
	refused(t, err, "forbidden")
	_, err = c.as("leeds", "").GovernanceProof(t.Context())
	refused(t, err, "unauthenticated")
}

// The member that runs a node exchanges its record key. The node goes on
// writing down reads by grant, with the new one, and is not restarted.
func TestUsesAreWrittenWithTheKeyOfNow(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	read := func() {
		t.Helper()
		car := newVIN()
		c.ack("leeds", c.reading(car, 10_000))
		c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(time.Hour), jcs.Text("all"))
		_, err := c.proof(c.as("turin", other), record.VehicleSubject(car))
		must(t, err)
		c.eventually("the use on the log", func() bool { return c.uses(car) == 1 })
	}
	read()
	former, err := c.key(other, keyfile.UseRecord).Signer()
	must(t, err)
	k, err := keyfile.NewKey(keyfile.UseRecord, other, rand.Reader)
	must(t, err)
	must(t, k.WriteFile(c.Cluster.Cluster.NextKeyPath(other, keyfile.UseRecord), nil))
	public, err := k.Public()
	must(t, err)
	pop, err := node.Possess(k, c.origin)
	must(t, err)
	c.about(other, "key.added/1", jcs.Make(jcs.Field{Name: "key", Value: jcs.Text(public)}, jcs.Field{Name: "use", Value: jcs.Text("record")},
		jcs.Field{Name: "pop", Value: jcs.Array(jcs.Text(base64.StdEncoding.EncodeToString(pop)))}), "chief")
	c.about(other, "key.revoked/1", jcs.Make(jcs.Field{Name: "key_id", Value: jcs.Text(certs.FormatID(former.ID()))}, jcs.Field{Name: "reason", Value: jcs.Text("retired")}), "chief")
	_, err = c.Cluster.Cluster.PromoteKey(other, keyfile.UseRecord, certs.FormatID(former.ID()))
	must(t, err)
	read()
}
