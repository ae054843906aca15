package record

import (
	"fmt"
	"regexp"

	"github.com/milepost-log/milepost/record/jcs"
)

// What a member announces to all others.
func init() {
	notice := []string{"notice"}
	define(
		Type{
			Name: "service.plan/1", Sentence: "a maker says when its vehicles need service",
			Subjects: notice, Writers: []string{"MFR"}, Fresh: "on publishing",
			Body: Object{
				need("intervals", listOf(Object{
					may("km", Whole{1, MaxOdometer}, "every so many kilometres"), may("months", Whole{1, 600}, "or every so many months"),
					need("op_codes", listOf(Text{32}, 64), "operations that are due"),
					may("tolerance_days", Whole{0, 3660}, "days that it may be late"), may("tolerance_km", odometer, "kilometres that it may be late"),
				}, 64), "what is due, and when"),
				need("model_match", Object{
					need("vds_pattern", matches("a pattern of 6 characters of a VIN, with ? for any", regexp.MustCompile(`^[A-HJ-NPR-Z0-9?]{6}$`)), "characters 4 to 9 of the VIN; ? is any"),
					need("wmi", wmi, "how the VIN begins"),
				}, "which vehicles"),
				need("plan", Text{32}, "name of the plan"),
			},
			Example: `{"intervals":[{"km":30000,"months":24,"op_codes":["BR-1","CF-1"],"tolerance_days":30,"tolerance_km":1500}],` +
				`"model_match":{"vds_pattern":"AZ0CP?","wmi":"1N4"},"plan":"leaf-2013"}`,
			Demands: "Each interval has a distance or a number of months.",
			Say: func(b jcs.Value) (string, string) {
				m := b.Get("model_match")
				return fmt.Sprintf("service plan %s for VINs that begin with %s%s, intervals: %d",
					b.Get("plan").Str, m.Get("wmi").Str[:3], m.Get("vds_pattern").Str, len(b.Get("intervals").List)), ""
			},
			Rule: func(r *Record) error {
				for i, v := range r.Body.Get("intervals").List {
					if !v.Has("km") && !v.Has("months") {
						return badField(indexed("body.intervals", i), "a distance or a number of months is expected")
					}
				}
				return nil
			},
		},
		Type{
			Name: "outage.declared/1", Sentence: "a member could not, or cannot, enter records",
			Subjects: notice, Writers: []string{WriterAny}, Fresh: "as soon as it is known",
			Body: Object{
				need("from", utcForm, "since when"), need("reason", code, "why"), may("to", utcForm, "until when; absent while it lasts"),
			},
			Example: `{"from":"2026-05-04T08:00:00Z","reason":"network","to":"2026-05-04T17:30:00Z"}`,
			Demands: "to does not lie before from.",
			Say: func(b jcs.Value) (string, string) {
				s := "no records could be entered from " + b.Get("from").Str
				if b.Has("to") {
					s += " to " + b.Get("to").Str
				} else {
					s += " on"
				}
				return s + ", reason: " + word(b, "reason"), ""
			},
			Rule: func(r *Record) error { return checkPeriod(r.Body, "from", "to") },
		},
	)
}
