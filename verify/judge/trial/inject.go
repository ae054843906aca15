package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/judge"
)

// entered is a reading as somebody entered it.
type entered struct {
	reading
	unit string
}

func (s series) entered() []entered {
	out := make([]entered, len(s.readings))
	for i, r := range s.readings {
		out[i] = entered{r, s.unit}
	}
	return out
}

// history makes the history of readings that one author took by eye, whose
// hashes are their numbers.
func history(rs []entered) *judge.History {
	h := &judge.History{}
	for i, r := range rs {
		h.Entries = append(h.Entries, r.entry(i))
	}
	return h
}

func (r entered) entry(i int) judge.Entry {
	return judge.Entry{
		Index: uint64(i), Time: r.day.Add(12 * time.Hour).UnixMilli(), Hash: name(i),
		Record: &record.Record{
			Type: "odometer.reading/1", Author: "garage.example", EventTime: r.day, Precision: "date",
			Body: jcs.Make(
				jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("periodic")},
				jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
				jcs.Field{Name: "unit", Value: jcs.Text(r.unit)}, jcs.Field{Name: "value", Value: jcs.Number(r.value)},
			),
		},
	}
}

func name(i int) string { return fmt.Sprintf("%064x", i) }

var millimetres = map[string]int64{"KMT": 1_000_000, "SMI": 1_609_344}

func (r entered) mm() int64 { return r.value * millimetres[r.unit] }

// contradicts says by itself, apart from package judge, whether two readings
// contradict each other: the one of the later day stands 100 km lower, or they
// are further apart than 1,000 km a day and one day more.
func contradicts(a, b entered) bool {
	const km = 1_000_000
	days := int64(b.day.Sub(a.day) / (24 * time.Hour))
	up := b.mm() - a.mm()
	if days < 0 || days == 0 && up < 0 {
		days, up = -days, -up
	}
	return days > 0 && up < -100*km || up > 1000*km*(max(days, 1)+1)
}

// contradicted says whether reading i contradicts another one.
func contradicted(rs []entered, i int) bool {
	for j, r := range rs {
		if j != i && contradicts(rs[i], r) {
			return true
		}
	}
	return false
}

// slip is a kind of clerical error; make returns false where it can't be made.
type slip struct {
	name string
	make func(rng *rand.Rand, r entered) (entered, bool)
}

func digits(change func(rng *rand.Rand, s string) string) func(*rand.Rand, entered) (entered, bool) {
	return func(rng *rand.Rand, r entered) (entered, bool) {
		s := change(rng, strconv.FormatInt(r.value, 10))
		if s == "" || s[0] == '0' {
			return r, false
		}
		v, err := strconv.ParseInt(s, 10, 64)
		ok := err == nil && v >= 2 && v <= record.MaxOdometer && v != r.value
		r.value = v
		return r, ok
	}
}

var slips = []slip{
	{"one digit wrong", digits(func(rng *rand.Rand, s string) string {
		i := rng.IntN(len(s))
		return s[:i] + string(rune('0'+rng.IntN(10))) + s[i+1:]
	})},
	{"a digit too many", digits(func(rng *rand.Rand, s string) string {
		i := rng.IntN(len(s) + 1)
		return s[:i] + string(rune('0'+rng.IntN(10))) + s[i:]
	})},
	{"a digit too few", digits(func(rng *rand.Rand, s string) string {
		i := rng.IntN(len(s))
		return s[:i] + s[i+1:]
	})},
	{"two digits swapped", digits(func(rng *rand.Rand, s string) string {
		i := rng.IntN(len(s) - 1)
		return s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:]
	})},
	{"km for miles", func(_ *rand.Rand, r entered) (entered, bool) {
		if r.unit == "SMI" {
			r.unit = "KMT"
		} else {
			r.unit = "SMI"
		}
		return r, true
	}},
}
