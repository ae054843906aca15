package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// signed is a reading as it is entered, half an hour after its event.
func signed(r row) *record.Record {
	rec := r.entry(0).Record
	rec.Captured = rec.EventTime.Add(30 * time.Minute)
	rec.Hash = [32]byte{0xaa}
	return rec
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	h := func() *History { return rows(series(50_000, 60_000, 70_000)...) }
	for name, c := range map[string]struct {
		h       *History
		r       *record.Record
		codes   []string
		repairs []string
		text    string
		against int
	}{
		"nothing":              {h: h(), r: signed(row{day: 300, value: 75_000})},
		"the first of a car":   {h: rows(), r: signed(row{value: 75_000})},
		"a digit missing":      {h(), signed(row{day: 300, value: 7_500}), []string{"drop"}, []string{"75,000 km (a digit was left out)", "70,500 km (a digit was left out)", "71,500 km (a digit was left out)"}, "falls from 70,000 km to 7,500 km", 3},
		"a digit too many":     {h(), signed(row{day: 300, value: 755_000}), []string{"rate"}, []string{"75,000 km (a digit too many was entered)", "75,500 km (a digit too many was entered)", "155,000 km (a digit was mistyped)"}, "rises from 70,000 km to 755,000 km in 100 days, more than a car covers in that time", 3},
		"between two":          {h(), signed(row{day: 150, value: 95_000}), []string{"drop"}, []string{"65,000 km (a digit was mistyped)"}, "", 1},
		"against one":          {rows(row{value: 60_000}), signed(row{day: 100, value: 50_000}), []string{"drop"}, []string{"50,000 mi (kilometres and miles were mixed up)", "60,000 km (a digit was mistyped)", "70,000 km (a digit was mistyped)"}, "", 1},
		"unreadable":           {h: h(), r: signed(row{day: 300, result: "unreadable"})},
		"a default":            {h(), signed(row{day: 300, value: 999_999, confirmed: []string{"sentinel"}}), []string{"rate", "sentinel"}, nil, "looks like a default", -1},
		"the same again":       {rows(row{value: 60_000, author: "a"}), signed(row{value: 60_000, author: "a"}), []string{"duplicate"}, nil, "", 0},
		"another unit":         {h(), signed(row{day: 300, value: 45_000, unit: "SMI"}), []string{"unit_changed"}, nil, "", 0},
		"a long way":           {h(), signed(row{day: 300, value: 115_000}), []string{"jump"}, nil, "", 0},
		"it stood":             {h(), signed(row{day: 600, value: 70_000}), []string{"static"}, nil, "", 0},
		"it was broken before": {rows(series(50_000, 60_000, 7_000, 80_000)...), signed(row{day: 400, value: 90_000}), nil, nil, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws := Warn(c.h, c.r, ParamsOf(nil))
			var codes, repairs []string
			words, against := "", 0
			for _, w := range ws {
				codes = append(codes, w.Code)
				words += w.Text + "\n"
				against += len(w.Against)
				for _, s := range w.Suggestions {
					repairs = append(repairs, s.Text())
				}
				if w.Text == "" || !validCode(w.Code) {
					t.Errorf("%+v", w)
				}
			}
			if !slices.Equal(codes, c.codes) || !strings.Contains(words, c.text) || c.against >= 0 && against != c.against {
				t.Errorf("%q, want %q; %q against %d", codes, c.codes, words, against)
			}
			if c.against >= 0 && !slices.Equal(repairs, c.repairs) {
				t.Errorf("repairs %q, want %q", repairs, c.repairs)
			}
		})
	}
}

// The delay is that until the record was signed.
func TestWarningsOfTime(t *testing.T) {
	t.Parallel()
	for hours, want := range map[int]string{24: "", 30: "late", 130: "very_late", -1: "future_dated"} {
		r := signed(row{at: "10:00", value: 5})
		r.Captured = r.EventTime.Add(time.Duration(hours) * time.Hour)
		got := ""
		for _, w := range Warn(rows(), r, ParamsOf(nil)) {
			got += w.Code
		}
		if got != want {
			t.Errorf("%d hours: %q, want %q", hours, got, want)
		}
	}
}

func TestWarningsOfEvents(t *testing.T) {
	t.Parallel()
	h := rows(series(50_000, 60_000, 10, 5_000)...)
	for typ, want := range map[string]string{replacedType: WarnReplacement, rolloverType: "rollover_implausible"} {
		e := happening{typ, 200, 1, 2, 5, ""}.entry(0).Record
		e.Captured, e.Hash = e.EventTime, [32]byte{0xbb}
		var got []string
		for _, w := range Warn(h, e, ParamsOf(nil)) {
			got = append(got, w.Code)
		}
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %s", typ, got, want)
		}
	}
	// What it does is no concern of other types.
	other := entry(0, "service.visit/1", "garage", epoch, "date", field("odometer_work", jcs.Boolean(false))).Record
	other.Captured = other.EventTime
	if ws := Warn(h, other, ParamsOf(nil)); len(ws) != 0 {
		t.Errorf("%+v", ws)
	}
}
