package importer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// Order is a work order: one line of work on one visit.
type Order struct {
	ID             string // UUIDv7, the same in every run
	EventTime      string // of its completion, with offset
	EventPrecision string // date, minute or second
	OpenedAt       string // with offset; "" if the file doesn't say
	OrderNo        string
	ServiceType    string // maintenance, repair, ...
	WorkType       string // a code
	Pay            string // customer, warranty, campaign, internal
	OpCode         string // "" if the file doesn't say
	PartNo         string // "" if the file doesn't say
	Hours100       int64  // hundredths of hours; -1 if the file doesn't say
	Cost           string // such as "567.00 USD", or "-25.00 USD" for a credit; "" if the file doesn't say. It never goes into a record
}

// CostField is the field that a commitment to a cost is made for.
const CostField = "cost"

var (
	codeForm     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	amountForm   = regexp.MustCompile(`^-?[0-9]{1,9}(\.[0-9]{1,2})?$`)
)

// maxHours100 is what a line of a service.visit takes.
const maxHours100 = 100_000_00

// VisitRecord returns the draft of the visit, which the reading of this leaf
// hash opens; cost is the commitment to what it cost, "" for none. Author,
// Origin, Captured and Actor are the caller's to fill in.
func (d Draft) VisitRecord(reading, cost string) record.Draft {
	o := d.Order
	line := []jcs.Field{{Name: "pay", Value: jcs.Text(o.Pay)}, {Name: "work_type", Value: jcs.Text(o.WorkType)}}
	add := func(fields []jcs.Field, name, value string) []jcs.Field {
		if value != "" {
			fields = append(fields, jcs.Field{Name: name, Value: jcs.Text(value)})
		}
		return fields
	}
	line = add(add(line, "op_code", o.OpCode), CostField, cost)
	if o.Hours100 >= 0 {
		line = append(line, jcs.Field{Name: "hours_100", Value: jcs.Number(o.Hours100)})
	}
	if o.PartNo != "" {
		part := jcs.Make(jcs.Field{Name: "no", Value: jcs.Text(o.PartNo)}, jcs.Field{Name: "quantity_100", Value: jcs.Number(100)})
		line = append(line, jcs.Field{Name: "parts", Value: jcs.Array(part)})
	}
	body := add([]jcs.Field{
		{Name: "lines", Value: jcs.Array(jcs.Make(line...))}, {Name: "odometer_work", Value: jcs.Boolean(false)}, {Name: "order_no", Value: jcs.Text(o.OrderNo)},
		{Name: "reading_in", Value: jcs.Text(reading)}, {Name: "service_type", Value: jcs.Text(o.ServiceType)},
	}, "opened_at", o.OpenedAt)
	return record.Draft{
		Body: jcs.Make(body...), EventTime: o.EventTime, ID: o.ID, Precision: o.EventPrecision,
		Subjects: []string{record.VehicleSubject(string(d.VIN))}, Type: "service.visit/1",
	}
}

// stableID is StableID for a visit: of
//
//	SHA-256("milepost/import-visit-id@v1\n" || author || "\n" || VIN || "\n" ||
//	        event time || "\n" || order number || "\n" || occurrence)
func (o *Order) stableID(author string, vin record.VIN, seen map[[16]byte]int) string {
	seed := "milepost/import-visit-id@v1\n" + author + "\n" + string(vin) + "\n" + o.EventTime + "\n" + o.OrderNo + "\n"
	sum := sha256.Sum256([]byte(seed))
	key := [16]byte(sum[:16])
	seen[key]++
	h := sha256.Sum256([]byte(seed + strconv.Itoa(seen[key])))
	var ms int64
	if t, err := record.ParseTime(o.EventTime); err == nil {
		ms = t.UnixMilli()
	}
	return record.FormatUUID(record.UUIDv7(ms, [16]byte(h[:16])))
}

// order reads the work order of a row whose reading stands in its draft, and
// dates the reading to the vehicle's arrival. field is the one that is wrong.
func (r *Reader) order(row *Row, cells []string) (field string, err error) {
	d := &row.Draft
	cell := func(field string) string {
		if at, ok := r.places[field]; ok {
			return cells[at]
		}
		return ""
	}
	o := &Order{EventTime: d.EventTime, EventPrecision: d.EventPrecision, OrderNo: cell(FieldOrder), OpCode: cell(FieldOpCode), PartNo: cell(FieldPart), Hours100: -1}
	currency := ""
	for _, step := range []struct {
		field string
		do    func() error
	}{
		{FieldServiceType, func() error { return r.word(FieldServiceType, &o.ServiceType)(cell(FieldServiceType)) }},
		{FieldPay, func() error { return r.word(FieldPay, &o.Pay)(cell(FieldPay)) }},
		{FieldWorkType, func() error { return r.workType(cell(FieldWorkType), &o.WorkType) }},
		{FieldOpened, func() error { return r.opened(row, o, cell(FieldOpened)) }},
		{FieldHours, func() (err error) {
			if h := cell(FieldHours); h != "" {
				if o.Hours100, err = hundredths(h); err == nil && (o.Hours100 < 0 || o.Hours100 > maxHours100) {
					err = fmt.Errorf("%.40q are no hours that a line takes", h)
				}
			}
			return err
		}},
		{FieldCurrency, func() error {
			if len(r.costs) == 0 {
				return nil
			}
			return r.word(FieldCurrency, &currency)(cell(FieldCurrency))
		}},
		{FieldCost, func() error { return o.sum(r.costs, cells, currency) }},
	} {
		if err := step.do(); err != nil {
			return step.field, err
		}
	}
	d.Order = o
	o.ID = o.stableID(r.options.Author, d.VIN, r.seen)
	// What no step above looks at, such as a control character, the record's
	// own definition refuses.
	v := d.VisitRecord(strings.Repeat("0", 64), "")
	v.Author, v.Captured, v.Origin = r.options.Author, "2000-01-01T00:00:00Z", "import.example/"+strings.Repeat("0", 40)
	if _, err := v.Text(); err != nil {
		return "", err
	}
	return "", nil
}

// opened takes over when the order was opened: the vehicle came then, so its
// odometer was read then.
func (r *Reader) opened(row *Row, o *Order, cell string) error {
	if cell == "" {
		return nil
	}
	m, err := parseMoment(cell, r.mapping.Dates, r.options.Zone)
	if err != nil {
		return err
	}
	if m.note != "" {
		row.Notes = append(row.Notes, m.note)
	}
	o.OpenedAt = m.text
	row.Draft.EventTime, row.Draft.EventPrecision = m.text, m.precision
	return nil
}

// workType makes a code of any words: "Brakes / front" is brakes_front.
func (r *Reader) workType(cell string, to *string) error {
	if c, ok := r.mapping.Words[FieldWorkType][strings.ToLower(cell)]; ok {
		*to = c
		return nil
	}
	words := strings.FieldsFunc(strings.ToLower(cell), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	*to = strings.Join(words, "_")
	if !codeForm.MatchString(*to) {
		return fmt.Errorf("%.40q gives no code of 1 to 32 letters and digits that begins with a letter: say work_type.WORD=code", cell)
	}
	return nil
}

// sum adds up what the order cost; nothing is said if all cells are empty.
func (o *Order) sum(columns []int, cells []string, currency string) error {
	total, said := int64(0), false
	for _, at := range columns {
		if cells[at] == "" {
			continue
		}
		n, err := hundredths(cells[at])
		if err != nil {
			return err
		}
		total, said = total+n, true
	}
	if said {
		sign := ""
		if total < 0 {
			sign, total = "-", -total
		}
		o.Cost = fmt.Sprintf("%s%d.%02d %s", sign, total/100, total%100, currency)
	}
	return nil
}

// hundredths reads digits, a minus before them perhaps, with at most two
// decimals behind a point.
func hundredths(s string) (int64, error) {
	if !amountForm.MatchString(s) {
		return 0, fmt.Errorf("%.40q is not a number of digits with at most two decimals behind a point", s)
	}
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
	if err != nil {
		return 0, errors.New("the number is too large")
	}
	return n, nil
}
