package cases

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// needs are what a step asks for, by the name that it has in a table; arg
// follows the name after a colon.
var needs = map[string]func(m *move, arg string) error{
	"target":        needTarget,
	"unopened":      needUnopened,
	"after":         needAfter,
	"changed":       needChanged,
	"unrepeated":    needUnrepeated,
	"proof":         needProof,
	"attachment":    (*move).needAttachment,
	"attachments":   (*move).needAttachment, // of whatever kind
	"window":        needWindow,
	"overdue":       needOverdue,
	"same_vehicle":  needSameVehicle,
	"other_vehicle": needOtherVehicle,
	"note":          needNote,
	"effective":     needEffective,
	"older_proof":   needOlderProof,
	"arbitrator":    needArbitrator,
	"once":          needOnce,
	"answer":        needAnswer,
	"findings":      needFindings,
	"other_member":  needOtherMember,
	"field":         (*move).needField,
	"first":         needFirst,
	"named":         needNamed,
	"reports":       needReports,
	"prior":         needPrior,
	"cover":         needCover,
	"lines":         needLines,
	"relied":        needRelied,
	"plan":          needPlan,
	"request":       needRequest,
	"claim":         needClaim,
	"drawing":       needDrawing,
	"order":         needOrder,
	"campaign":      needCampaign,
}

// conditions choose between steps that fit the same event.
var conditions = map[string]func(m *move, arg string) bool{
	"self":   selfCorrection,
	"was":    func(m *move, outcome string) bool { return m.c.Unclear || was(m.c.Decisions, outcome) },
	"unique": func(m *move, yes string) bool { return (m.r.Body.Get("unique").Int == 1) == (yes == "yes") },
}

// was reports whether the first decision of a case had an outcome.
func was(all []Decision, outcome string) bool { return len(all) > 0 && all[0].Outcome == outcome }

func missing(kind, at, what string) *fault.Error {
	return fault.New("case_needs", at, what+" ("+kind+")")
}

// attached counts the attachments of a kind, or all.
func (m *move) attached(kind string) int {
	n := 0
	for _, a := range m.r.Envelope.Get("attachments").List {
		if kind == "" || a.Get("kind").Str == kind {
			n++
		}
	}
	return n
}

func (m *move) needAttachment(kind string) error {
	if m.attached(kind) > 0 {
		return nil
	}
	if kind == "" {
		return missing("attachment", "attachments", "an attachment is missing").
			WithHint("attach what shows it, of whatever kind: milepost record new --attach invoice=FILE, or photo=FILE")
	}
	return missing(kind, "attachments", "an attachment of kind "+kind+" is missing").
		WithHint("attach the document: milepost record new --attach " + kind + "=FILE")
}

// targets finds what a case is opened about. That the records are there and
// stand before this one is the business of references; of a record that the
// file hides nothing is known.
func (m *move) targets() error {
	list := m.r.Body.Get("targets").Strings()
	if t := m.r.Body.Get("target"); t.Str != "" {
		list = []string{t.Str}
	}
	for _, hash := range list {
		if slices.ContainsFunc(m.c.Targets, func(t Target) bool { return t.Hash == hash }) {
			return missing("target", "body.targets", hash+" is named twice")
		}
		m.c.Targets = append(m.c.Targets, m.target(hash))
	}
	return nil
}

func (m *move) target(hash string) Target {
	found := m.f.Find("", hash)
	t := Target{Hash: hash, Index: found.Index, Time: found.Time}
	r := found.Record
	if r == nil {
		return t
	}
	t.Type, t.Author = r.Type, Party{r.Author, r.Actor}
	switch r.Type {
	case "odometer.reading/1":
		t.Reading = hash
	case "correction.requested/1":
		t.Decided = hash
	case "correction.decided/1", reattributed:
		t.Decided = r.Body.Get("case").Str
	}
	if t.Decided != "" {
		if c := m.s.Case(m.vehicle, t.Decided); c != nil && len(c.Targets) > 0 {
			t.Reading = c.Targets[0].Hash
		}
	}
	return t
}

// needTarget: every target is a record of this vehicle before this one, of a
// correction an odometer.reading.
func needTarget(m *move, _ string) error {
	if len(m.c.Targets) == 0 || len(m.c.Targets) > maxTargets {
		return missing("target", "body", fmt.Sprintf("1 to %d targets are needed", maxTargets))
	}
	for _, t := range m.c.Targets {
		found := m.f.Find("", t.Hash)
		switch {
		case found.Hidden:
			m.f.doubt("the record that its case is about is withheld")
		case found.Record == nil || !slices.Contains(vehicles(found.Record), m.vehicle) || found.Index >= m.f.Index,
			m.c.Claim != nil && found.Record.Type != "odometer.reading/1":
			return missing("target", "body", t.Hash+" is no record of this vehicle that a "+m.def.Name+" can be about")
		}
	}
	return nil
}

func needUnopened(m *move, _ string) error {
	t := m.standing(m.c.Targets[0].Hash)
	if t.Open == "" {
		return nil
	}
	if c := m.s.Case(m.vehicle, t.Open); c != nil && (c.Unclear || m.gap(c.LastIndex)) {
		m.f.doubt("withheld records may belong to an earlier case about the same reading")
		return nil
	}
	return fault.New("case_open", "body.target", "a correction of this reading is not decided yet: case "+t.Open).
		WithHint("bring evidence into that case, or wait for its decision")
}

// needAfter: a decided target takes another correction only after its newest
// decision, so that decisions form a chain.
func needAfter(m *move, _ string) error {
	after, last := m.r.Body.Get("after").Str, m.standing(m.c.Targets[0].Hash).Last
	if after == last {
		return nil
	}
	if after != "" && m.f.Find(m.c.Subject, after).Hidden {
		m.f.doubt("the decision that it follows is withheld")
		return nil
	}
	if last == "" {
		return missing("after", "body.after", after+" decided nothing about this reading")
	}
	return missing("after", "body.after", "this reading was decided about by "+last).WithHint("name that record in after")
}

// needChanged: a claim asks for something else than what counts already.
func needChanged(m *move, _ string) error {
	claim := m.c.Claim
	if claim.Field == "vehicle" || claim.Reason == "wrong_vehicle" || claim.Reason == "duplicate" && claim.Counts == (Counts{}) {
		return m.unchangedIf(m.now().out)
	}
	given := map[string]bool{"value": claim.Value != nil, "unit": claim.Unit != "", "event_time": claim.EventTime != ""}
	if !given[claim.Field] {
		return missing(claim.Field, "body.claim", "it does not say what "+claim.Field+" should count")
	}
	return m.unchangedIf(m.now().equals(claim.Counts))
}

func (m *move) unchangedIf(same bool) error {
	if !same || m.hidden() || m.gap(m.c.Targets[0].Index) {
		return nil // a withheld decision may have changed what counts
	}
	return fault.New("no_change", "body", "this is what counts already")
}

// needUnrepeated: what was rejected is not asked for again.
func needUnrepeated(m *move, _ string) error {
	before := m.s.Case(m.vehicle, m.standing(m.c.Targets[0].Hash).Case)
	if before != nil && before.Claim != nil && before.State == "rejected" && before.Claim.same(m.c.Claim) {
		return fault.New("case_repeated", "body.claim", "the same claim was rejected in case "+before.ID).
			WithHint("open a dispute about that decision: dispute.opened/1")
	}
	return nil
}

func (c *Claim) same(o *Claim) bool {
	return c.Field == o.Field && c.Unit == o.Unit && c.EventTime == o.EventTime &&
		(c.Value == nil) == (o.Value == nil) && (c.Value == nil || *c.Value == *o.Value)
}

// needProof: an attachment, except from the author of a reading soon after
// it, when nobody else has decided about it.
func needProof(m *move, _ string) error {
	t := m.c.Targets[0]
	soon := m.wroteTarget(m.f.Author.Member) && m.f.Time-t.Time <= m.f.bound("correction_self_hours")*3600_000
	if soon && m.standing(t.Hash).Last == "" || m.hidden() && m.attached("") == 0 {
		return nil
	}
	return m.needAttachment("")
}

// needWindow: the case's window of a name is open. The one in which an author
// corrects itself is asked of a request that brings no evidence.
func needWindow(m *move, name string) error {
	if name == "self" {
		if m.attached("") > 0 || !m.wroteTarget(m.f.Author.Member) || m.f.Time <= m.selfEnd() {
			return nil
		}
		return closed(m.selfEnd()).WithHint("attach evidence, then the maker decides")
	}
	if t := m.c.clock(name); t != nil && m.f.Time > t.Target {
		return closed(t.Target).WithHint("a dispute about it may still be opened: dispute.opened/1")
	}
	return nil
}

func closed(end int64) *fault.Error {
	return fault.New("window_closed", "", "the time for this ended at "+logTime(end))
}

func needOverdue(m *move, name string) error {
	if t := m.c.clock(name); t != nil && m.f.Time <= t.Target && !m.c.Unclear {
		return fault.New("case_state", "type", fmt.Sprintf("the %s is not overdue before %s", name, logTime(t.Target)))
	}
	return nil
}

func (m *move) aboutVehicle() bool { return m.c.Claim.aboutVehicle() }

// aboutVehicle reports whether a correction says that the reading is another
// vehicle's.
func (c *Claim) aboutVehicle() bool {
	return c != nil && (c.Field == "vehicle" || c.Reason == "wrong_vehicle")
}

func needSameVehicle(m *move, _ string) error {
	if m.aboutVehicle() {
		return missing(reattributed, "type", "a reading of another vehicle is given to that one, or to none, by record.reattributed")
	}
	return nil
}

// needOtherVehicle: the case is about that, and the record is in the history
// of the vehicle that it names, and in no third one's.
func needOtherVehicle(m *move, _ string) error {
	if !m.aboutVehicle() {
		return fault.New("case_state", "type", "the correction does not say that the reading is another vehicle's")
	}
	to := record.VehicleSubject(m.r.Body.Get("to_vehicle").Str)
	for _, v := range vehicles(m.r) {
		if v != m.vehicle && v != to || to == m.vehicle {
			return missing("to_vehicle", "body.to_vehicle", "it names the vehicle, not that of the case, whose history the record is in")
		}
	}
	return nil
}

// needNote: the record carries the very reading that the case is about.
func needNote(m *move, _ string) error {
	if carried, err := m.r.Carried(); err != nil || hex.EncodeToString(carried.Hash[:]) != m.c.Targets[0].Hash {
		return missing("note", "body.note", "it is not the note of the reading that the case is about")
	}
	return nil
}

// needEffective: an accepted correction says what counts.
func needEffective(m *move, _ string) error {
	effective := countsOf(m.r.Body.Get("effective"))
	if effective == (Counts{}) {
		if m.c.Claim.Reason == "duplicate" {
			return nil
		}
		return missing("effective", "body.effective", "it does not say what counts now")
	}
	return m.unchangedIf(m.now().equals(effective))
}

// needOlderProof: for the mileage to fall, something not younger than the
// disputed reading must speak for it.
func needOlderProof(m *move, _ string) error {
	effective := countsOf(m.r.Body.Get("effective"))
	target := m.f.Find("", m.c.Targets[0].Hash)
	if target.Record == nil {
		return nil // its value is hidden; needTarget has said so
	}
	if by := m.now().change(effective); by >= 0 || m.attached("") > 0 {
		return nil
	}
	hidden := m.gap(m.c.Targets[0].Index)
	for _, ref := range m.r.Envelope.Get("refs").Strings() {
		found := m.f.Find("", ref)
		hidden = hidden || found.Hidden
		if r := found.Record; r != nil && r.Vehicle() == m.vehicle && ref != m.c.Targets[0].Hash && !r.EventTime.After(target.Record.EventTime) {
			return nil
		}
	}
	if hidden {
		m.f.doubt("what it relies on may be withheld")
		return nil
	}
	return missing("refs", "refs", "the mileage falls: a record or document not younger than the disputed reading is missing").
		WithHint("name the record in refs, or attach the document")
}

// needArbitrator: a member of kind ARB that wrote nothing of what it is to
// judge.
func needArbitrator(m *move, _ string) error {
	kinds, known := m.f.Member(m.c.Arbitrator)
	switch {
	case !known && m.f.Partial:
		m.f.doubt("that " + m.c.Arbitrator + " is an arbitrator is not shown by the file")
	case !slices.Contains(kinds, "ARB"):
		return missing("arbitrator", "body.arbitrator", m.c.Arbitrator+" is no member of kind ARB")
	}
	if m.wroteTarget(m.c.Arbitrator) || m.c.Arbitrator == m.c.Opener.Member {
		return missing("arbitrator", "body.arbitrator", m.c.Arbitrator+" would judge its own case")
	}
	return nil
}

func needOnce(m *move, _ string) error {
	if parties["answerer's member"](m) {
		return fault.New("case_state", "author", m.f.Author.Member+" has answered")
	}
	return nil
}

func needAnswer(m *move, _ string) error {
	if m.r.Body.Get("position").Str != "denies" {
		return nil
	}
	return m.needAttachment("answer")
}

// needFindings: one for each target, and what counts only where a reading is
// found not to be actual.
func needFindings(m *move, _ string) error {
	found := map[string]bool{}
	for i, f := range m.r.Body.Get("findings").List {
		at := fmt.Sprintf("body.findings[%d]", i)
		j := slices.IndexFunc(m.c.Targets, func(t Target) bool { return t.Hash == f.Get("target").Str })
		if j < 0 || found[f.Get("target").Str] {
			return missing("finding", at+".target", "it is none of the case's targets, or is named twice")
		}
		t := m.c.Targets[j]
		found[t.Hash] = true
		if f.Has("effective") && (f.Get("finding").Str != "not_actual" || t.Reading == "" && t.Type != "") {
			return missing("finding", at+".effective", "what counts is said of a reading that is not_actual, and of nothing else")
		}
	}
	if len(found) < len(m.c.Targets) {
		return missing("finding", "body.findings", fmt.Sprintf("%d of %d targets have no finding", len(m.c.Targets)-len(found), len(m.c.Targets)))
	}
	return nil
}

// needOtherMember: where the rules ask for it, an appeal goes to another
// arbitrator.
func needOtherMember(m *move, _ string) error {
	if m.f.bound("dispute_appeal_other_member") == 0 {
		return nil
	}
	for _, d := range m.c.Decisions {
		if d.By.Member == m.f.Author.Member {
			return fault.New("case_author", "author", d.By.Member+" has taken the decision itself")
		}
	}
	return nil
}
