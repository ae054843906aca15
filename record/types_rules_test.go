package record

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// What holds across the fields of what is recorded of vehicles. Each case
// changes the body of an example, and the error names the field.
func TestRulesOfVehicleRecords(t *testing.T) {
	t.Parallel()
	none := jcs.Value{}
	finding := func(pairs ...any) []jcs.Value { return []jcs.Value{obj(append(pairs, "target", testHash)...)} }
	for _, c := range []struct {
		typ    string
		change []any
		at     string
		says   string
	}{
		{"odometer.replaced/1", []any{"before_ref", testHash}, "body.before_ref", "it is the same reading as after_ref"},
		{"odometer.rollover/1", []any{"before_ref", testHash}, "body.before_ref", "it is the same reading as after_ref"},
		{"service.visit/1", []any{"opened_at", "2026-05-04T10:13:01+02:00"}, "body.opened_at", "after the work was done"},
		{"inspection.result/1", []any{"expires", "2026-05-03"}, "body.expires", "2026-05-03 lies before the event, 2026-05-04"},
		{"part.fitted/1", []any{"warranty_until", "2026-05-03"}, "body.warranty_until", "lies before the event"},
		{"diagnostic.scan/1", []any{"brake_pad_wear", obj()}, "body.brake_pad_wear", "at least one wheel is expected"},
		{"diagnostic.scan/1", []any{"dtcs", append(tenCodes(), tenCodes()[3])}, "body.dtcs[10]", "P0003 stands there twice"},
		{"evidence.external/1", []any{"issued", "2026-05-05"}, "body.issued", "2026-05-05 lies after the event, 2026-05-04"},
		{"service.plan/1", []any{"intervals", []jcs.Value{obj("km", 1, "op_codes", []string{"A"}), obj("op_codes", []string{"A"})}}, "body.intervals[1]", "a distance or a number of months"},
		{"outage.declared/1", []any{"to", "2026-05-04T07:59:59Z"}, "body.to", "lies before"},
		{"personal.erased/1", []any{"fields", []string{"owner", "owner"}}, "body.fields[1]", "owner stands there twice"},
		{"hold.placed/1", []any{"records", []string{testHash, testHash}}, "body.records[1]", "stands there twice"},
		{"hold.released/1", []any{"records", []string{testHash, testHash}}, "body.records[1]", "stands there twice"},

		{"correction.requested/1", []any{"reason", "wrong_vehicle"}, "body.reason", "goes with the reason wrong_vehicle, and only with that one"},
		{"correction.requested/1", []any{"field", "vehicle"}, "body.reason", "goes with the reason wrong_vehicle, and only with that one"},
		{"correction.requested/1", []any{"field", "vehicle", "reason", "wrong_vehicle"}, "body.claim", "it is empty where the reading is of another vehicle"},
		{"correction.requested/1", []any{"claim", obj("unit", "KMT")}, "body.claim.value", "say here what is right"},
		{"correction.requested/1", []any{"claim", obj("value", 1), "field", "unit"}, "body.claim.unit", "say here what is right"},
		{"correction.requested/1", []any{"claim", obj(), "field", "event_time", "reason", "wrong_date"}, "body.claim.event_time", "say here what is right"},
		{"correction.decided/1", []any{"outcome", "rejected"}, "body.admits", "goes with the outcome accepted only"},
		{"correction.decided/1", []any{"outcome", "rejected", "admits", none}, "body.effective", "goes with the outcome accepted only"},
		{"correction.decided/1", []any{"effective", obj()}, "body.effective", "what counts is expected, or leave it out"},

		{"warranty.cover/1", []any{"ends", "2026-03-01"}, "body.ends", "lies before starts"},
		{"warranty.claim/1", []any{"failure_date", "2026-05-05"}, "body.failure_date", "after the event, 2026-05-04"},
		{"warranty.claim/1", []any{"prior", none}, "body.prior", "every other names the one"},
		{"warranty.claim/1", []any{"version", 1}, "body.prior", "of version 1 has none"},
		{"warranty.status/1", []any{"status", "approved"}, "body.interval", "with the status refused only"},
		{"warranty.status/1", []any{"missing", []string{"photo"}}, "body.missing", "with the status more_info only"},
		{"warranty.status/1", []any{"cover_ref", testHash}, "body.cover_ref", "with the status registered only"},
		{"warranty.status/1", []any{"lines", []jcs.Value{obj("line", 0, "ok", true)}}, "body.lines", "with the status approved only"},
		{"warranty.status/1", []any{"interval", none, "plan_ref", none, "status", "partly", "lines", []jcs.Value{obj("line", 0, "ok", true), obj("line", 0, "ok", false)}}, "body.lines[1]", "line 0 stands there twice"},
		{"warranty.assessed/1", []any{"lines", []jcs.Value{obj("covered", true, "line", 1, "rule", "a"), obj("covered", true, "line", 1, "rule", "a")}}, "body.lines[1]", "line 1 stands there twice"},
		{"part.order/1", []any{"status", "ordered"}, "body.case", "missing"},
		{"part.order/1", []any{"case", testHash}, "body.case", "a record that opens a case has no case"},
		{"part.order/1", []any{"prev", testHash}, "body.prev", "a record that opens a case has no prev"},
		{"part.order/1", []any{"case", testHash, "prev", testHash, "status", "ordered"}, "body.claim_case", "with the status requested only"},
		{"part.order/1", []any{"expected", "2026-06-01"}, "body.expected", "with the status ordered only"},
		{"part.order/1", []any{"reason", "late"}, "body.reason", "with the status refused only"},
		{"part.return/1", []any{"status", "accepted"}, "body.case", "missing"},
		{"part.return/1", []any{"amount", testB64}, "body.amount", "with the status credited only"},
		{"part.return/1", []any{"case", testHash, "prev", testHash, "status", "received"}, "body.order_case", "with the status requested only"},
		{"recall.published/1", []any{"campaign", "26V-015"}, "subjects", "so the subject is campaign/26V-015"},
		{"recall.affects/1", []any{"again", false}, "body.again", "it is true, or absent"},
		{"recall.affects/1", []any{"again", none}, "body.again", "it goes with prev and reason"},
		{"recall.affects/1", []any{"prev", none}, "body.prev", "it goes with again"},
		{"recall.affects/1", []any{"reason", none}, "body.reason", "it goes with again"},

		{"dispute.opened/1", []any{"targets", []string{testHash, testHash}}, "body.targets[1]", "stands there twice"},
		{"dispute.decided/1", []any{"findings", finding("finding", "actual", "effective", obj("value", 1))}, "body.findings[0].effective", "with the finding not_actual only"},
		{"dispute.decided/1", []any{"findings", finding("finding", "undetermined", "effective", obj("value", 1))}, "body.findings[0].effective", "with the finding not_actual only"},
		{"dispute.decided/1", []any{"findings", finding("finding", "not_actual", "effective", obj())}, "body.findings[0].effective", "what counts is expected"},
		{"dispute.decided/1", []any{"findings", append(finding("finding", "actual"), finding("finding", "not_actual")...)}, "body.findings[1]", "stands there twice"},
		{"dispute.appeal_decided/1", []any{"findings", append(finding("finding", "actual"), finding("finding", "actual")...)}, "body.findings[1]", "stands there twice"},
		{"dispute.appeal_decided/1", []any{"findings", finding("finding", "actual", "effective", obj("value", 1))}, "body.findings[0].effective", "not_actual only"},
	} {
		refusesChange(t, c.typ, c.change, c.at, c.says)
	}
}

// The visit of which only the day is known may have ended at its last second.
func TestAVisitIsOpenedBeforeItEnds(t *testing.T) {
	t.Parallel()
	e := exampleOf("service.visit/1")
	at := func(precision, event, opened string) error {
		_, err := Open(noteOf(e.With("event_precision", jcs.Text(precision)).With("event_time", jcs.Text(event)).
			With("body", e.Get("body").With("opened_at", jcs.Text(opened)))))
		return err
	}
	for _, c := range []struct {
		precision, event, opened string
		ok                       bool
	}{
		{"date", "2026-05-04T00:00:00+02:00", "2026-05-04T23:59:59+02:00", true},
		{"date", "2026-05-04T00:00:00+02:00", "2026-05-05T00:00:01+02:00", false},
		{"minute", "2026-05-04T10:12:00+02:00", "2026-05-04T08:12:59Z", true},
		{"second", "2026-05-04T10:12:00+02:00", "2026-05-04T08:12:00Z", true},
		{"second", "2026-05-04T10:12:00+02:00", "2026-05-04T08:12:01Z", false},
	} {
		if err := at(c.precision, c.event, c.opened); (err == nil) != c.ok {
			t.Errorf("opened %s, done %s (%s): %v", c.opened, c.event, c.precision, err)
		}
	}
}

// A notice is in its author's history and in no other.
func TestNoticesAreTheAuthors(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"service.plan/1", "outage.declared/1"} {
		named(t, testEnvelope(typ, "notice/maker.example", examples[typ].body), "subjects", "another member's notices")
	}
}

// What serves every kind of case stands in the history of that case.
func TestTypesOfTwoHistories(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"case.evidence/1", "case.message/1", "case.withdrawn/1"} {
		body := examples[typ].body
		for subject, ok := range map[string]bool{
			"vehicle/" + testVIN: true, "workshop/" + testVIN: true, "vehicle/short/A-1": true,
			"access/" + testVIN: false, "notice/" + testAuthor: false, "vehicle/" + testVIN + " workshop/" + testVIN: false,
		} {
			r, err := Open(noteOf(testEnvelope(typ, subject, body)))
			if (err == nil) != ok {
				t.Errorf("%s in %s: %v", typ, subject, err)
			}
			if ok && strings.HasSuffix(subject, testVIN) && (r.Vehicle() != "vehicle/"+testVIN || len(r.Vehicles()) != 1) {
				t.Errorf("%s is about %q", subject, r.Vehicles())
			}
		}
	}
	refused(t, Lookup("case.message/1").check(&Record{Subjects: []string{"access/" + testVIN}}), "field", "belongs to exactly: vehicle; or workshop")
}

func TestReattributed(t *testing.T) {
	t.Parallel()
	const typ = "record.reattributed/1"
	example := examples[typ]
	from, to := "vehicle/"+testVIN, "vehicle/"+exampleOther
	r, err := Open(noteOf(testEnvelope(typ, from+" "+to, example.body)))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Vehicles(); r.Vehicle() != from || len(got) != 2 || got[0] != from || got[1] != to {
		t.Errorf("it is about %q, first of all %q", r.Vehicles(), r.Vehicle())
	}
	reading, err := r.Carried()
	if err != nil || reading.Body.Get("value").Int != 31450 || reading.Vehicle() != from || string(reading.Note) != string(decode(exampleNote)) {
		t.Errorf("%+v, %v", reading, err)
	}
	// The order of the two is that of their names, not of what happened.
	earlier := example.body.With("to_vehicle", jcs.Text("1N4AZ0CP1DC900000"))
	if r, err := Open(noteOf(testEnvelope(typ, "vehicle/1N4AZ0CP1DC900000 "+from, earlier))); err != nil || r.Vehicle() != from {
		t.Errorf("%q, %v", r.Vehicle(), err)
	}
	carrying := func(note []byte) jcs.Value {
		return example.body.With("note", jcs.Text(base64.StdEncoding.EncodeToString(note)))
	}
	note := func(typ, subject string, change func(jcs.Value) jcs.Value) []byte {
		return noteOf(change(testEnvelope(typ, subject, examples[typ].body)))
	}
	same := func(v jcs.Value) jcs.Value { return v }
	for why, c := range map[string]struct {
		subjects string
		body     jcs.Value
		at, code string
	}{
		"one history only":    {from, example.body, "subjects", "field"},
		"another pair":        {from + " vehicle/1N4AZ0CP1DC900003", example.body, "subjects", "field"},
		"a third":             {from + " " + to + " vehicle/short/A-1", example.body, "subjects", "field"},
		"to where it is":      {from, example.body.With("to_vehicle", jcs.Text(testVIN)), "body.to_vehicle", "field"},
		"no note":             {from + " " + to, carrying([]byte("a note?\n")), "body.note", "note_form"},
		"a seal":              {from + " " + to, carrying([]byte(strings.Replace(string(decode(exampleNote)), Header, "milepost/seal@v1", 1))), "body.note", "record_form"},
		"a visit":             {from + " " + to, carrying(note("service.visit/1", from, same)), "body.note", "field"},
		"a reading elsewhere": {from + " " + to, carrying(note("odometer.reading/1", "vehicle/short/A-1", same)), "subjects", "field"},
	} {
		_, err := Open(noteOf(testEnvelope(typ, c.subjects, c.body)))
		var e *fault.Error
		if !errors.As(err, &e) || e.Where != c.at || e.Code != c.code {
			t.Errorf("%s: %s %v", why, fault.Code(err), err)
		}
	}
	// As long as may be still fits into a record.
	long := strings.Repeat("A", (MaxCarried+2)/3*4)
	if len(testEnvelope(typ, from+" "+to, example.body.With("note", jcs.Text(long))).Bytes()) > MaxBytes-300 {
		t.Error("a note of 40,000 bytes does not fit into a record")
	}
}

func decode(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// The rules of a new log, which name every type, leave room in the genesis for
// the nodes and the signatures of its founders.
func TestRulesOfAllTypesFit(t *testing.T) {
	t.Parallel()
	var types []string
	var rights []jcs.Value
	for _, d := range Types() {
		types = append(types, d.Name)
		rights = append(rights, obj("read", d.ReadClasses(), "type", d.Name, "write", d.Writers))
	}
	all := testRules.With("types", jcs.Texts(types)).With("rights", jcs.Array(rights...))
	if err := rules.check(all, "rules"); err != nil {
		t.Error(err)
	}
	if n := len(all.Bytes()); n > 10_000 {
		t.Errorf("the rules take %d bytes of the genesis, which has %d at most", n, MaxBytes)
	}
}

// FuzzBodies changes one field of an example to what comes.
func FuzzBodies(f *testing.F) {
	for i, d := range Types() {
		for j := range d.Body {
			f.Add(i, j, []byte(`{"a":[1,"b",true]}`))
		}
	}
	types := Types()
	f.Fuzz(func(t *testing.T, i, j int, data []byte) {
		if i < 0 || j < 0 {
			return
		}
		d := types[i%len(types)]
		field := d.Body[j%len(d.Body)]
		v, err := jcs.Read(data)
		if err != nil || len(data) > 10_000 {
			return
		}
		e := examples[d.Name]
		_, err = Open(noteOf(testEnvelope(d.Name, e.subject, e.body.With(field.Name, v))))
		if wrongField := field.Kind.check(v, "x"); wrongField != nil && err == nil {
			t.Fatalf("%s takes %s as %s", d.Name, v.Bytes(), field.Name)
		}
	})
}

func BenchmarkOpenReading(b *testing.B) {
	note := noteOf(exampleOf("odometer.reading/1"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(note); err != nil {
			b.Fatal(err)
		}
	}
}
