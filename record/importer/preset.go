package importer

import "slices"

// Preset is a mapping for files whose header is known.
type Preset struct {
	Mapping
	About  string   // one line for a person
	Header []string // the header's names in order; nil: see native
}

// MOT tests: every row is the reading of one test, the failed ones too. A
// fail and its retest on one day are two readings.
var motTest = map[string]string{"passed": "inspection", "failed": "inspection", "prs": "inspection", "mot": "inspection"}

var presets = []Preset{
	{
		About:  "UK MOT histories: one row a test, several cars",
		Header: []string{"vehicle", "make", "model", "first_used", "completed_local_no_zone", "result", "odometer", "unit", "result_type", "source"},
		Mapping: Mapping{
			Name: "uk_mot",
			Columns: map[string]string{FieldVehicle: "vehicle", FieldEventTime: "completed_local_no_zone", FieldValue: "odometer",
				FieldUnit: "unit", FieldPurpose: "result", FieldResult: "result_type"},
			Words: map[string]map[string]string{FieldPurpose: motTest},
			Refuse: map[string]map[string]string{FieldPurpose: {
				"sale_advert": "a mileage from an advert is not a reading of the odometer",
			}},
		},
	},
	{
		About:  "fill-ups of one car in miles, newest first (my-mpg)",
		Header: []string{"model", "odometer_mi", "trip_mi", "fuelup_date", "date_added", "missed_fuelup", "partial_fuelup"},
		Mapping: Mapping{
			Name:      "fuelups",
			Columns:   map[string]string{FieldEventTime: "fuelup_date", FieldValue: "odometer_mi"},
			Constants: map[string]string{FieldUnit: "SMI"},
		},
	},
	{
		About:  "fill-ups of several cars in miles (fueleconomy)",
		Header: []string{"vehicle", "model", "date", "odometer_mi", "trip_mi", "gallons", "price_usd_per_gal"},
		Mapping: Mapping{
			Name:      "fuelups_cars",
			Columns:   map[string]string{FieldVehicle: "vehicle", FieldEventTime: "date", FieldValue: "odometer_mi"},
			Constants: map[string]string{FieldUnit: "SMI"},
		},
	},
	{
		About: "milepost's own: columns named vehicle, event_time, value, unit, result, purpose, source, precision",
	},
}

// Presets lists the files that are recognised by their header alone.
func Presets() []Preset { return slices.Clone(presets) }

// recognise returns the preset for a header, or nil.
func recognise(header []string) *Mapping {
	for i := range presets {
		if p := &presets[i]; p.Header != nil && slices.Equal(p.Header, header) {
			return &p.Mapping
		}
	}
	return native(header)
}

// native recognises a header made of nothing but our own names of fields.
func native(header []string) *Mapping {
	m := &Mapping{Name: "milepost", Columns: map[string]string{}}
	for _, h := range header {
		if !slices.Contains(fields, h) || m.Columns[h] != "" {
			return nil
		}
		m.Columns[h] = h
	}
	if !m.complete() {
		return nil
	}
	return m
}
