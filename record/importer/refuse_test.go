package importer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

func TestRefusedRows(t *testing.T) {
	t.Parallel()
	const head = "vehicle,event_time,value,unit\n"
	for row, want := range map[string]string{
		"car,2024-01-02,68160.0,mi":             "",
		"car,2024-01-02,068160,mi":              "",
		"car,2024-01-02,68160.00,Miles":         "",
		"car,2024-01-02,1999999,km":             "",
		"car,2024-01-02,2000000,km":             "import_value: line 2, column \"value\"",
		"car,2024-01-02,00068160,km":            "import_value", // eight digits
		"car,2024-01-02,68160.5,mi":             "import_value",
		"car,2024-01-02,68.160,km":              "import_value", // sixty-eight thousand in Germany
		"car,2024-01-02,\"68,160\",mi":          "import_value",
		"car,2024-01-02,-5,mi":                  "import_value",
		"car,2024-01-02,+5,mi":                  "import_value",
		"car,2024-01-02,6e4,mi":                 "import_value",
		"car,2024-01-02,68160.,mi":              "import_value",
		"car,2024-01-02,.0,mi":                  "import_value",
		"car,2024-01-02,,mi":                    "import_value",
		"car,2024-01-02,68160 mi,mi":            "import_value",
		"car,2024-01-02,٦٨,mi":                  "import_value",
		"car,2024-01-02,0,mi":                   "import_value",
		"car,2024-01-02,1.0,mi":                 "import_value",
		"car,2024-01-02,999999,mi":              "import_value",
		"car,2024-01-02,5000,leagues":           "import_word: line 2, column \"unit\"",
		"car,2024-01-02,5000,":                  "import_word",
		"cat,2024-01-02,5000,mi":                "import_vehicle: line 2, column \"vehicle\"",
		",2024-01-02,5000,mi":                   "import_vehicle",
		"VF1SAMPLE9E00000I,2024-01-02,5000,mi":  "import_vehicle",
		"VF1SAMPLE9E000001,2024-01-02,5000,mi":  "",
		"car,2024-02-30,5000,mi":                "import_time: line 2, column \"event_time\"",
		"car,,5000,mi":                          "import_time",
		"car,2024-01-02,5000":                   "import_row: line 2: the row has 3 fields",
		"car,2024-01-02,5000,mi,more":           "import_row",
		"car,2024-01-02,5000,mi,,":              "",
		"car,2024-01-02,5000,\"mi":              "import_row",
		"car,2024-01-02,5000,m\"i":              "import_row",
		"car,2024-01-02,5000,\"mi\"x":           "import_row",
		"car,2024-01-02," + "5000,mi\x00":       "import_word",
		"car,2024-01-02,5000,\u202eim":          "import_word",
		strings.Repeat("a", maxRowBytes+1):      "import_row",
		strings.Repeat(",", maxColumns):         "import_row",
		"car,2024-01-02,5000,mi" + "\r":         "",
		"  car  , 2024-01-02 ,\t5000,\u00a0mi ": "",
	} {
		// What follows is read whatever the row is.
		rows, _ := readAll(t, strings.NewReader(head+row+"\ncar,2025-01-02,6000,mi\n"), options(t, map[string]record.VIN{"car": scenic}))
		if len(rows) != 2 || rows[1].Err != nil || rows[1].Line != 3 {
			t.Errorf("%.60q: %+v", row, rows)
			continue
		}
		got := ""
		if err := rows[0].Err; err != nil {
			got = fault.Code(err) + ": " + err.Error()
			if rows[0].Draft.ID != "" || len(got) > 300 || strings.ContainsAny(got, "\u202e\x00") {
				t.Errorf("%.60q: %q, draft %+v", row, got, rows[0].Draft)
			}
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%.60q: %q, want %q", row, got, want)
		}
	}
}

// A person who has seen the odometer show 1 can say so.
func TestConfirmedSentinel(t *testing.T) {
	t.Parallel()
	const in = "vehicle,event_time,value,unit\ncar,2024-01-02,1,km\ncar,2024-01-03,2,km\n"
	o := options(t, map[string]record.VIN{"car": scenic})
	o.Confirm = []string{"sentinel"}
	rows, _ := readAll(t, strings.NewReader(in), o)
	if len(rows) != 2 || rows[0].Err != nil || !slices.Equal(rows[0].Draft.Confirmed, []string{"sentinel"}) || rows[1].Draft.Confirmed != nil {
		t.Errorf("%+v", rows)
	}
	o.Confirm = []string{"everything"}
	if _, err := NewReader(strings.NewReader(in), o); fault.Code(err) != "import_mapping" {
		t.Errorf("%v", err)
	}
}

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	const own = "vehicle,event_time,value,unit\n"
	cars := map[string]record.VIN{"car": scenic}
	for _, c := range []struct {
		name, in, mapping string
		vehicles          map[string]record.VIN
		code, hint        string
	}{
		{"empty", "", "", one(), "import_header", ""},
		{"blank", "\n\n# nothing\n", "", one(), "import_header", ""},
		{"preamble without end", strings.Repeat("#\n", 200), "", one(), "import_header", ""},
		{"UTF-16", "\xff\xfev\x00e\x00", "", one(), "import_header", "UTF-8"},
		{"unknown header", "a,b,c\n1,2,3\n", "", one(), "import_header", `"a", "b", "c"`},
		{"unknown header, semicolons", "a;b;c\n", "", one(), "import_header", `"a", "b", "c"`},
		{"missing column", "car,day,miles\n", "vehicle=car,event_time=date,value=miles,unit=mi", cars, "import_header", `"car", "day", "miles"`},
		{"column twice", "day,km,km\n", "event_time=day,value=column:km,unit=km", one(), "import_header", `"km"`},
		{"header too long", strings.Repeat("a", maxRowBytes+1) + "\n", "", one(), "import_header", ""},
		{"no unit", "vehicle,event_time,value\n", "", cars, "import_mapping", "unit=mi"},
		{"a VIN for all, but a column of vehicles", own, "", one(), "import_vehicle", "NAME=VIN"},
		{"a named VIN, but no column", "day,miles\n", "event_time=day,value=miles,unit=mi", cars, "import_vehicle", ""},
		{"no VIN, no column", "day,miles\n", "event_time=day,value=miles,unit=mi", nil, "import_vehicle", ""},
	} {
		o := options(t, c.vehicles)
		if c.mapping != "" {
			m, err := ParseMapping(c.mapping)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			o.Mapping = m
		}
		r, err := NewReader(strings.NewReader(c.in), o)
		if fault.Code(err) != c.code || !strings.Contains(fault.Hint(err), c.hint) || r != nil {
			t.Errorf("%s: %s, %v, hint %q", c.name, fault.Code(err), err, fault.Hint(err))
		}
	}
	o := options(t, cars)
	o.Author = "Not A Name"
	if _, err := NewReader(strings.NewReader(own), o); fault.Code(err) != "import_mapping" {
		t.Errorf("author: %v", err)
	}
	o = options(t, map[string]record.VIN{"": tundra})
	o.Zone = nil
	f, err := os.Open("testdata/fuelups_layout.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := NewReader(f, o); fault.Code(err) != "import_zone" {
		t.Errorf("no zone: %v", err)
	}
}

// A disk that fails in the middle ends the reading; it does not look like
// the end of the file.
func TestFailingSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	in := io.MultiReader(strings.NewReader("vehicle,event_time,value,unit\ncar,2024-01-02,5000,mi\ncar,2024-01-03,50"), iotest.ErrReader(broken))
	r, err := NewReader(in, options(t, map[string]record.VIN{"car": scenic}))
	if err != nil {
		t.Fatal(err)
	}
	if row, err := r.Next(); err != nil || row.Err != nil {
		t.Fatal(row, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("%v", err)
	}
	if _, err := NewReader(iotest.ErrReader(broken), options(t, nil)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// A quote that is never closed costs its own line only.
func TestOpenQuote(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	in.WriteString("vehicle,event_time,value,unit\n\"car,2024-01-02,5000,mi\n")
	for i := range 200 {
		fmt.Fprintf(&in, "car,2024-01-02,%d,mi\n", 6000+i)
	}
	rows, _ := readAll(t, strings.NewReader(in.String()), options(t, map[string]record.VIN{"car": scenic}))
	if len(rows) != 201 || fault.Code(rows[0].Err) != "import_row" {
		t.Fatalf("%d rows, the first %+v", len(rows), rows[0])
	}
	for i, r := range rows[1:] {
		if r.Err != nil || r.Line != i+3 || r.Draft.Value != int64(6000+i) {
			t.Fatalf("%+v", r)
		}
	}
}
