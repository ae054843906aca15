package node_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// free says how many bytes each node's disk has free.
type free struct {
	mu    sync.Mutex
	bytes map[string]uint64
}

const (
	mark  = 100 << 20 // the nodes' low-water mark
	ample = 1 << 30
)

func (f *free) set(bytes uint64, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.bytes[id] = bytes
	}
}

func (f *free) of(id string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes[id]
}

// startWithRoom runs a cluster whose nodes believe what the test says of
// their disks.
func startWithRoom(t *testing.T) (*cluster, *free) {
	f := &free{bytes: map[string]uint64{"lyon": ample, "turin": ample, "leeds": ample, "mutual": ample}}
	return startCluster(t, func(id string, cfg *node.Config) {
		cfg.MinFree = mark
		cfg.SightEvery(50 * time.Millisecond)
		cfg.Disk(20*time.Millisecond, func(string) (uint64, uint64, error) { return f.of(id), 2 * ample, nil })
	}), f
}

// short waits until a node says that it takes no records, or that it does.
func (c *cluster) short(id string, want bool) {
	c.t.Helper()
	c.eventually(id+" seeing its disk", func() bool { return c.Nodes[id].Status().Disk.Short == want })
}

// through submits until all are acknowledged, also while whoever leads is
// short of room and has yet to hand over.
func (c *cluster) through(id string, notes ...[]byte) {
	c.t.Helper()
	c.eventually("an acknowledgement by "+id, func() bool {
		_, err := c.as(id, dealer).Submit(c.t.Context(), notes...)
		if err != nil && !outage(err) && fault.Code(err) != "disk_full" {
			c.t.Fatal(err)
		}
		return err == nil
	})
}

// A leader whose disk is nearly full hands over, takes no records and says
// so; the others go on, and it takes records again once there is room.
func TestLeaderShortOfRoom(t *testing.T) {
	t.Parallel()
	c, disks := startWithRoom(t)
	c.lead("lyon")
	disks.set(mark-1, "lyon")
	c.eventually("another leader", func() bool { id := c.Leader(); return id != "" && id != "lyon" })
	c.through("turin", c.readings(3)...)
	c.agree() // what the leader sends is still stored

	note := c.reading(newVIN(), 10)
	c.refuses("lyon", request{"a record", "POST", "/v1/records", "text/plain", note, dealer, 507, "disk_full"})
	c.eventually("its readiness saying so", func() bool {
		_, err := c.as("lyon", "").Get(t.Context(), "/readyz")
		return fault.Code(err) == "disk_full"
	})
	if _, err := c.as("lyon", dealer).Get(t.Context(), "/checkpoint"); err != nil {
		t.Errorf("it serves nothing any more: %v", err)
	}
	for name, want := range map[string]float64{"milepost_disk_short": 1, "milepost_disk_least_bytes": mark, "milepost_disk_free_bytes": mark - 1} {
		if got := c.metric("lyon", name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if !c.said("lyon", "the disk is nearly full") {
		t.Error("its log does not say so")
	}

	disks.set(mark+mark/8, "lyon") // less than a quarter more: it does not go to and fro
	c.eventually("the new figure", func() bool { return c.Nodes["lyon"].Status().Disk.Free == mark+mark/8 })
	c.short("lyon", true)
	disks.set(ample, "lyon")
	c.short("lyon", false)
	c.through("lyon", note)
}

// A follower short of room takes no records itself. The others go on, and it
// stores what they took: the cluster needs its copy.
func TestFollowerShortOfRoom(t *testing.T) {
	t.Parallel()
	c, disks := startWithRoom(t)
	c.lead("lyon")
	disks.set(mark-1, "leeds")
	c.short("leeds", true)
	note := c.reading(newVIN(), 10)
	c.refuses("leeds", request{"a record", "POST", "/v1/records", "text/plain", note, dealer, 507, "disk_full"})
	c.through("turin", c.readings(3)...)
	c.agree()
	disks.set(ample, "leeds")
	c.short("leeds", false)
	c.through("leeds", note)
}

// Where so many are short of room that nothing could be acknowledged, the
// leader takes nothing, though it has room itself; no node ends, and all go on
// once there is room.
func TestMostShortOfRoom(t *testing.T) {
	t.Parallel()
	c, disks := startWithRoom(t)
	c.lead("lyon")
	before := c.ack("turin", c.readings(3)...)
	for _, ids := range [][]string{{"turin", "leeds"}, {"leeds", "mutual"}, c.IDs()} {
		disks.set(mark-1, ids...)
		note := c.reading(newVIN(), 10)
		c.eventually("a refusal", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.as("lyon", dealer).Submit(ctx, note)
			return fault.Code(err) == "disk_full"
		})
		if _, err := c.as("mutual", auditor).Receipt(t.Context(), before.Records[0].LeafHash); err != nil {
			t.Errorf("no reading either: %v", err)
		}
		disks.set(ample, ids...)
		for _, id := range c.IDs() {
			c.eventually(id+" being ready", func() bool { return len(c.Nodes[id].Status().NotReady) == 0 })
		}
		c.through("lyon", note)
		c.agree()
	}
	for _, id := range c.IDs() {
		if err := c.Nodes[id].Err(); err != nil {
			t.Errorf("%s has ended: %v", id, err)
		}
	}
}

// A leader with a call of a database that does not come back ends, though
// that call never does; the others lead and go on.
func TestHangingDisk(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"raft.db", "tree.db", "heads.db"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var hang atomic.Pointer[chan struct{}] // closed to let go
			ticks, stuckIn := make(chan time.Time), make(chan struct{}, 1)
			c := startCluster(t, func(id string, cfg *node.Config) {
				if id != "lyon" {
					return
				}
				cfg.Hang(ticks, func(f string) {
					if let := hang.Load(); let != nil && f == file {
						select {
						case stuckIn <- struct{}{}:
						default:
						}
						<-*let
					}
				})
			})
			c.lead("lyon")
			acked := map[string]uint64{}
			for _, r := range c.ack("turin", c.readings(3)...).Records {
				acked[r.LeafHash] = *r.Index
			}
			let := make(chan struct{})
			hang.Store(&let)
			note := c.reading(newVIN(), 10)
			go func() { // whichever answer: it makes the leader write
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				c.as("lyon", other).Submit(ctx, note)
			}()
			stuck := c.Nodes["lyon"]
			<-stuckIn
			for looking := true; looking; {
				select {
				case ticks <- time.Now():
				case <-stuck.Done():
					looking = false
				}
			}
			refused(t, c.ended("lyon"), "disk_hangs") // its Stop comes back
			c.ack("turin", note)
			c.agree()
			for _, id := range c.IDs() {
				c.holds(id, acked)
			}
			// The disk answers again, and the node closes what it had open.
			hang.Store(nil)
			close(let)
			c.eventually("its end", stuck.Released)
			c.run("lyon")
			c.agree()
			c.holds("lyon", acked)
		})
	}
}
