package judge

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/cases"
)

// Every row of the table, in its order: the first that holds decides, those
// after it follow.
func TestResults(t *testing.T) {
	t.Parallel()
	good := func() *History { return rows(series(50_000, 60_000, 70_000)...) }
	bad := func() *History { return rows(series(50_000, 60_000, 7_000, 80_000)...) }
	abroad := field("imported", jcs.Boolean(true))
	with12 := func(h *History, n int) *History {
		for range n {
			h.Entries = append(h.Entries, Entry{Index: 99, Hash: hashOf(99)})
		}
		return h
	}
	disputed := func(h *History) *History { h.Disputed = []string{hashOf(1)}; return h }
	for name, c := range map[string]struct {
		h        *History
		want     Outcome
		shown    *Outcome
		withheld int
	}{
		"logical":              {h: good(), want: Outcome{Result: Logical, Reasons: []string{"00"}}},
		"illogical":            {h: bad(), want: Outcome{Result: Illogical, Reasons: []string{"04"}}},
		"nothing at all":       {h: rows(), want: Outcome{Result: NoJudgement, Reasons: []string{"06"}}},
		"one reading":          {h: rows(row{value: 5}), want: Outcome{Result: NoJudgement, Reasons: []string{"06"}}},
		"two of one day":       {h: rows(row{value: 5}, row{value: 6}), want: Outcome{Result: NoJudgement, Reasons: []string{"06"}}},
		"too fast in a day":    {h: rows(row{value: 5}, row{value: 60_000}), want: Outcome{Result: Illogical, Reasons: []string{"04", "06"}}},
		"from abroad":          {h: created(good(), 150, abroad), want: Outcome{Result: NoJudgement, Reasons: []string{"05"}}},
		"long from abroad":     {h: created(good(), 50, abroad), want: Outcome{Result: Logical, Reasons: []string{"00"}}},
		"abroad and illogical": {h: created(bad(), 250, abroad), want: Outcome{Result: Illogical, Reasons: []string{"04", "05"}}},
		"withheld":             {h: with12(good(), 2), want: Outcome{Result: NoJudgement, Reasons: []string{"12"}}, shown: &Outcome{Result: Logical, Reasons: []string{"00"}}, withheld: 2},
		"disputed":             {h: disputed(bad()), want: Outcome{NoJudgement, []string{"10"}, &Outcome{Illogical, []string{"04"}, nil}}},
		"withheld and disputed": {
			h: with12(disputed(bad()), 1), want: Outcome{Result: NoJudgement, Reasons: []string{"12"}}, withheld: 1,
			shown: &Outcome{NoJudgement, []string{"10"}, &Outcome{Illogical, []string{"04"}, nil}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := judged(t, c.h)
			if !reflect.DeepEqual(j.Outcome, c.want) || !reflect.DeepEqual(j.ShownOnly, c.shown) || j.Withheld != c.withheld {
				t.Errorf("%s", j.JSON())
			}
			for _, r := range j.Reasons {
				if ReasonText(r) == "" {
					t.Errorf("reason %s has no words", r)
				}
			}
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	late := func(h *History, i int, hours int64) *History {
		h.Entries[i].Time += (hours - 1) * 3_600_000
		return h
	}
	for name, c := range map[string]struct {
		h    *History
		want []string // code and number of the record
	}{
		"none":                    {rows(series(1_000, 5_000)...), nil},
		"a day late":              {late(rows(row{at: "10:00", value: 5}), 0, 24), nil},
		"more":                    {late(rows(row{at: "10:00", value: 5}), 0, 25), []string{"late 0"}},
		"five days":               {late(rows(row{at: "10:00", value: 5}), 0, 121), []string{"very_late 0"}},
		"a date has its own day":  {late(rows(row{value: 5}), 0, 48), nil},
		"and no more":             {late(rows(row{value: 5}), 0, 49), []string{"late 0"}},
		"ten minutes ahead":       {late(rows(row{at: "10:00", value: 5}), 0, 0), nil},
		"an hour ahead":           {late(rows(row{at: "10:00", value: 5}), 0, -1), []string{"future_dated 0"}},
		"a long way":              {rows(row{value: 10}, row{day: 400, value: 40_300}), []string{"jump 1"}},
		"a long way in a month":   {rows(row{value: 10}, row{day: 30, value: 8_000}), []string{"jump 1"}},
		"a long day":              {rows(row{value: 10}, row{day: 1, value: 900}), nil},
		"it stood":                {rows(row{value: 10}, row{day: 300, value: 160}), []string{"static 1"}},
		"it did not":              {rows(row{value: 10}, row{day: 300, value: 180}), nil},
		"two years":               {rows(row{value: 10}, row{day: 731, value: 20_000}), []string{"gap 1"}},
		"twice the same":          {rows(row{value: 10, author: "a"}, row{value: 10, author: "a"}), []string{"duplicate 1"}},
		"of two authors":          {rows(row{value: 10, author: "a"}, row{value: 10, author: "b"}), nil},
		"for two purposes":        {rows(row{value: 10, author: "a"}, row{value: 10, author: "a", purpose: "service_out"}), nil},
		"another unit":            {rows(row{value: 10}, row{day: 1, value: 10, unit: "SMI"}), []string{"unit_changed 1"}},
		"rounded":                 {rows(row{value: 10, precision: "rounded_10"}), []string{"rounded 0"}},
		"an estimate":             {rows(row{value: 10, source: "estimate"}), []string{"estimate 0"}},
		"words of the author":     {rows(row{value: 1, confirmed: []string{"sentinel", "rate"}}), []string{"rate_warned 0", "sentinel_confirmed 0"}},
		"from abroad":             {created(rows(row{value: 5}), 0, field("imported", jcs.Boolean(true))), []string{"imported 1"}},
		"a rollover out of place": {with(rows(row{value: 5}), happening{rolloverType, 1, 0, 0, 5, ""}), []string{"rollover_implausible 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range judged(t, c.h).Flags {
				var i int
				fmt.Sscanf(f.Record, "%x", &i)
				got = append(got, fmt.Sprintf("%s %d", f.Code, i))
				if FlagText(f.Code) == "" {
					t.Errorf("%s has no words", f.Code)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestFlagsOfDecisionsAndTheVIN(t *testing.T) {
	t.Parallel()
	h := rows(series(1_000, 2_000)...)
	for i := range h.Entries {
		h.Entries[i].Record.Subjects = []string{"vehicle/1G4AH59H05G118341"}
	}
	h.Entries = append(h.Entries, entry(2, "report.issued/1", "garage", epoch, "date"))
	h.Effects = append(confirm(0), effect(1, cases.Replaced, cases.Effect{Value: to(2_500)}))
	var got []string
	for _, f := range judged(t, h).Flags {
		got = append(got, f.Code)
	}
	if want := []string{"check_digit_bad", "confirmed_by_decision", "corrected_after_report"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	h := rows(series(50_000, 60_000, 7_000, 80_000)...)
	h.Disputed = []string{hashOf(2)}
	h.Entries[1].Time += 48 * 3_600_000
	h.Entries[3].Index = 4710
	h.Effects = []cases.Effect{effect(3, cases.Replaced, cases.Effect{Value: to(80_100)})}
	z := func(i int) string { return hashOf(i) }
	want := `{"admitted":[],"as_of":"2030-01-01T00:00:00Z","breaks":[{"against":["` + z(0) + `","` + z(1) + `"],"amount_km":53000,"from":"` + z(1) + `","kind":"isolated","readings":["` + z(2) + `"],` +
		`"suggestions":[{"kind":"missing_digit","record":"` + z(2) + `","unit":"KMT","value":70000},{"kind":"missing_digit","record":"` + z(2) + `","unit":"KMT","value":70200},{"kind":"missing_digit","record":"` + z(2) + `","unit":"KMT","value":70400}],` +
		`"to":"` + z(2) + `","why":"drop"}],"corrected":[{"by":"` + z(900) + `","effective":{"event_time":"2020-10-27T00:00:00Z","unit":"KMT","value":80100},"entered":{"event_time":"2020-10-27T00:00:00Z","unit":"KMT","value":80000},"record":"` + z(3) + `"}],` +
		`"distance_at_least_km":80100,"excluded":[],"flags":[{"code":"late","record":"` + z(1) + `","seconds":90000}],"format":"milepost/judgement@v1","judged":4,"range":[0,4710],"reasons":["10"],"result":"no_judgement","rules":"1","withheld":0,` +
		`"without_dispute":{"reasons":["04","13"],"result":"illogical"}}`
	if got := string(judged(t, h).JSON()); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// With records withheld and a dispute open, what the rest gives stands in it
// both with the dispute and without.
func TestJSONWithheldAndDisputed(t *testing.T) {
	t.Parallel()
	h := rows(series(50_000, 60_000, 70_000)...)
	h.Disputed = []string{hashOf(1)}
	h.Entries = append(h.Entries, Entry{Index: 7, Hash: hashOf(7)})
	want := `{"admitted":[],"as_of":"2030-01-01T00:00:00Z","breaks":[],"corrected":[],"distance_at_least_km":70000,"excluded":[],"flags":[],"format":"milepost/judgement@v1",` +
		`"judged":3,"range":[0,7],"reasons":["12"],"result":"no_judgement","rules":"1",` +
		`"shown_only":{"reasons":["10"],"result":"no_judgement","without_dispute":{"reasons":["00"],"result":"logical"}},"withheld":1}`
	if got := string(judged(t, h).JSON()); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestRounding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit     string
		mm, want int64
	}{{"KMT", 499_999, 0}, {"KMT", 500_000, 1}, {"KMT", -500_000, 0}, {"KMT", -500_001, -1}, {"SMI", 804_672, 1}, {"SMI", 804_671, 0}, {"", 5, 0}} {
		if got := in(c.unit, c.mm); got != c.want {
			t.Errorf("%d mm is %d %s, want %d", c.mm, got, c.unit, c.want)
		}
	}
	if got := Mileage("SMI", -mileMM*1_234); got != "-1,234 mi" {
		t.Error(got)
	}
}
