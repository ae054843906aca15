package render

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// cases tells of the cases about the vehicle, those first in which something
// is still to come.
func (in *inference) cases() {
	if len(in.meaning.Cases) == 0 {
		return
	}
	fmt.Fprintf(&in.b, "\nCases about this vehicle, as of %s:\n", moment(in.meaning.AsOf))
	for _, open := range []bool{true, false} {
		for i := range in.meaning.Cases {
			if c := &in.meaning.Cases[i]; c.Open == open {
				in.oneCase(c)
			}
		}
	}
}

// recalls tells which recalls are open on the vehicle: that none is follows
// from its complete history, if all of that is shown.
func (in *inference) recalls() { in.b.WriteString("\n" + hang(OpenRecalls(in.meaning), 0, 2)) }

// OpenRecalls says for a person which recalls are open on a vehicle.
func OpenRecalls(m *verify.Meaning) string {
	var open []string
	for _, campaign := range cases.OpenRecalls(m.Cases) {
		open = append(open, strings.TrimPrefix(campaign, "campaign/"))
	}
	list := strings.Join(open, ", ")
	withheld := m.Judgement.Withheld
	switch {
	case withheld > 0 && list == "":
		list = "not known, " + counted(withheld, "record") + " withheld"
	case withheld > 0:
		list += ", as far as is shown; " + counted(withheld, "record") + " withheld"
	case list == "":
		list = "none on this log"
	}
	return fmt.Sprintf("Open recalls as of %s: %s.", moment(m.AsOf), list)
}

var caseTitles = map[string]string{
	"correction": "Correction asked for", "dispute": "Dispute opened", "warranty": "Warranty claimed", "order": "Part ordered", "return": "Return of a part asked for",
	"recall": "Vehicle recalled", "campaign": "Recall published",
}

// CaseTitle says what happened when a case of a kind was opened.
func CaseTitle(kind string) string { return caseTitles[kind] }

func (in *inference) oneCase(c *cases.Status) {
	in.say(2, "%s by %s%s on %s (log index %d, case %s): %s.", CaseTitle(c.Kind), c.By.Member, behalf(c), logDay(c.Opened), c.Index, short(c.Case), c.Words)
	if c.Unclear {
		in.say(4, "Records that may belong to it are withheld: it may stand otherwise than the shown ones say.")
	}
	for _, h := range c.Targets {
		if e := in.results[h]; e != nil && e.Record != nil {
			in.say(4, "About: %s.", in.record(e.Record))
		} else {
			in.say(4, "About: a record that is not shown, %s.", short(h))
		}
	}
	if c.Claim != nil {
		in.say(4, "It says: %s. Reason given: %s.", in.claim(c), plainWords(c.Claim.Reason))
	}
	if c.Says != "" {
		in.say(4, "It says: %s.", plainWords(c.Says))
	}
	for _, s := range Particulars(c) {
		in.say(4, "%s.", s)
	}
	for _, d := range c.Decisions {
		in.say(4, "Decided by %s on %s (log index %d)%s.", d.By.Member, logDay(d.Time), d.Index, in.decision(&d))
	}
	for i := range c.Clocks {
		in.clock(c, &c.Clocks[i])
	}
	if c.Lost > 1 {
		in.say(4, "%s has withdrawn or lost %d disputes about this vehicle.", c.By.Member, c.Lost)
	}
}

// Particulars are what some kinds of case have and others not.
func Particulars(c *cases.Status) (all []string) {
	if c.Campaign != "" {
		all = append(all, "Recall campaign "+strings.TrimPrefix(c.Campaign, "campaign/"))
	}
	if c.About != "" {
		all = append(all, "For case "+short(c.About))
	}
	if len(c.Missing) > 0 {
		all = append(all, "Documents missing: "+plainWords(strings.Join(c.Missing, ", ")))
	}
	if len(c.Done) > 0 {
		all = append(all, "On its way: "+plainWords(strings.Join(c.Done, ", then ")))
	}
	return all
}

// behalf says for whom a case was opened, "" if for its opener.
func behalf(c *cases.Status) string {
	if c.For == "" || c.For == "self" {
		return ""
	}
	return " for the " + plainWords(c.For)
}

func plainWords(code string) string { return strings.ReplaceAll(code, "_", " ") }

func (in *inference) claim(c *cases.Status) string {
	var parts []string
	l := c.Claim
	if l.Value != nil {
		unit := l.Unit
		if e := in.results[c.Targets[0]]; unit == "" && e != nil && e.Record != nil {
			unit = e.Record.Body.Get("unit").Str
		}
		parts = append(parts, "the counter showed "+strings.TrimSpace(in.unit.Mileage(*l.Value, unit)))
	} else if l.Unit != "" {
		parts = append(parts, "the unit was "+Unit(l.Unit).Symbol())
	}
	if l.EventTime != "" {
		parts = append(parts, "it was read on "+dayOf(l.EventTime))
	}
	if len(parts) == 0 {
		parts = append(parts, "the "+plainWords(l.Field)+" is wrong")
	}
	return strings.Join(parts, ", ")
}

func (in *inference) decision(d *cases.Decision) string {
	s := ""
	if d.Outcome != "" {
		s = ": " + plainWords(d.Outcome)
	}
	count := map[string]int{}
	for _, f := range d.Finding {
		count[f]++
	}
	var parts []string
	for _, f := range []string{"actual", "not_actual", "undetermined"} {
		if n := count[f]; n == 1 {
			parts = append(parts, plainWords(f))
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d records %s", n, plainWords(f)))
		}
	}
	if len(parts) > 0 {
		s += "; found: " + strings.Join(parts, ", ")
	}
	return s
}

// steps say what a deadline waits for, and from whom.
var steps = map[string]struct{ what, who string }{
	"correction decide": {"no decision", "the maker's support or an arbitrator in its place"},
	"dispute answer":    {"no answer", "those whose records are disputed"},
	"dispute decide":    {"no decision", "the arbitrator"},
	"dispute final":     {"no decision on the appeal", "another arbitrator"},
	"warranty register": {"no registration", "the maker's support"},
	"warranty decide":   {"no decision", "the maker's support"},
	"warranty final":    {"no decision on the appeal", "the maker's support, not by who decided before"},
	"warranty report":   {"no report of the work", "the dealer"},
	"warranty pay":      {"no payment", "the maker's financier"},
	"order decide":      {"no order or refusal", "the maker"},
	"order unique":      {"no order or refusal", "the maker"},
	"return decide":     {"no decision", "the maker's financier"},
	"return credit":     {"no credit", "the maker's financier"},
	"recall notify":     {"no word to the owner", "the maker or a dealer"},
	"campaign affects":  {"no list of all vehicles", "the maker"},
}

func (in *inference) clock(c *cases.Status, t *cases.ClockStatus) {
	step, known := steps[c.Kind+" "+t.Name]
	if t.Window || !known || c.Unclear {
		return
	}
	who := step.who
	if who == "the arbitrator" && c.Arbitrator != "" {
		who = c.Arbitrator
	}
	limit := in.limit(c.Kind, t)
	breach := ""
	if t.Breached {
		breach = fmt.Sprintf("; the last bound, %s, is passed too", moment(t.Breach))
	}
	if t.Paused != 0 {
		in.say(4, "The clock stands since %s: %s by %s.", moment(t.Paused), step.what, who)
		return
	}
	awaited := strings.TrimPrefix(step.what, "no ")
	switch {
	case t.Overdue != 0 && t.Met == 0 && t.Ended == 0 && c.Open:
		in.say(4, "OVERDUE: %s by %s; due by %s%s, overdue since then%s.", step.what, who, moment(t.Target), limit, breach)
	case t.Overdue != 0 && t.Ended != 0:
		in.say(4, "Never came: the %s by %s, due by %s%s; the case %s on %s%s.", awaited, who, moment(t.Target), limit, c.Without(), moment(t.Ended), breach)
	case t.Overdue != 0 && t.Met != 0:
		in.say(4, "Late: the %s by %s, due by %s%s; it came late on %s%s.", awaited, who, moment(t.Target), limit, moment(t.Met), breach)
	case t.Met == 0 && t.Ended == 0 && c.Open:
		in.say(4, "Waiting: %s yet by %s; due by %s%s.", step.what, who, moment(t.Target), limit)
	}
}

// limit says in days how long a deadline is, where the rules that set it are
// those at hand.
func (in *inference) limit(kind string, t *cases.ClockStatus) string {
	def := cases.Lookup(kind)
	name := kind + "_" + t.Name + "_target"
	days, ok := in.meaning.Bounds[name]
	if def == nil || !ok || in.meaning.Rules != t.Rules {
		return ""
	}
	for _, c := range def.Clocks {
		if c.Name == t.Name && c.Working {
			return fmt.Sprintf(", within %s", counted(int(days), "working day"))
		}
	}
	return fmt.Sprintf(", within %s", counted(int(days), "day"))
}
