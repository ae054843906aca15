package record

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// What each kind takes, in words: for a person who fills a field in, and for
// docs/records.md.

func (o Object) words() string {
	var parts []string
	for _, f := range o {
		n := f.Name
		if f.Optional {
			n += "?"
		}
		parts = append(parts, n)
	}
	return "an object {" + strings.Join(parts, ", ") + "}"
}

func (o OneOf) words() string {
	var parts []string
	for _, f := range o {
		parts = append(parts, "{"+f.Name+"}")
	}
	return "an object, one of " + strings.Join(parts, " or ")
}

func (l List) words() string {
	return fmt.Sprintf("a list of %s to %s, each %s", count(l.Min), count(l.Max), l.Of.words())
}

func (m Map) words() string { return "an object of at most 64 codes, each with " + m.Of.words() }

func (o OrAll) words() string { return "the word all, or " + o.Of.words() }

func (w Whole) words() string {
	return fmt.Sprintf("a whole number from %s to %s", Thousands(w.Min), Thousands(w.Max))
}

func (YesNo) words() string { return "true or false" }

func (t Text) words() string { return "text of 1 to " + count(t.Max) + " bytes" }

func (e Enum) words() string {
	if len(e) == 1 {
		return "the word " + e[0]
	}
	return "one of " + strings.Join(e, ", ")
}

func (f Form) words() string { return f.What }

func (k VKey) words() string {
	if k.Type == certs.MLDSA44Cosig {
		return "a verifier key of type 0x06, ML-DSA-44"
	}
	return "a verifier key of type 0x01, Ed25519"
}

func (r Ref) words() string {
	if r.Type == "" {
		return "the leaf hash of an earlier record of the vehicle, 64 lower-case hexadecimal digits"
	}
	return "the leaf hash of an earlier " + r.Type + " of the vehicle, 64 lower-case hexadecimal digits"
}

func (KeyOrPin) words() string { return recordKey.words() + ", or " + Pin{}.words() }

func (Pin) words() string { return "the pin of a TLS key, 88 lower-case hexadecimal digits" }

func (anyObject) words() string { return "an object" }

func count(n int) string { return Thousands(int64(n)) }

// Words says what a field takes: "a whole number from 0 to 1,999,999".
func (f Field) Words() string { return f.Kind.words() }

// Field returns a field of the body by name, nil if there is none.
func (t *Type) Field(name string) *Field {
	for i := range t.Body {
		if t.Body[i].Name == name {
			return &t.Body[i]
		}
	}
	return nil
}

// Value reads a field of a body as a person types it: text as it is, yes and
// no, several plain texts as a,b,c, and everything else as JSON.
func (t *Type) Value(field, text string) (jcs.Value, error) {
	if f := t.Field(field); f != nil {
		v, err := f.Value(text)
		if err != nil {
			return v, fault.New(fault.Code(err), "body."+field, err.Error())
		}
		return v, nil
	}
	return jcs.Value{}, badField("body."+field, "there is no such field here; known are %s", t.Body.names())
}

// Value reads what the field may be as a person types it; see Type.Value. It
// does not check it.
func (f Field) Value(text string) (jcs.Value, error) {
	kind := f.Kind
	if o, ok := kind.(OrAll); ok && text != All {
		kind = o.Of
	}
	switch k := kind.(type) {
	case YesNo:
		if yes, ok := map[string]bool{"yes": true, "no": false}[text]; ok {
			return jcs.Boolean(yes), nil
		}
		return jcs.Read([]byte(text))
	case List:
		if plain(k.Of) && !strings.HasPrefix(text, "[") {
			return jcs.Texts(strings.Split(text, ",")), jcs.CheckText(text)
		}
		return jcs.Read([]byte(text))
	case Whole, Object, Map, OneOf:
		return jcs.Read([]byte(text))
	}
	return jcs.Text(text), jcs.CheckText(text)
}

// plain reports whether a kind is one of text.
func plain(k Kind) bool {
	switch k.(type) {
	case YesNo, List, Whole, Object, Map, OneOf, OrAll:
		return false
	}
	return true
}
