package jcs

import (
	"bytes"
	"fmt"
	"strconv"
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
