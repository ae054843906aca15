package cases

import (
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/record/jcs"
)

// What a decision finds counts at once; what an appeal finds replaces it.
func TestDisputeThroughAppeal(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	high := g.reads("dealer.example", 90_000)
	low := g.reads("dealer.example", 48_210)
	gone := g.reads("inspect.example", 48_215)
	papers := more{attach: papers}
	id := g.does("fleet.example", "dispute.opened/1", complaint("arbiter.example", high, low, gone), papers)
	if got := Disputed(g.store, car, g.now.UnixMilli()); !slices.Equal(got, sorted(high, low, gone)) {
		t.Errorf("disputed are %v", got)
	}
	g.does("dealer.example", "dispute.answered/1", g.step(id, "position", "admits"), more{})
	g.does("inspect.example", "dispute.answered/1", g.step(id, "position", "denies"), papers)
	partly := found(high, "actual", 0, low, "not_actual", 90_100)
	g.refused("case_needs", "arbiter.example:ada", "dispute.decided/1", g.ruling(id, partly), papers)
	twice := found(high, "actual", 0, low, "not_actual", 90_100, id, "actual", 0)
	g.refused("case_needs", "arbiter.example:ada", "dispute.decided/1", g.ruling(id, twice), papers)
	all := found(high, "actual", 0, low, "not_actual", 90_100, gone, "not_actual", 0)
	g.refused("case_needs", "arbiter.example:ada", "dispute.decided/1", g.ruling(id, all), more{attach: []string{"claim"}})
	g.does("arbiter.example:ada", "dispute.decided/1", g.ruling(id, all), papers)
	g.effect("confirmed, excluded not_actual, replaced 90100")
	if got := Disputed(g.store, car, g.now.UnixMilli()); got != nil {
		t.Errorf("after the decision disputed are %v", got)
	}
	g.refused("case_state", "arbiter.example:ada", "dispute.decided/1", g.ruling(id, all), papers) // a second one
	g.does("inspect.example", "dispute.appealed/1", g.step(id), papers)
	g.effect("confirmed, excluded not_actual, replaced 90100")
	if got := Disputed(g.store, car, g.now.UnixMilli()); len(got) != 3 {
		t.Errorf("under appeal disputed are %v", got)
	}
	after := found(high, "undetermined", 0, low, "not_actual", 90_200, gone, "actual", 0)
	g.does("umpire.example:ute", "dispute.appeal_decided/1", g.ruling(id, after).With("outcome", jcs.Text("partly")), papers)
	g.state(id, "final")
	g.effect("confirmed, replaced 90200")
}

func TestUpheldLeavesTheDecision(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	id := appealed(g)
	g.does("umpire.example:ute", "dispute.appeal_decided/1",
		g.ruling(id, found(g.target(id), "actual", 0)).With("outcome", jcs.Text("upheld")), more{attach: papers})
	g.effect("replaced 150000")
}

// Where the rules ask for it, another member hears the appeal.
func TestAppealByAnotherMember(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	g.edit = func(f *Facts) { f.Bounds["dispute_appeal_other_member"] = 1 }
	id := appealed(g)
	body := g.ruling(id, found(g.target(id), "actual", 0)).With("outcome", jcs.Text("granted"))
	g.refused("case_author", "arbiter.example:abe", "dispute.appeal_decided/1", body, more{attach: papers})
	g.does("umpire.example:ute", "dispute.appeal_decided/1", body, more{attach: papers})
}

// A dispute about a decision: it stands, or what it did falls, or something
// else counts.
func TestDisputeAboutADecision(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome, finding string
		effective        int
		want             string
	}{
		{"accepted", "actual", 0, "replaced 150000"},
		{"accepted", "undetermined", 0, "replaced 150000"},
		{"accepted", "not_actual", 0, ""},
		{"accepted", "not_actual", 60_000, "replaced 150000, replaced 60000"},
		{"rejected", "actual", 0, ""},
		{"rejected", "not_actual", 150_000, "replaced 150000"},
	} {
		g := newStage(t)
		correction := requested(g)
		reading := g.target(correction)
		decision := g.does("maker.example:ann", "correction.decided/1", g.decision(correction, c.outcome, 150_000), more{})
		id := g.does("garage.example", "dispute.opened/1", complaint("arbiter.example", decision), more{attach: papers})
		if got := Disputed(g.store, car, g.now.UnixMilli()); !slices.Equal(got, []string{reading}) {
			t.Errorf("disputed is %v", got)
		}
		g.refused("case_author", "dealer.example", "dispute.answered/1", g.step(id, "position", "admits"), more{})
		g.does("maker.example:ann", "dispute.answered/1", g.step(id, "position", "no_knowledge"), more{})
		g.does("arbiter.example:ada", "dispute.decided/1", g.ruling(id, found(decision, c.finding, c.effective)), more{attach: papers})
		if got := g.effects(); got != c.want {
			t.Errorf("%s, then %s %d: %q, want %q", c.outcome, c.finding, c.effective, got, c.want)
		}
	}
}

// A visit says nothing that the judgement counts: a dispute about one leaves
// the readings as they are, that which it names included, whatever is found.
func TestDisputeAboutAVisit(t *testing.T) {
	t.Parallel()
	for _, finding := range []string{"not_actual", "actual", "undetermined"} {
		g := newStage(t)
		reading := g.reads("dealer.example", 48_210)
		visit := g.does("dealer.example", "service.visit/1", obj(
			"lines", jcs.Array(obj("pay", "customer", "work_type", "repair")), "odometer_work", jcs.Boolean(false),
			"order_no", "A-1", "reading_in", reading, "service_type", "repair"), more{})
		nothing := func(when string) {
			t.Helper()
			if got := Disputed(g.store, car, g.now.UnixMilli()); got != nil {
				t.Errorf("%s: %v are disputed", when, got)
			}
			g.effect("")
		}
		id := g.does("fleet.example", "dispute.opened/1", complaint("arbiter.example", visit).With("claim", jcs.Text("work_not_done")), more{attach: papers})
		nothing("opened")
		g.does("dealer.example", "dispute.answered/1", g.step(id, "position", "denies"), more{attach: papers})
		nothing("answered")
		g.does("arbiter.example:ada", "dispute.decided/1", g.ruling(id, found(visit, finding, 0)), more{attach: papers})
		nothing("found " + finding)
		g.state(id, "decided")
	}
}

func TestDisputeOpening(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	target := g.reads("arbiter.example:ada", 48_210)
	g.records[strings.Repeat("1", 64)] = Found{Record: g.write("dealer.example", "odometer.reading/1", reading(1000), more{on: []string{otherCar}}), Index: 2}
	papers := more{attach: papers}
	for name, body := range map[string]jcs.Value{
		"its own case":    complaint("arbiter.example", target),
		"no arbitrator":   complaint("dealer.example", target),
		"nobody":          complaint("nobody.example", target),
		"another vehicle": complaint("umpire.example", strings.Repeat("1", 64)),
		"no record":       complaint("umpire.example", strings.Repeat("2", 64)),
	} {
		if err := g.refused("case_needs", "fleet.example", "dispute.opened/1", body, papers); err == nil {
			t.Error(name)
		}
	}
	g.refused("case_needs", "fleet.example", "dispute.opened/1", complaint("umpire.example", target), more{attach: []string{"photo"}})
	id := g.does("fleet.example", "dispute.opened/1", complaint("umpire.example", target), papers)
	g.refused("case_needs", "arbiter.example:ada", "dispute.answered/1", g.step(id, "position", "denies"), more{})
	g.refused("case_needs", "fleet.example", "correction.requested/1", request(id, "", 5), papers)
}

// Whoever opens disputes that come to nothing is shown with their number.
func TestLostDisputesAreCounted(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	target := g.reads("dealer.example", 48_210)
	papers := more{attach: papers}
	open := func(who string) string {
		return g.does(who, "dispute.opened/1", complaint("arbiter.example", target), papers)
	}
	first, second, third, other := open("fleet.example"), open("fleet.example"), open("fleet.example"), open("garage.example")
	g.does("fleet.example", "case.withdrawn/1", g.step(first), more{})
	for id, finding := range map[string]string{second: "actual", other: "not_actual"} {
		g.does("dealer.example", "dispute.answered/1", g.step(id, "position", "admits"), more{})
		g.does("arbiter.example:ada", "dispute.decided/1", g.ruling(id, found(target, finding, 0)), papers)
	}
	lost := map[string]int{}
	for _, s := range Statuses(g.store, car, g.now.UnixMilli()) {
		lost[s.Case] = s.Lost
	}
	if lost[first] != 2 || lost[third] != 2 || lost[other] != 0 {
		t.Errorf("lost: %v", lost)
	}
}

func sorted(hashes ...string) []string { return slices.Sorted(slices.Values(hashes)) }
