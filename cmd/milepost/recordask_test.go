package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

const askHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// answering drafts a record of a type with what a person answers, line by
// line, and returns the body and all that was asked and said.
func answering(t *testing.T, typ, given string, answers ...string) (body, dialogue string, err error) {
	t.Helper()
	def, err := record.NamedType(typ)
	if err != nil {
		t.Fatal(err)
	}
	n := &newDraft{def: def, vehicle: "vehicle/1N4AZ0CP1DC900001", draft: record.Draft{
		Author: "dealer.example/lyon", Captured: "2026-05-04T08:20:11Z", EventTime: "2026-05-04T10:12:00+02:00", Precision: "minute",
		ID: "0197a3f2-79b0-7cc3-98c4-dc0c0c07398f", Origin: "milepost.example/demo/" + strings.Repeat("0a", 20), Type: def.Name,
	}}
	if n.draft.Body, err = jcs.Read([]byte(given)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	in := strings.Join(answers, "\n")
	_, err = n.complete(&asker{bufio.NewReader(strings.NewReader(in)), &out})
	return string(n.draft.Body.Bytes()), out.String(), err
}

func TestAsking(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typ, given string
		answers    []string
		body       string
		says       []string
	}{
		"what is missing, with its meaning and what it takes": {
			"odometer.reading", `{"precision":"exact","result":"read","source":"visual","unit":"KMT","value":84210}`,
			[]string{"service_in", ""},
			`{"precision":"exact","purpose":"service_in","result":"read","source":"visual","unit":"KMT","value":84210}`,
			[]string{"purpose: on what occasion\n  one of delivery, service_in", "There may also be confirmed, ecu_km.\n  FIELD=VALUE sets one, Enter ends"},
		},
		"a wrong answer, again, and what a rule needs": {
			"odometer.reading", `{}`,
			[]string{"service", "service_in", "read", "visual", "exact", "KM", "KMT", "84 210", "84210", ""},
			`{"precision":"exact","purpose":"service_in","result":"read","source":"visual","unit":"KMT","value":84210}`,
			[]string{`body.purpose: "service" is not one of delivery`, `body.unit: "KM" is not one of KMT, SMI`, "precision: how exactly it was read", "bytes follow the JSON"},
		},
		"another field than the one asked for": {
			"odometer.reading", `{"precision":"exact","purpose":"delivery","result":"read","source":"visual","unit":"KMT","value":1}`,
			[]string{"nonsense=1", "confirmed=sentinel", "ecu_km=x", "ecu_km=1", ""},
			`{"confirmed":["sentinel"],"ecu_km":1,"precision":"exact","purpose":"delivery","result":"read","source":"visual","unit":"KMT","value":1}`,
			[]string{`add "sentinel" to confirmed`, "There may also be ecu_km.", "body.ecu_km: "},
		},
		"what may be absent is left out by Enter": {
			"odometer.reading", `{"precision":"exact","purpose":"sale","result":"unreadable","source":"visual"}`,
			[]string{"", ""},
			`{"purpose":"sale","result":"unreadable","source":"visual"}`,
			[]string{"body.precision: it stands with the result read, and only then", "Enter leaves it out"},
		},
		"an object part by part, a list of objects too": {
			"service.visit", `{"odometer_work":false,"order_no":"A-1","reading_in":"` + askHash + `","service_type":"repair"}`,
			[]string{"", "customer", "brakes", ""},
			`{"lines":[{"pay":"customer","work_type":"brakes"}],"odometer_work":false,"order_no":"A-1","reading_in":"` + askHash + `","service_type":"repair"}`,
			[]string{"as JSON, or Enter to be asked for it part by part", "lines[0].pay: who pays", "lines[0].work_type: kind of work"},
		},
		"what the rule of a correction needs": {
			"correction.requested", `{"field":"value","for":"self","noticed_by":"author","reason":"transposed","target":"` + askHash + `"}`,
			[]string{"", "31450", ""},
			`{"claim":{"value":31450},"field":"value","for":"self","noticed_by":"author","reason":"transposed","target":"` + askHash + `"}`,
			[]string{"body.claim.value: this is what is wrong, so say here what is right", "claim.value: the mileage"},
		},
		"yes and no, and several words with commas": {
			"personal.erased", `{"basis":"request","record":"` + askHash + `"}`, []string{"owner,plate"},
			`{"basis":"request","fields":["owner","plate"],"record":"` + askHash + `"}`, []string{"fields: which fields"},
		},
		"nothing, where nothing is missing": {
			"case.message", `{"case":"` + askHash + `","prev":"` + askHash + `"}`, nil, `{"case":"` + askHash + `","prev":"` + askHash + `"}`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, dialogue, err := answering(t, c.typ, c.given, c.answers...)
			if err != nil || body != c.body {
				t.Errorf("%v\n%s\nwant\n%s\n%s", err, body, c.body, dialogue)
			}
			for _, w := range c.says {
				if !strings.Contains(dialogue, w) {
					t.Errorf("it does not say %q:\n%s", w, dialogue)
				}
			}
			if c.says == nil && dialogue != "" {
				t.Errorf("it asks although nothing is missing:\n%s", dialogue)
			}
		})
	}
}

// Where the answers end, or nobody is there to ask, the error names the field
// and says what it takes. It never waits.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	for _, answers := range [][]string{{}, {"purchase"}} {
		_, _, err := answering(t, "odometer.reading", `{}`, answers...)
		if fault.Code(err) != "field" || !strings.Contains(err.Error(), record.Missing) {
			t.Errorf("%v", err)
		}
	}
	def, _ := record.NamedType("odometer.reading")
	n := &newDraft{def: def, vehicle: "vehicle/1N4AZ0CP1DC900001", draft: record.Draft{
		Author: "dealer.example/lyon", Captured: "2026-05-04T08:20:11Z", EventTime: "2026-05-04T10:12:00+02:00", Precision: "minute",
		ID: "0197a3f2-79b0-7cc3-98c4-dc0c0c07398f", Origin: "milepost.example/demo/" + strings.Repeat("0a", 20), Type: def.Name, Body: jcs.Make(),
	}}
	_, err := n.complete(nil)
	if where(err) != "body.purpose" || !strings.Contains(fault.Hint(err), "one of delivery, service_in") {
		t.Errorf("%v, %q", err, fault.Hint(err))
	}
	var nobody *asker
	if _, err := nobody.flag("", "--vehicle", "which vehicle? Its VIN"); where(err) != "--vehicle" || fault.Code(err) != "usage" {
		t.Error(err)
	}
	if s, err := nobody.flag("x", "--vehicle", "which vehicle?"); s != "x" || err != nil {
		t.Error(s, err)
	}
}

// The place that an error names is found in every type: for each field of
// each type, the field itself.
func TestPlacesOfErrors(t *testing.T) {
	t.Parallel()
	for _, def := range record.Types() {
		for _, f := range def.Fields() {
			at := "body." + strings.ReplaceAll(f.At, "[]", "[0]")
			p := locate(def, at)
			if p == nil || p.field.Means != f.Means && "body."+p.name() == at {
				t.Errorf("%s: %s is not found: %+v", def.Name, at, p)
			}
		}
	}
	def := record.Lookup("service.visit/1")
	for at, want := range map[string]string{
		"body.lines[3].parts[1].no": "lines[3].parts[1].no", "body.lines[2]": "lines", "body.lines[0].aside": "lines", "body.next_service.km": "next_service.km",
		"body.aside": "", "event_time": "", "": "", "body": "", "body.order_no[0]": "order_no",
	} {
		p := locate(def, at)
		if p == nil && want != "" || p != nil && p.name() != want {
			t.Errorf("%s is %+v, want %q", at, p, want)
		}
	}
}
