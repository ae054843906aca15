package record

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// Kind is the shape of a field: what a definition is made of. A kind checks
// a value and says which field is wrong and why; at is the value's place in
// the object around it. It says itself in words and as a JSON Schema.
type Kind interface {
	check(v jcs.Value, at string) error
	words() string
	schema() jcs.Value
}

// Missing is what an error says of a field that is needed and absent.
const Missing = "this field is missing"

// Field is one field of an object's definition.
type Field struct {
	Name     string
	Kind     Kind
	Optional bool
	Means    string // what it says, for a person
}

func need(name string, k Kind, means string) Field { return Field{name, k, false, means} }
func may(name string, k Kind, means string) Field  { return Field{name, k, true, means} }

func badField(at, format string, args ...any) error {
	return fault.New("field", at, fmt.Sprintf(format, args...))
}

func expect(v jcs.Value, at string, kind jcs.Kind) error {
	if v.Kind != kind {
		return badField(at, "%s is expected, not %s", kind, v.Kind)
	}
	return nil
}

// Object is a fixed set of named fields; unknown ones are refused.
type Object []Field

func (o Object) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.Object); err != nil {
		return err
	}
	known := 0
	for i := range o {
		f := &o[i]
		fv := v.Get(f.Name)
		switch {
		case fv.Kind != 0:
			known++
			if err := f.Kind.check(fv, f.Name); err != nil {
				return inside(at, err)
			}
		case !f.Optional:
			return badField(join(at, f.Name), Missing)
		}
	}
	if known < len(v.Obj) {
		for _, have := range v.Obj {
			if !o.has(have.Name) {
				return badField(join(at, clip(have.Name)), "there is no such field here; known are %s", o.names())
			}
		}
	}
	return nil
}

func (o Object) has(name string) bool {
	for _, f := range o {
		if f.Name == name {
			return true
		}
	}
	return false
}

func (o Object) names() string {
	var ns []string
	for _, f := range o {
		ns = append(ns, f.Name)
	}
	sort.Strings(ns)
	return strings.Join(ns, ", ")
}

// clip keeps a name that a stranger chose short enough for a message.
func clip(name string) string {
	if len(name) > 40 {
		return name[:40] + "..."
	}
	return name
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func indexed(at string, i int) string { return at + "[" + strconv.Itoa(i) + "]" }

// inside puts the place of a list or an object before that of what is wrong
// in it. Places are put together only here: nearly every record is in order.
func inside(at string, err error) error {
	var e *fault.Error
	if errors.As(err, &e) && at != "" {
		if e.Where == "" {
			e.Where = at
		} else {
			e.Where = join(at, e.Where)
		}
	}
	return err
}

// OneOf is an object that has exactly one of a few fields.
type OneOf []Field

func (o OneOf) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.Object); err != nil {
		return err
	}
	if len(v.Obj) == 1 {
		for _, f := range o {
			if f.Name == v.Obj[0].Name {
				return f.Kind.check(v.Obj[0].Value, join(at, f.Name))
			}
		}
	}
	return badField(at, "exactly one of these is expected: %s", Object(o).names())
}

// All is the word that stands for everything where an OrAll is expected.
const All = "all"

// OrAll is the word all, or a value of another kind.
type OrAll struct{ Of Kind }

func (o OrAll) check(v jcs.Value, at string) error {
	if v.Kind == jcs.String && v.Str == All {
		return nil
	}
	return o.Of.check(v, at)
}

// List is a list of Min to Max values of one kind. It is never empty.
type List struct {
	Of       Kind
	Min, Max int
}

func listOf(k Kind, max int) List { return List{k, 1, max} }

func (l List) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.List); err != nil {
		return err
	}
	if n := len(v.List); n < l.Min || n > l.Max {
		return badField(at, "a list of %d to %d values is expected, this one has %d", l.Min, l.Max, n)
	}
	for i, e := range v.List {
		if err := l.Of.check(e, ""); err != nil {
			return inside(indexed(at, i), err)
		}
	}
	return nil
}

// Map is an object whose field names are codes and whose values are of one kind.
type Map struct{ Of Kind }

func (m Map) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.Object); err != nil {
		return err
	}
	if len(v.Obj) > 64 {
		return badField(at, "at most 64 entries are allowed")
	}
	for _, f := range v.Obj {
		if !codeForm.MatchString(f.Name) {
			return badField(join(at, clip(f.Name)), "this name is not a code")
		}
		if err := m.Of.check(f.Value, f.Name); err != nil {
			return inside(at, err)
		}
	}
	return nil
}

// Whole is an integer from Min to Max.
type Whole struct{ Min, Max int64 }

func (w Whole) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.Int); err != nil {
		return err
	}
	if v.Int < w.Min || v.Int > w.Max {
		return badField(at, "%d is not within %d to %d", v.Int, w.Min, w.Max)
	}
	return nil
}

// YesNo is true or false.
type YesNo struct{}

func (YesNo) check(v jcs.Value, at string) error { return expect(v, at, jcs.Bool) }

// Text is text of 1 to Max bytes of UTF-8.
type Text struct{ Max int }

func (t Text) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.String); err != nil {
		return err
	}
	if n := len(v.Str); n < 1 || n > t.Max {
		return badField(at, "text of 1 to %d bytes is expected, this one has %d", t.Max, n)
	}
	return nil
}

// Enum is one of a few words.
type Enum []string

func (e Enum) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.String); err != nil {
		return err
	}
	for _, w := range e {
		if v.Str == w {
			return nil
		}
	}
	return badField(at, "%s is not one of %s", quoteShort(v.Str), strings.Join(e, ", "))
}

// Form is text that a rule recognises.
type Form struct {
	What    string // as the error names it
	Pattern string // regular expression that all such text matches, as JSON Schema has them
	Ok      func(string) bool
	Max     int    // bytes, where Pattern sets no bound; else 0
	Format  string // as JSON Schema names it, if it has a name there
}

func (f Form) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.String); err != nil {
		return err
	}
	if !f.Ok(v.Str) {
		return badField(at, "%s is not %s", quoteShort(v.Str), f.What)
	}
	return nil
}

// VKey is a C2SP verifier key of one type.
type VKey struct{ Type byte }

func (k VKey) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.String); err != nil {
		return err
	}
	key, err := certs.ParseVKey(v.Str)
	if err != nil {
		return fault.New(fault.Code(err), at, err.Error())
	}
	if key.Type() != k.Type {
		return badField(at, "a key of type 0x%02x is expected, this one has type 0x%02x", k.Type, key.Type())
	}
	return nil
}

// Ref is the leaf hash of an earlier record of the same vehicle, of one type,
// or of any if Type is "".
// The state machine, which knows the log, checks that it is there.
type Ref struct{ Type string }

func (Ref) check(v jcs.Value, at string) error { return hexHash.check(v, at) }

// KeyOrPin is a C2SP verifier key of a record or admin key, or the pin of a
// TLS key; a verifier key has plus signs, a pin has none.
type KeyOrPin struct{}

func (KeyOrPin) check(v jcs.Value, at string) error {
	if strings.Contains(v.Str, "+") {
		return recordKey.check(v, at)
	}
	return Pin{}.check(v, at)
}

// Pin is a TLS public key: the lower-case hex of its SubjectPublicKeyInfo.
type Pin struct{}

func (Pin) check(v jcs.Value, at string) error {
	if err := expect(v, at, jcs.String); err != nil {
		return err
	}
	if _, err := certs.ParsePin(v.Str); err != nil {
		return fault.New(fault.Code(err), at, err.Error())
	}
	return nil
}
