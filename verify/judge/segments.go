package judge

import (
	"sort"

	"github.com/milepost-log/milepost/verify/cases"
)

const (
	replacedType = "odometer.replaced/1"
	rolloverType = "odometer.rollover/1"
)

// event is a counter replaced or rolled over.
type event struct {
	entry         *Entry
	replaced      bool
	before, after *point // nil when there is none that says a mileage
	digits        int64
	day, sec      int64
	dateOnly      bool
}

// events lists what happened to the counter, in order of day. A rollover
// whose counter was nowhere near its end is set aside: the fall stands.
func (q *inquiry) events() []*event {
	gone := map[string]bool{}
	for _, e := range q.h.Effects {
		gone[e.Target] = e.Kind == cases.Excluded
	}
	var es []*event
	for i := range q.h.Entries {
		in := &q.h.Entries[i]
		r := in.Record
		if r == nil || r.Type != replacedType && r.Type != rolloverType || !validTime(r.EventTime) || gone[in.Hash] {
			continue
		}
		e := &event{
			entry: in, replaced: r.Type == replacedType, digits: r.Body.Get("digits").Int,
			before: q.mileage(r.Body.Get("before_ref").Str), after: q.mileage(r.Body.Get("after_ref").Str),
			sec: r.EventTime.Unix(), dateOnly: r.Precision == "date",
		}
		var at point
		at.setTime(r.EventTime, e.dateOnly)
		e.day = at.Day
		if !e.replaced && (e.before == nil || e.before.mm < e.span()/100*q.p.RolloverFloor) {
			q.ignored = append(q.ignored, e)
			continue
		}
		es = append(es, e)
	}
	sort.SliceStable(es, func(i, j int) bool { return es[i].day < es[j].day })
	return es
}

// mileage returns the reading of a hash if it says a mileage that counts.
func (q *inquiry) mileage(hash string) *point {
	r := q.byHash[hash]
	if r == nil || r.Status == Unreadable || r.Status == NoOdometer || r.Status == OutOfRange || r.Status == Excluded && r.reason != "duplicate" {
		return nil
	}
	return r
}

// span is the range of the counter in mm.
func (e *event) span() int64 {
	n := int64(1)
	for range min(max(e.digits, 5), 7) {
		n *= 10
	}
	return n * unitMM(e.before.Effective.Unit)
}

// follows reports whether a reading was taken after the event. Where only
// the day is known, the mileage decides: it is near what the old counter
// showed, or what the new one did.
func (e *event) follows(r *point, p *Params) bool {
	switch {
	case r == e.before:
		return false
	case r == e.after:
		return true
	case !r.DateOnly && !e.dateOnly && r.Seconds != e.sec:
		return r.Seconds > e.sec
	case r.Day != e.day:
		return r.Day > e.day
	}
	tol := p.tol(r.Effective.Unit)
	switch {
	case e.before == nil && e.after == nil:
		return false
	case e.after == nil:
		return distance(r, e.before) >= tol
	case e.before == nil:
		return distance(r, e.after) < tol
	}
	before, after := distance(r, e.before), distance(r, e.after)
	return after < before || after == before && after < tol
}

func distance(a, b *point) int64 { return max(a.mm-b.mm, b.mm-a.mm) }

// layOut brings the readings of every counter that the car had onto one
// scale, and into order. Where a replaced counter could not be read, the
// scale ends, and what follows is a part of its own.
func (q *inquiry) layOut() {
	es := q.events()
	offs, parts := make([]int64, len(es)+1), make([]int, len(es)+1)
	for k, e := range es {
		offs[k+1], parts[k+1] = offs[k], parts[k]
		switch {
		case !e.replaced:
			offs[k+1] += e.span()
		case e.before != nil && e.after != nil:
			offs[k+1] += e.before.mm - e.after.mm
		default:
			offs[k+1], parts[k+1] = 0, parts[k]+1
		}
	}
	for _, r := range q.all {
		for _, e := range es {
			if e.follows(r, &q.p) {
				r.Segment++
			}
		}
		r.Part = parts[r.Segment]
		r.shift(offs[r.Segment])
		if r.Status == Judged {
			q.judged = append(q.judged, r)
		}
	}
	for k, e := range es {
		if q.attested(k, e, offs[k]) {
			continue
		}
		if e.replaced {
			q.unattested = true
		} else {
			q.rollovers = true
		}
	}
	q.order()
	if q.created != nil && q.created.Record.Body.Get("odometer_digits").Int == 5 {
		for _, part := range q.parts {
			q.imply(part)
		}
		q.order()
	}
}

// attested reports whether somebody else read the counter shortly before the
// event, and what the event says of it agrees.
func (q *inquiry) attested(k int, e *event, off int64) bool {
	if e.before == nil || e.replaced && e.after == nil {
		return false
	}
	before := *e.before
	before.shift(off)
	for _, r := range q.judged {
		ago := e.day - r.Day
		if r.Segment != k || r.Author == e.entry.Record.Author || ago < 0 || ago > q.p.AttestDays {
			continue
		}
		a, b := r, &before
		a1, b1 := *a, *b
		a1.Part, b1.Part = 0, 0
		if earlier(&b1, &a1) {
			a, b = b, a
		}
		if q.p.contradict(a, b) == "" {
			return true
		}
	}
	return false
}

// order sorts the judged readings and parts them.
func (q *inquiry) order() {
	sort.SliceStable(q.judged, func(i, j int) bool { return earlier(q.judged[i], q.judged[j]) })
	q.parts = q.parts[:0]
	start := 0
	for i := range q.judged {
		if i+1 == len(q.judged) || q.judged[i+1].Part != q.judged[i].Part {
			q.parts = append(q.parts, q.judged[start:i+1])
			start = i + 1
		}
	}
}

// imply finds the rollovers of a five-digit counter that nobody recorded: a
// counter near its end, then a mileage that fell, and that agrees once
// 100,000 is added. A fall that the next reading undoes, and that it could
// not undo after a rollover, is none.
func (q *inquiry) imply(part []*point) {
	const span, floor = 100_000, 90_000
	var last *point // the highest of the days before
	off := int64(0)
	for i := 0; i < len(part); {
		j := i
		for j < len(part) && part[j].Day == part[i].Day {
			j++
		}
		add := int64(0)
		for k := i; k < j; k++ {
			r := part[k]
			r.rolled = off
			r.shift(r.off + off)
			if last == nil || last.Effective.Value < floor || r.Effective.Value >= last.Effective.Value || !drop(last, r) {
				continue
			}
			step := span * unitMM(r.Effective.Unit)
			turned := *r
			turned.shift(r.off + step)
			if q.p.contradict(last, &turned) != "" || j < len(part) && q.undone(last, &turned, part[j], off, step) {
				continue
			}
			r.rolled += step
			r.shift(turned.off)
			add, q.rollovers = step, true
		}
		off += add
		last = part[i]
		for k := i; k < j; k++ {
			if part[k].X >= last.X {
				last = part[k]
			}
		}
		i = j
	}
}

// undone reports whether the next reading agrees with the counter as it was
// before a supposed rollover, and can't be reached after it.
func (q *inquiry) undone(last, turned, next *point, off, step int64) bool {
	stays, goes := *next, *next
	stays.shift(next.off + off)
	goes.shift(next.off + off + step)
	return q.p.contradict(last, &stays) == "" && q.p.contradict(turned, &goes) != ""
}
