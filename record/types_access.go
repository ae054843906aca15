package record

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// Who may read a vehicle's histories, and who did.
func init() {
	scope := OrAll{listOf(typeName, 64)}
	grant := need("grant", Ref{"access.granted/1"}, "leaf hash of the record that grants")
	define(
		Type{
			Name: "access.granted/1", Sentence: "somebody may read the vehicle's history",
			Subjects: []string{"access"}, Writers: []string{"DLR", "MFR"}, Fresh: "real time",
			Body: Object{
				need("basis", Enum{"ownership_papers", "presence", "fleet_contract", "finance_contract", "order_of_court", "consent"},
					"what the right to grant rests on"),
				may("documents_checked", listOf(code, 32), "which documents were seen"),
				need("expires", utcForm, "when the grant ends"), may("from", dayForm, "first day of event times that it covers"),
				need("grantee", OneOf{
					need("member", name, "a member"), need("secret_sha256", hexHash, "SHA-256 of the secret of a link, for who has no account"),
				}, "who may read"),
				need("purpose", code, "what for"), may("reading_ref", reading, "a reading of the same day, for the basis presence"),
				may("to", dayForm, "last day of event times that it covers"), need("types", scope, "which types of record: all, or a list"),
			},
			Example: `{"basis":"ownership_papers","documents_checked":["registration"],"expires":"2026-06-03T08:00:00Z","from":"2020-01-01",` +
				`"grantee":{"secret_sha256":"` + exampleHash + `"},"purpose":"purchase","reading_ref":"` + exampleHash + `",` +
				`"to":"2026-12-31","types":["odometer.reading/1"]}`,
			Demands: "reading_ref is needed with the basis presence; to is not before from.",
			Say:     sayGranted,
			Rule: func(r *Record) error {
				if r.Body.Get("basis").Str == "presence" && !r.Body.Has("reading_ref") {
					return badField("body.reading_ref", "who says that the vehicle is present names a reading of it")
				}
				return checkPeriod(r.Body, "from", "to")
			},
		},
		Type{
			Name: "access.revoked/1", Sentence: "a grant to read ends",
			Subjects: []string{"access"}, Writers: []string{"DLR", "MFR"}, Fresh: "real time",
			Body:    Object{grant},
			Example: `{"grant":"` + exampleHash + `"}`,
			Say:     func(b jcs.Value) (string, string) { return "ends grant " + short(b.Get("grant").Str), "" },
		},
		Type{
			Name: "access.used/1", Sentence: "somebody read the vehicle's history by a grant",
			Subjects: []string{"access"}, Writers: []string{WriterNode}, Fresh: "real time, once a grant, reader and hour",
			Body: Object{
				need("authentication", Enum{"tls", "grant_link", "two_factor"}, "how the reader showed who it is"), grant,
				need("size", Whole{1, jcs.MaxInt}, "tree size that was read from"), need("types", scope, "which types were read: all, or a list"),
			},
			Example: `{"authentication":"grant_link","grant":"` + exampleHash + `","size":4711,"types":"all"}`,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("grant %s used (%s), tree size %d", short(b.Get("grant").Str), word(b, "authentication"), b.Get("size").Int), ""
			},
		},
	)
}

func sayGranted(b jcs.Value) (string, string) {
	whom := "whoever has the link"
	if m := b.Get("grantee").Get("member"); m.Kind != 0 {
		whom = m.Str
	}
	what := "the whole history"
	if t := b.Get("types"); t.Kind == jcs.List {
		what = strings.Join(t.Strings(), ", ")
	}
	return fmt.Sprintf("%s may read %s until %s, for: %s", whom, what, b.Get("expires").Str, b.Get("purpose").Str), ""
}
