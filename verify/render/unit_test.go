package render

import (
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify/judge"
)

// A mile is 1,609,344 mm; what falls on a half is rounded up.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit  Unit
		value int64
		in    string
		want  string
	}{
		{AsEntered, 84210, "KMT", "84,210 km"},
		{AsEntered, 37934, "SMI", "37,934 mi"},
		{Kilometres, 84210, "KMT", "84,210 km"},
		{Kilometres, 1, "SMI", "~2 km"},
		{Kilometres, 37934, "SMI", "~61,049 km"}, // 61048.86
		{Miles, 84210, "KMT", "~52,326 mi"},      // 52325.7
		{Miles, 0, "KMT", "~0 mi"},
		{Kilometres, 1_999_999, "SMI", "~3,218,686 km"}, // 3218686.39
		{Miles, 1_999_999, "KMT", "~1,242,742 mi"},      // 1242741.86
		{Miles, 7, "SMI", "7 mi"},
	} {
		if got := c.unit.Mileage(c.value, c.in); got != c.want {
			t.Errorf("%d %s in %q: %s, want %s", c.value, c.in, c.unit, got, c.want)
		}
	}
	j := &judge.Judgement{Readings: []judge.Reading{{Status: judge.Judged, Effective: judge.Value{Unit: "SMI"}}}}
	for unit, want := range map[Unit]Unit{AsEntered: Miles, Miles: Miles, Kilometres: Kilometres} {
		if got := unit.Far(j); got != want {
			t.Errorf("distances are in %q, for a reader of %q", got, unit)
		}
	}
}

func TestParseUnit(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Unit{"": AsEntered, "as-entered": AsEntered, "km": Kilometres, "mi": Miles} {
		if got, err := ParseUnit(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, bad := range []string{"KM", "miles", "KMT", "furlong"} {
		if _, err := ParseUnit(bad); fault.Code(err) != "usage" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
