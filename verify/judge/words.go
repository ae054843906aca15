package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record"
)

// The words of a judgement for a layman stand here and nowhere else: who
// writes a warning, a text or a page sets them into its own frame. Reasons
// and what is said of a break are sentences, the rest are phrases.

// Mileage writes a length in a unit, KMT or SMI: "128,400 km".
func Mileage(unit string, mm int64) string { return mileage(unit, in(unit, mm)) }

func mileage(unit string, n int64) string {
	name := " km"
	if unit == "SMI" {
		name = " mi"
	}
	if n < 0 {
		return "-" + record.Thousands(-n) + name
	}
	return record.Thousands(n) + name
}

// Unit is the unit, KMT or SMI, of the newest judged reading: that of
// distances, which nobody entered, for a reader who asks for none.
func (j *Judgement) Unit() string {
	var newest *Reading
	for i := range j.Readings {
		r := &j.Readings[i]
		if r.Status == Judged && (newest == nil || r.Day > newest.Day || r.Day == newest.Day && r.Seconds >= newest.Seconds) {
			newest = r
		}
	}
	if newest == nil {
		return "KMT"
	}
	return newest.Effective.Unit
}

var reasons = map[string]string{
	"00": "One mileage that never falls could have produced every reading that was judged.",
	"01": "The counter began anew at zero, or seems to have, and no reading of somebody else shortly before attests it.",
	"02": "The odometer was replaced or repaired, and its last mileage is unreadable, or no reading of somebody else shortly before attests it.",
	"04": "No single mileage that never falls could have produced these readings: some contradict others.",
	"05": "The vehicle was imported, and there are fewer than two readings since.",
	"06": "There are no two readings of different days to compare.",
	"10": "A dispute about one of the readings is open.",
	"12": "Records are withheld: one that is hidden could contradict the rest.",
	"13": "A decision in force changed, set aside or added a reading; what was entered stands in the history beside it.",
}

// ReasonText says in a sentence what a reason's code means; "" if unknown.
func ReasonText(code string) string { return reasons[code] }

// Title says in a few words what a break is.
func (b *Break) Title() string {
	switch {
	case b.Kind == Isolated && len(b.Readings) == 1:
		return "a reading that does not fit the others"
	case b.Kind == Isolated:
		return "readings that do not fit the others"
	case b.Kind == Sustained:
		return "the mileage shifted and stayed there"
	case b.Kind == Tied:
		return "as much speaks for one side as for the other"
	}
	return "either side may be right"
}

// Move says how the mileage moves from one side of a break to the other. how
// says by how much, or from where to where.
func (b *Break) Move(how string) string {
	switch b.Why {
	case Drop:
		return "the mileage falls " + how
	case ImpossibleSpeed:
		return "the mileage rises " + how + ", faster than any car drives"
	}
	return "the mileage rises " + how + ", more than a car covers in that time"
}

// Text says in whole sentences what may lie behind a break. Nobody is named
// whom the readings do not name.
func (b *Break) Text() string {
	const undecided = "The readings do not say which side is wrong."
	switch {
	case b.Kind == Isolated:
		s := "The others agree with each other, and leave no room for it."
		if len(b.Readings) > 1 {
			s = "The others agree with each other, and leave no room for them."
		}
		if len(b.Suggestions) == 0 {
			s += " No clerical slip of the usual kinds explains it; perhaps it is another vehicle's reading. This history can't tell which."
		}
		return s
	case b.Kind == Sustained && b.Why == Drop:
		return "A counter that was turned back, or changed without a record, looks like this; so does a row of wrong entries on one side. " + undecided
	case b.Kind == Sustained:
		return "A counter that was changed without a record looks like this; so does a row of wrong entries on one side. " + undecided
	case b.Kind == BothSides && b.Why == Drop:
		return "A wrong entry on one side looks like this; so does a counter that was turned back. " + undecided
	}
	return undecided
}

// Sides returns the leaf hashes of the readings on the two sides of a break
// that names nobody.
func (b *Break) Sides() (one, other []string) {
	if len(b.Against) > 0 {
		return b.Readings, b.Against
	}
	// They contradict each other: what lies before the change, and after it.
	i := slices.Index(b.Readings, b.From) + 1
	return b.Readings[:i], b.Readings[i:]
}

// moveText says of a break between which two readings it lies.
func (j *Judgement) moveText(b *Break) string {
	var from, to *Reading
	for i := range j.Readings {
		switch r := &j.Readings[i]; r.Hash {
		case b.From:
			from = r
		case b.To:
			to = r
		}
	}
	if from == nil || to == nil {
		return "the readings contradict each other"
	}
	how := "from " + from.Effective.text() + " to " + to.Effective.text()
	if b.Why != Drop {
		how += " in " + inDays(to.Day-from.Day)
	}
	return b.Move(how)
}

// text writes the mileage as it was read.
func (v Value) text() string { return mileage(v.Unit, v.Value) }

func inDays(n int64) string {
	if n <= 1 {
		return "a day"
	}
	return record.Thousands(n) + " days"
}

var slipNames = map[string]string{
	Transposed:   "two neighbouring digits were swapped",
	UnitMixed:    "kilometres and miles were mixed up",
	ExtraDigit:   "a digit too many was entered",
	MissingDigit: "a digit was left out",
	DigitTypo:    "a digit was mistyped",
}

// Slip says which clerical slip the suggestion would undo.
func (s Suggestion) Slip() string { return slipNames[s.Kind] }

// Text writes a suggestion: "128,400 km (a digit was left out)".
func (s Suggestion) Text() string { return mileage(s.Unit, s.Value) + " (" + s.Slip() + ")" }

var exclusions = map[string]string{
	"not_actual":    "it was found not to be the actual mileage",
	"duplicate":     "it was entered twice",
	"wrong_vehicle": "it is a reading of another car",
}

// ExclusionText says why a decision took a reading out.
func ExclusionText(reason string) string {
	if s := exclusions[reason]; s != "" {
		return s
	}
	return strings.ReplaceAll(reason, "_", " ")
}

var flags = map[string]string{
	"check_digit_bad":        "the check digit of the VIN does not fit, so the VIN may be mistyped",
	"confirmed_by_decision":  "found to be the actual mileage by an arbitrator",
	"corrected_after_report": "corrected after a report had been given out",
	"duplicate":              "entered twice by the same author",
	"estimate":               "an estimate, which is shown and never judged",
	"future_dated":           "dated ahead of its entry",
	"gap":                    "a long time without a reading",
	"imported":               "an imported vehicle",
	"jump":                   "an unusually large distance since the reading before",
	"late":                   "entered late",
	"rate_warned":            "a large distance in a short time, which the author was asked about and confirmed",
	"rollover_implausible":   "a rollover of a counter that was nowhere near its end",
	"rounded":                "a rounded figure",
	"sentinel_confirmed":     "a figure that looks like a default, which the author was asked about and confirmed",
	"static":                 "hardly any distance in a long time",
	"thinned":                "very many readings, so that some stand for others of the same month",
	"unit_changed":           "another unit than that of the reading before",
	"very_late":              "entered very late",
}

// FlagText says in a few words what a flag's code means; "" if unknown.
func FlagText(code string) string { return flags[code] }

// Detail says how much it is, distances in a unit, KMT or SMI; "" where a
// flag has no figures.
func (f *Flag) Detail(unit string) string {
	switch f.Code {
	case "jump", "static":
		return Mileage(unit, f.Amount) + " in " + inDays(f.Days)
	case "gap":
		return inDays(f.Days)
	case "late", "very_late":
		return afterEvent(f.Seconds)
	case "thinned":
		return record.Thousands(f.Count) + " not judged"
	}
	return ""
}

func afterEvent(seconds int64) string {
	if hours := seconds / 3600; hours < 48 {
		return fmt.Sprintf("%d hours after the event", hours)
	}
	return inDays(seconds/daySeconds) + " after the event"
}

// text says of one flag what it means, and how much it is.
func (f *Flag) text(unit string) string {
	s := FlagText(f.Code)
	if d := f.Detail(unit); d != "" {
		s += ": " + d
	}
	return s
}
