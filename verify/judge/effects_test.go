package judge

import (
	"fmt"
	"slices"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
)

func confirm(i int) []cases.Effect {
	return []cases.Effect{{Target: hashOf(i), By: hashOf(900), Kind: cases.Confirmed, Index: 900}}
}

func effect(i int, kind string, e cases.Effect) cases.Effect {
	e.Target, e.Kind, e.By, e.Index = hashOf(i), kind, hashOf(900), 900
	return e
}

func to(v int64) *int64 { return &v }

// What decisions make of a history with one slip in it.
func TestDecisions(t *testing.T) {
	t.Parallel()
	slip := series(50_000, 60_000, 7_000, 80_000)
	for name, c := range map[string]struct {
		effects []cases.Effect
		result  string
		reasons []string
		count   func(j *Judgement) bool
	}{
		"none": {nil, Illogical, []string{"04"}, func(j *Judgement) bool { return j.Judged == 4 }},
		"the value corrected": {
			[]cases.Effect{effect(2, cases.Replaced, cases.Effect{Value: to(70_000)})}, LogicalAfterCorrection, []string{"13"},
			func(j *Judgement) bool {
				c := j.Corrected
				return len(c) == 1 && c[0].By == hashOf(900) && c[0].Entered.Value == 7_000 && c[0].Effective.Value == 70_000 && c[0].Effective.Unit == "KMT"
			},
		},
		"corrected twice: the last counts": {
			[]cases.Effect{effect(2, cases.Replaced, cases.Effect{Value: to(1)}), effect(2, cases.Replaced, cases.Effect{Value: to(70_000)})},
			LogicalAfterCorrection, []string{"13"}, func(j *Judgement) bool { return len(j.Corrected) == 1 },
		},
		"the time corrected": {
			[]cases.Effect{effect(2, cases.Replaced, cases.Effect{EventTime: "2019-03-01T00:00:00+01:00"})}, LogicalAfterCorrection, []string{"13"},
			func(j *Judgement) bool {
				return j.Readings[0].Hash == hashOf(2) && j.Corrected[0].Entered.EventTime == "2020-07-19T00:00:00Z"
			},
		},
		"the unit corrected, to no avail": {
			[]cases.Effect{effect(2, cases.Replaced, cases.Effect{Unit: "SMI"})}, Illogical, []string{"04", "13"},
			func(j *Judgement) bool { return j.Corrected[0].Effective.Unit == "SMI" },
		},
		"to a value that no counter shows": {
			[]cases.Effect{effect(2, cases.Replaced, cases.Effect{Value: to(-1), Unit: "furlongs", EventTime: "soon"})}, Illogical, []string{"04"},
			func(j *Judgement) bool { return len(j.Corrected) == 0 },
		},
		"not actual": {
			[]cases.Effect{effect(2, cases.Excluded, cases.Effect{Reason: "not_actual"})}, LogicalAfterCorrection, []string{"13"},
			func(j *Judgement) bool {
				return j.Judged == 3 && len(j.Excluded) == 1 && j.Excluded[0] == Exclusion{hashOf(2), hashOf(900), "not_actual"}
			},
		},
		"not actual, and then actual after all": {
			[]cases.Effect{effect(2, cases.Excluded, cases.Effect{Reason: "not_actual"}), effect(2, cases.Confirmed, cases.Effect{})},
			Illogical, []string{"04"}, func(j *Judgement) bool { return j.Judged == 4 && len(j.Excluded) == 0 },
		},
		"it left for another vehicle": {
			[]cases.Effect{effect(2, cases.Reattributed, cases.Effect{})}, LogicalAfterCorrection, []string{"13"},
			func(j *Judgement) bool { return len(j.Excluded) == 1 && j.Excluded[0].Reason == "wrong_vehicle" },
		},
		"evidence admitted": {
			[]cases.Effect{{By: hashOf(901), Kind: cases.Admitted, Value: to(6_000), Unit: "KMT", Precision: "exact", EventTime: "2020-07-30T00:00:00Z", Author: "arbiter", Index: 901}},
			Illogical, []string{"04", "13"}, func(j *Judgement) bool {
				return j.Judged == 5 && j.Admitted[0] == Admission{hashOf(901), hashOf(901), cases.Admitted}
			},
		},
		"of a reading that is not here": {
			[]cases.Effect{effect(77, cases.Excluded, cases.Effect{}), effect(78, cases.Reattributed, cases.Effect{Note: "no note"}), {Kind: cases.Admitted}},
			Illogical, []string{"04"}, func(j *Judgement) bool { return len(j.Excluded)+len(j.Admitted) == 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := rows(slip...)
			h.Effects = c.effects
			j := judged(t, h)
			if j.Result != c.result || !slices.Equal(j.Reasons, c.reasons) || !c.count(j) {
				t.Errorf("%s", j.JSON())
			}
			if h.Entries[2].Record.Body.Get("value").Int != 7_000 {
				t.Error("the record was changed")
			}
		})
	}
}

// What a decision makes a reading weigh, and what that is enough for: outside
// evidence loses against one reading taken by eye, and one that an arbitrator
// found actual wins against three.
func TestWeightsByDecision(t *testing.T) {
	t.Parallel()
	outside := []cases.Effect{{By: hashOf(901), Kind: cases.Admitted, Value: to(40_000), Unit: "KMT", Precision: "exact", EventTime: "2020-07-30T00:00:00Z", Author: "arbiter", Index: 901}}
	for name, c := range map[string]struct {
		rows    []row
		effects []cases.Effect
		of      int
		weight  int64
		kept    []int
	}{
		"by eye":                      {series(50_000, 60_000), nil, 0, 2, []int{0, 1}},
		"admitted, against one":       {series(50_000), outside, 901, 1, []int{0}},
		"admitted, against a paper":   {[]row{{value: 50_000, source: "document"}}, outside, 901, 1, nil},
		"confirmed, against three":    {series(50_000, 40_000, 41_000, 42_000), confirm(0), 0, 8, []int{0}},
		"confirmed, against four":     {series(50_000, 40_000, 41_000, 42_000, 43_000), confirm(0), 0, 8, nil},
		"confirmed, against five":     {series(50_000, 40_000, 41_000, 42_000, 43_000, 44_000), confirm(0), 0, 8, []int{1, 2, 3, 4, 5}},
		"by eye, not one against two": {series(50_000, 40_000, 41_000), nil, 0, 2, []int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := rows(c.rows...)
			h.Effects = c.effects
			var kept []int
			found := false
			j := judged(t, h)
			for _, r := range j.Readings {
				var i int
				fmt.Sscanf(r.Hash, "%x", &i)
				if r.Kept {
					kept = append(kept, i)
				}
				if i == c.of {
					found = true
					if r.Weight != c.weight {
						t.Errorf("it weighs %d, want %d", r.Weight, c.weight)
					}
				}
			}
			if n, _ := named(j); !found || !slices.Equal(kept, c.kept) || len(n) != 0 {
				t.Errorf("kept %v, want %v; named %v\n%s", kept, c.kept, n, j.JSON())
			}
		})
	}
}

func TestReadingsThatDoNotCount(t *testing.T) {
	t.Parallel()
	j := judged(t, rows(
		row{day: 0, value: 1_000},
		row{day: 1, result: "unreadable"}, row{day: 2, result: "no_odometer"},
		row{day: 3, value: 900_000, source: "estimate"},
		row{day: 4, value: 2_000_000}, row{day: 5, value: -1}, row{day: 6, value: 5, unit: "YRD"},
		row{day: 7, value: 2_000},
	))
	want := []string{Judged, Unreadable, NoOdometer, NotWeighed, OutOfRange, OutOfRange, OutOfRange, Judged}
	for i, r := range j.Readings {
		if r.Status != want[i] {
			t.Errorf("reading %d is %s, want %s", i, r.Status, want[i])
		}
	}
	if j.Result != Logical || j.Judged != 2 {
		t.Errorf("%s", j.JSON())
	}
}

func TestThinning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows    []row
		weights []int64 // 0: left out
	}{
		"in and out of one visit":            {[]row{{value: 1_000, author: "a"}, {value: 1_010, author: "a"}}, []int64{1, 1}},
		"a failed test and its retest":       {[]row{{value: 1_000, author: "a"}, {value: 1_000, author: "a"}}, []int64{2, 0}},
		"three of a day":                     {[]row{{value: 1_000, author: "a"}, {value: 1_005, author: "a"}, {value: 1_010, author: "a"}}, []int64{1, 0, 1}},
		"the heavier of two equals":          {[]row{{value: 1_000, author: "a", source: "document"}, {value: 1_000, author: "a"}}, []int64{0, 2}},
		"two authors corroborate":            {[]row{{value: 1_000, author: "a"}, {value: 1_000, author: "b"}}, []int64{2, 2}},
		"a paper weighs one":                 {[]row{{value: 1_000, source: "document"}}, []int64{1}},
		"a device's month":                   {[]row{{day: 0, value: 1_000, source: "obd", author: "d"}, {day: 9, value: 1_100, source: "obd", author: "d"}, {day: 30, value: 1_200, source: "obd", author: "d"}, {day: 31, value: 1_300, source: "obd", author: "d"}}, []int64{2, 0, 2, 2}},
		"a device's month and a person's":    {[]row{{day: 0, value: 1_000, source: "telematics", author: "d"}, {day: 9, value: 1_100, source: "visual", author: "d"}, {day: 30, value: 1_200, source: "telematics", author: "d"}}, []int64{2, 2, 2}},
		"one day of a person, told in miles": {[]row{{value: 1_000, author: "a", unit: "SMI"}, {value: 1_605, author: "a"}, {value: 1_610, author: "a"}}, []int64{0, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := map[string]int64{}
			for _, r := range judged(t, rows(c.rows...)).Readings {
				if r.Status == Judged {
					got[r.Hash] = r.Weight
				}
			}
			for i, w := range c.weights {
				if got[hashOf(i)] != w {
					t.Errorf("reading %d weighs %d, want %d", i, got[hashOf(i)], w)
				}
			}
		})
	}
}

// A reading entered for another vehicle comes with its note, and is judged
// by what that says.
func TestReattributed(t *testing.T) {
	t.Parallel()
	note := noteOf(t, row{day: 250, value: 70_000})
	h := rows(series(50_000, 60_000)...)
	h.Effects = []cases.Effect{{Target: hashOf(500), By: hashOf(900), Kind: cases.Reattributed, Note: string(note), Index: 900}}
	j := judged(t, h)
	if j.Judged != 3 || j.Result != LogicalAfterCorrection || len(j.Admitted) != 1 || j.Admitted[0] != (Admission{hashOf(500), hashOf(900), cases.Reattributed}) {
		t.Fatalf("%s", j.JSON())
	}
	for _, r := range j.Readings {
		if r.Hash == hashOf(500) && (r.Effective.Value != 70_000 || r.Author != "garage.example" || r.Index != 900) {
			t.Errorf("%+v", r)
		}
	}
}

// noteOf signs a reading.
func noteOf(t *testing.T, r row) []byte {
	t.Helper()
	e := r.entry(0)
	signer, err := certs.NewEd25519Signer("garage.example", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	text, err := record.Draft{
		Author: "garage.example", Body: e.Record.Body, Captured: record.FormatUTC(e.Record.EventTime),
		EventTime: record.FormatTime(e.Record.EventTime), ID: "01890a5d-ac96-774b-bcce-b302099a8057",
		Origin: "log.example/0123456789012345678901234567890123456789", Precision: "date",
		Subjects: []string{"vehicle/WVWZZZ1JZXW000002"}, Type: readingType,
	}.Text()
	if err != nil {
		t.Fatal(err)
	}
	note, err := record.Sign(text, signer)
	if err != nil {
		t.Fatal(err)
	}
	return note
}
