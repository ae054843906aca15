package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

// judgement is the verifier's inference, with its reasons and both sides.
type judgement struct {
	Result  string
	Meaning string
	Reasons []string
	Breaks  []breakView
	Flags   []string
}

type breakView struct {
	Title       string
	Text        []string
	Sides       []side
	Suggestions []string
}

type side struct{ Side, Of, Mileage, Author string }

func judgementOf(in *Input, es []*entry) *judgement {
	m := in.Report.Meaning
	if m == nil || m.Judgement == nil {
		return nil
	}
	j, x, unit := m.Judgement, indexOf(es), in.Unit
	if unit == render.AsEntered {
		unit = commonUnit(j.Readings)
	}
	out := &judgement{Result: resultTitles[j.Result], Meaning: resultTexts[j.Result], Reasons: reasonTexts(j.Reasons)}
	out.Reasons = append(out.Reasons, basis(j)...)
	if o := j.ShownOnly; o != nil {
		out.Reasons = append(out.Reasons, "For the records that are shown alone it would be: "+outcome(o))
	}
	if o := j.WithoutDispute; o != nil {
		out.Reasons = append(out.Reasons, "But for the open dispute it would be: "+outcome(o))
	}
	if j.AtLeast > 0 {
		out.Reasons = append(out.Reasons, "If nobody entered too high a figure, the car has covered at least "+distance(unit, j.AtLeast)+".")
	}
	for i := range j.Breaks {
		out.Breaks = append(out.Breaks, breakOf(in.Unit, unit, x, i+1, &j.Breaks[i]))
	}
	out.Flags = flagsOf(unit, x, j.Flags)
	return out
}

func basis(j *judge.Judgement) []string {
	s := fmt.Sprintf("It rests on %s of %s in the history, by version %d of the rules.", count(int64(j.Judged), "reading"), count(int64(j.Entries), "record"), j.Rules)
	if j.Withheld == 0 {
		return []string{s}
	}
	return []string{s, fmt.Sprintf("The contents of %s are withheld, and nobody knows what they would add.", count(int64(j.Withheld), "record"))}
}

func outcome(o *judge.Outcome) string {
	return strings.ToLower(strings.TrimSuffix(resultTitles[o.Result], ".")) + ". " + strings.Join(reasonTexts(o.Reasons), " ")
}

func reasonTexts(codes []string) (out []string) {
	for _, c := range codes {
		text := reasonText(c)
		if text == "" {
			text = "Not known to this program."
		}
		out = append(out, "Reason "+c+": "+text)
	}
	return out
}

// breakOf says what contradicts what, distances in the unit far. Only an
// isolated break names anybody.
func breakOf(unit, far render.Unit, x index, no int, b *judge.Break) breakView {
	v := breakView{Title: fmt.Sprintf("Contradiction %d: %s", no, breakTitles[b.Kind]), Text: []string{breakTexts[b.Kind]}}
	if b.From != "" && b.To != "" {
		v.Text = append(v.Text, sentence(fmt.Sprintf("between %s and %s the mileage %s, by %s", x.name(b.From), x.name(b.To), whyTexts[b.Why], distance(far, b.Amount))))
	}
	first, second := "one side", "the other side"
	if b.Kind == judge.Isolated {
		first, second = "does not fit", "contradicts it"
	}
	for _, s := range []struct {
		name   string
		hashes []string
	}{{first, b.Readings}, {second, b.Against}} {
		for _, h := range s.hashes {
			row := side{Side: s.name, Of: sentenceCase(x.name(h))}
			if e := x[h]; e != nil && e.rec != nil {
				row = side{s.name, fmt.Sprintf("Record %d, %s", e.No, e.Happened), e.Mileage, e.Author}
			}
			v.Sides = append(v.Sides, row)
		}
	}
	for _, s := range b.Suggestions {
		v.Suggestions = append(v.Suggestions, fmt.Sprintf("%s: perhaps %s was meant; %s", sentenceCase(x.name(s.Record)), unit.Mileage(s.Value, s.Unit), repairTexts[s.Kind]))
	}
	if b.Kind == judge.Isolated && len(b.Suggestions) == 0 {
		v.Text = append(v.Text, "No clerical error of the usual kinds would explain it. Perhaps it is a reading of another vehicle; this file can't tell which.")
	}
	return v
}

// distance writes mm in kilometres or miles.
func distance(unit render.Unit, mm int64) string {
	v, in := unit.In((mm+500_000)/1_000_000, string(render.Kilometres))
	return render.AsEntered.Mileage(v, string(in))
}

// flagsOf gathers the flags: of many of a kind the records are listed.
func flagsOf(unit render.Unit, x index, flags []judge.Flag) (out []string) {
	at := map[string][]string{}
	for _, f := range flags {
		if flagTexts[f.Code] == "" {
			continue // it stands with its record
		}
		at[f.Code] = append(at[f.Code], flagAt(unit, x, &f))
	}
	for _, code := range sortedKeys(at) {
		places := slices.DeleteFunc(at[code], func(s string) bool { return s == "" })
		s := flagTexts[code]
		if len(places) > 0 {
			s += ": " + strings.Join(places, ", ")
		}
		out = append(out, sentence(s))
	}
	return out
}

func flagAt(unit render.Unit, x index, f *judge.Flag) string {
	e := x[f.Record]
	if e == nil {
		return ""
	}
	s := fmt.Sprintf("record %d", e.No)
	switch {
	case f.Days > 0 && f.Amount > 0:
		s += fmt.Sprintf(" (%s in %s)", distance(unit, f.Amount), count(f.Days, "day"))
	case f.Days > 0:
		s += " (" + count(f.Days, "day") + ")"
	}
	return s
}
