package page

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

// remark is one thing to know of a record: in a line of the overview, and in
// full where the record stands.
type remark struct{ brief, long string }

// marksOf says what to know of a record beside its verdict.
func marksOf(in *Input, e *entry) (rs []remark) {
	if e.res.Verdict != verify.Valid {
		rs = append(rs, remark{string(e.res.Verdict), verdictOf(e.res)})
	}
	for _, f := range e.res.Flags {
		if f == verify.CapturedAhead {
			rs = append(rs, remark{"signed, by its author's clock, after it was entered", "By its author's clock it was signed more than a day after the log took it: that clock was wrong."})
		}
	}
	if in.Report.Meaning == nil {
		return rs
	}
	for _, m := range in.Report.Meaning.Marks[e.hash] {
		if r := markText(in.Unit, m); r.brief != "" {
			rs = append(rs, r)
		}
	}
	return rs
}

func markText(unit render.Unit, m verify.Mark) remark {
	decided := fmt.Sprintf("by the decision at log index %s", record.Thousands(int64(m.Index)))
	switch m.Code {
	case verify.MarkLate, verify.MarkVeryLate:
		return remark{"entered late: " + span(m.Seconds) + " after", "It came into the log " + span(m.Seconds) + " after the event, later than the rules expect."}
	case verify.MarkAhead:
		return remark{"dated ahead of its entry", "Its event time lies " + span(max(m.Seconds, -m.Seconds)) + " after its log time."}
	case verify.MarkCorrected:
		s := value(unit, m.Effective) + " counts " + decided + "; " + value(unit, m.Entered) + " was entered"
		return remark{"corrected: " + s, "Corrected. " + sentence(s)}
	case verify.MarkExcluded:
		s := "does not count " + decided + ": " + clean(judge.ExclusionText(m.Reason))
		return remark{s, "It " + s + "."}
	case verify.MarkReattributed:
		s := "makes a reading count here that was entered for another vehicle: " + value(unit, m.Effective)
		return remark{s, "It " + s + "."}
	case verify.MarkAdmitted:
		s := "makes evidence from outside the log count: " + value(unit, m.Effective)
		return remark{s, "It " + s + "."}
	case verify.MarkConfirmed:
		return remark{"found actual " + decided, "An arbitrator found the reading to be the actual mileage, " + decided + "."}
	case verify.MarkDisputed:
		if m.Unclear {
			return remark{"disputed: how that stands is not known", "A dispute about this reading was opened; records that may belong to it are withheld, so how it stands is not known."}
		}
		return remark{"disputed: a dispute about it is open", "A dispute about this reading is open as of the tree head above."}
	case verify.MarkContradicts:
		return remark{"contradicts the other readings (inference)", "Inference: the reading does not fit the others; see the judgement."}
	case verify.MarkOneSide:
		return remark{"one of two sides that contradict each other (inference)", "Inference: one of two sides that contradict each other, neither of which is named as wrong; see the judgement."}
	}
	return remark{words(m.Code), sentence(words(m.Code))}
}

// value writes a mileage with its day.
func value(unit render.Unit, v *judge.Value) string {
	if v == nil {
		return "a value that is not shown"
	}
	s := unit.Mileage(v.Value, v.Unit)
	if len(v.EventTime) >= 10 {
		s += " of " + clean(v.EventTime[:10])
	}
	return s
}

// change is what a decision in force makes of a reading.
type change struct{ Of, Entered, Counts, By, Why string }

// index finds entries by leaf hash.
type index map[string]*entry

func indexOf(es []*entry) index {
	x := index{}
	for _, e := range es {
		if x[e.hash] == nil {
			x[e.hash] = e
		}
	}
	return x
}

// name names a record to a reader of the page.
func (x index) name(hash string) string {
	e := x[hash]
	switch {
	case e == nil:
		return "a record that is not in the file, " + hash
	case e.Withheld:
		return fmt.Sprintf("record %d, withheld", e.No)
	case e.Mileage != "":
		return fmt.Sprintf("record %d, %s of %s", e.No, e.Mileage, e.Happened)
	}
	return fmt.Sprintf("record %d of %s", e.No, e.Happened)
}

// decider names who signed a deciding record, and when it came into the log.
func (x index) decider(hash string) (who, why string) {
	e := x[hash]
	if e == nil || e.rec == nil {
		return x.name(hash), ""
	}
	who = e.Author
	if e.rec.Actor != "" {
		who += ", actor " + clean(e.rec.Actor)
	}
	return fmt.Sprintf("%s; record %d, in the log %s", who, e.No, utc(e.res.Time)), clean(e.rec.Body.Get("reasons").Str)
}

func changesOf(in *Input, es []*entry) (out []change) {
	m := in.Report.Meaning
	if m == nil {
		return nil
	}
	x := indexOf(es)
	for i := range m.Effects {
		f := &m.Effects[i]
		c := change{Of: sentenceCase(x.name(f.Target)), Entered: "–"}
		if e := x[f.Target]; e != nil && !e.Withheld {
			c.Of = fmt.Sprintf("Record %d", e.No)
		}
		c.By, c.Why = x.decider(f.By)
		if c.Why == "" && f.Reason != "" {
			c.Why = "Reason: " + words(clean(f.Reason))
		}
		at, code := f.Target, ""
		switch f.Kind {
		case cases.Replaced:
			code = verify.MarkCorrected
		case cases.Excluded:
			code, c.Counts = verify.MarkExcluded, "Nothing: "+clean(judge.ExclusionText(f.Reason))
		case cases.Confirmed:
			code, c.Counts = verify.MarkConfirmed, "As entered: found to be the actual mileage"
		case cases.Reattributed:
			at, code, c.Of = f.By, verify.MarkReattributed, "A reading entered for another vehicle"
		case cases.Admitted:
			at, code, c.Of = f.By, verify.MarkAdmitted, "Evidence from outside the log"
		}
		for _, k := range m.Marks[at] {
			if k.Code != code || k.By != f.By && k.Index != f.Index {
				continue
			}
			if k.Entered != nil {
				c.Entered = value(in.Unit, k.Entered)
			}
			if c.Counts == "" && k.Effective != nil {
				c.Counts = value(in.Unit, k.Effective)
			}
		}
		if e := x[f.Target]; c.Entered == "–" && e != nil && e.Mileage != "" {
			c.Entered = e.Mileage + " of " + e.Happened
		}
		out = append(out, c)
	}
	return out
}

// caseView is one case: how it stands, and step by step how it came there.
type caseView struct {
	Title string
	Facts []pair
	Steps []string
}

func casesOf(in *Input, es []*entry) (out []caseView) {
	m := in.Report.Meaning
	if m == nil {
		return nil
	}
	x := indexOf(es)
	for i := range m.Cases {
		c := &m.Cases[i]
		v := caseView{Title: fmt.Sprintf("%s by %s, %s", render.CaseTitle(c.Kind), clean(c.By.Member), utc(c.Opened)[:10])}
		if e := x[c.Case]; e != nil && e.rec != nil {
			v.Title = fmt.Sprintf("%s by %s, %s (record %d)", render.CaseTitle(c.Kind), e.Author, utc(c.Opened)[:10], e.No)
		}
		v.fact("State", sentence(c.Words))
		if c.Unclear {
			v.fact("Note", "Records that may belong to the case are withheld: it may stand otherwise than the shown ones say.")
		}
		if c.For != "" && c.For != "self" {
			v.fact("On behalf of", "the "+words(clean(c.For)))
		}
		for _, h := range c.Targets {
			v.fact("About", sentenceCase(x.name(h)))
		}
		if c.Claim != nil {
			v.fact("Claim", claimText(in.Unit, c.Claim))
		}
		if c.Says != "" {
			v.fact("Claim", sentence(words(clean(c.Says))))
		}
		for _, s := range render.Particulars(c) {
			v.fact("Particulars", sentence(clean(s)))
		}
		if e := x[c.Case]; e != nil && e.rec != nil && e.rec.Body.Has("remedy") {
			v.fact("What is asked for", clean(e.rec.Body.Get("remedy").Str))
		}
		if c.Arbitrator != "" {
			v.fact("Arbitrator", clean(c.Arbitrator))
		}
		for j := range c.Decisions {
			d := &c.Decisions[j]
			who, why := x.decider(d.Hash)
			v.fact("Decided by", who)
			v.fact("Decision", decisionText(x, d))
			if why != "" {
				v.fact("Reasons given", why)
			}
		}
		for _, t := range c.Clocks {
			v.fact(clockTitle(&t), clockText(&t, c))
		}
		if c.Lost > 1 {
			v.fact("Note", fmt.Sprintf("%s has withdrawn or lost %d disputes about this vehicle.", clean(c.By.Member), c.Lost))
		}
		for _, e := range es {
			if e.hash == c.Case || e.rec != nil && e.rec.Body.Get("case").Str == c.Case {
				v.Steps = append(v.Steps, fmt.Sprintf("%s: %s, by %s (record %d)", utc(e.res.Time), e.What, e.Author, e.No))
			}
		}
		out = append(out, v)
	}
	return out
}

func (v *caseView) fact(term, text string) {
	v.Facts = append(v.Facts, pair{term, text, false})
}

func claimText(unit render.Unit, c *cases.Claim) string {
	var parts []string
	switch {
	case c.Value != nil && c.Unit != "":
		parts = append(parts, unit.Mileage(*c.Value, c.Unit))
	case c.Value != nil:
		parts = append(parts, record.Thousands(*c.Value))
	case c.Unit != "":
		parts = append(parts, "unit "+clean(c.Unit))
	}
	if c.EventTime != "" {
		parts = append(parts, "read at "+clean(c.EventTime))
	}
	s := words(clean(c.Field)) + " should be otherwise"
	if len(parts) > 0 {
		s = words(clean(c.Field)) + " should be: " + strings.Join(parts, ", ")
	}
	return sentence(s + "; reason given: " + words(clean(c.Reason)))
}

func decisionText(x index, d *cases.Decision) string {
	var parts []string
	if d.Outcome != "" {
		parts = append(parts, words(clean(d.Outcome)))
	}
	for _, h := range sortedKeys(d.Finding) {
		parts = append(parts, x.name(h)+": "+findings[d.Finding[h]])
	}
	return sentence(strings.Join(parts, "; "))
}

func clockTitle(t *cases.ClockStatus) string {
	name := render.ClockName(t.Name)
	if t.Window {
		return "Time limit for " + name
	}
	return "Deadline for " + name
}

func clockText(t *cases.ClockStatus, c *cases.Status) string {
	s := "set " + utc(t.Set) + ", due by " + utc(t.Target)
	switch {
	case t.Window && t.Met != 0:
		return sentence("until " + utc(t.Target) + "; used " + utc(t.Met))
	case t.Window && (t.Over || !c.Open || c.Unclear):
		return sentence("until " + utc(t.Target))
	case t.Window:
		return sentence("open until " + utc(t.Target))
	case t.Paused != 0:
		return sentence("set " + utc(t.Set) + "; the clock stands since " + utc(t.Paused))
	case c.Unclear:
		s += "; whether it came is not known"
	case t.Ended != 0:
		s += "; it never came: the case " + c.Without() + " " + utc(t.Ended)
	case t.Met != 0 && t.Overdue != 0:
		s += "; it came late, " + utc(t.Met)
	case t.Met != 0:
		s += "; it came " + utc(t.Met)
	case t.Overdue != 0 && c.Open:
		s += "; OVERDUE since " + utc(t.Overdue)
	case c.Open:
		s += "; still running"
	}
	if t.Breached {
		s += "; the last bound, " + utc(t.Breach) + ", was passed too"
	}
	return sentence(s)
}
