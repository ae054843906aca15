package cases

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

const (
	car      = "vehicle/1N4AZ0CP1DC900001"
	otherCar = "vehicle/1N4AZ0CP1DC900007"
	shop     = "workshop/1N4AZ0CP1DC900001"
	camp     = "campaign/26V-014"
)

// The cast: member or member:actor, its kinds and its roles.
var players = map[string]struct{ kinds, roles []string }{
	"dealer.example":      {[]string{"DLR"}, nil}, // wrote the reading
	"garage.example":      {[]string{"DLR"}, nil},
	"inspect.example":     {[]string{"PTI"}, nil},
	"insurer.example":     {[]string{"INS"}, nil},
	"fleet.example":       {[]string{"FLT"}, nil},
	"maker.example":       {[]string{"MFR"}, nil}, // no actor, so no role
	"maker.example:ann":   {[]string{"MFR"}, []string{"support"}},
	"maker.example:bob":   {[]string{"MFR"}, []string{"financier"}},
	"maker.example:cho":   {[]string{"MFR"}, []string{"support"}},
	"elsewhere.example:m": {[]string{"MFR"}, []string{"support"}}, // another maker
	"arbiter.example:ada": {[]string{"ARB"}, []string{"arbitrator"}},
	"arbiter.example:abe": {[]string{"ARB"}, []string{"arbitrator"}},
	"arbiter.example:aux": {[]string{"ARB"}, []string{"customer"}},
	"umpire.example:ute":  {[]string{"ARB"}, []string{"arbitrator"}},
}

// stage is a log of one vehicle's cases, kept in memory.
type stage struct {
	t       testing.TB
	store   *Memory
	records map[string]Found
	index   uint64
	now     time.Time
	makers  []string
	edit    func(*Facts) // changes the facts of the next records
	ids     int
}

func newStage(t testing.TB) *stage {
	return &stage{t: t, store: NewMemory(), records: map[string]Found{}, index: 10, makers: []string{"maker.example"},
		now: time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)} // a Monday
}

// caseOf is the case of an id, wherever it is kept; of a recall that of the
// car, not the campaign's.
func (g *stage) caseOf(id string) *State {
	for _, subject := range []string{car, shop, camp} {
		if c := g.store.Case(subject, id); c != nil {
			return c
		}
	}
	return nil
}

// statuses are those of all cases.
func (g *stage) statuses() (all []Status) {
	for _, subject := range []string{car, shop, camp} {
		all = append(all, Statuses(g.store, subject, g.now.UnixMilli())...)
	}
	return all
}

// place lists the subjects of a record of a type in a case.
func (g *stage) place(typ, id string) (subjects []string) {
	def := record.Lookup(typ)
	if c := g.caseOf(id); def.Case == Any && c != nil && c.Subject != camp {
		return []string{c.Subject}
	}
	for _, class := range def.Subjects[:min(len(def.Subjects), map[bool]int{true: 1, false: 2}[def.Subjects[0] == "vehicle"])] {
		subjects = append(subjects, map[string]string{"vehicle": car, "workshop": shop, "campaign": camp}[class])
	}
	return subjects
}

// refs are the newest records, as many as a record may name.
func (g *stage) refs() []string {
	all := slices.SortedFunc(maps.Keys(g.records), func(a, b string) int { return -cmp.Compare(g.records[a].Index, g.records[b].Index) })
	return all[:min(len(all), 32)]
}

// brings is an event that follows in a case, by somebody who may.
func (g *stage) brings(who, event, id string) string {
	g.t.Helper()
	return g.does(who, typeOf(event), bodies[event](g, id), more{attach: papers, refs: g.refs(), on: g.place(typeOf(event), id)})
}

func (g *stage) wait(d time.Duration) { g.now = g.now.Add(d) }

const day = 24 * time.Hour

// more is what an envelope may hold beside the body.
type more struct {
	attach []string // kinds
	refs   []string
	at     string // event time
	on     []string
}

func obj(pairs ...any) jcs.Value {
	var fields []jcs.Field
	for i := 0; i < len(pairs); i += 2 {
		var v jcs.Value
		switch p := pairs[i+1].(type) {
		case string:
			if p == "" {
				continue
			}
			v = jcs.Text(p)
		case int:
			v = jcs.Number(int64(p))
		case []string:
			v = jcs.Texts(p)
		case jcs.Value:
			v = p
		default:
			panic(p)
		}
		fields = append(fields, jcs.Field{Name: pairs[i].(string), Value: v})
	}
	return jcs.Make(fields...)
}

// write makes a record; it may not stand anywhere yet.
func (g *stage) write(who, typ string, body jcs.Value, m more) *record.Record {
	g.t.Helper()
	member, actor, _ := strings.Cut(who, ":")
	g.ids++
	sum := sha256.Sum256(fmt.Append(nil, g.ids))
	at, on := m.at, m.on
	if at == "" {
		at = g.now.Format("2006-01-02T15:04:05Z")
	}
	if on == nil {
		on = []string{car}
	}
	var fields []jcs.Field
	var list []jcs.Value
	for _, kind := range m.attach {
		list = append(list, obj("bytes", 9, "digest", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "kind", kind, "media_type", "image/jpeg", "salted", jcs.Boolean(false)))
	}
	if list != nil {
		fields = append(fields, jcs.Field{Name: "attachments", Value: jcs.Array(list...)})
	}
	if m.refs != nil {
		fields = append(fields, jcs.Field{Name: "refs", Value: jcs.Texts(m.refs)})
	}
	text, err := record.Draft{
		Actor: actor, Author: member, Body: body, Captured: g.now.Format("2006-01-02T15:04:05Z"), EventTime: at,
		ID: record.FormatUUID(record.UUIDv7(g.now.UnixMilli(), [16]byte(sum[:16]))), Origin: "milepost.example/demo/" + strings.Repeat("0", 40),
		Precision: "second", Subjects: on, Type: typ, More: fields,
	}.Text()
	if err != nil {
		g.t.Fatalf("%s by %s: %v\n%s", typ, who, err, body.Bytes())
	}
	// Cases leave signatures to others; this one has the form of one.
	note := (&certs.Note{Text: text, Sigs: []certs.Sig{{Name: member, ID: 1, Bytes: make([]byte, 64)}}}).Bytes()
	r, err := record.Open(note)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

func hashOf(r *record.Record) string { return hex.EncodeToString(r.Hash[:]) }

func (g *stage) facts(r *record.Record) *Facts {
	who := r.Author
	if r.Actor != "" {
		who += ":" + r.Actor
	}
	p := players[who]
	f := &Facts{
		Index: g.index, Time: g.now.UnixMilli(), Author: Party{r.Author, r.Actor}, Kinds: p.kinds, Roles: p.roles,
		Zone: "Europe/Paris", Calendar: "europe_paris", Rules: 1, Bounds: DefaultBounds(),
		Calendars: []Calendar{{ID: "europe_paris", Zone: "Europe/Paris", Weekend: []int64{6, 7}}},
		Tolerance: map[string]int64{"KMT": 100_000_000, "SMI": 100_000_000},
		Makers:    func(string) []string { return g.makers },
		Member: func(name string) ([]string, bool) {
			for who, p := range players {
				if member, _, _ := strings.Cut(who, ":"); member == name {
					return p.kinds, true
				}
			}
			return nil, false
		},
		Find: func(_, hash string) Found { return g.records[hash] },
	}
	if g.edit != nil {
		g.edit(f)
	}
	return f
}

// add puts a record on the log, if the cases let it.
func (g *stage) add(r *record.Record) error {
	if err := Apply(g.store, r, g.facts(r)); err != nil {
		return err
	}
	g.records[hashOf(r)] = Found{Record: r, Index: g.index, Time: g.now.UnixMilli()}
	g.index++
	return nil
}

// does is write and add, which must go well.
func (g *stage) does(who, typ string, body jcs.Value, m more) string {
	g.t.Helper()
	r := g.write(who, typ, body, m)
	if err := g.add(r); err != nil {
		g.t.Fatalf("%s by %s: %v", typ, who, err)
	}
	return hashOf(r)
}

// refused is write and add, which must end in a refusal and change nothing.
func (g *stage) refused(code, who, typ string, body jcs.Value, m more) error {
	g.t.Helper()
	before := g.snapshot()
	err := g.add(g.write(who, typ, body, m))
	if fault.Code(err) != code || err == nil {
		g.t.Errorf("%s by %s: %v (%s), want %s", typ, who, err, fault.Code(err), code)
	}
	if err != nil && g.snapshot() != before {
		g.t.Errorf("%s by %s was refused and changed something", typ, who)
	}
	return err
}

// snapshot is all that the store holds.
func (g *stage) snapshot() string { return snapshot(g.store) }

func snapshot(m *Memory) string {
	var out strings.Builder
	for _, v := range slices.Sorted(maps.Keys(m.cases)) {
		for _, h := range slices.Sorted(maps.Keys(m.cases[v])) {
			fmt.Fprintf(&out, "%s %s\n", v, Encode(m.cases[v][h]))
		}
	}
	for _, v := range slices.Sorted(maps.Keys(m.targets)) {
		for _, h := range slices.Sorted(maps.Keys(m.targets[v])) {
			fmt.Fprintf(&out, "%s %s\n", v, Encode(m.targets[v][h]))
		}
	}
	return out.String()
}

func reading(value int) jcs.Value {
	return obj("precision", "exact", "purpose", "service_in", "result", "read", "source", "visual", "unit", "KMT", "value", value)
}

func (g *stage) reads(who string, value int) string {
	g.t.Helper()
	return g.does(who, "odometer.reading/1", reading(value), more{})
}

// request is the body of a correction.requested.
func request(target, after string, value int) jcs.Value {
	return obj("after", after, "claim", obj("value", value), "field", "value", "for", "owner", "noticed_by", "owner", "reason", "digit_typo", "target", target)
}

func (g *stage) step(id string, more ...any) jcs.Value {
	prev := strings.Repeat("0", 64)
	if c := g.caseOf(id); c != nil {
		prev = c.Last
	}
	return obj(append([]any{"case", id, "prev", prev}, more...)...)
}

// decision is the body of a correction.decided.
func (g *stage) decision(id, outcome string, value int) jcs.Value {
	body := g.step(id, "outcome", outcome, "reasons", "the invoice shows it", "rules", 1)
	if outcome == "accepted" {
		body = body.With("effective", obj("value", value))
	}
	return body
}

func complaint(arbitrator string, targets ...string) jcs.Value {
	return obj("arbitrator", arbitrator, "claim", "rolled_back", "for", "buyer", "remedy", "that it does not count", "targets", targets)
}

// found is a list of findings: of each target the finding and, unless 0, what
// counts.
func found(pairs ...any) jcs.Value {
	var list []jcs.Value
	for i := 0; i < len(pairs); i += 3 {
		f := obj("finding", pairs[i+1].(string), "target", pairs[i].(string))
		if v := pairs[i+2].(int); v != 0 {
			f = f.With("effective", obj("value", v))
		}
		list = append(list, f)
	}
	return jcs.Array(list...)
}

func (g *stage) ruling(id string, findings jcs.Value) jcs.Value {
	return g.step(id, "findings", findings, "reasons", "the inspection shows more")
}

// effects are those on the car, in words; those of one record by their words.
func (g *stage) effects() string {
	var all []string
	index := map[string]uint64{}
	for _, e := range Effects(g.store, car) {
		s := e.Kind
		if e.Reason != "" {
			s += " " + e.Reason
		}
		if e.Value != nil {
			s += fmt.Sprint(" ", *e.Value)
		}
		all, index[s] = append(all, s), e.Index
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(index[a], index[b]), cmp.Compare(a, b)) })
	return strings.Join(all, ", ")
}

func (g *stage) effect(want string) {
	g.t.Helper()
	if got := g.effects(); got != want {
		g.t.Errorf("the effects are %q, want %q", got, want)
	}
}

func (g *stage) state(id, want string) {
	g.t.Helper()
	if got := g.caseOf(id); got == nil || got.State != want {
		g.t.Errorf("the case is %+v, want it %s", got, want)
	}
}

// note is a record's, as record.reattributed carries it.
func (g *stage) note(hash string) string {
	if g.records[hash].Record == nil { // of a case that is about no reading
		return base64.StdEncoding.EncodeToString(g.write("dealer.example", "odometer.reading/1", reading(1_000), more{}).Note)
	}
	return base64.StdEncoding.EncodeToString(g.records[hash].Record.Note)
}
