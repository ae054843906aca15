package cases

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // to hold the table of zones against
)

func at(t testing.TB, s string) int64 {
	t.Helper()
	when, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return when.UnixMilli()
}

// Day 1 is the next working day after the date of the record, in the zone of
// who opened the case; the end of day N is the last moment in time.
func TestDue(t *testing.T) {
	t.Parallel()
	week := []int64{6, 7}
	for _, c := range []struct {
		what, zone string
		weekend    []int64
		off        []string
		from       string
		n          int64
		working    bool
		want       string // the moment after
	}{
		{"a Monday, 5 working days", "Europe/Paris", week, nil, "2026-05-04T08:00:00Z", 5, true, "2026-05-12T00:00:00+02:00"},
		{"a Friday evening", "Europe/Paris", week, nil, "2026-05-08T20:00:00Z", 1, true, "2026-05-12T00:00:00+02:00"},
		{"already Saturday there", "Europe/Paris", week, nil, "2026-05-08T22:00:00Z", 1, true, "2026-05-12T00:00:00+02:00"},
		{"still Thursday there", "America/New_York", week, nil, "2026-05-08T03:00:00Z", 1, true, "2026-05-09T00:00:00-04:00"},
		{"a holiday between", "Europe/Paris", week, []string{"2026-05-14"}, "2026-05-13T08:00:00Z", 1, true, "2026-05-16T00:00:00+02:00"},
		{"Friday and Saturday off", "Asia/Dubai", []int64{5, 6}, nil, "2026-05-07T08:00:00Z", 1, true, "2026-05-11T00:00:00+04:00"},
		{"calendar days", "Europe/Paris", week, []string{"2026-05-14"}, "2026-05-08T08:00:00Z", 14, false, "2026-05-23T00:00:00+02:00"},
		{"summer time begins in between", "Europe/Paris", week, nil, "2026-03-27T08:00:00Z", 2, false, "2026-03-30T00:00:00+02:00"},
		{"summer time ends that day", "Europe/Paris", week, nil, "2026-10-24T08:00:00Z", 1, false, "2026-10-26T00:00:00+01:00"},
		{"the clocks change at midnight: no such hour", "Asia/Beirut", week, nil, "2026-03-27T08:00:00Z", 1, false, "2026-03-29T01:00:00+03:00"},
		{"the same day", "Europe/Paris", week, nil, "2026-05-04T08:00:00Z", 0, true, "2026-05-05T00:00:00+02:00"},
		{"no working day at all", "UTC", []int64{1, 2, 3, 4, 5, 6, 7}, nil, "2026-05-04T08:00:00Z", 2, true, "2026-05-07T00:00:00Z"},
		{"a zone that nobody knows is UTC", "Mars/Olympus", week, nil, "2026-05-04T08:00:00Z", 1, true, "2026-05-06T00:00:00Z"},
	} {
		days := calendar([]Calendar{{ID: "here", Zone: "UTC", Weekend: c.weekend, DaysOff: c.off}}, "here", c.zone)
		if got := days.Due(at(t, c.from), c.n, c.working); got != at(t, c.want)-1 {
			t.Errorf("%s: %s, want just before %s", c.what, time.UnixMilli(got).UTC().Format(time.RFC3339Nano), c.want)
		}
	}
	if days := calendar(nil, "none", "Europe/Paris"); days.Zone != "Europe/Paris" || len(days.Weekend) != 2 {
		t.Errorf("a calendar that the rules lack is %+v", days)
	}
}

// The program's own table gives the hours that everyone's clocks show.
func TestZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Paris", "Europe/London", "Europe/Bucharest", "America/New_York", "America/Los_Angeles",
		"America/Sao_Paulo", "Asia/Tokyo", "Asia/Kolkata", "Asia/Dubai", "Australia/Sydney", "Africa/Johannesburg"} {
		theirs, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for h := range 24 * 365 * 4 {
			when := time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC)
			_, want := when.In(theirs).Zone()
			if _, got := when.In(Zone(name)).Zone(); got != want {
				t.Fatalf("%s at %s: %d s from UTC, want %d", name, when, got, want)
			}
		}
	}
	if len(zones()) < 500 {
		t.Errorf("there are only %d zones", len(zones()))
	}
}

// A deadline refuses nothing: what it waits for is overdue from the day
// after, may come late, and is marked. Bounds are those in force when it was
// set.
func TestClocks(t *testing.T) {
	t.Parallel()
	g := newStage(t) // Monday 4 May
	id := requested(g)
	clock := func(asOf string) ClockStatus {
		t.Helper()
		return Statuses(g.store, car, at(t, asOf))[0].Clocks[0]
	}
	if c := clock("2026-05-11T21:59:59Z"); c.Name != "decide" || c.Overdue != 0 || c.Breached || c.Target != at(t, "2026-05-11T22:00:00Z")-1 {
		t.Errorf("in time: %+v", c)
	}
	if c := clock("2026-05-11T22:00:00Z"); c.Overdue != at(t, "2026-05-11T22:00:00Z") || c.Breached {
		t.Errorf("a moment later: %+v", c)
	}
	if c := clock("2026-05-13T22:00:00Z"); !c.Breached {
		t.Errorf("after the breach: %+v", c)
	}
	g.now = time.UnixMilli(at(t, "2026-05-12T10:00:00Z")).UTC()
	g.edit = func(f *Facts) { f.Rules, f.Bounds["correction_decide_target"] = 2, 50 }
	g.does("maker.example:ann", "correction.decided/1", g.decision(id, "rejected", 0), more{})
	for _, asOf := range []string{"2026-05-12T10:00:00Z", "2027-01-01T00:00:00Z"} {
		if c := clock(asOf); c.Met != at(t, "2026-05-12T10:00:00Z") || c.Overdue != at(t, "2026-05-11T22:00:00Z") || c.Breached || c.Rules != 1 {
			t.Errorf("late: %+v", c)
		}
	}
	if w := Statuses(g.store, car, at(t, "2026-06-02T00:00:00Z"))[0].Clocks[1]; w.Name != "appeal" || !w.Window || !w.Over || w.Rules != 2 {
		t.Errorf("the window: %+v", w)
	}
}

// Zone and calendar are those of the claimant as of opening, for every
// deadline of the case. One that runs stays as it was set, also when the
// calendar gets other days off; one that begins only then heeds them.
func TestClocksAsOfOpening(t *testing.T) {
	t.Parallel()
	usual := "2026-06-01T22:00:00Z" // 14 working days after 12 May
	for name, c := range map[string]struct {
		change func(*Facts)
		appeal string
	}{
		"another zone":     {func(f *Facts) { f.Zone = "America/New_York" }, usual},
		"another calendar": {func(f *Facts) { f.Calendar = "gulf" }, usual},
		"other days off": {func(f *Facts) {
			f.Calendars[0].DaysOff = []string{"2026-05-07", "2026-05-08", "2026-05-20", "2026-05-21"}
		}, "2026-06-03T22:00:00Z"},
	} {
		g := newStage(t) // Monday 4 May
		both := func(f *Facts) {
			f.Calendars = append(f.Calendars, Calendar{ID: "gulf", Zone: "Asia/Dubai", Weekend: []int64{5, 6}, DaysOff: []string{"2026-05-11", "2026-05-13"}})
		}
		g.edit = both
		id := requested(g)
		set := at(t, "2026-05-11T22:00:00Z") - 1
		stays := func(when string) {
			t.Helper()
			if got := g.store.Case(car, id).clock("decide").Target; got != set {
				t.Errorf("%s, %s: the target is %s", name, when, logTime(got))
			}
			for asOf, overdue := range map[int64]int64{set: 0, set + 1: set + 1} {
				if k := Statuses(g.store, car, asOf)[0].Clocks[0]; k.Target != set || k.Overdue != overdue {
					t.Errorf("%s, %s, as of %s: %+v", name, when, logTime(asOf), k)
				}
			}
		}
		stays("at opening")
		g.edit = func(f *Facts) { both(f); c.change(f) }
		g.wait(day)
		g.does("garage.example", "case.evidence/1", g.step(id), more{attach: papers})
		stays("after the change")
		g.now = time.UnixMilli(set + 1).UTC()
		g.does("maker.example:ann", "correction.decided/1", g.decision(id, "rejected", 0), more{})
		if got := g.store.Case(car, id).clock("appeal").Target; got != at(t, c.appeal)-1 {
			t.Errorf("%s: the appeal ends at %s, want %s", name, logTime(got), c.appeal)
		}
	}
}

// A decision that nobody appeals becomes final without a record.
func TestFinalByTime(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	id := decided(g)
	end := g.store.Case(car, id).clock("appeal").Target
	if end != at(t, "2026-05-22T22:00:00Z")-1 {
		t.Errorf("14 working days end at %s", logTime(end))
	}
	for asOf, want := range map[int64]string{end: "decided", end + 1: "final"} {
		if s := Statuses(g.store, car, asOf)[0]; s.State != want || s.Open == (want == "final") {
			t.Errorf("at %s: %+v", logTime(asOf), s)
		}
	}
}

// What ends a deadline is not always what it waited for: an answer that was
// passed over, and a decision of a case that was withdrawn, never came.
func TestNeverCame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		play func(g *stage) string
		came map[string]bool // by clock that ended
		says string
	}{
		"answered late": {func(g *stage) string {
			id := opened(g)
			g.wait(20 * day)
			g.does("dealer.example", "dispute.answered/1", g.step(id, "position", "denies"), more{attach: papers})
			return id
		}, map[string]bool{"answer": true}, ""},
		"decided without an answer": {func(g *stage) string {
			id := opened(g)
			g.wait(20 * day)
			g.does("arbiter.example:ada", "dispute.decided/1", g.ruling(id, found(g.target(id), "actual", 0)), more{attach: papers})
			return id
		}, map[string]bool{"answer": false, "decide": true}, "went on without it"},
		"a dispute withdrawn": {func(g *stage) string {
			id := opened(g)
			g.wait(20 * day)
			g.does("fleet.example", "case.withdrawn/1", g.step(id), more{})
			return id
		}, map[string]bool{"answer": false, "decide": false}, "was withdrawn without it"},
		"a correction withdrawn": {func(g *stage) string {
			id := requested(g)
			g.wait(20 * day)
			g.does("garage.example", "case.withdrawn/1", g.step(id), more{})
			return id
		}, map[string]bool{"decide": false}, "was withdrawn without it"},
	} {
		g := newStage(t)
		c.play(g)
		end := g.now.UnixMilli()
		s := Statuses(g.store, car, end+1000*int64(day/time.Millisecond))[0]
		ended := 0
		for _, k := range s.Clocks {
			came, listed := c.came[k.Name]
			if !listed {
				continue
			}
			ended++
			if came != (k.Met == end) || came == (k.Ended == end) || k.Met+k.Ended != end {
				t.Errorf("%s: %+v", name, k)
			}
			// As late as it was when the case went on, and no later.
			if late := end > k.Target; late != (k.Overdue != 0) || k.Breached != (end > k.Breach) {
				t.Errorf("%s: %+v", name, k)
			}
		}
		if ended != len(c.came) || c.says != "" && s.Without() != c.says {
			t.Errorf("%s: %d clocks ended; it %s", name, ended, s.Without())
		}
	}
}

// Of a case that withheld records may have moved on nothing is claimed that
// rests on their absence; what a record has closed stays closed.
func TestUnclearClaimsNothing(t *testing.T) {
	t.Parallel()
	for _, sc := range scenes {
		g := newStage(t)
		id := sc.play(g)
		c := g.caseOf(id)
		c.Unclear = true
		g.store.SetCase(c.Subject, c)
		all := Statuses(g.store, c.Subject, g.now.Add(1000*day).UnixMilli())
		s := all[slices.IndexFunc(all, func(s Status) bool { return s.Case == id })]
		if s.State != c.State || s.Open == c.Closed() || (s.Words == notKnown) == c.Closed() {
			t.Errorf("%s %s: %s, %q, open: %v", sc.kind, sc.state, s.State, s.Words, s.Open)
		}
		if !c.Closed() && s.Lost != 0 {
			t.Errorf("%s %s is counted as lost", sc.kind, sc.state)
		}
		for _, k := range s.Clocks {
			if k.Met != 0 || k.Ended != 0 || k.Overdue != 0 || k.Breached || k.Over || k.Target == 0 {
				t.Errorf("%s %s: %+v", sc.kind, sc.state, k)
			}
		}
	}
}
