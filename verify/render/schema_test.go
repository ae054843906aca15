package render_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

// The published schema is the one that the program prints.
func TestSchemaIsPublished(t *testing.T) {
	t.Parallel()
	const path = "../../docs/report.schema.json"
	if *update {
		must(t, os.WriteFile(path, render.Schema(), 0o644))
	}
	have, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(have, render.Schema()) {
		t.Errorf("%s is old: go test ./verify/render -update rewrites it", path)
	}
}

// Every story's report fits the schema, and has no field that the schema
// does not know; and each field that the schema promises is filled in some.
func TestReportsFitTheSchema(t *testing.T) {
	t.Parallel()
	var s map[string]any
	must(t, json.Unmarshal(render.Schema(), &s))
	used := map[string]bool{}
	check := func(name string, r *verify.Report) map[string]any {
		data, err := json.Marshal(render.JSON(r, render.Miles))
		must(t, err)
		var v map[string]any
		must(t, json.Unmarshal(data, &v))
		for _, flaw := range misfits(s, v, name) {
			t.Error(flaw)
		}
		filled(v, "", used)
		return v
	}
	seen := map[string]bool{}
	for _, story := range stories {
		b := newLogbook(t)
		story.tell(b)
		v := check(story.name, b.report(story.asOf))
		if v["judgement"] == nil || v["judgement"].(map[string]any)["format"] != "milepost/judgement@v1" {
			t.Errorf("%s: no judgement", story.name)
		}
		for _, e := range v["entries"].([]any) {
			marks, _ := e.(map[string]any)["marks"].([]any)
			for _, m := range marks {
				seen[m.(map[string]any)["code"].(string)] = true
			}
		}
	}
	for _, code := range []string{verify.MarkLate, verify.MarkVeryLate, verify.MarkCorrected, verify.MarkExcluded, verify.MarkReattributed, verify.MarkConfirmed, verify.MarkDisputed, verify.MarkContradicts, verify.MarkOneSide} {
		if !seen[code] {
			t.Errorf("no story has the mark %s", code)
		}
	}
	many := newLogbook(t).report("2026-05-04T12:00:00Z") // more readings than a story tells
	many.Meaning.Judgement.Flags = []judge.Flag{{Code: "thinned", Count: 7}}
	check("many readings", many)
	refused := check("refused", &verify.Report{Warnings: []string{"the vehicle is the one that the file names"}, Failure: fault.New("proof_form", "", "not a proof file").WithHint("get it again")})
	if refused["judgement"] != nil || refused["cases"] != nil {
		t.Error("a file that is not verified is judged")
	}
	for _, field := range promised(s, "") {
		if !used[field] {
			t.Errorf("no report fills %s", field)
		}
	}
	if flaws := misfits(s, map[string]any{"verified": "yes", "more": 1}, "nonsense"); len(flaws) < 3 {
		t.Errorf("nonsense fits: %q", flaws)
	}
}

// misfits holds a value against the part of JSON Schema that Schema uses.
func misfits(s map[string]any, v any, at string) (flaws []string) {
	flaw := func(format string, args ...any) { flaws = append(flaws, at+": "+fmt.Sprintf(format, args...)) }
	if one, ok := s["enum"].([]any); ok && !slices.Contains(one, v) {
		flaw("%v is none of %v", v, one)
	}
	switch s["type"] {
	case "object":
		o, ok := v.(map[string]any)
		if !ok {
			flaw("no object")
			break
		}
		fields, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := o[name.(string)]; !ok {
				flaw("%s is missing", name)
			}
		}
		for name, value := range o {
			field, known := fields[name].(map[string]any)
			if more, ok := s["additionalProperties"].(map[string]any); !known && ok {
				field, known = more, true
			}
			if !known {
				flaw("%s is not in the schema", name)
				continue
			}
			flaws = append(flaws, misfits(field, value, at+"."+name)...)
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			flaw("no list")
		}
		for i, e := range list {
			flaws = append(flaws, misfits(s["items"].(map[string]any), e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case "integer":
		if n, ok := v.(float64); !ok || n != float64(int64(n)) {
			flaw("%v is no integer", v)
		}
	case "string":
		if _, ok := v.(string); !ok {
			flaw("%v is no text", v)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			flaw("%v is neither true nor false", v)
		}
	default:
		flaw("the schema says nothing of its type")
	}
	return flaws
}

// promised lists the fields of all objects of a schema.
func promised(s map[string]any, at string) (fields []string) {
	if items, ok := s["items"].(map[string]any); ok {
		return promised(items, at)
	}
	objects, _ := s["properties"].(map[string]any)
	for name, field := range objects {
		fields = append(fields, at+"."+name)
		fields = append(fields, promised(field.(map[string]any), at+"."+name)...)
	}
	slices.Sort(fields)
	return fields
}

// filled gathers the fields of a value that say something.
func filled(v any, at string, fields map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			filled(field, at+"."+name, fields)
		}
		fields[at] = fields[at] || len(v) > 0
	case []any:
		for _, e := range v {
			filled(e, at, fields)
		}
	default:
		fields[at] = fields[at] || v != "" && v != 0.0 && v != false
	}
}

// told is the report of a story for a program.
func told(t *testing.T, story string, unit render.Unit) *render.Report {
	t.Helper()
	for _, s := range stories {
		if s.name == story {
			b := newLogbook(t)
			s.tell(b)
			return render.JSON(b.report(s.asOf), unit)
		}
	}
	t.Fatalf("nobody tells the story %q", story)
	return nil
}

// Which mileage counts stands beside what was entered, for programs too.
func TestEffectiveValues(t *testing.T) {
	t.Parallel()
	out := told(t, "corrected", render.Miles)
	e := out.Entries[1]
	if e.Entered == nil || e.Effective == nil || e.Entered.Value != 10_345 || e.Effective.Value != 103_450 || e.Mileage != "~6,428 mi" {
		t.Errorf("%+v", e)
	}
	if !strings.Contains(e.Note, `"value":10345`) {
		t.Error("the record itself is not what was entered")
	}
	if len(out.Cases) != 1 || out.Cases[0].Clocks[0].Overdue != "2023-02-08T23:00:00.000Z" {
		t.Errorf("%+v", out.Cases)
	}
}

// A program can tell what came late from what never came.
func TestNeverCameForPrograms(t *testing.T) {
	t.Parallel()
	clocks := told(t, "passed over", render.AsEntered).Cases[0].Clocks
	if a := clocks[0]; a.Met != "" || a.Ended != "2026-04-01T10:00:00.000Z" || a.Overdue == "" {
		t.Errorf("the answer that never came: %+v", a)
	}
	if d := clocks[1]; d.Met != "2026-04-01T10:00:00.000Z" || d.Ended != "" {
		t.Errorf("the decision that came: %+v", d)
	}
}
