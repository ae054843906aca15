package record

import (
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// Personal data that was erased where it was kept, and what may not be yet.
func init() {
	hold := Object{
		need("reason", code, "why"), need("records", listOf(anyRecord, 32), "leaf hashes of the records whose documents are meant"),
	}
	const example = `{"reason":"litigation","records":["` + exampleHash + `"]}`
	check := func(r *Record) error { return once(r.Body.Get("records"), "", "body.records") }
	say := func(what string) func(jcs.Value) (string, string) {
		return func(b jcs.Value) (string, string) {
			return what + ", reason: " + word(b, "reason") + "; records: " + strconv.Itoa(len(b.Get("records").List)), ""
		}
	}
	define(
		Type{
			Name: "personal.erased/1", Sentence: "whoever kept personal data of a record has erased it",
			Subjects: []string{"vehicle"}, Writers: []string{WriterAny}, Fresh: "when erased",
			Body: Object{
				need("basis", code, "on what ground, such as request"), need("fields", listOf(code, 32), "which fields of the record's personal data"),
				need("record", anyRecord, "leaf hash of the record"),
			},
			Example: `{"basis":"request","fields":["owner"],"record":"` + exampleHash + `"}`,
			Demands: "No field stands there twice.",
			Say: func(b jcs.Value) (string, string) {
				return "personal data of record " + short(b.Get("record").Str) + " erased where it was kept: " + strings.Join(b.Get("fields").Strings(), ", "), ""
			},
			Rule: func(r *Record) error { return once(r.Body.Get("fields"), "", "body.fields") },
		},
		Type{
			Name: "hold.placed/1", Sentence: "documents of some records must be kept",
			Subjects: []string{"workshop"}, Writers: []string{"ARB", "MFR"}, Fresh: "real time",
			Body: hold, Example: example, Say: say("documents must be kept"), Rule: check, Demands: "No record stands there twice.",
		},
		Type{
			Name: "hold.released/1", Sentence: "documents of some records need no longer be kept for it",
			Subjects: []string{"workshop"}, Writers: []string{"ARB", "MFR"}, Fresh: "real time",
			Body: hold, Example: example, Say: say("documents need no longer be kept"), Rule: check, Demands: "No record stands there twice.",
		},
	)
}
