package verify

import (
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

// Mark codes: what to know of a record beside its verdict. None of them says
// that a record is untrue.
const (
	MarkLate         = "late"         // came into the log later than the rules expect
	MarkVeryLate     = "very_late"    // much later
	MarkAhead        = "future_dated" // its event time lies after its log time
	MarkCorrected    = "corrected"    // by a decision in force another value counts; both stand in the mark
	MarkExcluded     = "excluded"     // by a decision in force it does not count
	MarkReattributed = "reattributed" // it makes a reading that was entered for another vehicle count here
	MarkAdmitted     = "admitted"     // it makes evidence from outside the log count
	MarkConfirmed    = "confirmed"    // an arbitrator found the reading actual
	MarkDisputed     = "disputed"     // a dispute about it is open
	MarkContradicts  = "contradicts"  // inferred: the reading does not fit the others
	MarkOneSide      = "one_side"     // inferred: one of two sides that contradict each other
)

// Mark is one thing to know of a record.
type Mark struct {
	Code    string
	Seconds int64  // late, very_late, future_dated: between event time and log time
	Case    string // id of the case, hex
	By      string // leaf hash of the record that decided, hex
	Index   uint64 // its log index
	Author  string // its author; "" when it is withheld
	Unclear bool   // disputed: withheld records may have ended the dispute
	Reason  string // excluded: not_actual, duplicate or wrong_vehicle

	Entered   *judge.Value // corrected: as it stands in the record
	Effective *judge.Value // corrected, reattributed, admitted: what counts
}

// timeMarks compare a record's event time with its log time (ms). Of an event
// that is dated to the day the hour is not known: the day's end counts.
func timeMarks(r *record.Record, at int64, p *judge.Params) []Mark {
	happened := r.EventTime
	if r.Precision == "date" {
		happened = happened.AddDate(0, 0, 1)
	}
	late := int64(time.UnixMilli(at).Sub(happened) / time.Second)
	ahead := int64(r.EventTime.Sub(time.UnixMilli(at)) / time.Second)
	switch {
	case late > p.VeryLate:
		return []Mark{{Code: MarkVeryLate, Seconds: late}}
	case late > p.Late:
		return []Mark{{Code: MarkLate, Seconds: late}}
	case ahead > p.Future:
		return []Mark{{Code: MarkAhead, Seconds: ahead}}
	}
	return nil
}

// markEffects marks what decisions in force make of readings, and the records
// that brought readings in. records are those that are shown, by leaf hash.
func (m *Meaning) markEffects(records map[string]*record.Record) {
	readings := map[string]*judge.Reading{}
	for i := range m.Judgement.Readings {
		readings[m.Judgement.Readings[i].Hash] = &m.Judgement.Readings[i]
	}
	for i := range m.Effects {
		e := &m.Effects[i]
		mark := Mark{Case: e.Case, By: e.By, Index: e.Index, Reason: e.Reason}
		if by := records[e.By]; by != nil {
			mark.Author = by.Author
		}
		switch r := readings[e.Target]; e.Kind {
		case cases.Replaced:
			if r != nil && r.Corrected && r.By == e.By {
				mark.Code, mark.Entered, mark.Effective = MarkCorrected, &r.Entered, &r.Effective
				m.mark(e.Target, mark)
			}
		case cases.Excluded:
			mark.Code = MarkExcluded
			m.mark(e.Target, mark)
		case cases.Confirmed:
			mark.Code = MarkConfirmed
			m.mark(e.Target, mark)
		case cases.Reattributed:
			if r != nil && e.Note != "" {
				mark.Code, mark.Entered, mark.Effective = MarkReattributed, &r.Entered, &r.Effective
				m.mark(e.By, mark)
			} else if r != nil {
				mark.Code, mark.Reason = MarkExcluded, "wrong_vehicle"
				m.mark(e.Target, mark)
			}
		case cases.Admitted:
			if r := readings[e.By]; r != nil {
				mark.Code, mark.Effective = MarkAdmitted, &r.Effective
				m.mark(e.By, mark)
			}
		}
	}
}
