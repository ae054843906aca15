package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/render"
)

// Whoever hands over a file cannot make somebody look silent, or a decision
// look final, by withholding what came after: nothing is claimed of a case to
// which a withheld record may belong. What a record has closed stays closed.
func TestWithholdingWhatCameAfter(t *testing.T) {
	t.Parallel()
	deny := func(g *caseLog) jcs.Value { return obj("case", g.id, "position", "denies", "prev", g.last) }
	decided := func(g *caseLog) {
		g.opens(garage, g.reading1)
		g.writes(dealer, "dispute.answered/1", deny(g))
		g.writes(arbiter+":ada", "dispute.decided/1", g.rules(g.reading1))
	}
	other := func(g *caseLog) string {
		hash := g.hashAt(g.reading(inspector, vinA, 60_000, g.workshop(inspector)))
		g.seal()
		return hash
	}
	for _, c := range []struct {
		name    string
		do      func(*caseLog) (hidden string)
		whole   string // state with all shown
		unclear bool
		shown   string // state that its newest shown record left it in
	}{
		{"a decision in time", func(g *caseLog) string {
			g.asks(garage, 148_210)
			return g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
		}, "in_force", true, "requested"},
		{"an answer in time", func(g *caseLog) string {
			g.opens(garage, g.reading1)
			return g.writes(dealer, "dispute.answered/1", deny(g))
		}, "answered", true, "opened"},
		{"an appeal in time", func(g *caseLog) string {
			decided(g)
			return g.writes(dealer, "dispute.appealed/1", obj("case", g.id, "prev", g.last))
		}, "appealed", true, "decided"},
		{"something else after a decision", func(g *caseLog) string {
			decided(g)
			return other(g)
		}, "final", true, "decided"},
		{"something else before a decision", func(g *caseLog) string {
			hash := other(g)
			decided(g)
			return hash
		}, "final", false, "final"},
		{"something else after what closed the case", func(g *caseLog) string {
			g.asks(garage, 148_210)
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			return other(g)
		}, "in_force", false, "in_force"},
	} {
		g := newCases(t)
		hidden := c.do(g)
		g.wait(200 * 24 * time.Hour)
		g.add(readingOf(inspector, vinB, 70_300), g.workshop(inspector)) // life goes on elsewhere
		g.seal()
		opt := g.options()
		opt.AllowWithheld, opt.Now = true, time.UnixMilli(g.clock)
		if s := accepted(t, g.file(vinA).Bytes(), opt).Meaning.Cases[0]; s.State != c.whole || s.Unclear {
			t.Errorf("%s: with all shown it is %s, unclear: %v", c.name, s.State, s.Unclear)
		}
		r := accepted(t, g.withholding(vinA, hidden).Bytes(), opt)
		s := r.Meaning.Cases[0]
		if s.State != c.shown || s.Unclear != c.unclear {
			t.Errorf("%s: it is %s, unclear: %v", c.name, s.State, s.Unclear)
		}
		text := strings.Join(strings.Fields(render.Text(r, render.AsEntered)), " ")
		const note = "how it stands is not known. Records that may belong to it are withheld: it may stand otherwise than the shown ones say."
		if strings.Contains(text, note) != c.unclear {
			t.Errorf("%s:\n%s", c.name, text)
		}
		for _, claim := range []string{"OVERDUE", "overdue", "Waiting", "Late", "Never came", "not decided", "not answered", "may be appealed", "for good", "a dispute about it is open"} {
			if c.unclear && strings.Contains(text, claim) {
				t.Errorf("%s: it says %q:\n%s", c.name, claim, text)
			}
		}
	}
}
