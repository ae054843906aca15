package judge

import (
	"strconv"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// Format names the form of JSON.
const Format = "milepost/judgement@v1"

// km is mm in whole kilometres, rounded half up.
func km(mm int64) int64 { return in("KMT", mm) }

// in is mm in whole units, KMT or SMI, rounded half up.
func in(unit string, mm int64) int64 {
	u := unitMM(unit)
	if u == 0 {
		return 0
	}
	n, rest := mm/u, mm%u
	if rest < 0 {
		n, rest = n-1, rest+u
	}
	if rest*2 >= u {
		n++
	}
	return n
}

// JSON returns the judgement in canonical form; docs/judgement.md lists the
// fields. What does not apply is absent.
func (j *Judgement) JSON() []byte {
	return jcs.Make(
		field("admitted", list(j.Admitted, func(a Admission) jcs.Value {
			return jcs.Make(text("by", a.By), text("kind", a.Kind), text("record", a.Record))
		})),
		text("as_of", seal(j.AsOf)),
		field("breaks", list(j.Breaks, Break.value)),
		field("corrected", list(j.Corrected, func(c Correction) jcs.Value {
			return jcs.Make(text("by", c.By), field("effective", c.Effective.value()), field("entered", c.Entered.value()), text("record", c.Record))
		})),
		number("distance_at_least_km", km(j.AtLeast)),
		field("excluded", list(j.Excluded, func(e Exclusion) jcs.Value {
			return jcs.Make(text("by", e.By), text("reason", e.Reason), text("record", e.Record))
		})),
		field("flags", list(j.Flags, Flag.value)),
		text("format", Format),
		number("judged", int64(j.Judged)),
		field("range", j.span()),
		field("reasons", jcs.Texts(j.Reasons)),
		text("result", j.Result),
		text("rules", strconv.FormatInt(j.Rules, 10)),
		field("shown_only", j.ShownOnly.value()),
		number("withheld", int64(j.Withheld)),
		field("without_dispute", j.WithoutDispute.value()),
	).Bytes()
}

// span is the log indices of the first and the last entry.
func (j *Judgement) span() jcs.Value {
	if j.Entries == 0 {
		return jcs.Array()
	}
	return jcs.Array(whole(int64(min(j.First, jcs.MaxInt))), whole(int64(min(j.Last, jcs.MaxInt))))
}

// seal writes the time of the judgement; what no record may hold is brought
// to the nearest that it may.
func seal(ms int64) string {
	low := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	top := time.Date(2999, 12, 31, 23, 59, 59, 0, time.UTC)
	return record.FormatUTC(time.UnixMilli(min(max(ms, low.UnixMilli()), top.UnixMilli())))
}

func (o *Outcome) value() jcs.Value {
	if o == nil {
		return jcs.Value{}
	}
	return jcs.Make(field("reasons", jcs.Texts(o.Reasons)), text("result", o.Result), field("without_dispute", o.WithoutDispute.value()))
}

func (v Value) value() jcs.Value {
	return jcs.Make(text("event_time", v.EventTime), text("unit", v.Unit), number("value", v.Value))
}

func (b Break) value() jcs.Value {
	return jcs.Make(
		field("against", jcs.Texts(b.Against)), number("amount_km", km(b.Amount)), text("from", b.From), text("kind", b.Kind),
		field("readings", jcs.Texts(b.Readings)), field("suggestions", list(b.Suggestions, Suggestion.value)), text("to", b.To), text("why", b.Why),
	)
}

func (s Suggestion) value() jcs.Value {
	return jcs.Make(text("kind", s.Kind), text("record", s.Record), text("unit", s.Unit), number("value", s.Value))
}

func (f Flag) value() jcs.Value {
	fs := []jcs.Field{text("code", f.Code)}
	if f.Record != "" {
		fs = append(fs, text("record", f.Record))
	}
	if f.By != "" {
		fs = append(fs, text("by", f.By))
	}
	switch f.Code {
	case "jump", "static":
		fs = append(fs, number("amount_km", km(f.Amount)), number("days", f.Days))
	case "gap":
		fs = append(fs, number("days", f.Days))
	case "late", "very_late", "future_dated":
		fs = append(fs, number("seconds", f.Seconds))
	case "thinned":
		fs = append(fs, number("count", f.Count))
	}
	return jcs.Make(fs...)
}

func field(name string, v jcs.Value) jcs.Field { return jcs.Field{Name: name, Value: v} }
func text(name, s string) jcs.Field            { return field(name, jcs.Text(s)) }
func number(name string, n int64) jcs.Field    { return field(name, whole(n)) }

// whole keeps a number within what JSON carries.
func whole(n int64) jcs.Value { return jcs.Number(min(max(n, -jcs.MaxInt), jcs.MaxInt)) }

func list[T any](ts []T, value func(T) jcs.Value) jcs.Value {
	vs := make([]jcs.Value, 0, len(ts))
	for _, t := range ts {
		vs = append(vs, value(t))
	}
	return jcs.Array(vs...)
}
