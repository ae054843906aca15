package record

import "github.com/milepost-log/milepost/record/jcs"

// What insurers report.
func init() {
	define(Type{
		Name: "insurance.event/1", Sentence: "an insurer reports damage, theft or recovery",
		Subjects: []string{"vehicle"}, Writers: []string{"INS"}, Fresh: "real time",
		Body: Object{
			need("claim", digest, "commitment to the number of the claim"),
			need("kind", Enum{"damage", "repair", "total_loss", "salvage", "flood", "theft", "recovered"}, "what happened"),
			mayReadingRef, need("severity", Enum{"minor", "moderate", "severe"}, "how grave it is"),
		},
		Example: `{"claim":"` + exampleB64 + `","kind":"damage","reading_ref":"` + exampleHash + `","severity":"moderate"}`,
		Say: func(b jcs.Value) (string, string) {
			return "insurer reports: " + word(b, "kind") + ", " + b.Get("severity").Str, ""
		},
	})
}
