// Package jcs reads and writes the one JSON form that milepost signs:
// RFC 8785 (JCS), with integers within ±(2^53-1) only, ASCII field names,
// and text free of control and bidirectional characters. Whatever Parse
// accepts, Append writes back byte for byte. It keeps no state, does no I/O.
package jcs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"unicode/utf8"

	"github.com/milepost-log/milepost/certs/fault"
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

// Limits bound what Parse accepts.
type Limits struct {
	Bytes    int  // whole input
	Depth    int  // nesting of lists and objects
	Values   int  // values of every kind together; 0 for any number
	Newlines bool // text may hold line feeds (proof files carry notes)
}

// Parse reads one JSON value in canonical form and nothing after it.
func Parse(data []byte, lim Limits) (Value, error) {
	if len(data) > lim.Bytes {
		return Value{}, fault.New("too_large", "", fmt.Sprintf("the JSON has %d bytes, at most %d are allowed", len(data), lim.Bytes))
	}
	p := parser{data: data, newlines: lim.Newlines, left: lim.Values}
	if lim.Values == 0 {
		p.left = len(data) + 1
	}
	v, err := p.value(lim.Depth)
	if err == nil && p.at != len(data) {
		err = p.bad("bytes follow the value")
	}
	if err != nil {
		return Value{}, err
	}
	if out := v.Append(make([]byte, 0, len(data))); !bytes.Equal(out, data) {
		return Value{}, fault.New("json_form", "", "the JSON is not in the canonical form of RFC 8785")
	}
	return v, nil
}

type parser struct {
	data     []byte
	at       int
	newlines bool
	left     int // values still allowed
}

func (p *parser) bad(why string) error {
	return fault.New("json_form", "", fmt.Sprintf("JSON byte %d: %s", p.at, why)).
		WithHint("records are canonical JSON (RFC 8785): no spaces, sorted unique keys, integers, no null")
}

func (p *parser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

func (p *parser) eat(s string) bool {
	if bytes.HasPrefix(p.data[p.at:], []byte(s)) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) value(depth int) (Value, error) {
	// A value in memory is some eighty bytes, in a hostile input two.
	if p.left--; p.left < 0 {
		return Value{}, p.bad("it holds too many values")
	}
	switch c := p.peek(); {
	case c == '"':
		s, err := p.text()
		return Value{Kind: String, Str: s}, err
	case c == '{' || c == '[':
		if depth == 0 {
			return Value{}, p.bad("nested too deeply")
		}
		if c == '{' {
			return p.object(depth - 1)
		}
		return p.list(depth - 1)
	case c == '-' || c >= '0' && c <= '9':
		return p.integer()
	case p.eat("true"):
		return Boolean(true), nil
	case p.eat("false"):
		return Boolean(false), nil
	case p.eat("null"):
		return Value{}, p.bad("null is not allowed, leave the field out")
	}
	return Value{}, p.bad("no JSON value here")
}

func (p *parser) integer() (Value, error) {
	start := p.at
	p.eat("-")
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	s := string(p.data[start:p.at])
	if c := p.peek(); c == '.' || c == 'e' || c == 'E' {
		return Value{}, p.bad("numbers are integers")
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > MaxInt || n < -MaxInt || strconv.FormatInt(n, 10) != s {
		return Value{}, p.bad("not a canonical integer within ±(2^53-1)")
	}
	return Number(n), nil
}

func (p *parser) object(depth int) (Value, error) {
	v := Value{Kind: Object}
	p.at++
	if p.eat("}") {
		return v, nil
	}
	for {
		if p.peek() != '"' {
			return Value{}, p.bad("a field name is expected")
		}
		name, err := p.text()
		if err != nil {
			return Value{}, err
		}
		for i := 0; i < len(name); i++ {
			if name[i] >= 0x80 {
				return Value{}, p.bad("field names are ASCII")
			}
		}
		if n := len(v.Obj); n > 0 && v.Obj[n-1].Name >= name {
			return Value{}, p.bad(fmt.Sprintf("field %q is out of order or there twice", name))
		}
		if !p.eat(":") {
			return Value{}, p.bad("a colon is expected")
		}
		f, err := p.value(depth)
		if err != nil {
			return Value{}, err
		}
		v.Obj = append(v.Obj, Field{name, f})
		if p.eat("}") {
			return v, nil
		}
		if !p.eat(",") {
			return Value{}, p.bad("a comma or } is expected")
		}
	}
}

func (p *parser) list(depth int) (Value, error) {
	v := Value{Kind: List}
	p.at++
	if p.eat("]") {
		return v, nil
	}
	for {
		e, err := p.value(depth)
		if err != nil {
			return Value{}, err
		}
		v.List = append(v.List, e)
		if p.eat("]") {
			return v, nil
		}
		if !p.eat(",") {
			return Value{}, p.bad("a comma or ] is expected")
		}
	}
}

// text reads a string. Control characters never occur in it, so the only
// escapes that JCS writes are those of the quote and the backslash, and of
// the line feed where that is allowed.
func (p *parser) text() (string, error) {
	p.at++
	var out []byte
	start := p.at
	for {
		if p.at >= len(p.data) {
			return "", p.bad("a string does not end")
		}
		switch c := p.data[p.at]; {
		case c == '"':
			out = append(out, p.data[start:p.at]...)
			p.at++
			return string(out), nil
		case c == '\\':
			out = append(out, p.data[start:p.at]...)
			p.at++
			switch e := p.peek(); {
			case e == '"' || e == '\\':
				out = append(out, e)
			case e == 'n' && p.newlines:
				out = append(out, '\n')
			default:
				return "", p.bad("an escape that canonical JSON without control characters does not have")
			}
			p.at++
			start = p.at
		default:
			r, size := utf8.DecodeRune(p.data[p.at:])
			if r == utf8.RuneError && size < 2 {
				return "", p.bad("not valid UTF-8")
			}
			if Forbidden(r) {
				return "", p.bad(fmt.Sprintf("character U+%04X is not allowed", r))
			}
			p.at += size
		}
	}
}

// Forbidden reports whether a character may not stand in any text: control
// characters, and those that change the direction of the text around them.
func Forbidden(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// CheckText refuses text that Parse would refuse.
func CheckText(s string) error {
	if !utf8.ValidString(s) {
		return fault.New("text_form", "", "it is not valid UTF-8")
	}
	for _, r := range s {
		if Forbidden(r) {
			return fault.New("text_form", "", fmt.Sprintf("character U+%04X is not allowed", r))
		}
	}
	return nil
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

// Read reads JSON as people and programs write it, with spaces and fields in
// any order, and returns what Parse would of its canonical form. What that
// form can't hold is refused: null, fractions, fields there twice.
func Read(data []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := read(d, 32)
	if err != nil {
		return Value{}, fault.New("json_form", "", "the JSON cannot be read").Because(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Value{}, fault.New("json_form", "", "bytes follow the JSON")
	}
	return Parse(v.Bytes(), Limits{Bytes: len(data) + 64, Depth: 32})
}

func read(d *json.Decoder, depth int) (Value, error) {
	t, err := d.Token()
	if err != nil {
		return Value{}, err
	}
	if depth == 0 {
		return Value{}, fmt.Errorf("nested too deeply")
	}
	switch t := t.(type) {
	case string:
		return Text(t), nil
	case bool:
		return Boolean(t), nil
	case json.Number:
		n, err := strconv.ParseInt(t.String(), 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%s is not an integer", t)
		}
		return Number(n), nil
	case json.Delim:
		v := Value{Kind: List}
		if t == '{' {
			v.Kind = Object
		}
		for d.More() {
			var f Field
			if v.Kind == Object {
				name, err := d.Token()
				if err != nil {
					return Value{}, err
				}
				f.Name = name.(string)
				if v.Has(f.Name) {
					return Value{}, fmt.Errorf("field %q is there twice", f.Name)
				}
			}
			if f.Value, err = read(d, depth-1); err != nil {
				return Value{}, err
			}
			if v.Kind == Object {
				v = v.With(f.Name, f.Value)
			} else {
				v.List = append(v.List, f.Value)
			}
		}
		_, err := d.Token()
		return v, err
	}
	return Value{}, fmt.Errorf("null is not allowed, leave the field out")
}
