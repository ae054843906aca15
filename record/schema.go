package record

import (
	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
)

// Schema returns a JSON Schema (draft 2020-12) of whole records of the type,
// made from its definition. What Open takes fits it; but Open is stricter: a
// schema counts characters where the log counts bytes, knows no keys, and
// does not look at several fields at once.
func (t *Type) Schema() jcs.Value {
	whole := envelope.schema()
	props := whole.Get("properties")
	narrow := func(name string, to jcs.Value) {
		props = props.With(name, to.With("description", props.Get(name).Get("description")))
	}
	narrow("type", jcs.Make(field("const", jcs.Text(t.Name))))
	narrow("subjects", subjectSchema(t))
	props = props.With("body", t.Body.schema().With("description", jcs.Text(t.about())))
	return whole.With("properties", props).
		With("$schema", jcs.Text("https://json-schema.org/draft/2020-12/schema")).
		With("$id", jcs.Text("urn:milepost:record:"+t.Name)).
		With("title", jcs.Text(t.Name)).
		With("description", jcs.Text(t.Sentence))
}

// about is the sentence of the type and what its rule demands.
func (t *Type) about() string {
	if t.Demands == "" {
		return t.Sentence
	}
	return t.Sentence + ". " + t.Demands
}

// subjectPatterns are the forms of subjects by class.
var subjectPatterns = map[string]string{
	Governance: "^governance$",
	"member":   "^member/[a-z0-9.-]+(/[a-z0-9._-]+)*$",
	"notice":   "^notice/[a-z0-9.-]+(/[a-z0-9._-]+)*$",
	"vehicle":  "^vehicle/(" + vinPattern + "|short/[A-Z0-9-]{3,16})$",
	"workshop": "^workshop/" + vinPattern + "$",
	"access":   "^access/" + vinPattern + "$",
	"campaign": "^campaign/[A-Za-z0-9._-]{1,32}$",
}

func subjectSchema(t *Type) jcs.Value {
	var sets []jcs.Value
	for _, classes := range append([][]string{t.Subjects}, t.Or...) {
		var items []jcs.Value
		for _, c := range classes {
			items = append(items, pattern(subjectPatterns[c]))
		}
		n := jcs.Number(int64(len(items)))
		sets = append(sets, typed("array", field("prefixItems", jcs.Array(items...)), field("items", jcs.Boolean(false)),
			field("minItems", n), field("maxItems", n)))
	}
	if len(sets) == 1 {
		return sets[0]
	}
	return jcs.Make(field("oneOf", jcs.Array(sets...)))
}

func field(name string, v jcs.Value) jcs.Field { return jcs.Field{Name: name, Value: v} }

func typed(typ string, more ...jcs.Field) jcs.Value {
	return jcs.Make(append([]jcs.Field{field("type", jcs.Text(typ))}, more...)...)
}

func pattern(re string) jcs.Value { return typed("string", field("pattern", jcs.Text(re))) }

func (o Object) schema() jcs.Value {
	props, needed := jcs.Value{Kind: jcs.Object}, []string(nil)
	for _, f := range o {
		s := f.Kind.schema()
		if f.Means != "" {
			s = s.With("description", jcs.Text(f.Means))
		}
		props = props.With(f.Name, s)
		if !f.Optional {
			needed = append(needed, f.Name)
		}
	}
	s := typed("object", field("properties", props), field("additionalProperties", jcs.Boolean(false)))
	if len(needed) > 0 {
		s = s.With("required", jcs.Texts(needed))
	}
	return s
}

func (o OneOf) schema() jcs.Value {
	s := Object(o).schema()
	return without(s, "required").With("minProperties", jcs.Number(1)).With("maxProperties", jcs.Number(1))
}

func without(v jcs.Value, name string) jcs.Value { return v.With(name, jcs.Value{}) }

func (l List) schema() jcs.Value {
	return typed("array", field("items", l.Of.schema()), field("minItems", jcs.Number(int64(l.Min))), field("maxItems", jcs.Number(int64(l.Max))))
}

func (m Map) schema() jcs.Value {
	return typed("object", field("propertyNames", jcs.Make(field("pattern", jcs.Text(codeForm.String())))),
		field("additionalProperties", m.Of.schema()), field("maxProperties", jcs.Number(64)))
}

func (o OrAll) schema() jcs.Value {
	return jcs.Make(field("anyOf", jcs.Array(jcs.Make(field("const", jcs.Text(All))), o.Of.schema())))
}

func (w Whole) schema() jcs.Value {
	return typed("integer", field("minimum", jcs.Number(w.Min)), field("maximum", jcs.Number(w.Max)))
}

func (YesNo) schema() jcs.Value { return typed("boolean") }

func (t Text) schema() jcs.Value {
	return typed("string", field("minLength", jcs.Number(1)), field("maxLength", jcs.Number(int64(t.Max))))
}

func (e Enum) schema() jcs.Value { return typed("string", field("enum", jcs.Texts(e))) }

func (f Form) schema() jcs.Value {
	s := pattern(f.Pattern)
	if f.Max > 0 {
		s = s.With("minLength", jcs.Number(1)).With("maxLength", jcs.Number(int64(f.Max)))
	}
	if f.Format != "" {
		s = s.With("format", jcs.Text(f.Format))
	}
	return s
}

// The type of a key is its first byte: the first two digits of its base64.
func (k VKey) schema() jcs.Value { return pattern("^" + k.form() + "$") }

func (k VKey) form() string {
	named := `[^\s+]+\+[0-9a-f]{8}\+`
	if k.Type == certs.MLDSA44Cosig {
		return named + "B[g-v][A-Za-z0-9+/]+="
	}
	return named + "A[Q-Za-f][A-Za-z0-9+/]{42}"
}

const pinPattern = "302a300506032b6570032100[0-9a-f]{64}"

func (Pin) schema() jcs.Value { return pattern("^" + pinPattern + "$") }

func (KeyOrPin) schema() jcs.Value { return pattern("^(" + pinPattern + "|" + recordKey.form() + ")$") }

func (Ref) schema() jcs.Value { return hexHash.schema() }

func (anyObject) schema() jcs.Value { return typed("object") }
