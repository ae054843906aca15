package record

import (
	"testing"

	"github.com/milepost-log/milepost/record/jcs"
)

// Every record says in a few words what it records, and which mileage it
// gives (after the bar): a buyer reads these words, and governors before they
// sign.
func TestWhatRecordsSay(t *testing.T) {
	t.Parallel()
	said := map[string][]string{
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
		"advice.issued/1": {"advice issued, made by market-3"},
		"case.evidence/1": {"evidence handed in for case 0123456789ab"},
		"case.message/1":  {"message for case 0123456789ab"},
		"case.withdrawn/1": {
			"case 0123456789ab withdrawn, reason: settled",
			"case 0123456789ab withdrawn",
		},
		"correction.decided/1": {
			"correction accepted: 31,450 km, read at 2026-05-04T10:12:00+02:00 counts; admitted beside: 29,980 km, read at 2025-11-03T09:00:00+01:00",
			"correction rejected",
			"correction accepted",
		},
		"correction.requested/1": {
			"correction of reading 0123456789ab requested (transposed): 31,450 km, read at 2026-05-04T10:12:00+02:00 is right",
			"correction of reading 0123456789ab requested (wrong vehicle)",
			"correction of reading 0123456789ab requested (duplicate)",
			"correction of reading 0123456789ab requested (unit mixed): in miles is right",
			"correction of reading 0123456789ab requested (wrong date): read at 2026-05-03T10:00:00Z is right",
			"correction of reading 0123456789ab requested (other): 31,450 is right",
		},
		"diagnostic.scan/1": {
			"trouble codes: P0A80",
			"no trouble codes",
			"trouble codes: P0000, P0001, P0002, P0003, P0004, P0005, P0006, P0007 and 2 more",
		},
		"dispute.answered/1": {
			"answer to the dispute: denied",
			"answer to the dispute: no knowledge",
		},
		"dispute.appeal_decided/1": {"appeal decided, the decision stands: 1 record is not true, of 0123456789ab counts 131,450 km, read at 2026-05-04T10:12:00+02:00"},
		"dispute.appealed/1":       {"appeal against the decision of the dispute"},
		"dispute.decided/1": {
			"dispute decided: 1 record is not true, of 0123456789ab counts 131,450 km, read at 2026-05-04T10:12:00+02:00",
			"dispute decided: 2 records are true, 1 record is not true, of 1 record it cannot be told, of 000000000000 counts 5",
		},
		"dispute.opened/1": {
			"dispute opened for the buyer: rolled back; records disputed: 1; arbitrator arbiter.example",
			"dispute opened for the author: work not done; records disputed: 2; arbitrator arbiter.example",
		},
		"document.issued/1": {
			"document issued, made by market-3",
			"document issued",
		},
		"evidence.external/1": {
			"invoice of Garage Dupont, Lyon handed in, dated 2021-03-09; document seen | 21,840 km",
			"service book of x handed in, dated 2026-05-04; claimed, not seen",
		},
		"feature.raised/1":    {"feature level 2; nodes that do not know it stop"},
		"governors.changed/1": {"from now on 2 of these govern: assoc.example, maker.example"},
		"hold.placed/1":       {"documents must be kept, reason: litigation; records: 1"},
		"hold.released/1":     {"documents need no longer be kept, reason: litigation; records: 1"},
		"inspection.result/1": {
			"repeated inspection passed, defects: 1",
			"inspection failed",
		},
		"insurance.event/1": {"insurer reports: damage, moderate"},
		"key.added/1": {
			"add a key of use record for dealer.example/lyon, bound to actor fitter, bound to a device: obd of 1N4AZ0CP1DC900001",
			"add a key of use tls for dealer.example/lyon",
			"add a key of use admin for dealer.example/lyon, bound to actor owner",
		},
		"key.revoked/1": {
			"revoke key 0123abcd of dealer.example/lyon: compromised since 2026-05-04T08:00:00Z",
			"revoke key 0123abcd of dealer.example/lyon: lost",
		},
		"log.closed/1":      {"close this log for ever; it goes on in milepost.example/next/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"},
		"log.genesis/1":     {"open this log: founded by assoc.example, maker.example; first nodes: east, west"},
		"member.admitted/1": {"admit dealer.example/lyon, Garage de Lyon (DLR)"},
		"member.changed/1": {
			"change dealer.example/lyon: calendar utc; country FR; documents checked register; kind DLR, PTI; legal name Garage de Lyon SA; another tax id; valid from 2026-01-01; valid to 2027-01-01; wmi 1N4; zone Europe/Paris",
			"change dealer.example/lyon: zone UTC",
			"change dealer.example/lyon: valid from 2026-01-01; valid to 2026-01-01",
		},
		"member.reinstated/1": {"end the suspension of dealer.example/lyon"},
		"member.suspended/1":  {"suspend dealer.example/lyon, reason: unpaid"},
		"modification.declared/1": {
			"modification declared by the owner (tyres): larger wheels, 215/50 R17; the odometer counts 2.8% too little",
			"modification declared by the dealer (tow bar): a tow bar",
			"modification declared by the dealer (tyres): smaller wheels; the odometer counts 3.1% too much",
		},
		"node.added/1":          {"add node east at east.example:7400, run by dealer.example/lyon"},
		"node.changed/1":        {"change node east at east.example:7400, run by dealer.example/lyon"},
		"node.removed/1":        {"remove node east, reason: left"},
		"odometer.disclosure/1": {"mileage certified for the transfer of 2026-05-04: actual"},
		"odometer.reading/1": {
			"service in | 31,450 km",
			"sale, odometer unreadable",
			"sale, no odometer",
			"delivery | 1 mi",
		},
		"odometer.replaced/1": {
			"odometer replaced",
			"instrument cluster swapped; what the old one showed is not known",
		},
		"odometer.rollover/1": {"odometer of 5 digits has begun again at zero"},
		"outage.declared/1": {
			"no records could be entered from 2026-05-04T08:00:00Z to 2026-05-04T17:30:00Z, reason: network",
			"no records could be entered from 2026-05-04T08:00:00Z on, reason: power cut",
		},
		"ownership.changed/1": {"another owner, by sale"},
		"part.fitted/1": {
			"original part 41060-3NA0A fitted, front left",
			"part of unknown origin 41060 fitted",
		},
		"personal.erased/1": {
			"personal data of record 0123456789ab erased where it was kept: owner",
			"personal data of record 0123456789ab erased where it was kept: owner, plate",
		},
		"plate.changed/1":       {"another number plate"},
		"record.reattributed/1": {"a reading of 31,450 km, entered for 1N4AZ0CP1DC900001, belongs to 1N4AZ0CP1DC900002"},
		"report.issued/1":       {"report issued for the buyer"},
		"role.granted/1":        {"fitter of dealer.example/lyon becomes technician"},
		"role.revoked/1":        {"fitter of dealer.example/lyon is no longer technician"},
		"rules.published/1":     {"rules version 1: 1 types of record"},
		"service.plan/1":        {"service plan leaf-2013 for VINs that begin with 1N4AZ0CP?, intervals: 1"},
		"service.visit/1": {
			"maintenance, order A-1001, work lines: 1",
			"other, order A, work lines: 1",
		},
		"software.updated/1": {
			"software of VCM is now 5SH0B, was 5SH0A",
			"software of VCM is now 2, over the air",
		},
		"valuation.issued/1": {"valuation issued, made by market-3"},
		"vehicle.created/1": {
			"enters the log: Nissan Leaf",
			"enters the log: Nissan Leaf",
		},
		"vehicle.sold/1": {"sold again"},
		"warranty.cover/1": {
			"warranty cover powertrain from 2026-03-02 to 2029-03-01, or 100,000 km",
			"warranty cover paint from 2026-03-02 to 2026-03-02",
		},
		"warranty.claim/1": {
			"warranty claim W-2041, lines: 1, parts asked for; version 2, in the place of fedcba987654",
			"warranty claim W, lines: 1",
		},
		"warranty.status/1": {
			"warranty claim: refused, reason: maintenance missed",
			"warranty claim: more is needed: photo, defect report",
			"warranty claim: registered",
			"warranty claim: registered, reason: no cover",
			"warranty claim: the clock stands, reason: expert asked",
			"warranty claim: the clock runs on, reason: expert answered",
			"warranty claim: approved",
			"warranty claim: approved in part, reason: wear",
		},
		"warranty.assessed/1":          {"warranty claim assessed, lines covered: 1 of 1"},
		"warranty.job_report/1":        {"warranty work done, order W-2041"},
		"warranty.payment_requested/1": {"payment of the warranty claim asked for"},
		"warranty.paid/1":              {"warranty claim paid"},
		"warranty.appealed/1":          {"appeal against the decision on the warranty claim"},
		"warranty.appeal_decided/1": {
			"warranty appeal decided: the appeal succeeds",
			"warranty appeal decided: the decision stands",
		},
		"part.order/1": {
			"part ordered: 21010-4, made for this vehicle",
			"part ordered: A",
			"part order: ordered, expected 2026-06-01",
			"part order: cancelled, reason: too late",
			"part order: customs",
		},
		"part.return/1": {
			"part return: requested, reason: wrong part",
			"part return: refused, reason: used",
			"part return: credited",
		},
		"recall.published/1": {
			"recall 26V-014 published: brake booster; vehicles: 1,000; about safety",
			"recall 26V-014 published: x; vehicles: 1",
		},
		"recall.closed/1": {"recall closed, reason: all found"},
		"recall.affects/1": {
			"recall open again, reason: remedy failed",
			"the vehicle is recalled",
		},
		"recall.notified/1": {"owner told of the recall by post"},
		"recall.remedied/1": {"recall carried out, operation RC-14"},
		"recall.lifted/1":   {"recall lifted, reason: vin by mistake"},
	}
	for _, def := range Types() {
		e, want := examples[def.Name], said[def.Name]
		bodies := append([]jcs.Value{e.body}, e.also...)
		if len(bodies) != len(want) {
			t.Errorf("%s: %d examples, %d sentences", def.Name, len(bodies), len(want))
			continue
		}
		for i, b := range bodies {
			got, mileage := def.Say(b)
			if mileage != "" {
				got += " | " + mileage
			}
			if got != want[i] {
				t.Errorf("%s: %q, want %q", def.Name, got, want[i])
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
		{"types", "odometer.reading/1,service.visit/1", `["odometer.reading/1","service.visit/1"]`},
		{"grantee", `{"member":"inspect.example"}`, `{"member":"inspect.example"}`},
		{"purpose", "purchase", `"purchase"`},
	} {
		v, err := def.Value(c.field, c.text)
		if err != nil || string(v.Bytes()) != c.want {
			t.Errorf("%s=%s: %s, %v", c.field, c.text, v.Bytes(), err)
		}
	}
	if _, err := def.Value("grantee", "some"); err == nil {
		t.Error("grantee=some is accepted")
	}
}
