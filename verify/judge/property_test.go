package judge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drive draws the readings of a car that is driven honestly: its mileage
// never falls, and no day has more than 900 km. Readings of one day are of
// one journey.
func drive(t *rapid.T, n int) []row {
	var rs []row
	day, km := int64(0), rapid.Int64Range(2, 200_000).Draw(t, "start")
	for i := range n {
		days := rapid.Int64Range(0, 60).Draw(t, "days")
		day += days
		most := days * rapid.SampledFrom([]int64{40, 400, 800}).Draw(t, "a day")
		if days == 0 {
			most = 20
		}
		km += rapid.Int64Range(0, most).Draw(t, "km")
		r := row{
			day: day, value: km, author: rapid.SampledFrom([]string{"a", "b", "c", ""}).Draw(t, "author"),
			source: rapid.SampledFrom([]string{"visual", "document", "obd"}).Draw(t, "source"),
		}
		if days > 0 && i%3 == 0 {
			step := rapid.SampledFrom([]int64{10, 100, 1_000}).Draw(t, "step")
			r.value, r.precision = (km+step/2)/step*step, fmt.Sprintf("rounded_%d", step)
		}
		if r.author == "" {
			r.author = fmt.Sprintf("author%d", i)
		}
		rs = append(rs, r)
	}
	return rs
}

// A logical history stays logical when honest readings are added; and all
// that are left out change nothing either.
func TestHonestReadingsStayLogical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drive(t, rapid.IntRange(2, 40).Draw(t, "n"))
		for _, tol := range []int64{0, 100_000} {
			p := DefaultParams()
			p["tol_kmt_m"], p["tol_smi_m"] = tol, tol
			for _, part := range [][]row{all, all[:len(all)/2], all[len(all)/3:]} {
				if j := Judge(rows(part...), ParamsOf(p), 0); len(j.Breaks) != 0 || j.Result == Illogical {
					t.Fatalf("%s\n%+v", j.JSON(), part)
				}
			}
		}
	})
}

// Whatever one author enters, and whatever it weighs, no reading but that one
// is ever named.
func TestNoHonestReadingIsNamed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rs := drive(t, rapid.IntRange(1, 25).Draw(t, "n"))
		i := rapid.IntRange(0, len(rs)-1).Draw(t, "wrong")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			rs[i].value = rapid.Int64Range(0, maxValue).Draw(t, "value")
		case 1:
			cs := slips(Value{Value: rs[i].value, Unit: "KMT"})
			c := cs[rapid.IntRange(0, len(cs)-1).Draw(t, "slip")]
			rs[i].value, rs[i].unit = c.value, c.unit
		case 2:
			rs[i].day = max(0, rs[i].day+rapid.Int64Range(-400, 400).Draw(t, "days"))
		}
		n, _ := named(Judge(rows(rs...), ParamsOf(nil), 0))
		for _, k := range n {
			if k != i {
				t.Fatalf("reading %d is named, %d is wrong\n%+v", k, i, rs)
			}
		}
	})
}

// Nothing depends on the order of submission.
func TestOrderOfSubmission(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rs := drive(t, rapid.IntRange(2, 20).Draw(t, "n"))
		for range rapid.IntRange(0, 4).Draw(t, "slips") {
			rs[rapid.IntRange(0, len(rs)-1).Draw(t, "at")].value = rapid.Int64Range(2, 300_000).Draw(t, "value")
		}
		h := rows(rs...)
		want := verdict(Judge(h, ParamsOf(nil), 0))
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(h.Entries), func(i, j int) { h.Entries[i], h.Entries[j] = h.Entries[j], h.Entries[i] })
		for i := range h.Entries {
			h.Entries[i].Index = uint64(i)
		}
		if got := verdict(Judge(h, ParamsOf(nil), 0)); got != want {
			t.Fatalf("in another order\n%s\nwas\n%s", got, want)
		}
	})
}

// verdict is all of a judgement that the readings decide.
func verdict(j *Judgement) string {
	s := fmt.Sprint(j.Result, j.Reasons, j.AtLeast, j.Judged, "\n")
	for _, b := range j.Breaks {
		s += fmt.Sprintf("%+v\n", b)
	}
	for _, r := range j.Readings {
		s += fmt.Sprintln(r.Hash, r.Status, r.X, r.Weight, r.Kept, r.Named, r.BothSides)
	}
	return s
}

// A reading told in the other unit, to the nearest whole number, changes
// nothing unless it stands within a unit of a bound.
func TestTheOtherUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rs := drive(t, rapid.IntRange(2, 15).Draw(t, "n"))
		for i := range rs {
			rs[i].source, rs[i].precision = "visual", ""
			rs[i].author = fmt.Sprintf("author%d", i)
		}
		for range rapid.IntRange(0, 3).Draw(t, "slips") {
			rs[rapid.IntRange(0, len(rs)-1).Draw(t, "at")].value = rapid.Int64Range(2, 300_000).Draw(t, "value")
		}
		if nearABound(rs) {
			return
		}
		before := Judge(rows(rs...), ParamsOf(nil), 0)
		i := rapid.IntRange(0, len(rs)-1).Draw(t, "told")
		rs[i].value, rs[i].unit = in("SMI", rs[i].value*kmMM), "SMI"
		after := Judge(rows(rs...), ParamsOf(nil), 0)
		if before.Result != after.Result || !slices.Equal(marks(before), marks(after)) {
			t.Fatalf("%s\nwas\n%s\n%+v", after.JSON(), before.JSON(), rs)
		}
	})
}

// marks says which readings the heaviest series keep.
func marks(j *Judgement) (out []string) {
	for _, r := range j.Readings {
		out = append(out, fmt.Sprint(r.Hash, r.Kept))
	}
	slices.Sort(out)
	return out
}

// nearABound reports whether some pair is within two units of changing how it
// compares, or of changing its order or the jump between it.
func nearABound(rs []row) bool {
	const unit = 2 * mileMM
	p := ParamsOf(nil)
	near := func(d int64) bool { return max(d, -d) <= unit }
	for i := range rs {
		for k := range rs {
			a, b := pointOf(rs[i]), pointOf(rs[k])
			if i == k || a.Day > b.Day {
				continue
			}
			d := b.X - a.X
			allowed := p.Rate * kmMM * (max(1, b.Day-a.Day) + 1)
			if near(a.low-b.up) || near(a.low-b.low) || near(d-allowed) || near(d-p.JumpDistance*mileMM) {
				return true
			}
			if year := p.JumpYear * mileMM * max(1, b.Day-a.Day) / 365; near(d - year) {
				return true
			}
		}
	}
	return false
}
