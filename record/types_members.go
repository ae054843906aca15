package record

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// Roles that an actor may have inside its member.
var roles = Enum{RoleAdministrator, "technician", "appraiser", "customer", "financier", "support", "arbitrator"}

// RoleAdministrator is the role without which an admin key does not count.
const RoleAdministrator = "administrator"

// kinds of member; those of RECORDS that have no key are not among them.
var kinds = listOf(Enum{"DLR", "MFR", "PTI", "INS", "FIN", "ARB", "FLT", "AUD"}, 8)

const kindsMean = "DLR dealer, MFR manufacturer or central support, PTI inspection body, INS insurer, FIN finance house, ARB arbitrator, FLT fleet, AUD auditor"

var (
	memberName    = need("name", name, "the member")
	calendarField = may("calendar", code, "the calendar of its working days, one of the rules'")
	memberReason  = need("reason", code, "why")
)

// What becomes of a member after its admission.
func init() {
	role := Object{need("actor", actorID, "who"), memberName, prev, need("role", roles, "which role")}
	const roleExample = `{"actor":"fitter","name":"dealer.example/lyon","prev":"` + exampleHash + `","role":"technician"}`
	define(
		Type{
			Name: "member.changed/1", Sentence: "the governors change what is said of a member",
			Subjects: []string{"member"}, Writers: []string{WriterGovernors}, Fresh: "when decided", Owner: "name",
			Body: Object{
				calendarField, may("country", country, "its seat"),
				may("documents_checked", listOf(code, 32), "which of its documents were checked"), may("kind", kinds, kindsMean),
				may("legal_name", Text{200}, "its name in the register of companies"), memberName, prev,
				may("tax_id", digest, "commitment to its tax number"),
				may("valid_from", dayForm, "first day of membership"), may("valid_to", dayForm, "last day of membership"),
				may("wmi", listOf(wmi, 64), "of a manufacturer: how its VINs begin"), may("zone", zoneName, "its time zone"),
			},
			Example: `{"calendar":"utc","country":"FR","documents_checked":["register"],"kind":["DLR","PTI"],"legal_name":"Garage de Lyon SA",` +
				`"name":"dealer.example/lyon","prev":"` + exampleHash + `","tax_id":"` + exampleB64 + `","valid_from":"2026-01-01","valid_to":"2027-01-01",` +
				`"wmi":["1N4"],"zone":"Europe/Paris"}`,
			Demands: "It changes something; what it gives replaces what was. valid_to is not before valid_from.",
			Say:     sayMemberChanged,
			Rule: func(r *Record) error {
				if len(changedFields(r.Body)) == 0 {
					return badField("body", "it changes nothing: give at least one field")
				}
				return checkPeriod(r.Body, "valid_from", "valid_to")
			},
		},
		Type{
			Name: "member.suspended/1", Sentence: "the governors suspend a member",
			Subjects: []string{"member"}, Writers: []string{WriterGovernors}, Fresh: "when decided", Owner: "name",
			Body:    Object{memberName, prev, memberReason},
			Example: `{"name":"dealer.example/lyon","prev":"` + exampleHash + `","reason":"unpaid"}`,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("suspend %s, reason: %s", b.Get("name").Str, b.Get("reason").Str), ""
			},
		},
		Type{
			Name: "member.reinstated/1", Sentence: "the governors end a member's suspension",
			Subjects: []string{"member"}, Writers: []string{WriterGovernors}, Fresh: "when decided", Owner: "name",
			Body:    Object{memberName, prev},
			Example: `{"name":"dealer.example/lyon","prev":"` + exampleHash + `"}`,
			Say:     func(b jcs.Value) (string, string) { return "end the suspension of " + b.Get("name").Str, "" },
		},
		Type{
			Name: "role.granted/1", Sentence: "an actor of a member is given a role",
			Subjects: []string{"member"}, Writers: []string{WriterAdmin}, Fresh: "at once", Owner: "name",
			Body:    role,
			Example: roleExample,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("%s of %s becomes %s", b.Get("actor").Str, b.Get("name").Str, b.Get("role").Str), ""
			},
		},
		Type{
			Name: "role.revoked/1", Sentence: "a role is taken from an actor of a member",
			Subjects: []string{"member"}, Writers: []string{WriterAdmin}, Fresh: "at once", Owner: "name",
			Body:    role,
			Example: roleExample,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("%s of %s is no longer %s", b.Get("actor").Str, b.Get("name").Str, b.Get("role").Str), ""
			},
		},
	)
}

// changedFields lists what a member.changed changes.
func changedFields(b jcs.Value) []string {
	var fields []string
	for _, f := range b.Obj {
		if f.Name != "name" && f.Name != "prev" {
			fields = append(fields, f.Name)
		}
	}
	return fields
}

func sayMemberChanged(b jcs.Value) (string, string) {
	var says []string
	for _, f := range changedFields(b) {
		v := b.Get(f)
		switch what := strings.ReplaceAll(f, "_", " "); {
		case f == "tax_id":
			says = append(says, "another tax id")
		case v.Kind == jcs.List:
			says = append(says, what+" "+strings.Join(v.Strings(), ", "))
		default:
			says = append(says, what+" "+v.Str)
		}
	}
	return "change " + b.Get("name").Str + ": " + strings.Join(says, "; "), ""
}

func sayKeyAdded(b jcs.Value) (string, string) {
	s := fmt.Sprintf("add a key of use %s for %s", b.Get("use").Str, b.Get("name").Str)
	if b.Has("actor") {
		s += ", bound to actor " + b.Get("actor").Str
	}
	if d := b.Get("device"); d.Kind != 0 {
		s += ", bound to a device: " + d.Get("kind").Str
		if d.Has("vehicle") {
			s += " of " + d.Get("vehicle").Str
		}
	}
	return s, ""
}

func sayKeyRevoked(b jcs.Value) (string, string) {
	s := fmt.Sprintf("revoke key %s of %s: %s", b.Get("key_id").Str, b.Get("name").Str, b.Get("reason").Str)
	if b.Has("since") {
		s += " since " + b.Get("since").Str
	}
	return s, ""
}

// checkPeriod: a period does not end before it begins. Dates sort as text.
func checkPeriod(b jcs.Value, from, to string) error {
	if b.Has(from) && b.Has(to) && b.Get(to).Str < b.Get(from).Str {
		return badField("body."+to, "%s lies before %s", b.Get(to).Str, b.Get(from).Str)
	}
	return nil
}
