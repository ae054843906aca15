package record

import "github.com/milepost-log/milepost/record/jcs"

// EachHash returns a body in which every text, at any depth, that stands
// where this type has a hash in hexadecimal is what fn makes of it; at is its
// place, such as body.findings[0].target. Whatever else is wrong with the
// body stays as it is.
func (t *Type) EachHash(body jcs.Value, fn func(at, text string) (string, error)) (jcs.Value, error) {
	return eachHash(t.Body, body, "body", fn)
}

func eachHash(k Kind, v jcs.Value, at string, fn func(at, text string) (string, error)) (_ jcs.Value, err error) {
	switch k := k.(type) {
	case Object:
		for _, f := range k {
			if !v.Has(f.Name) {
				continue
			}
			to, err := eachHash(f.Kind, v.Get(f.Name), join(at, f.Name), fn)
			if err != nil {
				return v, err
			}
			v = v.With(f.Name, to)
		}
	case List:
		list := append([]jcs.Value{}, v.List...)
		for i := range list {
			if list[i], err = eachHash(k.Of, list[i], indexed(at, i), fn); err != nil {
				return v, err
			}
		}
		if v.Kind == jcs.List {
			v = jcs.Array(list...)
		}
	case Ref, Form:
		if f, is := k.(Form); is && f.Pattern != hexHash.Pattern || v.Kind != jcs.String {
			return v, nil
		}
		v.Str, err = fn(at, v.Str)
	}
	return v, err
}
