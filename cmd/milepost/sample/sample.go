// Package sample holds real odometer series for the demonstration: facts
// that their sources allow to be quoted, with invented VINs.
//
// Each file names its source and licence in its first lines, and can be
// imported as it is with `milepost record import`.
package sample

import (
	"embed"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/importer"
)

//go:embed *.csv
var files embed.FS

// Series is one vehicle and its readings.
type Series struct {
	Label  string     // as the files call it, such as UK1
	VIN    record.VIN // invented
	Make   string
	Model  string
	Zone   string // IANA name
	Source string // who published the readings, and the licence
	// Readings are by event time. Their ID is left empty: it depends on who
	// signs them.
	Readings []importer.Draft
}

// All returns the series in the order of vehicles.csv. An error is a mistake
// in this package.
func All() ([]Series, error) {
	f, err := files.Open("vehicles.csv")
	if err != nil {
		return nil, fmt.Errorf("sample vehicles: %w", err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.Comment = '#'
	rows, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("sample vehicles: %w", err)
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != "label,vin,make,model,zone,readings,source" {
		return nil, fmt.Errorf("sample vehicles: the header is not the expected one")
	}
	var all []Series
	for _, r := range rows[1:] {
		s := Series{Label: r[0], Make: r[2], Model: r[3], Zone: r[4], Source: r[6]}
		if s.VIN, err = record.ParseVIN(r[1]); err != nil {
			return nil, fmt.Errorf("sample vehicle %s: %w", s.Label, err)
		}
		if err := s.read(r[5]); err != nil {
			return nil, fmt.Errorf("sample vehicle %s: %w", s.Label, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// read fills in the readings of this vehicle from a file of several.
func (s *Series) read(name string) error {
	zone, err := importer.ParseZone(s.Zone)
	if err != nil {
		return err
	}
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := importer.NewReader(f, importer.Options{
		Author: "sample", Zone: zone, Vehicles: map[string]record.VIN{s.Label: s.VIN},
	})
	if err != nil {
		return err
	}
	for {
		row, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if row.Err == nil { // the others are other vehicles'
			row.Draft.ID = ""
			s.Readings = append(s.Readings, row.Draft)
		}
	}
	slices.SortStableFunc(s.Readings, func(a, b importer.Draft) int { return eventTime(a).Compare(eventTime(b)) })
	return nil
}

func eventTime(d importer.Draft) time.Time {
	t, _ := record.ParseTime(d.EventTime) // the importer has checked it
	return t
}
