package record

import (
	"bytes"
	"crypto/sha256"
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

// examples is one example of every type that has every field that it may
// have. A new type is not tested before it has one here.
var examples = map[string]struct {
	subject string
	body    jcs.Value
	also    []jcs.Value // other bodies that pass: without what may be absent
}{
	"log.genesis/1": {subject: Governance, body: obj(
		"feature_level", 1, "founding", testFounding, "nodes", []jcs.Value{testNode("east"), testNode("west")},
		"policy", []string{"# a policy"}, "pop", []string{testPop},
		"predecessor", obj("origin", "milepost.example/old/"+strings.Repeat("0a", 20), "root", testHash, "size", 7), "prev", testHash,
		"rules", testRules)},
	"node.added/1": {subject: Governance, body: testNode("east").With("policy", jcs.Texts([]string{"# a policy"})).
		With("pop", jcs.Texts([]string{testPop})).With("prev", jcs.Text(testHash))},
	"member.admitted/1": {subject: "member/" + testAuthor, body: obj(
		"admin_keys", []jcs.Value{obj("actor", "office", "key", testKey(testAuthor, "office").VKey()), obj("actor", "foreman", "key", testKey(testAuthor, "foreman").VKey())},
		"calendar", "utc", "country", "FR", "documents_checked", []string{"register"}, "keys", []string{testKey(testAuthor, "workshop").VKey()},
		"kind", []string{"DLR"}, "legal_name", "Garage de Lyon", "name", testAuthor, "pop", []string{testPop}, "prev", testHash, "tax_id", testB64,
		"tls_keys", []string{testPin("member")}, "valid_from", "2026-01-01", "valid_to", "2027-01-01", "wmi", []string{"1N4", "VF1001"}, "zone", "Europe/Paris")},
	"key.added/1": {subject: "member/" + testAuthor, body: obj("actor", "fitter", "device", obj("kind", "obd", "vehicle", testVIN),
		"key", testKey(testAuthor, "spare").VKey(), "name", testAuthor, "pop", []string{testPop}, "prev", testHash, "use", "record"),
		also: []jcs.Value{
			obj("key", testPin("second"), "name", testAuthor, "pop", []string{testPop}, "prev", testHash, "use", "tls"),
			obj("actor", "owner", "key", testKey(testAuthor, "owner").VKey(), "name", testAuthor, "pop", []string{testPop}, "use", "admin"),
		}},
	"key.revoked/1": {subject: "member/" + testAuthor, body: obj("key_id", "0123abcd", "name", testAuthor, "prev", testHash, "reason", "compromised", "since", "2026-05-04T08:00:00Z"),
		also: []jcs.Value{obj("key_id", "0123abcd", "name", testAuthor, "prev", testHash, "reason", "lost")}},
	"governors.changed/1": {subject: Governance, body: testFounding.With("nonce", jcs.Value{}).With("pop", jcs.Texts([]string{testPop})).With("prev", jcs.Text(testHash))},
	"rules.published/1":   {subject: Governance, body: testRules.With("prev", jcs.Text(testHash))},
	"node.changed/1": {subject: Governance, body: testNode("east").With("policy", jcs.Texts([]string{"# a policy"})).
		With("pop", jcs.Texts([]string{testPop})).With("prev", jcs.Text(testHash))},
	"node.removed/1":   {subject: Governance, body: obj("id", "east", "policy", []string{"# a policy"}, "prev", testHash, "reason", "left")},
	"feature.raised/1": {subject: Governance, body: obj("level", 2, "prev", testHash)},
	"log.closed/1":     {subject: Governance, body: obj("prev", testHash, "successor", "milepost.example/next/"+strings.Repeat("0a", 20))},
	"member.changed/1": {subject: "member/" + testAuthor, body: obj(
		"calendar", "utc", "country", "FR", "documents_checked", []string{"register"}, "kind", []string{"DLR", "PTI"}, "legal_name", "Garage de Lyon SA",
		"name", testAuthor, "prev", testHash, "tax_id", testB64, "valid_from", "2026-01-01", "valid_to", "2027-01-01", "wmi", []string{"1N4"}, "zone", "Europe/Paris"),
		also: []jcs.Value{obj("name", testAuthor, "zone", "UTC"), obj("name", testAuthor, "valid_from", "2026-01-01", "valid_to", "2026-01-01")}},
	"member.suspended/1":  {subject: "member/" + testAuthor, body: obj("name", testAuthor, "prev", testHash, "reason", "unpaid")},
	"member.reinstated/1": {subject: "member/" + testAuthor, body: obj("name", testAuthor, "prev", testHash)},
	"role.granted/1":      {subject: "member/" + testAuthor, body: obj("actor", "fitter", "name", testAuthor, "prev", testHash, "role", "technician")},
	"role.revoked/1":      {subject: "member/" + testAuthor, body: obj("actor", "fitter", "name", testAuthor, "prev", testHash, "role", "technician")},
	"access.granted/1": {subject: "access/" + testVIN, body: obj("basis", "ownership_papers", "documents_checked", []string{"registration"}, "expires", "2026-06-03T08:00:00Z",
		"from", "2020-01-01", "grantee", obj("secret_sha256", testHash), "purpose", "purchase", "reading_ref", testHash, "to", "2026-12-31", "types", []string{"odometer.reading/1"}),
		also: []jcs.Value{
			obj("basis", "presence", "expires", "2026-06-03T08:00:00Z", "grantee", obj("member", "inspect.example"), "purpose", "inspection", "reading_ref", testHash, "types", "all"),
			obj("basis", "order_of_court", "expires", "2026-06-03T08:00:00Z", "from", "2020-01-01", "grantee", obj("member", "inspect.example"), "purpose", "court", "to", "2020-01-01", "types", "all"),
		}},
	"access.revoked/1": {subject: "access/" + testVIN, body: obj("grant", testHash)},
	"access.used/1": {subject: "access/" + testVIN, body: obj("authentication", "grant_link", "grant", testHash, "size", 4711, "types", "all"),
		also: []jcs.Value{obj("authentication", "tls", "grant", testHash, "size", 1, "types", []string{"odometer.reading/1", "service.visit/1"})}},
	"vehicle.created/1": {subject: "vehicle/" + testVIN, body: obj("body", "hatchback", "country", "JP", "first_registration", "2013-05-01", "fuel", "electric",
		"imported", true, "make", "Nissan", "model", "Leaf", "model_year", 2013, "odometer_digits", 6, "odometer_unit", "SMI"),
		also: []jcs.Value{obj("imported", false, "make", "Nissan", "model", "Leaf")}},
	"odometer.reading/1": {subject: "vehicle/" + testVIN, body: obj("confirmed", []string{"sentinel"}, "ecu_km", 31449, "precision", "exact", "purpose", "service_in",
		"result", "read", "source", "visual", "unit", "KMT", "value", 31450),
		also: []jcs.Value{
			obj("purpose", "sale", "result", "unreadable", "source", "visual"),
			obj("purpose", "sale", "result", "no_odometer", "source", "visual", "ecu_km", 5),
			obj("confirmed", []string{"lower", "sentinel"}, "precision", "exact", "purpose", "delivery", "result", "read", "source", "visual", "unit", "KMT", "value", 1),
		}},
	"service.visit/1": {subject: "vehicle/" + testVIN, body: obj("lines", []jcs.Value{obj("campaign", "R1", "cause", "worn", "complaint", "noise", "correction", "replaced",
		"cost", testB64, "hours_100", 150, "op_code", "BR-1", "parts", []jcs.Value{obj("no", "41060-3NA0A", "quantity_100", 200)}, "pay", "customer", "work_type", "brakes")},
		"next_service", obj("date", "2027-05-04", "km", 45000), "odometer_work", false, "opened_at", "2026-05-04T08:00:00+02:00", "order_no", "A-1001",
		"reading_in", testHash, "reading_out", zeros64, "service_type", "maintenance"),
		also: []jcs.Value{obj("lines", []jcs.Value{obj("pay", "warranty", "work_type", "brakes")}, "odometer_work", true, "order_no", "A", "reading_in", testHash, "service_type", "other")}},
}

// testEnvelope is a whole record's JSON, with every field that it may have.
func testEnvelope(typ, subject string, body jcs.Value) jcs.Value {
	return obj("actor", "fitter.1", "attachments", []jcs.Value{obj("bytes", 1000, "digest", testB64, "kind", "photo", "media_type", "image/jpeg", "salted", true)},
		"author", testAuthor, "body", body, "captured_time", "2026-05-04T08:20:11Z", "event_precision", "minute", "event_time", "2026-05-04T10:12:00+02:00",
		"id", testID, "origin", testOrigin, "personal", []jcs.Value{obj("commitment", testB64, "field", "plate")}, "refs", []string{testHash},
		"subjects", []string{subject}, "type", typ)
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
	for _, d := range Types() {
		e, ok := examples[d.Name]
		if !ok {
			t.Errorf("%s has no example", d.Name)
			continue
		}
		for i, body := range append([]jcs.Value{e.body}, e.also...) {
			note := noteOf(testEnvelope(d.Name, e.subject, body))
			r, err := Open(note)
			if err != nil {
				t.Errorf("%s, example %d: %v", d.Name, i, err)
				continue
			}
			if r.Def != d || r.Type != d.Name || !bytes.Equal(r.Note, note) || !r.Lists(e.subject) || r.Lists("vehicle/none") || r.ID != testID {
				t.Errorf("%s came back as %+v", d.Name, r)
			}
		}
		if d.Sentence == "" || len(d.Writers) == 0 || d.ReadClass() == "" {
			t.Errorf("the definition of %s is not complete", d.Name)
		}
	}
}
