package cases

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// In every state of every kind of case, what Next lists is what somebody can
// bring, and each step names all those and only those who can.
func TestNextIsWhatApplyTakes(t *testing.T) {
	t.Parallel()
	for _, sc := range scenes {
		for event, body := range bodies {
			if kind := record.Lookup(typeOf(event)).Case; kind != Any && kind != sc.kind {
				continue // the walk tries those of other kinds
			}
			listed := listedStep(sc, t, event)
			var g *stage
			var id string
			var taken []string
			for _, who := range slices.Sorted(maps.Keys(players)) {
				if g == nil {
					g = newStage(t)
					id = sc.play(g)
				}
				r := g.write(who, typeOf(event), body(g, id), more{attach: papers, refs: g.refs(), on: g.place(typeOf(event), id)})
				f := g.facts(r)
				m := &move{f: f, c: g.caseOf(id), vehicle: car, s: g.store}
				err := g.add(r)
				if err == nil {
					taken = append(taken, who)
				}
				if listed == nil {
					continue
				}
				now := f.Time
				if soon := listed.From > now; soon && err == nil {
					t.Errorf("%s %s: %s by %s comes before %s", sc.kind, sc.state, event, who, logTime(listed.From))
				} else if soon {
					continue
				}
				if listed.Until != 0 && now > listed.Until {
					t.Errorf("%s %s: %s is listed after its window", sc.kind, sc.state, event)
				}
				st := listed.step
				named := (m.is(st.Who) || m.is(st.Else) && m.makerOut(st.Not)) && !m.is(st.Not)
				if named != (err == nil) {
					t.Errorf("%s %s: %s by %s: %v (%s), but that they are among %q is %v", sc.kind, sc.state, event, who, err, fault.Code(err), listed.Who, named)
				}
				if err == nil {
					g = nil // the case has moved
				}
			}
			// Who is refused for another reason than who they are: the answer is
			// not late yet, so the step is there with its time.
			if later := listed != nil && listed.From > 0 && len(taken) == 0; !later && (listed != nil) != (len(taken) > 0) {
				t.Errorf("%s %s: %s is listed: %v, but is taken from %v", sc.kind, sc.state, event, listed != nil, taken)
			}
		}
	}
}

// listedStep is the step that Next lists for an event in a scene, nil if none.
func listedStep(sc scene, t *testing.T, event string) (found *Possible) {
	t.Helper()
	g := newStage(t)
	id := sc.play(g)
	all := g.statuses()
	i := slices.IndexFunc(all, func(s Status) bool { return s.Case == id })
	if all[i].Last != g.caseOf(id).Last {
		t.Errorf("%s %s: the newest record is not said", sc.kind, sc.state)
	}
	if next := Next(&all[i]); len(next) > 0 && !all[i].Open && all[i].State != "decided" && all[i].State != "remedied" {
		t.Errorf("%s %s is closed and takes %v", sc.kind, sc.state, next)
	}
	typ, outcome, _ := strings.Cut(event, ":")
	for _, p := range Next(&all[i]) {
		if p.Type == typ && p.Outcome == outcome {
			if found != nil {
				t.Errorf("%s %s: %s is listed twice", sc.kind, sc.state, event)
			}
			found = &p
		}
	}
	return found
}

func wrongCar(g *stage) string {
	body := request(g.reads("dealer.example", 48_210), "", 0).With("claim", obj()).With("field", jcs.Text("vehicle")).With("reason", jcs.Text("wrong_vehicle"))
	return g.does("garage.example", "correction.requested/1", body, more{attach: papers})
}

// What a step says for a person names who is meant, and what it needs.
func TestNextInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		play  func(*stage) string
		event string
		want  Possible
	}{
		{requested, "correction.decided/1:accepted", Possible{
			Who: "the maker's support; where that is a party to the case, or nobody stands for the maker: an arbitrator of any arbitration body",
			Not: []string{"dealer.example", "garage.example"}, Then: "in force",
			Needs: []string{"effective: what counts now", "where the mileage falls: a record in refs not younger than the reading, or an attachment"},
		}},
		{wrongCar, "record.reattributed/1", Possible{
			Who: "the maker's support; where that is a party to the case, or nobody stands for the maker: an arbitrator of any arbitration body",
			Not: []string{"dealer.example", "garage.example"}, Then: "in force", Needs: []string{"the reading's note"},
		}},
		{opened, "dispute.answered/1", Possible{
			Who: "dealer.example (wrote what it is about)", Needs: []string{"attachment of kind answer if it denies"}, Then: "open, answered",
		}},
		{opened, "dispute.decided/1", Possible{
			Who: "an arbitrator of arbiter.example", Not: []string{"dealer.example", "fleet.example"},
			Needs: []string{"attachment of kind decision", "a finding for each target"}, Then: "decided, may be appealed",
		}},
		{opened, "case.message/1", Possible{
			Who:   "fleet.example (opened it), dealer.example (wrote what it is about), the vehicle's maker, an insurer that may read it, an arbitrator of arbiter.example",
			Needs: []string{"an attachment"},
		}},
		{appealed, "dispute.appeal_decided/1", Possible{
			Who: "an arbitrator of any arbitration body", Not: []string{"arbiter.example, ada", "dealer.example", "fleet.example"},
			Needs: []string{"another member than the decision's, where the rules ask for it", "attachment of kind decision", "a finding for each target"},
			Then:  "decided for good",
		}},
	} {
		got := listedStep(scene{play: c.play}, t, c.event)
		if got == nil || got.Who != c.want.Who || got.Then != c.want.Then || !slices.Equal(got.Not, c.want.Not) || !slices.Equal(got.Needs, c.want.Needs) {
			t.Errorf("%s: %+v, want %+v", c.event, got, c.want)
		}
	}
	if got := listedStep(scene{play: wrongCar}, t, "correction.decided/1:accepted"); got != nil {
		t.Errorf("a reading of another vehicle is not corrected, yet %+v is listed", got)
	}
	s := Status{By: Party{Member: "a"}, Authors: []string{"b"}, Answered: []Party{{Member: "c"}}, Decisions: []Decision{{By: Party{Member: "d"}}}}
	for _, c := range Kinds() {
		for _, st := range c.Steps {
			for party := range strings.SplitSeq(st.Who+"|"+st.Else, "|") {
				if party != "" && partyWords[party] == "" {
					t.Errorf("there are no words for %q", party)
				}
			}
			for party := range strings.SplitSeq(st.Not, "|") {
				if party != "" && len(s.excluded(party)) == 0 {
					t.Errorf("nobody is excluded as %q", party)
				}
			}
		}
	}
}

// Whoever is refused learns in words, and by name, for whom the step is; and
// where something is missing, what to do.
func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	const decides = "it is for: the maker's support; where that is a party to the case, or nobody stands for the maker: " +
		"an arbitrator of any arbitration body; but not dealer.example or garage.example"
	for _, c := range []struct {
		code, who, typ string
		body           func(g *stage) jcs.Value
		hint           string
	}{
		{"case_author", "maker.example:bob", "correction.decided/1", func(g *stage) jcs.Value { return g.decision(requested(g), "rejected", 0) }, decides},
		{"case_author", "umpire.example:ute", "correction.decided/1", func(g *stage) jcs.Value { return g.decision(requestedByMaker(g), "rejected", 0) }, ""},
		{"case_author", "maker.example:ann", "correction.decided/1", func(g *stage) jcs.Value { return g.decision(requestedByMaker(g), "rejected", 0) },
			"nobody decides in a case of its own; it is for: the maker's support"},
		{"case_author", "fleet.example", "dispute.answered/1", func(g *stage) jcs.Value { return g.step(opened(g), "position", "denies") },
			"it is for: dealer.example (wrote what it is about)"},
		{"case_author", "fleet.example", "correction.requested/1", func(g *stage) jcs.Value { return request(g.reads("dealer.example", 48_210), "", 50_000) },
			"it is for: dealer.example (wrote what it is about), any dealer, any inspection body"},
		{"case_needs", "garage.example", "correction.requested/1", func(g *stage) jcs.Value { return request(g.reads("dealer.example", 48_210), "", 50_000) },
			"--attach invoice=FILE"},
		{"case_needs", "fleet.example", "dispute.opened/1", func(g *stage) jcs.Value { return complaint("arbiter.example", g.reads("dealer.example", 48_210)) },
			"--attach claim=FILE"},
		{"case_unknown", "garage.example", "case.evidence/1", func(g *stage) jcs.Value { return g.step(strings.Repeat("7", 64)) }, "milepost case list VIN"},
	} {
		g := newStage(t)
		var m more
		if c.code == "case_author" || c.code == "case_unknown" {
			m.attach = papers
		}
		body := c.body(g)
		if c.hint == "" { // the one who may, to show that the others' refusal is about who they are
			g.does(c.who, c.typ, body, m)
			continue
		}
		err := g.refused(c.code, c.who, c.typ, body, m)
		if hint := fault.Hint(err); !strings.Contains(hint, c.hint) || strings.Contains(hint, "'s member") || strings.Contains(hint, ":support") {
			t.Errorf("%s by %s: the hint is %q", c.typ, c.who, hint)
		}
	}
}
