package cases

import (
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// scene is a case in one state, and who may do what in it; whatever is not
// listed is refused: with case_state where the state takes no such event, else
// with case_author.
type scene struct {
	kind, state string
	play        func(*stage) (id string)
	allowed     map[string]string // event: players, and the state that follows
	// but is the code of what is refused to players who could do it otherwise.
	but map[string]string
}

// The documents that some step or other asks for.
var papers = []string{"claim", "answer", "decision", "justification", "examination", "application", "photo", "defect_report", "specialist_report",
	"job_report", "invoice", "receipt", "technical_description"}

const (
	dealers    = "dealer.example garage.example"
	support    = "maker.example:ann maker.example:cho"
	makerStaff = "maker.example maker.example:bob " + support
	panel      = "arbiter.example:ada arbiter.example:abe"
)

var scenes = []scene{
	{"correction", "requested", requested, map[string]string{
		"case.evidence/1":               dealers + " > requested",
		"case.message/1":                dealers + " " + makerStaff + " > requested",
		"correction.decided/1:accepted": support + " > in_force",
		"correction.decided/1:rejected": support + " > rejected",
		"record.reattributed/1":         "",
		"case.withdrawn/1":              "garage.example > withdrawn",
	}, map[string]string{"record.reattributed/1 maker.example:ann": "case_state", "record.reattributed/1 maker.example:cho": "case_state"}},
	{"correction", "requested", requestedByMaker, map[string]string{
		"case.evidence/1":               dealers + " " + makerStaff + " > requested",
		"case.message/1":                dealers + " " + makerStaff + " > requested",
		"correction.decided/1:accepted": panel + " umpire.example:ute > in_force",
		"correction.decided/1:rejected": panel + " umpire.example:ute > rejected",
		"record.reattributed/1":         "",
		"case.withdrawn/1":              makerStaff + " > withdrawn",
	}, map[string]string{
		"record.reattributed/1 arbiter.example:ada": "case_state", "record.reattributed/1 arbiter.example:abe": "case_state",
		"record.reattributed/1 umpire.example:ute": "case_state",
	}},
	{"correction", "in_force", func(g *stage) string {
		id := requested(g)
		g.does("maker.example:ann", "correction.decided/1", g.decision(id, "accepted", 150_000), more{})
		return id
	}, nil, nil},
	{"correction", "rejected", func(g *stage) string {
		id := requested(g)
		g.does("maker.example:ann", "correction.decided/1", g.decision(id, "rejected", 0), more{})
		return id
	}, nil, nil},
	{"correction", "withdrawn", func(g *stage) string {
		id := requested(g)
		g.does("garage.example", "case.withdrawn/1", g.step(id), more{})
		return id
	}, nil, nil},
	{"dispute", "opened", opened, map[string]string{
		"dispute.answered/1": "dealer.example > answered",
		"case.evidence/1":    "fleet.example dealer.example insurer.example " + makerStaff + " > opened",
		"case.message/1":     "fleet.example dealer.example insurer.example " + makerStaff + " " + panel + " > opened",
		"dispute.decided/1":  "",
		"case.withdrawn/1":   "fleet.example > withdrawn",
	}, map[string]string{"dispute.decided/1 arbiter.example:ada": "case_state", "dispute.decided/1 arbiter.example:abe": "case_state"}},
	{"dispute", "opened", func(g *stage) string { // overdue
		id := opened(g)
		g.wait(8 * day)
		return id
	}, map[string]string{
		"dispute.answered/1": "dealer.example > answered",
		"case.evidence/1":    "fleet.example dealer.example insurer.example " + makerStaff + " > opened",
		"case.message/1":     "fleet.example dealer.example insurer.example " + makerStaff + " " + panel + " > opened",
		"dispute.decided/1":  panel + " > decided",
		"case.withdrawn/1":   "fleet.example > withdrawn",
	}, nil},
	{"dispute", "answered", answered, map[string]string{
		"dispute.answered/1": "",
		"case.evidence/1":    "fleet.example dealer.example insurer.example " + makerStaff + " > answered",
		"case.message/1":     "fleet.example dealer.example insurer.example " + makerStaff + " " + panel + " > answered",
		"dispute.decided/1":  panel + " > decided",
		"case.withdrawn/1":   "fleet.example > withdrawn",
	}, map[string]string{"dispute.answered/1 dealer.example": "case_state"}},
	{"dispute", "decided", decided, map[string]string{
		"dispute.appealed/1": "fleet.example dealer.example > appealed",
	}, nil},
	{"dispute", "decided", func(g *stage) string { // for good
		id := decided(g)
		g.wait(21 * day)
		return id
	}, map[string]string{"dispute.appealed/1": ""}, map[string]string{
		"dispute.appealed/1 fleet.example": "window_closed", "dispute.appealed/1 dealer.example": "window_closed",
	}},
	{"dispute", "appealed", appealed, map[string]string{
		"case.message/1":           "fleet.example dealer.example insurer.example " + makerStaff + " " + panel + " > appealed",
		"dispute.appeal_decided/1": "arbiter.example:abe umpire.example:ute > final",
	}, nil},
	{"dispute", "final", func(g *stage) string {
		id := appealed(g)
		g.does("umpire.example:ute", "dispute.appeal_decided/1",
			g.ruling(id, found(g.target(id), "actual", 0)).With("outcome", jcs.Text("granted")), more{attach: papers})
		return id
	}, nil, nil},
	{"dispute", "withdrawn", func(g *stage) string {
		id := opened(g)
		g.does("fleet.example", "case.withdrawn/1", g.step(id), more{})
		return id
	}, nil, nil},
}

func requested(g *stage) string {
	target := g.reads("dealer.example", 48_210)
	return g.does("garage.example", "correction.requested/1", request(target, "", 150_000), more{attach: papers})
}

// The maker itself has read the car, so it may not decide.
func requestedByMaker(g *stage) string {
	target := g.reads("maker.example", 48_210)
	g.wait(30 * day)
	return g.does("maker.example", "correction.requested/1", request(target, "", 150_000), more{attach: papers})
}

func opened(g *stage) string {
	target := g.reads("dealer.example", 48_210)
	return g.does("fleet.example", "dispute.opened/1", complaint("arbiter.example", target), more{attach: papers})
}

func answered(g *stage) string {
	id := opened(g)
	g.does("dealer.example", "dispute.answered/1", g.step(id, "position", "denies"), more{attach: papers})
	return id
}

func decided(g *stage) string {
	id := answered(g)
	g.does("arbiter.example:ada", "dispute.decided/1", g.ruling(id, found(g.target(id), "not_actual", 150_000)), more{attach: papers})
	return id
}

func appealed(g *stage) string {
	id := decided(g)
	g.does("dealer.example", "dispute.appealed/1", g.step(id), more{attach: papers})
	return id
}

func (g *stage) target(id string) string {
	if c := g.caseOf(id); c != nil && len(c.Targets) > 0 {
		return c.Targets[0].Hash
	}
	return strings.Repeat("0", 64)
}

// bodies are of every event that follows in a case, otherwise in order.
var bodies = map[string]func(g *stage, id string) jcs.Value{
	"case.evidence/1":               func(g *stage, id string) jcs.Value { return g.step(id) },
	"case.message/1":                func(g *stage, id string) jcs.Value { return g.step(id) },
	"case.withdrawn/1":              func(g *stage, id string) jcs.Value { return g.step(id) },
	"correction.decided/1:accepted": func(g *stage, id string) jcs.Value { return g.decision(id, "accepted", 150_000) },
	"correction.decided/1:rejected": func(g *stage, id string) jcs.Value { return g.decision(id, "rejected", 0) },
	"record.reattributed/1":         func(g *stage, id string) jcs.Value { return g.step(id, "note", g.note(g.target(id))) },
	"dispute.answered/1":            func(g *stage, id string) jcs.Value { return g.step(id, "position", "denies") },
	"dispute.decided/1": func(g *stage, id string) jcs.Value {
		return g.ruling(id, found(g.target(id), "not_actual", 150_000))
	},
	"dispute.appealed/1": func(g *stage, id string) jcs.Value { return g.step(id) },
	"dispute.appeal_decided/1": func(g *stage, id string) jcs.Value {
		return g.ruling(id, found(g.target(id), "not_actual", 160_000)).With("outcome", jcs.Text("partly"))
	},
}

// Every event of every kind of case, by every player, in every state: those
// that the tables of docs/cases.md allow move the case, all others are
// refused with the right code and change nothing.
func TestEveryStateEventAndPlayer(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, sc := range scenes {
		tried[sc.kind+" "+sc.state] = true
		var g *stage // as long as all is refused, and so nothing changed
		var id string
		for event, body := range bodies {
			if sc.kind == "recall" && event == "recall.closed/1" {
				continue // its campaign, which has the same id, takes that
			}
			for who := range players {
				if kind := record.Lookup(typeOf(event)).Case; kind != Any && kind != sc.kind && who != "dealer.example" && who != "maker.example:ann" {
					continue // of another kind of case: two will do
				}
				if g == nil {
					g = newStage(t)
					id = sc.play(g)
					g.state(id, sc.state)
				}
				want, takes := sc.allowed[event]
				who2, to, _ := strings.Cut(want, " > ")
				code := ""
				switch but := sc.but[event+" "+who]; {
				case !slices.Contains(g.place(typeOf(event), id), g.caseOf(id).Subject):
					code = "case_unknown"
				case !takes:
					code = "case_state"
				case but != "":
					code = but
				case !slices.Contains(strings.Fields(who2), who):
					code = "case_author"
				}
				before := g.snapshot()
				err := g.add(g.write(who, typeOf(event), body(g, id), more{attach: papers, refs: g.refs(), on: g.place(typeOf(event), id)}))
				switch {
				case code == "" && err != nil:
					t.Errorf("%s %s: %s by %s: %v", sc.kind, sc.state, event, who, err)
				case code == "":
					g.state(id, to)
					g = nil
				case err == nil || fault.Code(err) != code:
					t.Errorf("%s %s: %s by %s: %v (%s), want %s", sc.kind, sc.state, event, who, err, fault.Code(err), code)
				case g.snapshot() != before:
					t.Errorf("%s %s: %s by %s was refused and changed something", sc.kind, sc.state, event, who)
				}
			}
		}
	}
	for _, c := range Kinds() {
		for state := range c.States {
			if !tried[c.Name+" "+state] {
				t.Errorf("no scene has a %s that is %s", c.Name, state)
			}
		}
		for _, s := range c.Steps {
			if s.From != "" && bodies[s.On] == nil {
				t.Errorf("nobody tries %s", s.On)
			}
		}
	}
}

// Who may open a case.
func TestEveryOpeningAndPlayer(t *testing.T) {
	t.Parallel()
	for who := range players {
		g := newStage(t)
		target := g.reads("dealer.example", 48_210)
		ask := func() jcs.Value { return request(target, "", 150_000) }
		if strings.Contains("dealer.example garage.example inspect.example", who) {
			g.does(who, "correction.requested/1", ask(), more{attach: papers})
		} else {
			g.refused("case_author", who, "correction.requested/1", ask(), more{attach: papers})
		}
		if strings.HasPrefix(who, "umpire") { // it would judge its own case
			g.refused("case_needs", who, "dispute.opened/1", complaint("umpire.example", target), more{attach: papers})
		} else {
			g.does(who, "dispute.opened/1", complaint("umpire.example", target), more{attach: papers})
		}
	}
}

// The tables name only what the code knows, and record types that exist.
func TestTablesAreWhole(t *testing.T) {
	t.Parallel()
	for _, c := range Kinds() {
		for _, s := range c.Steps {
			def := record.Lookup(typeOf(s.On))
			if def == nil || def.Case != c.Name && def.Case != Any {
				t.Errorf("%s: there is no type %s of it", c.Name, s.On)
			}
			for p := range strings.SplitSeq(s.Who+"|"+s.Not+"|"+s.Else, "|") {
				if p != "" && parties[p] == nil {
					t.Errorf("%s: nobody is %q", c.Name, p)
				}
			}
			for n := range strings.FieldsSeq(s.Needs) {
				if name, _, _ := strings.Cut(n, ":"); needs[name] == nil {
					t.Errorf("%s: nothing is %q", c.Name, n)
				}
			}
			if name, _, _ := strings.Cut(s.If, ":"); name != "" && conditions[name] == nil {
				t.Errorf("%s: there is no condition %q", c.Name, s.If)
			}
			for st := range strings.SplitSeq(s.From+"|"+s.To, "|") {
				if st != "" && c.States[st] == "" {
					t.Errorf("%s: there is no state %q", c.Name, st)
				}
			}
		}
		for _, k := range c.Clocks {
			if name, _, _ := strings.Cut(k.If, ":"); name != "" && conditions[name] == nil {
				t.Errorf("%s: there is no condition %q", c.Name, k.If)
			}
			bounds := []string{"_target", "_breach"}
			if k.Window {
				bounds = []string{"_window"}
			}
			for _, b := range bounds {
				if _, ok := defaultBounds[c.Name+"_"+k.Name+b]; !ok {
					t.Errorf("no bound %s_%s%s", c.Name, k.Name, b)
				}
			}
		}
	}
	for _, typ := range record.Types() {
		if typ.Case == "" || typ.Case == Any {
			continue
		}
		c := Lookup(typ.Case)
		if c == nil || !slices.ContainsFunc(c.Steps, func(s Step) bool { return typeOf(s.On) == typ.Name }) {
			t.Errorf("%s belongs to a %s, which takes it nowhere", typ.Name, typ.Case)
		}
	}
}
