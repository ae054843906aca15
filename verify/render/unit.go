package render

import (
	"fmt"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/judge"
)

// Unit is the unit of length that a reader wants to see.
type Unit string

// The units. The zero Unit is AsEntered.
const (
	AsEntered  Unit = ""    // each mileage in the unit that its author read it in
	Kilometres Unit = "KMT" // UN/CEFACT recommendation 20
	Miles      Unit = "SMI"
)

// millimetres in one unit of a counter: a mile is exactly 1,609,344 mm, and
// no coarser whole unit holds it.
var millimetres = map[Unit]int64{Kilometres: 1_000_000, Miles: 1_609_344}

var symbols = map[Unit]string{Kilometres: "km", Miles: "mi"}

// Symbol is what stands behind a figure: km or mi.
func (u Unit) Symbol() string { return symbols[u] }

// ParseUnit reads km, mi or as-entered, as a person types it.
func ParseUnit(s string) (Unit, error) {
	switch s {
	case "km":
		return Kilometres, nil
	case "mi":
		return Miles, nil
	case "", "as-entered":
		return AsEntered, nil
	}
	return "", fault.New("usage", "--unit", fmt.Sprintf("%q is no unit; known are km, mi and as-entered", s))
}

// In converts a value of a counter into the reader's unit, rounded half up,
// and says in which unit it then is. A unit that is not known is left alone.
func (u Unit) In(value int64, unit string) (int64, Unit) {
	from := Unit(unit)
	to := millimetres[u]
	if u == AsEntered || u == from || millimetres[from] == 0 || to == 0 {
		return value, from
	}
	return (value*millimetres[from] + to/2) / to, u
}

// Mileage writes a value of a counter in the reader's unit: "84,210 km". A
// value that was converted carries a ~, for it is not what stood there.
func (u Unit) Mileage(value int64, unit string) string {
	v, in := u.In(value, unit)
	about := ""
	if in != Unit(unit) {
		about = "~"
	}
	return about + record.Thousands(v) + " " + in.Symbol()
}

// Far is the unit in which distances are written, which nobody entered: where
// the reader wants none, that of the newest judged reading.
func (u Unit) Far(j *judge.Judgement) Unit {
	if u == AsEntered {
		return Unit(j.Unit())
	}
	return u
}

// Of writes the mileage that a record gives in the reader's unit; mileage is
// what Describe says of it.
func (u Unit) Of(r *record.Record, mileage string) string {
	if mileage == "" {
		return ""
	}
	// A paper from outside the log has its mileage in a reading.
	for _, v := range []jcs.Value{r.Body, r.Body.Get("reading")} {
		if value, unit := v.Get("value"), v.Get("unit"); value.Kind == jcs.Int && unit.Kind == jcs.String {
			return u.Mileage(value.Int, unit.Str)
		}
	}
	return mileage
}
