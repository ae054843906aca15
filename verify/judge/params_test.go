package judge

import (
	"maps"
	"testing"
)

// Version 1, figure by figure as docs/judgement.md gives it. Proofs of long
// ago are judged by these where their rules set no other.
func TestVersion1(t *testing.T) {
	t.Parallel()
	codes := map[string]int64{
		"tol_kmt_m": 100_000, "tol_smi_m": 100_000, // the same length in either unit
		"half_exact": 0, "half_rounded_10": 5, "half_rounded_100": 50, "half_rounded_1000": 500,
		"rate_km_day": 1_000, "rate_impossible_km_day": 9_600,
		"jump_mi": 25_000, "jump_year_mi": 60_000, "jump_days": 30,
		"static_days": 300, "static_mi": 100, "gap_days": 730,
		"rollover_floor_percent": 90, "attest_days": 31,
		"late_s": 86_400, "very_late_s": 432_000, "future_s": 600,
		"weight_obd": 2, "weight_telematics": 2, "weight_photo": 2, "weight_visual": 2,
		"weight_document": 1, "weight_estimate": 0,
		"weight_confirmed": 8, "weight_admitted": 1,
	}
	if got := DefaultParams(); !maps.Equal(got, codes) {
		t.Errorf("%v, want %v", got, codes)
	}
	fields := Params{
		Rules:  1,
		TolKMT: 100_000, TolSMI: 100_000,
		HalfExact: 0, Half10: 5, Half100: 50, Half1000: 500,
		Rate: 1_000, RateImpossible: 9_600,
		JumpDistance: 25_000, JumpYear: 60_000, JumpDays: 30,
		StaticDays: 300, StaticDistance: 100, GapDays: 730,
		RolloverFloor: 90, AttestDays: 31,
		Late: 86_400, VeryLate: 432_000, Future: 600,
		OBD: 2, Telematics: 2, Photo: 2, Visual: 2, Document: 1, Estimate: 0,
		WeightConfirmed: 8, WeightAdmitted: 1,
	}
	if got := ParamsOf(nil); got != fields {
		t.Errorf("%+v, want %+v", got, fields)
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	p := ParamsOf(map[string]int64{"tol_kmt_m": 7, "rate_km_day": 1 << 50, "weight_document": -1, "no_such": 3})
	if p.TolKMT != 7 || p.TolSMI != 100_000 || p.Rate != 100_000 || p.Document != 0 || p.Visual != 2 {
		t.Errorf("%+v", p)
	}
	if ParamsOf(DefaultParams()) != ParamsOf(nil) {
		t.Error("version 1 is not what a missing value has")
	}
	for code := range DefaultParams() {
		if !validCode(code) {
			t.Errorf("%s is no code", code)
		}
	}
	if len(DefaultParams()) > 64 {
		t.Error("more than the rules may hold")
	}
}

func validCode(s string) bool {
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c == '_' || c >= '0' && c <= '9')) {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 32
}
