package node_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// clocks are nodes' clocks that a test can set.
type clocks map[string]*atomic.Int64

func newClocks() clocks {
	return clocks{"lyon": {}, "turin": {}, "leeds": {}, "mutual": {}}
}

func (c clocks) of(id string) func() time.Time {
	ahead := c[id]
	return func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
}

func (c clocks) set(id string, ahead time.Duration) { c[id].Store(int64(ahead)) }

// A leader whose clock is a year ahead, and which does not compare clocks,
// gets nothing stored: its own entry finds no majority and it ends. The rest
// go on, and it comes back in good order once its clock is right.
func TestLeaderAYearAhead(t *testing.T) {
	t.Parallel()
	clock := newClocks()
	c := startCluster(t, func(id string, cfg *node.Config) {
		cfg.Now = clock.of(id)
		cfg.StuckAfter(2 * time.Second)
		if id == "lyon" {
			cfg.Lie(node.Lies{ClockUnchecked: true})
		}
	})
	c.lead("lyon")
	c.ack("turin", c.readings(3)...)
	size, _ := c.agree()
	note := c.reading(newVIN(), 50_000)

	clock.set("lyon", 365*24*time.Hour)
	_, committed := c.Nodes["turin"].Ledger()
	go c.Nodes["lyon"].Submit(t.Context(), note)
	refused(t, c.ended("lyon"), "no_majority")
	for _, id := range []string{"turin", "leeds", "mutual"} {
		if s, _ := c.Nodes[id].TreeHead(); s != size {
			t.Errorf("%s has taken something in", id)
		}
		if !c.said(id, "ahead of this node's clock") {
			t.Errorf("%s does not say what it refuses", id)
		}
		if c.metric(id, "milepost_refused_entries_total") == 0 {
			t.Errorf("%s does not count it", id)
		}
	}
	// The same bytes at another node are safe.
	if ans := c.ack("leeds", note); ans.Records[0].Status != "accepted" {
		t.Errorf("the record was there: %+v", ans)
	}
	if _, now := c.Nodes["turin"].Ledger(); now <= committed {
		t.Error("the cluster does not go on")
	}
	clock.set("lyon", 0)
	c.run("lyon")
	c.agree()
	sealed, err := c.Nodes["lyon"].SealTime()
	if err != nil || time.Until(sealed) > time.Minute {
		t.Errorf("the newest seal is of %v (%v)", sealed, err)
	}
}

func TestClocksThatAreOff(t *testing.T) {
	t.Parallel()
	clock := newClocks()
	startCluster(t, func(id string, cfg *node.Config) { cfg.Now = clock.of(id) }).play(t,
		scene{"a follower a year behind", func(t *testing.T, c *cluster) { followerAYearBehind(t, c, clock) }},
		scene{"a leader three minutes off", func(t *testing.T, c *cluster) { leaderThreeMinutesOff(t, c, clock) }})
}

// A leader whose clock lags within bounds dates its batches so. Nothing
// honest is refused for it, and every proof file shows the lag: the times of
// the others' cosignatures stand beside the log time.
func TestLeaderAMinuteBehind(t *testing.T) {
	t.Parallel()
	clock := newClocks()
	for id := range clock {
		clock.set(id, -time.Minute) // or the lag would hide behind the founding's log time
	}
	c := startCluster(t, func(id string, cfg *node.Config) { cfg.Now = clock.of(id) })
	c.lead("lyon")
	for _, id := range []string{"turin", "leeds", "mutual"} {
		clock.set(id, 0)
	}
	vin := newVIN()
	c.ack("turin", c.reading(vin, 50_000))
	data, err := c.as("leeds", dealer).Proof(t.Context(), record.VehicleSubject(vin))
	must(t, err)
	rep := verify.Verify(data, verify.Options{Policy: c.policy(), Now: time.Now()})
	if !rep.Verified || rep.Records != 1 {
		t.Fatalf("%d records: %v", rep.Records, rep.Failure)
	}
	ahead := 0
	for _, s := range rep.Head.Cosigners {
		if s.Signed && s.Name != record.NodeName(c.origin, "lyon") && time.Unix(s.Time, 0).Sub(time.UnixMilli(rep.SealTime)) > 50*time.Second {
			ahead++
		}
	}
	if ahead < 2 {
		t.Errorf("log time %v, cosigned %+v", time.UnixMilli(rep.SealTime), rep.Head.Cosigners)
	}
}

// A follower whose clock is a year behind stores nothing, says so, and keeps
// nobody from going on.
func followerAYearBehind(t *testing.T, c *cluster, clock clocks) {
	c.lead("lyon")
	before, _ := c.agree()
	clock.set("leeds", -365*24*time.Hour)
	c.ack("turin", c.reading(newVIN(), 50_000))
	c.eventually("leeds refusing", func() bool { return c.said("leeds", "ahead of this node's clock") })
	if s, _ := c.Nodes["leeds"].TreeHead(); s != before {
		t.Errorf("leeds has stored it: size %d, was %d", s, before)
	}
	clock.set("leeds", 0)
	c.agree()
}

// A leader whose clock is three minutes off proposes nothing, says why, and
// lets another lead.
func leaderThreeMinutesOff(t *testing.T, c *cluster, clock clocks) {
	for _, off := range []time.Duration{3 * time.Minute, -3 * time.Minute} {
		c.lead("turin")
		c.ack("turin", c.reading(newVIN(), 10_000))
		size, _ := c.agree()
		note := c.reading(newVIN(), 50_000)
		clock.set("lyon", off)
		c.lead("lyon")
		_, err := c.Nodes["lyon"].Submit(t.Context(), note)
		if code := fault.Code(err); code != "clock" {
			t.Fatalf("%v off: %v", off, err)
		}
		if s, _ := c.Nodes["lyon"].TreeHead(); s != size {
			t.Error("it has proposed something")
		}
		c.eventually("another leader", func() bool { return c.leader() != "lyon" })
		if ans := c.ack("mutual", note); ans.Records[0].Status != "accepted" {
			t.Errorf("the record was there: %+v", ans)
		}
		clock.set("lyon", 0)
		c.agree()
	}
}
