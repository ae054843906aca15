package record

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/milepost-log/milepost/record/jcs"
)

// compiled reads a schema with a library that knows nothing of milepost.
func compiled(t *testing.T, d *Type) func(jcs.Value) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.Schema().Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("urn:milepost:record:"+d.Name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("urn:milepost:record:" + d.Name)
	if err != nil {
		t.Fatal(err)
	}
	return func(v jcs.Value) error {
		inst, err := jsonschema.UnmarshalJSON(bytes.NewReader(v.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		return s.Validate(inst)
	}
}

// What Open takes, the schema takes; what Open refuses because of one field,
// the schema refuses too, but for what no schema can say.
func TestSchemasAgreeWithOpen(t *testing.T) {
	t.Parallel()
	beyond := map[string]bool{
		"too many bytes of few characters": true, // a schema counts characters
	}
	for _, d := range Types() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			valid := compiled(t, d)
			e := examples[d.Name]
			for i, body := range append([]jcs.Value{parsed(d.Example), e.body}, e.also...) {
				if err := valid(testEnvelope(d.Name, e.subject, body)); err != nil {
					t.Errorf("example %d: %v", i, err)
				}
			}
			n := 0
			everyPlace(d, func(p place) {
				for why, v := range wrong(p.kind) {
					if err := valid(p.put(v)); err == nil && !beyond[why] {
						t.Errorf("the schema takes %s of %s: %s", why, p.at, v.Bytes())
					}
					n++
				}
				if p.field != nil && !p.field.Optional {
					if valid(p.put(jcs.Value{})) == nil {
						t.Errorf("the schema takes a record without %s", p.at)
					}
				}
				if _, ok := p.kind.(Object); ok && p.value.Kind != 0 && valid(p.put(p.value.With("aside", jcs.Number(1)))) == nil {
					t.Errorf("the schema takes a field that %s does not have", p.at)
				}
			})
			if n < 50 {
				t.Errorf("only %d tried", n)
			}
			whole := testEnvelope(d.Name, e.subject, e.body)
			for _, v := range []jcs.Value{whole.With("aside", jcs.Number(1)), whole.With("type", jcs.Text("x.y/1")),
				whole.With("subjects", jcs.Texts([]string{"campaign/R1", "governance"})), whole.With("subjects", jcs.Array())} {
				if valid(v) == nil {
					t.Errorf("the schema takes %s", v.Bytes())
				}
			}
		})
	}
}

// A schema of a type that may stand in either of two histories takes both.
func TestSchemaOfSubjects(t *testing.T) {
	t.Parallel()
	valid := compiled(t, Lookup("case.evidence/1"))
	body := examples["case.evidence/1"].body
	for subject, ok := range map[string]bool{
		"vehicle/" + testVIN: true, "workshop/" + testVIN: true, "access/" + testVIN: false,
		"vehicle/" + testVIN + " workshop/" + testVIN: false, "vehicle/" + strings.ToLower(testVIN): false,
	} {
		e := testEnvelope("case.evidence/1", subject, body)
		if err := valid(e); (err == nil) != ok {
			t.Errorf("the schema says of %s: %v", subject, err)
		}
		if _, err := Open(noteOf(e)); (err == nil) != ok {
			t.Errorf("Open says of %s: %v", subject, err)
		}
	}
}
