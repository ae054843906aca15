package node_test

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

var voters = []string{"lyon", "turin", "leeds"}

// load is clients that submit readings in bulks to any node and try again
// with the same bytes until they are acknowledged.
type load struct {
	c     *cluster
	acked atomic.Int64

	mu    sync.Mutex
	index map[[32]byte]uint64 // leaf hash of an acknowledged record -> log index
	again int                 // bulks sent more than once
}

// client sends n records of its own vehicles.
func (l *load) client(ctx context.Context, who, n int) error {
	r := mathrand.New(mathrand.NewPCG(uint64(who), 7))
	ids := []string{"lyon", "turin", "leeds", "mutual"}
	for sent := 0; sent < n; {
		bulk := make([][]byte, min(50+r.IntN(51), n-sent))
		for i := range bulk {
			bulk[i] = l.c.reading(vin(who*100_000+(sent+i)%700), int64(1000+sent+i))
		}
		if err := l.deliver(ctx, r, ids, bulk); err != nil {
			return fmt.Errorf("client %d after %d records: %w", who, sent, err)
		}
		sent += len(bulk)
	}
	return nil
}

func (l *load) deliver(ctx context.Context, r *mathrand.Rand, ids []string, bulk [][]byte) error {
	for try := 0; ; try++ {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		ans, err := l.c.as(ids[r.IntN(len(ids))], dealer).Submit(once, bulk...)
		cancel()
		if err == nil {
			return l.note(try, bulk, ans)
		}
		if ctx.Err() != nil || !outage(err) {
			return fmt.Errorf("%w (%s)", err, fault.Code(err))
		}
		pause(time.Duration(20+r.IntN(100)) * time.Millisecond)
	}
}

// note keeps what was acknowledged.
func (l *load) note(try int, bulk [][]byte, ans *node.SubmitAnswer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if try > 0 {
		l.again++
	}
	for i, rec := range ans.Records {
		if rec.Status != "accepted" && rec.Status != "present" {
			return fmt.Errorf("record %d is %s: %+v", i, rec.Status, rec.Error)
		}
		hash := verify.LeafHash(bulk[i])
		if rec.LeafHash != verify.Hex(hash) || *rec.Index >= ans.Size {
			return fmt.Errorf("the answer for record %d is %+v under %d leaves", i, rec, ans.Size)
		}
		l.index[hash] = *rec.Index
	}
	l.acked.Add(int64(len(bulk)))
	return nil
}

// Nodes are killed in the middle of a load, first the leader, then a
// follower, and come back. What was acknowledged is on every node exactly
// once, all have one tree, and the cluster goes on.
func TestKillLeaderThenFollower(t *testing.T) {
	t.Parallel()
	started := time.Now()
	records, clients := 20_000, 8
	if raceEnabled || testing.Short() {
		records = 4_000
	}
	c := newCluster(t, nil)
	p := newProcesses(t, c.Cluster.Cluster)
	for _, n := range c.Cluster.Cluster.Nodes {
		must(t, p.start(n.ID))
	}
	w := &remote{c}
	w.leader()
	eventually(t, "admissions at all nodes", func() bool {
		for _, n := range c.Cluster.Cluster.Nodes {
			if w.status(n.ID) == nil {
				return false
			}
		}
		return true
	})

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	begun := time.Now()
	l := &load{c: c, index: map[[32]byte]uint64{}}
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			if err := l.client(ctx, i, records/clients); err != nil {
				t.Error(err)
				cancel()
			}
		})
	}
	reach := func(part int) {
		t.Helper()
		for int(l.acked.Load()) < records*part/100 && ctx.Err() == nil {
			pause(time.Millisecond)
		}
	}
	reach(20)
	leader := w.leader()
	p.kill(leader)
	killed := time.Now()
	before := l.acked.Load()
	for l.acked.Load() < before+200 && ctx.Err() == nil {
		pause(time.Millisecond)
	}
	t.Logf("%s, the leader, was killed at %d records; 200 more were acknowledged after %v", leader, before, time.Since(killed).Round(time.Millisecond))
	must(t, p.start(leader))
	reach(50)
	w.caughtUp(ctx, leader)
	now := w.leader()
	victim := ""
	for _, id := range voters {
		if id != now && id != leader {
			victim = id
		}
	}
	p.kill(victim)
	t.Logf("%s, a follower, was killed at %d records", victim, l.acked.Load())
	reach(70)
	must(t, p.start(victim))
	running.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d records were acknowledged in %v, %d bulks were sent again", l.acked.Load(), time.Since(begun).Round(time.Millisecond), l.again)

	// The cluster goes on, at every node.
	for _, n := range c.Cluster.Cluster.Nodes {
		ans := c.ack(n.ID, c.reading(newVIN(), 5000))
		if ans.Records[0].Status != "accepted" {
			t.Errorf("at %s: %+v", n.ID, ans)
		}
	}
	w.oneSize()
	l.receipts()
	// Graceful ends, then look at what is on the disks.
	for _, id := range p.ids() {
		must(t, p.stop(id))
	}
	var first [32]byte
	for _, n := range c.Cluster.Cluster.Nodes {
		root := l.check(n.ID, records+4)
		if first == [32]byte{} {
			first = root
		}
		if root != first {
			t.Errorf("%s has the root %x, others have %x", n.ID, root[:4], first[:4])
		}
	}
	if !raceEnabled {
		rep, err := node.Audit(t.Context(), c.Cluster.Cluster.DataPath(leader), node.AuditOptions{Policy: c.policy(), Now: time.Now()})
		must(t, err)
		if len(rep.Wrong) > 0 || !rep.Quorum {
			t.Errorf("the audit of %s finds %v", leader, rep.Wrong)
		}
	}
	t.Logf("all of it took %v", time.Since(started).Round(time.Millisecond))
}

// receipts fetches the receipt of some records at every node and checks it.
func (l *load) receipts() {
	t := l.c.t
	policy := l.c.policy()
	left := 25
	for hash, index := range l.index {
		if left--; left < 0 {
			return
		}
		for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
			data, err := l.c.as(id, "").Receipt(t.Context(), verify.Hex(hash))
			must(t, err)
			checkReceipt(t, policy, data, hash, index)
		}
	}
}

func checkReceipt(t testing.TB, policy *verify.Policy, data []byte, hash [32]byte, index uint64) {
	t.Helper()
	proof, err := verify.ParseTLogProof(data)
	must(t, err)
	if proof.Index != index {
		t.Errorf("the receipt is of leaf %d, not %d", proof.Index, index)
	}
	if _, err := proof.CheckInclusion(hash); err != nil {
		t.Errorf("receipt of leaf %d: %v", index, err)
	}
	if _, err := policy.Check(proof.Checkpoint, time.Now()); err != nil {
		t.Errorf("receipt of leaf %d: %v", index, err)
	}
}

// check opens a node's tree: every acknowledged record is at its index and
// nowhere else, and besides the founding there is nothing.
func (l *load) check(id string, records int) (root [32]byte) {
	t := l.c.t
	t.Helper()
	founding, err := node.ReadFounding(l.c.Cluster.Cluster.FoundingPath())
	must(t, err)
	tree, err := log.Open(filepath.Join(l.c.Cluster.Cluster.DataPath(id), "tree.db"), log.Config{ReadOnly: true})
	must(t, err)
	defer tree.Close()
	v := tree.View()
	defer v.Release()
	at := map[[32]byte]uint64{}
	seals := 0
	for i := range v.Size {
		_, _, seal, err := v.Place(i)
		must(t, err)
		if seal {
			seals++
			continue
		}
		hash, err := v.LeafHash(i)
		must(t, err)
		if old, twice := at[hash]; twice {
			t.Fatalf("%s has a record at %d and at %d", id, old, i)
		}
		at[hash] = i
	}
	for hash, index := range l.index {
		if got, there := at[hash]; !there || got != index {
			t.Fatalf("%s has an acknowledged record of index %d at %d (%v)", id, index, got, there)
		}
	}
	if want := records + len(founding.Notes); len(at) != want {
		t.Errorf("%s has %d records, want %d", id, len(at), want)
	}
	t.Logf("%s: %d records, %d seals", id, len(at), seals)
	return v.Root
}

// remote looks at nodes that run elsewhere.
type remote struct{ *cluster }

func (r *remote) status(id string) *node.Status {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
	defer cancel()
	s, err := r.as(id, dealer).Status(ctx)
	if err != nil {
		return nil
	}
	return s
}

func (r *remote) leader() (leader string) {
	r.t.Helper()
	r.eventually("a leader", func() bool {
		for _, id := range voters {
			if s := r.status(id); s != nil && s.Role == "leader" {
				leader = id
				return true
			}
		}
		return false
	})
	return leader
}

// caughtUp waits until a node has what the leader had a moment ago.
func (r *remote) caughtUp(ctx context.Context, id string) {
	r.t.Helper()
	want := uint64(0)
	r.eventually(id+" catching up", func() bool {
		if want == 0 {
			if s := r.status(r.leader()); s != nil {
				want = s.TreeSize
			}
		}
		s := r.status(id)
		return s != nil && want > 0 && s.Published >= want || ctx.Err() != nil
	})
}

func (r *remote) oneSize() {
	r.t.Helper()
	r.eventually("one size everywhere", func() bool {
		var size uint64
		for _, n := range r.Cluster.Cluster.Nodes {
			s := r.status(n.ID)
			if s == nil || size != 0 && s.TreeSize != size || s.Published != s.TreeSize {
				return false
			}
			size = s.TreeSize
		}
		return true
	})
}
