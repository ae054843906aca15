package importer

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/record"
)

func FuzzImport(f *testing.F) {
	for _, name := range []string{"mot_layout.csv", "fuelups_layout.csv"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "", "UK1")
	}
	f.Add([]byte("car;date;odo\nx;1.2.2024;\"50\n00\"\n"), "vehicle=car,event_time=date,value=odo,unit=km,dates=dmy", "x")
	f.Add([]byte("event_time,value,unit,result\n2024-10-27T01:30:00,999999,mi,\n"), "result.x=read", "")
	f.Add([]byte("car,in,out,odo,wo,group,h,labour,parts\nx,2024-01-02T08:00,2024-01-03T17:00,100,A-1,Brakes (front),1.5,10.0,2.25\n"),
		"vehicle=car,event_time=out,opened_at=in,value=odo,unit=km,order_no=wo,work_type=group,service_type=repair,pay=internal,hours=h,cost=labour+parts,currency=EUR", "x")
	f.Fuzz(func(t *testing.T, text []byte, spec, label string) {
		zone, err := ParseZone("Europe/London")
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Author: author, Zone: zone, Confirm: []string{confirmSentinel}, Vehicles: map[string]record.VIN{label: scenic}}
		if spec != "" {
			if o.Mapping, err = ParseMapping(spec); err != nil {
				return
			}
		}
		r, err := NewReader(bytes.NewReader(text), o)
		if err != nil {
			return
		}
		last := 0
		ids := map[string]bool{}
		for {
			row, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.Line <= last {
				t.Fatalf("line %d after line %d", row.Line, last)
			}
			last = row.Line
			if row.Err != nil {
				continue
			}
			if ids[row.Draft.ID] {
				t.Fatalf("line %d has an id that is there already", row.Line)
			}
			ids[row.Draft.ID] = true
			if o := row.Draft.Order; o != nil {
				if ids[o.ID] {
					t.Fatalf("line %d has a visit's id that is there already", row.Line)
				}
				ids[o.ID] = true
			}
			checkDraft(t, row.Draft)
		}
		if r.Bytes() != int64(len(text)) {
			t.Fatalf("%d of %d bytes read", r.Bytes(), len(text))
		}
	})
}

// Whatever encoding/csv accepts as one record, splitRow accepts as the same.
func FuzzSplitRow(f *testing.F) {
	for _, s := range []string{`a,b`, `"a,b",c`, `"a""b"`, `a"b`, `"a"b`, `"a`, ``, `,`, `"",""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\r\n") {
			return // encoding/csv drops carriage returns and blank lines
		}
		got, err := splitRow(s, ',')
		want, wantErr := csv.NewReader(strings.NewReader(s)).Read()
		if wantErr == io.EOF {
			want, wantErr = []string{""}, nil
		}
		if (err == nil) != (wantErr == nil) && len(want) < maxColumns || err == nil && !slices.Equal(got, want) {
			t.Fatalf("%q: %q, %v; encoding/csv: %q, %v", s, got, err, want, wantErr)
		}
	})
}

func FuzzParseMapping(f *testing.F) {
	f.Add("vehicle=car,event_time=date,value=odo,unit=mi")
	f.Add(`"value=odo, km",event_time=d,result.ok=read,dates=dmy`)
	f.Add("source=visual")
	f.Fuzz(func(t *testing.T, spec string) {
		m, err := ParseMapping(spec)
		if err != nil {
			return
		}
		for field, c := range m.Constants {
			if !slices.Contains(codes[field], c) {
				t.Fatalf("%q: %s is %q", spec, field, c)
			}
		}
		m.over(recognise(presets[0].Header))
	})
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"format":"milepost/import-journal@v1","origin":"` + origin + `","author":"` + author + "\"}\n" +
		`{"id":"` + journalID(1) + `","note":"x"}` + "\n" + `{"id":`))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := OpenJournal(path, origin, author)
		if err != nil {
			if got, _ := os.ReadFile(path); !bytes.Equal(got, content) {
				t.Fatal("a refused file was changed")
			}
			return
		}
		n := j.Len()
		if err := j.Add(journalID(1<<40), []byte("one more")); err == nil {
			n++
		}
		closeJournal(t, j)
		j = openJournal(t, path)
		if j.Len() != n {
			t.Fatalf("%d notes, want %d", j.Len(), n)
		}
		closeJournal(t, j)
	})
}
