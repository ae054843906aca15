package sample

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/record"
)

func TestAll(t *testing.T) {
	t.Parallel()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		label       string
		readings    int
		first, last int64
		from        string
	}{
		{"UK1", 9, 21757, 56332, "2012-02-20T11:09:33Z"},
		{"UK2", 2, 114722, 162236, "2017-08-15T12:47:50+01:00"},
		{"UK3", 9, 60956, 115893, "2016-02-11T00:00:00Z"},
		{"UK4", 5, 50500, 90553, "2015-10-21T00:00:00+01:00"},
		{"US1", 62, 50252, 68160, "2013-03-11T00:00:00-05:00"},
	}
	if len(all) != len(want) {
		t.Fatalf("%d series, want %d", len(all), len(want))
	}
	for i, w := range want {
		s := all[i]
		if s.Label != w.label || len(s.Readings) != w.readings {
			t.Fatalf("%s has %d readings, want %s with %d", s.Label, len(s.Readings), w.label, w.readings)
		}
		first, last := s.Readings[0], s.Readings[len(s.Readings)-1]
		if first.Value != w.first || last.Value != w.last || first.EventTime != w.from {
			t.Errorf("%s: %d at %s to %d, want %d at %s to %d", s.Label, first.Value, first.EventTime, last.Value, w.first, w.from, w.last)
		}
		// None of these cars gives cause for a mileage flag.
		for j := 1; j < len(s.Readings); j++ {
			if a, b := s.Readings[j-1], s.Readings[j]; b.Value < a.Value || eventTime(b).Before(eventTime(a)) {
				t.Errorf("%s: %d at %s after %d at %s", s.Label, b.Value, b.EventTime, a.Value, a.EventTime)
			}
		}
		if !strings.Contains(string(s.VIN), "SAMPL") || s.Make == "" || s.Model == "" || s.Source == "" {
			t.Errorf("%s: %+v", s.Label, s)
		}
		wantCheck := record.CheckNotApplicable
		if s.Label == "US1" {
			wantCheck = record.CheckOK
		}
		if got := s.VIN.CheckDigit(); got != wantCheck {
			t.Errorf("%s: check digit %s", s.VIN, got)
		}
		for _, d := range s.Readings {
			if d.ID != "" {
				t.Fatalf("%s: a reading has the id %s", s.Label, d.ID)
			}
			r := d.Record()
			r.ID, r.Author, r.Captured = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "dealer.example", "2026-01-01T00:00:00Z"
			r.Origin = "milepost.example/0123456789abcdef0123456789abcdef01234567"
			if _, err := r.Text(); err != nil {
				t.Errorf("%s: %v", s.Label, err)
			}
		}
	}
}

func TestFilesNameTheirSource(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(files, "*.csv")
	if err != nil || len(names) != 3 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, n := range names {
		text, err := fs.ReadFile(files, n)
		if err != nil {
			t.Fatal(err)
		}
		comment, _, _ := strings.Cut(string(text), "\nvehicle,")
		if !strings.HasPrefix(comment, "# ") || n != "vehicles.csv" && !strings.Contains(comment, "icen") {
			t.Errorf("%s does not begin with its source and licence", n)
		}
	}
}
