// Package jcs reads and writes the one JSON form that milepost signs:
// RFC 8785 (JCS), with integers within ±(2^53-1) only, ASCII field names,
// and text free of control and bidirectional characters. Whatever Parse
// accepts, Append writes back byte for byte. It keeps no state, does no I/O.
package jcs

import (
	"sort"
	"strconv"
)

// Kind is the kind of a JSON value.
type Kind byte

// The kinds. JSON's null has no place in milepost: an absent field is absent.
const (
	Bool Kind = iota + 1
	Int
	String
	List
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "an integer", "text", "a list", "an object"}[k]
}

// MaxInt is the largest integer that JSON carries exactly: 2^53-1.
const MaxInt = 1<<53 - 1

// Value is a JSON value. The zero Value is no value.
type Value struct {
	Kind Kind
	Int  int64   // Int; Bool: 0 or 1
	Str  string  // String
	List []Value // List
	Obj  []Field // Object, sorted by name, names unique
}

// Field is one field of an object.
type Field struct {
	Name  string
	Value Value
}

// Get returns the named field of an object, or no value.
func (v Value) Get(name string) Value {
	i := sort.Search(len(v.Obj), func(i int) bool { return v.Obj[i].Name >= name })
	if i < len(v.Obj) && v.Obj[i].Name == name {
		return v.Obj[i].Value
	}
	return Value{}
}

// Has reports whether an object has the named field.
func (v Value) Has(name string) bool { return v.Get(name).Kind != 0 }

// Text returns a text value.
func Text(s string) Value { return Value{Kind: String, Str: s} }

// Number returns an integer value.
func Number(n int64) Value { return Value{Kind: Int, Int: n} }

// Boolean returns true or false.
func Boolean(b bool) Value {
	v := Value{Kind: Bool}
	if b {
		v.Int = 1
	}
	return v
}

// Array returns a list.
func Array(vs ...Value) Value { return Value{Kind: List, List: vs} }

// Texts returns a list of texts.
func Texts(ss []string) Value {
	v := Value{Kind: List}
	for _, s := range ss {
		v.List = append(v.List, Text(s))
	}
	return v
}

// Make returns an object of the given fields that have a value.
func Make(fields ...Field) Value {
	v := Value{Kind: Object}
	for _, f := range fields {
		if f.Value.Kind != 0 {
			v.Obj = append(v.Obj, f)
		}
	}
	sort.Slice(v.Obj, func(i, j int) bool { return v.Obj[i].Name < v.Obj[j].Name })
	return v
}

// With returns an object with one field set.
func (v Value) With(name string, f Value) Value {
	fields := []Field{{name, f}}
	for _, o := range v.Obj {
		if o.Name != name {
			fields = append(fields, o)
		}
	}
	return Make(fields...)
}

// Strings returns the texts of a list.
func (v Value) Strings() []string {
	var ss []string
	for _, e := range v.List {
		ss = append(ss, e.Str)
	}
	return ss
}

// Append writes the value in canonical form.
func (v Value) Append(b []byte) []byte {
	switch v.Kind {
	case Bool:
		return strconv.AppendBool(b, v.Int == 1)
	case Int:
		return strconv.AppendInt(b, v.Int, 10)
	case String:
		return appendText(b, v.Str)
	case List:
		b = append(b, '[')
		for i, e := range v.List {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.Append(b)
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		for i, f := range v.Obj {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, f.Name), ':')
			b = f.Value.Append(b)
		}
		return append(b, '}')
	}
	panic("jcs: a value without a kind")
}

func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		var e string
		switch s[i] {
		case '"':
			e = `\"`
		case '\\':
			e = `\\`
		case '\n':
			e = `\n`
		default:
			continue
		}
		b = append(append(b, s[start:i]...), e...)
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}

// Bytes returns the canonical form.
func (v Value) Bytes() []byte { return v.Append(nil) }
