package verify

import (
	"math"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

// CaseFacts are what a step of a case is decided from, at a place of the log
// whose authority this is. Check has let the record through. Whoever asks
// adds Find.
func (a *Authority) CaseFacts(r *record.Record, at Place) *cases.Facts {
	rules := &a.Governance.Rules
	tolerance := judge.ParamsOf(rules.Judgement)
	f := &cases.Facts{
		Index: at.Index, Time: at.Time, Author: cases.Party{Member: r.Author, Actor: r.Actor},
		Makers: a.makers, Member: a.kindsOf,
		Rules: rules.Version, Bounds: rules.Cases, Calendars: rules.Calendars,
		Tolerance: map[string]int64{"KMT": tolerance.TolKMT * 1000, "SMI": tolerance.TolSMI * 1000},
	}
	m := a.Members[r.Author]
	f.Kinds, f.Roles, f.Zone, f.Calendar = m.Kinds, m.Roles[r.Actor], m.Zone, m.Calendar
	if k := a.Key(r); k != nil && k.Device != nil {
		f.Kinds, f.Roles = []string{record.WriterDevice}, nil
	}
	return f
}

// makers are the members that stand for the maker of a vehicle, sorted.
func (a *Authority) makers(vehicle string) []string {
	vin := strings.TrimPrefix(vehicle, "vehicle/")
	var names []string
	for _, m := range a.Members {
		if contains(m.Kinds, "MFR") && m.makes(vin) {
			names = append(names, m.Name)
		}
	}
	if central := a.Governance.Rules.CentralSupport; len(names) == 0 && central != "" {
		return []string{central}
	}
	slices.Sort(names)
	return names
}

// NoticeHistories are the notices that matter to a vehicle, given by its
// subject: what its makers announced, whose service plans it is held against,
// and what the authors of its records did, who may have declared outages.
func (a *Authority) NoticeHistories(vehicle string, authors []string) (subjects, makers []string) {
	makers = a.makers(vehicle)
	for _, name := range slices.Concat(makers, authors) {
		subjects = append(subjects, "notice/"+name)
	}
	slices.Sort(subjects)
	return slices.Compact(subjects), makers
}

func (a *Authority) kindsOf(member string) ([]string, bool) {
	if m := a.Members[member]; m != nil {
		return m.Kinds, true
	}
	return nil, false
}

// caseStep takes a record of the vehicle into its case, at its own place in
// the replay.
func (c *check) caseStep(s *shown, at Place) error {
	if s.rec.Def.Case == "" {
		return nil
	}
	f := c.auth.CaseFacts(s.rec, at)
	f.Partial, f.Gap = true, c.gap
	f.Find = func(subject, hash string) cases.Found { return c.find(s, subject, hash) }
	err := cases.Apply(c.casework, s.rec, f)
	s.doubts = f.Doubts
	return err
}

// find looks for a record that stands before s in a history of the file, in
// any of the vehicle's if it is "". It is hidden if it is withheld, or may
// stand in a history that the file lacks.
func (c *check) find(s *shown, history, hash string) cases.Found {
	histories := []string{history}
	if history == "" {
		histories = historiesAbout(c.file.Subject)
	}
	lacking := false
	for _, h := range histories {
		lacking = lacking || c.file.History(h) == nil
		e, ok := c.byHash[h+" "+hash]
		if !ok || e.Index >= s.entry.Index {
			continue
		}
		found := cases.Found{Index: e.Index, Time: e.Time, Hidden: e.Note == nil}
		if e.Note != nil {
			found.Record = c.all[e.Index].rec
		}
		return found
	}
	return cases.Found{Hidden: lacking}
}

// gap reports whether entries of a history are withheld between two log
// indices, or all of them because the file lacks it.
func (c *check) gap(history string, from, to uint64) bool {
	h := c.file.History(history)
	return h == nil || slices.ContainsFunc(h.Entries, func(e FileEntry) bool {
		return e.Note == nil && e.Index > from && e.Index < to
	})
}

// leaveOpen says of the cases that withheld records may have moved on after
// their newest shown one that how they stand is not known.
func (c *check) leaveOpen() {
	for _, history := range historiesAbout(c.file.Subject) {
		for _, s := range c.casework.Cases(history) {
			if !s.Closed() && c.gap(history, s.LastIndex, math.MaxUint64) {
				s.Unclear = true
				c.casework.SetCase(history, s)
			}
		}
	}
}

func inDoubt(doubts []string) string {
	return "its case is not checked in full: " + strings.Join(doubts, "; ")
}
