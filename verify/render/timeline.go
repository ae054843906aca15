package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// columns is the width of a page that a person reads.
const columns = 100

// Layout of a line of the timeline: where what a record says begins, and how
// much of it stands on the author's line. The rest follows below, as far as
// the page is wide.
const (
	whatAt    = 28
	whatWidth = 38
)

// Timeline writes what happened, one line a record and below it, in words,
// what to know about it. A vehicle's records stand in the order in which
// things happened, those whose contents are withheld at the day when they
// came into the log; other histories stand in the order of the log. m may be
// nil.
func Timeline(results []verify.Result, m *verify.Meaning, unit Unit) string {
	var b strings.Builder
	for i, part := range byHistory(results) {
		if i > 0 {
			fmt.Fprintf(&b, "\nAlso about this vehicle, %s:\n", headings[class(part[0].Subject)])
		}
		t := timeline{unit: unit, meaning: m}
		for _, e := range part {
			t.entry(e)
		}
		b.WriteString(t.text())
	}
	return b.String()
}

var headings = map[string]string{
	"workshop": "for dealers, its maker and arbitrators only",
	"access":   "who may read its history, and who did",
}

func class(subject string) string { return subject[:strings.IndexByte(subject+"/", '/')] }

// byHistory parts results by history, the vehicle's own first, and sorts that
// one by what happened when.
func byHistory(results []verify.Result) (parts [][]verify.Result) {
	for _, c := range []string{"vehicle", "", "workshop", "access"} {
		var part []verify.Result
		for _, e := range results {
			at := class(e.Subject)
			if at == "notice" {
				continue // of all that a member announced the answers tell what matters here
			}
			if at == c || c == "" && at != "vehicle" && headings[at] == "" {
				part = append(part, e)
			}
		}
		if len(part) == 0 {
			continue
		}
		if c == "vehicle" {
			slices.SortStableFunc(part, func(a, b verify.Result) int { return happened(a).Compare(happened(b)) })
		}
		parts = append(parts, part)
	}
	return parts
}

func happened(e verify.Result) time.Time {
	if e.Record == nil {
		return time.UnixMilli(e.Time).UTC()
	}
	return e.Record.EventTime
}

// timeline gathers lines. Late entries in a row that came in on one day share
// one remark: an import of old papers is one fact, not fifty.
type timeline struct {
	unit    Unit
	meaning *verify.Meaning

	lines []string
	late  []lateness // of the entries above that have no other remark
}

type lateness struct {
	entered string // day
	delay   time.Duration
}

func (t *timeline) text() string {
	t.flush()
	return strings.Join(t.lines, "")
}

func (t *timeline) entry(e verify.Result) {
	if e.Record == nil {
		t.flush()
		t.line(logDay(e.Time), "", "(contents withheld; entered that day)", "")
		return
	}
	late, remarks := t.remarks(e)
	if late == nil || len(remarks) > 0 || len(t.late) > 0 && t.late[0].entered != late.entered {
		t.flush()
	}
	what, mileage := t.describe(e.Record)
	t.line(day(e.Record.EventTime), mileage, what, e.Record.Author)
	if late != nil {
		t.late = append(t.late, *late)
	}
	if len(remarks) > 0 {
		t.flush()
	}
	for _, r := range remarks {
		t.remark(r)
	}
}

func (t *timeline) line(day, mileage, what, who string) {
	texts := wrap(what, whatWidth, columns-whatAt)
	s := fmt.Sprintf("  %-10s  %12s  %-*s  %s", day, mileage, whatWidth, texts[0], who)
	t.lines = append(t.lines, strings.TrimRight(s, " ")+"\n")
	for _, more := range texts[1:] {
		t.lines = append(t.lines, strings.Repeat(" ", whatAt)+more+"\n")
	}
}

func (t *timeline) remark(s string) {
	t.lines = append(t.lines, hang(s, whatAt+2, whatAt+4))
}

// flush says of the entries above, whose only remark it is, that they are late.
func (t *timeline) flush() {
	n := len(t.late)
	if n == 0 {
		return
	}
	low, high := t.late[0].delay, t.late[0].delay
	for _, l := range t.late {
		low, high = min(low, l.delay), max(high, l.delay)
	}
	span := lapse(low)
	if lapse(high) != span {
		span += " to " + lapse(high)
	}
	which := ""
	if n > 1 {
		which = fmt.Sprintf("these %d ", n)
	}
	t.remark(fmt.Sprintf("%sentered late, on %s: %s after", which, t.late[0].entered, span))
	t.late = nil
}

// describe says what a record records, with its mileage in the reader's unit.
func (t *timeline) describe(r *record.Record) (what, mileage string) {
	what, mileage = Describe(r)
	return what, t.unit.Of(r, mileage)
}

// remarks are what to know of an entry: late apart, for it is gathered. Why
// something was decided stands in its author's words, in quotes: they must
// not pass for a remark of this program.
func (t *timeline) remarks(e verify.Result) (late *lateness, remarks []string) {
	if reasons := e.Record.Body.Get("reasons"); e.Record.Def != nil && reasons.Kind == jcs.String {
		remarks = append(remarks, "reasons given: \""+strings.ReplaceAll(reasons.Str, "\"", "'")+"\"")
	}
	if t.meaning != nil {
		for _, m := range t.meaning.Marks[verify.Hex(e.Hash)] {
			if m.Code == verify.MarkLate || m.Code == verify.MarkVeryLate {
				late = &lateness{logDay(e.Time), time.Duration(m.Seconds) * time.Second}
				continue
			}
			remarks = append(remarks, t.sayMark(m))
		}
	}
	if slices.Contains(e.Flags, verify.CapturedAhead) {
		remarks = append(remarks, "by its author's clock it was signed more than a day after it was entered")
	}
	if e.Verdict != verify.Valid {
		remarks = append(remarks, strings.TrimSuffix("["+string(e.Verdict)+"] "+e.Reason, " "))
	} else if e.Reason != "" {
		remarks = append(remarks, e.Reason)
	}
	return late, remarks
}

// lapse says roughly how long, rounded down.
func lapse(d time.Duration) string {
	hours := int(d / time.Hour)
	for _, s := range []struct {
		from, unit int
		word       string
	}{{2 * 365 * 24, 365 * 24, "year"}, {60 * 24, 30 * 24, "month"}, {48, 24, "day"}, {1, 1, "hour"}} {
		if hours >= s.from {
			return counted(hours/s.unit, s.word)
		}
	}
	return counted(int(d/time.Minute), "minute")
}

func counted(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return record.Thousands(int64(n)) + " " + word + "s"
}

func logDay(ms int64) string { return day(time.UnixMilli(ms).UTC()) }

func day(t time.Time) string { return t.Format(time.DateOnly) }

// hang breaks text into lines of at most the page's width: the first is
// indented by first columns, the others by rest.
func hang(s string, first, rest int) string {
	var b strings.Builder
	indent := first
	for _, line := range wrap(s, columns-first, columns-rest) {
		b.WriteString(strings.Repeat(" ", indent) + line + "\n")
		indent = rest
	}
	return b.String()
}

// wrap breaks text between words into lines, at least one: the first of at
// most first columns, the others of at most rest. A word longer than its line
// is broken.
func wrap(s string, first, rest int) (lines []string) {
	var line []rune
	width := first
	next := func() {
		lines = append(lines, string(line))
		line, width = nil, rest
	}
	for _, text := range strings.Fields(s) {
		word := []rune(text)
		switch {
		case len(line) == 0:
		case len(line)+1+len(word) <= width:
			line = append(line, ' ')
		default:
			next()
		}
		for len(word) > width-len(line) {
			n := width - len(line)
			line, word = append(line, word[:n]...), word[n:]
			next()
		}
		line = append(line, word...)
	}
	return append(lines, string(line))
}
