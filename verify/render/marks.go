package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/judge"
)

// sayMark says in words what to know of a record.
func (t *timeline) sayMark(m verify.Mark) string {
	switch m.Code {
	case verify.MarkCorrected:
		return fmt.Sprintf("corrected: %s was entered, %s counts (%s)", t.figure(m.Entered, m.Effective), t.figure(m.Effective, m.Entered), decided(m))
	case verify.MarkExcluded:
		return fmt.Sprintf("does not count: %s (%s)", judge.ExclusionText(m.Reason), decided(m))
	case verify.MarkReattributed:
		return fmt.Sprintf("a reading entered for another car counts here: %s", t.figure(m.Effective, nil))
	case verify.MarkAdmitted:
		return fmt.Sprintf("lets a reading from outside the log count: %s", t.figure(m.Effective, nil))
	case verify.MarkConfirmed:
		return fmt.Sprintf("found to be the actual mileage (%s)", decided(m))
	case verify.MarkDisputed:
		if m.Unclear {
			return "disputed: how that stands is not known, see below"
		}
		return "disputed: a dispute about it is open, see below"
	case verify.MarkAhead:
		return "dated ahead: by its own time it happened after it was entered"
	case verify.MarkContradicts:
		return "does not fit the other readings, see below"
	case verify.MarkOneSide:
		return "one of two sides that contradict each other, see below"
	}
	return strings.ReplaceAll(m.Code, "_", " ")
}

func decided(m verify.Mark) string {
	if m.Author == "" {
		return fmt.Sprintf("decided by log index %d", m.Index)
	}
	return fmt.Sprintf("decided by %s, log index %d", m.Author, m.Index)
}

// figure writes a mileage, with the time at which it was read where that
// differs from another figure's.
func (t *timeline) figure(f, other *judge.Value) string {
	if f == nil {
		return "a mileage that is withheld"
	}
	s := t.unit.Mileage(f.Value, f.Unit)
	if other == nil || f.EventTime != other.EventTime {
		s += " on " + dayOf(f.EventTime)
	}
	return s
}

// dayOf is the date of a time as records write it.
func dayOf(text string) string {
	if t, err := record.ParseTime(text); err == nil {
		return day(t)
	}
	return text
}

// moment writes a log time (ms) for a person.
func moment(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04") + " UTC" }
