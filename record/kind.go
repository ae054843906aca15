package record

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// Kind is the shape of a field: what a definition is made of. A kind checks
// a value and says which field is wrong and why; at is the value's place in
// the object around it.
type Kind interface {
	check(v jcs.Value, at string) error
}

// Field is one field of an object's definition.
type Field struct {
	Name     string
	Kind     Kind
	Optional bool
}

func need(name string, k Kind) Field { return Field{name, k, false} }
func may(name string, k Kind) Field  { return Field{name, k, true} }

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
	for _, f := range o {
		fv := v.Get(f.Name)
		switch {
		case fv.Kind != 0:
			known++
			if err := f.Kind.check(fv, f.Name); err != nil {
				return inside(at, err)
			}
		case !f.Optional:
			return badField(join(at, f.Name), "this field is missing")
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
			return inside(fmt.Sprintf("%s[%d]", at, i), err)
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
	What string // as the error names it
	Ok   func(string) bool
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

var (
	codeForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{8}$`)
	actForm  = regexp.MustCompile(`^[a-z0-9._-]{1,32}$`)
	wmiForm  = regexp.MustCompile(`^[A-HJ-NPR-Z0-9]{3}([A-HJ-NPR-Z0-9]{3})?$`)
	landForm = regexp.MustCompile(`^[A-Z]{2}$`)
	zoneForm = regexp.MustCompile(`^[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}$`)
	hostForm = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]):([1-9][0-9]{0,4})$`)
)

func matches(what string, re *regexp.Regexp) Form { return Form{what, re.MatchString} }

var (
	code      = matches("a code (a-z, 0-9 and _, at most 32)", codeForm)
	typeName  = Form{"a record type such as odometer.reading/1", isTypeName}
	hexHash   = Form{"a hash of 64 lower-case hexadecimal digits", func(s string) bool { return len(s) == 64 && isHex(s) }}
	keyID     = matches("a key ID of 8 lower-case hexadecimal digits", idForm)
	actorID   = matches("an actor (a-z, 0-9, ., _ and -, at most 32)", actForm)
	wmi       = matches("a world manufacturer identifier of 3 or 6 characters", wmiForm)
	country   = matches("a country code of two capital letters", landForm)
	zoneName  = matches("a time zone name such as Europe/Paris", zoneForm)
	hostPort  = Form{"a host and port such as node.example:7400", isHostPort}
	name      = Form{"a name such as dealer.example/lyon", certs.ValidName}
	digest    = Form{"base64 of 32 bytes", func(s string) bool { return isBase64(s, 32, 32) }}
	proof     = Form{"base64 of an Ed25519 or ML-DSA-44 signature", func(s string) bool { return isBase64(s, 64, 64) || isBase64(s, 2420, 2420) }}
	nonce     = Form{"base64 of 16 bytes", func(s string) bool { return isBase64(s, 16, 16) }}
	dayForm   = Form{"a date such as 2026-05-04", isDate}
	timeForm  = Form{"a time such as 2026-05-04T10:12:00+02:00", func(s string) bool { _, err := ParseTime(s); return err == nil }}
	utcForm   = Form{"a time in UTC such as 2026-05-04T08:12:00Z", func(s string) bool { _, err := ParseUTC(s); return err == nil }}
	uuidForm  = Form{"a UUIDv7 in lower case", func(s string) bool { return CheckUUIDv7(s) == nil }}
	vinForm   = Form{"a VIN of 17 characters", func(s string) bool { _, err := ParseVIN(s); return err == nil }}
	recordKey = VKey{certs.Ed25519}
)

// isTypeName is [a-z]+ "." [a-z_]+ "/" [1-9][0-9]? of at most 64 bytes. This
// and isHex are no regular expressions because they look at every record.
func isTypeName(s string) bool {
	noun, rest, _ := strings.Cut(s, ".")
	verb, version, _ := strings.Cut(rest, "/")
	if len(s) > 64 || noun == "" || verb == "" || version == "" || len(version) > 2 || version[0] == '0' {
		return false
	}
	for i := range len(noun) {
		if noun[i] < 'a' || noun[i] > 'z' {
			return false
		}
	}
	for i := range len(verb) {
		if (verb[i] < 'a' || verb[i] > 'z') && verb[i] != '_' {
			return false
		}
	}
	for i := range len(version) {
		if version[i] < '0' || version[i] > '9' {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

func isBase64(s string, min, max int) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && len(raw) >= min && len(raw) <= max && base64.StdEncoding.EncodeToString(raw) == s
}

func isDate(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && t.Format(time.DateOnly) == s && t.Year() >= 1900 && t.Year() <= 2999
}

func isHostPort(s string) bool {
	m := hostForm.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	port, err := strconv.Atoi(m[2])
	return err == nil && port <= 65535
}
