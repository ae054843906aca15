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
	j, x := m.Judgement, indexOf(es)
	far := string(in.Unit.Far(j))
	out := &judgement{Result: sentence(words(j.Result)), Reasons: append(reasonsOf(&j.Outcome), basis(j)...)}
	if o := j.WithoutDispute; o != nil {
		out.Reasons = append(out.Reasons, "But for the open dispute it would be: "+outcome(o))
	}
	if o := j.ShownOnly; o != nil {
		out.Reasons = append(out.Reasons, "For the records that are shown alone it would be: "+outcome(o))
		if o := o.WithoutDispute; o != nil {
			out.Reasons = append(out.Reasons, "For the records that are shown alone, but for the open dispute, it would be: "+outcome(o))
		}
	}
	if j.AtLeast > 0 {
		out.Reasons = append(out.Reasons, "If nobody entered too high a figure, the car has covered at least "+judge.Mileage(far, j.AtLeast)+".")
	}
	for i := range j.Breaks {
		out.Breaks = append(out.Breaks, breakOf(in.Unit, far, x, i+1, &j.Breaks[i]))
	}
	out.Flags = flagsOf(far, x, j.Flags)
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
	return words(o.Result) + ". " + strings.Join(reasonsOf(o), " ")
}

func reasonsOf(o *judge.Outcome) (out []string) {
	for _, r := range o.Reasons {
		out = append(out, "Reason "+r+": "+judge.ReasonText(r))
	}
	return out
}

// breakOf says what contradicts what, distances in the unit far. Only an
// isolated break names anybody.
func breakOf(unit render.Unit, far string, x index, no int, b *judge.Break) breakView {
	how := b.Move("by " + judge.Mileage(far, b.Amount))
	if b.From != "" && b.To != "" {
		how = fmt.Sprintf("between %s and %s %s", x.name(b.From), x.name(b.To), how)
	}
	v := breakView{Title: fmt.Sprintf("Contradiction %d: %s", no, b.Title()), Text: []string{sentence(how), b.Text()}}
	first, second := "one side", "the other side"
	one, other := b.Readings, b.Against
	if b.Kind == judge.Isolated {
		first, second = "does not fit", "contradicts it"
	} else {
		one, other = b.Sides()
	}
	for _, s := range []struct {
		name   string
		hashes []string
	}{{first, one}, {second, other}} {
		for _, h := range s.hashes {
			row := side{Side: s.name, Of: sentenceCase(x.name(h))}
			if e := x[h]; e != nil && e.rec != nil {
				row = side{s.name, fmt.Sprintf("Record %d, %s", e.No, e.Happened), e.Mileage, e.Author}
			}
			v.Sides = append(v.Sides, row)
		}
	}
	for _, s := range b.Suggestions {
		v.Suggestions = append(v.Suggestions, fmt.Sprintf("%s: perhaps %s was meant: %s", sentenceCase(x.name(s.Record)), unit.Mileage(s.Value, s.Unit), s.Slip()))
	}
	return v
}

// flagsOf gathers the flags: of many of a kind the records are listed. Those
// of delay stand with their records.
func flagsOf(far string, x index, flags []judge.Flag) (out []string) {
	at := map[string][]string{}
	for i := range flags {
		f := &flags[i]
		if f.Seconds != 0 {
			continue
		}
		place := f.Detail(far)
		if e := x[f.Record]; e != nil {
			no := fmt.Sprintf("record %d", e.No)
			if place != "" {
				no += " (" + place + ")"
			}
			place = no
		}
		at[f.Code] = append(at[f.Code], place)
	}
	for _, code := range sortedKeys(at) {
		places := slices.DeleteFunc(at[code], func(s string) bool { return s == "" })
		s := judge.FlagText(code)
		if len(places) > 0 {
			s += ": " + strings.Join(places, ", ")
		}
		out = append(out, sentence(s))
	}
	return out
}
