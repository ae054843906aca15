package jcs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
)

var wide = Limits{Bytes: 1 << 16, Depth: 8}

func TestCanonicalFormsPass(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`{}`, `[]`, `""`, `0`, `-1`, `true`, `false`, `9007199254740991`, `-9007199254740991`, `[1,[2,[]],{"a":{}}]`,
		`{"A":1,"B":2,"_":3,"a":4,"aa":5,"b":6}`, `{"":1,"a":2}`, `"é😀\"\\/ €"`, `"�"`, `{"a":"\\n"}`,
		"\"\u00a0\u2027\u202f\u2065\u206a\ufeff\"",
	} {
		v, err := Parse([]byte(s), wide)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		} else if got := string(v.Bytes()); got != s {
			t.Errorf("%s came back as %s", s, got)
		}
	}
}

func TestEverythingElseIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, words string }{
		{``, "no JSON value here"},
		{` {}`, "no JSON value here"},
		{"{}\n", "bytes follow the value"},
		{`{}{}`, "bytes follow the value"},
		{`{ }`, "a field name is expected"},
		{`[ ]`, "no JSON value here"},
		{`[1, 2]`, "no JSON value here"},
		{`[1,]`, "no JSON value here"},
		{`[,1]`, "no JSON value here"},
		{`[1 ,2]`, "a comma or ] is expected"},
		{`[1`, "a comma or ] is expected"},
		{`{"a":1,}`, "a field name is expected"},
		{`{"a" :1}`, "a colon is expected"},
		{`{"a"}`, "a colon is expected"},
		{`{"a":}`, "no JSON value here"},
		{`{"a":1 }`, "a comma or } is expected"},
		{`{"a":1`, "a comma or } is expected"},
		{`{a:1}`, "a field name is expected"},
		{`{1:1}`, "a field name is expected"},
		{`{"a":1,"a":1}`, `field "a" is out of order or there twice`},
		{`{"b":1,"a":1}`, `field "a" is out of order or there twice`},
		{`{"a":1,"B":1}`, `field "B" is out of order or there twice`},
		{`{"é":1}`, "field names are ASCII"},
		{`null`, "null is not allowed"},
		{`{"a":null}`, "null is not allowed"},
		{`True`, "no JSON value here"}, {`tru`, "no JSON value here"}, {`truefalse`, "bytes follow the value"}, {`NaN`, "no JSON value here"},
		{`1.0`, "numbers are integers"}, {`1e3`, "numbers are integers"}, {`1E3`, "numbers are integers"}, {`0.5`, "numbers are integers"}, {`.5`, "no JSON value here"},
		{`-0`, "not a canonical integer"}, {`00`, "not a canonical integer"}, {`010`, "not a canonical integer"}, {`-01`, "not a canonical integer"},
		{`-`, "not a canonical integer"}, {`+1`, "no JSON value here"}, {`0x10`, "bytes follow the value"}, {`1_000`, "bytes follow the value"},
		{`9007199254740992`, "not a canonical integer within"}, {`-9007199254740992`, "not a canonical integer within"},
		{`99999999999999999999999`, "not a canonical integer within"},
		{`"`, "a string does not end"}, {`"a`, "a string does not end"}, {`"\`, "an escape that"}, {`"\"`, "a string does not end"},
		{`"\n"`, "an escape that"}, {`"\/"`, "an escape that"}, {`"\u0061"`, "an escape that"}, {`"\u000a"`, "an escape that"}, {`"\x"`, "an escape that"}, {`"\b"`, "an escape that"},
		{"\"\n\"", "character U+000A is not allowed"}, {"\"\t\"", "character U+0009 is not allowed"}, {"\"\x00\"", "character U+0000 is not allowed"},
		{"\"\u202e\"", "character U+202E is not allowed"}, {"\"\u2066\"", "character U+2066 is not allowed"}, {"\"\u0085\"", "character U+0085 is not allowed"},
		{"{\"\u2028\":1}", "character U+2028 is not allowed"},
		{"\"\xff\"", "not valid UTF-8"}, {"\"\xed\xa0\x80\"", "not valid UTF-8"}, {"\"\xc0\xaf\"", "not valid UTF-8"}, {"\"\xf4\x90\x80\x80\"", "not valid UTF-8"}, {"\"\xc3", "not valid UTF-8"},
		{"\ufeff{}", "no JSON value here"},
		{strings.Repeat("[", 9) + strings.Repeat("]", 9), "nested too deeply"},
		{strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9), "nested too deeply"},
	} {
		_, err := Parse([]byte(c.in), wide)
		if fault.Code(err) != "json_form" || !strings.Contains(fmt.Sprint(err), c.words) {
			t.Errorf("%q: %v, want %q", c.in, err, c.words)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	doc := `[[1,2],{"a":[]}]`
	for _, c := range []struct {
		lim  Limits
		code string
	}{
		{Limits{Bytes: len(doc), Depth: 3, Values: 6}, ""},
		{Limits{Bytes: len(doc), Depth: 3}, ""},
		{Limits{Bytes: len(doc) - 1, Depth: 3}, "too_large"},
		{Limits{Bytes: len(doc), Depth: 2}, "json_form"},
		{Limits{Bytes: len(doc), Depth: 3, Values: 5}, "json_form"},
	} {
		_, err := Parse([]byte(doc), c.lim)
		if (err == nil) != (c.code == "") || err != nil && fault.Code(err) != c.code {
			t.Errorf("%+v: %v", c.lim, err)
		}
	}
	if _, err := Parse([]byte(`"a\nb"`), Limits{Bytes: 10, Depth: 1, Newlines: true}); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"\"\n\"", `"\r"`, `"\u000a"`} {
		if _, err := Parse([]byte(s), Limits{Bytes: 10, Depth: 1, Newlines: true}); fault.Code(err) != "json_form" {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Every character there is: exactly those of the specification are refused.
func TestForbiddenCharacters(t *testing.T) {
	t.Parallel()
	within := func(r rune, ranges ...[2]rune) bool {
		for _, x := range ranges {
			if r >= x[0] && r <= x[1] {
				return true
			}
		}
		return false
	}
	for r := rune(0); r <= 0x10ffff; r++ {
		if within(r, [2]rune{0xd800, 0xdfff}) {
			continue
		}
		want := within(r, [2]rune{0, 0x1f}, [2]rune{0x7f, 0x9f}, [2]rune{0x2028, 0x202e}, [2]rune{0x2066, 0x2069})
		s := string(r)
		if Forbidden(r) != want || (CheckText("a"+s) != nil) != want {
			t.Fatalf("U+%04X: forbidden %v", r, !want)
		}
		if r == '"' || r == '\\' {
			continue
		}
		if _, err := Parse([]byte(`"`+s+`"`), wide); (err != nil) != want {
			t.Fatalf("U+%04X: %v", r, err)
		}
	}
	if CheckText("\xff") == nil {
		t.Error("what is no UTF-8 is text")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	v := Make(Field{"z", Number(-3)}, Field{"a", Text("x\"\\")}, Field{"m", Texts([]string{"p", "q"})}, Field{"absent", Value{}}, Field{"b", Boolean(true)}, Field{"c", Array()})
	const want = `{"a":"x\"\\","b":true,"c":[],"m":["p","q"],"z":-3}`
	if got := string(v.Bytes()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if v.Has("absent") || v.Has("zz") || !v.Has("z") || v.Get("z").Int != -3 || v.Get("z").Get("no object").Kind != 0 {
		t.Error("fields are not found")
	}
	if got := v.Get("m").Strings(); !reflect.DeepEqual(got, []string{"p", "q"}) {
		t.Error(got)
	}
	w := v.With("z", Boolean(false)).With("k", Number(1))
	if got := string(w.Bytes()); got != `{"a":"x\"\\","b":true,"c":[],"k":1,"m":["p","q"],"z":false}` {
		t.Error(got)
	}
	if string(v.Bytes()) != want {
		t.Error("With changed its receiver")
	}
	for k, s := range map[Kind]string{0: "nothing", Bool: "true or false", Int: "an integer", String: "text", List: "a list", Object: "an object"} {
		if k.String() != s {
			t.Errorf("%d is %s", k, k)
		}
	}
}

func TestReadTakesJSONAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	v, err := Read([]byte(" {\n\t\"b\": [ 1 , { } , [] ],\"a\":\"\\u00e9\\/\"} \n"))
	if err != nil || string(v.Bytes()) != `{"a":"é/","b":[1,{},[]]}` {
		t.Errorf("%v, %v", v, err)
	}
	for _, c := range []struct{ in, words string }{
		{``, "EOF"}, {`{`, "EOF"}, {`{"a":1}x`, "bytes follow"}, {`{"a":1,"a":2}`, `field "a" is out of order or there twice`},
		{`{"a":1,"b":2,"a":1}`, `field "a" is out of order or there twice`}, {`{"a":null}`, "null is not allowed"}, {`[1.5]`, "1.5 is not an integer"},
		{`[9007199254740992]`, "within"}, {`["\u202e"]`, "U+202E"}, {`["\u0000"]`, "U+0000"}, {`["\n"]`, "not in the canonical form|U+000A|escape"},
		{strings.Repeat("[", 40), "nested too deeply"}, {`{1:2}`, "invalid"}, {`{"é":1}`, "ASCII"},
	} {
		_, err := Read([]byte(c.in))
		ok := false
		for _, w := range strings.Split(c.words, "|") {
			ok = ok || err != nil && strings.Contains(err.Error(), w)
		}
		if !ok || fault.Code(err) != "json_form" {
			t.Errorf("%q: %v, want %q", c.in, err, c.words)
		}
	}
}

// What Parse takes, Append writes back, and encoding/json reads the same of it.
func FuzzJCS(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2,"x\"y",true],"b":{}}`, `"\\"`, `9007199254740991`, `{"a":1,"a":2}`, "\"\u2066\"", `"a\nb"`} {
		f.Add([]byte(s), false)
	}
	f.Add([]byte(`"a\nb"`), true)
	f.Fuzz(func(t *testing.T, data []byte, newlines bool) {
		v, err := Parse(data, Limits{Bytes: 1 << 12, Depth: 6, Values: 1000, Newlines: newlines})
		if err != nil {
			return
		}
		if !bytes.Equal(v.Bytes(), data) {
			t.Fatalf("%s came back as %s", data, v.Bytes())
		}
		var theirs any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&theirs); err != nil {
			t.Fatalf("encoding/json refuses %s: %v", data, err)
		}
		if !reflect.DeepEqual(theirs, plain(v)) {
			t.Fatalf("encoding/json reads %v, not %v", theirs, plain(v))
		}
	})
}

func plain(v Value) any {
	switch v.Kind {
	case Bool:
		return v.Int == 1
	case Int:
		return json.Number(fmt.Sprint(v.Int))
	case String:
		return v.Str
	case List:
		l := []any{}
		for _, e := range v.List {
			l = append(l, plain(e))
		}
		return l
	}
	m := map[string]any{}
	for _, f := range v.Obj {
		m[f.Name] = plain(f.Value)
	}
	return m
}
