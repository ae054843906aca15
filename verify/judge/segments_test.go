package judge

import (
	"slices"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/cases"
)

// happening is an event of the counter, by numbers of readings; -1 for none.
type happening struct {
	typ           string
	day           int64
	before, after int
	digits        int64
	author        string
}

func (e happening) entry(i int) Entry {
	var body []jcs.Field
	if e.before >= 0 {
		body = append(body, text("before_ref", hashOf(e.before)))
	}
	if e.after >= 0 {
		body = append(body, text("after_ref", hashOf(e.after)))
	}
	if e.typ == rolloverType {
		body = append(body, number("digits", e.digits))
	} else {
		body = append(body, text("kind", "replaced"))
	}
	return entry(i, e.typ, or(e.author, "garage"), epoch.AddDate(0, 0, int(e.day)), "date", body...)
}

func with(h *History, es ...happening) *History {
	for _, e := range es {
		h.Entries = append(h.Entries, e.entry(len(h.Entries)))
	}
	return h
}

func created(h *History, day int64, fields ...jcs.Field) *History {
	fields = append(fields, text("make", "X"), text("model", "Y"))
	if !jcs.Make(fields...).Has("imported") {
		fields = append(fields, field("imported", jcs.Boolean(false)))
	}
	h.Entries = append(h.Entries, entry(len(h.Entries), "vehicle.created/1", "maker", epoch.AddDate(0, 0, int(day)), "date", fields...))
	return h
}

func TestReplacementsAndRollovers(t *testing.T) {
	t.Parallel()
	// Of one day: the old counter at 90,000, the new one at 10.
	swap := []row{{day: 0, value: 80_000}, {day: 90, value: 89_900, author: "inspector"}, {day: 100, value: 90_000, author: "garage"}, {day: 100, value: 10, author: "garage"}, {day: 200, value: 10_000}}
	// The same, with the independent reading so many days before.
	ago := func(days, value int64) []row {
		return []row{swap[0], {day: 100 - days, value: value, author: "inspector"}, swap[2], swap[3], swap[4]}
	}
	// The old counter dead, and its mileage estimated: neither line is judged.
	dead := []row{swap[0], {day: 90, value: 90_000, author: "inspector"}, {day: 100, value: 89_000, author: "garage", source: "estimate"}, {day: 100, value: 10, author: "garage", source: "estimate"}, swap[4]}
	// A counter of five digits at the floor of a rollover, or a km below it.
	floor := func(before int64) []row {
		return []row{swap[0], swap[1], {day: 100, value: before, author: "garage"}, {day: 115, value: 100, author: "garage"}, swap[4]}
	}
	turn := []row{{day: 0, value: 80_000}, {day: 90, value: 99_500, author: "inspector"}, {day: 100, value: 99_990, author: "garage"}, {day: 101, value: 100, author: "garage"}, {day: 200, value: 10_000}}
	for name, c := range map[string]struct {
		h       *History
		reasons []string
		xs      []int64 // km, by number of the reading
		parts   []int
	}{
		"no record of it":       {rows(swap...), []string{"04"}, []int64{80_000, 89_900, 90_000, 10, 10_000}, nil},
		"recorded and attested": {with(rows(swap...), happening{replacedType, 100, 2, 3, 0, ""}), []string{"00"}, []int64{80_000, 89_900, 90_000, 90_000, 99_990}, nil},
		"attested by its own author only": {
			with(rows(swap...), happening{replacedType, 100, 2, 3, 0, "inspector"}), []string{"00"}, []int64{80_000, 89_900, 90_000, 90_000, 99_990}, nil,
		},
		"nobody near":                   {with(rows(swap[0], swap[2], swap[3], swap[4]), happening{replacedType, 100, 1, 2, 0, ""}), []string{"02"}, []int64{80_000, 90_000, 90_000, 99_990}, nil},
		"somebody near, 31 days before": {with(rows(ago(31, 89_000)...), happening{replacedType, 100, 2, 3, 0, ""}), []string{"00"}, []int64{80_000, 89_000, 90_000, 90_000, 99_990}, nil},
		"nobody near, 32 days before":   {with(rows(ago(32, 89_000)...), happening{replacedType, 100, 2, 3, 0, ""}), []string{"02"}, []int64{80_000, 89_000, 90_000, 90_000, 99_990}, nil},
		"somebody near, on its day":     {with(rows(ago(0, 89_990)...), happening{replacedType, 100, 2, 3, 0, ""}), []string{"00"}, []int64{80_000, 89_990, 90_000, 90_000, 99_990}, nil},
		"somebody near saw more":        {with(rows(ago(10, 90_101)...), happening{replacedType, 100, 2, 3, 0, ""}), []string{"04", "02"}, []int64{80_000, 90_101, 90_000, 90_000, 99_990}, nil},
		"somebody near saw much less":   {with(rows(ago(1, 87_999)...), happening{replacedType, 100, 2, 3, 0, ""}), []string{"04", "02"}, []int64{80_000, 87_999, 90_000, 90_000, 99_990}, nil},
		"and before an estimate":        {with(rows(dead...), happening{replacedType, 100, 2, 3, 0, ""}), []string{"02"}, []int64{80_000, 90_000, 89_000, 89_000, 98_990}, nil},
		"the old one unread":            {with(rows(swap...), happening{replacedType, 100, -1, 3, 0, ""}), []string{"02"}, []int64{80_000, 89_900, 90_000, 10, 10_000}, []int{0, 0, 0, 1, 1}},
		"a rollover, attested":          {with(rows(turn...), happening{rolloverType, 100, 2, 3, 5, ""}), []string{"00"}, []int64{80_000, 99_500, 99_990, 100_100, 110_000}, nil},
		"a rollover nobody attests":     {with(rows(turn[0], turn[2], turn[3], turn[4]), happening{rolloverType, 100, 1, 2, 5, ""}), []string{"01"}, []int64{80_000, 99_990, 100_100, 110_000}, nil},
		"a rollover at the floor":       {with(rows(floor(90_000)...), happening{rolloverType, 100, 2, 3, 5, ""}), []string{"00"}, []int64{80_000, 89_900, 90_000, 100_100, 110_000}, nil},
		"a rollover a km below it":      {with(rows(floor(89_999)...), happening{rolloverType, 100, 2, 3, 5, ""}), []string{"04"}, []int64{80_000, 89_900, 89_999, 100, 10_000}, nil},
		"a rollover too early":          {with(rows(swap...), happening{rolloverType, 100, 0, 3, 5, ""}), []string{"04"}, []int64{80_000, 89_900, 90_000, 10, 10_000}, nil},
		"of six digits, too early":      {with(rows(turn...), happening{rolloverType, 100, 2, 3, 6, ""}), []string{"04"}, []int64{80_000, 99_500, 99_990, 100, 10_000}, nil},
		"implied by five digits":        {created(rows(turn...), 0, number("odometer_digits", 5)), []string{"01"}, []int64{80_000, 99_500, 99_990, 100_100, 110_000}, nil},
		"not by six":                    {created(rows(turn...), 0, number("odometer_digits", 6)), []string{"04"}, []int64{80_000, 99_500, 99_990, 100, 10_000}, nil},
		"not far from the end":          {created(rows(swap[0], row{day: 100, value: 89_999}, row{day: 101, value: 100}), 0, number("odometer_digits", 5)), []string{"04"}, nil, nil},
		"not where the next reading undoes it": {
			created(rows(row{day: 0, value: 95_000}, row{day: 10, value: 9_510}, row{day: 20, value: 96_000}), 0, number("odometer_digits", 5)), []string{"04"}, nil, nil,
		},
		"twice": {
			created(rows(row{day: 0, value: 95_000}, row{day: 200, value: 5_000}, row{day: 900, value: 95_000}, row{day: 1100, value: 5_000}), 0, number("odometer_digits", 5)),
			[]string{"01"}, []int64{95_000, 105_000, 195_000, 205_000}, nil,
		},
		"on the very day": {
			created(rows(row{day: 0, value: 95_000}, row{day: 100, value: 99_990}, row{day: 100, value: 20}, row{day: 110, value: 500}), 0, number("odometer_digits", 5)),
			[]string{"01"}, []int64{95_000, 99_990, 100_020, 100_500}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := judged(t, c.h)
			if !slices.Equal(j.Reasons, c.reasons) {
				t.Fatalf("reasons %v, want %v\n%s", j.Reasons, c.reasons, j.JSON())
			}
			for _, r := range j.Readings {
				for i, x := range c.xs {
					if r.Hash == hashOf(i) && km(r.X) != x {
						t.Errorf("reading %d stands at %d km, want %d", i, km(r.X), x)
					}
				}
				for i, p := range c.parts {
					if r.Hash == hashOf(i) && r.Part != p {
						t.Errorf("reading %d is of part %d, want %d", i, r.Part, p)
					}
				}
			}
		})
	}
}

// An event record that a decision found not actual does not count either.
func TestAnEventThatWasNot(t *testing.T) {
	t.Parallel()
	h := with(rows(series(50_000, 60_000, 10, 5_000)...), happening{replacedType, 200, 1, 2, 0, ""})
	if j := judged(t, h); j.Result != NoJudgement {
		t.Fatalf("%s", j.JSON())
	}
	h.Effects = []cases.Effect{effect(4, cases.Excluded, cases.Effect{Reason: "not_actual"})}
	if j := judged(t, h); j.Result != Illogical {
		t.Errorf("%s", j.JSON())
	}
}

// Of the day of a replacement, where no time of day is known, the mileage
// tells which counter was read; as near to both, only within the tolerance of
// the new one is it that.
func TestMileagePartsTheCountersOfADay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after int64 // -1: unreadable
		value         int64
		want          int
	}{
		"nearer to the old one":              {50_000, 10, 49_000, 0},
		"nearer to the new one":              {50_000, 10, 1_000, 1},
		"nearer by a km, far from both":      {50_000, 10_000, 29_999, 1},
		"as near, within the tolerance":      {50_198, 50_000, 50_099, 1},
		"as near, at the tolerance":          {50_200, 50_000, 50_100, 0},
		"as near, a km beyond it":            {50_202, 50_000, 50_101, 0},
		"the new one only, a km within":      {-1, 10, 109, 1},
		"the new one only, at the tolerance": {-1, 10, 110, 0},
		"the old one only, a km within":      {50_000, -1, 49_901, 0},
		"the old one only, at the tolerance": {50_000, -1, 49_900, 1},
		"neither":                            {-1, -1, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := func(v int64) row {
				if v < 0 {
					return row{day: 20, author: "garage", result: "unreadable"}
				}
				return row{day: 20, value: v, author: "garage"}
			}
			h := rows(line(c.before), line(c.after), row{day: 20, value: c.value, author: "inspector"})
			for _, r := range judged(t, with(h, happening{replacedType, 20, 0, 1, 0, ""})).Readings {
				if r.Hash == hashOf(2) && r.Segment != c.want {
					t.Errorf("segment %d, want %d", r.Segment, c.want)
				}
			}
		})
	}
}

// With both times of day known, they decide what was read after the event.
func TestTimesOfDayPartTheCounters(t *testing.T) {
	t.Parallel()
	h := rows(
		row{day: 0, value: 70_000, author: "inspector"}, row{day: 20, at: "08:00", value: 70_100, author: "garage"},
		row{day: 20, at: "16:00", value: 70_090, author: "garage2"}, row{day: 20, at: "17:00", value: 70_050, author: "inspector"},
	)
	e := happening{replacedType, 20, 1, 2, 0, ""}.entry(4)
	e.Record.EventTime, e.Record.Precision = epoch.AddDate(0, 0, 20).Add(12*time.Hour), "minute"
	h.Entries = append(h.Entries, e)
	for _, r := range judged(t, h).Readings {
		if want := map[string]int{hashOf(2): 1, hashOf(3): 1}[r.Hash]; r.Segment != want {
			t.Errorf("reading %s is of segment %d, want %d", r.Hash[60:], r.Segment, want)
		}
	}
}

// What the car has covered, if nobody entered too high a figure.
func TestDistanceAtLeast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h    *History
		want int64
	}{
		"nothing":                    {rows(), 0},
		"the last reading":           {rows(series(10, 20_000)...), 20_000},
		"but not one that is named":  {rows(series(50_000, 550_000, 60_000, 70_000)...), 70_000},
		"and one that may be right":  {rows(series(50_000, 100_000, 60_000, 70_000)...), 100_000},
		"a rollback, and what after": {rows(series(80_000, 90_000, 100_000, 40_000, 50_000, 60_000, 70_000)...), 130_000},
		"a counter replaced unread":  {with(rows(row{value: 50_000}, row{day: 100, value: 150_000}, row{day: 200, value: 160_000}), happening{replacedType, 90, -1, 1, 0, ""}), 60_000},
		"in miles":                   {rows(row{value: 1_000, unit: "SMI"}), 1_609},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if j := judged(t, c.h); km(j.AtLeast) != c.want {
				t.Errorf("%d km, want %d\n%s", km(j.AtLeast), c.want, j.JSON())
			}
		})
	}
}
