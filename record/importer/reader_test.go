package importer

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

const (
	scenic = record.VIN("VF1SAMPLE9E000001")
	tundra = record.VIN("5TFSAMPL9BX000005")
)

// options are those of a British file; one vehicle if it names none.
func options(t *testing.T, vehicles map[string]record.VIN) Options {
	t.Helper()
	zone, err := ParseZone("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	return Options{Author: "dealer.example/leeds", Zone: zone, Vehicles: vehicles}
}

func one() map[string]record.VIN { return map[string]record.VIN{"": scenic} }

// readAll returns all rows of a file, and checks that each draft is a record.
func readAll(t *testing.T, in io.Reader, o Options) ([]Row, *Reader) {
	t.Helper()
	r, err := NewReader(in, o)
	if err != nil {
		t.Fatal(err)
	}
	var rows []Row
	ids := map[string]int{}
	for row, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
		if row.Err != nil {
			continue
		}
		if before := ids[row.Draft.ID]; before != 0 {
			t.Errorf("line %d has the id of line %d", row.Line, before)
		}
		ids[row.Draft.ID] = row.Line
		checkDraft(t, row.Draft)
	}
	return rows, r
}

func checkDraft(t *testing.T, d Draft) {
	t.Helper()
	r := d.Record()
	r.Author, r.Captured = "dealer.example/leeds", "2026-01-01T00:00:00Z"
	r.Origin = "milepost.example/0123456789abcdef0123456789abcdef01234567"
	if _, err := r.Text(); err != nil {
		t.Errorf("%+v is no record: %v", d, err)
	}
	if d.Order == nil {
		return
	}
	v := d.VisitRecord(strings.Repeat("0", 64), strings.Repeat("A", 43)+"=")
	v.Author, v.Captured, v.Origin = r.Author, r.Captured, r.Origin
	if text, err := v.Text(); err != nil || d.Order.Cost != "" && strings.Contains(text, d.Order.Cost) {
		t.Errorf("%+v is no visit, or shows its cost: %v %s", d.Order, err, text)
	}
}

func brief(rows []Row) []string {
	var lines []string
	for _, r := range rows {
		if r.Err != nil {
			lines = append(lines, fmt.Sprintf("%d %s", r.Line, fault.Code(r.Err)))
			continue
		}
		d := r.Draft
		lines = append(lines, fmt.Sprintf("%d %s %s %s %d %s %s", r.Line, d.VIN, d.EventTime, d.EventPrecision, d.Value, d.Unit, d.Purpose))
	}
	return lines
}

func expect(t *testing.T, got []Row, want ...string) {
	t.Helper()
	if !slices.Equal(brief(got), want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(brief(got), "\n  "), strings.Join(want, "\n  "))
	}
}

// MOT histories as they are: only the VINs and the zone are added. A fail and
// its retest are both there, summer time is seen, an advert is left out.
func TestMOTLayout(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/mot_layout.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, r := readAll(t, f, options(t, map[string]record.VIN{"UK1": scenic, "UK2": "WBASAMPLE7E000002", "UK3": "WF0SAMPLEDE000003"}))
	expect(t, rows,
		"2 VF1SAMPLE9E000001 2012-02-20T11:09:33Z second 21757 SMI inspection",
		"3 VF1SAMPLE9E000001 2013-03-13T08:52:44Z second 30217 SMI inspection",
		"4 VF1SAMPLE9E000001 2013-03-13T12:01:40Z second 30217 SMI inspection",
		"5 WBASAMPLE7E000002 2017-08-15T12:47:50+01:00 second 114722 SMI inspection",
		"6 WBASAMPLE7E000002 2021-09-24T12:07:40+01:00 second 162236 SMI inspection",
		"7 WF0SAMPLEDE000003 2016-02-11T00:00:00Z date 60956 SMI inspection",
		"8 WF0SAMPLEDE000003 2017-02-13T00:00:00Z date 71919 SMI inspection",
		"9 WF0SAMPLEDE000003 2017-02-13T00:00:00Z date 71922 SMI inspection",
		"10 WF0SAMPLEDE000003 2020-08-04T00:00:00+01:00 date 115893 SMI inspection",
		"11 import_word",
	)
	if name := r.Mapping().Name; name != "uk_mot" {
		t.Errorf("recognised as %q", name)
	}
	if err := rows[9].Err; !strings.Contains(err.Error(), `line 11, column "result"`) || !strings.Contains(err.Error(), "advert") {
		t.Errorf("%v", err)
	}
}

// Vehicles that no VIN is given for are refused row by row, and a label that
// no row has is told.
func TestMOTOneCarOfSeveral(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/mot_layout.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, r := readAll(t, f, options(t, map[string]record.VIN{"UK1": scenic, "UK9": tundra}))
	var accepted int
	for _, row := range rows {
		if row.Err == nil {
			accepted++
		} else if fault.Code(row.Err) != "import_vehicle" {
			t.Errorf("%v", row.Err)
		}
	}
	if accepted != 3 || len(rows) != 10 {
		t.Errorf("%d of %d rows", accepted, len(rows))
	}
	if u := r.Unused(); !slices.Equal(u, []string{"UK9"}) {
		t.Errorf("unused: %v", u)
	}
}

// Fill-ups as they are, newest first, with .0 behind each mileage. The same
// reading twice on one day is two rows with two ids.
func TestFuelupsLayout(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/fuelups_layout.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := options(t, map[string]record.VIN{"": tundra})
	if o.Zone, err = ParseZone("America/Chicago"); err != nil {
		t.Fatal(err)
	}
	rows, r := readAll(t, f, o)
	if got := brief(rows); len(got) != 10 || got[0] != "2 5TFSAMPL9BX000005 2014-07-07T00:00:00-05:00 date 68160 SMI periodic" ||
		got[3] != "5 5TFSAMPL9BX000005 2014-01-21T00:00:00-06:00 date 62255 SMI periodic" {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if a, b := rows[3].Draft, rows[4].Draft; a.ID == b.ID || a.Value != b.Value || a.EventTime != b.EventTime {
		t.Errorf("%+v and %+v", a, b)
	}
	if r.Mapping().Name != "fuelups" {
		t.Errorf("recognised as %q", r.Mapping().Name)
	}
}

// The third layout has no rows that may be quoted; these are made up.
func TestFuelupsOfSeveralCars(t *testing.T) {
	t.Parallel()
	const in = "vehicle,model,date,odometer_mi,trip_mi,gallons,price_usd_per_gal\n" +
		"A,Example,2020-01-02,1000,300,10.5,3.1\nB,Example,2020-01-03,2000,,,\n"
	rows, _ := readAll(t, strings.NewReader(in), options(t, map[string]record.VIN{"A": scenic, "B": tundra}))
	expect(t, rows,
		"2 VF1SAMPLE9E000001 2020-01-02T00:00:00Z date 1000 SMI periodic",
		"3 5TFSAMPL9BX000005 2020-01-03T00:00:00Z date 2000 SMI periodic")
}

// What a file of one's own may look like: byte order mark, comments, a line
// that names the delimiter, semicolons, quotes, line breaks in a quoted
// field, empty lines and cells, carriage returns, no newline at the end.
func TestOneOwnMapping(t *testing.T) {
	t.Parallel()
	const in = "\ufeffsep=;\r\n# from the workshop\r\n\r\n" +
		"Fahrzeug;Datum;\"km-Stand; abgelesen\";Bemerkung\r\n" +
		"VF1SAMPLE9E000001;24.12.2024 09:05;\"120000\";\"TÜV; \"\"neu\"\"\r\nzweite Zeile\"\r\n" +
		";;;\r\n" +
		"alt;1.2.2025;120345.0;;;\r\n" +
		"alt;2025-03-04T05:06:07+0200; 121000 ;x"
	m, err := ParseMapping(`vehicle=fahrzeug,event_time=Datum,"value=km-Stand; abgelesen",unit=km,purpose=service_in,source=visual,dates=dmy`)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, map[string]record.VIN{"alt": tundra})
	o.Mapping = m
	if o.Zone, err = ParseZone("Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	rows, r := readAll(t, strings.NewReader(in), o)
	expect(t, rows,
		"5 VF1SAMPLE9E000001 2024-12-24T09:05:00+01:00 minute 120000 KMT service_in",
		"8 5TFSAMPL9BX000005 2025-02-01T00:00:00+01:00 date 120345 KMT service_in",
		"9 5TFSAMPL9BX000005 2025-03-04T05:06:07+02:00 second 121000 KMT service_in")
	if len(rows) == 3 && (rows[0].Draft.Source != "visual" || len(rows[0].Notes) != 0 || len(rows[2].Notes) != 1) {
		t.Errorf("%+v", rows)
	}
	if r.Bytes() != int64(len(in)) {
		t.Errorf("%d bytes read, the file has %d", r.Bytes(), len(in))
	}
}

// Our own column names need no mapping; an odometer that was not read has no
// value; the words of another may be given a meaning.
func TestOurOwnColumns(t *testing.T) {
	t.Parallel()
	const in = "vehicle,event_time,value,unit,result,precision,purpose,source\n" +
		"VF1SAMPLE9E000001,2024-05-06T07:08:09Z,5000,KMT,read,rounded_100,sale,photo\n" +
		"VF1SAMPLE9E000001,2024-05-07T07:08Z,,,Unreadable,,sale,photo\n" +
		"VF1SAMPLE9E000001,2024-05-08T07:08Z,12,,no_odometer,,sale,photo\n" +
		"VF1SAMPLE9E000001,2024-05-09T07:08:09Z,5001,KMT,gelesen,exact,sale,photo\n" +
		"VF1SAMPLE9E000001,2024-05-10T07:08:09Z,5002,KMT,read,about,sale,photo\n" +
		"VF1SAMPLE9E000001,2024-05-10T07:08:09Z,5002,,read,exact,sale,photo\n"
	o := options(t, nil)
	o.Zone = nil
	rows, _ := readAll(t, strings.NewReader(in), o)
	expect(t, rows,
		"2 VF1SAMPLE9E000001 2024-05-06T07:08:09Z second 5000 KMT sale",
		"3 VF1SAMPLE9E000001 2024-05-07T07:08:00Z minute 0  sale",
		"4 VF1SAMPLE9E000001 2024-05-08T07:08:00Z minute 0  sale",
		"5 import_word", "6 import_word", "7 import_word")
	m, err := ParseMapping("result.Gelesen=read,precision.about=rounded_1000,unit=mi")
	if err != nil {
		t.Fatal(err)
	}
	o.Mapping = m
	rows, _ = readAll(t, strings.NewReader(in), o)
	for i, r := range rows {
		if r.Err != nil || i == 4 && r.Draft.Precision != "rounded_1000" || i == 0 && r.Draft.Unit != "SMI" {
			t.Errorf("%+v", r)
		}
	}
}

func TestParseVehicles(t *testing.T) {
	t.Parallel()
	got, err := ParseVehicles([]string{"UK1=VF1SAMPLE9E000001", "a=b=5TFSAMPL9BX000005", "b = VF1SAMPLE9E000001"})
	if fault.Code(err) != "vin_form" { // the space before the VIN
		t.Errorf("%v, %v", got, err)
	}
	got, err = ParseVehicles([]string{"UK1=VF1SAMPLE9E000001", "a=b=5TFSAMPL9BX000005", "b =VF1SAMPLE9E000001"})
	if want := map[string]record.VIN{"UK1": scenic, "a=b": tundra, "b": scenic}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if got, err = ParseVehicles([]string{string(tundra)}); err != nil || !maps.Equal(got, map[string]record.VIN{"": tundra}) {
		t.Errorf("%v, %v", got, err)
	}
	for code, flags := range map[string][]string{
		"vin_form":       {"UK1"},
		"import_vehicle": {"=VF1SAMPLE9E000001"},
	} {
		if _, err := ParseVehicles(flags); fault.Code(err) != code {
			t.Errorf("%v: %v, want %s", flags, err, code)
		}
	}
	for _, flags := range [][]string{{string(tundra), string(scenic)}, {string(tundra), "a=" + string(scenic)}, {"a=" + string(tundra), "a=" + string(scenic)}} {
		if _, err := ParseVehicles(flags); fault.Code(err) != "import_vehicle" {
			t.Errorf("%v: %v", flags, err)
		}
	}
}
