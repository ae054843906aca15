package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// data is where the readings are that are not part of the project.
const data = "../../../../shared/data"

// cars are all series; with -short only those that are part of the project.
func cars(t *testing.T) []series {
	t.Helper()
	dir := data
	if testing.Short() {
		dir = t.TempDir()
	}
	cars, source, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(cars) != 8 {
		t.Fatalf("%d cars", len(cars))
	}
	if strings.Contains(source, "generated") {
		t.Log(source)
	}
	if testing.Short() {
		cars = cars[3:]
	}
	return cars
}

// No break in any series as it is, whatever the tolerance.
func TestHonestSeries(t *testing.T) {
	t.Parallel()
	cars := cars(t)
	for _, r := range honest(cars) {
		if r.breaks != 0 || !testing.Short() && r.readings != 629+9 {
			t.Errorf("%+v", r)
		}
	}
}

// Every slip that contradicts another reading is named or listed, nearly all
// are named, with the truth among the suggestions; and no honest reading is.
func TestTypos(t *testing.T) {
	t.Parallel()
	sum := tally{name: "all"}
	for _, r := range typos(variants(cars(t))) {
		sum.add(r)
		if r.injected == 0 || r.silent+r.visible != r.injected || r.named+r.listed+r.missed != r.visible {
			t.Errorf("the figures don't add up: %+v", r)
		}
	}
	check(t, sum)
	if sum.named*100 < sum.visible*85 {
		t.Errorf("%d of %d are named", sum.named, sum.visible)
	}
	if sum.repaired*100 < sum.named*95 {
		t.Errorf("the truth is offered for %d of %d", sum.repaired, sum.named)
	}
}

// Another car's reading is named or listed.
func TestStrangers(t *testing.T) {
	t.Parallel()
	check(t, strangers(variants(cars(t)), 500))
}

func check(t *testing.T, r tally) {
	t.Helper()
	if r.wrong != 0 || r.missed != 0 || r.visible == 0 {
		t.Errorf("%+v", r)
	}
}

// A counter turned back. Where two readings of one side contradict the other,
// the level shifted and nobody is named, at every such place. Elsewhere both
// sides are listed, but for a lone low reading: that does show a false
// mileage, and may be named.
func TestRollbacks(t *testing.T) {
	t.Parallel()
	p := rollbacks(variants(cars(t)))
	for _, c := range []struct {
		places *turned
		want   int
	}{
		{&p.two, p.two.sustained},
		{&p.oneEach, p.oneEach.sustained + p.oneEach.bothSides},
		{&p.oneHigh, p.oneHigh.bothSides},
		{&p.oneLow, p.oneLow.bothSides + p.oneLow.namedLow},
		{&p.none, p.none.silent},
	} {
		if c.places.cuts == 0 || c.want != c.places.cuts {
			t.Errorf("%+v", *c.places)
		}
	}
}

func TestTheTable(t *testing.T) {
	t.Parallel()
	few, err := quoted()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := table(&out, few, "those of the project"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"those of the project", "two digits swapped", "another car's reading", "turned back"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"2020-01-01 5", "car A KMT\n2020-13-01 5", "car A KMT\n2020-01-01 x"} {
		if cars, err := parse(text); err == nil {
			t.Errorf("%q: %s", text, fmt.Sprint(cars))
		}
	}
}
