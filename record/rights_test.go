package record

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// right is one line of testdata/rights.txt, which the tests of the node hold
// the rules of a new log against, too.
type right struct{ class, writers, fields string }

func rights(t *testing.T) map[string]right {
	t.Helper()
	text, err := os.ReadFile("testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]right{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.SplitN(line, " | ", 4)
		if len(cells) != 4 {
			t.Fatalf("four columns are expected: %s", line)
		}
		if _, twice := table[cells[0]]; twice {
			t.Errorf("%s stands there twice", cells[0])
		}
		table[cells[0]] = right{cells[1], cells[2], cells[3]}
	}
	return table
}

// Who may write and read each type, the fields that it needs and those that
// it may have, and how large each may be: a definition that is changed by
// mistake differs from what was once decided. That the caps are kept is for
// the tests of fields_test.go, which go by the definitions.
func TestRightsAndFields(t *testing.T) {
	t.Parallel()
	want := rights(t)
	for _, d := range Types() {
		w, ok := want[d.Name]
		got := right{strings.Join(d.ReadClasses(), " "), strings.Join(d.Writers, " "), strings.Join(shapes(d.Body), " ")}
		switch {
		case !ok:
			t.Errorf("testdata/rights.txt lacks %s", d.Name)
		case got != w:
			t.Errorf("%s is\n%s\nwant\n%s", d.Name, got, w)
		}
		delete(want, d.Name)
	}
	for name := range want {
		t.Errorf("%s is not defined", name)
	}
}

// What every record has around its body.
func TestFieldsOfTheEnvelope(t *testing.T) {
	t.Parallel()
	const want = "actor?:actor attachments?:1..32 {bytes:1..1099511627776 digest:b64 kind:code media_type:t(64) salted:bool} author:name body:object " +
		"captured_time:utc event_precision:date|minute|second event_time:time id:uuid origin:origin personal?:1..32 {commitment:b64 field:code} " +
		"refs?:1..32 hex subjects:1..8 t(120) type:type"
	if got := strings.Join(shapes(envelope), " "); got != want {
		t.Errorf("the envelope is\n%s\nwant\n%s", got, want)
	}
}

// formNames are the short names of the forms, by their words.
var formNames = map[string]string{
	code.What: "code", keyID.What: "id", actorID.What: "actor", wmi.What: "wmi", country.What: "country", zoneName.What: "zone",
	typeName.What: "type", hostPort.What: "host", name.What: "name", logOrigin.What: "origin", uuidForm.What: "uuid", vinForm.What: "VIN",
	hexHash.What: "hex", digest.What: "b64", proof.What: "pop", nonce.What: "b64(16)", dayForm.What: "date", timeForm.What: "time",
	utcForm.What: "utc", carriedNote.What: fmt.Sprintf("b64(<=%d)", MaxCarried),
}

// shape writes a definition as testdata/rights.txt does.
func shape(k Kind) string {
	switch k := k.(type) {
	case Object:
		return "{" + strings.Join(shapes(k), " ") + "}"
	case OneOf:
		return "<" + strings.Join(shapes(k), " ") + ">"
	case List:
		return fmt.Sprintf("%d..%d %s", k.Min, k.Max, shape(k.Of))
	case Map:
		return "map " + shape(k.Of)
	case OrAll:
		return "all or " + shape(k.Of)
	case Enum:
		return strings.Join(k, "|")
	case Text:
		return fmt.Sprintf("t(%d)", k.Max)
	case Whole:
		return fmt.Sprintf("%d..%d", k.Min, k.Max)
	case YesNo:
		return "bool"
	case Ref:
		return "ref(" + k.Type + ")"
	case VKey:
		return "vkey"
	case Pin:
		return "pin"
	case KeyOrPin:
		return "key"
	case anyObject:
		return "object"
	case Form:
		if s := formNames[k.What]; s != "" {
			return s
		}
		return k.Pattern
	}
	return fmt.Sprintf("%T", k)
}

func shapes(fields []Field) []string {
	var parts []string
	for _, f := range slices.SortedFunc(slices.Values(fields), func(a, b Field) int { return strings.Compare(a.Name, b.Name) }) {
		mark := ":"
		if f.Optional {
			mark = "?:"
		}
		parts = append(parts, f.Name+mark+shape(f.Kind))
	}
	return parts
}
