//go:build unix

package torture

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

func made(n int) (h hash) {
	binary.BigEndian.PutUint64(h[:], uint64(n))
	return h
}

func rootOf(leaves []leaf) (root hash) {
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for _, l := range leaves {
		r.Append(l.hash[:], nil)
	}
	h, _ := r.GetRootHash(nil)
	return hash(h)
}

// sound is what a good run leaves behind: three nodes with ten records, one
// that was removed after five, heads of several sizes, and one car of two
// records, read in between.
func sound() *evidence {
	e := newEvidence()
	var tree []leaf
	for i := range 10 {
		tree = append(tree, leaf{hash: made(i)}, leaf{hash: made(1000 + i), seal: true})
		e.ack(ack{made(i), uint64(2 * i)})
	}
	for _, id := range []string{"lyon", "turin", "leeds"} {
		e.trees[id] = slices.Clone(tree)
	}
	e.trees["gone"], e.partial["gone"] = slices.Clone(tree[:10]), true
	for _, size := range []int{2, 8, 20} {
		e.head(uint64(size), rootOf(tree[:size]), "lyon")
		e.head(uint64(size), rootOf(tree[:size]), "turin")
	}
	first, second := ack{made(3), 6}, ack{made(4), 8}
	e.operations = []operation{
		{car: "A", call: 0, ret: 5},
		{car: "A", write: true, hash: first.hash, call: 10, ret: 20},
		{car: "A", call: 15, ret: 25, seen: []ack{first}},
		{car: "A", write: true, hash: second.hash, call: 30, ret: 40},
		{car: "A", call: 32, ret: 36, seen: []ack{first}},
		{car: "A", call: 50, ret: 60, seen: []ack{first, second}},
		{car: "B", write: true, hash: made(5), call: 0, ret: never},
		{car: "B", call: 10, ret: 20},
	}
	return e
}

// The checker finds each thing that a cluster might do wrong, and nothing in a
// good run.
func TestCheckerFindsDoctoredHistories(t *testing.T) {
	t.Parallel()
	if v := check(sound()); len(v.wrong) > 0 || v.lost != 0 {
		t.Fatalf("a good run: %d lost, %q", v.lost, v.wrong)
	}
	fork := func(e *evidence) []leaf {
		other := slices.Clone(e.trees["turin"])
		other[4].hash = made(77)
		return other
	}
	for name, c := range map[string]struct {
		doctor func(e *evidence)
		want   string
		lost   int
	}{
		"a lost record": {func(e *evidence) {
			for _, tree := range e.trees {
				tree[6].hash = made(99)
			}
			e.heads, e.operations = nil, nil
		}, "lost record", 1},
		"a record that one node lost": {func(e *evidence) { e.trees["leeds"][6].hash = made(99) }, "leeds has lost record", 1},
		"all of the end lost": {func(e *evidence) {
			for id := range e.trees {
				e.trees[id] = e.trees[id][:10]
			}
		}, "lost record", 5},
		"a doubled record": {func(e *evidence) {
			for _, id := range []string{"lyon", "turin", "leeds"} {
				e.trees[id] = append(e.trees[id], leaf{hash: made(4)}, leaf{hash: made(2000), seal: true})
			}
		}, "has record 00000000 at index 8 and at index 20", 1},
		"a record at another index":      {func(e *evidence) { e.acks[7].index = 15 }, "which was acknowledged at index 15", 1},
		"two indices told of one record": {func(e *evidence) { e.ack(ack{made(2), 5}) }, "was acknowledged at index 4 and at index 5", 1},
		"a record acknowledged as a seal": {func(e *evidence) {
			for _, tree := range e.trees {
				tree[8].seal = true
			}
		}, "lost record", 1},
		"a fork on disk":                    {func(e *evidence) { e.trees["turin"] = fork(e) }, "turin and leeds have different leaves at index 4", 1},
		"a fork of a node that was removed": {func(e *evidence) { e.trees["gone"][3].hash = made(77) }, "gone and leeds have different leaves at index 3", 0},
		"a removed node that is ahead":      {func(e *evidence) { e.trees["gone"] = append(slices.Clone(e.trees["lyon"]), leaf{hash: made(500)}) }, "gone, which was removed, has 21 leaves", 0},
		"a node that is behind":             {func(e *evidence) { e.trees["turin"] = e.trees["turin"][:18] }, "turin has 18 leaves", 1},
		"two heads of one size":             {func(e *evidence) { e.head(8, made(5), "leeds") }, "two heads of size 8 differ", 0},
		"a head of a fork, alone of its size": {func(e *evidence) { e.head(12, rootOf(fork(e)[:12]), "turin") },
			"the head of size 12 shown by turin is not of the tree", 0},
		"a head of what is no more":          {func(e *evidence) { e.head(30, made(5), "leeds") }, "a head of size 30 was shown by leeds", 0},
		"a stale read":                       {func(e *evidence) { e.operations[5].seen = e.operations[5].seen[:1] }, "A are not linearizable", 0},
		"a read of what was not written yet": {func(e *evidence) { e.operations[0].seen = e.operations[2].seen }, "A are not linearizable", 0},
		"reads that go back": {func(e *evidence) {
			e.operations[4].seen = e.operations[5].seen
			e.operations = append(e.operations, operation{car: "A", call: 37, ret: 39, seen: e.operations[2].seen})
		}, "A are not linearizable", 0},
		"a read that lacks the first":     {func(e *evidence) { e.operations[5].seen = e.operations[5].seen[1:] }, "A are not linearizable", 0},
		"a read of a record of elsewhere": {func(e *evidence) { e.operations[5].seen = []ack{{made(3), 7}, {made(4), 8}} }, "at index 7, where it does not stand", 0},
		"what was seen on the way":        {func(e *evidence) { e.bad("a proof file does not verify") }, "a proof file does not verify", 0},
		"no node that stayed": {func(e *evidence) {
			e.partial = map[string]bool{"lyon": true, "turin": true, "leeds": true, "gone": true}
		}, "no tree of a node that stayed", 0},
	} {
		e := sound()
		c.doctor(e)
		v := check(e)
		if !slices.ContainsFunc(v.wrong, func(w string) bool { return strings.Contains(w, c.want) }) || v.lost != c.lost {
			t.Errorf("%s: %d lost, %q", name, v.lost, v.wrong)
		}
	}
}

// The same seed gives the same faults, another one others; every kind comes,
// and no node is struck twice at a time by what is its own.
func TestScheduleIsAFunctionOfTheSeed(t *testing.T) {
	t.Parallel()
	founders := []string{"lyon", "turin", "leeds", "mutual"}
	seen := map[string]bool{}
	for seed := range uint64(200) {
		plan := schedule(seed, time.Minute, founders)
		if !reflect.DeepEqual(plan, schedule(seed, time.Minute, founders)) {
			t.Fatalf("seed %d: two schedules", seed)
		}
		count := map[kind]int{}
		busy := map[string]time.Duration{}
		gone := map[string]bool{}
		text := ""
		for _, e := range plan {
			count[e.kind]++
			text += e.String()
			switch e.kind {
			case removed, replaced:
				if gone[e.who[0]] || slices.Contains(founders[:3], e.who[0]) {
					t.Errorf("seed %d: %v of a node that votes or is gone", seed, e)
				}
				gone[e.who[0]] = true
			case killed, frozen, full, jumped, oneWay, slowed, restarted:
				if id := e.who[0]; busy[id] > e.at || gone[id] {
					t.Errorf("seed %d: %v of a node that is busy or gone", seed, e)
				}
				busy[e.who[0]] = e.at + e.length
			}
		}
		for _, k := range kinds {
			if count[k] == 0 {
				t.Errorf("seed %d: nothing of the kind %s in a minute", seed, k)
			}
		}
		if seen[text] {
			t.Errorf("seed %d has the schedule of another one", seed)
		}
		seen[text] = true
	}
}
