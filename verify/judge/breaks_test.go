package judge

import (
	"reflect"
	"slices"
	"testing"
)

// Worked by hand; docs/judgement.md goes through several of them.
func TestBreaks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows          []row
		kinds         []string
		why           string
		from, to      int
		named, listed []int
	}{
		"nothing wrong":             {rows: series(50_000, 60_000, 70_000)},
		"a fall within the slack":   {rows: series(50_000, 60_000, 59_900, 70_000)},
		"a fall by a km more":       {series(50_000, 60_000, 59_899, 70_000), []string{Tied}, Drop, 1, 2, nil, []int{1, 2}},
		"small falls never add up":  {rows: series(60_000, 59_960, 59_920, 59_900, 70_000)},
		"and when they would":       {series(60_000, 59_960, 59_920, 59_880, 70_000), []string{Tied, Tied}, Drop, 0, 3, nil, []int{0, 3}},
		"a dip":                     {series(50_000, 60_000, 7_000, 80_000), []string{Isolated}, Drop, 1, 2, []int{2}, nil},
		"the last one fell":         {series(50_000, 60_000, 70_000, 8_000), []string{Isolated}, Drop, 2, 3, []int{3}, nil},
		"a peak that a slip makes":  {series(50_000, 550_000, 60_000, 70_000), []string{Isolated}, Drop, 1, 2, []int{1}, nil},
		"a peak that none does":     {series(50_000, 100_000, 60_000, 70_000), []string{BothSides}, Drop, 1, 2, nil, []int{1, 2, 3}},
		"the first is high":         {series(100_000, 50_000, 60_000, 70_000), []string{BothSides}, Drop, 0, 1, nil, []int{0, 1, 2, 3}},
		"two readings":              {series(60_000, 50_000), []string{Tied}, Drop, 0, 1, nil, []int{0, 1}},
		"a rollback":                {series(80_000, 90_000, 100_000, 40_000, 50_000, 60_000, 70_000), []string{Sustained}, Drop, 2, 3, nil, []int{0, 1, 2, 3, 4, 5, 6}},
		"a rollback near the end":   {series(70_000, 80_000, 90_000, 40_000, 45_000), []string{Sustained}, Drop, 2, 3, nil, []int{0, 1, 2, 3, 4}},
		"two slips, apart":          {series(50_000, 60_000, 7_000, 80_000, 90_000, 10_000, 110_000), []string{Isolated, Isolated}, Drop, 1, 2, []int{2, 5}, nil},
		"two slips, side by side":   {series(50_000, 60_000, 7_000, 700, 80_000), []string{Isolated}, Drop, 1, 2, []int{2, 3}, nil},
		"too fast, at the end":      {rows: []row{{day: 0, value: 50_000}, {day: 9, value: 51_000}, {day: 10, value: 520_000}}, kinds: []string{Isolated}, why: ImpossibleSpeed, from: 1, to: 2, named: []int{2}},
		"too fast, and no slip":     {rows: []row{{day: 0, value: 50_000}, {day: 9, value: 51_000}, {day: 10, value: 64_444}}, kinds: []string{BothSides}, why: TooFast, from: 1, to: 2, listed: []int{0, 1, 2}},
		"one against one of weight": {rows: []row{{day: 0, value: 50_000}, {day: 9, value: 52_000, source: "document"}, {day: 19, value: 51_000}, {day: 29, value: 53_000}}, kinds: []string{BothSides}, why: Drop, from: 1, to: 2, listed: []int{1, 2}},
		"one witness of two lines":  {rows: []row{{day: 0, value: 50_000}, {day: 9, value: 52_000, source: "document"}, {day: 19, value: 51_000, author: "a"}, {day: 19, value: 51_010, author: "a"}, {day: 29, value: 53_000}}, kinds: []string{BothSides}, why: Drop, from: 1, to: 2, listed: []int{1, 2, 3}},
		"too fast within the slack": {rows: []row{{day: 0, value: 50_000}, {day: 400, value: 49_990}, {day: 400, value: 60_000}, {day: 500, value: 70_000}}, kinds: []string{BothSides}, why: TooFast, from: 1, to: 2, listed: []int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := judged(t, rows(c.rows...))
			var kinds []string
			for _, b := range j.Breaks {
				kinds = append(kinds, b.Kind)
			}
			if !slices.Equal(kinds, c.kinds) {
				t.Fatalf("breaks %v, want %v\n%s", kinds, c.kinds, j.JSON())
			}
			n, l := named(j)
			if !slices.Equal(n, c.named) || !slices.Equal(l, c.listed) {
				t.Errorf("named %v, want %v; listed %v, want %v\n%s", n, c.named, l, c.listed, j.JSON())
			}
			if len(kinds) == 0 {
				return
			}
			if b := j.Breaks[0]; b.Why != c.why || b.From != hashOf(c.from) || b.To != hashOf(c.to) {
				t.Errorf("%s from %s to %s\n%s", b.Why, b.From, b.To, j.JSON())
			}
			if j.Result != Illogical || j.Reasons[0] != "04" {
				t.Errorf("%s %v", j.Result, j.Reasons)
			}
		})
	}
}

func TestBreakTellsTheDistance(t *testing.T) {
	t.Parallel()
	b := judged(t, rows(series(80_000, 90_000, 100_000, 40_000, 50_000, 60_000, 70_000)...)).Breaks[0]
	if km(b.Amount) != 60_000 || len(b.Suggestions) != 0 {
		t.Errorf("%+v", b)
	}
	if want := []string{hashOf(0), hashOf(1), hashOf(2)}; !reflect.DeepEqual(b.Readings, want) {
		t.Errorf("readings %v", b.Readings)
	}
	if want := []string{hashOf(3), hashOf(4), hashOf(5), hashOf(6)}; !reflect.DeepEqual(b.Against, want) {
		t.Errorf("against %v", b.Against)
	}
}

// The same slip at a confirmed reading names nobody.
func TestConfirmedIsNeverNamed(t *testing.T) {
	t.Parallel()
	h := rows(series(50_000, 60_000, 70_000, 80_000, 90_000, 7_000, 95_000)...)
	if n, _ := named(judged(t, h)); !slices.Equal(n, []int{5}) {
		t.Errorf("named %v", n)
	}
	h.Effects = confirm(5)
	j := judged(t, h)
	if n, _ := named(j); len(n) != 0 || len(j.Breaks) != 1 || j.Breaks[0].Kind != BothSides {
		t.Errorf("%s", j.JSON())
	}
	if len(j.Breaks[0].Suggestions) != 0 {
		t.Error("a repair is offered for a reading that an arbitrator found actual")
	}
	// Against it alone, another reading may be named.
	h = rows(series(50_000, 60_000, 7_000)...)
	h.Effects = confirm(1)
	if n, _ := named(judged(t, h)); !slices.Equal(n, []int{2}) {
		t.Errorf("named %v", n)
	}
}

func TestRepairs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entered row
		want    []string
	}{
		"two digits swapped":         {row{value: 56_000}, nil}, // it agrees: nothing to repair
		"swapped in front":           {row{value: 560_500}, []string{"56,000 km (a digit too many was entered)", "56,500 km (a digit too many was entered)", "50,500 km (a digit too many was entered)"}},
		"swapped, and falls":         {row{value: 15_900}, []string{"51,900 km (two neighbouring digits were swapped)", "55,900 km (a digit was mistyped)"}},
		"miles taken for kilometres": {row{value: 34_000}, []string{"34,000 mi (kilometres and miles were mixed up)", "54,000 km (a digit was mistyped)"}},
		"a digit missing at the end": {row{value: 5_500}, []string{"55,000 km (a digit was left out)", "55,200 km (a digit was left out)", "55,400 km (a digit was left out)"}},
		"nothing fits":               {row{value: 9}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.entered.day = 200
			j := judged(t, rows(row{day: 0, value: 40_000}, row{day: 100, value: 50_000}, c.entered, row{day: 300, value: 60_004}, row{day: 400, value: 70_000}))
			var got []string
			for _, b := range j.Breaks {
				for _, s := range b.Suggestions {
					if s.Record != hashOf(2) {
						t.Errorf("a repair of another reading: %+v", s)
					}
					got = append(got, s.Text())
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Where two series are as heavy, a repair of the one must not stand against
// the other: it would leave the break as it is.
func TestRepairsOfTwoSides(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows []row
		of   int
		want []string
	}{
		"the later one is low":           {series(20_150, 3_490, 38_000), 1, []string{"34,900 km (a digit was left out)", "30,490 km (a digit was left out)", "31,490 km (a digit was left out)"}},
		"the earlier one is high":        {series(20_150, 3_490, 38_000), 0, []string{"2,150 km (a digit too many was entered)", "2,015 km (a digit too many was entered)"}},
		"kept ones on either side":       {series(3_000, 20_150, 3_490, 38_000), 1, nil},
		"the same, of the low one":       {series(3_000, 20_150, 3_490, 38_000), 2, []string{"34,900 km (a digit was left out)", "30,490 km (a digit was left out)", "31,490 km (a digit was left out)"}},
		"too far in a day":               {[]row{{day: 9, value: 19_000}, {day: 9, value: 91_000}}, 1, []string{"19,000 km (two neighbouring digits were swapped)", "21,000 km (a digit was mistyped)"}},
		"a kept one stands between them": {series(60_000, 59_960, 59_920, 59_880, 70_000), 3, []string{"69,880 km (a digit was mistyped)", "59,980 km (a digit was mistyped)"}},
		"each against each":              {series(30_000, 20_000, 10_000), 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, b := range judged(t, rows(c.rows...)).Breaks {
				if b.Kind != Tied {
					t.Errorf("the break is %s", b.Kind)
				}
				for _, s := range b.Suggestions {
					if s.Record == hashOf(c.of) {
						got = append(got, s.Text())
					}
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestSlips(t *testing.T) {
	t.Parallel()
	has := map[string]bool{}
	for _, c := range slips(Value{Value: 1_203, Unit: "KMT"}) {
		if c.value < 2 || c.value > maxValue || c.value == 1_203 && c.unit == "KMT" {
			t.Errorf("%+v", c)
		}
		has[Suggestion{"", c.kind, c.value, c.unit}.Text()] = true
	}
	for _, want := range []string{
		"2,103 km (two neighbouring digits were swapped)", "1,023 km (two neighbouring digits were swapped)", "1,230 km (two neighbouring digits were swapped)", "1,203 mi (kilometres and miles were mixed up)",
		"203 km (a digit too many was entered)", "123 km (a digit too many was entered)", "12,037 km (a digit was left out)", "41,203 km (a digit was left out)",
		"1,293 km (a digit was mistyped)", "9,203 km (a digit was mistyped)",
	} {
		if !has[want] {
			t.Errorf("%s is not tried", want)
		}
	}
	if has["203 km (a digit was mistyped)"] {
		t.Error("a value that begins with zero is tried")
	}
}
