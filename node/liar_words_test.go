package node_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// One node of four says what is not so: it replays old heads, cosigns
// garbage, floods the others with either. Whatever it is in the cluster, the
// others go on, refuse and name it, and no file with its words verifies.
func TestALyingNodesWords(t *testing.T) {
	t.Parallel()
	for _, r := range roles {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var garble atomic.Bool
			c := startCluster(t, func(id string, cfg *node.Config) {
				if id == r.liar {
					cfg.Lie(node.Lies{Cosign: func(sigs []certs.Sig) []certs.Sig {
						if garble.Load() {
							sigs = spoiled(sigs)
						}
						return sigs
					}})
				}
			})
			c.lead(r.leader)
			c.play(t,
				scene{"replays old heads", func(t *testing.T, c *cluster) { c.replays(r) }},
				scene{"cosigns garbage", func(t *testing.T, c *cluster) { c.cosignsGarbage(r, &garble) }},
				scene{"floods", func(t *testing.T, c *cluster) { c.floods(r) }})
			for _, id := range c.IDs() {
				if err := c.Nodes[id].Err(); err != nil {
					t.Errorf("%s has stopped: %v", id, err)
				}
			}
		})
	}
}

// spoiled are signatures with a bit that is not theirs.
func spoiled(sigs []certs.Sig) []certs.Sig {
	sigs = slices.Clone(sigs)
	for i := range sigs {
		sigs[i].Bytes = bytes.Clone(sigs[i].Bytes)
		sigs[i].Bytes[len(sigs[i].Bytes)-1] ^= 1
	}
	return sigs
}

// published is the newest head with a quorum that a node shows.
func (c *cluster) published(id string) []byte {
	c.t.Helper()
	head, err := c.as(id, "").Get(c.t.Context(), "/checkpoint")
	must(c.t, err)
	return head
}

func (c *cluster) replays(r role) {
	car := newVIN()
	c.ack("leeds", c.reading(car, 50_000))
	c.agree()
	old := c.published("leeds")
	oldFile, err := c.as("leeds", dealer).Proof(c.t.Context(), record.VehicleSubject(car))
	must(c.t, err)
	c.ack("leeds", c.reading(car, 60_000))
	size, _ := c.agree()
	for _, id := range r.honest() {
		c.eventually("the newest head at "+id, func() bool { return c.Nodes[id].Status().Published == size })
		// To show a true head again is no lie, and changes nothing.
		must(c.t, c.nodeClient(r.liar, id).PushHead(c.t.Context(), old))
		if now := c.Nodes[id].Status().Published; now != size {
			c.t.Errorf("%s went back from a head of %d leaves to %d", id, size, now)
		}
		_, err := c.askCosign(r.liar, id, old, func(uint64) [][32]byte { return nil })
		refused(c.t, err, "old_size")
	}
	c.names(r, "old_size", r.honest()...)
	// The new history under the old head is no file; the old file is true, and
	// says as of when.
	file, err := c.as("leeds", dealer).Proof(c.t.Context(), record.VehicleSubject(car))
	must(c.t, err)
	f, err := verify.ParseFile(file)
	must(c.t, err)
	p, err := verify.ParseTLogProof(f.TLogProof)
	must(c.t, err)
	p.Checkpoint = old
	f.TLogProof = p.Bytes()
	c.fails(f.Bytes(), "inclusion")
	rep := verify.Verify(oldFile, verify.Options{Policy: c.policy(), Now: time.Now().Add(time.Hour), MaxAge: time.Minute})
	refused(c.t, rep.Failure, "too_old")
	c.ack("turin", c.reading(newVIN(), 70_000))
	c.agree()
}

func (c *cluster) cosignsGarbage(r role, garble *atomic.Bool) {
	car := newVIN()
	c.ack("leeds", c.reading(car, 50_000))
	c.agree()
	file, err := c.as("leeds", dealer).Proof(c.t.Context(), record.VehicleSubject(car))
	must(c.t, err)
	f, err := verify.ParseFile(file)
	must(c.t, err)
	p, err := verify.ParseTLogProof(f.TLogProof)
	must(c.t, err)
	// The head of the file with a cosignature by the liar that is none.
	head, n, err := verify.ParseCheckpoint(p.Checkpoint)
	must(c.t, err)
	cosigner, err := c.key("node/"+r.liar, "cosigner").Cosigner(time.Now)
	must(c.t, err)
	n.Sigs = slices.DeleteFunc(n.Sigs, func(s certs.Sig) bool { return s.Name == record.NodeName(c.origin, r.liar) })
	sig, err := cosigner.Sign([]byte(head.Text()))
	must(c.t, err)
	n.Sigs = append(n.Sigs, spoiled([]certs.Sig{sig})...)
	p.Checkpoint = n.Bytes()
	f.TLogProof = p.Bytes()
	c.fails(f.Bytes(), "cosigner_bad")

	if r.leader == r.liar {
		// As the leader it hands such heads round as the newest.
		for _, id := range r.honest() {
			refused(c.t, c.nodeClient(r.liar, id).PushHead(c.t.Context(), p.Checkpoint), "cosigner_bad")
		}
		c.names(r, "cosigner_bad", r.honest()...)
	} else {
		garble.Store(true)
		c.eventually("a leader naming who does not cosign", func() bool {
			c.lead(r.leader)
			c.ack("leeds", c.reading(newVIN(), 50_000))
			silent := c.Nodes[r.leader].Status().Silent
			return len(silent) == 1 && silent[0].Node == r.liar && silent[0].Error.Code == "cosignature"
		})
		c.names(r, "cosignature", r.leader)
		garble.Store(false)
	}
	c.ack("leeds", c.reading(newVIN(), 60_000))
	c.agree()
	if _, err := c.policy().Check(c.published("leeds"), time.Now()); err != nil {
		c.t.Errorf("the published head: %v", err)
	}
}

// floods sends thousands of add-checkpoint requests and heads from one node
// to all others, of all kinds, more at a time than they take.
func (c *cluster) floods(r role) {
	c.ack("leeds", c.readings(2)...)
	size, root := c.agree()
	old := c.published("leeds")
	var wrong [][]byte
	for i := range 100 {
		other := root
		other[i%32] ^= byte(i + 1)
		wrong = append(wrong, c.checkpoint(size-uint64(i%2), other, r.liar, r.liar))
	}
	bodies := append([][]byte{old, []byte("garbage"), bytes.Repeat([]byte("x"), 1<<20)}, wrong...)
	ahead := c.checkpoint(size+1_000_000, root, r.liar) // which a node waits for, for a while
	none := func(uint64) [][32]byte { return nil }
	ctx := c.t.Context()
	var sent atomic.Int64
	var stop atomic.Bool
	var flood sync.WaitGroup
	for _, id := range r.honest() {
		cl := c.nodeClient(r.liar, id)
		for range 5 {
			flood.Go(func() {
				for ; !stop.Load(); pause(10 * time.Millisecond) {
					sent.Add(1)
					_, _ = cl.AskCosign(ctx, ahead, none)
				}
			})
		}
		flood.Go(func() {
			for i := 0; !stop.Load(); pause(time.Millisecond) {
				i++
				sent.Add(1)
				if body := bodies[i%len(bodies)]; i%3 == 0 {
					_, _ = cl.AskCosign(ctx, body, none)
				} else {
					_ = cl.PushHead(ctx, body)
				}
			}
		})
	}
	acked := 0
	if r.leader == r.liar {
		// It takes the places of its own requests for cosignatures: whether
		// anything is acknowledged is its choice, as ever.
		eventually(c.t, "the flood", func() bool { return sent.Load() >= 1500 })
	} else {
		for acked < 3 || sent.Load() < 1500 {
			c.ack("leeds", c.reading(newVIN(), 50_000))
			acked++
		}
	}
	stop.Store(true)
	flood.Wait()
	c.ack("leeds", c.reading(newVIN(), 50_000))
	c.t.Logf("%d records were acknowledged beside %d requests", acked, sent.Load())
	c.names(r, "overloaded", r.honest()...)
	c.names(r, "root_mismatch", r.honest()...)
	for _, id := range r.honest() {
		pending, foreign, refused := c.Nodes[id].Kept()
		files, _ := filepath.Glob(filepath.Join(c.Cluster.Cluster.DataPath(id), "evidence", "*"))
		if pending > 3 || foreign > 64 || refused > 16 || len(files) > 64+4 {
			c.t.Errorf("%s keeps %d heads, %d roots, %d lines and %d files", id, pending, foreign, refused, len(files))
		}
		book, _ := c.logs.Load(id)
		if n := strings.Count(book.(*logbook).String(), "peer="+r.liar); n > 60 {
			c.t.Errorf("%s has logged %d lines about it", id, n)
		}
	}
	c.agree()
}

// A member's node floods Raft's port with votes and entries of terms that are
// over: those who lead and follow go on. Its own node is down for it, as it
// has one address.
func TestAFloodOfRaft(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"leeds", "mutual"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, nil)
			c.lead("lyon")
			c.ack("lyon", c.readings(2)...)
			c.agree()
			c.StopNode(id)
			liar := c.impostor(id)
			term := c.Nodes["lyon"].Status().Term
			header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(id), Addr: []byte(liar.address)}
			var sent, taken atomic.Int64
			var stop atomic.Bool
			var flood sync.WaitGroup
			for _, to := range []string{"lyon", "turin"} {
				entry, err := c.Cluster.Cluster.Node(to)
				must(t, err)
				at, addr := raft.ServerID(to), raft.ServerAddress(entry.Address)
				for range 2 {
					flood.Go(func() {
						for ; !stop.Load(); pause(time.Millisecond) {
							var appended raft.AppendEntriesResponse
							if liar.transport.AppendEntries(at, addr, &raft.AppendEntriesRequest{RPCHeader: header, Term: term - 1, Entries: []*raft.Log{{Index: 1, Term: 1, Type: raft.LogCommand, Data: bytes.Repeat([]byte("x"), 4096)}}}, &appended) == nil && appended.Success {
								taken.Add(1)
							}
							// A vote it may well get, if there happens to be no leader; no more
							// than one of each node and term.
							var pre raft.RequestPreVoteResponse
							_ = liar.transport.RequestPreVote(at, addr, &raft.RequestPreVoteRequest{RPCHeader: header, Term: term + 1, LastLogIndex: 1 << 40, LastLogTerm: term}, &pre)
							var vote raft.RequestVoteResponse
							_ = liar.transport.RequestVote(at, addr, &raft.RequestVoteRequest{RPCHeader: header, Term: term + 1, LastLogIndex: 1 << 40, LastLogTerm: term}, &vote)
							sent.Add(3)
						}
					})
				}
			}
			acked := 0
			for acked < 3 || sent.Load() < 1500 {
				c.ack("turin", c.reading(newVIN(), 50_000))
				acked++
			}
			stop.Store(true)
			flood.Wait()
			t.Logf("%d records were acknowledged beside %d messages", acked, sent.Load())
			if taken.Load() > 0 {
				t.Errorf("%d of its entries were taken", taken.Load())
			}
			for _, other := range []string{"lyon", "turin"} {
				if !c.said(other, "rejecting") || !c.said(other, liar.address) {
					t.Errorf("the log of %s does not name it", other)
				}
			}
			liar.end()
			c.run(id)
			c.agree()
		})
	}
}
