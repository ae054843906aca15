package judge

// conclude finds result and reasons, and the distance.
func (q *inquiry) conclude() {
	o := q.out
	o.Breaks, o.Judged, o.Withheld = q.breaks, len(q.judged), q.withheld
	o.AtLeast = q.atLeast()
	outcome := q.outcome()
	if len(q.h.Disputed) > 0 {
		found := outcome
		outcome = Outcome{Result: NoJudgement, Reasons: []string{"10"}, WithoutDispute: &found}
	}
	if q.withheld > 0 {
		shown := outcome
		o.ShownOnly = &shown
		outcome = Outcome{Result: NoJudgement, Reasons: []string{"12"}}
	}
	o.Outcome = outcome
}

// outcome goes through what the readings themselves say. The first row that
// holds decides; the reasons of the others that hold follow it.
func (q *inquiry) outcome() Outcome {
	decided := len(q.out.Corrected)+len(q.out.Excluded)+len(q.out.Admitted) > 0
	o := Outcome{Result: Logical}
	for _, row := range []struct {
		holds          bool
		result, reason string
	}{
		{len(q.breaks) > 0, Illogical, "04"},
		{!q.twoDays(), NoJudgement, "06"},
		{q.unattested, NoJudgement, "02"},
		{q.rollovers, NoJudgement, "01"},
		{q.newlyImported(), NoJudgement, "05"},
		{decided, LogicalAfterCorrection, "13"},
	} {
		if !row.holds {
			continue
		}
		if len(o.Reasons) == 0 {
			o.Result = row.result
		}
		o.Reasons = append(o.Reasons, row.reason)
	}
	if len(o.Reasons) == 0 {
		o.Reasons = []string{"00"}
	}
	return o
}

func (q *inquiry) twoDays() bool {
	for _, r := range q.judged {
		if r.Day != q.judged[0].Day {
			return true
		}
	}
	return false
}

// newlyImported reports whether the car came from abroad and has fewer than
// two judged readings since.
func (q *inquiry) newlyImported() bool {
	if q.created == nil || q.created.Record.Body.Get("imported").Int != 1 {
		return false
	}
	var at point
	at.setTime(q.created.Record.EventTime, q.created.Record.Precision == "date")
	since := 0
	for _, r := range q.judged {
		if r.Day >= at.Day && (r.DateOnly || at.DateOnly || r.Seconds >= at.Seconds) {
			since++
		}
	}
	return since < 2
}

// atLeast is what the car has covered if nobody entered too high a figure, in
// mm: the highest mileage of any reading that isn't named, and what was
// covered after it on its own level where that is lower and stayed. A counter
// that was replaced unread begins anywhere: of it only its growth counts.
func (q *inquiry) atLeast() int64 {
	sustained := map[string]bool{}
	for _, b := range q.breaks {
		if b.Kind == Sustained {
			for _, h := range b.Readings {
				sustained[h] = true
			}
			for _, h := range b.Against {
				sustained[h] = true
			}
		}
	}
	sum := int64(0)
	for _, part := range q.parts {
		var first, top *point
		topAt := 0
		for i, r := range part {
			if r.Named {
				continue
			}
			if first == nil {
				first = r
			}
			if top == nil || r.X >= top.X {
				top, topAt = r, i
			}
		}
		if top == nil {
			continue
		}
		sum += top.X
		if top.Part > 0 {
			sum -= min(first.X, top.X)
		}
		if sustained[top.Hash] {
			sum += growth(part[topAt+1:])
		}
	}
	return max(sum, 0)
}

// growth is what the readings cover from the first on, those named left out.
func growth(rs []*point) int64 {
	var first *point
	most := int64(0)
	for _, r := range rs {
		switch {
		case r.Named:
		case first == nil:
			first = r
		default:
			most = max(most, r.X-first.X)
		}
	}
	return most
}
