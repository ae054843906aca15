package judge

import "github.com/milepost-log/milepost/record"

// Lengths are whole millimetres, so that a mile is exact; durations are
// whole seconds.
const (
	kmMM    = 1_000_000
	mileMM  = 1_609_344
	metreMM = 1_000

	daySeconds  = 86_400
	yearSeconds = 365 * daySeconds

	maxValue = record.MaxOdometer
)

// Params are the parameters of the judgement, as of one version of the rules.
// The comments give the unit; docs/judgement.md the reason for each value.
type Params struct {
	Rules int64 // version of the rules that they come from; printed, nothing else

	TolKMT, TolSMI                       int64 // m: drop tolerance of readings in km, in miles
	HalfExact, Half10, Half100, Half1000 int64 // units of the reading: half of its rounding step
	Rate, RateImpossible                 int64 // km a day
	JumpDistance, JumpYear, JumpDays     int64 // miles, miles a year, days
	StaticDays, StaticDistance           int64 // days, miles
	GapDays                              int64 // days
	RolloverFloor                        int64 // per cent of the counter's range
	AttestDays                           int64 // days
	Late, VeryLate, Future               int64 // s
	OBD, Telematics, Photo, Visual       int64 // weights by source
	Document, Estimate                   int64
	WeightConfirmed, WeightAdmitted      int64 // weights given by decisions
}

// knobs lists what the rules may set. A value outside its bounds counts as
// the nearest bound: the bounds keep the sums of the series within 64 bits,
// and never stop a log whose rules hold a slip.
var knobs = []struct {
	code         string
	v1, low, top int64
	at           func(*Params) *int64
}{
	{"tol_kmt_m", 100_000, 0, 10_000_000, func(p *Params) *int64 { return &p.TolKMT }},
	{"tol_smi_m", 100_000, 0, 10_000_000, func(p *Params) *int64 { return &p.TolSMI }},
	{"half_exact", 0, 0, 10_000, func(p *Params) *int64 { return &p.HalfExact }},
	{"half_rounded_10", 5, 0, 10_000, func(p *Params) *int64 { return &p.Half10 }},
	{"half_rounded_100", 50, 0, 10_000, func(p *Params) *int64 { return &p.Half100 }},
	{"half_rounded_1000", 500, 0, 10_000, func(p *Params) *int64 { return &p.Half1000 }},
	{"rate_km_day", 1_000, 1, 100_000, func(p *Params) *int64 { return &p.Rate }},
	{"rate_impossible_km_day", 9_600, 1, 100_000, func(p *Params) *int64 { return &p.RateImpossible }},
	{"jump_mi", 25_000, 1, 10_000_000, func(p *Params) *int64 { return &p.JumpDistance }},
	{"jump_year_mi", 60_000, 1, 10_000_000, func(p *Params) *int64 { return &p.JumpYear }},
	{"jump_days", 30, 1, 3_650, func(p *Params) *int64 { return &p.JumpDays }},
	{"static_days", 300, 1, 36_500, func(p *Params) *int64 { return &p.StaticDays }},
	{"static_mi", 100, 0, 10_000_000, func(p *Params) *int64 { return &p.StaticDistance }},
	{"gap_days", 730, 1, 36_500, func(p *Params) *int64 { return &p.GapDays }},
	{"rollover_floor_percent", 90, 0, 100, func(p *Params) *int64 { return &p.RolloverFloor }},
	{"attest_days", 31, 0, 36_500, func(p *Params) *int64 { return &p.AttestDays }},
	{"late_s", 86_400, 0, 1 << 40, func(p *Params) *int64 { return &p.Late }},
	{"very_late_s", 432_000, 0, 1 << 40, func(p *Params) *int64 { return &p.VeryLate }},
	{"future_s", 600, 0, 1 << 40, func(p *Params) *int64 { return &p.Future }},
	{"weight_obd", 2, 0, 1_000, func(p *Params) *int64 { return &p.OBD }},
	{"weight_telematics", 2, 0, 1_000, func(p *Params) *int64 { return &p.Telematics }},
	{"weight_photo", 2, 0, 1_000, func(p *Params) *int64 { return &p.Photo }},
	{"weight_visual", 2, 0, 1_000, func(p *Params) *int64 { return &p.Visual }},
	{"weight_document", 1, 0, 1_000, func(p *Params) *int64 { return &p.Document }},
	{"weight_estimate", 0, 0, 1_000, func(p *Params) *int64 { return &p.Estimate }},
	{"weight_confirmed", 8, 1, 1_000, func(p *Params) *int64 { return &p.WeightConfirmed }},
	{"weight_admitted", 1, 1, 1_000, func(p *Params) *int64 { return &p.WeightAdmitted }},
}

// DefaultParams returns version 1 of the parameters, by their codes.
func DefaultParams() map[string]int64 {
	m := map[string]int64{}
	for _, k := range knobs {
		m[k.code] = k.v1
	}
	return m
}

// ParamsOf reads the parameters of a rules version. A code that is missing
// has the value of version 1, an unknown one is ignored, and a value outside
// its bounds counts as the nearest bound. Rules is 1 until the caller sets it.
func ParamsOf(m map[string]int64) Params {
	p := Params{Rules: 1}
	for _, k := range knobs {
		v, ok := m[k.code]
		if !ok {
			v = k.v1
		}
		*k.at(&p) = min(max(v, k.low), k.top)
	}
	return p
}

func unitMM(unit string) int64 {
	switch unit {
	case "KMT":
		return kmMM
	case "SMI":
		return mileMM
	}
	return 0
}

// tol is the drop tolerance of a reading in mm.
func (p *Params) tol(unit string) int64 {
	if unit == "SMI" {
		return p.TolSMI * metreMM
	}
	return p.TolKMT * metreMM
}

// half is half the rounding step in mm.
func (p *Params) half(precision, unit string) int64 {
	n := p.HalfExact
	switch precision {
	case "rounded_10":
		n = p.Half10
	case "rounded_100":
		n = p.Half100
	case "rounded_1000":
		n = p.Half1000
	}
	return n * unitMM(unit)
}

func (p *Params) weight(source string) int64 {
	switch source {
	case "obd":
		return p.OBD
	case "telematics":
		return p.Telematics
	case "photo":
		return p.Photo
	case "visual":
		return p.Visual
	case "document":
		return p.Document
	}
	return p.Estimate
}
