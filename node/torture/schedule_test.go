//go:build unix

package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// kind is a kind of fault.
type kind string

const (
	killed    kind = "kill -9"
	frozen    kind = "SIGSTOP"
	restarted kind = "restart"
	halved    kind = "partition"            // two sides that lose every packet between them
	oneWay    kind = "one-way loss"         // one node isn't heard any more, and hears
	isolated  kind = "leader isolated"      // by cut lines
	slowed    kind = "slow lines"           // of one node
	jumped    kind = "clock jump"           // ahead or back
	full      kind = "disk full"            // no file may grow
	added     kind = "node added"           // without a vote
	removed   kind = "node removed"         // while it runs
	replaced  kind = "node replaced"        // it is killed and its data deleted; another one takes its place
	leader         = "the leader"           // whoever that is when the fault strikes
	longest        = 90 * time.Minute       // that a clock jumps
	patience       = 2 * time.Minute        // until everything is whole again; never waited out in a run that passes
	settle         = 500 * time.Millisecond // between two faults of a node
)

var kinds = []kind{killed, frozen, restarted, halved, oneWay, isolated, slowed, jumped, full, added, removed, replaced}

// event is one fault: it strikes at a time and ends a while later.
type event struct {
	at, length time.Duration // from the start
	kind       kind
	who        []string // the nodes that it strikes; of replaced: the old one and the new one
	by         time.Duration
}

func (e event) String() string {
	s := fmt.Sprintf("%6.2fs %s %v", e.at.Seconds(), e.kind, e.who)
	if e.by != 0 {
		s += fmt.Sprintf(" by %v", e.by)
	}
	if e.length > 0 {
		s += fmt.Sprintf(" for %v", e.length)
	}
	return s
}

// schedule lays out faults: each kind once before any of them comes again,
// each node under one fault of its own at a time. It is a pure function.
func schedule(seed uint64, duration time.Duration, founders []string) []event {
	r := rand.New(rand.NewPCG(seed, 0x6d696c65))
	between := func(lo, hi time.Duration) time.Duration {
		return (lo + rand64(r, hi-lo)).Round(10 * time.Millisecond)
	}
	nodes := slices.Clone(founders)
	// Those that vote stay: with one of three gone for good, the next kill would
	// only show that two of two can't do without one.
	extra := []string{founders[len(founders)-1]} // that may go: with what was added later
	busy := map[string]time.Duration{}           // node -> when its last fault is over
	free := func(at time.Duration, among []string) string {
		var idle []string
		for _, id := range among {
			if busy[id] <= at {
				idle = append(idle, id)
			}
		}
		if len(idle) == 0 {
			return ""
		}
		return idle[r.IntN(len(idle))]
	}
	var out []event
	var bag []kind
	number := 0
	for at := between(300*time.Millisecond, time.Second); at < duration; at += between(400*time.Millisecond, 1600*time.Millisecond) {
		if len(bag) == 0 {
			bag = slices.Clone(kinds)
			r.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		e := event{at: at, length: between(500*time.Millisecond, 4*time.Second), kind: bag[0]}
		bag = bag[1:]
		switch e.kind {
		case isolated:
			e.who = []string{leader}
		case halved:
			side := slices.Clone(nodes)
			r.Shuffle(len(side), func(i, j int) { side[i], side[j] = side[j], side[i] })
			e.who = side[:1+r.IntN(len(side)-1)]
			slices.Sort(e.who)
		case added:
			number++
			e.length, e.who = 0, []string{fmt.Sprintf("extra%d", number)}
			nodes, extra = append(nodes, e.who[0]), append(extra, e.who[0])
			busy[e.who[0]] = at + 3*time.Second
		case removed, replaced:
			old := free(at, extra)
			if old == "" || e.kind == removed && len(nodes) < len(founders) {
				bag = append(bag, e.kind) // later
				continue
			}
			e.length, e.who = 0, []string{old}
			gone := func(id string) bool { return id == old }
			nodes, extra = slices.DeleteFunc(nodes, gone), slices.DeleteFunc(extra, gone)
			if e.kind == replaced {
				number++
				e.who = append(e.who, fmt.Sprintf("extra%d", number))
				nodes, extra = append(nodes, e.who[1]), append(extra, e.who[1])
				busy[e.who[1]] = at + 3*time.Second
			}
		default:
			id := free(at, nodes)
			if id == "" {
				bag = append(bag, e.kind)
				continue
			}
			e.who = []string{id}
			switch e.kind {
			case restarted:
				e.length = 0
			case jumped:
				e.by = between(-longest, longest)
			case slowed:
				e.by = between(20*time.Millisecond, 400*time.Millisecond)
			}
			busy[id] = at + e.length + settle
		}
		out = append(out, e)
	}
	return out
}

func rand64(r *rand.Rand, n time.Duration) time.Duration { return time.Duration(r.Int64N(int64(n))) }
