package record

import (
	"strings"
	"testing"

	"github.com/milepost-log/milepost/record/jcs"
)

// Every record says in a few words what it does: governors read these words
// before they sign.
func TestWhatRecordsSay(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string][]string{
		"log.closed/1":        {"close this log for ever; it goes on in milepost.example/next/" + strings.Repeat("0a", 20)},
		"governors.changed/1": {"from now on 2 of these govern: assoc.example, maker.example"},
		"rules.published/1":   {"rules version 1: 1 types of record"},
		"node.added/1":        {"add node east at east.example:7400, run by " + testAuthor},
		"node.changed/1":      {"change node east at east.example:7400, run by " + testAuthor},
		"node.removed/1":      {"remove node east, reason: left"},
		"feature.raised/1":    {"feature level 2; nodes that do not know it stop"},
		"member.admitted/1":   {"admit " + testAuthor + ", Garage de Lyon (DLR)"},
		"member.changed/1": {
			"change " + testAuthor + ": calendar utc; country FR; documents checked register; kind DLR, PTI; legal name Garage de Lyon SA; another tax id; valid from 2026-01-01; valid to 2027-01-01; wmi 1N4; zone Europe/Paris",
			"change " + testAuthor + ": zone UTC",
			"change " + testAuthor + ": valid from 2026-01-01; valid to 2026-01-01",
		},
		"member.suspended/1":  {"suspend " + testAuthor + ", reason: unpaid"},
		"member.reinstated/1": {"end the suspension of " + testAuthor},
		"key.added/1": {
			"add a key of use record for " + testAuthor + ", bound to actor fitter, bound to a device: obd of " + testVIN,
			"add a key of use tls for " + testAuthor,
			"add a key of use admin for " + testAuthor + ", bound to actor owner",
		},
		"key.revoked/1": {
			"revoke key 0123abcd of " + testAuthor + ": compromised since 2026-05-04T08:00:00Z",
			"revoke key 0123abcd of " + testAuthor + ": lost",
		},
		"role.granted/1": {"fitter of " + testAuthor + " becomes technician"},
		"role.revoked/1": {"fitter of " + testAuthor + " is no longer technician"},
		"access.granted/1": {
			"whoever has the link may read odometer.reading/1 until 2026-06-03T08:00:00Z, for: purchase",
			"inspect.example may read the whole history until 2026-06-03T08:00:00Z, for: inspection",
			"inspect.example may read the whole history until 2026-06-03T08:00:00Z, for: court",
		},
		"access.revoked/1": {"ends grant 0123456789ab"},
		"access.used/1": {
			"grant 0123456789ab used (grant link), tree size 4711",
			"grant 0123456789ab used (tls), tree size 1",
		},
	} {
		def, e := Lookup(typ), examples[typ]
		bodies := append([]jcs.Value{e.body}, e.also...)
		if def.Say == nil || len(bodies) != len(want) {
			t.Errorf("%s: %d examples, %d sentences", typ, len(bodies), len(want))
			continue
		}
		for i, b := range bodies {
			if got, mileage := def.Say(b); got != want[i] || mileage != "" {
				t.Errorf("%s: %q %q, want %q", typ, got, mileage, want[i])
			}
		}
	}
}

// What no single field can say.
func TestRulesOverSeveralFields(t *testing.T) {
	t.Parallel()
	with := func(typ string, change func(jcs.Value) jcs.Value) jcs.Value {
		e := examples[typ]
		return testEnvelope(typ, e.subject, change(e.body))
	}
	set := func(name string, v any) func(jcs.Value) jcs.Value {
		return func(b jcs.Value) jcs.Value { return b.With(name, val(v)) }
	}
	named(t, with("member.changed/1", func(b jcs.Value) jcs.Value { return obj("name", b.Get("name"), "prev", b.Get("prev")) }), "body", "a change of nothing")
	named(t, with("member.changed/1", set("valid_to", "2025-12-31")), "body.valid_to", "an end before the beginning")
	named(t, with("member.admitted/1", set("valid_to", "2025-12-31")), "body.valid_to", "an end before the beginning")
	named(t, with("access.granted/1", set("to", "2019-12-31")), "body.to", "an end before the beginning")
	named(t, with("access.granted/1", func(b jcs.Value) jcs.Value {
		return b.With("basis", jcs.Text("presence")).With("reading_ref", jcs.Value{})
	}), "body.reading_ref", "presence without a reading")
	named(t, with("access.granted/1", set("grantee", obj("member", "Inspect"))), "body.grantee.member", "a name that is none")
	named(t, with("access.granted/1", set("types", []string{"all"})), "body.types[0]", "the word all in a list")
	named(t, with("log.closed/1", set("successor", testOrigin)), "body.successor", "the log itself")
	named(t, with("governors.changed/1", set("threshold", 3)), "body.threshold", "more than there are")
	governors := testFounding.Get("governors").List
	named(t, with("governors.changed/1", set("governors", []jcs.Value{governors[1], governors[0]})), "body.governors[1]", "the wrong order")
	named(t, with("governors.changed/1", set("governors", []jcs.Value{governors[0], governors[0].With("name", jcs.Text("maker.example"))})), "body.governors[1].key", "one key twice")
	named(t, with("rules.published/1", set("types", []string{"a.b/1", "a.b/1"})), "body.types[1]", "a type twice")
	named(t, with("node.changed/1", set("id", "west")), "body.cosigner_key", "the key of another id")
	named(t, with("role.granted/1", set("name", "other.example")), "subjects", "another member's history")
	long := testRules.With("rights", jcs.Array(obj("read", []string{"V"}, "type", "odometer.reading/1", "write", []string{"DLR:administrator"})))
	if _, err := Open(noteOf(testEnvelope("rules.published/1", Governance, long))); err != nil {
		t.Errorf("the longest class of writers: %v", err)
	}
}

func TestTheVehicleOfARecord(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"vehicle/" + testVIN: "vehicle/" + testVIN, "vehicle/short/A-1": "vehicle/short/A-1", "workshop/" + testVIN: "vehicle/" + testVIN,
		"access/" + testVIN: "vehicle/" + testVIN, "member/" + testAuthor: "", Governance: "", "campaign/R1": "", "notice/" + testAuthor: "",
	} {
		r, err := Open(noteOf(testEnvelope("x.y/1", subject, obj())))
		if err != nil || r.Vehicle() != want {
			t.Errorf("%s: %q, %v", subject, r.Vehicle(), err)
		}
	}
}

// Fields as a person types them.
func TestValuesOfAccess(t *testing.T) {
	t.Parallel()
	def := Lookup("access.granted/1")
	for _, c := range []struct{ field, text, want string }{
		{"types", "all", `"all"`},
		{"types", `["odometer.reading/1"]`, `["odometer.reading/1"]`},
		{"grantee", `{"member":"inspect.example"}`, `{"member":"inspect.example"}`},
		{"purpose", "purchase", `"purchase"`},
	} {
		v, err := def.Value(c.field, c.text)
		if err != nil || string(v.Bytes()) != c.want {
			t.Errorf("%s=%s: %s, %v", c.field, c.text, v.Bytes(), err)
		}
	}
	if _, err := def.Value("types", "some"); err == nil {
		t.Error("types=some is accepted")
	}
}
