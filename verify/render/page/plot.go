package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

// The plot's measures, in its own units; the page scales it to its width.
const (
	plotWidth, plotHeight                    = 640, 360
	plotLeft, plotRight, plotTop, plotBottom = 96, 18, 16, 56
	plotAcross, plotUp                       = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
	gapDays                                  = 548 // between two readings, drawn as a gap
	daySeconds                               = 86_400
	maxXTicks, maxYTicks                     = 6, 6
)

// plot is the mileage over time: what was entered, and what counts.
type plot struct {
	Width, Height            int
	Left, Right, Top, Bottom int // edges of the field
	Title, Desc              string
	Unit                     string
	XTicks, YTicks           []tick
	Lines                    []string // points of polylines through the readings that count
	Gaps, Moves              []line   // long times without a reading; from what was entered to what counts
	Splits                   []split  // where a counter was replaced or rolled over
	Points                   []mark
	Legend                   []mark
}

type tick struct {
	At     int
	Text   string
	Anchor string // middle, or end at the right edge
}

type line struct{ X1, Y1, X2, Y2 int }

type split struct {
	X    int
	Text string
}

// mark is one reading; its shape says what it is, its colour only repeats that.
type mark struct {
	Shape string // counts, corrected, entered, named, sides, excluded, aside, withheld
	X, Y  int
	Text  string
}

var legends = []mark{
	{Shape: "counts", Text: "reading as entered, which counts"},
	{Shape: "entered", Text: "as entered, corrected since"},
	{Shape: "corrected", Text: "what counts after a correction or decision"},
	{Shape: "named", Text: "contradicts the others (the tool's inference)"},
	{Shape: "sides", Text: "on one of two sides that contradict each other (inference)"},
	{Shape: "excluded", Text: "does not count, by a decision"},
	{Shape: "aside", Text: "shown, but not judged"},
	{Shape: "withheld", Text: "a record whose contents are withheld, at its log time"},
	{Shape: "line", Text: "through readings in a row that agree"},
	{Shape: "gap", Text: "more than 18 months without a reading that agrees"},
	{Shape: "split", Text: "odometer replaced, or rolled over"},
}

// plotOf draws the readings of a vehicle; nil if there are fewer than two.
func plotOf(in *Input, es []*entry) *plot {
	m := in.Report.Meaning
	if m == nil || m.Judgement == nil || len(m.Judgement.Readings) < 2 {
		return nil
	}
	return draw(m.Judgement.Readings, es, in.Unit.Far(m.Judgement), in.Report.Subject)
}

// dot is a reading on the two scales.
type dot struct {
	judge.Reading
	day             int64 // of what counts
	value           int64 // what counts, in the plot's unit
	enteredDay      int64
	entered         int64
	hasValue, moved bool
}

func draw(readings []judge.Reading, es []*entry, unit render.Unit, subject string) *plot {
	var dots []dot
	for _, r := range readings {
		d := dot{Reading: r, day: r.Day, enteredDay: dayOf(r.Entered.EventTime, r.Day), hasValue: r.Effective.Unit != ""}
		d.value, _ = unit.In(r.Effective.Value, r.Effective.Unit)
		d.entered, _ = unit.In(r.Entered.Value, r.Entered.Unit)
		d.moved = r.Corrected && (d.value != d.entered || d.day != d.enteredDay)
		if d.hasValue {
			dots = append(dots, d)
		}
	}
	if len(dots) < 2 {
		return nil
	}
	p := &plot{
		Width: plotWidth, Height: plotHeight, Left: plotLeft, Right: plotWidth - plotRight, Top: plotTop, Bottom: plotHeight - plotBottom,
		Unit: unit.Symbol(),
	}
	s := scaleOf(dots, es)
	p.ticks(s)
	p.lines(s, dots)
	p.splits(s, es)
	byHash := map[string]*entry{}
	for _, e := range es {
		byHash[e.hash] = e
		if e.Withheld && e.History == subject {
			p.add("withheld", s.x(e.res.Time/1000/daySeconds), p.Bottom-5, fmt.Sprintf("Record %d: contents withheld, entered %s", e.No, utc(e.res.Time)[:10]))
		}
	}
	for i := range dots {
		p.reading(s, &dots[i], byHash)
	}
	p.legend()
	p.describe(dots, subject)
	return p
}

func dayOf(eventTime string, otherwise int64) int64 {
	t, err := record.ParseTime(eventTime)
	if err != nil {
		return otherwise
	}
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / daySeconds
}

// scale maps days and values to the plot's units.
type scale struct {
	from, to int64 // days
	max      int64 // value at the top
	step     int64 // between ticks of value
}

func scaleOf(dots []dot, es []*entry) scale {
	s := scale{from: dots[0].day, to: dots[0].day}
	for _, d := range dots {
		s.from, s.to, s.max = min(s.from, d.day, d.enteredDay), max(s.to, d.day, d.enteredDay), max(s.max, d.value, d.entered)
	}
	for _, e := range es {
		if e.Withheld {
			day := e.res.Time / 1000 / daySeconds
			s.from, s.to = min(s.from, day), max(s.to, day)
		}
	}
	if s.to-s.from < 2 {
		s.from, s.to = s.from-1, s.to+1
	}
	s.step = niceStep(s.max)
	s.max = max(1, (s.max+s.step-1)/s.step) * s.step
	return s
}

// niceStep is the smallest 1, 2 or 5 times a power of ten that needs no more
// ticks than there is room for.
func niceStep(most int64) int64 {
	for power := int64(1); ; power *= 10 {
		for _, n := range []int64{1, 2, 5} {
			if n*power*(maxYTicks-1) >= most {
				return n * power
			}
		}
	}
}

func (s scale) x(day int64) int {
	return plotLeft + int((day-s.from)*plotAcross/(s.to-s.from))
}

func (s scale) y(value int64) int {
	return plotTop + plotUp - int(value*plotUp/s.max)
}

func (p *plot) ticks(s scale) {
	for v := int64(0); v <= s.max; v += s.step {
		p.YTicks = append(p.YTicks, tick{s.y(v), record.Thousands(v), "end"})
	}
	across := func(day int64, text string) {
		t := tick{s.x(day), text, "middle"}
		if t.At > p.Right-20 {
			t.Anchor = "end"
		}
		p.XTicks = append(p.XTicks, t)
	}
	from, to := time.Unix(s.from*daySeconds, 0).UTC(), time.Unix(s.to*daySeconds, 0).UTC()
	if years := to.Year() - from.Year(); years >= 2 {
		step := (years + maxXTicks - 1) / maxXTicks
		for y := from.Year() + 1; y <= to.Year(); y += step {
			across(time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC).Unix()/daySeconds, fmt.Sprint(y))
		}
		return
	}
	for _, day := range []int64{s.from, (s.from + s.to) / 2, s.to} {
		across(day, dayText(day))
	}
}

// lines joins the readings that agree, apart for each counter. Where two
// sides contradict each other the line breaks between them, and runs through
// both: the plot takes no side that the judgement does not take.
func (p *plot) lines(s scale, dots []dot) {
	var agree []dot
	for _, d := range dots {
		if d.Status == judge.Judged && !d.Named && (d.Kept || d.BothSides) {
			agree = append(agree, d)
		}
	}
	slices.SortStableFunc(agree, func(a, b dot) int {
		if a.Segment != b.Segment {
			return a.Segment - b.Segment
		}
		return int(a.Day - b.Day)
	})
	var points []string
	end := func() {
		if len(points) > 1 {
			p.Lines = append(p.Lines, strings.Join(points, " "))
		}
		points = nil
	}
	for i, d := range agree {
		x, y := s.x(d.day), s.y(d.value)
		if i > 0 {
			last := agree[i-1]
			switch {
			case last.Segment != d.Segment, last.BothSides && d.BothSides && last.Kept != d.Kept:
				end()
			case d.day-last.day > gapDays:
				end()
				p.Gaps = append(p.Gaps, line{s.x(last.day), s.y(last.value), x, y})
			}
		}
		points = append(points, fmt.Sprintf("%d,%d", x, y))
	}
	end()
}

func (p *plot) splits(s scale, es []*entry) {
	for _, e := range es {
		if e.rec == nil || e.rec.Type != "odometer.replaced/1" && e.rec.Type != "odometer.rollover/1" {
			continue
		}
		x := s.x(dayOf(record.FormatTime(e.rec.EventTime), s.from))
		p.Splits = append(p.Splits, split{min(max(x, p.Left), p.Right), fmt.Sprintf("Record %d, %s: %s", e.No, e.Happened, e.What)})
	}
}

func (p *plot) reading(s scale, d *dot, byHash map[string]*entry) {
	shape := "counts"
	switch {
	case d.Status == judge.Excluded:
		shape = "excluded"
	case d.Status != judge.Judged && d.Status != judge.Thinned:
		shape = "aside"
	case d.Named:
		shape = "named"
	case d.BothSides:
		shape = "sides"
	case d.Corrected:
		shape = "corrected"
	}
	where := ""
	if e := byHash[d.Hash]; e != nil {
		where = fmt.Sprintf("Record %d, ", e.No)
	}
	x, y := s.x(d.day), s.y(d.value)
	value := record.Thousands(d.value) + " " + p.Unit
	if d.moved {
		ex, ey := s.x(d.enteredDay), s.y(d.entered)
		p.Moves = append(p.Moves, line{ex, ey, x, y})
		p.add("entered", ex, ey, fmt.Sprintf("%s%s: %s %s as entered, corrected since", where, dayText(d.enteredDay), record.Thousands(d.entered), p.Unit))
		if shape == "corrected" {
			value += " counts"
		}
	}
	p.add(shape, x, y, where+dayText(d.day)+": "+value+", "+clean(d.Author))
}

func dayText(day int64) string { return time.Unix(day*daySeconds, 0).UTC().Format(time.DateOnly) }

func (p *plot) add(shape string, x, y int, text string) {
	p.Points = append(p.Points, mark{shape, x, y, text})
}

// legend explains what is drawn, and nothing else.
func (p *plot) legend() {
	drawn := map[string]bool{"line": len(p.Lines) > 0, "gap": len(p.Gaps) > 0, "split": len(p.Splits) > 0}
	for _, m := range p.Points {
		drawn[m.Shape] = true
	}
	for _, l := range legends {
		if drawn[l.Shape] {
			p.Legend = append(p.Legend, l)
		}
	}
}

// describe says in words what the plot shows, for who can't see it.
func (p *plot) describe(dots []dot, subject string) {
	first, last := dots[0], dots[0]
	for _, d := range dots {
		if d.day < first.day {
			first = d
		}
		if d.day >= last.day {
			last = d
		}
	}
	p.Title = "Mileage of " + strings.TrimPrefix(clean(subject), "vehicle/") + " over time, in " + p.Unit
	counted := map[string]int64{}
	for _, m := range p.Points {
		counted[m.Shape]++
	}
	p.Desc = fmt.Sprintf("%s, from %s %s on %s to %s %s on %s", count(int64(len(dots)), "reading"),
		record.Thousands(first.value), p.Unit, dayText(first.day), record.Thousands(last.value), p.Unit, dayText(last.day))
	for _, c := range []struct{ shape, text string }{
		{"corrected", "corrected"}, {"named", "contradicting the others"}, {"sides", "on one of two sides"}, {"excluded", "set aside by a decision"}, {"aside", "not judged"}, {"withheld", "withheld"},
	} {
		if n := counted[c.shape]; n > 0 {
			p.Desc += fmt.Sprintf("; %d %s", n, c.text)
		}
	}
	p.Desc += ". The same readings stand in the list of records."
}
