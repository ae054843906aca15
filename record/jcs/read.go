package jcs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/milepost-log/milepost/certs/fault"
)

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
			}
			if f.Value, err = read(d, depth-1); err != nil {
				return Value{}, err
			}
			v.Obj, v.List = append(v.Obj, f), append(v.List, f.Value)
		}
		if _, err := d.Token(); err != nil {
			return Value{}, err
		}
		if v.Kind == List {
			return Array(v.List...), nil
		}
		// A field that is there twice stays so, and Parse refuses it.
		return Make(v.Obj...), nil
	}
	return Value{}, fmt.Errorf("null is not allowed, leave the field out")
}
