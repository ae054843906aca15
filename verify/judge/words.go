package judge

import (
	"fmt"

	"github.com/milepost-log/milepost/record"
)

// Mileage writes a length in a unit, KMT or SMI: "128,400 km".
func Mileage(unit string, mm int64) string { return mileage(unit, In(unit, mm)) }

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

// Text writes the mileage as it was read.
func (v Value) Text() string { return mileage(v.Unit, v.Value) }

var reasons = map[string]string{
	"00": "one mileage that never falls explains all readings",
	"01": "the counter came to its end and began again at zero, or may have",
	"02": "the counter was replaced or repaired, and nobody else vouches for what it showed before",
	"04": "a reading contradicts others: a slip of the pen, or the counter was turned back",
	"05": "the vehicle came from abroad and has fewer than two readings since",
	"06": "there are fewer than two readings of different days",
	"10": "a dispute about a reading is open",
	"12": "records of the history are withheld",
	"13": "one mileage that never falls explains all readings, after decisions about some of them",
}

// ReasonText says in a sentence what a reason's code means; "" if unknown.
func ReasonText(code string) string { return reasons[code] }

// Text says in a sentence what the break is.
func (j *Judgement) breakText(b Break) string {
	at := map[string]*Reading{}
	for i := range j.Readings {
		at[j.Readings[i].Hash] = &j.Readings[i]
	}
	from, to := at[b.From], at[b.To]
	if from == nil || to == nil {
		return "the readings contradict each other"
	}
	days := to.Day - from.Day
	switch b.Why {
	case Drop:
		return fmt.Sprintf("the mileage falls from %s to %s", from.Effective.Text(), to.Effective.Text())
	case ImpossibleSpeed:
		return fmt.Sprintf("from %s to %s in %s is faster than any car drives", from.Effective.Text(), to.Effective.Text(), inDays(days))
	}
	return fmt.Sprintf("from %s to %s in %s is more than a car is driven", from.Effective.Text(), to.Effective.Text(), inDays(days))
}

func inDays(n int64) string {
	switch n {
	case 0:
		return "one day"
	case 1:
		return "a day"
	}
	return record.Thousands(n) + " days"
}

// Explain says in one sentence each what the breaks are, in their order.
func (j *Judgement) Explain() []string {
	var out []string
	for _, b := range j.Breaks {
		s := j.breakText(b)
		switch b.Kind {
		case Isolated:
			s += "; the reading named stands alone against all others"
			if len(b.Suggestions) == 0 {
				s += "; no clerical repair fits, perhaps it is another vehicle's reading"
			}
		case Sustained:
			s += "; the level shifted and stayed, so either side may be right"
		case Tied:
			s += "; as much speaks for the one side as for the other"
		default:
			s += "; either side may be right"
		}
		out = append(out, s)
	}
	return out
}

var slipNames = map[string]string{
	Transposed: "two digits swapped", UnitMixed: "the other unit", ExtraDigit: "a digit too many",
	MissingDigit: "a digit missing", DigitTypo: "a wrong digit",
}

// Text writes a suggestion for a person: "128,400 km (a digit missing)".
func (s Suggestion) Text() string {
	return mileage(s.Unit, s.Value) + " (" + slipNames[s.Kind] + ")"
}

// Text says in a few words what a flag means.
func (f Flag) Text() string {
	switch f.Code {
	case "late":
		return "it came onto the log more than a day after the event"
	case "very_late":
		return "it came onto the log more than five days after the event"
	case "future_dated":
		return "the event lies after the time of the log"
	case "jump":
		return fmt.Sprintf("%s in %s is a great deal", Mileage("KMT", f.Amount), inDays(f.Days))
	case "static":
		return fmt.Sprintf("only %s in %s", Mileage("KMT", f.Amount), inDays(f.Days))
	case "gap":
		return fmt.Sprintf("no reading for %s", inDays(f.Days))
	case "thinned":
		return fmt.Sprintf("there are very many readings: %s more are left to those of the same month", record.Thousands(f.Count))
	}
	return flagNames[f.Code]
}

var flagNames = map[string]string{
	"check_digit_bad":        "the check digit of the vehicle's number does not fit: it may be mistyped",
	"confirmed_by_decision":  "an arbitrator found the reading actual",
	"corrected_after_report": "it was corrected after a report had been given out",
	"duplicate":              "the same author entered the same reading twice",
	"estimate":               "it is an estimate, shown and not judged",
	"imported":               "the vehicle came from abroad",
	"rate_warned":            "its author was warned of the distance in so short a time, and kept it",
	"rollover_implausible":   "the counter was nowhere near its end",
	"rounded":                "it is a rounded figure",
	"sentinel_confirmed":     "the figure looks like a default; its author says that the counter showed it",
	"unit_changed":           "the reading before it is in another unit",
}
