package cases

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// Whatever is brought to the cases, in any order and by anyone: a refused
// record changes nothing and has a code, and a replay of what was let in
// ends in the same state, read back from its stored form at every step.
func TestReplayGivesTheSame(t *testing.T) {
	t.Parallel()
	who := make([]string, 0, len(players))
	for p := range players {
		who = append(who, p)
	}
	slices.Sort(who)
	rapid.Check(t, func(rt *rapid.T) {
		g := newStage(t)
		var let []*record.Record
		var facts []*Facts
		var opened, hashes []string
		number := 0
		for range 3 {
			hashes = append(hashes, g.reads("dealer.example", 48_210+len(hashes)))
		}
		pick := func(label string, from []string) string { return rapid.SampledFrom(from).Draw(rt, label) }
		for i := range rapid.IntRange(1, 25).Draw(rt, "records") {
			g.wait(time.Duration(rapid.IntRange(0, 200).Draw(rt, "hours")) * time.Hour)
			author := pick("author", who)
			m := more{attach: papers}
			if rapid.IntRange(0, 5).Draw(rt, "papers") == 0 {
				m.attach = nil
			}
			target := pick("target", hashes)
			typ, body := "correction.requested/1", jcs.Value{}
			m.refs = g.refs()
			switch n := rapid.IntRange(0, 8).Draw(rt, "what"); {
			case n >= 4 && n <= 7:
				typ, body = openings[n-4](pick("about", append(hashes, opened...)))
				m.on = g.place(typ, "")
			case n == 0 && len(opened) > 0:
				body = request(target, pick("after", append(hashes, g.standing(target))), 40_000+i)
			case n == 0 || len(opened) == 0:
				body = request(target, g.standing(target), 50_000+i)
			case n == 1:
				typ, body = "dispute.opened/1", complaint(pick("arbitrator", []string{"arbiter.example", "umpire.example"}), target)
			default:
				id := pick("case", opened)
				event := pick("event", events())
				if typ = typeOf(event); typ == "record.reattributed/1" {
					continue
				}
				body, m.on = bodies[event](g, id), g.place(typ, id)
			}
			r := g.write(author, typ, body, m)
			f := g.facts(r)
			before := g.snapshot()
			if err := g.add(r); err != nil {
				if fault.Code(err) == "internal" || g.snapshot() != before {
					rt.Fatalf("%s by %s: %v", typ, author, err)
				}
				continue
			}
			let, facts, hashes = append(let, r), append(facts, f), append(hashes, hashOf(r))
			if Lookup(r.Def.Case) != nil && Lookup(r.Def.Case).opens(r) {
				number++
				if id := cmp.Or(r.Body.Get("case").Str, hashOf(r)); !slices.Contains(opened, id) { // a recall has that of its campaign
					opened = append(opened, id)
				}
			}
		}
		again := &stored{NewMemory(), t}
		for i, r := range let {
			if err := Apply(again, r, facts[i]); err != nil {
				rt.Fatalf("replayed: %v", err)
			}
		}
		if got, want := snapshot(again.Memory), g.snapshot(); got != want {
			rt.Fatalf("a replay gives\n%swant\n%s", got, want)
		}
		asOf := g.now.UnixMilli()
		var all []Status
		for _, subject := range []string{car, shop, camp} {
			all = append(all, Statuses(again, subject, asOf)...)
		}
		if len(all) != number {
			rt.Fatalf("%d cases are told of, %d were opened", len(all), number)
		}
		for _, s := range all {
			if !slices.Contains(opened, s.Case) || s.Words == "" || (len(s.Targets) > 0) != Lookup(s.Kind).aboutRecords() {
				rt.Fatalf("what a case comes to cannot be told: %+v", s)
			}
		}
		for _, e := range Effects(again, car) {
			if !slices.Contains(opened, e.Case) || !slices.Contains(hashes, e.By) || !slices.Contains(hashes, e.Target) {
				rt.Fatalf("an effect of no decision on no reading: %+v", e)
			}
		}
	})
}

// openings are of cases that are about an earlier record, or none.
var openings = []func(about string) (typ string, body jcs.Value){
	func(about string) (string, jcs.Value) { return "warranty.claim/1", claim(about) },
	func(about string) (string, jcs.Value) {
		return "part.order/1", obj("claim_case", about, "part_no", "A", "quantity", 1, "status", "requested")
	},
	func(about string) (string, jcs.Value) {
		return "recall.published/1", obj("affected", 1, "campaign", strings.TrimPrefix(camp, "campaign/"), "component", "x", "consequence", "x", "defect", "x", "remedy", "x", "safety", jcs.Boolean(false))
	},
	func(about string) (string, jcs.Value) { return "recall.affects/1", obj("case", about) },
}

func events() []string {
	var all []string
	for e := range bodies {
		all = append(all, e)
	}
	slices.Sort(all)
	return all
}

func (g *stage) standing(hash string) string {
	if t := g.store.Target(car, hash); t != nil {
		return t.Last
	}
	return ""
}

// stored is a store that writes all down and reads it again.
type stored struct {
	*Memory
	t *testing.T
}

func (s *stored) SetCase(vehicle string, c *State) {
	again, err := DecodeState(Encode(c))
	if err != nil {
		s.t.Fatalf("%v: %s", err, Encode(c))
	}
	s.Memory.SetCase(vehicle, again)
}

func (s *stored) SetTarget(vehicle string, t *Standing) {
	again, err := DecodeStanding(Encode(t))
	if err != nil {
		s.t.Fatalf("%v: %s", err, Encode(t))
	}
	s.Memory.SetTarget(vehicle, again)
}

// A stored state is read as it was written, or refused.
func FuzzDecode(f *testing.F) {
	g := newStage(f)
	id := appealed(g)
	f.Add(Encode(g.store.Case(car, id)))
	f.Add(Encode(g.store.Target(car, g.target(id))))
	f.Add(Encode(g.store.Case(shop, suspended(g))))
	f.Add(Encode(g.store.Case(shop, imported(g))))
	f.Add(Encode(g.store.Case(car, recalled(g))))
	f.Add([]byte(`{"id":"","kind":"dispute","state":"opened"}`))
	f.Add([]byte(`{"hash":"","effects":[{"kind":"replaced","value":1.5}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeState(b); err == nil && string(Encode(c)) != string(b) {
			t.Errorf("%s became %s", b, Encode(c))
		}
		if s, err := DecodeStanding(b); err == nil && string(Encode(s)) != string(b) {
			t.Errorf("%s became %s", b, Encode(s))
		}
	})
}
