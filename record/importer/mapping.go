package importer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
)

// Fields of a reading that a mapping can name.
const (
	FieldVehicle   = "vehicle"    // a label, or the VIN itself
	FieldEventTime = "event_time" // when the odometer was read
	FieldValue     = "value"      // what it showed, a whole number
	FieldUnit      = "unit"       // SMI (mi) or KMT (km)
	FieldResult    = "result"     // read, unreadable, no_odometer
	FieldPurpose   = "purpose"    // inspection, periodic, ...
	FieldSource    = "source"     // document, visual, ...
	FieldPrecision = "precision"  // exact, rounded_10, ...
)

// Fields of a work order that a mapping can name beside. With order_no each
// row is a service.visit, and the reading is the one on arrival.
const (
	FieldOrder       = "order_no"     // number of the order
	FieldOpened      = "opened_at"    // when it was opened; event_time is its completion
	FieldServiceType = "service_type" // maintenance, repair, ...
	FieldWorkType    = "work_type"    // kind of work; of any text its letters and digits
	FieldPay         = "pay"          // customer, warranty, campaign, internal
	FieldOpCode      = "op_code"      // code of the operation
	FieldPart        = "part_no"      // number of a part that was used, one of it
	FieldHours       = "hours"        // hours worked, at most two decimals
	FieldCost        = "cost"         // what it cost; columns with + between them are added up
	FieldCurrency    = "currency"     // of the cost, ISO 4217
)

var orderFields = []string{
	FieldOrder, FieldOpened, FieldServiceType, FieldWorkType, FieldPay, FieldOpCode, FieldPart, FieldHours, FieldCost, FieldCurrency,
}

var fields = append([]string{
	FieldVehicle, FieldEventTime, FieldValue, FieldUnit,
	FieldResult, FieldPurpose, FieldSource, FieldPrecision,
}, orderFields...)

// DateOrder is the order of day and month where the year does not come first.
type DateOrder string

// Without an order only dates that begin with the year are accepted.
const (
	DatesYMD DateOrder = ""
	DatesDMY DateOrder = "dmy"
	DatesMDY DateOrder = "mdy"
)

// Mapping says where the fields of a reading are in a file.
type Mapping struct {
	Name      string                       // of a preset; "" for one's own
	Columns   map[string]string            // field to name of the column
	Constants map[string]string            // field to a code that holds for the whole file
	Words     map[string]map[string]string // field to word of the file, in lower case, to code
	Refuse    map[string]map[string]string // field to word of the file, in lower case, to the reason why such a row is no reading
	Dates     DateOrder
}

// defaults hold where neither column nor constant is named. Whoever imports
// a file has seen a document, not the odometer.
var defaults = map[string]string{
	FieldResult: "read", FieldPurpose: "periodic", FieldSource: "document", FieldPrecision: "exact",
}

// codes are the words that records know for each field of few words.
var codes = map[string][]string{
	FieldUnit:   {"KMT", "SMI"},
	FieldResult: {"read", "unreadable", "no_odometer"},
	FieldPurpose: {"delivery", "service_in", "service_out", "inspection", "sale", "purchase", "lease_end",
		"insurance", "warranty_claim", "access_proof", "periodic", "after_replacement"},
	FieldSource:    {"visual", "photo", "obd", "telematics", "document", "estimate"},
	FieldPrecision: {"exact", "rounded_10", "rounded_100", "rounded_1000"},

	FieldServiceType: {"maintenance", "repair", "warranty", "recall", "inspection", "body", "tyres", "other"},
	FieldPay:         {"customer", "warranty", "campaign", "internal"},
}

// commonWords are understood in every file, whatever their case.
var commonWords = map[string]map[string]string{
	FieldUnit: {
		"mi": "SMI", "mile": "SMI", "miles": "SMI", "smi": "SMI",
		"km": "KMT", "kms": "KMT", "kmt": "KMT", "kilometre": "KMT", "kilometres": "KMT", "kilometer": "KMT", "kilometers": "KMT",
	},
}

// code finds what a word of the file stands for in a field of few words.
func (m *Mapping) code(field, word string) (string, bool) {
	low := strings.ToLower(word)
	if c, ok := m.Words[field][low]; ok {
		return c, true
	}
	if c, ok := commonWords[field][low]; ok {
		return c, true
	}
	for _, c := range codes[field] {
		if strings.EqualFold(c, word) {
			return c, true
		}
	}
	if field == FieldCurrency && currencyForm.MatchString(word) {
		return word, true
	}
	return "", false
}

// orders reports whether each row is a work order.
func (m *Mapping) orders() bool { return m.Columns[FieldOrder] != "" }

const (
	maxSpec      = 4096 // bytes of a mapping as text
	columnPrefix = "column:"
)

// ParseMapping reads a mapping from text such as
//
//	vehicle=car,event_time=date,value=odo,unit=mi,dates=dmy,result.ok=read
//
// which is one line of CSV, so that a name with a comma is quoted with its
// field: "value=odo, km". On the right of a field stands the name of a
// column; for unit, result, purpose, source and precision it may be a code,
// which then holds for the whole file (column:km is a column of that name).
// With order_no each row is a work order: service_type and pay are columns or
// codes, currency is a code such as EUR, and cost may be several columns that
// are added up, cost=labour+parts.
// field.word=code says what a word of the file stands for. dates=dmy or
// dates=mdy allows dates that do not begin with the year.
//
// A mapping without event_time and value is laid over the preset that the
// header is recognised as. The error's code is import_mapping.
func ParseMapping(spec string) (*Mapping, error) {
	bad := func(format string, args ...any) (*Mapping, error) {
		return nil, fault.New("import_mapping", "", "the mapping cannot be used: "+fmt.Sprintf(format, args...)).
			WithHint("for example vehicle=car,event_time=date,value=odo,unit=mi")
	}
	if len(spec) > maxSpec {
		return bad("it has more than %d bytes", maxSpec)
	}
	parts, err := splitRow(spec, ',')
	if err != nil {
		return bad("%v", err)
	}
	m := &Mapping{Columns: map[string]string{}, Constants: map[string]string{}, Words: map[string]map[string]string{}}
	for _, part := range parts {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || value == "" {
			return bad("%.60q is not of the form field=column", part)
		}
		field, word, isWord := strings.Cut(key, ".")
		word = strings.ToLower(strings.TrimSpace(word))
		switch {
		case key == "dates":
			if m.Dates != DatesYMD || value != string(DatesDMY) && value != string(DatesMDY) {
				return bad("dates is dmy or mdy, once")
			}
			m.Dates = DateOrder(value)
		case !slices.Contains(fields, field):
			return bad("%.60q is no field; fields are %s", key, strings.Join(fields, ", "))
		case isWord:
			c, known := (&Mapping{}).code(field, value)
			if field == FieldWorkType {
				c, known = value, codeForm.MatchString(value)
			}
			if !known || m.Words[field][word] != "" {
				return bad("%.60q: a word stands for one of %s, and for one only", part, strings.Join(codes[field], ", "))
			}
			if m.Words[field] == nil {
				m.Words[field] = map[string]string{}
			}
			m.Words[field][word] = c
		case m.Columns[field] != "" || m.Constants[field] != "":
			return bad("%s is given twice", field)
		default:
			if c, isCode := (&Mapping{}).code(field, value); isCode {
				m.Constants[field] = c
			} else {
				m.Columns[field] = strings.TrimPrefix(value, columnPrefix)
			}
		}
	}
	if !m.orders() {
		for _, f := range orderFields {
			if m.Columns[f] != "" || m.Constants[f] != "" {
				return bad("%s belongs to a work order, and no order_no is given", f)
			}
		}
	}
	if m.complete() != (m.Columns[FieldEventTime] != "" || m.Columns[FieldValue] != "") {
		return bad("event_time and value go together")
	}
	return m, nil
}

// complete reports whether the mapping stands alone, without a preset.
func (m *Mapping) complete() bool {
	return m.Columns[FieldEventTime] != "" && m.Columns[FieldValue] != ""
}

// over lays m over a preset: what m names wins. Neither is changed.
func (m *Mapping) over(preset *Mapping) *Mapping {
	sum := &Mapping{
		Name: preset.Name, Dates: preset.Dates, Refuse: preset.Refuse,
		Columns: map[string]string{}, Constants: map[string]string{}, Words: map[string]map[string]string{},
	}
	if m.Dates != DatesYMD {
		sum.Dates = m.Dates
	}
	for _, f := range fields {
		from := preset
		if m.Columns[f] != "" || m.Constants[f] != "" {
			from = m
		}
		sum.Columns[f], sum.Constants[f] = from.Columns[f], from.Constants[f]
		sum.Words[f] = map[string]string{}
		maps.Copy(sum.Words[f], preset.Words[f])
		maps.Copy(sum.Words[f], m.Words[f])
	}
	return sum
}

// places finds the mapping's columns in a header: field to index.
func (m *Mapping) places(header []string) (map[string]int, error) {
	places := map[string]int{}
	for _, f := range fields {
		name := m.Columns[f]
		if name == "" || f == FieldCost {
			continue
		}
		at, err := column(header, name)
		if err != nil {
			return nil, err
		}
		places[f] = at
	}
	return places, nil
}

// costs finds the columns of the cost: one of that name, else those between
// whose names a + stands.
func (m *Mapping) costs(header []string) (at []int, err error) {
	name := m.Columns[FieldCost]
	if name == "" {
		return nil, nil
	}
	if i, err := column(header, name); err == nil || !strings.Contains(name, "+") {
		return []int{i}, err
	}
	for _, part := range strings.Split(name, "+") {
		i, err := column(header, strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		at = append(at, i)
	}
	return at, nil
}

// column finds a name in the header: as it is, else in another case.
func column(header []string, name string) (int, error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		at := -1
		for i, h := range header {
			if !same(h, name) {
				continue
			}
			if at >= 0 {
				return 0, fault.New("import_header", "", fmt.Sprintf("the column %.60q is there twice", name))
			}
			at = i
		}
		if at >= 0 {
			return at, nil
		}
	}
	return 0, fault.New("import_header", "", fmt.Sprintf("there is no column %.60q", name))
}
