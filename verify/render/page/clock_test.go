package page

import (
	"strings"
	"testing"

	"github.com/milepost-log/milepost/verify/cases"
)

// What came late is told from what never came, and from what may have come
// and be withheld.
func TestClockText(t *testing.T) {
	t.Parallel()
	const day = 86_400_000
	late := cases.ClockStatus{Name: "answer", Set: day, Target: 6 * day, Breach: 8 * day, Overdue: 6*day + 1}
	came, never := late, late
	came.Met, never.Ended = 7*day, 7*day
	open := cases.Status{State: "opened", Open: true}
	for _, c := range []struct {
		clock  cases.ClockStatus
		status cases.Status
		want   string
		not    string
	}{
		{late, open, "OVERDUE since 1970-01-07", "came"},
		{came, cases.Status{State: "answered", Open: true}, "it came late, 1970-01-08", "never"},
		{never, cases.Status{State: "decided", Open: true}, "it never came: the case went on without it 1970-01-08", "OVERDUE"},
		{never, cases.Status{State: "withdrawn"}, "it never came: the case was withdrawn without it 1970-01-08", "OVERDUE"},
		{cases.ClockStatus{Name: "answer", Set: day, Target: 6 * day, Breach: 8 * day}, cases.Status{State: "opened", Open: true, Unclear: true},
			"whether it came is not known", "running"},
		{cases.ClockStatus{Name: "appeal", Set: day, Target: 6 * day, Window: true}, cases.Status{State: "decided", Open: true, Unclear: true}, "Until 1970-01-07", "pen until"},
	} {
		if got := clockText(&c.clock, &c.status); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%+v of %+v: %q, want %q", c.clock, c.status, got, c.want)
		}
	}
}
