package cases

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// move is one record on its way into a case.
type move struct {
	s       Store
	r       *record.Record
	f       *Facts
	vehicle string // subject vehicle/...; "" of a campaign
	subject string // under which the case is kept
	hash    string // of r, hex
	def     *Case
	c       *State // as it will be
	opening bool
	touched map[string]*Standing
	also    []*State // other cases that change with it
}

// Apply takes a record into the case that it opens or belongs to; a record
// that belongs to none changes nothing. A refused record changes nothing
// either: case_unknown, case_moved, case_state, case_author, case_needs,
// case_open, case_repeated, no_change, window_closed, case_full.
//
// Where the facts are partial, what cannot be decided is let through and said
// in f.Doubts.
func Apply(s Store, r *record.Record, f *Facts) error {
	if r.Def == nil || r.Def.Case == "" {
		return nil
	}
	m := &move{s: s, r: r, f: f, hash: hex.EncodeToString(r.Hash[:]), vehicle: r.Vehicle(), touched: map[string]*Standing{}}
	if m.def = Lookup(r.Def.Case); m.def != nil && m.def.opens(r) {
		return m.open()
	}
	return m.follow()
}

// open begins a case.
func (m *move) open() error {
	b := m.r.Body
	m.opening = true
	m.subject = m.r.Subject(m.def.In)
	if c := m.s.Case(m.subject, m.caseID()); c != nil {
		return m.moved(c)
	}
	m.c = &State{
		ID: m.caseID(), Kind: m.def.Name, Subject: m.subject, Opener: m.f.Author, For: b.Get("for").Str, Index: m.f.Index, Time: m.f.Time,
		Calendar: m.f.Calendar, Zone: m.f.Zone, Arbitrator: b.Get("arbitrator").Str,
	}
	if claim := b.Get("claim"); b.Has("field") {
		m.c.Claim = &Claim{Field: b.Get("field").Str, Reason: b.Get("reason").Str, Counts: countsOf(claim)}
	} else {
		m.c.Says = claim.Str
	}
	if err := m.targets(); err != nil {
		return err
	}
	switch first := m.c.Targets; {
	case len(first) == 1 && m.hidden():
		m.c.Unclear = true // who may bring what next hangs on the target
	case len(first) > 0 && m.gap(first[0].Index):
		m.f.doubt("records are withheld before it that may have decided about the same")
	}
	return m.step()
}

// follow takes a later record into its case.
func (m *move) follow() error {
	id := m.r.Body.Get("case").Str
	for _, subject := range m.r.Subjects {
		c := m.s.Case(subject, id)
		if c == nil || m.c != nil && c.Kind != m.r.Def.Case || c.Kind == recall.Name && m.r.Def.Case == c.Kind && !m.r.Lists(c.Campaign) {
			continue
		}
		m.subject, m.c = subject, c
		if strings.HasPrefix(subject, "vehicle/") {
			m.vehicle = subject
		}
	}
	if m.c == nil {
		if m.mayBeHidden(id) {
			return m.unseen()
		}
		return fault.New("case_unknown", "body.case", id+" opened no case of this vehicle").
			WithHint("take the id from milepost case list VIN: it is the leaf hash of the record that opened the case, and the record names the case's vehicle")
	}
	if m.def = Lookup(m.c.Kind); m.r.Def.Case != Any && m.r.Def.Case != m.c.Kind {
		return fault.New("case_state", "type", fmt.Sprintf("the case is a %s, to which no %s belongs", m.c.Kind, m.r.Type))
	}
	if prev := m.r.Body.Get("prev").Str; prev != m.c.Last {
		if !m.f.Find(m.c.Subject, prev).Hidden {
			return m.moved(m.c)
		}
		m.c.Unclear = true
	}
	switch {
	case m.c.Unclear:
		m.f.doubt("a record of its case is withheld")
	case m.gap(m.c.LastIndex):
		m.f.doubt("records are withheld before it that may belong to its case")
	}
	return m.step()
}

// mayBeHidden reports whether the record that opened the case may be one
// whose contents are not known.
func (m *move) mayBeHidden(id string) bool {
	if m.def != nil && m.def.Under != "" {
		m.subject = m.r.Subject(m.def.In)
		return m.gap(0)
	}
	return slices.ContainsFunc(m.r.Subjects, func(s string) bool { return m.f.Find(s, id).Hidden })
}

func (m *move) moved(c *State) error {
	return fault.New("case_moved", "body.prev", "the newest record of the case is "+c.Last).
		WithHint("look at what came in between, and sign anew with that as prev")
}

// gap reports whether records of the case's history are withheld between an
// earlier one and this.
func (m *move) gap(from uint64) bool { return m.f.Gap != nil && m.f.Gap(m.subject, from, m.f.Index) }

// vehicles lists the vehicles that a record is about, by their subjects.
func vehicles(r *record.Record) []string {
	var all []string
	for _, s := range r.Subjects {
		class, rest, _ := strings.Cut(s, "/")
		if v := record.VehicleSubject(rest); (class == "vehicle" || class == "workshop" || class == "access") && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// step finds the transition, checks who and what, and takes it.
func (m *move) step() error {
	st, err := m.find()
	if err != nil {
		return err
	}
	if err := m.who(st); err != nil {
		return err
	}
	for need := range strings.FieldsSeq(st.Needs) {
		name, arg, _ := strings.Cut(need, ":")
		if err := needs[name](m, arg); err != nil {
			return err
		}
	}
	from := m.c.State
	if st.To != "" {
		m.c.State = st.To
	}
	if m.clocks(m.c, m.def, from); len(m.c.Clocks) > maxClocks {
		return fault.New("case_full", "type", "this case has gone back and forth too often").WithHint("decide it, or withdraw it")
	}
	if m.def.settle != nil {
		if err := m.def.settle(m); err != nil {
			return err
		}
	}
	there, err := m.arrive()
	if err != nil {
		return err
	}
	m.c.Last, m.c.LastIndex = m.hash, m.f.Index
	// Nothing is refused from here on.
	m.s.SetCase(m.subject, m.c)
	for _, c := range m.also {
		m.s.SetCase(c.Subject, c)
	}
	for _, t := range m.touched {
		m.s.SetTarget(m.vehicle, t)
	}
	if there != nil {
		m.s.SetTarget(m.newVehicle(), there)
	}
	return nil
}

// unseen takes in a record of a case of which nothing is shown. That a
// reading was given to this vehicle is told all the same; who may say so is
// known from the vehicle that it comes from.
func (m *move) unseen() error {
	m.f.doubt("the record that opened its case is not shown")
	if m.r.Type != reattributed {
		return nil
	}
	m.def = correction
	for _, v := range vehicles(m.r) {
		if v != m.newVehicle() {
			m.vehicle = v
		}
	}
	if !m.is("maker:support|ARB:arbitrator") {
		return m.refuseAuthor(&Step{On: m.r.Type}, "it is for: "+partyWords["maker:support"]+", or "+partyWords["ARB:arbitrator"])
	}
	there, err := m.arrive()
	if err == nil && there != nil {
		m.s.SetTarget(m.newVehicle(), there)
	}
	return err
}

// find is the first step from where the case is, for this event.
func (m *move) find() (*Step, error) {
	event := eventOf(m.r)
	var takes []string
	for i := range m.def.Steps {
		st := &m.def.Steps[i]
		// In a case with hidden records any state may have been reached.
		if (st.From == "") != m.opening || !among(st.From, m.c.State) && !m.c.Unclear {
			continue
		}
		if (st.On == m.r.Type || st.On == event) && m.holds(st.If) {
			return st, nil
		}
		if !slices.Contains(takes, st.On) {
			takes = append(takes, st.On)
		}
	}
	e := fault.New("case_state", "type", fmt.Sprintf("the %s is %s: it takes no %s", m.def.Name, m.def.States[m.c.State], strings.TrimSuffix(event, ":")))
	if len(takes) == 0 {
		return nil, e.WithHint("the case is closed; a new one may be opened")
	}
	return nil, e.WithHint("it takes: " + strings.Join(takes, ", "))
}

// holds reports whether a condition holds.
func (m *move) holds(condition string) bool {
	name, arg, _ := strings.Cut(condition, ":")
	return name == "" || conditions[name](m, arg)
}

// clocks ends those that a step of a case leaves, sets those that it enters,
// and has those stand, or run on, that only rest.
func (m *move) clocks(c *State, kind *Case, from string) {
	for _, def := range kind.Clocks {
		was, is := from != "" && among(def.In, from), among(def.In, c.State)
		stood, stands := from != "" && among(def.Stands, from), among(def.Stands, c.State)
		t := newest(c.Clocks, func(t *ClockTime) bool { return t.Name == def.Name && t.Met == 0 })
		switch {
		case t != nil && was && stands:
			t.Paused = m.f.Time
		case t != nil && stood && is:
			m.resume(c, t, def)
		case t != nil && (was || stood) && !is && !stands:
			t.Met = m.f.Time
		case is && !was && m.holds(def.If):
			c.Clocks = append(c.Clocks, m.set(c, def))
		}
	}
}

// resume has a clock run on: the days that were left when it stopped are left
// from now on. What was overdue stays so.
func (m *move) resume(c *State, t *ClockTime, def Clock) {
	days := calendar(m.f.Calendars, c.Calendar, c.Zone)
	for _, bound := range []*int64{&t.Target, &t.Breach} {
		if *bound >= t.Paused {
			*bound = days.Due(m.f.Time, days.Left(t.Paused, *bound, def.Working), def.Working)
		}
	}
	t.Paused = 0
}

func (m *move) set(c *State, def Clock) ClockTime {
	days := calendar(m.f.Calendars, c.Calendar, c.Zone)
	due := func(bound string) int64 {
		return days.Due(m.f.Time, m.f.bound(c.Kind+"_"+def.Name+"_"+bound), def.Working)
	}
	t := ClockTime{Name: def.Name, Set: m.f.Time, Window: def.Window, Rules: m.f.Rules}
	if def.Window {
		t.Target = due("window")
	} else {
		t.Target, t.Breach = due("target"), due("breach")
	}
	return t
}

// clock is the newest of a name; nil if there is none.
func (c *State) clock(name string) *ClockTime {
	return newest(c.Clocks, func(t *ClockTime) bool { return t.Name == name })
}

// newest is the last of a list, kept in the order of the log, that fits; nil
// if none does.
func newest[T any](list []T, fits func(*T) bool) *T {
	for i := range slices.Backward(list) {
		if fits(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

// standing is that of a target, to be kept with the case.
func (m *move) standing(hash string) *Standing {
	t := m.touched[hash]
	if t == nil {
		if t = m.s.Target(m.vehicle, hash); t == nil {
			t = &Standing{Hash: hash}
		}
		m.touched[hash] = t
	}
	return t
}
