package cases

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

const reattributed = "record.reattributed/1"

// millimetres to a unit of mileage.
var millimetres = map[string]int64{"KMT": 1_000_000, "SMI": 1_609_344}

func countsOf(v jcs.Value) Counts {
	c := Counts{Unit: v.Get("unit").Str, EventTime: v.Get("event_time").Str}
	if n := v.Get("value"); n.Kind == jcs.Int {
		c.Value = &n.Int
	}
	return c
}

// present is what counts of a reading now.
type present struct {
	value     *int64
	unit      string
	eventTime string
	out       bool // it does not count at all
}

// now is what counts of the case's first target before this record.
func (m *move) now() present {
	var p present
	t := m.c.Targets[0]
	if r := m.f.Find("", t.Hash).Record; r != nil {
		c := countsOf(r.Body)
		p = present{value: c.Value, unit: c.Unit, eventTime: r.Envelope.Get("event_time").Str}
	}
	for _, e := range m.standing(t.Hash).net() {
		switch e.Kind {
		case Excluded:
			p.out = true
		case Replaced:
			p = p.with(Counts{e.Value, e.Unit, e.EventTime})
		}
	}
	return p
}

func (p present) with(c Counts) present {
	if c.Value != nil {
		p.value = c.Value
	}
	if c.Unit != "" {
		p.unit = c.Unit
	}
	if c.EventTime != "" {
		p.eventTime = c.EventTime
	}
	return p
}

// equals reports whether a claim would leave all as it is.
func (p present) equals(c Counts) bool {
	n := p.with(c)
	return !p.out && n.unit == p.unit && n.eventTime == p.eventTime && n.mm() == p.mm() && (n.value == nil) == (p.value == nil)
}

func (p present) mm() int64 {
	if p.value == nil {
		return 0
	}
	return *p.value * millimetres[p.unit]
}

// change is by how many millimetres a claim raises the mileage.
func (p present) change(c Counts) int64 { return p.with(c).mm() - p.mm() }

// hidden reports whether the first target's contents are not known.
func (m *move) hidden() bool { return m.f.Find("", m.c.Targets[0].Hash).Hidden }

// selfCorrection reports whether an author puts its own reading right, which
// nobody else needs to decide: soon, once, and not to take mileage away.
func selfCorrection(m *move, _ string) bool {
	t := m.c.Targets[0]
	if !m.wroteTarget(m.f.Author.Member) || m.r.Body.Has("after") || m.standing(t.Hash).Last != "" || m.aboutVehicle() || m.f.Time > m.selfEnd() {
		return false
	}
	if m.f.Time-t.Time <= m.f.bound("correction_self_hours")*3600_000 {
		return true
	}
	now := m.now()
	return m.c.Claim.Counts != (Counts{}) && now.value != nil && now.change(m.c.Claim.Counts) >= -m.f.Tolerance[now.unit]
}

// selfEnd is the end of the window in which an author corrects itself.
func (m *move) selfEnd() int64 {
	return calendar(m.f.Calendars, m.c.Calendar, m.c.Zone).Due(m.c.Targets[0].Time, m.f.bound("correction_self_window"), false)
}

func settleCorrection(m *move) error {
	reading := m.c.Targets[0].Hash
	if !m.def.closed(m.c.State) {
		if m.opening {
			m.standing(reading).Open = m.c.ID
		}
		return nil
	}
	t := m.standing(reading)
	if t.Open == m.c.ID {
		t.Open = ""
	}
	if m.c.State == "withdrawn" {
		return nil
	}
	t.Last, t.Case = m.hash, m.c.ID
	m.c.Decisions = append(m.c.Decisions, Decision{Hash: m.hash, By: m.f.Author, Index: m.f.Index, Time: m.f.Time, Outcome: m.c.State})
	if m.c.State == "rejected" {
		return nil
	}
	e := m.effect(Replaced, reading)
	counts := countsOf(m.r.Body.Get("effective"))
	if m.opening {
		counts = m.c.Claim.Counts
	}
	switch {
	case m.r.Type == reattributed:
		e.Kind, e.Reason = Excluded, "wrong_vehicle"
	case counts == (Counts{}):
		e.Kind, e.Reason = Excluded, "duplicate"
	default:
		e.Value, e.Unit, e.EventTime = counts.Value, counts.Unit, counts.EventTime
	}
	if err := t.add(e); err != nil {
		return err
	}
	if a := m.r.Body.Get("admits"); a.Kind == jcs.Object {
		e := m.effect(Admitted, "")
		c := countsOf(a)
		e.Value, e.Unit, e.EventTime, e.Precision, e.Author = c.Value, c.Unit, c.EventTime, a.Get("precision").Str, m.f.Author.Member
		return t.add(e)
	}
	return nil
}

func settleDispute(m *move) error {
	switch m.r.Type {
	case "dispute.answered/1":
		m.c.Answered = append(m.c.Answered, m.f.Author)
	case "dispute.decided/1", "dispute.appeal_decided/1":
		return m.findings(m.r.Body.Get("outcome").Str)
	}
	return nil
}

// findings puts the findings of a decision in force.
func (m *move) findings(outcome string) error {
	d := Decision{Hash: m.hash, By: m.f.Author, Index: m.f.Index, Time: m.f.Time, Outcome: outcome, Finding: map[string]string{}}
	for _, f := range m.r.Body.Get("findings").List {
		d.Finding[f.Get("target").Str] = f.Get("finding").Str
	}
	m.c.Decisions = append(m.c.Decisions, d)
	if outcome == "upheld" {
		return nil // the decision stands, and what it found
	}
	for _, f := range m.r.Body.Get("findings").List {
		if err := m.finding(f); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) finding(f jcs.Value) error {
	i := slices.IndexFunc(m.c.Targets, func(t Target) bool { return t.Hash == f.Get("target").Str })
	target := m.c.Targets[i]
	if target.Reading == "" {
		return nil // nothing that counts hangs on it
	}
	t := m.standing(target.Reading)
	t.drop(m.c.ID) // what an appeal overturns
	counts := countsOf(f.Get("effective"))
	e := m.effect(Confirmed, target.Reading)
	switch finding := f.Get("finding").Str; {
	case finding == "undetermined":
		return nil
	case finding == "actual" && target.Decided != "":
		t.Last, t.Case = m.hash, m.c.ID
		return nil // the decision that was disputed stands
	case finding == "actual":
	case counts != (Counts{}):
		e.Kind, e.Value, e.Unit, e.EventTime = Replaced, counts.Value, counts.Unit, counts.EventTime
	case target.Decided != "":
		t.drop(target.Decided)
		t.Last, t.Case = m.hash, m.c.ID
		return nil
	default:
		e.Kind, e.Reason = Excluded, "not_actual"
	}
	t.Last, t.Case = m.hash, m.c.ID
	return t.add(e)
}

// newVehicle is the vehicle that a reading is given to, "" for none.
func (m *move) newVehicle() string {
	if to := m.r.Body.Get("to_vehicle").Str; to != "" && m.r.Type == reattributed {
		return record.VehicleSubject(to)
	}
	return ""
}

// arrive is what is kept with the vehicle that a reading is given to; nil
// for none.
func (m *move) arrive() (*Standing, error) {
	to := m.newVehicle()
	if to == "" {
		return nil, nil
	}
	reading, err := m.r.Carried()
	if err != nil {
		return nil, err
	}
	hash := hex.EncodeToString(reading.Hash[:])
	t := m.s.Target(to, hash)
	if t == nil {
		t = &Standing{Hash: hash}
	}
	e := m.effect(Reattributed, hash)
	e.Note = string(reading.Note)
	return t, t.add(e)
}

func (m *move) effect(kind, target string) Effect {
	return Effect{Target: target, By: m.hash, Case: m.caseID(), Index: m.f.Index, Kind: kind}
}

func (m *move) caseID() string {
	if id := m.r.Body.Get("case").Str; id != "" {
		return id
	}
	return m.hash
}

// add puts a decision's effect on a target last.
func (t *Standing) add(e Effect) error {
	if len(t.Effects) >= maxDecisions {
		return fault.New("case_full", "body", "too many decisions are in force on this reading")
	}
	t.Effects = append(t.Effects, e)
	return nil
}

// drop takes out what the decisions of a case did.
func (t *Standing) drop(id string) {
	t.Effects = slices.DeleteFunc(t.Effects, func(e Effect) bool { return e.Case == id })
}

// net is what the decisions on a target come to: each in its order, the last
// one counts.
func (t *Standing) net() []Effect {
	var left []Effect
	for _, e := range t.Effects {
		left = slices.DeleteFunc(left, func(before Effect) bool {
			switch e.Kind {
			case Replaced, Excluded:
				return before.Kind == Excluded || before.Kind == Confirmed || before.Kind == Replaced && e.Kind == Excluded
			case Confirmed:
				return before.Kind == Excluded || before.Kind == Confirmed
			}
			return false
		})
		left = append(left, e)
	}
	return left
}

func logTime(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z") }
