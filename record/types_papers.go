package record

import "github.com/milepost-log/milepost/record/jcs"

// Documents: what was handed in, and what was issued.
func init() {
	issuers := []string{"DLR", "MFR", "INS"}
	issued := Object{asOf, paperDigest, may("method", Text{32}, "how it was made, and which version of that")}
	const example = `{"as_of":4711,"digest":"` + exampleHash + `","method":"market-3"}`
	say := func(what string) func(jcs.Value) (string, string) {
		return func(b jcs.Value) (string, string) {
			if b.Has("method") {
				return what + " issued, made by " + b.Get("method").Str, ""
			}
			return what + " issued", ""
		}
	}
	define(
		Type{
			Name: "evidence.external/1", Sentence: "a document of somebody outside this log is handed in",
			Subjects: []string{"vehicle"}, Writers: []string{"DLR", "INS"}, Fresh: "when handed in",
			Body: Object{
				need("issued", dayForm, "date of the document"), need("issuer", Text{120}, "who issued it"),
				need("kind", Enum{"invoice", "service_book", "inspection", "photo", "receipt", "foreign_register"}, "what it is"),
				may("reading", Object{
					need("precision", precision, "how exactly"), need("unit", unit, "KMT kilometres, SMI miles"), need("value", odometer, "the mileage"),
				}, "the mileage that it gives"),
				need("trust", Enum{"document_seen", "copy", "claimed"}, "what the author saw of it: the document, a copy, or nothing"),
			},
			Example: `{"issued":"2021-03-09","issuer":"Garage Dupont, Lyon","kind":"invoice","reading":{"precision":"exact","unit":"KMT","value":21840},"trust":"document_seen"}`,
			Papers:  true,
			Demands: "issued does not lie after event_time.",
			Say: func(b jcs.Value) (string, string) {
				trust := map[string]string{"document_seen": "document seen", "copy": "copy seen", "claimed": "claimed, not seen"}[b.Get("trust").Str]
				return word(b, "kind") + " of " + b.Get("issuer").Str + " handed in, dated " + b.Get("issued").Str + "; " + trust, miles(b.Get("reading"))
			},
			Rule: func(r *Record) error {
				if day := r.EventTime.Format("2006-01-02"); r.Body.Get("issued").Str > day {
					return badField("body.issued", "%s lies after the event, %s", r.Body.Get("issued").Str, day)
				}
				return nil
			},
		},
		Type{
			Name: "report.issued/1", Sentence: "a report of the vehicle's history is issued",
			Subjects: []string{"access"}, Writers: issuers, Fresh: "real time",
			Body:    Object{asOf, paperDigest, need("requester", Enum{"owner", "buyer", "insurer", "court", "dealer"}, "for whom")},
			Example: `{"as_of":4711,"digest":"` + exampleHash + `","requester":"buyer"}`,
			Say:     func(b jcs.Value) (string, string) { return "report issued for the " + b.Get("requester").Str, "" },
		},
		Type{
			Name: "document.issued/1", Sentence: "a document about the vehicle is issued",
			Subjects: []string{"access"}, Writers: issuers, Fresh: "real time",
			Body: issued, Example: example, Say: say("document"),
		},
		Type{
			Name: "advice.issued/1", Sentence: "advice on what the vehicle will need is issued",
			Subjects: []string{"workshop"}, Writers: issuers, Fresh: "real time",
			Body: issued, Example: example, Say: say("advice"),
		},
		Type{
			Name: "valuation.issued/1", Sentence: "an estimate of what the vehicle is worth is issued",
			Subjects: []string{"access"}, Writers: issuers, Fresh: "monthly",
			Body: issued, Example: example, Say: say("valuation"),
		},
	)
}
