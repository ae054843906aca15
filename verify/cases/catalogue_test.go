package cases

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record/jcs"
)

// clockOf is the newest clock of a name of a case, as of a time; nil if none.
func (g *stage) clockOf(id, name, asOf string) *ClockStatus {
	g.t.Helper()
	c := g.caseOf(id)
	s := c.status(at(g.t, asOf))
	return s.clock(name)
}

func (g *stage) set(when string) { g.now = time.UnixMilli(at(g.t, when)).UTC() }

// Every deadline of the catalogue, set on a Friday evening in Paris before a
// week with a day off: working days skip weekend and holiday, days of the
// calendar do not.
func TestDeadlinesOfTheCatalogue(t *testing.T) {
	t.Parallel()
	appeal := func(g *stage, id string) { g.brings("dealer.example", "warranty.appealed/1", id) }
	by := func(who, event string) func(g *stage, id string) {
		return func(g *stage, id string) { g.brings(who, event, id) }
	}
	none := func(*stage, string) {}
	for _, c := range []struct {
		name, clock    string
		play           func(*stage) string
		then           func(g *stage, id string) // on that Friday
		target, breach string                    // the moments after; of a window, its end
	}{
		{"registration", "register", filed, none, "2026-05-12T00:00:00+02:00", "2026-05-13T00:00:00+02:00"},
		{"registration anew", "register", after(filed, "maker.example:ann", "warranty.status/1:more_info"), by("dealer.example", "case.evidence/1"),
			"2026-05-12T00:00:00+02:00", "2026-05-13T00:00:00+02:00"},
		{"decision", "decide", filed, by("maker.example:ann", "warranty.status/1:registered"), "2026-05-19T00:00:00+02:00", "2026-05-21T00:00:00+02:00"},
		{"appeal", "appeal", registered, by("maker.example:ann", "warranty.status/1:refused"), "2026-05-30T00:00:00+02:00", ""},
		{"decision on the appeal", "final", refused, appeal, "2026-05-19T00:00:00+02:00", "2026-05-21T00:00:00+02:00"},
		{"report", "report", registered, by("maker.example:ann", "warranty.status/1:approved"), "2026-05-23T00:00:00+02:00", "2026-06-08T00:00:00+02:00"},
		{"payment", "pay", reported, by("dealer.example", "warranty.payment_requested/1"), "2026-05-23T00:00:00+02:00", "2026-06-08T00:00:00+02:00"},
		{"order", "decide", orders(false), none, "2026-05-12T00:00:00+02:00", "2026-05-13T00:00:00+02:00"},
		{"unique part", "unique", orders(true), none, "2026-05-23T00:00:00+02:00", "2026-06-08T00:00:00+02:00"},
		{"return", "decide", returning, none, "2026-05-14T00:00:00+02:00", "2026-05-19T00:00:00+02:00"},
		{"credit", "credit", after(returning, "maker.example:bob", "part.return/1:accepted"), by("maker.example", "part.return/1:received"),
			"2026-05-23T00:00:00+02:00", "2026-06-08T00:00:00+02:00"},
		{"naming of the cars", "affects", published, none, "2026-05-13T00:00:00+02:00", "2026-05-19T00:00:00+02:00"},
		{"word to the owner", "notify", recalled, none, "2026-05-19T00:00:00+02:00", "2026-06-09T00:00:00+02:00"},
	} {
		g := newStage(t)
		g.edit = func(f *Facts) { f.Calendars[0].DaysOff = []string{"2026-05-14"} } // Ascension
		g.set("2026-05-08T19:00:00+02:00")
		id := c.play(g)
		c.then(g, id)
		k := g.clockOf(id, c.clock, "2026-05-08T19:00:00+02:00")
		if k == nil {
			t.Errorf("%s: there is no clock %s", c.name, c.clock)
			continue
		}
		if k.Target != at(t, c.target)-1 || c.breach != "" && k.Breach != at(t, c.breach)-1 || k.Window != (c.breach == "") {
			t.Errorf("%s: until %s, breach after %s", c.name, logTime(k.Target), logTime(k.Breach))
		}
		if late := g.clockOf(id, c.clock, c.target); (late.Overdue == at(t, c.target)) == k.Window || late.Over != k.Window || late.Breached {
			t.Errorf("%s, a moment later: %+v", c.name, late)
		}
		if c.breach != "" && !g.clockOf(id, c.clock, c.breach).Breached {
			t.Errorf("%s is never in breach", c.name)
		}
	}
}

// The claimant's zone says which day it is; rules that are published later do
// not move a deadline that runs.
func TestZoneAndRulesOfAClaim(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{
		"Europe/Paris": "2026-05-14T00:00:00+02:00", "America/New_York": "2026-05-13T00:00:00-04:00", "Asia/Tokyo": "2026-05-14T00:00:00+09:00",
	} {
		g := newStage(t)
		g.edit = func(f *Facts) { f.Zone = zone }
		g.set("2026-05-11T23:00:00Z") // Tuesday in Paris and Tokyo, Monday in New York
		id := filed(g)
		g.edit = func(f *Facts) { f.Zone, f.Rules, f.Bounds["warranty_register_target"] = "UTC", 2, 9 }
		g.wait(time.Hour)
		g.brings("maker.example:ann", "warranty.status/1:more_info", id)
		if k := g.clockOf(id, "register", "2026-05-12T12:00:00Z"); k.Target != at(t, want)-1 || k.Rules != 1 || k.Met == 0 {
			t.Errorf("%s: %s", zone, logTime(k.Target))
		}
		g.brings("dealer.example", "case.evidence/1", id)
		if k := g.clockOf(id, "register", "2026-05-12T12:00:00Z"); k.Rules != 2 || k.Met != 0 || k.Target < at(t, "2026-05-22T00:00:00Z") {
			t.Errorf("%s, by the new rules: %+v", zone, k)
		}
	}
}

// While a claim is suspended its clock stands; then as many days are left as
// were. What was overdue stays so.
func TestASuspendedClockStands(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	g.set("2026-05-04T08:00:00Z") // a Monday: due on the 11th, in breach after the 13th
	id := registered(g)
	g.set("2026-05-06T08:00:00Z") // 3 days are left
	g.brings("maker.example:ann", "warranty.status/1:suspended", id)
	for _, asOf := range []string{"2026-05-06T08:00:00Z", "2026-05-13T00:00:00Z", "2027-01-01T00:00:00Z"} {
		if k := g.clockOf(id, "decide", asOf); k.Paused != g.now.UnixMilli() || k.Overdue != 0 || k.Breached || k.Met != 0 {
			t.Errorf("as of %s: %+v", asOf, k)
		}
	}
	g.set("2026-05-29T08:00:00Z") // a Friday
	g.brings("maker.example:ann", "warranty.status/1:resumed", id)
	k := g.clockOf(id, "decide", "2026-05-29T08:00:00Z")
	if k.Paused != 0 || k.Target != at(t, "2026-06-04T00:00:00+02:00")-1 || k.Breach != at(t, "2026-06-06T00:00:00+02:00")-1 || k.Rules != 1 || len(g.caseOf(id).Clocks) != 2 {
		t.Errorf("it runs on: %+v", k)
	}
	g.set("2026-06-04T08:00:00Z") // overdue
	g.brings("maker.example:ann", "warranty.status/1:suspended", id)
	g.set("2026-06-15T08:00:00Z") // a Monday
	g.brings("maker.example:ann", "warranty.status/1:resumed", id)
	k = g.clockOf(id, "decide", "2026-06-15T08:00:00Z")
	if k.Overdue != at(t, "2026-06-04T00:00:00+02:00") || k.Breached || k.Breach != at(t, "2026-06-17T00:00:00+02:00")-1 {
		t.Errorf("overdue, it runs on: %+v", k)
	}
	g.brings("maker.example:ann", "warranty.status/1:approved", id)
	if k = g.clockOf(id, "decide", "2026-07-01T00:00:00Z"); k.Met != g.now.UnixMilli() || k.Overdue == 0 {
		t.Errorf("decided: %+v", k)
	}
}

// How many days are left is what Due takes to come to the same day.
func TestLeft(t *testing.T) {
	t.Parallel()
	days := calendar([]Calendar{{ID: "here", Weekend: []int64{6, 7}, DaysOff: []string{"2026-05-14"}}}, "here", "Europe/Paris")
	for h := range 24 * 40 {
		from := at(t, "2026-04-27T00:30:00Z") + int64(h)*3600_000
		for n := range int64(8) {
			for _, working := range []bool{true, false} {
				if got := days.Left(from, days.Due(from, n, working), working); got != n {
					t.Fatalf("%s, %d days (working: %v): %d are left", logTime(from), n, working, got)
				}
			}
		}
	}
	none := calendar([]Calendar{{ID: "none", Weekend: []int64{1, 2, 3, 4, 5, 6, 7}}}, "none", "UTC")
	if got := none.Left(at(t, "2026-05-04T08:00:00Z"), at(t, "2026-05-06T08:00:00Z"), true); got != 2 {
		t.Errorf("without any working day: %d", got)
	}
}

// What each step of a claim asks for, and what is missing is named.
func TestWhatAClaimNeeds(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	reading := g.reads("dealer.example", 48_210)
	without := func(kinds ...string) []string {
		return slices.DeleteFunc(slices.Clone(papers), func(k string) bool { return slices.Contains(kinds, k) })
	}
	lacks := func(what, who, typ string, body jcs.Value, m more) {
		t.Helper()
		if m.on == nil {
			m.on = []string{shop}
		}
		if err := g.refused("case_needs", who, typ, body, m); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %s named", err, what)
		}
	}
	for _, kind := range []string{"application", "photo", "defect_report", "specialist_report"} {
		lacks(kind, "dealer.example", "warranty.claim/1", claim(reading), more{attach: without(kind)})
	}
	none := claim(reading).With("parts_requested", jcs.Boolean(false))
	first := g.does("dealer.example", "warranty.claim/1", none, more{attach: []string{"application", "photo"}, on: []string{shop}})

	// Documents that the maker asks for: all of those that it names.
	missing := g.step(first, "missing", []string{"photo", "receipt"}, "status", "more_info")
	lacks("missing", "maker.example:ann", "warranty.status/1", g.step(first, "status", "more_info"), more{})
	g.does("maker.example:ann", "warranty.status/1", missing, more{on: []string{shop}})
	g.does("maker.example", "case.message/1", g.step(first), more{attach: []string{"letter"}, on: []string{shop}})
	lacks("receipt", "dealer.example", "case.evidence/1", g.step(first), more{attach: []string{"photo"}})
	if s := g.caseOf(first).status(0); !slices.Equal(s.Missing, []string{"photo", "receipt"}) || len(Next(&s)[0].Needs) != 2 {
		t.Errorf("what is missing is not told: %+v", s)
	}
	g.does("dealer.example", "case.evidence/1", g.step(first), more{attach: []string{"photo", "receipt"}, on: []string{shop}})
	lacks("cover_ref", "maker.example:ann", "warranty.status/1", g.step(first, "status", "registered"), more{})
	g.does("maker.example:ann", "warranty.status/1", g.step(first, "cover_ref", reading, "status", "registered"), more{on: []string{shop}})

	// Each line of the claim, once.
	for _, c := range []struct {
		status string
		lines  jcs.Value
	}{
		{"approved", lines(true)}, {"approved", lines(true, true, true)}, {"approved", lines(true, false)}, {"partly", lines(true, true)}, {"partly", lines(false, false)},
	} {
		lacks("lines", "maker.example:ann", "warranty.status/1", g.step(first, "lines", c.lines, "status", c.status), more{})
	}
	lacks("lines", "maker.example:ann", "warranty.status/1", g.step(first, "status", "approved"), more{})
	one := obj("covered", jcs.Boolean(true), "line", 0, "rule", "term")
	lacks("lines", "maker.example", "warranty.assessed/1", g.step(first, "lines", jcs.Array(one), "rules", 1), more{})

	// A refusal names what it relies on, and missed maintenance the plan.
	refusal := func(more ...any) jcs.Value { return g.step(first, append([]any{"status", "refused"}, more...)...) }
	refs := []string{reading}
	lacks("reason", "maker.example:ann", "warranty.status/1", refusal(), more{refs: refs})
	lacks("refs", "maker.example:ann", "warranty.status/1", refusal("reason", "wear"), more{})
	lacks("refs", "maker.example:ann", "warranty.status/1", refusal("reason", "wear"), more{refs: []string{strings.Repeat("1", 64)}})
	plan := obj("intervals", jcs.Array(obj("km", 30_000, "op_codes", []string{"OIL"})), "model_match", obj("vds_pattern", "AZ0CP?", "wmi", "1N4"), "plan", "leaf")
	ours := g.does("maker.example", "service.plan/1", plan, more{on: []string{"notice/maker.example"}})
	theirs := g.does("elsewhere.example:m", "service.plan/1", plan, more{on: []string{"notice/elsewhere.example"}})
	missed := func(more ...any) jcs.Value { return refusal(append([]any{"reason", "maintenance_missed"}, more...)...) }
	lacks("plan_ref", "maker.example:ann", "warranty.status/1", missed("interval", 0), more{refs: refs})
	lacks("interval", "maker.example:ann", "warranty.status/1", missed("plan_ref", ours), more{refs: refs})
	lacks("interval", "maker.example:ann", "warranty.status/1", missed("interval", 1, "plan_ref", ours), more{refs: refs})
	lacks("plan_ref", "maker.example:ann", "warranty.status/1", missed("interval", 0, "plan_ref", theirs), more{refs: refs})
	lacks("plan_ref", "maker.example:ann", "warranty.status/1", missed("interval", 0, "plan_ref", reading), more{refs: refs})
	g.does("maker.example:ann", "warranty.status/1", missed("interval", 0, "plan_ref", ours), more{refs: refs, on: []string{shop}})
	lacks("examination", "dealer.example", "warranty.appealed/1", g.step(first), more{attach: []string{"justification"}})
	lacks("justification", "dealer.example", "warranty.appealed/1", g.step(first), more{attach: []string{"examination"}})

	// Payment is of what was asked for in this case.
	second := payable(g)
	other := payable(g)
	ask := g.caseOf(other).Last
	lacks("refs", "maker.example:bob", "warranty.paid/1", g.step(second, "amount", amount), more{refs: []string{ask, reading}})
	lacks("job_report", "dealer.example", "warranty.job_report/1", g.step(approved(g), "order_no", "W"), more{attach: without("job_report")})
	lacks("invoice", "dealer.example", "warranty.payment_requested/1", g.step(reported(g), "amount", amount), more{attach: without("invoice")})
}

// A case does not go back and forth for ever; what ends it is taken still.
func TestBackAndForth(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	id, on := filed(g), []string{shop}
	for range maxClocks - 1 {
		g.brings("maker.example:ann", "warranty.status/1:more_info", id)
		g.brings("dealer.example", "case.evidence/1", id)
	}
	g.brings("maker.example:ann", "warranty.status/1:more_info", id)
	g.refused("case_full", "dealer.example", "case.evidence/1", g.step(id), more{attach: papers, on: on})
	g.brings("dealer.example", "case.withdrawn/1", id)
}

// What a deadline waited for never came where the case ended without it.
func TestADeadlineThatIsNeverMet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		play       func(*stage) string
		clock      string
		met, ended bool
	}{
		"an order that is cancelled":            {after(orders(false), "dealer.example", "part.order/1:cancelled"), "decide", false, true},
		"an order that is cancelled on its way": {after(ordered, "dealer.example", "part.order/1:cancelled"), "unique", true, false},
		"a return that is withdrawn":            {after(returning, "dealer.example", "case.withdrawn/1"), "decide", false, true},
		"a return that is refused":              {after(returning, "maker.example:bob", "part.return/1:refused"), "decide", true, false},
		"a claim that is withdrawn":             {after(registered, "dealer.example", "case.withdrawn/1"), "decide", false, true},
		"a claim that is refused":               {refused, "decide", true, false},
		"a recall that is closed":               {after(published, "maker.example", "recall.closed/1"), "affects", false, true},
	} {
		g := newStage(t)
		g.set("2026-05-04T08:00:00Z")
		if k := g.clockOf(c.play(g), c.clock, "2026-05-04T09:00:00Z"); (k.Met != 0) != c.met || (k.Ended != 0) != c.ended {
			t.Errorf("%s: %+v", name, k)
		}
	}
}

// A changed claim takes the place of the earlier one, and withdraws it while
// it is not decided.
func TestAChangedClaim(t *testing.T) {
	t.Parallel()
	again := func(prior string, version int) jcs.Value {
		return claim(strings.Repeat("0", 64)).With("prior", jcs.Text(prior)).With("version", jcs.Number(int64(version)))
	}
	m := more{attach: papers, on: []string{shop}}
	for state, c := range map[string]struct {
		play func(*stage) string
		want string
	}{
		"filed": {filed, "withdrawn"}, "registered": {registered, "withdrawn"}, "approved": {approved, "approved"}, "refused": {refused, "refused"}, "suspended": {suspended, "suspended"},
	} {
		g := newStage(t)
		first := c.play(g)
		g.refused("case_needs", "dealer.example", "warranty.claim/1", again(first, 3), m)
		g.refused("case_needs", "garage.example", "warranty.claim/1", again(first, 2), m)
		g.refused("case_needs", "dealer.example", "warranty.claim/1", again(strings.Repeat("1", 64), 2), m)
		second := g.does("dealer.example", "warranty.claim/1", again(first, 2), m)
		if got := g.caseOf(first); got.State != c.want || got.Replaced != second {
			t.Errorf("%s: the earlier claim is %s", state, got.State)
		}
		for _, k := range g.caseOf(first).Clocks {
			if c.want == "withdrawn" && k.Met == 0 {
				t.Errorf("%s: its clock %s still runs", state, k.Name)
			}
		}
		g.refused("case_needs", "dealer.example", "warranty.claim/1", again(first, 2), m)
		g.does("dealer.example", "warranty.claim/1", again(second, 3), m)
	}
}

// An order is for a claim, a return of what came with an order, each of this
// vehicle; of the rest, what is missing is named.
func TestWhatPartsNeed(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	on := []string{shop}
	id := filed(g)
	order := obj("claim_case", id, "part_no", "A", "quantity", 1, "status", "requested")
	for _, field := range []string{"claim_case", "part_no", "quantity"} {
		g.refused("case_needs", "dealer.example", "part.order/1", order.With(field, jcs.Value{}), more{on: on})
	}
	g.refused("case_needs", "dealer.example", "part.order/1", order.With("claim_case", jcs.Text(requested(g))), more{on: on})
	g.refused("case_needs", "dealer.example", "part.order/1", order.With("unique", jcs.Boolean(true)), more{on: on})
	placed := g.does("dealer.example", "part.order/1", order, more{on: on})
	g.refused("case_needs", "maker.example", "part.order/1", g.step(placed, "status", "ordered"), more{on: on})
	g.refused("case_needs", "maker.example:ann", "part.order/1", g.step(placed, "status", "refused"), more{on: on})

	back := obj("order_case", placed, "status", "requested")
	g.refused("case_needs", "dealer.example", "part.return/1", back, more{attach: papers, on: on}) // not received
	came := received(g)
	back = back.With("order_case", jcs.Text(came))
	for _, kind := range []string{"receipt", "defect_report"} {
		g.refused("case_needs", "dealer.example", "part.return/1", back, more{attach: []string{kind}, on: on})
	}
	returned := g.does("dealer.example", "part.return/1", back, more{attach: papers, on: on})
	g.refused("case_needs", "maker.example:bob", "part.return/1", g.step(returned, "status", "refused"), more{on: on})
	if s := g.caseOf(imported(g)).status(0); s.Words != "ordered, in import" || !slices.Equal(s.Done, []string{"in_import"}) {
		t.Errorf("where the part is: %q", s.Words)
	}
}

// A recall's records follow on each other car by car; its campaign counts the
// cars that are named, and is not moved by them.
func TestARecallOfManyCars(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	id := published(g)
	affects := func(cars ...string) more { return more{on: append([]string{camp}, cars...)} }
	g.does("maker.example", "recall.affects/1", obj("case", id), affects(car))
	g.refused("case_moved", "maker.example", "recall.affects/1", obj("case", id), affects(car)) // a car once
	if c := g.store.Case(camp, id); c.Named != 1 || c.Last != id || c.Clocks[0].Met != 0 {
		t.Errorf("with one of two: %+v", c)
	}
	g.wait(day)
	g.does("maker.example", "recall.affects/1", obj("case", id), affects(otherCar))
	if c := g.store.Case(camp, id); c.Named != 2 || c.Last != id || c.Clocks[0].Met != g.now.UnixMilli() {
		t.Errorf("with both: %+v", c)
	}
	g.refused("case_unknown", "maker.example", "recall.affects/1", obj("case", strings.Repeat("1", 64)), more{on: []string{camp, "vehicle/1N4AZ0CP1DC900008"}})
	g.refused("case_unknown", "maker.example", "recall.affects/1", obj("case", id), more{on: []string{"campaign/other", "vehicle/1N4AZ0CP1DC900008"}})
	// One car's record is no prev of another's, and another campaign's name does not do.
	last := g.store.Case(otherCar, id).Last
	g.refused("case_moved", "dealer.example", "recall.notified/1", obj("case", id, "means", "post", "prev", last), affects(car))
	g.refused("case_unknown", "dealer.example", "recall.notified/1", g.step(id, "means", "post"), more{on: []string{"campaign/other", car}})
	g.does("dealer.example", "recall.notified/1", g.step(id, "means", "post"), affects(car))
	if got := OpenRecalls(Statuses(g.store, car, 0)); !slices.Equal(got, []string{camp}) {
		t.Errorf("open are %v", got)
	}
	g.brings("garage.example", "recall.remedied/1", id)
	if s := Statuses(g.store, car, 0)[0]; s.Open || OpenRecalls([]Status{s}) != nil || OpenRecalls(Statuses(g.store, otherCar, 0)) == nil {
		t.Errorf("carried out on one: %+v", s)
	}
	g.brings("maker.example", "recall.affects/1", id)
	if OpenRecalls(Statuses(g.store, car, 0)) == nil {
		t.Error("found wanting, it is not open again")
	}
	g.brings("maker.example", "recall.closed/1", id)
	g.refused("case_state", "maker.example", "recall.affects/1", obj("case", id), more{on: []string{camp, "vehicle/1N4AZ0CP1DC900008"}})
	g.brings("maker.example:ann", "recall.lifted/1", id)
	// Only who published it says which cars it concerns.
	g.makers = []string{"elsewhere.example"}
	theirs := published(g)
	g.refused("case_author", "elsewhere.example:m", "recall.affects/1", obj("case", theirs), more{on: []string{camp, "vehicle/1N4AZ0CP1DC900008"}})
}
