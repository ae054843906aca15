package record

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

func refused(t *testing.T, err error, code, words string) {
	t.Helper()
	if err == nil {
		t.Errorf("accepted, want %q", words)
	} else if fault.Code(err) != code || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want %s: %q", fault.Code(err), err, code, words)
	}
}

func TestOpenTellsWhatARecordSays(t *testing.T) {
	t.Parallel()
	note := noteOf(exampleOf("odometer.reading/1"))
	r, err := Open(note)
	if err != nil {
		t.Fatal(err)
	}
	if r.Hash != sha256.Sum256(append([]byte{0}, note...)) {
		t.Error("the hash is not RFC 6962's")
	}
	if r.Author != testAuthor || r.Actor != "fitter.1" || r.Origin != testOrigin || r.Precision != "minute" || FormatUUID(r.UUID) != testID {
		t.Errorf("%+v", r)
	}
	if got := FormatTime(r.EventTime) + " " + FormatUTC(r.EventTime) + " " + FormatTime(r.Captured); got != "2026-05-04T10:12:00+02:00 2026-05-04T08:12:00Z 2026-05-04T08:20:11Z" {
		t.Error(got)
	}
	if r.Subject("vehicle") != "vehicle/"+testVIN || r.Subject("member") != "" || len(r.References()) != 0 {
		t.Errorf("%q", r.Subjects)
	}
	if !strings.HasPrefix(r.Text, Header+"\n{") || !bytes.HasPrefix(note, []byte(r.Text)) || len(r.Sigs) != 1 {
		t.Errorf("%q", r.Text)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	r, err := Open(noteOf(exampleOf("service.visit/1")))
	if err != nil {
		t.Fatal(err)
	}
	want := []Reference{{"body.reading_in", "odometer.reading/1", testHash}, {"body.reading_out", "odometer.reading/1", exampleHashB}}
	if got := r.References(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v", got)
	}
	r.Def = nil
	if r.References() != nil {
		t.Error("a record of an unknown type has references")
	}
}

func TestTheNoteAroundARecord(t *testing.T) {
	t.Parallel()
	good := noteOf(exampleOf("odometer.reading/1"))
	line := certs.Sig{Name: testAuthor, ID: 1, Bytes: make([]byte, 64)}.Line()
	other := func(name string) string { return certs.Sig{Name: name, ID: 1, Bytes: make([]byte, 64)}.Line() }
	edit := func(old, new string) []byte {
		if strings.Count(string(good), old) != 1 {
			t.Fatalf("%q", old)
		}
		return []byte(strings.Replace(string(good), old, new, 1))
	}
	for name, c := range map[string]struct {
		note        []byte
		code, words string
	}{
		"no header":                  {edit(Header+"\n", ""), "record_form", "the first line is not milepost/record@v1"},
		"a seal's header":            {edit(Header, "milepost/seal@v1"), "record_form", "the first line is not"},
		"a version to come":          {edit(Header, "milepost/record@v2"), "record_form", "the first line is not"},
		"a space after the header":   {edit(Header, Header+" "), "record_form", "the first line is not"},
		"two lines of JSON":          {edit("}\n\n", "}\n{}\n\n"), "record_form", "two lines"},
		"a blank line":               {edit(Header+"\n", Header+"\n\n"), "record_form", "two lines"},
		"no JSON":                    {[]byte(Header + "\n\n" + line), "record_form", "two lines"},
		"an empty line of JSON":      {[]byte(Header + "\n\n\n" + line), "json_form", "no JSON value"},
		"JSON that is no object":     {[]byte(Header + "\n[]\n\n" + line), "field", "an object is expected, not a list"},
		"an object of nothing":       {[]byte(Header + "\n{}\n\n" + line), "field", "author: this field is missing"},
		"another author":             {edit(line, other("maker.example")), "author", "the record is by " + testAuthor + ", the signature by maker.example"},
		"two signatures":             {edit(line, line+other("maker.example")), "signatures", "carries exactly one signature, this note has 2"},
		"the same signature twice":   {edit(line, line+line), "signatures", "carries exactly one signature"},
		"a name that is none":        {edit(line, other("Dealer.Example")), "signatures", "signature 1 has no member's or governor's name"},
		"a name to confuse":          {edit(line, line+other("maker.example\u202e")), "signatures", "signature 2 has no member's or governor's name"},
		"65 signatures":              {edit(line, strings.Repeat(line, 65)), "note_form", "more than 64 signature lines"},
		"nesting beyond the cap":     {edit(`"body":{`, `"body":{"a":`+strings.Repeat("[", 7)+strings.Repeat("]", 7)+","), "json_form", "nested too deeply"},
		"a type of three parts":      {edit(`"odometer.reading/1"`, `"odometer.reading.late/1"`), "field", "is not a record type"},
		"a type of no version":       {edit(`"odometer.reading/1"`, `"odometer.reading"`), "field", "is not a record type"},
		"a type of version 0":        {edit(`"odometer.reading/1"`, `"odometer.reading/0"`), "field", "is not a record type"},
		"a type of version 100":      {edit(`"odometer.reading/1"`, `"odometer.reading/100"`), "field", "is not a record type"},
		"a type of 65 bytes":         {edit(`"odometer.reading/1"`, `"odometer.`+strings.Repeat("r", 54)+`/1"`), "field", "is not a record type"},
		"an unknown type's envelope": {edit(`"type":"odometer.reading/1"`, `"type":"odometer.seen/1","zone":1`), "field", "zone: there is no such field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(c.note)
			refused(t, err, c.code, c.words)
		})
	}
}

func TestGovernedSignatures(t *testing.T) {
	t.Parallel()
	n := certs.Note{Text: string(bytes.SplitAfter(noteOf(exampleOf("key.revoked/1")), []byte("}\n"))[0])}
	sign := func(names ...string) []byte {
		n := n
		for _, name := range names {
			n.Sigs = append(n.Sigs, certs.Sig{Name: name, ID: 1, Bytes: make([]byte, 64)})
		}
		return n.Bytes()
	}
	if _, err := Open(sign(testAuthor, "maker.example", "maker.example/b")); err != nil {
		t.Error(err)
	}
	for _, names := range [][]string{{testAuthor, testAuthor}, {testAuthor, "assoc.example"}, {testAuthor, "maker.example", "maker.example"}} {
		_, err := Open(sign(names...))
		refused(t, err, "signatures", "the signatures are not sorted by name, each name once")
	}
}

// A type that this program does not know is let through, its body unread.
func TestUnknownTypes(t *testing.T) {
	t.Parallel()
	e := testEnvelope("vehicle.painted/1", "vehicle/"+testVIN, obj("colour", "red"))
	r, err := Open(noteOf(e))
	if err != nil || r.Def != nil || r.Body.Get("colour").Str != "red" {
		t.Errorf("%+v, %v", r, err)
	}
	named(t, e.With("body", jcs.Number(1)), "body", "a body that is no object")
	for _, subjects := range [][]string{{"vehicle/" + testVIN, "access/" + testVIN}, {"vehicle/" + testVIN, "vehicle/" + testVIN}} {
		_, err := Open(noteOf(e.With("subjects", jcs.Texts(subjects))))
		refused(t, err, "field", "subjects: they are not sorted, each once")
	}
	if err := ErrUnknownType("x.y/1"); fault.Code(err) != "unknown_type" || !strings.Contains(fault.Hint(err), "odometer.reading/1, ") {
		t.Error(err, fault.Hint(err))
	}
}

// The grammar of type names, once more as a regular expression.
func TestTypeNames(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z]+\.[a-z_]+/[1-9][0-9]?$`)
	pieces := []string{"", "a", "odometer", "A", "_", "0", ".", "/", "1", "99", "100", "é", "\n", "a_b"}
	for _, noun := range pieces {
		for _, dot := range []string{".", "", "..", "/"} {
			for _, verb := range pieces {
				for _, slash := range []string{"/", "", "//", "."} {
					for _, version := range pieces {
						s := noun + dot + verb + slash + version
						if typeName.Ok(s) != form.MatchString(s) {
							t.Fatalf("%q: %v", s, typeName.Ok(s))
						}
					}
				}
			}
		}
	}
	if long := "a." + strings.Repeat("b", 60) + "/1"; !typeName.Ok(long) || typeName.Ok("a"+long) {
		t.Error("the cap is not 64 bytes")
	}
}

func TestTheSizeOfARecord(t *testing.T) {
	t.Parallel()
	e := testEnvelope("vehicle.painted/1", "vehicle/"+testVIN, obj("a", ""))
	at := func(size int) []byte {
		pad := size - len(noteOf(e))
		return noteOf(e.With("body", obj("a", strings.Repeat("x", pad))))
	}
	if note := at(MaxBytes); len(note) != 60_000 {
		t.Fatal(len(note))
	} else if _, err := Open(note); err != nil {
		t.Error(err)
	}
	_, err := Open(at(MaxBytes + 1))
	refused(t, err, "too_large", "the note has 60001 bytes, at most 60000 are allowed")
}

func TestEnvelopeRules(t *testing.T) {
	t.Parallel()
	whole := exampleOf("odometer.reading/1")
	with := func(pairs ...any) jcs.Value {
		v := whole
		for i := 0; i < len(pairs); i += 2 {
			v = v.With(pairs[i].(string), val(pairs[i+1]))
		}
		return v
	}
	for name, e := range map[string]jcs.Value{
		"to the second":           with("event_precision", "second", "event_time", "2026-05-04T10:12:13+02:00"),
		"a day, at its midnight":  with("event_precision", "date", "event_time", "2026-05-04T00:00:00-11:00"),
		"a minute of midnight":    with("event_time", "2026-05-04T00:00:00Z"),
		"an author near the log":  with("author", "milepost.example/demo"),
		"a name that goes on":     with("author", testName+"/"+strings.Repeat("0", 40)),
		"years ago":               with("event_time", "1900-01-01T00:00:00Z"),
		"an old-timer":            with("subjects", []string{"vehicle/short/KBL-1"}),
		"no more than there must": with("actor", jcs.Value{}, "attachments", jcs.Value{}, "personal", jcs.Value{}, "refs", jcs.Value{}),
	} {
		if _, err := Open(noteOf(e)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		why string
		e   jcs.Value
		at  string
	}{
		{"a day with an hour", with("event_precision", "date", "event_time", "2026-05-04T01:00:00Z"), "event_time"},
		{"a day with a minute", with("event_precision", "date", "event_time", "2026-05-04T00:01:00Z"), "event_time"},
		{"a day with a second", with("event_precision", "date", "event_time", "2026-05-04T00:00:01Z"), "event_time"},
		{"a minute with a second", with("event_time", "2026-05-04T10:12:01+02:00"), "event_time"},
		{"the log as author", with("author", testOrigin), "author"},
		{"a part of the log as author", with("author", testOrigin+"/node/a"), "author"},
		{"subjects out of order", with("subjects", []string{"vehicle/" + testVIN, "access/" + testVIN}), "subjects"},
		{"a subject twice", with("subjects", []string{"vehicle/" + testVIN, "vehicle/" + testVIN}), "subjects"},
		{"a history of another class", with("subjects", []string{"workshop/" + testVIN}), "subjects"},
		{"a history more", with("subjects", []string{"vehicle/" + testVIN, "workshop/" + testVIN}), "subjects"},
		{"what is no history", with("subjects", []string{"vehicle/" + testVIN, "vehicles/" + testVIN}), "subjects[1]"},
		{"an id in capitals", with("id", strings.ToUpper(testID)), "id"},
		{"an id of version 4", with("id", "0197a3f2-79b0-4cc3-98c4-dc0c0c07398f"), "id"},
		{"an origin without digits", with("origin", testName), "origin"},
		{"an origin of 39 digits", with("origin", testOrigin[:len(testOrigin)-1]), "origin"},
		{"an origin in capitals", with("origin", testName+"/"+strings.Repeat("A", 40)), "origin"},
		{"an origin of nothing", with("origin", "/"+strings.Repeat("0", 40)), "origin"},
	} {
		named(t, c.e, c.at, c.why)
	}
}

// What no single field can say.
func TestRulesOfTheTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ    string
		change []any // fields of the body
		at     string
		says   string
	}{
		{"odometer.reading/1", []any{"value", 0, "confirmed", jcs.Value{}}, "body.value", "0 looks like a default"},
		{"odometer.reading/1", []any{"value", 1, "confirmed", []string{"lower"}}, "body.value", "1 looks like a default"},
		{"odometer.reading/1", []any{"value", 999_999, "confirmed", jcs.Value{}}, "body.value", "999999 looks like a default"},
		{"odometer.reading/1", []any{"result", "unreadable"}, "body.precision", "it stands with the result read, and only then"},
		{"odometer.reading/1", []any{"result", "no_odometer", "precision", jcs.Value{}}, "body.unit", "and only then"},
		{"odometer.reading/1", []any{"result", "no_odometer", "precision", jcs.Value{}, "unit", jcs.Value{}}, "body.value", "and only then"},
		{"service.visit/1", []any{"next_service", obj()}, "body.next_service", "a date or a distance is expected"},
		{"key.revoked/1", []any{"reason", "lost"}, "body.since", "it stands with the reason compromised, and only then"},
		{"key.revoked/1", []any{"name", "maker.example"}, "subjects", "the body names maker.example, so the subject is member/maker.example"},
		{"key.added/1", []any{"name", "maker.example"}, "subjects", "the body names maker.example"},
		{"key.added/1", []any{"key", testKey("maker.example", "x").VKey()}, "body.key", "the key is named maker.example, not " + testAuthor},
		{"key.added/1", []any{"use", "admin", "device", jcs.Value{}, "actor", jcs.Value{}}, "body.actor", "an administrator's key is bound to an actor"},
		{"key.added/1", []any{"use", "admin"}, "body.device", "only a record key is bound to a device"},
		{"key.added/1", []any{"use", "tls", "key", testPin("x")}, "body.device", "only a record key is bound to a device"},
		{"key.added/1", []any{"use", "tls", "device", jcs.Value{}}, "body.key", "hex digits that begin with"},
		{"key.added/1", []any{"key", testPin("x")}, "body.key", "not a verifier key"},
		{"member.admitted/1", []any{"name", "maker.example"}, "subjects", "the body names maker.example"},
		{"member.admitted/1", []any{"keys", []string{testKey("maker.example", "x").VKey()}}, "body.keys[0]", "the key is named maker.example"},
		{"member.admitted/1", []any{"admin_keys", []jcs.Value{obj("actor", "a", "key", testKey(testAuthor, "a").VKey()), obj("actor", "b", "key", testKey("maker.example", "b").VKey())}}, "body.admin_keys[1].key", "the key is named maker.example"},
		{"member.admitted/1", []any{"admin_keys", []jcs.Value{obj("actor", "a", "key", testKey(testAuthor, "a").VKey()), obj("actor", "a", "key", testKey(testAuthor, "b").VKey())}}, "body.admin_keys", "a member has at least two administrators"},
		{"node.added/1", []any{"log_key", testKey("milepost.example/other", "x").VKey()}, "body.log_key", "not " + testOrigin},
		{"node.added/1", []any{"id", "west"}, "body.cosigner_key", "not " + testOrigin + "/node/west"},
		{"node.added/1", []any{"address", "east.example:65536"}, "body.address", "is not a host and port"},
		{"log.genesis/1", []any{"nodes", []jcs.Value{testNode("west"), testNode("east")}}, "body.nodes[1]", "nodes are sorted by id, each once"},
		{"log.genesis/1", []any{"nodes", []jcs.Value{testNode("west"), testNode("west")}}, "body.nodes[1]", "nodes are sorted by id, each once"},
		{"log.genesis/1", []any{"nodes", []jcs.Value{testNode("east"), testNode("west").With("id", jcs.Text("x"))}}, "body.nodes[1].cosigner_key", "/node/x"},
		{"log.genesis/1", []any{"founding", testFounding.With("threshold", jcs.Number(3))}, "body.founding.threshold", "there are only 2 governors"},
		{"log.genesis/1", []any{"founding", governors("b", "k1", "a", "k2")}, "body.founding.governors[1]", "governors are sorted by name, each once"},
		{"log.genesis/1", []any{"founding", governors("a", "k1", "a", "k2")}, "body.founding.governors[1]", "governors are sorted by name, each once"},
		{"log.genesis/1", []any{"founding", governors("a", "k1", "b", "k1")}, "body.founding.governors[1].key", "two governors have the same key"},
		{"log.genesis/1", []any{"founding", governors("a", "k1", "b", "k2").With("governors", jcs.Array(obj("name", "b", "key", testKey("a", "k1").VKey())))}, "body.founding.governors[0].key", "the key is named a, not b"},
		{"log.genesis/1", []any{"rules", rulesWith("types", jcs.Texts([]string{"a.b/1", "c.d/1", "a.b/1"}))}, "body.rules.types[2]", "a.b/1 stands there twice"},
		{"log.genesis/1", []any{"rules", rulesTwice("rights")}, "body.rules.rights[1]", "odometer.reading/1 stands there twice"},
		{"log.genesis/1", []any{"rules", rulesTwice("calendars")}, "body.rules.calendars[1]", "utc stands there twice"},
	} {
		refusesChange(t, c.typ, c.change, c.at, c.says)
	}
	// No member lives inside the log.
	inside := testOrigin + "/x"
	keys := jcs.Texts([]string{testKey(inside, "x").VKey()})
	body := examples["member.admitted/1"].body.With("name", jcs.Text(inside)).With("keys", keys)
	_, err := Open(noteOf(testEnvelope("member.admitted/1", "member/"+inside, body)))
	refused(t, err, "field", "body.name: a name at or below the origin belongs to the log itself")
}

func governors(pairs ...string) jcs.Value {
	var gs []jcs.Value
	for i := 0; i < len(pairs); i += 2 {
		gs = append(gs, obj("name", pairs[i], "key", testKey(pairs[i], pairs[i+1]).VKey()))
	}
	return testFounding.With("governors", jcs.Array(gs...)).With("threshold", jcs.Number(1))
}

func rulesWith(field string, v jcs.Value) jcs.Value {
	return examples["log.genesis/1"].body.Get("rules").With(field, v)
}

func rulesTwice(field string) jcs.Value {
	v := examples["log.genesis/1"].body.Get("rules").Get(field).List[0]
	return rulesWith(field, jcs.Array(v, v))
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	name100 := strings.Repeat("a", 100)
	for s, class := range map[string]string{
		"governance": "governance", "member/a": "member", "member/" + name100: "member", "member/dealer.example/lyon": "member", "notice/maker.example": "notice",
		"vehicle/" + testVIN: "vehicle", "workshop/" + testVIN: "workshop", "access/" + testVIN: "access",
		"vehicle/short/ABC": "vehicle", "vehicle/short/0-0": "vehicle", "vehicle/short/" + strings.Repeat("Z", 16): "vehicle",
		"campaign/R1": "campaign", "campaign/a.b_c-D": "campaign", "campaign/" + strings.Repeat("c", 32): "campaign",
	} {
		if got, err := SubjectClass(s); err != nil || got != class {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "/", "governance/", "governance/x", "Governance", "member", "member/", "member/A", "member/a/", "member/../a", "member/" + name100 + "a", "notice/", "notice/ä",
		"vehicle", "vehicle/", "vehicle/1N4AZ0CP1DC90000", "vehicle/1N4AZ0CP1DC9000011", "vehicle/1N4AZ0CP1DC90000I", "vehicle/1N4AZ0CP1DC90000O", "vehicle/1N4AZ0CP1DC90000Q",
		"vehicle/1n4az0cp1dc900001", "vehicle/ " + testVIN[1:], "vehicle/" + testVIN + "\n", "vehicle/short", "vehicle/short/", "vehicle/short/AB", "vehicle/short/" + strings.Repeat("Z", 17),
		"vehicle/short/ab1", "vehicle/short/A B1", "workshop/short/ABC", "access/short/ABC", "workshop/", "campaign/", "campaign/a b", "campaign/" + strings.Repeat("c", 33), "campaign/a\n",
		"vehicles/" + testVIN, "recall/R1",
	} {
		if class, err := SubjectClass(s); fault.Code(err) != "subject" || class != "" {
			t.Errorf("%q: %q, %v", s, class, err)
		}
	}
	if got, err := ParseVehicle(testVIN); got != "vehicle/"+testVIN || err != nil {
		t.Error(got, err)
	}
	if got, err := ParseVehicle("short/KBL-1"); got != "vehicle/short/KBL-1" || err != nil {
		t.Error(got, err)
	}
	for _, s := range []string{"", "short/", "KBL-1", strings.ToLower(testVIN)} {
		if _, err := ParseVehicle(s); err == nil {
			t.Errorf("%q is a vehicle", s)
		}
	}
	if VehicleSubject("X") != "vehicle/X" || MemberSubject("x") != "member/x" {
		t.Error("subjects are misnamed")
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	founding := obj("governors", []jcs.Value{obj("key", "k", "name", "n")}, "nonce", "x", "threshold", 1)
	h := sha256.Sum256([]byte("milepost/origin@v1\n" + `{"governors":[{"key":"k","name":"n"}],"nonce":"x","threshold":1}`))
	want := fmt.Sprintf("log.example/a/%x", h[:20])
	if got := Origin("log.example/a", founding); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !FitsOrigin(want, founding) || FitsOrigin(want, founding.With("nonce", jcs.Text("y"))) || FitsOrigin("log.example/b"+want[13:], founding) != true || FitsOrigin("x", founding) || FitsOrigin("", founding) {
		t.Error("what fits an origin is not told")
	}
	if got := Fingerprint("log.example/a/" + strings.Repeat("0123456789", 4)); got != "0123 4567 8901 2345 6789 0123 4567 8901 2345 6789" {
		t.Error(got)
	}
}
