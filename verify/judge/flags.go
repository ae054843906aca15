package judge

import (
	"slices"
	"sort"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
)

// Flag is a remark for a person. A flag never changes the result.
type Flag struct {
	Code    string
	Record  string // leaf hash; "" when it is about the vehicle
	By      string // leaf hash of the decision, of confirmed_by_decision and corrected_after_report
	Days    int64  // of gap, jump and static
	Seconds int64  // of late, very_late and future_dated
	Amount  int64  // mm, of jump and static
	Count   int64  // of thinned
}

// flag remarks on readings, their steps, and the vehicle.
func (q *inquiry) flag() {
	add := func(f Flag) { q.out.Flags = append(q.out.Flags, f) }
	for _, r := range q.all {
		q.flagReading(r, add)
	}
	q.flagDuplicates(add)
	for _, part := range q.parts {
		var last *point
		for _, r := range part {
			if !r.Kept {
				continue
			}
			if last != nil {
				q.flagStep(last, r, add)
			}
			last = r
		}
	}
	for _, e := range q.ignored {
		add(Flag{Code: "rollover_implausible", Record: e.entry.Hash})
	}
	if q.created != nil && q.created.Record.Body.Get("imported").Int == 1 {
		add(Flag{Code: "imported", Record: q.created.Hash})
	}
	if q.vin().CheckDigit() == record.CheckBad {
		add(Flag{Code: "check_digit_bad"})
	}
	q.flagReports(add)
	if q.coarse > 0 {
		add(Flag{Code: "thinned", Count: int64(q.coarse)})
	}
	at := map[string]int{"": -1}
	for i := range q.h.Entries {
		if _, ok := at[q.h.Entries[i].Hash]; !ok {
			at[q.h.Entries[i].Hash] = i
		}
	}
	place := func(hash string) int {
		if i, ok := at[hash]; ok {
			return i
		}
		return len(q.h.Entries)
	}
	sort.SliceStable(q.out.Flags, func(i, j int) bool {
		a, b := q.out.Flags[i], q.out.Flags[j]
		if pa, pb := place(a.Record), place(b.Record); pa != pb {
			return pa < pb
		}
		if a.Record != b.Record {
			return a.Record < b.Record
		}
		return a.Code < b.Code
	})
}

func (q *inquiry) flagReading(r *point, add func(Flag)) {
	if r.entry != nil {
		q.flagDelay(r, add)
	}
	if r.Rounding != "" && r.Rounding != "exact" {
		add(Flag{Code: "rounded", Record: r.Hash})
	}
	if r.Source == "estimate" {
		add(Flag{Code: "estimate", Record: r.Hash})
	}
	if r.confirmed("sentinel") {
		add(Flag{Code: "sentinel_confirmed", Record: r.Hash})
	}
	if r.confirmed(WarnRate) || r.confirmed(WarnRateImpossible) {
		add(Flag{Code: "rate_warned", Record: r.Hash})
	}
	if r.Confirmed {
		add(Flag{Code: "confirmed_by_decision", Record: r.Hash, By: r.By})
	}
}

// flagDelay compares event and log time. A bare date ends with its day.
func (q *inquiry) flagDelay(r *point, add func(Flag)) {
	if !validTime(r.rec.EventTime) {
		return
	}
	event := r.rec.EventTime.Unix()
	delay := r.entry.Time/1000 - event
	if delay < -q.p.Future {
		add(Flag{Code: "future_dated", Record: r.Hash, Seconds: -delay})
	}
	if r.rec.Precision == "date" {
		delay -= daySeconds
	}
	switch {
	case delay > q.p.VeryLate:
		add(Flag{Code: "very_late", Record: r.Hash, Seconds: delay})
	case delay > q.p.Late:
		add(Flag{Code: "late", Record: r.Hash, Seconds: delay})
	}
}

func (r *point) confirmed(code string) bool {
	return r.rec != nil && slices.Contains(r.rec.Body.Get("confirmed").Strings(), code)
}

// flagDuplicates finds what one author entered twice: the same day, value and
// purpose. The first in the log is the original.
func (q *inquiry) flagDuplicates(add func(Flag)) {
	type key struct {
		author, purpose, unit string
		day, value            int64
	}
	seen := map[key]bool{}
	for _, r := range q.all {
		if r.entry == nil || r.Status != Judged && r.Status != Thinned {
			continue
		}
		k := key{r.Author, r.rec.Body.Get("purpose").Str, r.Effective.Unit, r.Day, r.Effective.Value}
		if seen[k] {
			add(Flag{Code: "duplicate", Record: r.Hash})
		}
		seen[k] = true
	}
}

// flagStep looks at two readings kept, one after the other. Distances are
// remarkable by themselves or by the year; over a few days the latter would
// find every long journey, so no less than jump_days count.
func (q *inquiry) flagStep(a, b *point, add func(Flag)) {
	p, d, t, days := &q.p, b.X-a.X, between(a, b), b.Day-a.Day
	if d >= p.JumpDistance*mileMM || d > 0 && more(d, yearSeconds, p.JumpYear*mileMM, max(t, p.JumpDays*daySeconds)) {
		add(Flag{Code: "jump", Record: b.Hash, Days: days, Amount: d})
	}
	if days >= p.StaticDays && d <= p.StaticDistance*mileMM {
		add(Flag{Code: "static", Record: b.Hash, Days: days, Amount: max(d, 0)})
	}
	if days > p.GapDays {
		add(Flag{Code: "gap", Record: b.Hash, Days: days})
	}
	if a.Effective.Unit != b.Effective.Unit {
		add(Flag{Code: "unit_changed", Record: b.Hash})
	}
}

// flagReports finds decisions that came after a report of the mileage had
// been given out, where the entries at hand hold the record of that.
func (q *inquiry) flagReports(add func(Flag)) {
	first, issued := uint64(0), false
	for _, e := range q.h.Entries {
		if e.Record != nil && e.Record.Type == "report.issued/1" && (!issued || e.Index < first) {
			first, issued = e.Index, true
		}
	}
	for _, e := range q.h.Effects {
		changes := e.Kind == cases.Replaced || e.Kind == cases.Excluded
		if issued && changes && e.Index > first && q.byHash[e.Target] != nil {
			add(Flag{Code: "corrected_after_report", Record: e.Target, By: e.By})
		}
	}
}

// vin is the vehicle's identification number, "" if it has none.
func (q *inquiry) vin() record.VIN {
	for _, e := range q.h.Entries {
		if e.Record == nil {
			continue
		}
		s, ok := strings.CutPrefix(e.Record.Subject("vehicle"), "vehicle/")
		if !ok {
			continue
		}
		if v, err := record.ParseVIN(s); err == nil {
			return v
		}
		return ""
	}
	return ""
}
