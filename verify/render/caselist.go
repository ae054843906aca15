package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// ListedCase is a case for a program that takes part in it: how it stands and
// what may come next.
type ListedCase struct {
	Case
	Prev string     `json:"prev" doc:"leaf hash of its newest record: what prev of the next one must be"`
	Next []NextStep `json:"next" doc:"what may come next; nothing of a closed case"`
}

// NextStep is a step that a case may take next. Times are RFC 3339.
type NextStep struct {
	Type      string   `json:"type"`
	Outcome   string   `json:"outcome,omitempty" doc:"that the record names as outcome or status, where the step is for that one alone"`
	Who       string   `json:"who" doc:"by whom, in words"`
	Not       []string `json:"not,omitempty" doc:"members, or MEMBER, ACTOR, that may not although they are"`
	Needs     []string `json:"needs,omitempty" doc:"beside the fields of the type, in words"`
	Then      string   `json:"then,omitempty" doc:"how the case stands after it, in words, if otherwise than before"`
	NotBefore string   `json:"not_before,omitempty"`
	Until     string   `json:"until,omitempty" doc:"the end of its window"`
}

// CasesJSON writes a vehicle's cases as they stand as of a time (ms) in a log
// of size entries, for programs.
func CasesJSON(subject string, size uint64, asOf int64, list []cases.Status) []byte {
	out := struct {
		Subject string       `json:"subject"`
		Size    uint64       `json:"size"`
		AsOf    string       `json:"as_of"`
		Cases   []ListedCase `json:"cases"`
	}{subject, size, instant(asOf), []ListedCase{}}
	for i := range list {
		c := ListedCase{caseOf(&list[i]), list[i].Last, []NextStep{}}
		for _, p := range cases.Next(&list[i]) {
			c.Next = append(c.Next, NextStep{p.Type, p.Outcome, p.Who, p.Not, p.Needs, p.Then, instant(p.From), instant(p.Until)})
		}
		out.Cases = append(out.Cases, c)
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(err) // plain data only
	}
	return append(b, '\n')
}

// Cases writes a vehicle's cases for a person who takes part in them, as they
// stand as of a time (ms): those first in which something is still to come.
// The records that they are about are looked up among results.
func Cases(list []cases.Status, results []verify.Result, asOf int64, unit Unit) string {
	l := caseList{inference: inference{unit: unit, results: map[string]*verify.Result{}}, asOf: asOf}
	for i := range results {
		l.results[verify.Hex(results[i].Hash)] = &results[i]
	}
	for _, open := range []bool{true, false} {
		for i := range list {
			if list[i].Open == open {
				l.oneCase(&list[i])
			}
		}
	}
	return l.b.String()
}

type caseList struct {
	inference
	asOf int64
}

// listedAt is where what is said of a case begins.
const listedAt = 12

// row writes one fact of a case; the name is left out where it is that of the
// row above.
func (l *caseList) row(name, format string, args ...any) {
	text := strings.TrimLeft(hang(fmt.Sprintf(format, args...), listedAt, listedAt+2), " ")
	fmt.Fprintf(&l.b, "  %-*s%s", listedAt-2, name, text)
}

func (l *caseList) oneCase(c *cases.Status) {
	if l.b.Len() > 0 {
		l.b.WriteByte('\n')
	}
	fmt.Fprintf(&l.b, "%s %s: %s\n", c.Kind, short(c.Case), c.Words)
	l.row("case", "%s", c.Case)
	next := cases.Next(c)
	if len(next) > 0 {
		l.row("newest", "%s (prev of the next)", c.Last)
	} else {
		l.row("newest", "%s", c.Last)
	}
	if c.Unclear {
		l.row("note", "records that may belong to it are withheld: it may stand otherwise than the shown ones say")
	}
	actor := ""
	if c.By.Actor != "" {
		actor = ", " + c.By.Actor
	}
	l.row("opened", "%s by %s%s%s (log index %d)", moment(c.Opened), c.By.Member, actor, behalf(c), c.Index)
	for i, h := range c.Targets {
		what := "a record that is not shown"
		if e := l.results[h]; e != nil && e.Record != nil {
			what = l.record(e.Record)
		}
		l.row(first("about", i), "%s, record %s", what, short(h))
	}
	if c.Claim != nil {
		l.row("says", "%s; reason given: %s", l.claim(c), plainWords(c.Claim.Reason))
	}
	if c.Says != "" {
		l.row("says", "%s; to be decided by %s", plainWords(c.Says), c.Arbitrator)
	}
	for _, s := range Particulars(c) {
		l.row("says", "%s", s)
	}
	for i, d := range c.Decisions {
		l.row(first("decided", i), "%s by %s%s, record %s", moment(d.Time), d.By.Member, l.decision(&d), short(d.Hash))
	}
	for i := range c.Clocks {
		l.row(first("due", i), "%s", l.clock(c, &c.Clocks[i]))
	}
	for i := range next {
		l.next(first("next", i), &next[i])
	}
	if len(next) == 0 {
		l.row("next", "nothing: it is closed")
	}
}

func first(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}

func (l *caseList) decision(d *cases.Decision) string {
	var parts []string
	if d.Outcome != "" {
		parts = append(parts, plainWords(d.Outcome))
	}
	for _, f := range []string{"actual", "not_actual", "undetermined"} {
		n := 0
		for _, found := range d.Finding {
			if found == f {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s found %s", counted(n, "record"), plainWords(f)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

var clockNames = map[string]string{
	"answer": "the answer", "decide": "the decision", "final": "the decision on the appeal", "appeal": "an appeal", "register": "the registration",
	"report": "the report of the work", "pay": "the payment", "unique": "the decision on a unique part", "credit": "the credit",
	"notify": "word to the owner", "affects": "the list of all vehicles",
}

// ClockName says what a deadline or a window is for.
func ClockName(name string) string {
	if s := clockNames[name]; s != "" {
		return s
	}
	return plainWords(name)
}

func (l *caseList) clock(c *cases.Status, t *cases.ClockStatus) string {
	name := ClockName(t.Name)
	if t.Window {
		s := fmt.Sprintf("%s: until %s", name, moment(t.Target))
		switch {
		case t.Met != 0:
			s += ", it came " + moment(t.Met)
		case t.Over:
			s += ", which is over"
		}
		return s
	}
	s := fmt.Sprintf("%s: by %s", name, moment(t.Target))
	switch {
	case t.Paused != 0:
		return fmt.Sprintf("%s: the clock stands since %s", name, moment(t.Paused))
	case c.Unclear:
		return s + "; whether it came is not known"
	case t.Ended != 0:
		s += ", it NEVER CAME: the case " + c.Without() + " " + moment(t.Ended)
	case t.Overdue != 0 && t.Met == 0:
		s += ", OVERDUE"
	case t.Overdue != 0:
		s += ", LATE: it came " + moment(t.Met)
	case t.Met != 0:
		s += ", it came in time " + moment(t.Met)
	}
	if t.Breached {
		s += "; in BREACH, which began after " + moment(t.Breach)
	} else if t.Met == 0 && t.Ended == 0 {
		s += "; in breach after " + moment(t.Breach)
	}
	return s
}

func (l *caseList) next(name string, p *cases.Possible) {
	what := p.Type
	if p.Outcome != "" {
		what += ", " + cases.Names(p.Type) + " " + p.Outcome
	}
	if p.From > l.asOf {
		what += ", not before " + moment(p.From)
	}
	if p.Until != 0 {
		what += ", until " + moment(p.Until)
	}
	if p.Then != "" {
		what += "; then it is: " + p.Then
	}
	l.row(name, "%s", what)
	l.b.WriteString(hang("by "+p.Who, listedAt+2, listedAt+4))
	if len(p.Not) > 0 {
		l.b.WriteString(hang("but not "+strings.Join(p.Not, " or "), listedAt+2, listedAt+4))
	}
	if len(p.Needs) > 0 {
		l.b.WriteString(hang("needs "+strings.Join(p.Needs, "; "), listedAt+2, listedAt+4))
	}
}
