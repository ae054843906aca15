package record

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// The tests of this file are driven from the definitions: every field of
// every type is broken in every way that its kind knows, and the error has
// to name it. A new type, or a new field, is tested by being defined.

// place is one value inside a record: where it is, its definition, and how
// to put another one there.
type place struct {
	at    string
	kind  Kind
	field *Field // of an object; nil for what stands in a list
	value jcs.Value
	put   func(jcs.Value) jcs.Value // the whole envelope with another value there; no value takes it out
}

// places walks a value along its definition.
func places(k Kind, v jcs.Value, at string, put func(jcs.Value) jcs.Value, visit func(place)) {
	switch k := k.(type) {
	case Object:
		for i, f := range k {
			p := place{at: join(at, f.Name), kind: f.Kind, field: &k[i], value: v.Get(f.Name)}
			p.put = func(n jcs.Value) jcs.Value { return put(v.With(f.Name, n)) }
			visit(p)
			if p.value.Kind != 0 {
				places(f.Kind, p.value, p.at, p.put, visit)
			}
		}
	case List:
		p := place{at: at + "[0]", kind: k.Of, value: v.List[0]}
		p.put = func(n jcs.Value) jcs.Value { return put(jcs.Array(append([]jcs.Value{n}, v.List[1:]...)...)) }
		visit(p)
		places(k.Of, p.value, p.at, p.put, visit)
	case OneOf:
		for _, f := range k {
			p := place{at: join(at, f.Name), kind: f.Kind, value: v.Get(f.Name)}
			p.put = func(n jcs.Value) jcs.Value { return put(jcs.Make(jcs.Field{Name: f.Name, Value: n})) }
			visit(p)
		}
	case OrAll:
		if v.Str != All {
			visit(place{at: at, kind: k.Of, value: v, put: put})
			places(k.Of, v, at, put, visit)
		}
	case Map:
		name := v.Obj[0].Name
		p := place{at: join(at, name), kind: k.Of, value: v.Obj[0].Value}
		p.put = func(n jcs.Value) jcs.Value { return put(v.With(name, n)) }
		visit(p)
	}
}

// everyPlace visits every value of a type's example, envelope and body. A
// field that excludes others is visited in the first example that has it.
func everyPlace(d *Type, visit func(place)) {
	whole := exampleOf(d.Name)
	places(envelope, whole, "", func(v jcs.Value) jcs.Value { return v }, visit)
	for _, f := range d.Body {
		body := whole.Get("body")
		for _, also := range examples[d.Name].also {
			if !body.Has(f.Name) && also.Has(f.Name) {
				body = also
			}
		}
		places(Object{f}, body, "body", func(v jcs.Value) jcs.Value { return whole.With("body", v) }, visit)
	}
}

// named demands that a record is refused and that the error names the field.
func named(t *testing.T, envelope jcs.Value, at, why string) {
	t.Helper()
	_, err := Open(noteOf(envelope))
	var e *fault.Error
	if err == nil {
		t.Errorf("%s: %s is accepted", at, why)
	} else if !errors.As(err, &e) || e.Where != at {
		t.Errorf("%s: %s is refused with %v", at, why, err)
	}
}

// refusesChange demands that the example of a type is refused once fields of
// its body are changed, names and values in turn, and that the error names
// the place and says why.
func refusesChange(t *testing.T, typ string, change []any, at, says string) {
	t.Helper()
	body := examples[typ].body
	for i := 0; i < len(change); i += 2 {
		body = body.With(change[i].(string), val(change[i+1]))
	}
	_, err := Open(noteOf(testEnvelope(typ, examples[typ].subject, body)))
	var e *fault.Error
	if !errors.As(err, &e) || e.Where != at || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v, want %s: %s", typ, err, at, says)
	}
}

// wrong are values that a kind refuses, by what is wrong with them.
func wrong(k Kind) map[string]jcs.Value {
	text := func(n int) jcs.Value { return jcs.Text(strings.Repeat("x", n)) }
	switch k := k.(type) {
	case Whole:
		w := map[string]jcs.Value{"a number in quotes": jcs.Text("1")}
		if k.Min > -jcs.MaxInt {
			w["one below the least"] = jcs.Number(k.Min - 1)
		}
		if k.Max < jcs.MaxInt {
			w["one above the most"] = jcs.Number(k.Max + 1)
		}
		return w
	case YesNo:
		return map[string]jcs.Value{"0": jcs.Number(0), "a word": jcs.Text("true")}
	case Text:
		return map[string]jcs.Value{"no text": jcs.Text(""), "one byte over the cap": text(k.Max + 1), "a number": jcs.Number(1),
			"too many bytes of few characters": jcs.Text(strings.Repeat("é", k.Max/2+1))}
	case Enum:
		return map[string]jcs.Value{"no text": jcs.Text(""), "another word": jcs.Text(k[0] + "x"), "capitals": jcs.Text(strings.ToUpper(k[0]) + strings.ToLower(k[0])), "a number": jcs.Number(1)}
	case Form:
		return map[string]jcs.Value{"no text": jcs.Text(""), "something else": jcs.Text("é ?"), "a number": jcs.Number(1), "very much of it": text(3001)}
	case VKey:
		w := map[string]jcs.Value{"no text": jcs.Text(""), "something else": jcs.Text("a+b+c"), "a number": jcs.Number(1)}
		if k.Type == certs.Ed25519 {
			w["a key of another type"] = testNode("east").Get("cosigner_key")
		} else {
			w["a key of another type"] = testNode("east").Get("log_key")
		}
		return w
	case Pin, KeyOrPin:
		return map[string]jcs.Value{"no text": jcs.Text(""), "capitals": jcs.Text(strings.ToUpper(testPin("x"))), "a hash": jcs.Text(testHash), "a number": jcs.Number(1)}
	case Ref:
		return map[string]jcs.Value{"no text": jcs.Text(""), "capitals": jcs.Text(strings.ToUpper(testHash)), "63 digits": jcs.Text(testHash[1:]), "a number": jcs.Number(1)}
	case OrAll:
		return map[string]jcs.Value{"another word": jcs.Text("some"), "an empty list": jcs.Array(), "a number": jcs.Number(1)}
	case OneOf:
		return map[string]jcs.Value{"a list": jcs.Array(), "text": jcs.Text("x"), "none of them": jcs.Make(), "another one": obj("aside", "x"),
			"two of them": obj(k[0].Name, "dealer.example", k[1].Name, testHash)}
	case List:
		return map[string]jcs.Value{"an empty list": jcs.Array(), "an object": jcs.Make()}
	case Object, Map, anyObject:
		return map[string]jcs.Value{"a list": jcs.Array(), "a number": jcs.Number(1)}
	}
	panic(fmt.Sprintf("no wrong value for %T", k))
}

func TestEveryFieldRefusesWhatItIsNot(t *testing.T) {
	t.Parallel()
	for _, d := range Types() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			n := 0
			everyPlace(d, func(p place) {
				for why, v := range wrong(p.kind) {
					named(t, p.put(v), p.at, why)
					n++
				}
			})
			if n < 50 {
				t.Errorf("only %d tried", n)
			}
		})
	}
}

func TestNoRequiredFieldMayBeMissing(t *testing.T) {
	t.Parallel()
	// Optional by its definition, but not in the example, by a rule.
	ruled := map[string]bool{"odometer.reading/1 body.precision": true, "odometer.reading/1 body.unit": true, "odometer.reading/1 body.value": true, "key.revoked/1 body.since": true,
		"correction.requested/1 body.claim.value": true, "evidence.external/1 attachments": true,
		"warranty.claim/1 body.prior": true, "part.order/1 body.case": true, "part.order/1 body.prev": true, "part.return/1 body.case": true, "part.return/1 body.prev": true,
		"recall.affects/1 body.again": true, "recall.affects/1 body.prev": true, "recall.affects/1 body.reason": true}
	for _, d := range Types() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			everyPlace(d, func(p place) {
				if p.field == nil {
					return
				}
				if p.value.Kind == 0 {
					t.Errorf("the example lacks %s", p.at)
					return
				}
				without := p.put(jcs.Value{})
				if d.Name == "record.reattributed/1" && p.at == "body.to_vehicle" {
					without = without.With("subjects", jcs.Texts([]string{"vehicle/" + testVIN})) // and so in one history less
				}
				if !p.field.Optional || ruled[d.Name+" "+p.at] {
					named(t, without, p.at, "leaving it out")
				} else if _, err := Open(noteOf(without)); err != nil {
					t.Errorf("%s may not be left out: %v", p.at, err)
				}
			})
		})
	}
}

func TestNoObjectHasOtherFields(t *testing.T) {
	t.Parallel()
	for _, d := range Types() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			whole := exampleOf(d.Name)
			named(t, whole.With("aside", jcs.Number(1)), "aside", "a field that it does not have")
			named(t, whole.With("body", whole.Get("body").With("zone_", jcs.Number(1))), "body.zone_", "a field that it does not have")
			everyPlace(d, func(p place) {
				if _, ok := p.kind.(Object); ok && p.value.Kind != 0 {
					named(t, p.put(p.value.With("aside", jcs.Number(1))), p.at+".aside", "a field that it does not have")
					named(t, p.put(p.value.With("Z", jcs.Text(""))), p.at+".Z", "a field that it does not have")
				}
			})
		})
	}
}

// What is exactly at a cap passes, one over it does not.
func TestCaps(t *testing.T) {
	t.Parallel()
	// Asked of the kind, not of the record: a rule over several fields may
	// still have its say there.
	passes := func(t *testing.T, d *Type, p place, v jcs.Value, why string) {
		t.Helper()
		if err := p.kind.check(v, p.at); err != nil {
			t.Errorf("%s of %s: %s: %v", p.at, d.Name, why, err)
		}
	}
	for _, d := range Types() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			everyPlace(d, func(p place) {
				switch k := p.kind.(type) {
				case Whole:
					passes(t, d, p, jcs.Number(k.Min), "the least")
					passes(t, d, p, jcs.Number(k.Max), "the most")
				case Text:
					passes(t, d, p, jcs.Text(strings.Repeat("x", k.Max)), "as long as may be")
					passes(t, d, p, jcs.Text(strings.Repeat("é", k.Max/2)), "as many bytes as may be")
					passes(t, d, p, jcs.Text("x"), "one byte")
				case Enum:
					for _, w := range k {
						passes(t, d, p, jcs.Text(w), w)
					}
				case List:
					few := make([]jcs.Value, k.Max+1)
					for i := range few {
						few[i] = p.value.List[0]
					}
					if len(jcs.Array(few...).Bytes()) > MaxBytes-1000 {
						return // the cap on the whole record comes first
					}
					named(t, p.put(jcs.Array(few...)), p.at, "one value too many")
					passes(t, d, p, jcs.Array(few[:k.Max]...), "as many values as may be")
					if k.Min > 1 {
						named(t, p.put(jcs.Array(few[:k.Min-1]...)), p.at, "one value too few")
					}
				}
			})
		})
	}
}

func TestKeysOfTheRightType(t *testing.T) {
	t.Parallel()
	refused(t, VKey{certs.Ed25519}.check(testNode("east").Get("cosigner_key"), "at"), "field", "at: a key of type 0x01 is expected, this one has type 0x06")
	refused(t, KeyOrPin{}.check(testNode("east").Get("cosigner_key"), "at"), "field", "at: a key of type 0x01 is expected, this one has type 0x06")
}

func TestMaps(t *testing.T) {
	t.Parallel()
	whole := exampleOf("log.genesis/1")
	rules := whole.Get("body").Get("rules")
	with := func(name string, cases jcs.Value) jcs.Value {
		return whole.With("body", whole.Get("body").With("rules", rules.With(name, cases)))
	}
	many := jcs.Make()
	for i := range 64 {
		many = many.With(fmt.Sprintf("a%d", i), jcs.Number(1))
	}
	if _, err := Open(noteOf(with("cases", many))); err != nil {
		t.Error(err)
	}
	if _, err := Open(noteOf(with("judgement", jcs.Make()))); err != nil {
		t.Error(err)
	}
	named(t, with("cases", many.With("b", jcs.Number(1))), "body.rules.cases", "65 entries")
	named(t, with("cases", obj("A", 1)), "body.rules.cases.A", "a name that is no code")
	named(t, with("cases", obj("a", 3661)), "body.rules.cases.a", "a number over its cap")
}
