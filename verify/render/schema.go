package render

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Schema returns the JSON Schema (draft 2020-12) of what JSON gives, made
// from the types themselves: their json tags name the fields, their doc tags
// say what they hold. Fields may be added, so that it forbids none.
func Schema() []byte {
	s := schemaOf(reflect.TypeFor[Report]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "the report of milepost verify --json"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // plain data only
	}
	return append(out, '\n')
}

type schema = map[string]any

func schemaOf(t reflect.Type) schema {
	if t == reflect.TypeFor[json.RawMessage]() {
		t = reflect.TypeFor[judgementForm]()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	}
	panic("no schema for " + t.String())
}

func structSchema(t reflect.Type) schema {
	fields, required := schema{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := schemaOf(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			s["description"] = doc
		}
		if one := f.Tag.Get("enum"); one != "" {
			s["enum"] = strings.Split(one, "|")
		}
		fields[name] = s
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	return schema{"type": "object", "properties": fields, "required": required}
}
