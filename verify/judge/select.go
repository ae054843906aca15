package judge

import (
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
)

const readingType = "odometer.reading/1"

// gather takes every reading of the history as it was entered.
func (q *inquiry) gather() {
	q.byHash = map[string]*point{}
	for i := range q.h.Entries {
		e := &q.h.Entries[i]
		switch {
		case e.Record == nil:
			q.withheld++
		case e.Record.Type == "vehicle.created/1" && q.created == nil:
			q.created = e
		case e.Record.Type == readingType:
			r := &point{Reading: Reading{Hash: e.Hash, Index: e.Index}, entry: e}
			r.enter(&q.p, e.Record)
			q.add(r)
		}
	}
}

func (q *inquiry) add(r *point) {
	q.all = append(q.all, r)
	if q.byHash[r.Hash] == nil {
		q.byHash[r.Hash] = r
	}
}

// enter takes over what a record of a reading says.
func (r *point) enter(p *Params, rec *record.Record) {
	b := rec.Body
	r.rec, r.Author, r.Source, r.Rounding = rec, rec.Author, b.Get("source").Str, b.Get("precision").Str
	r.Entered = Value{b.Get("value").Int, b.Get("unit").Str, record.FormatTime(rec.EventTime)}
	r.Effective = r.Entered
	r.setTime(rec.EventTime, rec.Precision == "date")
	r.Weight = p.weight(r.Source)
	switch res := b.Get("result").Str; {
	case !validTime(rec.EventTime):
		r.Status = OutOfRange
	case res == "no_odometer":
		r.Status = NoOdometer
	case res != "read":
		r.Status = Unreadable
	case r.Entered.Value < 0 || r.Entered.Value > maxValue || unitMM(r.Entered.Unit) == 0:
		r.Status = OutOfRange
	case r.Weight == 0:
		r.Status = NotWeighed
	default:
		r.Status = Judged
	}
}

// decide applies the decisions in force, in log order. The record stays as it
// was: only what counts of it changes. A later decision on the same reading
// stands above an earlier one.
func (q *inquiry) decide() {
	for _, e := range q.h.Effects {
		switch e.Kind {
		case cases.Admitted:
			q.admit(e)
		case cases.Reattributed:
			q.reattribute(e)
		default:
			if r := q.byHash[e.Target]; r != nil {
				r.apply(&q.p, e)
			}
		}
	}
	for _, r := range q.all {
		if unitMM(r.Effective.Unit) != 0 && r.Status != OutOfRange {
			r.place(&q.p, r.Effective.Value, r.Effective.Unit)
		}
		if r.Status == Excluded {
			q.out.Excluded = append(q.out.Excluded, Exclusion{r.Hash, r.By, r.reason})
		}
		if r.how != "" {
			q.out.Admitted = append(q.out.Admitted, Admission{r.Hash, r.By, r.how})
		}
		if r.Corrected {
			q.out.Corrected = append(q.out.Corrected, Correction{r.Hash, r.By, r.Entered, r.Effective})
		}
	}
}

func (r *point) apply(p *Params, e cases.Effect) {
	if r.Status == Excluded && e.Kind != cases.Excluded {
		r.Status, r.reason = Judged, "" // a later decision lets it back in
	}
	if r.Status != Judged && r.Status != NotWeighed {
		return
	}
	switch e.Kind {
	case cases.Excluded:
		r.Status, r.reason, r.By = Excluded, e.Reason, e.By
	case cases.Confirmed:
		r.Status, r.Confirmed, r.By, r.Weight = Judged, true, e.By, p.WeightConfirmed
		r.replace(e)
	case cases.Replaced:
		r.By = e.By
		r.replace(e)
	}
	if r.Status == Judged && r.Weight == 0 {
		r.Status = NotWeighed
	}
}

// replace takes over what differs. A decision that gives a value, unit or
// time that no record may hold changes nothing.
func (r *point) replace(e cases.Effect) {
	v := r.Effective
	if e.Value != nil && *e.Value >= 0 && *e.Value <= maxValue {
		v.Value = *e.Value
	}
	if unitMM(e.Unit) != 0 {
		v.Unit = e.Unit
	}
	if e.EventTime != "" {
		if t, err := record.ParseTime(e.EventTime); err == nil {
			h, m, s := t.Clock()
			v.EventTime = e.EventTime
			// No precision comes with a decided time: midnight is taken for a bare date.
			r.setTime(t, r.DateOnly || h == 0 && m == 0 && s == 0)
		}
	}
	r.Effective = v
	r.Corrected = v != r.Entered
}

// admit takes in a reading of evidence from outside the log.
func (q *inquiry) admit(e cases.Effect) {
	t, err := record.ParseTime(e.EventTime)
	if err != nil || e.Value == nil || *e.Value < 0 || *e.Value > maxValue || unitMM(e.Unit) == 0 {
		return
	}
	r := &point{
		Reading: Reading{Hash: e.By, Index: e.Index, Author: e.Author, Rounding: e.Precision, Status: Judged, By: e.By, Weight: q.p.WeightAdmitted},
		how:     cases.Admitted,
	}
	h, m, s := t.Clock()
	r.setTime(t, h == 0 && m == 0 && s == 0)
	r.Entered = Value{*e.Value, e.Unit, e.EventTime}
	r.Effective = r.Entered
	q.add(r)
}

// reattribute takes in a reading that was entered for another vehicle. Where
// the effect carries no note, the reading has left this vehicle.
func (q *inquiry) reattribute(e cases.Effect) {
	if e.Note == "" {
		if r := q.byHash[e.Target]; r != nil {
			e.Kind, e.Reason = cases.Excluded, "wrong_vehicle"
			r.apply(&q.p, e)
		}
		return
	}
	rec, err := record.Open([]byte(e.Note))
	if err != nil || rec.Type != readingType || q.byHash[e.Target] != nil {
		return
	}
	r := &point{Reading: Reading{Hash: e.Target, Index: e.Index}, how: cases.Reattributed}
	r.enter(&q.p, rec)
	r.By = e.By
	q.add(r)
}

// thin lets two readings stand for many of one author: of a device's
// calendar month, and of anyone's day. Another author's reading of the same
// day stays, for it corroborates.
func (q *inquiry) thin() {
	q.coarsen(func(r *point) (group, bool) {
		return month(r, r.Author), r.Source == "obd" || r.Source == "telematics"
	}, nil)
	q.coarsen(func(r *point) (group, bool) {
		return group{r.Author, r.Day}, true
	}, func(r *point) { r.Weight = max(1, r.Weight/2) })
	count := func() (n int) {
		for _, r := range q.all {
			if r.Status == Judged {
				n++
			}
		}
		return n
	}
	before := count()
	if before > maxJudged {
		q.coarsen(func(r *point) (group, bool) { return month(r, r.Author), true }, nil)
	}
	if count() > maxJudged {
		q.coarsen(func(r *point) (group, bool) { return month(r, ""), true }, nil)
	}
	// 1,100 years have 13,200 months, each with two readings at most.
	if count() > maxJudged {
		q.coarsen(func(r *point) (group, bool) { return group{"", int64(r.zone.Year())}, true }, nil)
	}
	q.coarse = before - count()
}

type group struct {
	author string
	span   int64
}

func month(r *point, author string) group {
	return group{author, int64(r.zone.Year())*12 + int64(r.zone.Month())}
}

// coarsen keeps the lowest and the highest judged reading of each group and
// calls both for each of the two.
func (q *inquiry) coarsen(of func(*point) (group, bool), both func(*point)) {
	type ends struct{ low, high *point }
	at := map[group]int{}
	var groups []ends
	for _, r := range q.all {
		if r.Status != Judged {
			continue
		}
		g, ok := of(r)
		if !ok {
			continue
		}
		r.Status = Thinned
		i, ok := at[g]
		if !ok {
			at[g] = len(groups)
			groups = append(groups, ends{r, r})
			continue
		}
		e := &groups[i]
		if r.mm < e.low.mm || r.mm == e.low.mm && stronger(r, e.low) {
			e.low = r
		}
		if r.mm > e.high.mm || r.mm == e.high.mm && stronger(r, e.high) {
			e.high = r
		}
	}
	for _, g := range groups {
		// Two readings of the same mileage say no more than one.
		if g.low.mm == g.high.mm {
			g.high = g.low
		}
		g.low.Status, g.high.Status = Judged, Judged
		if both != nil && g.low != g.high {
			both(g.low)
			both(g.high)
		}
	}
}

// stronger says which of two equal values of a group stands for both: the one
// with more weight, then the first by event.
func stronger(a, b *point) bool {
	switch {
	case a.Confirmed != b.Confirmed:
		return a.Confirmed
	case a.Weight != b.Weight:
		return a.Weight > b.Weight
	case a.half != b.half:
		return a.half < b.half
	case a.Seconds != b.Seconds:
		return a.Seconds < b.Seconds
	}
	return a.Hash < b.Hash
}
