package record

import (
	"slices"
	"strconv"

	"github.com/milepost-log/milepost/record/jcs"
)

// The odometer: what it shows, and what was done to it.
func init() {
	define(
		Type{
			Name: "odometer.reading/1", Sentence: "somebody reads the odometer",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "MFR", "PTI", "FIN", "INS", WriterDevice}, Fresh: "real time",
			Body: Object{
				may("confirmed", listOf(code, 16), "warnings that were seen and kept, such as sentinel"),
				may("ecu_km", odometer, "kilometres that a control unit of the vehicle gives"),
				may("precision", precision, "how exactly it was read"),
				need("purpose", Enum{"delivery", "service_in", "service_out", "inspection", "sale", "purchase", "lease_end",
					"insurance", "warranty_claim", "access_proof", "periodic", "after_replacement"}, "on what occasion"),
				need("result", Enum{"read", "unreadable", "no_odometer"}, "whether it could be read"),
				need("source", Enum{"visual", "photo", "obd", "telematics", "document", "estimate"}, "how it was read"),
				may("unit", unit, "KMT kilometres, SMI miles"), may("value", odometer, "what the odometer shows"),
			},
			Example: `{"ecu_km":31449,"precision":"exact","purpose":"service_in","result":"read","source":"visual","unit":"KMT","value":31450}`,
			Demands: "precision, unit and value stand exactly with the result read. A value of 0, 1 or 999999 needs sentinel among confirmed.",
			Say:     sayReading,
			Rule:    checkReading,
		},
		Type{
			Name: "odometer.replaced/1", Sentence: "the odometer is replaced, repaired or set anew",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "PTI"}, Fresh: "real time",
			Body: Object{
				need("after_ref", reading, "leaf hash of the first reading after it"),
				may("before_ref", reading, "leaf hash of the last reading before it, if it could be read"),
				may("door_notice", YesNo{}, "whether a notice was put on the door frame"),
				need("kind", Enum{"replaced", "repaired", "reset", "unit_changed", "cluster_swapped"}, "what was done"),
				may("part_no", Text{32}, "part number of the new one"),
			},
			Example: `{"after_ref":"` + exampleHash + `","before_ref":"` + exampleHashB + `","door_notice":true,"kind":"replaced","part_no":"24810-3NA0A"}`,
			Demands: differsDemand,
			Say: func(b jcs.Value) (string, string) {
				s := map[string]string{
					"replaced": "odometer replaced", "repaired": "odometer repaired", "reset": "odometer set anew",
					"unit_changed": "odometer counts in another unit from here on", "cluster_swapped": "instrument cluster swapped",
				}[b.Get("kind").Str]
				if !b.Has("before_ref") {
					s += "; what the old one showed is not known"
				}
				return s, ""
			},
			Rule: checkBeforeAfter,
		},
		Type{
			Name: "odometer.rollover/1", Sentence: "the odometer has passed its last digit and begun again at zero",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "PTI"}, Fresh: "real time",
			Body: Object{
				need("after_ref", reading, "leaf hash of a reading after it"), need("before_ref", reading, "leaf hash of the last reading before it"),
				need("digits", Whole{5, 6}, "digits of the odometer before the decimal point"),
			},
			Example: `{"after_ref":"` + exampleHash + `","before_ref":"` + exampleHashB + `","digits":5}`,
			Demands: differsDemand,
			Say: func(b jcs.Value) (string, string) {
				return "odometer of " + strconv.FormatInt(b.Get("digits").Int, 10) + " digits has begun again at zero", ""
			},
			Rule: checkBeforeAfter,
		},
		Type{
			Name: "odometer.disclosure/1", Sentence: "a seller certifies the mileage at a transfer",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR"}, Fresh: "real time",
			Body: Object{
				need("certification", Enum{"actual", "exceeds_mechanical_limits", "not_actual", "exempt"}, "what the seller certifies (49 CFR 580.5)"),
				readingRef, need("transfer_date", dayForm, "day of the transfer"),
			},
			Example: `{"certification":"actual","reading_ref":"` + exampleHash + `","transfer_date":"2026-05-04"}`,
			Say: func(b jcs.Value) (string, string) {
				return "mileage certified for the transfer of " + b.Get("transfer_date").Str + ": " + word(b, "certification"), ""
			},
		},
	)
}

const differsDemand = "before_ref and after_ref are two readings."

func checkBeforeAfter(r *Record) error {
	if r.Body.Get("before_ref").Str == r.Body.Get("after_ref").Str {
		return badField("body.before_ref", "it is the same reading as after_ref")
	}
	return nil
}

func sayReading(b jcs.Value) (what, mileage string) {
	what = word(b, "purpose")
	switch b.Get("result").Str {
	case "unreadable":
		return what + ", odometer unreadable", ""
	case "no_odometer":
		return what + ", no odometer", ""
	}
	return what, miles(b)
}

// Thousands writes a number with its thousands parted.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// checkReading: a reading that was taken has its value; a value that looks
// like a default needs a person's word that it was really seen.
func checkReading(r *Record) error {
	read := r.Body.Get("result").Str == "read"
	for _, f := range [...]string{"precision", "unit", "value"} {
		switch has := r.Body.Has(f); {
		case read && !has:
			return badField("body."+f, Missing+": it stands with the result read")
		case has && !read:
			return badField("body."+f, "it stands with the result read, and only then")
		}
	}
	if v := r.Body.Get("value").Int; read && (v == 0 || v == 1 || v == 999_999) && !slices.Contains(r.Body.Get("confirmed").Strings(), "sentinel") {
		return badField("body.value", "%d looks like a default; if the odometer really showed it, add \"sentinel\" to confirmed", v)
	}
	return nil
}
