package record

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

const (
	testName   = "milepost.example/demo"
	testAuthor = "dealer.example/lyon"
	testVIN    = "1N4AZ0CP1DC900001"
	testID     = "0197a3f2-79b0-7cc3-98c4-dc0c0c07398f"
)

var (
	zeros64  = strings.Repeat("0", 64)
	testHash = strings.Repeat("0123456789abcdef", 4)
	testB64  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	testPop  = strings.Repeat("A", 86) + "=="
)

func testSeed(label string) []byte {
	h := sha256.Sum256([]byte("milepost record test: " + label))
	return h[:]
}

func testKey(name, label string) certs.Signer {
	s, err := certs.NewEd25519Signer(name, testSeed(label))
	if err != nil {
		panic(err)
	}
	return s
}

func testPin(label string) string {
	id, err := certs.NewTLSIdentity(testSeed(label))
	if err != nil {
		panic(err)
	}
	return id.Pin()
}

// obj writes an object from names and values in turn.
func obj(pairs ...any) jcs.Value {
	var fields []jcs.Field
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, jcs.Field{Name: pairs[i].(string), Value: val(pairs[i+1])})
	}
	return jcs.Make(fields...)
}

func val(v any) jcs.Value {
	switch v := v.(type) {
	case jcs.Value:
		return v
	case string:
		return jcs.Text(v)
	case int:
		return jcs.Number(int64(v))
	case bool:
		return jcs.Boolean(v)
	case []string:
		return jcs.Texts(v)
	case []jcs.Value:
		return jcs.Array(v...)
	}
	panic(v)
}

var testFounding = obj("governors", []jcs.Value{
	obj("key", testKey("assoc.example", "governor 1").VKey(), "name", "assoc.example"),
	obj("key", testKey("maker.example", "governor 2").VKey(), "name", "maker.example"),
}, "nonce", "AAECAwQFBgcICQoLDA0ODw==", "threshold", 2)

var testOrigin = Origin(testName, testFounding)

func testNode(id string) jcs.Value {
	cosigner, err := certs.NewCosigner(NodeName(testOrigin, id), testSeed("cosigner "+id), time.Now)
	if err != nil {
		panic(err)
	}
	return obj("address", id+".example:7400", "cosigner_key", cosigner.VKey(), "id", id,
		"log_key", testKey(testOrigin, "log "+id).VKey(), "member", testAuthor, "tls_key", testPin("tls "+id))
}

var testRules = obj("calendars", []jcs.Value{obj("days_off", []string{"2026-12-25"}, "id", "utc", "weekend", []jcs.Value{jcs.Number(7)}, "zone", "UTC")},
	"cases", obj("answer_days", 14), "central_support", "maker.example", "judgement", obj("static_days", 300),
	"rights", []jcs.Value{obj("read", []string{"V"}, "type", "odometer.reading/1", "write", []string{"DLR"})},
	"types", []string{"odometer.reading/1"}, "version", 1)

type example struct {
	subject string // or several, with spaces between them
	body    jcs.Value
	also    []jcs.Value // other bodies that pass: without what may be absent
}

// examples is an example of every type that has every field that it may
// have: that of the definition, unless one stands here. A new type is tested
// by being defined.
var examples = map[string]example{}

// After those of the definitions: their files come before those of tests.
func init() {
	for _, d := range Types() {
		e := example{subject: defaultSubjects(d), also: alsoPass[d.Name]}
		if e.body = fullBodies[d.Name]; e.body.Kind == 0 {
			e.body = parsed(d.Example)
		}
		examples[d.Name] = e
	}
}

func parsed(text string) jcs.Value {
	v, err := jcs.ParseString(text, jcs.Limits{Bytes: MaxBytes, Depth: MaxDepth})
	if err != nil {
		panic(text + ": " + err.Error())
	}
	return v
}

func defaultSubjects(d *Type) string {
	of := map[string]string{Governance: Governance, "member": "member/" + testAuthor, "notice": "notice/" + testAuthor, "campaign": "campaign/26V-014",
		"vehicle": "vehicle/" + testVIN, "workshop": "workshop/" + testVIN, "access": "access/" + testVIN}
	switch {
	case len(d.Subjects) == 2 && d.Subjects[0] == "campaign":
		return of["campaign"] + " " + of["vehicle"]
	case len(d.Subjects) == 2:
		return of["vehicle"] + " vehicle/" + exampleOther
	}
	return of[d.Subjects[0]]
}

// fullBodies are those of which the definition's example lacks a field that
// would be out of the way there.
var fullBodies = map[string]jcs.Value{
	"log.genesis/1": obj(
		"feature_level", 1, "founding", testFounding, "nodes", []jcs.Value{testNode("east"), testNode("west")},
		"policy", []string{"# a policy"}, "pop", []string{testPop},
		"predecessor", obj("origin", "milepost.example/old/"+strings.Repeat("0a", 20), "root", testHash, "size", 7), "prev", testHash,
		"rules", testRules, "seed", "west"),
	"rules.published/1": testRules.With("prev", jcs.Text(testHash)),
	"odometer.reading/1": obj("confirmed", []string{"sentinel"}, "ecu_km", 31449, "precision", "exact", "purpose", "service_in",
		"result", "read", "source", "visual", "unit", "KMT", "value", 31450),
}

var alsoPass = map[string][]jcs.Value{
	"key.added/1": {
		obj("key", testPin("second"), "name", testAuthor, "pop", []string{testPop}, "prev", testHash, "use", "tls"),
		obj("actor", "owner", "key", testKey(testAuthor, "owner").VKey(), "name", testAuthor, "pop", []string{testPop}, "use", "admin"),
	},
	"key.revoked/1":    {obj("key_id", "0123abcd", "name", testAuthor, "prev", testHash, "reason", "lost")},
	"member.changed/1": {obj("name", testAuthor, "zone", "UTC"), obj("name", testAuthor, "valid_from", "2026-01-01", "valid_to", "2026-01-01")},
	"access.granted/1": {
		obj("basis", "presence", "expires", "2026-06-03T08:00:00Z", "grantee", obj("member", "inspect.example"), "purpose", "inspection", "reading_ref", testHash, "types", "all"),
		obj("basis", "order_of_court", "expires", "2026-06-03T08:00:00Z", "from", "2020-01-01", "grantee", obj("member", "inspect.example"), "purpose", "court", "to", "2020-01-01", "types", "all"),
	},
	"access.used/1":     {obj("authentication", "tls", "grant", testHash, "size", 1, "types", []string{"odometer.reading/1", "service.visit/1"})},
	"vehicle.created/1": {obj("imported", false, "make", "Nissan", "model", "Leaf")},
	"odometer.reading/1": {
		obj("purpose", "sale", "result", "unreadable", "source", "visual"),
		obj("purpose", "sale", "result", "no_odometer", "source", "visual", "ecu_km", 5),
		obj("confirmed", []string{"lower", "sentinel"}, "precision", "exact", "purpose", "delivery", "result", "read", "source", "visual", "unit", "SMI", "value", 1),
	},
	"odometer.replaced/1": {obj("after_ref", testHash, "kind", "cluster_swapped")},
	"service.visit/1":     {obj("lines", []jcs.Value{obj("pay", "warranty", "work_type", "brakes")}, "odometer_work", true, "opened_at", "2026-05-04T10:12:59+02:00", "order_no", "A", "reading_in", testHash, "service_type", "other")},
	"inspection.result/1": {obj("passed", false, "reading_ref", testHash, "test_no", "T-1")},
	"part.fitted/1":       {obj("no", "41060", "origin", "unknown", "quantity_100", 50)},
	"software.updated/1":  {obj("after", "2", "ecu", "VCM", "method", "ota")},
	"diagnostic.scan/1":   {obj("source", "telematics", "tool", "box"), obj("dtcs", tenCodes(), "source", "workshop", "tool", "x")},
	"modification.declared/1": {
		obj("by", "dealer", "description", "a tow bar", "kind", "tow_bar"),
		obj("by", "dealer", "description", "smaller wheels", "kind", "tyres", "odometer_effect_permille", 31),
	},
	"evidence.external/1": {obj("issued", "2026-05-04", "issuer", "x", "kind", "service_book", "trust", "claimed")},
	"document.issued/1":   {obj("as_of", 0, "digest", testHash)},
	"outage.declared/1":   {obj("from", "2026-05-04T08:00:00Z", "reason", "power_cut")},
	"personal.erased/1":   {obj("basis", "request", "fields", []string{"owner", "plate"}, "record", testHash)},
	"correction.requested/1": {
		obj("claim", obj(), "field", "vehicle", "for", "owner", "noticed_by", "owner", "reason", "wrong_vehicle", "target", testHash),
		obj("claim", obj(), "field", "value", "for", "self", "noticed_by", "author", "reason", "duplicate", "target", testHash),
		obj("claim", obj("unit", "SMI"), "field", "unit", "for", "self", "noticed_by", "author", "reason", "unit_mixed", "target", testHash),
		obj("claim", obj("event_time", "2026-05-03T10:00:00Z"), "field", "event_time", "for", "self", "noticed_by", "author", "reason", "wrong_date", "target", testHash),
		obj("claim", obj("value", 31450), "field", "value", "for", "self", "noticed_by", "author", "reason", "other", "target", testHash),
	},
	"correction.decided/1": {
		obj("case", testHash, "outcome", "rejected", "prev", testHash, "reasons", "no proof", "rules", 1),
		obj("case", testHash, "outcome", "accepted", "prev", testHash, "reasons", "entered twice", "rules", 1),
	},
	"dispute.opened/1":   {obj("arbitrator", "arbiter.example", "claim", "work_not_done", "for", "self", "remedy", "x", "targets", []string{testHash, exampleHashB})},
	"dispute.answered/1": {obj("case", testHash, "position", "no_knowledge", "prev", testHash)},
	"dispute.decided/1": {obj("case", testHash, "findings", []jcs.Value{
		obj("finding", "actual", "target", testHash), obj("finding", "actual", "target", exampleHashB),
		obj("effective", obj("value", 5), "finding", "not_actual", "target", zeros64), obj("finding", "undetermined", "target", strings.Repeat("1", 64)),
	}, "prev", testHash, "reasons", "x")},
	"warranty.cover/1": {obj("coverage", "paint", "ends", "2026-03-02", "parts_groups", []string{"body"}, "starts", "2026-03-02", "transferable", false)},
	"warranty.claim/1": {obj("failure_date", "2026-05-04", "for", "self", "lines", []jcs.Value{obj("pay", "warranty", "work_type", "cooling")}, "order_no", "W",
		"parts_requested", false, "reading_ref", testHash, "version", 1)},
	"warranty.status/1": {
		obj("case", testHash, "missing", []string{"photo", "defect_report"}, "prev", testHash, "status", "more_info"),
		obj("case", testHash, "cover_ref", testHash, "prev", testHash, "status", "registered"),
		obj("case", testHash, "prev", testHash, "reason", "no_cover", "status", "registered"),
		obj("case", testHash, "prev", testHash, "reason", "expert_asked", "status", "suspended"),
		obj("case", testHash, "prev", testHash, "reason", "expert_answered", "status", "resumed"),
		obj("case", testHash, "lines", []jcs.Value{obj("line", 0, "ok", true)}, "prev", testHash, "status", "approved"),
		obj("case", testHash, "lines", []jcs.Value{obj("line", 0, "ok", true), obj("line", 1, "ok", false)}, "prev", testHash, "reason", "wear", "status", "partly"),
	},
	"warranty.appeal_decided/1": {obj("case", testHash, "outcome", "upheld", "prev", testHash, "reasons", "x")},
	"part.order/1": {
		obj("claim_case", testHash, "part_no", "A", "quantity", 2, "status", "requested"),
		obj("case", testHash, "expected", "2026-06-01", "prev", testHash, "status", "ordered"),
		obj("case", testHash, "prev", testHash, "reason", "too_late", "status", "cancelled"),
		obj("case", testHash, "prev", testHash, "status", "customs"),
	},
	"part.return/1": {
		obj("case", testHash, "prev", testHash, "reason", "used", "status", "refused"),
		obj("amount", testB64, "case", testHash, "prev", testHash, "status", "credited"),
	},
	"recall.published/1": {obj("affected", 1, "campaign", "26V-014", "component", "x", "consequence", "x", "defect", "x", "remedy", "x", "safety", false)},
	"recall.affects/1":   {obj("case", testHash)},
	"case.withdrawn/1":   {obj("case", testHash, "prev", testHash)},
}

func tenCodes() (codes []jcs.Value) {
	for i := range 10 {
		codes = append(codes, obj("code", fmt.Sprintf("P000%d", i), "status", "pending"))
	}
	return codes
}

// testEnvelope is a whole record's JSON, with every field that it may have.
func testEnvelope(typ, subject string, body jcs.Value) jcs.Value {
	return obj("actor", "fitter.1", "attachments", []jcs.Value{obj("bytes", 1000, "digest", testB64, "kind", "photo", "media_type", "image/jpeg", "salted", true)},
		"author", testAuthor, "body", body, "captured_time", "2026-05-04T08:20:11Z", "event_precision", "minute", "event_time", "2026-05-04T10:12:00+02:00",
		"id", testID, "origin", testOrigin, "personal", []jcs.Value{obj("commitment", testB64, "field", "plate")}, "refs", []string{testHash},
		"subjects", strings.Fields(subject), "type", typ)
}

func exampleOf(typ string) jcs.Value {
	e := examples[typ]
	return testEnvelope(typ, e.subject, e.body)
}

// noteOf writes a record note with a signature that nobody made: Open checks
// none.
func noteOf(envelope jcs.Value) []byte {
	n := certs.Note{Text: Header + "\n" + string(envelope.Bytes()) + "\n",
		Sigs: []certs.Sig{{Name: testAuthor, ID: 1, Bytes: make([]byte, 64)}}}
	if a := envelope.Get("author"); certs.ValidName(a.Str) {
		n.Sigs[0].Name = a.Str
	}
	return n.Bytes()
}

func TestEveryTypeHasAnExampleThatPasses(t *testing.T) {
	t.Parallel()
	for name := range alsoPass {
		if Lookup(name) == nil {
			t.Errorf("%s is not a type", name)
		}
	}
	for _, d := range Types() {
		e := examples[d.Name]
		for i, body := range append([]jcs.Value{parsed(d.Example), e.body}, e.also...) {
			note := noteOf(testEnvelope(d.Name, e.subject, body))
			r, err := Open(note)
			if err != nil {
				t.Errorf("%s, example %d: %v", d.Name, i, err)
				continue
			}
			first, _, _ := strings.Cut(e.subject, " ")
			if r.Def != d || r.Type != d.Name || !bytes.Equal(r.Note, note) || !r.Lists(first) || r.Lists("vehicle/none") || r.ID != testID {
				t.Errorf("%s came back as %+v", d.Name, r)
			}
		}
		if d.Sentence == "" || len(d.Writers) == 0 || d.ReadClasses()[0] == "" || (d.Rule != nil) != (d.Demands != "") ||
			d.Say == nil || d.Fresh == "" {
			t.Errorf("the definition of %s is not complete", d.Name)
		}
		everyPlace(d, func(p place) {
			if p.field != nil && p.field.Means == "" {
				t.Errorf("%s: nothing says what %s means", d.Name, p.at)
			}
		})
	}
}

// An example that is signed is what the log takes.
func TestExamplesCanBeSigned(t *testing.T) {
	t.Parallel()
	for _, d := range Types() {
		draft := Draft{Author: testAuthor, Body: parsed(d.Example), Captured: "2026-05-04T08:20:11Z", EventTime: "2026-05-04T10:12:00+02:00", ID: testID,
			Origin: testOrigin, Precision: "minute", Subjects: strings.Fields(examples[d.Name].subject), Type: d.Name}
		if d.Papers {
			draft.More = []jcs.Field{{Name: "attachments", Value: testEnvelope(d.Name, "x", obj()).Get("attachments")}}
		}
		text, err := draft.Text()
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		if _, err := Sign(text, testKey(testAuthor, "workshop")); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}
