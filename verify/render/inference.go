package render

import (
	"fmt"
	"maps"
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
	in.recalls()
	if more := answersText(m.Answers, unit); more != "" {
		in.b.WriteString("\n" + more)
	}
	return in.b.String()
}

type inference struct {
	b       strings.Builder
	unit    Unit
	meaning *verify.Meaning
	results map[string]*verify.Result // by leaf hash, hex
	brought map[string]*judge.Reading // the judgement's, by leaf hash: one that a decision brought in has no result
}

func (in *inference) say(indent int, format string, args ...any) {
	in.b.WriteString(hang(fmt.Sprintf(format, args...), indent, indent+2))
}

func (in *inference) judgement(j *judge.Judgement) {
	in.outcome(2, &j.Outcome, in.basis(j))
	if j.ShownOnly != nil {
		in.outcome(4, j.ShownOnly, "That is for the records shown alone: the others could change it.")
	}
	far := string(in.unit.Far(j))
	for i := range j.Breaks {
		in.contradiction(i+1, &j.Breaks[i], far)
	}
	if j.Judged > 0 {
		in.say(4, "It has covered at least %s, if nobody entered too high a mileage.", judge.Mileage(far, j.AtLeast))
	}
	in.flags(j, far)
}

// outcome writes a result with its reasons, and below it what it would be but
// for a dispute.
func (in *inference) outcome(indent int, o *judge.Outcome, why string) {
	in.say(indent, "%s. %s", strings.ToUpper(plainWords(o.Result)), why)
	for _, r := range o.Reasons {
		in.say(indent+2, "Reason %s: %s", r, judge.ReasonText(r))
	}
	if o.WithoutDispute != nil {
		in.outcome(indent+2, o.WithoutDispute, "That is without the dispute.")
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
// happened.
func (in *inference) contradiction(no int, b *judge.Break, far string) {
	in.say(4, "Contradiction %d: %s.", no, b.Title())
	how := b.Move("by " + judge.Mileage(far, b.Amount))
	if b.From != "" && b.To != "" {
		how = fmt.Sprintf("between %s and %s %s", in.when(b.From), in.when(b.To), how)
	}
	in.say(6, "%s. %s", upper(how), b.Text())
	if b.Kind == judge.Isolated {
		in.say(6, "Out of line: %s", in.readings(b.Readings))
		if len(b.Against) > 0 {
			in.say(6, "Contradicted by: %s", in.readings(b.Against))
		}
	} else {
		one, other := b.Sides()
		in.say(6, "One side: %s", in.readings(one))
		in.say(6, "Other side: %s", in.readings(other))
	}
	for i, s := range b.Suggestions {
		if i == 0 {
			in.say(6, "Perhaps (suggestions, nothing was changed):")
		}
		of := ""
		if len(b.Readings) > 1 {
			of = " for that of " + in.when(s.Record)
		}
		in.say(8, "%s%s: %s", in.unit.Mileage(s.Value, s.Unit), of, s.Slip())
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

// flags tell what is worth knowing and never decides. Those of delay stand
// with their records.
func (in *inference) flags(j *judge.Judgement, far string) {
	details := map[string][]string{}
	for i := range j.Flags {
		if f := &j.Flags[i]; f.Seconds == 0 {
			details[f.Code] = append(details[f.Code], f.Detail(far))
		}
	}
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(details)) {
		s := judge.FlagText(code)
		if d := details[code]; len(d) > 1 {
			s += fmt.Sprintf(" (%d times)", len(d))
		} else if d[0] != "" {
			s += " (" + d[0] + ")"
		}
		parts = append(parts, s)
	}
	if len(parts) > 0 {
		in.say(4, "Noted, and never held against the history: %s.", strings.Join(parts, "; "))
	}
}
