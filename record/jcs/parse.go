package jcs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/milepost-log/milepost/certs/fault"
)

// Limits bound what Parse accepts.
type Limits struct {
	Bytes    int  // whole input
	Depth    int  // nesting of lists and objects
	Values   int  // values of every kind together; 0 for any number
	Newlines bool // text may hold line feeds (proof files carry notes)
}

// Parse reads one JSON value in canonical form and nothing after it.
func Parse(data []byte, lim Limits) (Value, error) {
	if err := lim.checkSize(len(data)); err != nil {
		return Value{}, err
	}
	return ParseString(string(data), lim)
}

// ParseString is Parse of a string, of which the texts of the value are parts.
func ParseString(data string, lim Limits) (Value, error) {
	if err := lim.checkSize(len(data)); err != nil {
		return Value{}, err
	}
	p := parser{data: data, newlines: lim.Newlines, left: lim.Values, fields: make([]Field, 0, 16)}
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
	// Most records fit here, and every node parses every record.
	var room [1024]byte
	out := room[:0]
	if len(data) > len(room) {
		out = make([]byte, 0, len(data))
	}
	if string(v.Append(out)) != data {
		return Value{}, fault.New("json_form", "", "the JSON is not in the canonical form of RFC 8785")
	}
	return v, nil
}

func (lim Limits) checkSize(n int) error {
	if n > lim.Bytes {
		return fault.New("too_large", "", fmt.Sprintf("the JSON has %d bytes, at most %d are allowed", n, lim.Bytes))
	}
	return nil
}

type parser struct {
	data     string
	at       int
	newlines bool
	left     int     // values still allowed
	fields   []Field // of the objects that are not closed yet, the innermost last
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
	if strings.HasPrefix(p.data[p.at:], s) {
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
	s := p.data[start:p.at]
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
	first := len(p.fields)
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
		if n := len(p.fields); n > first && p.fields[n-1].Name >= name {
			return Value{}, p.bad(fmt.Sprintf("field %q is out of order or there twice", name))
		}
		if !p.eat(":") {
			return Value{}, p.bad("a colon is expected")
		}
		f, err := p.value(depth)
		if err != nil {
			return Value{}, err
		}
		p.fields = append(p.fields, Field{name, f})
		if p.eat("}") {
			v.Obj = slices.Clone(p.fields[first:])
			p.fields = p.fields[:first]
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
	var out []byte // what stands before start, if that has an escape
	start := p.at
	for {
		if p.at >= len(p.data) {
			return "", p.bad("a string does not end")
		}
		switch c := p.data[p.at]; {
		case c == '"':
			s := p.data[start:p.at]
			p.at++
			if out != nil {
				s = string(append(out, s...))
			}
			return s, nil
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
		case c >= 0x20 && c < 0x7f:
			p.at++
		default:
			r, size := utf8.DecodeRuneInString(p.data[p.at:])
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
