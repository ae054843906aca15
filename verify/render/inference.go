package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/judge"
)

// Inference writes what a vehicle's records add up to: the judgement of its
// mileage with its reasons, in plain sentences, and the cases about it. It is
// the program's inference and says so. "" if there is nothing to say.
func Inference(m *verify.Meaning, results []verify.Result, unit Unit) string {
	if m == nil {
		return ""
	}
	in := &inference{unit: unit, meaning: m, results: map[string]*verify.Result{}}
	for i := range results {
		in.results[verify.Hex(results[i].Hash)] = &results[i]
	}
	in.brought = map[string]*judge.Reading{}
	for i := range m.Judgement.Readings {
		in.brought[m.Judgement.Readings[i].Hash] = &m.Judgement.Readings[i]
	}
	in.b.WriteString("What the mileage adds up to: this program's inference from these records, not evidence.\n")
	in.judgement(m.Judgement)
	in.cases()
	return in.b.String()
}

type inference struct {
	b       strings.Builder
	unit    Unit
	meaning *verify.Meaning
	results map[string]*verify.Result // by leaf hash, hex
	brought map[string]*judge.Reading // readings that decisions brought in, by leaf hash
}

func (in *inference) say(indent int, format string, args ...any) {
	in.b.WriteString(hang(fmt.Sprintf(format, args...), indent, indent+2))
}

// verdictWords are the results of a judgement.
var verdictWords = map[string]string{
	judge.Logical:                "LOGICAL",
	judge.LogicalAfterCorrection: "LOGICAL AFTER CORRECTION",
	judge.Illogical:              "ILLOGICAL",
	judge.NoJudgement:            "NO JUDGEMENT",
}

// reasonWords explain the reasons; those of 00 to 06 mean what the Dutch
// register's codes mean.
var reasonWords = map[string]string{
	"00": "One mileage that never falls could have produced every reading.",
	"01": "The counter began anew at zero, or seems to have, and no reading of somebody else just before attests it.",
	"02": "The odometer was replaced or repaired, and its last mileage is unreadable, or no reading of somebody else just before attests it.",
	"04": "No single mileage that never falls could have produced these readings.",
	"05": "The vehicle was imported, and there are fewer than two readings since.",
	"06": "There are no two readings of different days to compare.",
	"10": "A dispute about one of the readings is open.",
	"12": "Records are withheld: one that is hidden could contradict the rest.",
	"13": "A decision in force counts here: what was entered stands in the history beside it.",
}

func (in *inference) judgement(j *judge.Judgement) {
	in.verdict(2, j.Result, j.Reasons, in.basis(j))
	if o := j.ShownOnly; o != nil {
		in.verdict(4, o.Result, o.Reasons, "That is for the records shown alone: the others could change it.")
	}
	if o := j.WithoutDispute; o != nil {
		in.verdict(4, o.Result, o.Reasons, "That is without the dispute.")
	}
	for i := range j.Breaks {
		in.contradiction(&j.Breaks[i], 4)
	}
	if j.Judged > 0 {
		in.say(4, "It has covered at least %s, if nobody entered too high a mileage.", in.unit.distance(j.AtLeast))
	}
	in.flags(j)
}

func (in *inference) verdict(indent int, result string, reasons []string, why string) {
	in.say(indent, "%s. %s", verdictWords[result], why)
	for _, r := range reasons {
		in.say(indent+2, "Reason %s: %s", r, reasonWords[r])
	}
}

func (in *inference) basis(j *judge.Judgement) string {
	s := fmt.Sprintf("%s judged", counted(j.Judged, "reading"))
	if n := len(j.Excluded); n > 0 {
		s += fmt.Sprintf(", %d set aside by a decision", n)
	}
	if j.Withheld > 0 {
		s += fmt.Sprintf(", %s withheld", counted(j.Withheld, "record"))
	}
	return s + "."
}

// contradiction tells of one break: who, when, what, and what may have
// happened, without naming anybody whom the readings do not name.
func (in *inference) contradiction(b *judge.Break, indent int) {
	switch b.Kind {
	case judge.Isolated:
		in.say(indent, "%s %s: %s", in.readings(b.Readings), doesNotFit(len(b.Readings)), whyWords[b.Why])
		in.against(b, indent)
	case judge.Sustained:
		if b.Why == judge.Drop {
			in.say(indent, "The mileage fell by about %s and went on from there: a counter that was turned back, or changed without a record."+
				" The readings do not say which side is wrong.", in.unit.distance(b.Amount))
		} else {
			in.say(indent, "The mileage leapt by about %s and went on from there. The readings do not say which side is wrong.", in.unit.distance(b.Amount))
		}
		in.sides(b, indent)
	default: // tied, both_sides
		in.say(indent, "These readings contradict each other by about %s, and nothing in them says which side is wrong: %s",
			in.unit.distance(b.Amount), whyWords[b.Why])
		in.sides(b, indent)
	}
	for i, s := range b.Suggestions {
		if i == 0 {
			in.say(indent+2, "Perhaps (suggestions, nothing was changed):")
		}
		of := ""
		if len(b.Readings) > 1 {
			of = " for that of " + in.when(s.Record)
		}
		in.say(indent+4, "%s%s: %s", in.unit.Mileage(s.Value, s.Unit), of, repairWords[s.Kind])
	}
	if b.Kind == judge.Isolated && len(b.Suggestions) == 0 {
		in.say(indent+2, "No clerical slip explains it; perhaps it is another vehicle's reading.")
	}
}

func doesNotFit(n int) string {
	if n == 1 {
		return "does not fit the others"
	}
	return "do not fit the others"
}

var whyWords = map[string]string{
	judge.Drop:            "the mileage would have fallen.",
	judge.TooFast:         "the car would have covered more than a car does in that time.",
	judge.ImpossibleSpeed: "no car is that fast.",
}

// repairWords name the clerical slips that a suggestion would undo.
var repairWords = map[string]string{
	judge.Transposed:   "two neighbouring digits were swapped",
	judge.UnitMixed:    "kilometres and miles were mixed up",
	judge.ExtraDigit:   "a digit too many was entered",
	judge.MissingDigit: "a digit was left out",
	judge.DigitTypo:    "one digit was mistyped",
}

func (in *inference) sides(b *judge.Break, indent int) {
	one, other := b.Readings, b.Against
	if len(other) == 0 {
		// They contradict each other: what lies before the change, and after it.
		i := slices.Index(one, b.From) + 1
		one, other = one[:i], one[i:]
	}
	in.say(indent+2, "One side: %s", in.readings(one))
	in.say(indent+2, "Other side: %s", in.readings(other))
	if b.From != "" && b.To != "" {
		in.say(indent+2, "It changed between %s and %s.", in.when(b.From), in.when(b.To))
	}
}

func (in *inference) against(b *judge.Break, indent int) {
	if len(b.Against) > 0 {
		in.say(indent+2, "It contradicts: %s", in.readings(b.Against))
	}
}

// readings lists readings with their dates, mileages and authors; of many,
// the first and the last.
func (in *inference) readings(hashes []string) string {
	const most = 4
	var parts []string
	for i, h := range hashes {
		if len(hashes) > most && i >= most-1 && i < len(hashes)-1 {
			if i == most-1 {
				parts = append(parts, fmt.Sprintf("... %d more ...", len(hashes)-most))
			}
			continue
		}
		parts = append(parts, in.reading(h))
	}
	return strings.Join(parts, "; ")
}

func (in *inference) reading(hash string) string {
	e := in.results[hash]
	if e == nil || e.Record == nil {
		if r := in.brought[hash]; r != nil {
			return fmt.Sprintf("%s by %s on %s", in.unit.Mileage(r.Effective.Value, r.Effective.Unit), r.Author, dayOf(r.Effective.EventTime))
		}
		return "record " + short(hash)
	}
	return in.record(e.Record)
}

// record names a record: what it says, by whom and when.
func (in *inference) record(r *record.Record) string {
	t := timeline{unit: in.unit}
	what, mileage := t.describe(r)
	if mileage == "" {
		mileage = what
	}
	return fmt.Sprintf("%s by %s on %s", mileage, r.Author, day(r.EventTime))
}

func (in *inference) when(hash string) string {
	if e := in.results[hash]; e != nil && e.Record != nil {
		return day(e.Record.EventTime)
	}
	if r := in.brought[hash]; r != nil {
		return dayOf(r.Effective.EventTime)
	}
	return "record " + short(hash)
}

// short is the beginning of a leaf hash, enough to tell two apart.
func short(hash string) string { return hash[:min(12, len(hash))] }

// flagWords say what is worth knowing and never decides. Flags that the
// timeline shows as remarks are left out here.
var flagWords = map[string]string{
	"future_dated":           "dated ahead of their entry",
	"jump":                   "an unusually large distance since the reading before",
	"static":                 "hardly any distance in a long time",
	"gap":                    "a long time without a reading",
	"rate_warned":            "an unusually large distance a day",
	"duplicate":              "entered twice",
	"unit_changed":           "the unit changed",
	"rounded":                "rounded readings",
	"estimate":               "estimates, shown and never judged",
	"thinned":                "some readings stand for others of the same month",
	"sentinel_confirmed":     "values that look like a default, confirmed by who read them",
	"rollover_implausible":   "a rollover was recorded that the mileage does not bear out",
	"check_digit_bad":        "the VIN's check digit is wrong",
	"corrected_after_report": "corrected after a report had been issued",
	"imported":               "the vehicle was imported",
	"confirmed_by_decision":  "found actual by an arbitrator",
}

func (in *inference) flags(j *judge.Judgement) {
	count := map[string]int{}
	var order, parts []string
	for _, f := range j.Flags {
		if flagWords[f.Code] == "" {
			continue
		}
		if count[f.Code]++; count[f.Code] == 1 {
			order = append(order, f.Code)
		}
	}
	slices.Sort(order)
	for _, c := range order {
		s := flagWords[c]
		if count[c] > 1 {
			s += fmt.Sprintf(" (%d times)", count[c])
		}
		parts = append(parts, s)
	}
	if len(parts) > 0 {
		in.say(4, "Noted, and never held against the history: %s.", strings.Join(parts, "; "))
	}
}
