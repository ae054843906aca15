package render

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/answers"
)

// Answer is what a vehicle's history says to one question, in sentences.
type Answer struct {
	Title string
	Lines []string
}

// Answers puts into words what a history answers: one Answer a question, none
// for questions that it says nothing to. Distances are in the reader's unit.
func Answers(a *answers.Answers, unit Unit) (out []Answer) {
	if a == nil {
		return nil
	}
	w := answerWords{unit}
	add := func(title string, lines []string) {
		if len(lines) > 0 {
			out = append(out, Answer{title, lines})
		}
	}
	add("Total loss, theft and the like", w.marks(a.Marks))
	add("Warranty", w.covers(a.Covers))
	for i := range a.Plans {
		p := &a.Plans[i]
		add("Service plan "+p.Plan+" of "+p.Author, w.plan(p))
	}
	if n := a.Next; n != nil {
		add("Next service", []string{"due " + w.dueOnOdometer(n) + ", said " + n.Author})
	}
	add("Software", w.software(a.Software))
	for i := range a.Leases {
		add("Lease", w.lease(&a.Leases[i]))
	}
	var silent []string
	for _, g := range a.Gaps {
		to := g.To
		if g.Open {
			to = "now, " + g.To
		}
		silent = append(silent, fmt.Sprintf("no record from %s to %s, %s days; no data is not no work", g.From, to, record.Thousands(g.Days)))
	}
	for _, o := range a.Outages {
		to := "on, and it lasts"
		if o.To != "" {
			to = "to " + o.To
		}
		silent = append(silent, fmt.Sprintf("%s could enter no records from %s %s (%s)", o.Member, o.From, to, plainWords(o.Reason)))
	}
	add("Silence", silent)
	return out
}

// answersText writes the answers below the inference of the mileage.
func answersText(a *answers.Answers, unit Unit) string {
	parts := Answers(a, unit)
	if len(parts) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(hang("What else the history answers, as of "+a.AsOf+": this program's inference too.", 0, 2))
	for _, p := range parts {
		b.WriteString(hang(p.Title+":", 2, 4))
		for _, l := range p.Lines {
			b.WriteString(hang(l, 4, 6))
		}
	}
	if a.Partial {
		b.WriteString(hang("Records are withheld: what they say is not in these answers.", 2, 4))
	}
	return b.String()
}

type answerWords struct{ unit Unit }

func (w answerWords) km(n int64) string { return w.unit.Mileage(n, string(Kilometres)) }

func (w answerWords) marks(marks []answers.Mark) (lines []string) {
	for _, m := range marks {
		s := strings.ToUpper(plainWords(m.Kind)) + " on " + m.Day + ", reported by " + m.Author
		if m.Severity != "" {
			s += ", " + m.Severity
		}
		lines = append(lines, s)
	}
	return lines
}

var coverStates = map[string]string{
	answers.CoverAhead: "not begun", answers.CoverInForce: "IN FORCE", answers.CoverExpired: "expired",
	answers.CoverExhausted: "ended by distance", answers.CoverUnclear: "in force by date; how far the vehicle has come is not known",
}

func (w answerWords) covers(covers []answers.Cover) (lines []string) {
	for _, c := range covers {
		text := fmt.Sprintf("%s: %s, from %s to %s", plainWords(c.Coverage), coverStates[c.State], c.Starts, c.Ends)
		if c.LimitKM > 0 {
			text += " or " + w.km(c.LimitKM)
		}
		text += ", for " + plainWords(strings.Join(c.Groups, ", "))
		if len(c.Exclusions) > 0 {
			text += " without " + plainWords(strings.Join(c.Exclusions, ", "))
		}
		if !c.Transferable {
			text += "; it ends when the vehicle is sold"
		}
		lines = append(lines, text)
	}
	return lines
}

func (w answerWords) plan(p *answers.Plan) (lines []string) {
	if p.Begins != "" {
		lines = append(lines, "months count from "+p.Begins)
	} else {
		lines = append(lines, "from when months count is not known: no record shows a first registration or sale")
	}
	for i := range p.Intervals {
		v := &p.Intervals[i]
		var every []string
		if v.KM > 0 {
			every = append(every, w.km(v.KM))
		}
		if v.Months > 0 {
			every = append(every, counted(int(v.Months), "month"))
		}
		lines = append(lines, fmt.Sprintf("interval %d, every %s: %s", v.No, strings.Join(every, " or "), strings.Join(v.Operations, ", ")))
		for _, s := range v.Services {
			lines = append(lines, "- "+w.service(&s))
		}
	}
	return lines
}

var outcomes = map[string]string{
	answers.Met: "met", answers.Late: "LATE", answers.Unclear: "done, whether in time the records don't tell",
	answers.Ahead: "not due yet", answers.Due: "due, and within the tolerance", answers.Overdue: "OVERDUE: not shown as done",
}

func (w answerWords) service(s *answers.Service) string {
	due := s.DueDay
	if s.DueKM != nil {
		due = strings.TrimPrefix(due+" or at "+w.km(*s.DueKM), " or ")
	}
	if due == "" {
		due = "at a time unknown"
	}
	text := "due " + due + ": " + outcomes[s.Outcome]
	var by []string
	if s.Days > 0 {
		by = append(by, counted(int(s.Days), "day"))
	}
	if s.OverKM > 0 {
		by = append(by, w.km(s.OverKM))
	}
	if len(by) > 0 {
		text += ", " + strings.Join(by, " and ") + " beyond the tolerance"
	}
	if s.Day == "" {
		return text
	}
	text += "; done " + s.Day
	if s.KM != nil {
		text += " at " + w.km(*s.KM)
	}
	return text
}

func (w answerWords) dueOnOdometer(n *answers.Next) string {
	due := n.Day
	if n.KM > 0 {
		due = strings.TrimPrefix(due+" or at "+w.km(n.KM), " or ")
	}
	return due
}

func (w answerWords) software(units []answers.Software) (lines []string) {
	for _, s := range units {
		text := fmt.Sprintf("%s has %s since %s, by %s", s.ECU, s.Version, s.Day, s.Author)
		if s.Method == "ota" {
			text += ", over the air"
		}
		if s.Campaign != "" {
			text += ", for campaign " + s.Campaign
		}
		if s.Missing {
			text += "; an update before it is not shown"
		}
		lines = append(lines, text)
	}
	return lines
}

func (w answerWords) lease(l *answers.Lease) []string {
	text := "from " + l.Begins
	if l.Ends != "" {
		text += " to " + l.Ends
	} else {
		text += ", not returned as far as the history shows"
	}
	switch {
	case l.KM == nil:
		text += ": how far it was driven the readings don't tell"
	default:
		text += fmt.Sprintf(": %s covered, from %s to %s", w.km(*l.KM), w.km(*l.From), w.km(*l.To))
	}
	lines := []string{text}
	switch {
	case l.KM == nil || l.Allowed == 0:
	case l.Excess > 0:
		lines = append(lines, fmt.Sprintf("EXCESS of %s over the %s that the contract is said to allow", w.km(l.Excess), w.km(l.Allowed)))
	default:
		lines = append(lines, fmt.Sprintf("within the %s that the contract is said to allow", w.km(l.Allowed)))
	}
	if l.Doubt {
		lines = append(lines, "a reading that this rests on contradicts others, or was set aside: see the judgement")
	}
	return lines
}
