package judge

import (
	"slices"
	"strings"
	"testing"
)

// Distances that nobody entered are in the unit of the newest reading that is
// judged, whatever the order of submission.
func TestUnitOfDistances(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h    *History
		want string
	}{
		"no reading":           {rows(), "KMT"},
		"none that is judged":  {rows(row{value: 5, unit: "SMI", source: "estimate"}), "KMT"},
		"miles":                {rows(row{value: 5, unit: "SMI"}), "SMI"},
		"kilometres later":     {rows(row{value: 5, unit: "SMI"}, row{day: 9, value: 50}), "KMT"},
		"and entered first":    {rows(row{day: 9, value: 50}, row{value: 5, unit: "SMI"}), "KMT"},
		"an hour later, miles": {rows(row{at: "10:00", value: 50}, row{at: "11:00", value: 40, unit: "SMI"}), "SMI"},
		"the newest estimated": {rows(row{value: 5, unit: "SMI"}, row{day: 9, value: 50, source: "estimate"}), "SMI"},
	} {
		if got := judged(t, c.h).Unit(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWordsOfBreaks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows        []row
		title, move string
		text        string
	}{
		"a dip":           {series(50_000, 60_000, 7_000, 80_000), "a reading that does not fit the others", "the mileage falls from 60,000 km to 7,000 km", "leave no room for it."},
		"two dips":        {series(50_000, 60_000, 7_000, 700, 80_000), "readings that do not fit the others", "the mileage falls from 60,000 km to 7,000 km", "no room for them."},
		"no slip":         {series(40_000, 50_000, 9, 60_004, 70_000), "a reading that does not fit the others", "the mileage falls from 50,000 km to 9 km", "another vehicle's reading"},
		"a rollback":      {series(80_000, 90_000, 100_000, 40_000, 50_000, 60_000, 70_000), "the mileage shifted and stayed there", "the mileage falls from 100,000 km to 40,000 km", "turned back"},
		"one against one": {series(60_000, 50_000), "as much speaks for one side as for the other", "the mileage falls from 60,000 km to 50,000 km", "which side is wrong"},
		"a peak":          {series(50_000, 100_000, 60_000, 70_000), "either side may be right", "the mileage falls from 100,000 km to 60,000 km", "A wrong entry on one side"},
		"in miles":        {[]row{{value: 50_000, unit: "SMI"}, {day: 9, value: 51_000, unit: "SMI"}, {day: 10, value: 520_000, unit: "SMI"}}, "a reading that does not fit the others", "the mileage rises from 51,000 mi to 520,000 mi in a day, faster than any car drives", "no room"},
		"a leap":          {[]row{{value: 50_000}, {day: 9, value: 51_000}, {day: 11, value: 64_444}}, "either side may be right", "the mileage rises from 51,000 km to 64,444 km in 2 days, more than a car covers in that time", "which side"},
	} {
		j := judged(t, rows(c.rows...))
		if len(j.Breaks) != 1 {
			t.Errorf("%s: %s", name, j.JSON())
			continue
		}
		b := &j.Breaks[0]
		if b.Title() != c.title || j.moveText(b) != c.move || !strings.Contains(b.Text(), c.text) {
			t.Errorf("%s: %q, %q, %q", name, b.Title(), j.moveText(b), b.Text())
		}
		if b.Kind != Isolated && !strings.HasSuffix(b.Text(), "The readings do not say which side is wrong.") {
			t.Errorf("%s: %s takes a side", name, b.Text())
		}
	}
}

// A break without an other side is parted where the mileage changes.
func TestSides(t *testing.T) {
	t.Parallel()
	b := Break{Readings: []string{"a", "b", "c"}, From: "b", To: "c"}
	if one, other := b.Sides(); !slices.Equal(one, []string{"a", "b"}) || !slices.Equal(other, []string{"c"}) {
		t.Errorf("%q, %q", one, other)
	}
	b.Against = []string{"d"}
	if one, other := b.Sides(); len(one) != 3 || !slices.Equal(other, b.Against) {
		t.Errorf("%q, %q", one, other)
	}
}

// A warning is in the unit that its author reads, and says how much.
func TestWordsOfFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    Flag
		unit string
		want string
	}{
		{Flag{Code: "jump", Amount: 40_000 * mileMM, Days: 1_000}, "SMI", "an unusually large distance since the reading before: 40,000 mi in 1,000 days"},
		{Flag{Code: "static", Amount: 0, Days: 300}, "KMT", "hardly any distance in a long time: 0 km in 300 days"},
		{Flag{Code: "late", Seconds: 30 * 3600}, "KMT", "entered late: 30 hours after the event"},
		{Flag{Code: "very_late", Seconds: 12*86_400 + 1}, "KMT", "entered very late: 12 days after the event"},
		{Flag{Code: "unit_changed"}, "KMT", "another unit than that of the reading before"},
		{Flag{Code: "thinned", Count: 2_345}, "KMT", "very many readings, so that some stand for others of the same month: 2,345 not judged"},
	} {
		if got := c.f.text(c.unit); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	h := rows(row{value: 10_000, unit: "SMI"})
	ws := Warn(h, signed(row{day: 400, value: 50_000, unit: "SMI"}), ParamsOf(nil))
	if len(ws) != 1 || ws[0].Text != "an unusually large distance since the reading before: 40,000 mi in 400 days" {
		t.Errorf("%+v", ws)
	}
}

func TestWordsOfExclusions(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{"duplicate": "it was entered twice", "of_tomorrow": "of tomorrow"} {
		if got := ExclusionText(reason); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
