package record

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// Who may read a vehicle's histories, and who did.
func init() {
	scope := OrAll{listOf(typeName, 64)}
	grant := need("grant", Ref{"access.granted/1"})
	define(
		Type{
			Name: "access.granted/1", Sentence: "somebody may read the vehicle's history",
			Subjects: []string{"access"}, Writers: []string{"DLR", "MFR"}, Fresh: "real time",
			Body: Object{
				need("basis", Enum{"ownership_papers", "presence", "fleet_contract", "finance_contract", "order_of_court", "consent"}),
				may("documents_checked", listOf(code, 32)), need("expires", utcForm), may("from", dayForm),
				need("grantee", OneOf{need("member", name), need("secret_sha256", hexHash)}),
				need("purpose", code), may("reading_ref", reading), may("to", dayForm), need("types", scope),
			},
			Say: sayGranted,
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
			Body: Object{grant},
			Say:  func(b jcs.Value) (string, string) { return "ends grant " + short(b.Get("grant").Str), "" },
		},
		Type{
			Name: "access.used/1", Sentence: "somebody read the vehicle's history by a grant",
			Subjects: []string{"access"}, Writers: []string{WriterNode}, Fresh: "real time, once a grant, reader and hour",
			Body: Object{
				need("authentication", Enum{"tls", "grant_link", "two_factor"}), grant,
				need("size", Whole{1, jcs.MaxInt}), need("types", scope),
			},
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("grant %s used (%s), tree size %d", short(b.Get("grant").Str), strings.ReplaceAll(b.Get("authentication").Str, "_", " "), b.Get("size").Int), ""
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

// short is the beginning of a leaf hash, enough for a person to tell two apart.
func short(hash string) string { return hash[:12] }
