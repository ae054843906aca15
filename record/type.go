package record

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record/jcs"
)

// Type is the definition of one record type: all that the machinery knows
// of it. A new type is one more entry in the table.
type Type struct {
	Name     string
	Sentence string   // what it records, for a person
	Subjects []string // class of each of its subjects, sorted
	// Or holds other sets of classes that it may have instead.
	Or      [][]string
	Writers []string // v1 of the rules: kinds of member, KIND:role, DEV, NODE, any, GOV, admin
	Fresh   string   // how soon it is expected on the log
	Body    Object
	// Say tells in a few words what a body records, and the mileage that it
	// gives, "" if none.
	Say func(body jcs.Value) (what, mileage string)
	// Rule checks what no single field can; nil if there is nothing. Demands
	// says what, for a person.
	Rule    func(r *Record) error
	Demands string
	// Case names the kind of case that records of the type belong to, "any"
	// for those that serve every kind; "" for none. The room verify runs cases.
	Case string
	// Papers demands an attachment at least, of signed records: a draft gets
	// its attachments after it is written.
	Papers bool
	// Example is a body of the type, canonical JSON; with every field, unless
	// some exclude each other.
	Example string
	// Owner is the field of the body that names the member or governor whose
	// history the record is in; "" for none.
	Owner string
}

// Writers that are no kind of member.
const (
	WriterGovernors = "GOV"   // the threshold of governors
	WriterAdmin     = "admin" // an admin key of the member, or the governors
	WriterDevice    = "DEV"   // a key bound to a device
	WriterNode      = "NODE"  // a member that runs a node
	WriterAny       = "any"   // any member
)

// Governed reports whether the type may carry several signatures.
func (t *Type) Governed() bool {
	for _, w := range t.Writers {
		if w == WriterGovernors || w == WriterAdmin {
			return true
		}
	}
	return false
}

func (t *Type) check(r *Record) error {
	var room [MaxSubjects]string
	classes := room[:0]
	for _, s := range r.Subjects {
		c, err := SubjectClass(s)
		if err != nil {
			return err
		}
		classes = append(classes, c)
	}
	slices.Sort(classes)
	if !t.takes(classes) {
		return badField("subjects", "%s belongs to exactly: %s", t.Name, t.SubjectWords())
	}
	if err := t.Body.check(r.Body, "body"); err != nil {
		return err
	}
	if t.Owner != "" {
		if want := MemberSubject(r.Body.Get(t.Owner).Str); r.Subjects[0] != want {
			return badField("subjects", "the body names %s, so the subject is %s", r.Body.Get(t.Owner).Str, want)
		}
	}
	if classes[0] == "notice" {
		if want := NoticeSubject(r.Author); r.Subjects[0] != want {
			return badField("subjects", "a notice is its author's, so the subject is %s", want)
		}
	}
	if t.Rule != nil {
		return t.Rule(r)
	}
	return nil
}

// takes reports whether a record of the type may have subjects of these
// classes, sorted.
func (t *Type) takes(classes []string) bool {
	if slices.Equal(classes, t.Subjects) {
		return true
	}
	for _, or := range t.Or {
		if slices.Equal(classes, or) {
			return true
		}
	}
	return false
}

// SubjectWords says which classes of subjects the type has: "vehicle", or
// "vehicle; or workshop".
func (t *Type) SubjectWords() string {
	s := strings.Join(t.Subjects, ", ")
	for _, or := range t.Or {
		s += "; or " + strings.Join(or, ", ")
	}
	return s
}

// Reference is a field of a record that names an earlier record of the same
// vehicle by its leaf hash.
type Reference struct {
	At   string // field path
	Type string // type that the other record must have
	Hash string // 64 hex digits
}

// References lists the references in a record's body.
func (r *Record) References() []Reference {
	if r.Def == nil {
		return nil
	}
	return references(nil, r.Def.Body, r.Body, "body")
}

func references(refs []Reference, k Kind, v jcs.Value, at string) []Reference {
	switch k := k.(type) {
	case Ref:
		return append(refs, Reference{at, k.Type, v.Str})
	case Object:
		for _, f := range k {
			if fv := v.Get(f.Name); fv.Kind != 0 {
				refs = references(refs, f.Kind, fv, join(at, f.Name))
			}
		}
	case List:
		for i, e := range v.List {
			refs = references(refs, k.Of, e, indexed(at, i))
		}
	}
	return refs
}

var table = map[string]*Type{}

func define(types ...Type) {
	for i := range types {
		t := &types[i]
		if table[t.Name] != nil {
			panic("record type defined twice: " + t.Name)
		}
		table[t.Name] = t
	}
}

// Lookup returns the definition of a type, or nil.
func Lookup(name string) *Type { return table[name] }

// NamedType finds a type by its name, of which /1 may be left out. Code
// unknown_type.
func NamedType(name string) (*Type, error) {
	if !strings.Contains(name, "/") {
		name += "/1"
	}
	if t := Lookup(name); t != nil {
		return t, nil
	}
	return nil, ErrUnknownType(name)
}

// Types lists all definitions by name.
func Types() []*Type {
	var ts []*Type
	for _, t := range table {
		ts = append(ts, t)
	}
	sort.Slice(ts, func(i, j int) bool { return ts[i].Name < ts[j].Name })
	return ts
}

// ErrUnknownType is the refusal of a type that this program does not know.
func ErrUnknownType(name string) error {
	var known []string
	for _, t := range Types() {
		known = append(known, t.Name)
	}
	return fault.New("unknown_type", "type", fmt.Sprintf("%q is not a known record type", name)).
		WithHint("known types: " + strings.Join(known, ", "))
}
