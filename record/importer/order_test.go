package importer

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

const orderMap = "vehicle=car,event_time=out,opened_at=in,value=odo,unit=km,order_no=wo,work_type=group,service_type=kind,pay=internal," +
	"hours=h,cost=labour+parts,currency=EUR,part_no=part,kind.x=y"

func orders(t *testing.T, spec, text string) (rows []Row, err error) {
	t.Helper()
	m, err := ParseMapping(spec)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(strings.NewReader(text), Options{Author: author, Mapping: m, Vehicles: map[string]record.VIN{"x": scenic}})
	if err != nil {
		return nil, err
	}
	for {
		row, err := r.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// A work order becomes a visit and the reading on arrival; what can't be
// certain refuses its row and no other.
func TestWorkOrders(t *testing.T) {
	t.Parallel()
	spec := strings.Replace(orderMap, ",kind.x=y", ",service_type.pm=maintenance,work_type.???=unknown", 1)
	const in, out = "2024-01-02T08:00Z", "2024-01-03T17:00Z"
	for _, test := range []struct{ row, want string }{
		{in + "," + out + ",100,A-1,Brakes (front),PM,1.5,10.0,2.25,P-1", "maintenance brakes_front 150 12.25 EUR P-1"},
		{in + "," + out + ",100,A-1,BRAKES,repair,,,,", "repair brakes -1  "},
		{in + "," + out + ",100,A-1,???,repair,0,0,,", "repair unknown 0 0.00 EUR "},
		{in + "," + out + ",100,A-1,2 wheels,repair,,,,", "import_order work_type"},
		{in + "," + out + ",100,A-1,???!,repair,,,,", "import_order group"},
		{in + "," + out + ",100,A-1,x,fixing,,,,", "import_order kind"},
		{in + "," + out + ",100,,x,repair,,,,", "import_order order_no"},
		{in + "," + out + ",100," + strings.Repeat("A", 33) + ",x,repair,,,,", "import_order order_no"},
		{in + "," + out + ",100,A\x01,x,repair,,,,", "import_order U+0001"},
		{in + "," + out + ",100,A-1,x,repair,1.555,,,", "import_order h"},
		{in + "," + out + ",100,A-1,x,repair,-1,,,", "import_order h"},
		{in + "," + out + ",100,A-1,x,repair,100000.01,,,", "import_order h"},
		{in + "," + out + ",100,A-1,x,repair,,-25,0.5,", "repair x -1 -24.50 EUR "},
		{in + "," + out + ",100,A-1,x,repair,,-0.5,,", "repair x -1 -0.50 EUR "},
		{in + "," + out + ",100,A-1,x,repair,,1e3,,", "import_order labour"},
		{in + "," + out + ",100,A-1,x,repair,,\"1,000\",,", "import_order labour"},
		{out + "," + in + ",100,A-1,x,repair,,,,", "import_order opened"},
		{"2024-13-02," + out + ",100,A-1,x,repair,,,,", "import_order in"},
		{in + "," + out + ",x,A-1,x,repair,,,,", "import_value odo"},
	} {
		text := "car,in,out,odo,wo,group,kind,h,labour,parts,part\nx," + test.row + "\nx," + in + "," + out + ",100,B,x,repair,,,,\n"
		rows, err := orders(t, spec, text)
		if err != nil || len(rows) != 2 || rows[1].Err != nil {
			t.Fatalf("%q: %v %v", test.row, rows, err)
		}
		if err := rows[0].Err; err != nil {
			code, word, _ := strings.Cut(test.want, " ")
			if fault.Code(err) != code || word == "work_type" && !strings.Contains(err.Error(), "work_type.WORD=code") || word != "work_type" && !strings.Contains(err.Error(), word) {
				t.Errorf("%q: %v, want %s", test.row, err, test.want)
			}
			continue
		}
		d := rows[0].Draft
		checkDraft(t, d)
		o := d.Order
		if got := fmt.Sprint(o.ServiceType, " ", o.WorkType, " ", o.Hours100, " ", o.Cost, " ", o.PartNo); got != test.want {
			t.Errorf("%q: %s, want %s", test.row, got, test.want)
		}
		if d.EventTime != "2024-01-02T08:00:00Z" || o.EventTime != "2024-01-03T17:00:00Z" || o.OpenedAt != d.EventTime || d.Purpose != "service_in" || o.ID == d.ID || o.ID == rows[1].Draft.Order.ID {
			t.Errorf("%q: %+v %+v", test.row, d, o)
		}
	}
}

// What would go wrong in every row is refused at once.
func TestMappingsOfWorkOrders(t *testing.T) {
	t.Parallel()
	const header = "car,in,out,odo,wo,group,kind,h,labour,parts,part\n"
	whole := strings.Replace(orderMap, ",kind.x=y", "", 1)
	if _, err := orders(t, whole, header); err != nil {
		t.Errorf("%v", err)
	}
	for _, test := range []struct{ old, new, code string }{
		{"order_no=wo,", "", "import_mapping"},
		{"work_type=group,", "", "import_mapping"},
		{"service_type=kind,", "", "import_mapping"},
		{"pay=internal,", "", "import_mapping"},
		{",currency=EUR", "", "import_mapping"},
		{"cost=labour+parts,", "", "import_mapping"},
		{"cost=labour+parts", "cost=labour+part s", "import_header"},
		{"order_no=wo", "order_no=none", "import_header"},
		{"work_type=group", "work_type=group,work_type.a=B c", "import_mapping"},
	} {
		if _, err := orders(t, strings.Replace(whole, test.old, test.new, 1), header); fault.Code(err) != test.code {
			t.Errorf("%s for %s: %v", test.new, test.old, err)
		}
	}
}
