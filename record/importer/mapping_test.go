package importer

import (
	"reflect"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

func TestParseMapping(t *testing.T) {
	t.Parallel()
	m, err := ParseMapping(`vehicle=car, event_time = date ,"value=odo, km",unit=mi,source=column:photo,result.OK=read,result.Not Read=unreadable,dates=mdy`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Mapping{
		Columns:   map[string]string{"vehicle": "car", "event_time": "date", "value": "odo, km", "source": "photo"},
		Constants: map[string]string{"unit": "SMI"},
		Words:     map[string]map[string]string{"result": {"ok": "read", "not read": "unreadable"}},
		Dates:     DatesMDY,
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
	for _, spec := range []string{
		"", "vehicle", "vehicle=", "=car", "colour=red", "event_time=a", "value=a", "unit=mi,unit=km", "dates=ymd",
		"dates=dmy,dates=mdy", "result.ok=fine", "vehicle.car=x", "result.ok=read,result.OK=unreadable", `"value=a`, "value=a,,event_time=b",
		strings.Repeat("a", maxSpec+1),
	} {
		if m, err := ParseMapping(spec); fault.Code(err) != "import_mapping" {
			t.Errorf("%.40q: %+v, %v", spec, m, err)
		}
	}
}

// A mapping without columns for time and value changes a recognised file.
func TestMappingOverPreset(t *testing.T) {
	t.Parallel()
	m, err := ParseMapping("source=visual,unit=km,purpose=column:model")
	if err != nil {
		t.Fatal(err)
	}
	preset := recognise(presets[0].Header)
	sum := m.over(preset)
	if sum.Constants[FieldSource] != "visual" || sum.Columns[FieldUnit] != "" || sum.Columns[FieldPurpose] != "model" ||
		sum.Columns[FieldValue] != "odometer" || sum.Name != "uk_mot" || sum.Words[FieldPurpose]["passed"] != "inspection" {
		t.Errorf("%+v", sum)
	}
	if preset.Columns[FieldUnit] != "unit" || preset.Constants[FieldSource] != "" {
		t.Errorf("the preset itself was changed: %+v", preset)
	}
}

// The words offered for a field are those that the record type knows.
func TestCodesAreTheRecordTypes(t *testing.T) {
	t.Parallel()
	def := record.Lookup("odometer.reading/1")
	for _, f := range def.Body {
		enum, ok := f.Kind.(record.Enum)
		if ok && !reflect.DeepEqual([]string(enum), codes[f.Name]) {
			t.Errorf("%s: %v, the record type has %v", f.Name, codes[f.Name], enum)
		}
	}
	for field, code := range defaults {
		if c, ok := (&Mapping{}).code(field, code); !ok || c != code {
			t.Errorf("%s is by default %q", field, code)
		}
	}
	for _, p := range presets {
		for field, words := range p.Words {
			for w, c := range words {
				if _, ok := (&Mapping{}).code(field, c); !ok || strings.ToLower(w) != w {
					t.Errorf("preset %s: %s %q is %q", p.Name, field, w, c)
				}
			}
		}
		if p.Header != nil {
			if _, err := p.places(p.Header); err != nil {
				t.Errorf("preset %s: %v", p.Name, err)
			}
		}
	}
}

func TestStableID(t *testing.T) {
	t.Parallel()
	d := Draft{VIN: scenic, EventTime: "2013-03-13T08:52:44Z", EventPrecision: "second",
		Reading: Reading{Precision: "exact", Purpose: "inspection", Result: "read", Source: "document", Unit: "SMI", Value: 30217}}
	const author = "dealer.example/leeds"
	id := StableID(author, d, 1)
	// Golden: another id would double every reading that was imported before.
	if want := "013d62f3-9760-7c96-aaa7-126f15782044"; id != want {
		t.Errorf("%s, want %s", id, want)
	}
	if err := record.CheckUUIDv7(id); err != nil {
		t.Error(err)
	}
	ids := map[string]string{id: "itself"}
	other := func(what, id string) {
		if was, twice := ids[id]; twice {
			t.Errorf("%s has the id of %s", what, was)
		}
		ids[id] = what
	}
	other("the second such row", StableID(author, d, 2))
	other("another author", StableID("dealer.example", d, 1))
	change := func(what string, f func(*Draft)) {
		e := d
		f(&e)
		other(what, StableID(author, e, 1))
	}
	change("another vehicle", func(e *Draft) { e.VIN = tundra })
	change("another value", func(e *Draft) { e.Value++ })
	change("another unit", func(e *Draft) { e.Unit = "KMT" })
	change("another offset", func(e *Draft) { e.EventTime = "2013-03-13T09:52:44+01:00" })
	change("an unreadable one", func(e *Draft) { e.Result = "unreadable" })
	change("none at all", func(e *Draft) { e.Result = "no_odometer" })
	e := d
	e.Purpose, e.Source, e.Precision = "sale", "visual", "rounded_10"
	if StableID(author, e, 1) != id {
		t.Error("the id depends on how the reading is described")
	}
	e.EventTime = "1955-01-01T00:00:00Z"
	if got := StableID(author, e, 1); !strings.HasPrefix(got, "00000000-0000-7") || record.CheckUUIDv7(got) != nil {
		t.Errorf("before 1970: %s", got)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	r := Reading{Confirmed: []string{"sentinel"}, Precision: "exact", Purpose: "delivery", Result: "read", Source: "visual", Unit: "KMT", Value: 1}
	const want = `{"confirmed":["sentinel"],"precision":"exact","purpose":"delivery","result":"read","source":"visual","unit":"KMT","value":1}`
	if got := string(r.Body().Bytes()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r = Reading{Purpose: "inspection", Result: "unreadable", Source: "visual"}
	if got := r.Body(); got.Kind != jcs.Object || string(got.Bytes()) != `{"purpose":"inspection","result":"unreadable","source":"visual"}` {
		t.Errorf("%s", got.Bytes())
	}
}
