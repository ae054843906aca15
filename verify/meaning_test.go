package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

// dated is a reading that happened on a day, at noon.
func (w *world) dated(author, day string, km int) uint64 {
	e := readingOf(author, vinB, km)
	e.more = []jcs.Field{{Name: "event_time", Value: jcs.Text(day + "T12:00:00Z")}, {Name: "event_precision", Value: jcs.Text("minute")}}
	key := w.workshop(author)
	if author == dealer {
		key = w.spare(author)
	}
	return w.add(e, key)
}

// A verified file about a vehicle comes with what it means, as of when it is
// complete; any other file does not.
func TestMeaning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dated(dealer, "2021-03-01", 30_000)
	w.dated(inspector, "2023-03-01", 50_000)
	w.seal()
	r := accepted(t, w.file(vinB).Bytes(), forSubject(w, "vehicle/"+vinB))
	m := r.Meaning
	if m == nil || m.Judgement.Result != judge.Logical || m.Judgement.Judged != 3 || m.Rules != 1 {
		t.Fatalf("%+v", m)
	}
	if m.AsOf < r.SealTime || m.AsOf/1000 < r.AsOf {
		t.Errorf("as of %d, the seal is of %d and the file complete as of %d s", m.AsOf, r.SealTime, r.AsOf)
	}
	if len(m.Cases)+len(m.Effects) != 0 {
		t.Errorf("cases from nowhere: %+v", m)
	}
	r = accepted(t, w.file(vinAbsent).Bytes(), forSubject(w, "vehicle/"+vinAbsent))
	if m := r.Meaning; m == nil || m.Judgement.Result != judge.NoJudgement || m.Judgement.Reasons[0] != "06" {
		t.Errorf("without any record: %+v", m)
	}
	for _, s := range []string{"governance", "member/" + dealer} {
		if r := accepted(t, w.fileAt(s, len(w.leaves), w.signers()...).Bytes(), forSubject(w, s)); r.Meaning != nil {
			t.Errorf("a file about %s has a judgement of its mileage", s)
		}
	}
}

func forSubject(w *world, subject string) verify.Options {
	opt := w.options()
	opt.Subject = subject
	return opt
}

// With one record withheld there is no judgement, whatever the rest looks
// like; what it would be for the rest stands apart. Nothing is judged where
// the caller has not allowed it, nor in a file that was doctored.
func TestMeaningOfWithheldRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dated(dealer, "2021-03-01", 30_000)
	w.dated(inspector, "2022-03-01", 40_000)
	low := w.dated(dealer, "2023-03-01", 20_000)
	w.dated(inspector, "2024-03-01", 60_000)
	w.seal()
	opt := forSubject(w, "vehicle/"+vinB)
	if j := accepted(t, w.file(vinB).Bytes(), opt).Meaning.Judgement; j.Result != judge.Illogical {
		t.Fatalf("the whole file: %s", j.JSON())
	}
	f := w.file(vinB)
	h := f.History("vehicle/" + vinB)
	for i := range h.Entries {
		if h.Entries[i].Index == low {
			h.Entries[i].Note = nil
		}
	}
	if r := refused(t, f.Bytes(), opt, "withheld", "1 of 5"); r.Meaning != nil {
		t.Error("a file that is refused is judged")
	}
	opt.AllowWithheld = true
	j := accepted(t, f.Bytes(), opt).Meaning.Judgement
	if j.Result != judge.NoJudgement || !slices.Equal(j.Reasons, []string{"12"}) || j.Withheld != 1 {
		t.Errorf("%s %v", j.Result, j.Reasons)
	}
	if j.ShownOnly == nil || j.ShownOnly.Result != judge.Logical {
		t.Errorf("for the rest: %+v", j.ShownOnly)
	}
	// Doctored: the withheld record is left out of the count too.
	h.Entries = slices.DeleteFunc(h.Entries, func(e verify.FileEntry) bool { return e.Note == nil })
	if r := verify.Verify(f.Bytes(), opt); fault.Code(r.Failure) != "index_present" || r.Meaning != nil {
		t.Errorf("a doctored file is judged, or refused with %v", r.Failure)
	}
	// Doctored: a mileage that makes it look well.
	f = w.file(vinB)
	for i := range f.History("vehicle/" + vinB).Entries {
		if e := &f.History("vehicle/" + vinB).Entries[i]; e.Index == low {
			e.Note = []byte(strings.Replace(string(e.Note), `"value":20000`, `"value":50000`, 1))
		}
	}
	if r := verify.Verify(f.Bytes(), opt); fault.Code(r.Failure) != "index_present" || r.Meaning != nil {
		t.Errorf("a doctored file is judged, or refused with %v", r.Failure)
	}
}

// Late, very late and ahead are told by comparing with the log time, which
// nobody chose; of an event dated to the day its end counts.
func TestMarksOfTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	logged := time.UnixMilli(w.clock).UTC()
	at := func(d time.Duration, precision string) uint64 {
		e := readingOf(dealer, vinA, 32_000)
		when := logged.Add(-d)
		if precision == "date" {
			when = when.Truncate(24 * time.Hour)
		} else {
			when = when.Truncate(time.Minute)
		}
		e.more = []jcs.Field{{Name: "event_time", Value: jcs.Text(when.Format(time.RFC3339))}, {Name: "event_precision", Value: jcs.Text(precision)}}
		return w.add(e, w.spare(dealer))
	}
	const hour, day = time.Hour, 24 * time.Hour
	cases := []struct {
		index uint64
		want  string
	}{
		{at(23*hour, "minute"), ""},
		{at(25*hour, "minute"), verify.MarkLate},
		{at(6*day, "minute"), verify.MarkVeryLate},
		{at(-2*hour, "minute"), verify.MarkAhead},
		{at(25*hour, "date"), ""},
		{at(3*day, "date"), verify.MarkLate},
	}
	w.seal()
	r := accepted(t, w.file(vinA).Bytes(), w.options())
	for _, c := range cases {
		var codes []string
		for _, m := range r.Meaning.Marks[verify.Hex(resultAt(t, r, c.index).Hash)] {
			codes = append(codes, m.Code)
			if m.Seconds <= 0 {
				t.Errorf("log index %d: %s by %d s", c.index, m.Code, m.Seconds)
			}
		}
		if got := strings.Join(codes, " "); got != c.want {
			t.Errorf("log index %d is marked %q, want %q", c.index, got, c.want)
		}
	}
}

// The parameters are those of the rules in force at the vehicle's last
// record: later rules judge later histories.
func TestMeaningUsesTheRulesOfItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	publish := func(version int) {
		w.publish(version, func(rules jcs.Value) jcs.Value { return rules.With("judgement", obj("late_s", 1)) })
		w.seal()
	}
	publish(2)
	if m := accepted(t, w.file(vinA).Bytes(), w.options()).Meaning; m.Rules != 1 {
		t.Errorf("rules that came after the last record judge it: version %d", m.Rules)
	}
	w.reading(dealer, vinA, 32_000, w.spare(dealer))
	w.seal()
	if m := accepted(t, w.file(vinA).Bytes(), w.options()).Meaning; m.Rules != 2 {
		t.Errorf("version %d", m.Rules)
	}
	publish(3)
	// Withheld, the last record still says which rules.
	f := w.file(vinA)
	h := f.History("vehicle/" + vinA)
	h.Entries[len(h.Entries)-1].Note = nil
	opt := w.options()
	opt.AllowWithheld = true
	if m := accepted(t, f.Bytes(), opt).Meaning; m.Rules != 2 {
		t.Errorf("withheld: version %d", m.Rules)
	}
}

// A decision that does not come is overdue as of the file's time, and the
// report says so; a file of before it was due says that it is waited for.
func TestAnOverdueDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := w.ref("service in")
	body := obj("claim", obj("value", 14_031), "field", "value", "for", "self", "noticed_by", "inspection", "reason", "digit_typo", "target", target)
	e := envelope{"correction.requested/1", inspector, []string{"vehicle/" + vinA}, body, []jcs.Field{attached("photo")}}
	asked := w.add(e, w.workshop(inspector))
	w.seal()
	report := func() (*verify.Report, string) {
		opt := w.options()
		opt.Now = time.UnixMilli(w.clock)
		r := accepted(t, w.file(vinA).Bytes(), opt)
		if len(r.Meaning.Cases) != 1 || r.Meaning.Cases[0].Index != asked {
			t.Fatalf("%+v", r.Meaning.Cases)
		}
		return r, render.Text(r, render.AsEntered)
	}
	if r, text := report(); r.Meaning.Cases[0].Clocks[0].Overdue != 0 || !strings.Contains(text, "Waiting: no decision yet by the maker's support") {
		t.Errorf("on the first day: %+v\n%s", r.Meaning.Cases[0].Clocks, text)
	}
	w.clock += (20 * 24 * time.Hour).Milliseconds()
	w.add(readingOf(inspector, vinB, 70_300), w.workshop(inspector)) // life goes on elsewhere
	w.seal()
	r, text := report()
	if c := r.Meaning.Cases[0].Clocks[0]; c.Overdue == 0 || !c.Breached || c.Met != 0 {
		t.Errorf("three weeks later: %+v", c)
	}
	if !strings.Contains(text, "OVERDUE: no decision by the maker's support") || !strings.Contains(text, "within 5 working days, overdue") {
		t.Errorf("three weeks later:\n%s", text)
	}
}
