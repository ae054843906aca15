package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

func TestTurns(t *testing.T) {
	t.Parallel()
	q := newTurns[string](1)
	for i := range 1000 {
		q.push("noisy", fmt.Sprint("noisy ", i))
	}
	q.push("other", "other 0", "other 1")
	q.push("third", "third 0")
	q.push("nobody")
	var got []string
	for range 6 {
		it, _ := q.pop()
		got = append(got, it)
	}
	if want := []string{"noisy 0", "other 0", "third 0", "noisy 1", "other 1", "noisy 2"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i := 3; i < 1000; i++ {
		if it, ok := q.pop(); !ok || it != fmt.Sprint("noisy ", i) {
			t.Fatalf("%q (%v) instead of number %d", it, ok, i)
		}
	}
	if it, ok := q.pop(); ok || q.len() != 0 || len(q.order) != 0 || len(q.waiting) != 0 {
		t.Errorf("%q is left of %d", it, q.len())
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	s := newShares(1200)
	fill := func(who string) (n int) {
		for s.take(who, 1) {
			n++
		}
		return n
	}
	if n := fill("alone"); n != 600 {
		t.Errorf("who is alone has %d", n)
	}
	if n := fill("second"); n != 300 {
		t.Errorf("who comes second has %d", n)
	}
	if n := fill("third"); n != 150 {
		t.Errorf("who comes third has %d", n)
	}
	if s.take("alone", 1) {
		t.Error("one that holds more than is left gets more")
	}
	s.give("alone", 600)
	// What they come to when each gives back and takes as it can.
	for range 2000 {
		for _, who := range []string{"alone", "second", "third"} {
			if s.by[who] > 0 {
				s.give(who, 1)
			}
			s.take(who, 1)
			s.take(who, 1)
		}
	}
	for who, n := range s.by {
		if n < 250 || n > 350 {
			t.Errorf("%s holds %d of 1200", who, n)
		}
	}
	for who, n := range s.by {
		s.give(who, n)
	}
	if s.held != 0 || len(s.by) != 0 {
		t.Errorf("%d are left: %v", s.held, s.by)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := &rates{perSecond: 100, now: func() time.Time { return now }, buckets: map[string]*bucket{}}
	spend := func(who string, stranger bool) (n int, err error) {
		for ; err == nil; n++ {
			err = r.take(who, stranger)
		}
		return n - 1, err
	}
	n, err := spend("member", false)
	if n != 200 || fault.Code(err) != "rate_limited" || !strings.Contains(err.Error(), "wait 1 s") {
		t.Errorf("%d at once, then %v", n, err)
	}
	if n, _ := spend("192.0.2.1/32", true); n != 20 {
		t.Errorf("%d of a stranger", n)
	}
	if n, _ := spend("another", false); n != 200 {
		t.Errorf("%d of another member", n)
	}
	now = now.Add(500 * time.Millisecond)
	if n, _ := spend("member", false); n != 50 {
		t.Errorf("%d after half a second", n)
	}
	now = now.Add(time.Hour)
	if n, _ := spend("member", false); n != 200 {
		t.Errorf("%d after an hour", n)
	}
	// Refusals are counted after the fact, and cost ten times as much.
	now = now.Add(time.Hour)
	r.refuse("member", false, 120)
	if err := r.take("member", false); fault.Code(err) != "rate_limited" || !strings.Contains(err.Error(), "wait 10 s") {
		t.Errorf("after 120 refusals: %v", err)
	}
	now = now.Add(10 * time.Second)
	if err := r.take("member", false); err != nil {
		t.Error(err)
	}
	// However many there are, they take a bounded room.
	for i := range maxBuckets + 1000 {
		r.take(fmt.Sprint("address ", i), true)
	}
	if len(r.buckets) > maxBuckets+1 {
		t.Errorf("%d buckets", len(r.buckets))
	}
	now = now.Add(time.Minute)
	r.take("new", true)
	if len(r.buckets) != 1 {
		t.Errorf("%d buckets are left of those that have rested", len(r.buckets))
	}
	none := &rates{perSecond: -1}
	if err := none.take("member", false); err != nil {
		t.Error(err)
	}
}

// A call that does not come back is found after so many looks, whatever the
// time; others may begin and end meanwhile.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	w := &watchdog{seconds: newMetrics().storeSeconds, calls: map[*storeCall]struct{}{}}
	end := w.begin(ledgerFile)
	for i := range hangLooks {
		other := w.begin(treeFile)
		if file, hangs := w.look(); hangs {
			t.Fatalf("a call of %s hangs at look %d", file, i)
		}
		other()
	}
	w.begin(headsFile)
	if file, hangs := w.look(); !hangs || file != ledgerFile {
		t.Errorf("%q hangs (%v)", file, hangs)
	}
	end()
	if file, hangs := w.look(); hangs {
		t.Errorf("%s hangs, and has come back", file)
	}
}
