package record

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// MaxOdometer is the largest value that a counter is taken to show.
const MaxOdometer = 1_999_999

var (
	unit    = Enum{"KMT", "SMI"} // UN/CEFACT: kilometre, statute mile
	reading = Ref{"odometer.reading/1"}
)

var line = Object{
	may("campaign", Text{32}), may("cause", Text{120}), may("complaint", Text{120}), may("correction", Text{120}),
	may("cost", digest), may("hours_100", Whole{0, 100_000_00}), may("op_code", Text{32}),
	may("parts", listOf(Object{need("no", Text{32}), need("quantity_100", Whole{1, 100_000_00})}, 20)),
	need("pay", Enum{"customer", "warranty", "campaign", "internal"}), need("work_type", code),
}

func init() {
	define(
		Type{
			Name: "vehicle.created/1", Sentence: "the vehicle enters the log",
			Subjects: []string{"vehicle"}, Writers: []string{"MFR", "DLR"}, Fresh: "when built, imported or first seen",
			Body: Object{
				may("body", Text{32}), may("country", country), may("first_registration", dayForm),
				may("fuel", Enum{"petrol", "diesel", "electric", "hybrid", "plugin_hybrid", "lpg", "cng", "hydrogen", "other"}),
				need("imported", YesNo{}), need("make", Text{48}), need("model", Text{64}),
				may("model_year", Whole{1886, 2999}), may("odometer_digits", Whole{5, 7}), may("odometer_unit", unit),
			},
			Say: func(b jcs.Value) (string, string) {
				return "enters the log: " + b.Get("make").Str + " " + b.Get("model").Str, ""
			},
		},
		Type{
			Name: "odometer.reading/1", Sentence: "somebody reads the odometer",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "MFR", "PTI", "FIN", "INS", WriterDevice}, Fresh: "real time",
			Body: Object{
				may("confirmed", listOf(code, 16)), may("ecu_km", Whole{0, MaxOdometer}),
				may("precision", Enum{"exact", "rounded_10", "rounded_100", "rounded_1000"}),
				need("purpose", Enum{"delivery", "service_in", "service_out", "inspection", "sale", "purchase", "lease_end",
					"insurance", "warranty_claim", "access_proof", "periodic", "after_replacement"}),
				need("result", Enum{"read", "unreadable", "no_odometer"}),
				need("source", Enum{"visual", "photo", "obd", "telematics", "document", "estimate"}),
				may("unit", unit), may("value", Whole{0, MaxOdometer}),
			},
			Say:  sayReading,
			Rule: checkReading,
		},
		Type{
			Name: "service.visit/1", Sentence: "work done on the vehicle",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR"}, Fresh: "real time",
			Body: Object{
				need("lines", listOf(line, 200)),
				may("next_service", Object{may("date", dayForm), may("km", Whole{0, MaxOdometer})}),
				need("odometer_work", YesNo{}), may("opened_at", timeForm), need("order_no", Text{32}),
				need("reading_in", reading), may("reading_out", reading),
				need("service_type", Enum{"maintenance", "repair", "warranty", "recall", "inspection", "body", "tyres", "other"}),
			},
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("%s, order %s, work lines: %d", b.Get("service_type").Str, b.Get("order_no").Str, len(b.Get("lines").List)), ""
			},
			Rule: func(r *Record) error {
				if n := r.Body.Get("next_service"); n.Kind != 0 && len(n.Obj) == 0 {
					return badField("body.next_service", "a date or a distance is expected, or leave it out")
				}
				return nil
			},
		},
	)
}

func sayReading(b jcs.Value) (what, mileage string) {
	what = strings.ReplaceAll(b.Get("purpose").Str, "_", " ")
	if res := b.Get("result").Str; res != "read" {
		return what + ", odometer " + strings.ReplaceAll(res, "_", " "), ""
	}
	return what, Thousands(b.Get("value").Int) + map[string]string{"KMT": " km", "SMI": " mi"}[b.Get("unit").Str]
}

// Thousands writes a number with its thousands parted.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// checkReading: a reading that was taken has its value; a value that looks
// like a default needs a person's word that it was really seen.
func checkReading(r *Record) error {
	read := r.Body.Get("result").Str == "read"
	for _, f := range []string{"precision", "unit", "value"} {
		if r.Body.Has(f) != read {
			return badField("body."+f, "it stands with the result read, and only then")
		}
	}
	if !read {
		return nil
	}
	if v := r.Body.Get("value").Int; v == 0 || v == 1 || v == 999_999 {
		for _, c := range r.Body.Get("confirmed").Strings() {
			if c == "sentinel" {
				return nil
			}
		}
		return badField("body.value", "%d looks like a default; if the odometer really showed it, add \"sentinel\" to confirmed", v)
	}
	return nil
}
