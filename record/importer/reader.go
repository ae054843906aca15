package importer

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// MaxRows is the largest number of readings in one file: ids are told apart
// by counting identical rows, which takes memory.
const MaxRows = 5_000_000

// Options say how a file is to be read.
type Options struct {
	Author  string   // member name of whoever will sign; the ids depend on it
	Mapping *Mapping // nil: recognised by the header
	// Vehicles gives the VIN of each label in the vehicle column. The label
	// "" is the one vehicle of a file that has no such column.
	Vehicles map[string]record.VIN
	Zone     *time.Location // of times without an offset; nil: they are refused
	Confirm  []string       // codes of warnings that a person has seen; known is "sentinel"
}

// Row is one row of the file: a draft, or the reason why it is none.
type Row struct {
	Line  int      // of its beginning, from 1
	Draft Draft    // if Err is nil
	Err   error    // a *fault.Error whose Where names line and column
	Notes []string // what was decided where the row was unclear
}

// Reader reads readings from one file.
type Reader struct {
	rows    *rows
	options Options
	mapping *Mapping
	header  []string
	places  map[string]int   // field to column
	costs   []int            // columns that the cost is the sum of
	seen    map[[16]byte]int // identical rows so far
	read    int
	used    map[string]bool // labels of Options.Vehicles
}

// NewReader reads the header. Codes of its errors: import_header (no header,
// or not one that fits), import_mapping, import_zone and import_vehicle (the
// options do not fit the file); an error of the source is wrapped.
func NewReader(in io.Reader, o Options) (*Reader, error) {
	if !certs.ValidName(o.Author) {
		return nil, fault.New("import_mapping", "", "the readings need the name of a member as their author")
	}
	for _, c := range o.Confirm {
		if c != confirmSentinel {
			return nil, fault.New("import_mapping", "", fmt.Sprintf("%.40q cannot be confirmed", c)).
				WithHint("what can be confirmed is " + confirmSentinel)
		}
	}
	r := &Reader{rows: newRows(in), options: o, seen: map[[16]byte]int{}, used: map[string]bool{}}
	if err := r.readHeader(); err != nil {
		return nil, err
	}
	if err := r.checkOptions(); err != nil {
		return nil, err
	}
	return r, nil
}

// readHeader finds the header below blank lines, comments and the line with
// which some spreadsheets name their delimiter.
func (r *Reader) readHeader() error {
	for range maxPreamble {
		l, err := r.rows.next()
		if err == io.EOF {
			return fault.New("import_header", "", "the file has no header line")
		}
		if err != nil {
			return fmt.Errorf("read the header: %w", err)
		}
		if l.number == 1 {
			if strings.HasPrefix(l.text, "\xff\xfe") || strings.HasPrefix(l.text, "\xfe\xff") {
				return fault.New("import_header", "line 1", "the file is UTF-16").WithHint("save it as UTF-8")
			}
			l.text = strings.TrimPrefix(l.text, "\ufeff")
		}
		if text := strings.TrimSpace(l.text); !l.long && (text == "" || text[0] == '#' || strings.HasPrefix(text, "sep=")) {
			continue
		}
		return r.recognise(l)
	}
	return fault.New("import_header", "", fmt.Sprintf("the first %d lines hold no header", maxPreamble))
}

// recognise takes the delimiter under which the header fits the mapping.
func (r *Reader) recognise(l line) error {
	where := fmt.Sprintf("line %d", l.number)
	if l.long {
		return fault.New("import_header", where, "the header line is too long")
	}
	var best []string
	var firstErr error
	for _, d := range []byte{',', ';', '\t'} {
		header, err := splitRow(l.text, d)
		if err != nil {
			continue
		}
		for i, h := range header {
			header[i] = strings.TrimSpace(h)
		}
		if len(header) > len(best) {
			best, firstErr = header, nil
		}
		m := r.options.Mapping
		if m == nil || !m.complete() {
			preset := recognise(header)
			if preset == nil {
				continue
			}
			if m == nil {
				m = &Mapping{}
			}
			m = m.over(preset)
		}
		places, err := m.places(header)
		costs, cerr := m.costs(header)
		if err == nil {
			err = cerr
		}
		if err == nil {
			r.mapping, r.places, r.costs, r.header, r.rows.delimiter = m, places, costs, header, d
			return nil
		}
		if len(header) == len(best) {
			firstErr = err
		}
	}
	if firstErr != nil {
		return fault.New(fault.Code(firstErr), where, firstErr.Error()).WithHint("the columns are " + list(best))
	}
	return fault.New("import_header", where, "this is not a file that is recognised by its header").
		WithHint("name its columns, such as vehicle=car,event_time=date,value=odo,unit=mi; they are " + list(best))
}

func list(names []string) string {
	var b strings.Builder
	for i, n := range names {
		if i == 20 {
			fmt.Fprintf(&b, ", and %d more", len(names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.40q", n)
	}
	return b.String()
}

// checkOptions refuses what would refuse every row.
func (r *Reader) checkOptions() error {
	_, hasColumn := r.places[FieldVehicle]
	_, alone := r.options.Vehicles[""]
	switch {
	case hasColumn && alone:
		return fault.New("import_vehicle", "", fmt.Sprintf("the file names its vehicles in the column %q, so a VIN needs the name beside it", r.mapping.Columns[FieldVehicle])).
			WithHint("say NAME=VIN, with a name of that column")
	case !hasColumn && (!alone || len(r.options.Vehicles) != 1):
		return fault.New("import_vehicle", "", "the file has no column for the vehicle, so it needs one VIN for all rows")
	}
	if _, ok := r.places[FieldUnit]; !ok && r.mapping.Constants[FieldUnit] == "" {
		return fault.New("import_mapping", "", "the unit of the odometer is not given").WithHint("add unit=mi or unit=km to the mapping")
	}
	if r.mapping.orders() {
		for _, f := range []string{FieldServiceType, FieldWorkType, FieldPay} {
			if r.mapping.Columns[f] == "" && r.mapping.Constants[f] == "" {
				return fault.New("import_mapping", "", "a work order has a "+f+", and none is given").WithHint("add " + f + "=COLUMN to the mapping; service_type and pay may be a code that holds for the whole file")
			}
		}
		if (r.mapping.Columns[FieldCost] != "") != (r.mapping.Columns[FieldCurrency] != "" || r.mapping.Constants[FieldCurrency] != "") {
			return fault.New("import_mapping", "", "cost and currency go together").WithHint("add currency=EUR, or what the cost is in")
		}
	}
	if p := r.mapping.Name; r.options.Zone == nil && p != "" && p != "milepost" {
		return fault.New("import_zone", "", "the times in this file have no zone").
			WithHint("name the zone of the place, such as Europe/London")
	}
	return nil
}

// Mapping returns the mapping in use, as it was recognised.
func (r *Reader) Mapping() Mapping { return *r.mapping }

// Bytes returns how much of the source has been taken in, for a progress bar.
func (r *Reader) Bytes() int64 { return r.rows.bytes }

// Unused returns the labels of Options.Vehicles that no row had so far.
func (r *Reader) Unused() []string {
	var labels []string
	for l := range r.options.Vehicles {
		if l != "" && !r.used[l] {
			labels = append(labels, l)
		}
	}
	slices.Sort(labels)
	return labels
}

// Next returns the next row; blank ones are passed over. At the end the
// error is io.EOF; any other ends the reading. A refused row is no error.
func (r *Reader) Next() (Row, error) {
	for {
		cells, first, why, err := r.rows.row()
		if err == io.EOF {
			return Row{}, io.EOF
		}
		if err != nil {
			return Row{}, fmt.Errorf("read line %d: %w", r.rows.number, err)
		}
		if why == nil && strings.Join(cells, "") == "" {
			continue
		}
		if r.read++; r.read > MaxRows {
			return Row{}, fault.New("import_too_long", fmt.Sprintf("line %d", first.number), fmt.Sprintf("the file has more than %d rows", MaxRows)).
				WithHint("split it and import the parts")
		}
		row := Row{Line: first.number}
		if why != nil {
			row.Err = fault.New("import_row", fmt.Sprintf("line %d", row.Line), why.Error())
			return row, nil
		}
		if first.noBreak {
			row.Notes = append(row.Notes, "the file ends within this line; if it was cut off, check the row")
		}
		r.draft(&row, cells)
		return row, nil
	}
}

// All ranges over the rows; the error, if any, comes last and alone.
func (r *Reader) All() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for {
			row, err := r.Next()
			if err == io.EOF || !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// draft fills in the row's draft or error.
func (r *Reader) draft(row *Row, cells []string) {
	refuse := func(code, field string, err error) {
		where := fmt.Sprintf("line %d", row.Line)
		if name := r.mapping.Columns[field]; name != "" {
			where += fmt.Sprintf(", column %.60q", name)
		}
		row.Err = fault.New(code, where, err.Error())
		row.Draft = Draft{}
	}
	// Spreadsheets put empty cells behind the last column.
	for len(cells) > len(r.header) && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) != len(r.header) {
		refuse("import_row", "", fmt.Errorf("the row has %d fields, the header %d", len(cells), len(r.header)))
		return
	}
	d := &row.Draft
	for _, step := range []struct {
		code, field string
		do          func(cell string) error
	}{
		{"import_vehicle", FieldVehicle, func(cell string) (err error) { d.VIN, err = r.vehicle(cell); return err }},
		// Before the time and value, for these say that the row is no reading at all.
		{"import_word", FieldPurpose, r.word(FieldPurpose, &d.Purpose)},
		{"import_word", FieldResult, r.word(FieldResult, &d.Result)},
		{"import_word", FieldSource, r.word(FieldSource, &d.Source)},
		{"import_time", FieldEventTime, func(cell string) error {
			m, err := parseMoment(cell, r.mapping.Dates, r.options.Zone)
			d.EventTime, d.EventPrecision = m.text, m.precision
			if m.note != "" {
				row.Notes = append(row.Notes, m.note)
			}
			return err
		}},
		{"import_word", FieldUnit, r.whenRead(d, r.word(FieldUnit, &d.Unit))},
		{"import_word", FieldPrecision, r.whenRead(d, r.word(FieldPrecision, &d.Precision))},
		{"import_value", FieldValue, r.whenRead(d, func(cell string) (err error) {
			if d.Value, err = parseValue(cell); err == nil {
				err = d.checkSentinel(r.options.Confirm)
			}
			return err
		})},
	} {
		cell := ""
		if at, ok := r.places[step.field]; ok {
			cell = cells[at]
		}
		if err := step.do(cell); err != nil {
			refuse(step.code, step.field, err)
			return
		}
	}
	if r.mapping.orders() {
		if field, err := r.order(row, cells); err != nil {
			refuse("import_order", field, err)
			return
		}
	}
	key := d.key(r.options.Author)
	r.seen[key]++
	d.ID = StableID(r.options.Author, *d, r.seen[key])
}

// whenRead leaves a step out for an odometer that was not read.
func (r *Reader) whenRead(d *Draft, step func(string) error) func(string) error {
	return func(cell string) error {
		if d.Result != "read" {
			return nil
		}
		return step(cell)
	}
}

// vehicle finds the VIN that a cell of the vehicle column stands for.
func (r *Reader) vehicle(cell string) (record.VIN, error) {
	if v, ok := r.options.Vehicles[cell]; ok {
		r.used[cell] = true
		return v, nil
	}
	if v, err := record.ParseVIN(cell); err == nil {
		return v, nil
	}
	if cell == "" {
		return "", errors.New("no vehicle is named")
	}
	return "", fmt.Errorf("no VIN is given for the vehicle %.40q, and it is none itself", cell)
}

// word sets a field of few words from its column, constant or default.
func (r *Reader) word(field string, to *string) func(string) error {
	return func(cell string) error {
		if _, ok := r.places[field]; !ok {
			if *to = r.mapping.Constants[field]; *to == "" {
				*to = defaults[field]
				if field == FieldPurpose && r.mapping.orders() {
					*to = "service_in"
				}
			}
			return nil
		}
		if why := r.mapping.Refuse[field][strings.ToLower(cell)]; why != "" {
			return errors.New(why)
		}
		c, ok := r.mapping.code(field, cell)
		if !ok {
			return fmt.Errorf("%.40q is not known here; known are %s", cell, strings.Join(codes[field], ", "))
		}
		*to = c
		return nil
	}
}
