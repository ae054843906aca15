package judge

import "testing"

// Each bound from both sides.
func TestContradiction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b row
		want string
	}{
		"a fall of the tolerance":          {row{value: 1_000}, row{day: 1, value: 900}, ""},
		"and one km more":                  {row{value: 1_000}, row{day: 1, value: 899}, Drop},
		"on one day nothing falls":         {row{at: "09:00", value: 1_000}, row{at: "10:00", value: 10}, ""},
		"rounded to 10: five more":         {row{value: 1_000}, row{day: 1, value: 895, precision: "rounded_10"}, ""},
		"and ten":                          {row{value: 1_000}, row{day: 1, value: 890, precision: "rounded_10"}, Drop},
		"both rounded to 1000":             {row{value: 2_000, precision: "rounded_1000"}, row{day: 1, value: 900, precision: "rounded_1000"}, ""},
		"and a km more":                    {row{value: 2_001, precision: "rounded_1000"}, row{day: 1, value: 900, precision: "rounded_1000"}, Drop},
		"dates: two days for one":          {row{value: 0}, row{day: 1, value: 2_000}, ""},
		"and a km more (dates)":            {row{value: 0}, row{day: 1, value: 2_001}, TooFast},
		"same date":                        {row{value: 0}, row{value: 2_000}, ""},
		"same date, and a km more":         {row{value: 0}, row{value: 2_001}, TooFast},
		"times: a day for an hour":         {row{at: "09:00", value: 0}, row{at: "10:00", value: 1_000}, ""},
		"and a km more (times)":            {row{at: "09:00", value: 0}, row{at: "10:00", value: 1_001}, TooFast},
		"a day and a half":                 {row{at: "00:00", value: 0}, row{day: 1, at: "12:00", value: 1_500}, ""},
		"and a km more than that":          {row{at: "00:00", value: 0}, row{day: 1, at: "12:00", value: 1_501}, TooFast},
		"one of them a date":               {row{at: "23:00", value: 0}, row{day: 1, value: 2_000}, ""},
		"400 km/h":                         {row{at: "09:00", value: 0}, row{at: "10:00", value: 9_600}, TooFast},
		"and a km more than any car":       {row{at: "09:00", value: 0}, row{at: "10:00", value: 9_601}, ImpossibleSpeed},
		"rounding is in the car's favour":  {row{at: "09:00", value: 0, precision: "rounded_100"}, row{at: "10:00", value: 1_050}, ""},
		"and a km more than that rounding": {row{at: "09:00", value: 0, precision: "rounded_100"}, row{at: "10:00", value: 1_051}, TooFast},
		"miles: 100 km of tolerance":       {row{value: 1_000, unit: "SMI"}, row{day: 1, value: 938, unit: "SMI"}, ""},
		"and a mile more":                  {row{value: 1_000, unit: "SMI"}, row{day: 1, value: 937, unit: "SMI"}, Drop},
		"across units":                     {row{value: 1_000, unit: "SMI"}, row{day: 1, value: 1_510}, ""},
		"and a km more, across units":      {row{value: 1_000, unit: "SMI"}, row{day: 1, value: 1_509}, Drop},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pointOf(c.a), pointOf(c.b)
			p := ParamsOf(nil)
			got := p.contradict(a, b)
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if p.tooFast(a, b) != (got == TooFast || got == ImpossibleSpeed) && got != Drop {
				t.Error("tooFast says otherwise")
			}
		})
	}
}

func pointOf(r row) *point {
	p := ParamsOf(nil)
	e := r.entry(0)
	pt := &point{entry: &e}
	pt.enter(&p, e.Record)
	pt.place(&p, pt.Effective.Value, pt.Effective.Unit)
	return pt
}

func TestNothingOverflows(t *testing.T) {
	t.Parallel()
	if !more(1<<62, 4, 1<<62, 3) || more(1<<62, 3, 1<<62, 3) || more(1, 1, 1<<62, 1<<62) {
		t.Error("more is wrong beyond 64 bits")
	}
	if scale(1<<60, 1<<20, 1<<21) != 1<<59 || scale(-(1<<60), 1<<20, 1<<21) != -(1<<59) {
		t.Error("scale is wrong beyond 64 bits")
	}
	wild := map[string]int64{}
	for code := range DefaultParams() {
		wild[code] = 1<<53 - 1
	}
	h := rows(row{day: -43_000, value: 0}, row{day: 350_000, value: maxValue, unit: "SMI"}, row{day: 350_001, value: 2}, row{day: 350_002, value: maxValue, unit: "SMI"})
	for _, p := range []map[string]int64{nil, wild, {"rate_km_day": -5, "tol_kmt_m": -5, "weight_visual": -5, "jump_days": -5, "weight_confirmed": -5}} {
		if j := Judge(h, ParamsOf(p), 1<<62); len(j.JSON()) == 0 || len(j.Readings) != 4 {
			t.Error("no judgement")
		}
	}
}
