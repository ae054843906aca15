package main

import (
	"slices"
	"time"

	"github.com/milepost-log/milepost/verify/judge"
)

// turned counts what becomes of a counter turned back by 40,000 miles.
type turned struct {
	name        string
	cuts        int
	silent      int // nothing is said
	sustained   int // both sides listed: the level shifted and stayed
	bothSides   int // both sides listed: either may be right
	namedLow    int // a reading after the cut is named: it shows a false mileage
	namedHonest int // a reading from before the cut is named
}

func (t *turned) add(o turned) {
	t.cuts += o.cuts
	t.silent += o.silent
	t.sustained += o.sustained
	t.bothSides += o.bothSides
	t.namedLow += o.namedLow
	t.namedHonest += o.namedHonest
}

// count judges readings of which those from the cut on are turned back.
func (t *turned) count(rs []entered, cut int) {
	t.cuts++
	j := judge.Judge(history(rs), judge.ParamsOf(nil), 0)
	low, honest := false, false
	for _, r := range j.Readings {
		if r.Named {
			before := r.Hash < name(cut)
			low, honest = low || !before, honest || before
		}
	}
	has := func(kind string) bool {
		return slices.ContainsFunc(j.Breaks, func(b judge.Break) bool { return b.Kind == kind })
	}
	switch {
	case honest:
		t.namedHonest++
	case low:
		t.namedLow++
	case has(judge.Sustained):
		t.sustained++
	case has(judge.BothSides):
		t.bothSides++
	case len(j.Breaks) == 0:
		t.silent++
	}
}

// places tells the cuts apart by what would have to be left out for the two
// sides to agree. Readings of one day are one: a visit is one witness.
type places struct {
	two     turned // two or more readings of one side
	oneEach turned // one reading of each side
	oneHigh turned // one reading from before the cut
	oneLow  turned // one reading from after it
	none    turned // nothing: as much was driven before the next reading
}

func (p *places) rows() []*turned {
	return []*turned{&p.two, &p.oneEach, &p.oneHigh, &p.oneLow, &p.none}
}

// pair is the days of two readings that contradict each other, of the one
// before the cut and of the one after it.
type pair [2]time.Time

// of says by itself, apart from package judge, which kind of cut this is.
func (p *places) of(high, low []entered) *turned {
	var pairs []pair
	for _, a := range high {
		for _, b := range low {
			if contradicts(a, b) {
				pairs = append(pairs, pair{a.day, b.day})
			}
		}
	}
	switch {
	case len(pairs) == 0:
		return &p.none
	case oneDay(pairs, 0):
		return &p.oneHigh
	case oneDay(pairs, 1):
		return &p.oneLow
	}
	// One of the first pair has to go. Is one of the other side then enough?
	for side := range 2 {
		rest := slices.DeleteFunc(slices.Clone(pairs), func(c pair) bool { return c[side].Equal(pairs[0][side]) })
		if oneDay(rest, 1-side) {
			return &p.oneEach
		}
	}
	return &p.two
}

// oneDay reports whether all pairs have the same day on a side.
func oneDay(pairs []pair, side int) bool {
	return !slices.ContainsFunc(pairs, func(c pair) bool { return !c[side].Equal(pairs[0][side]) })
}

// rollbacks turns the counter back at every place of each series.
func rollbacks(all []series) *places {
	const back = 40_000
	p := &places{turned{name: "two or more of one side"}, turned{name: "one of each"}, turned{name: "one before"}, turned{name: "one after"}, turned{name: "none"}}
	for _, s := range all {
		for cut := 1; cut < len(s.readings); cut++ {
			rs := s.entered()
			if rs[cut].value < back+2 || rs[cut].day.Equal(rs[cut-1].day) {
				continue
			}
			for i := cut; i < len(rs); i++ {
				rs[i].value -= back
			}
			p.of(rs[:cut], rs[cut:]).count(rs, cut)
		}
	}
	return p
}
