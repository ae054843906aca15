package judge

import (
	"testing"

	"pgregory.net/rapid"
)

// The definition, tried on every set of readings there is.
func TestSeriesAgainstEverySet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 11).Draw(t, "n")
		var rs []row
		for range n {
			r := row{
				day:       rapid.Int64Range(0, 12).Draw(t, "day"),
				value:     1_000 + 40*rapid.Int64Range(0, 12).Draw(t, "small") + 1_100*rapid.Int64Range(0, 4).Draw(t, "large"),
				source:    rapid.SampledFrom([]string{"visual", "document"}).Draw(t, "source"),
				precision: rapid.SampledFrom([]string{"exact", "exact", "rounded_100"}).Draw(t, "precision"),
			}
			if rapid.Bool().Draw(t, "timed") {
				r.at = rapid.SampledFrom([]string{"00:00", "09:30", "23:59"}).Draw(t, "at")
			}
			rs = append(rs, r)
		}
		params := DefaultParams()
		// A jump that such small figures can pass.
		params["jump_mi"], params["jump_year_mi"] = 700, 100
		q := &inquiry{h: rows(rs...), p: ParamsOf(params), out: &Judgement{}}
		q.gather()
		q.decide()
		q.thin()
		q.layOut()
		part := q.parts[0]
		q.series(part)

		best := int64(-1)
		var some, all uint
		for set := uint(0); set < 1<<len(part); set++ {
			w, ok := q.weigh(part, set)
			switch {
			case !ok || w < best:
			case w == best:
				some, all = some|set, all&set
			default:
				best, some, all = w, set, set
			}
		}
		for i, r := range part {
			if r.some != (some>>i&1 == 1) || r.Kept != (all>>i&1 == 1) {
				t.Fatalf("reading %d of %d: some %v, all %v; by trying every set %b and %b\n%+v", i, len(part), r.some, r.Kept, some, all, rs)
			}
		}
	})
}

// weigh returns what a set weighs, and whether it is consistent.
func (q *inquiry) weigh(part []*point, set uint) (w int64, ok bool) {
	var top *point
	for i, r := range part {
		if set>>i&1 == 0 {
			continue
		}
		w += unitOfWeight * r.Weight
		if top != nil {
			if r.up < top.low || q.p.tooFast(top, r) {
				return 0, false
			}
			if r.low >= top.low && q.p.jump(top, r) {
				w--
			}
		}
		if top == nil || r.low >= top.low {
			top = r
		}
	}
	return w, true
}

// A history that nobody could have driven, of the greatest length that is
// judged reading by reading, is done in seconds.
func TestHugeHistory(t *testing.T) {
	t.Parallel()
	n := 4_000
	if testing.Short() {
		n = 1_000
	}
	var rs []row
	for i := range n {
		rs = append(rs, row{day: int64(i), value: int64(i*7_919%1_000_000 + 2)})
	}
	j := judged(t, rows(rs...))
	if j.Judged != n || j.Result != Illogical {
		t.Errorf("%d judged, %s", j.Judged, j.Result)
	}
	listed := 0
	for _, b := range j.Breaks {
		listed += len(b.Against)
	}
	if listed > maxListed+minListed*len(j.Breaks) {
		t.Errorf("%d readings listed", listed)
	}
}

// Beyond the bound, the lowest and highest of a month stand for it.
func TestBeyondTheBound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short leaves out twenty thousand readings; make test judges them")
	}
	var rs []row
	for i := range maxJudged + 1 {
		rs = append(rs, row{day: int64(i % 7_000), value: int64(i%7_000)*40 + 2})
	}
	j := judged(t, rows(rs...))
	if j.Judged > 2*12*20 || j.Result != Logical {
		t.Errorf("%d judged, %s", j.Judged, j.Result)
	}
	if f := j.Flags[len(j.Flags)-1]; f.Code != "thinned" || f.Count != int64(maxJudged+1-j.Judged) {
		t.Errorf("%+v", f)
	}
}
