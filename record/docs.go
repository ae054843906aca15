package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// classes are the read classes, in the order in which they are told about.
var classes = []struct{ class, subject, history, readers string }{
	{"V", "vehicle", "the vehicle's history", "members that have written about the vehicle, its manufacturer, auditors; others by a grant"},
	{"W", "workshop", "what is for the workshop", "the vehicle's dealers, its manufacturer, arbitrators; the owner and others by a grant"},
	{"A", "access", "who may read, and who did", "the vehicle's dealers, its manufacturer, auditors; others by a grant"},
	{"N", "notice", "what members announce", "all members"},
	{"C", "campaign", "recalls", "all members"},
	{"O", "member", "the members", "all members"},
	{"G", Governance, "the log itself", "all members"},
}

// ReadClasses are the classes of who may read a type, those of its subjects:
// V, W, A, O, C, N or G.
func (t *Type) ReadClasses() (all []string) {
	for _, s := range t.Subjects {
		if c := ClassOf(s); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// ClassOf is the read class of a class of subjects, "" if there is none.
func ClassOf(subject string) string {
	for _, c := range classes {
		if c.subject == subject {
			return c.class
		}
	}
	return ""
}

// Readers says who may read records of the type.
func (t *Type) Readers() string {
	var parts []string
	for _, set := range append([][]string{t.Subjects}, t.Or...) {
		for _, c := range classes {
			if said := c.readers + " (class " + c.class + ")"; slices.Contains(set, c.subject) && !slices.Contains(parts, said) {
				parts = append(parts, said)
			}
		}
	}
	return strings.Join(parts, "; or ")
}

// ReadClassWords says what the read classes are.
func ReadClassWords() string {
	var parts []string
	for _, c := range classes {
		parts = append(parts, c.class+" "+c.history)
	}
	return strings.Join(parts, ", ")
}

// FieldInfo tells of one field of a type, wherever in the body it is.
type FieldInfo struct {
	At       string // its place: lines[].pay
	Optional bool
	Means    string
	Words    string // what it takes
}

// Fields lists the fields of the type's body, those of objects in it after
// the field that holds them.
func (t *Type) Fields() []FieldInfo { return fieldInfos(nil, t.Body, "") }

func fieldInfos(all []FieldInfo, k Kind, at string) []FieldInfo {
	switch k := k.(type) {
	case Object:
		for _, f := range k {
			all = append(all, FieldInfo{join(at, f.Name), f.Optional, f.Means, f.Kind.words()})
			all = fieldInfos(all, f.Kind, join(at, f.Name))
		}
	case OneOf:
		for _, f := range k {
			all = append(all, FieldInfo{join(at, f.Name), true, f.Means, f.Kind.words()})
		}
	case List:
		all = fieldInfos(all, k.Of, at+"[]")
	}
	return all
}

const docsIntro = `# Records

<!-- Written by ` + "`milepost record docs`" + ` from the definitions; edit those, not this page. -->

What may be written on the log: every type of record, whose histories it belongs to, who writes and who reads it, how soon
it is expected, and what each field takes. The page is written from the definitions that the program itself checks by.
[format.md](format.md) says how a record is signed and hashed.

` + "`milepost record types`" + ` lists the types, ` + "`milepost record types TYPE`" + ` the fields of one, ` + "`milepost record example TYPE`" + ` prints its
example, ` + "`milepost record schema TYPE`" + ` a JSON Schema (draft 2020-12) of whole records. A type never changes: what is to be different
is a new type, and old ones are read for ever.

## Who

Kinds of member: **DLR** dealer, **MFR** manufacturer or central support, **PTI** inspection body, **INS** insurer, **FIN** finance
house, **ARB** arbitrator, **FLT** fleet, **AUD** auditor. Beside them, **DEV** is a key that is bound to a device, **NODE** a member that
runs a node, **any** any member, **GOV** the governors, **admin** an administrator of the member, or the governors. "Written by" is what
the rules of a new log say; for other types than those of GOV and admin the governors may publish other rules. Where a record belongs
to a case, the case narrows it ([cases.md](cases.md)): "case" names it below.

Owners, buyers and courts are no members. They hold files, or grants to read.

## Which histories

A record says which histories it belongs to, and is filed under exactly these. Who may read follows from that.

`

const docsFields = `## What every record has

The envelope, around the body. ` + "`?`" + ` marks what may be absent, and then the field is not there at all: no null, no empty text, no empty
list. Unknown fields are refused. "Bytes" are those of UTF-8. Whoever signs it, and the exact forms of names, times and hashes, are in
[format.md](format.md).

`

// Docs writes docs/records.md from the definitions.
func Docs() []byte {
	var b bytes.Buffer
	b.WriteString(docsIntro)
	b.WriteString("| class | subject | history | read by |\n|---|---|---|---|\n")
	for _, c := range classes {
		subject := map[string]string{"vehicle": "vehicle/VIN`, `vehicle/short/NUMBER", "workshop": "workshop/VIN", "access": "access/VIN", "notice": "notice/NAME",
			"campaign": "campaign/ID", "member": "member/NAME", Governance: Governance}[c.subject]
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", c.class, subject, c.history, c.readers)
	}
	b.WriteString("\n" + docsFields)
	writeFields(&b, fieldInfos(nil, envelope, ""))
	for _, c := range classes {
		writeClass(&b, c.class, c.history)
	}
	writeForms(&b)
	return b.Bytes()
}

// writeForms tells the exact forms behind the words, each once.
func writeForms(b *bytes.Buffer) {
	forms := map[string]string{}
	collectForms(forms, envelope)
	for _, t := range Types() {
		collectForms(forms, t.Body)
	}
	b.WriteString("\n## Exact forms\n\nWhat matches is taken, except: names hold no segment `.` or `..`; dates and times exist; " +
		"the unused bits of base64 are zero; keys are held to section 2 of [format.md](format.md).\n\n| what it takes | form | at most |\n|---|---|---|\n")
	for _, what := range slices.Sorted(maps.Keys(forms)) {
		fmt.Fprintf(b, "| %s | %s |\n", cell(what), forms[what])
	}
}

func collectForms(forms map[string]string, k Kind) {
	switch k := k.(type) {
	case Form:
		most := ""
		if k.Max > 0 {
			most = count(k.Max) + " bytes"
		}
		forms[k.What] = "`" + strings.ReplaceAll(k.Pattern, "|", `\|`) + "` | " + most
	case Object:
		for _, f := range k {
			collectForms(forms, f.Kind)
		}
	case OneOf:
		collectForms(forms, Object(k))
	case List:
		collectForms(forms, k.Of)
	case OrAll:
		collectForms(forms, k.Of)
	}
}

// writeClass tells of the types of a class, if it has any.
func writeClass(b *bytes.Buffer, class, history string) {
	heading := fmt.Sprintf("\n## %s: %s\n", class, history)
	for _, t := range Types() {
		if t.ReadClasses()[0] == class {
			b.WriteString(heading)
			heading = ""
			writeType(b, t)
		}
	}
}

func writeType(b *bytes.Buffer, t *Type) {
	fmt.Fprintf(b, "\n### %s\n\n%s.\n\n", t.Name, strings.ToUpper(t.Sentence[:1])+t.Sentence[1:])
	fmt.Fprintf(b, "* history: %s\n* written by: %s\n* read by: %s\n* how soon: %s\n",
		t.SubjectWords(), strings.Join(t.Writers, " "), t.Readers(), t.Fresh)
	if t.Case != "" {
		fmt.Fprintf(b, "* case: %s\n", t.Case)
	}
	b.WriteString("\n")
	writeFields(b, t.Fields())
	if t.Papers {
		b.WriteString("\nThe record has an attachment at least.\n")
	}
	if t.Demands != "" {
		fmt.Fprintf(b, "\n%s\n", t.Demands)
	}
	fmt.Fprintf(b, "\n```json\n%s\n```\n", shownExample(t.Example))
}

func writeFields(b *bytes.Buffer, fields []FieldInfo) {
	b.WriteString("| field | | takes | what it says |\n|---|---|---|---|\n")
	for _, f := range fields {
		optional := map[bool]string{true: "?"}[f.Optional]
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.At, optional, cell(f.Words), cell(f.Means))
	}
}

// cell keeps what a table takes for its own out of a cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(s) }

// shownExample writes an example with keys and notes shortened, one field a
// line.
func shownExample(text string) string {
	v, err := jcs.ParseString(text, jcs.Limits{Bytes: MaxBytes, Depth: MaxDepth})
	if err != nil {
		panic("record: an example is not canonical: " + err.Error())
	}
	var b bytes.Buffer
	if err := json.Indent(&b, shortened(v).Bytes(), "", "  "); err != nil {
		panic("record: " + err.Error())
	}
	return b.String()
}

func shortened(v jcs.Value) jcs.Value {
	switch v.Kind {
	case jcs.String:
		if len(v.Str) > 100 && !strings.Contains(v.Str, " ") {
			v.Str = v.Str[:80] + "…"
		}
	case jcs.List:
		list := make([]jcs.Value, len(v.List))
		for i, e := range v.List {
			list[i] = shortened(e)
		}
		v.List = list
	case jcs.Object:
		fields := make([]jcs.Field, len(v.Obj))
		for i, f := range v.Obj {
			fields[i] = jcs.Field{Name: f.Name, Value: shortened(f.Value)}
		}
		v.Obj = fields
	}
	return v
}
