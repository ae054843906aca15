package cases

import (
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// An author puts its own reading right, within the window and without taking
// mileage away; afterwards the maker must decide.
func TestSelfCorrection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		after  time.Duration
		who    string
		value  int
		attach []string
		want   string // state, or code of the refusal
	}{
		{"soon, lowered", 23 * time.Hour, "dealer.example", 12_480, nil, "in_force"},
		{"the next day, raised", 25 * time.Hour, "dealer.example", 148_210, papers, "in_force"},
		{"the next day, without evidence", 25 * time.Hour, "dealer.example", 148_210, nil, "case_needs"},
		{"the next day, lowered within the tolerance", 25 * time.Hour, "dealer.example", 48_110, papers, "in_force"},
		{"the next day, lowered by a kilometre more", 25 * time.Hour, "dealer.example", 48_109, papers, "requested"},
		{"on the last day", 28 * day, "dealer.example", 148_210, papers, "in_force"},
		{"a day later", 29 * day, "dealer.example", 148_210, papers, "requested"},
		{"a day later, without evidence", 29 * day, "dealer.example", 148_210, nil, "window_closed"},
		{"by another dealer", time.Hour, "garage.example", 148_210, papers, "requested"},
		{"by another dealer, without evidence", time.Hour, "garage.example", 148_210, nil, "case_needs"},
		{"nothing changed", time.Hour, "dealer.example", 48_210, nil, "no_change"},
	} {
		g := newStage(t)
		target := g.reads("dealer.example", 48_210)
		g.wait(c.after)
		r := g.write(c.who, "correction.requested/1", request(target, "", c.value), more{attach: c.attach})
		if err := g.add(r); err != nil {
			if fault.Code(err) != c.want {
				t.Errorf("%s: %v (%s), want %s", c.name, err, fault.Code(err), c.want)
			}
			continue
		}
		if got := g.store.Case(car, hashOf(r)).State; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Decisions about one reading form a chain: each correction follows the
// newest decision, one at a time, and the last one in force counts.
func TestCorrectionsFormAChain(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	target := g.reads("dealer.example", 48_210)
	papers := more{attach: papers}
	first := g.does("dealer.example", "correction.requested/1", request(target, "", 84_210), more{})
	g.state(first, "in_force")
	g.effect("replaced 84210")

	again := func(after string, value int) jcs.Value { return request(target, after, value) }
	g.refused("case_needs", "garage.example", "correction.requested/1", again("", 48_000), papers)
	g.refused("case_needs", "garage.example", "correction.requested/1", again(target, 48_000), papers)
	g.refused("no_change", "garage.example", "correction.requested/1", again(first, 84_210), papers)
	// Never a self-correction again, however soon, and never without evidence.
	g.refused("case_needs", "dealer.example", "correction.requested/1", again(first, 48_210), more{})
	second := g.does("dealer.example", "correction.requested/1", again(first, 48_210), papers)
	g.state(second, "requested")
	g.refused("case_open", "garage.example", "correction.requested/1", again(first, 50_000), papers)
	rejected := g.does("maker.example:ann", "correction.decided/1", g.decision(second, "rejected", 0), more{})
	g.effect("replaced 84210")

	g.refused("case_needs", "garage.example", "correction.requested/1", again(first, 50_000), papers)
	g.refused("case_repeated", "garage.example", "correction.requested/1", again(rejected, 48_210), papers)
	third := g.does("garage.example", "correction.requested/1", again(rejected, 50_000), papers)
	g.does("garage.example", "case.withdrawn/1", g.step(third), more{})
	fourth := g.does("garage.example", "correction.requested/1", again(rejected, 50_000), papers)
	g.refused("no_change", "maker.example:ann", "correction.decided/1", g.decision(fourth, "accepted", 84_210), papers)
	g.does("maker.example:ann", "correction.decided/1", g.decision(fourth, "accepted", 50_000), papers)
	g.effect("replaced 84210, replaced 50000")
	if s := Statuses(g.store, car, g.now.UnixMilli()); len(s) != 4 || s[3].Words != "in force" || s[3].Open {
		t.Errorf("the statuses are %+v", s)
	}
}

// Two deciders cannot cross: each signs what it saw.
func TestCrossingDecisions(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	id := requested(g)
	crossing := g.decision(id, "accepted", 150_000)
	g.does("dealer.example", "case.evidence/1", g.step(id), more{attach: papers})
	err := g.refused("case_moved", "maker.example:ann", "correction.decided/1", crossing, more{})
	if !strings.Contains(err.Error(), g.store.Case(car, id).Last) {
		t.Errorf("it does not say what came in between: %v", err)
	}
	unknown := obj("case", strings.Repeat("1", 64), "prev", strings.Repeat("1", 64))
	g.refused("case_unknown", "dealer.example", "case.evidence/1", unknown, more{attach: papers})
	// A case of the vehicle's history takes nothing from its workshop.
	g.refused("case_unknown", "dealer.example", "case.evidence/1", g.step(id), more{attach: papers, on: []string{"workshop/1N4AZ0CP1DC900001"}})
	g.refused("case_unknown", "dealer.example", "case.evidence/1", g.step(id), more{attach: papers, on: []string{otherCar}})
	g.refused("case_needs", "dealer.example", "case.evidence/1", g.step(id), more{})
}

// Mileage falls only on the word of something that is not younger than the
// reading.
func TestFallingMileageNeedsOlderProof(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	older := g.reads("inspect.example", 47_000)
	g.wait(day)
	target := g.reads("dealer.example", 148_210)
	g.wait(day)
	younger := g.reads("inspect.example", 49_000)
	id := g.does("garage.example", "correction.requested/1", request(target, "", 48_210), more{attach: papers})
	for _, m := range []more{{}, {refs: []string{younger}}, {refs: []string{target}}, {refs: []string{strings.Repeat("1", 64)}}} {
		g.refused("case_needs", "maker.example:ann", "correction.decided/1", g.decision(id, "accepted", 48_210), m)
	}
	g.refused("case_needs", "maker.example:ann", "correction.decided/1", g.decision(id, "accepted", 48_210).With("effective", jcs.Value{}), more{refs: []string{older}})
	g.does("maker.example:ann", "correction.decided/1", g.decision(id, "accepted", 48_210), more{refs: []string{younger, older}})
	g.effect("replaced 48210")
}

// Nobody decides in a case of its own: the maker's place is taken by the
// central support, or an arbitrator.
func TestWhoDecidesACorrection(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	g.makers = []string{"elsewhere.example"} // the central support, as nobody makes the car
	id := requested(g)
	g.refused("case_author", "maker.example:ann", "correction.decided/1", g.decision(id, "accepted", 150_000), more{})
	g.does("elsewhere.example:m", "correction.decided/1", g.decision(id, "accepted", 150_000), more{})

	g = newStage(t)
	g.makers = nil
	id = requested(g)
	g.refused("case_author", "maker.example:ann", "correction.decided/1", g.decision(id, "accepted", 150_000), more{})
	g.does("arbiter.example:ada", "correction.decided/1", g.decision(id, "accepted", 150_000), more{})

	// A firm with two trades does not decide what it asked for.
	g = newStage(t)
	target := g.reads("maker.example", 48_210)
	g.wait(30 * day)
	g.edit = func(f *Facts) { f.Kinds = append([]string{"DLR"}, f.Kinds...) }
	id = g.does("arbiter.example:ada", "correction.requested/1", request(target, "", 150_000), more{attach: papers})
	g.refused("case_author", "arbiter.example:abe", "correction.decided/1", g.decision(id, "accepted", 150_000), more{})
	g.does("umpire.example:ute", "correction.decided/1", g.decision(id, "accepted", 150_000), more{})
}

// A reading of the wrong car: it leaves this history and counts in the other.
func TestReattributed(t *testing.T) {
	t.Parallel()
	ask := func(target string) jcs.Value {
		return obj("claim", jcs.Make(), "field", "vehicle", "for", "owner", "noticed_by", "owner", "reason", "wrong_vehicle", "target", target)
	}
	g := newStage(t)
	target := g.reads("dealer.example", 48_210)
	other := g.reads("dealer.example", 48_300)
	id := g.does("dealer.example", "correction.requested/1", ask(target), more{}) // soon, and yet nobody's own to decide
	g.state(id, "requested")
	g.refused("case_needs", "maker.example:ann", "correction.decided/1", g.decision(id, "accepted", 1000), more{attach: papers})
	to := strings.TrimPrefix(otherCar, "vehicle/")
	both := more{on: []string{car, otherCar}}
	g.refused("case_needs", "maker.example:ann", "record.reattributed/1", g.step(id, "note", g.note(other), "to_vehicle", to), both)
	g.does("maker.example:ann", "record.reattributed/1", g.step(id, "note", g.note(target), "to_vehicle", to), both)
	g.state(id, "in_force")
	g.effect("excluded wrong_vehicle")
	there := Effects(g.store, otherCar)
	if len(there) != 1 || there[0].Kind != Reattributed || there[0].Target != target || there[0].Note != string(g.records[target].Record.Note) || there[0].Case != id {
		t.Errorf("of the other car: %+v", there)
	}

	// Whose it is may be unknown.
	g = newStage(t)
	target = g.reads("dealer.example", 48_210)
	id = g.does("dealer.example", "correction.requested/1", ask(target), more{})
	g.does("maker.example:ann", "record.reattributed/1", g.step(id, "note", g.note(target)), more{})
	g.effect("excluded wrong_vehicle")
	last := g.store.Target(car, target).Last
	g.refused("no_change", "garage.example", "correction.requested/1", ask(target).With("after", jcs.Text(last)), more{attach: papers})
	// It comes back by a value.
	back := g.does("garage.example", "correction.requested/1", request(target, last, 48_210), more{attach: papers})
	g.does("maker.example:ann", "correction.decided/1", g.decision(back, "accepted", 48_210), more{attach: papers})
	g.effect("replaced 48210")
}

func TestDuplicateAndAdmitted(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	target := g.reads("dealer.example", 48_210)
	g.wait(2 * day)
	body := obj("claim", jcs.Make(), "field", "value", "for", "self", "noticed_by", "author", "reason", "duplicate", "target", target)
	id := g.does("dealer.example", "correction.requested/1", body, more{attach: papers})
	g.state(id, "requested") // leaving a reading out takes mileage away, so not by its author alone
	decided := g.decision(id, "accepted", 0).With("effective", jcs.Value{}).
		With("admits", obj("event_time", "2025-11-03T09:00:00+01:00", "precision", "exact", "unit", "KMT", "value", 29_980))
	g.does("maker.example:ann", "correction.decided/1", decided, more{})
	g.effect("admitted 29980, excluded duplicate")
	for _, e := range Effects(g.store, car) {
		if e.Kind == Admitted && (e.Target != "" || e.Author != "maker.example" || e.Precision != "exact" || e.EventTime == "") {
			t.Errorf("admitted: %+v", e)
		}
	}
}

// Units and event times are corrected by the same rules; a change of unit
// that lowers the mileage is one that lowers the mileage.
func TestOtherFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field, reason string
		claim         jcs.Value
		want          string
	}{
		{"unit", "unit_mixed", obj("unit", "SMI"), "in_force"},
		{"event_time", "wrong_date", obj("event_time", "2026-05-03T08:00:00Z"), "in_force"},
		{"event_time", "wrong_date", obj("event_time", "2026-05-04T08:00:00Z"), "no_change"},
		{"unit", "unit_mixed", obj("unit", "KMT"), "no_change"},
		{"unit", "unit_mixed", obj("unit", "SMI", "value", 20_000), "requested"},
	} {
		g := newStage(t)
		target := g.reads("dealer.example", 48_210)
		g.wait(2 * day)
		r := g.write("dealer.example", "correction.requested/1",
			obj("claim", c.claim, "field", c.field, "for", "self", "noticed_by", "author", "reason", c.reason, "target", target), more{attach: papers})
		got := ""
		if err := g.add(r); err != nil {
			got = fault.Code(err)
		} else {
			got = g.store.Case(car, hashOf(r)).State
		}
		if got != c.want {
			t.Errorf("%s %s: %s, want %s", c.field, c.claim.Bytes(), got, c.want)
		}
	}
}
