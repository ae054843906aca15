package node_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/wire"
)

// impostor speaks Raft with a node's key and address while that node is
// down: a leader that sends what it likes.
type impostor struct {
	c         *cluster
	id        string
	address   string
	port      *wire.Port
	transport *raft.NetworkTransport
}

func (c *cluster) impostor(id string) *impostor {
	c.t.Helper()
	identity, err := c.key("node/"+id, keyfile.UseTLS).TLS()
	must(c.t, err)
	entry, err := c.Cluster.Cluster.Node(id)
	must(c.t, err)
	pins := map[raft.ServerAddress]string{}
	for _, n := range c.Cluster.Cluster.Nodes {
		pin, err := c.key("node/"+n.ID, keyfile.UseTLS).Public()
		must(c.t, err)
		pins[raft.ServerAddress(n.Address)] = pin
	}
	port, err := wire.Listen(entry.Address, wire.Config{
		Identity: identity, RaftPeer: func(string) (string, bool) { return "", false },
		PinOf: func(a raft.ServerAddress) (string, bool) { return pins[a], true },
	})
	must(c.t, err)
	i := &impostor{c: c, id: id, address: entry.Address, port: port, transport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: port.Raft(), MaxPool: 1, Timeout: 5 * time.Second,
	})}
	c.t.Cleanup(i.end)
	return i
}

func (i *impostor) end() {
	i.transport.Close()
	i.port.Close()
}

// send makes a node a follower of a term and offers it entries after the one
// at prev. It reports whether they were stored.
func (i *impostor) send(to string, term, prev, prevTerm uint64, entries ...*raft.Log) bool {
	i.c.t.Helper()
	target, err := i.c.Cluster.Cluster.Node(to)
	must(i.c.t, err)
	for _, e := range entries {
		if e.Type == raft.LogCommand && e.Term == 0 {
			e.Term = term
		}
	}
	var resp raft.AppendEntriesResponse
	i.c.eventually("an answer of "+to, func() bool { // its Raft may just be starting again
		if i.c.Nodes[to].Err() != nil {
			return true // it has ended over it
		}
		resp = raft.AppendEntriesResponse{}
		return i.transport.AppendEntries(raft.ServerID(to), raft.ServerAddress(target.Address), &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(i.id), Addr: []byte(i.address)},
			Term:      term, PrevLogEntry: prev, PrevLogTerm: prevTerm, Entries: entries, LeaderCommitIndex: prev,
		}, &resp) == nil
	})
	return resp.Success
}

// A leader that holds a voter's key sends what no honest one would. Nothing
// of it is stored; a refusal in the middle of a truncation leaves Raft with a
// wrong idea of its ledger, so it is started again; and history is never
// rewritten.
func TestImpostorLeader(t *testing.T) {
	t.Parallel()
	var still atomic.Pointer[time.Time] // what turin's clock stands at, if not nil
	c := startCluster(t, func(id string, cfg *node.Config) {
		if id == "turin" {
			cfg.Now = func() time.Time {
				if at := still.Load(); at != nil {
					return *at
				}
				return time.Now()
			}
		}
	})
	c.lead("lyon")
	c.ack("turin", c.readings(3)...)
	size, root := c.agree()
	// Alone with the impostor, turin can win no election.
	for _, id := range []string{"lyon", "leeds", "mutual"} {
		c.StopNode(id)
	}
	turin := c.Nodes["turin"]
	liar := c.impostor("lyon")
	last, lastTerm := turin.Entry(0)
	term := turin.Status().Term + 1
	entry := func(index uint64, data []byte) *raft.Log {
		return &raft.Log{Index: index, Type: raft.LogCommand, Data: data}
	}
	sound := node.EncodeBatch(time.Now(), c.reading(newVIN(), 50_000))
	poisoned := node.EncodeBatch(time.Now().AddDate(1, 0, 0), c.reading(newVIN(), 60_000))
	// How far ahead a batch is would change between its making and its judging.
	stopped := time.Now()
	still.Store(&stopped)
	ahead := func(d time.Duration) []byte { return node.EncodeBatch(stopped.Add(d), c.reading(newVIN(), 60_000)) }

	for what, e := range map[string]*raft.Log{
		"garbage":         entry(last+1, []byte("garbage")),
		"a later version": entry(last+1, append([]byte{2}, sound[1:]...)),
		"an empty entry":  entry(last+1, nil),
		"the future":      entry(last+1, poisoned),
		"10m10s ahead":    entry(last+1, ahead(10*time.Minute+10*time.Second)),
		"a gap":           entry(last+2, sound),
		"an unknown type": {Index: last + 1, Term: term, Type: 99, Data: sound},
	} {
		term++
		if liar.send("turin", term, last, lastTerm, e) {
			t.Errorf("%s was stored", what)
		}
		if now, _ := turin.Entry(0); now != last {
			t.Fatalf("%s: the ledger ends at %d, it did at %d", what, now, last)
		}
	}
	if c.said("turin", "raft is started again") {
		t.Error("raft was started again for nothing")
	}
	term++
	if !liar.send("turin", term, last, lastTerm, entry(last+1, ahead(9*time.Minute+50*time.Second))) {
		t.Error("an entry 9m50s ahead was not stored")
	}
	still.Store(nil)

	// A sound entry that is never committed, in whose place comes a bad one.
	term++
	if !liar.send("turin", term, last, lastTerm, entry(last+1, sound)) {
		t.Fatal("a sound entry was not stored")
	}
	term++
	if liar.send("turin", term, last, lastTerm, entry(last+1, poisoned)) {
		t.Error("an entry of the future was stored")
	}
	c.eventually("raft being started again", func() bool { return c.said("turin", "raft is started again") })
	if now, _ := turin.Entry(0); now != last {
		t.Fatalf("the ledger ends at %d, it did at %d", now, last)
	}

	// What is final is to be replaced.
	before, beforeTerm := turin.Entry(last - 1)
	term++
	if liar.send("turin", term, before, beforeTerm, entry(last, sound)) {
		t.Error("history was rewritten")
	}
	refused(t, c.ended("turin"), "ledger_rewrite")
	for _, words := range []string{`msg="a leader wants to rewrite what is final" peer=lyon`, `msg="refused to store a ledger entry" peer=lyon`} {
		if !c.said("turin", words) {
			t.Errorf("the log does not say %s", words)
		}
	}
	liar.end()

	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		c.run(id)
	}
	c.ready()
	if s, r := c.agree(); s != size || r != root {
		t.Errorf("the tree is another: %d leaves, %d before", s, size)
	}
	c.ack("turin", c.reading(newVIN(), 70_000))
	c.agree()
}
