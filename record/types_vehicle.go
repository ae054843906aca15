package record

import "github.com/milepost-log/milepost/record/jcs"

// The vehicle, and who has it.
func init() {
	define(
		Type{
			Name: "vehicle.created/1", Sentence: "the vehicle enters the log",
			Subjects: []string{"vehicle"}, Writers: []string{"MFR", "DLR"}, Fresh: "when built, imported or first seen",
			Body: Object{
				may("body", Text{32}, "kind of body"), may("country", country, "where it was built for or first sold"),
				may("first_registration", dayForm, "day of its first registration"),
				may("fuel", Enum{"petrol", "diesel", "electric", "hybrid", "plugin_hybrid", "lpg", "cng", "hydrogen", "other"}, "what drives it"),
				need("imported", YesNo{}, "whether it came from another country after its first registration"),
				need("make", Text{48}, "brand"), need("model", Text{64}, "model"),
				may("model_year", Whole{1886, 2999}, "model year; at most two years after the log time"),
				may("odometer_digits", Whole{5, 7}, "digits of its odometer before the decimal point"),
				may("odometer_unit", unit, "what its odometer counts: KMT kilometres, SMI miles"),
			},
			Example: `{"body":"hatchback","country":"JP","first_registration":"2013-05-01","fuel":"electric","imported":true,` +
				`"make":"Nissan","model":"Leaf","model_year":2013,"odometer_digits":6,"odometer_unit":"SMI"}`,
			Say: func(b jcs.Value) (string, string) {
				return "enters the log: " + b.Get("make").Str + " " + b.Get("model").Str, ""
			},
		},
		Type{
			Name: "vehicle.sold/1", Sentence: "a dealer, maker or finance house sells or leases the vehicle, or takes it over a border",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "MFR", "FIN"}, Fresh: "real time",
			Body: Object{
				need("kind", Enum{"first_sale", "resale", "lease_start", "export", "import"}, "what happened"), readingRef,
			},
			Example: `{"kind":"resale","reading_ref":"` + exampleHash + `"}`,
			Say: func(b jcs.Value) (string, string) {
				return map[string]string{
					"first_sale": "sold for the first time", "resale": "sold again", "lease_start": "leased out",
					"export": "sold out of the country", "import": "brought into the country",
				}[b.Get("kind").Str], ""
			},
		},
		Type{
			Name: "ownership.changed/1", Sentence: "the vehicle has another owner, or is gone or back",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "MFR", "FIN"}, Fresh: "real time",
			Body: Object{
				may("from", digest, "commitment to who had it"),
				need("kind", Enum{"sale", "lease_end", "inheritance", "repossession", "scrapped", "stolen", "recovered"}, "what happened"),
				mayReadingRef, may("to", digest, "commitment to who has it now"),
			},
			Example: `{"from":"` + exampleB64 + `","kind":"sale","reading_ref":"` + exampleHash + `","to":"` + exampleB64 + `"}`,
			Say: func(b jcs.Value) (string, string) {
				return map[string]string{
					"sale": "another owner, by sale", "lease_end": "another owner, at the end of a lease", "inheritance": "another owner, by inheritance",
					"repossession": "taken back by who financed it", "scrapped": "scrapped", "stolen": "stolen", "recovered": "recovered after a theft",
				}[b.Get("kind").Str], ""
			},
		},
		Type{
			Name: "plate.changed/1", Sentence: "the vehicle bears another number plate",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "PTI"}, Fresh: "real time",
			Body:    Object{need("mark", digest, "commitment to the new registration mark")},
			Example: `{"mark":"` + exampleB64 + `"}`,
			Say:     func(jcs.Value) (string, string) { return "another number plate", "" },
		},
	)
}
