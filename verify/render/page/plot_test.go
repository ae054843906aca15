package page

import (
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/render"
)

func plotted(t *testing.T, in Input) *plot {
	t.Helper()
	p := newView(&in).Plot
	if p == nil {
		t.Fatal("there is no plot")
	}
	return p
}

func shapes(p *plot) map[string]int {
	n := map[string]int{}
	for _, m := range p.Points {
		n[m.Shape]++
	}
	return n
}

// Whatever is drawn lies in the field, and is explained; nothing else is.
func TestThePlotOfALife(t *testing.T) {
	t.Parallel()
	p := plotted(t, wholeStory(t))
	want := map[string]int{"counts": 10, "entered": 1, "corrected": 1, "named": 1, "withheld": 1}
	got := shapes(p)
	for s, n := range want {
		if got[s] != n {
			t.Errorf("%d marks of shape %s, want %d", got[s], s, n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	explained := map[string]bool{}
	for _, l := range p.Legend {
		explained[l.Shape] = true
	}
	for s := range got {
		if !explained[s] {
			t.Errorf("%s is not explained", s)
		}
	}
	if explained["sides"] || explained["aside"] || !explained["split"] || !explained["gap"] || !explained["line"] {
		t.Errorf("the legend explains %v", explained)
	}
	for _, m := range p.Points {
		if m.X < p.Left || m.X > p.Right || m.Y < p.Top || m.Y > p.Bottom || m.Text == "" {
			t.Errorf("%+v lies outside, or has no text", m)
		}
	}
	// The replaced odometer parts the line, and so does the long gap.
	if len(p.Splits) != 1 || len(p.Gaps) != 1 || len(p.Moves) != 1 || len(p.Lines) != 3 {
		t.Errorf("splits %v, gaps %v, moves %v, lines %v", p.Splits, p.Gaps, p.Moves, p.Lines)
	}
	if p.Unit != "km" || p.YTicks[0].Text != "0" || len(p.YTicks) > maxYTicks+1 || len(p.XTicks) > maxXTicks || len(p.XTicks) < 2 {
		t.Errorf("%+v %+v", p.XTicks, p.YTicks)
	}
}

func TestBothSidesOfARollback(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	for i, v := range []int64{10_000, 30_000, 60_000, 90_000, 40_000, 55_000, 70_000} {
		s.reading("dealer.example/lyon", time.Date(2015+i, 3, 1, 10, 0, 0, 0, time.UTC).Format(time.RFC3339), v, "SMI")
	}
	in := s.input()
	p := plotted(t, in)
	n := shapes(p)
	if n["named"] > 0 || n["sides"] < 2 || p.Unit != "mi" {
		t.Errorf("%v in %s", n, p.Unit)
	}
	// No line leads from one side to the other, and both have theirs.
	if len(p.Lines) != 2 || len(strings.Fields(p.Lines[0])) != 4 || len(strings.Fields(p.Lines[1])) != 3 || len(p.Gaps) != 0 {
		t.Errorf("lines %q, gaps %v", p.Lines, p.Gaps)
	}
	doc := read(t, write(t, in))
	says(t, doc.find(t, "judgement"), "Illogical.", "The readings do not say which side is wrong", "one side", "the other side", "mi")
	for _, row := range doc.find(t, "judgement").all("td") {
		if strings.Contains(row.text, "does not fit") {
			t.Error("a reading is named")
		}
	}
	in.Unit = render.Kilometres
	if p := plotted(t, in); p.Unit != "km" {
		t.Errorf("the plot is in %s", p.Unit)
	}
}

// What an arbitrator set aside is still drawn, as what it is.
func TestThePlotShowsWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.reading("dealer.example/lyon", "2026-01-01T10:00:00Z", 120_000, "KMT")
	back := s.reading("dealer.example/turin", "2026-03-01T10:00:00Z", 70_000, "KMT")
	s.known.Effects = []cases.Effect{{Target: back, By: back, Case: back, Index: 99, Kind: cases.Excluded, Reason: "not_actual"}}
	in := s.input()
	p := plotted(t, in)
	if n := shapes(p); n["excluded"] != 1 || n["counts"] != 1 || len(p.Legend) != 2 {
		t.Errorf("%v, %v", n, p.Legend)
	}
	if last := p.XTicks[len(p.XTicks)-1]; last.Text != "2026-03-01" || last.Anchor != "end" {
		t.Errorf("%+v would be cut off", last)
	}
	doc := read(t, write(t, in))
	says(t, doc.find(t, "plot"), "does not count, by a decision", "70,000 km", "1 set aside by a decision")
	says(t, doc.find(t, "changes"), "Record 2 70,000 km", "Nothing: it was found not to be the actual mileage")
}

func TestPlotsOfLittle(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.reading("dealer.example/lyon", "2020-03-01T10:00:00Z", 2, "KMT")
	in := s.input()
	if newView(&in).Plot != nil {
		t.Error("a plot of one reading")
	}
	s.reading("dealer.example/lyon", "2020-03-01T12:00:00Z", 2, "KMT")
	p := plotted(t, s.input())
	for _, m := range p.Points {
		if m.X < p.Left || m.X > p.Right || m.Y < p.Top || m.Y > p.Bottom {
			t.Errorf("%+v lies outside", m)
		}
	}
	if len(p.XTicks) != 3 {
		t.Errorf("%v", p.XTicks)
	}
}

func TestScales(t *testing.T) {
	t.Parallel()
	for most, want := range map[int64]int64{0: 1, 1: 1, 5: 1, 6: 2, 10: 2, 11: 5, 26: 10, 1_999_999: 500_000, 300_000: 100_000} {
		if got := niceStep(most); got != want {
			t.Errorf("%d: a tick each %d, want %d", most, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int64]string{0: "0 seconds", 1: "1 second", 59: "59 seconds", 60: "1 minute", 61: "1 minute 1 second", 3600: "1 hour",
		3661: "1 hour 1 minute", 86_399: "23 hours 59 minutes", 86_400: "1 day", 90_061: "1 day 1 hour", 29*86_400 + 3600: "29 days 1 hour", 31*86_400 + 7200: "31 days", 465_523_200: "5,388 days"} {
		if got := span(seconds); got != want {
			t.Errorf("%d: %s, want %s", seconds, got, want)
		}
	}
	for in, want := range map[string]string{"car.mileproof": "car.mileproof", "my car": "'my car'", "it's": `'it'\''s'`, "": "''", "-rf": "'./-rf'", "$(x)": "'$(x)'", "é": "'é'"} {
		if got := quote(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"plain é 漢": "plain é 漢", "a\u202eb": `a\u202eb`, "a\nb": "a b", "\x00": `\u0000`, "a\u00a0b": "a b", "\xff": `\ufffd`, "\u200b": `\u200b`, "\ufeff": `\ufeff`} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"a word": "A word.", "vehicle/X: no": "vehicle/X: no.", "index_present here": "index_present here.", "": "", "Done.": "Done."} {
		if got := sentence(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// The delay between an event and its entry is told as exactly as the event.
func TestDelays(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.reading("dealer.example/lyon", "2020-03-01T10:00:00Z", 100, "KMT")
	res := s.results[0]
	for _, c := range []struct {
		precision string
		after     time.Duration
		want      string
	}{
		{"second", 0, "none"}, {"second", 90 * time.Second, "1 minute 30 seconds between the event and the log"},
		{"minute", -time.Hour, "the event is dated 1 hour after its entry into the log"},
		{"date", 5 * time.Hour, "none: in the log on the day on which it happened"},
		{"date", 48 * time.Hour, "1 day after the day on which it happened"},
		{"date", -48 * time.Hour, "the event is dated"},
	} {
		r := *res.Record
		r.Precision = c.precision
		got := delay(&verify.Result{Record: &r, Time: r.EventTime.Add(c.after).UnixMilli()})
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s, %v: %s, want %s", c.precision, c.after, got, c.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\u202eb\x00</script>")
	f.Fuzz(func(t *testing.T, s string) {
		out := clean(s)
		if i := strings.IndexFunc(out, func(r rune) bool {
			return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x202e && r != 0x2010 && (r < 0x2010 || r > 0x2027) || r >= 0x2066 && r <= 0x2069
		}); i >= 0 {
			t.Fatalf("%q becomes %q", s, out)
		}
		if clean(out) != out {
			t.Fatalf("%q is cleaned twice to %q", out, clean(out))
		}
	})
}
