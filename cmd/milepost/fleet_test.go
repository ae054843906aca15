package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/fleet"
)

var wholeFleet = flag.Bool("whole-fleet", false, "take all 250 vehicles into the fleet's story: 40,000 records")

// workOrder is a row of the sample, see testdata/fleet/README.md.
type workOrder struct {
	vehicle, orderNo, opened, kind, reason string
	hours                                  int
	labour, parts, other                   string
}

// workOrders reads the sample with nothing but the standard library.
func workOrders(t *testing.T) (orders []workOrder) {
	t.Helper()
	f, err := os.Open("testdata/fleet/work_orders.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		h, err := strconv.Atoi(r[5])
		if err != nil {
			t.Fatal(err)
		}
		orders = append(orders, workOrder{r[0], r[1], r[2], r[3], r[4], h, r[6], r[7], r[8]})
	}
	return orders
}

// cents reads an amount such as 12, 12.5 or 12.50.
func cents(t *testing.T, s string) int64 {
	t.Helper()
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// expected are a vehicle's, or a group's, figures as they follow from the
// sample, computed apart from the program.
type expected struct {
	lines, repairs int
	hours, cents   int64
	vehicles       map[string]bool
	down           map[int64]bool // hours since 1970 in which an order was open
}

func (e *expected) add(t *testing.T, o workOrder) {
	e.lines++
	if o.kind == "REPAIR" {
		e.repairs++
	}
	e.hours += int64(o.hours)
	e.cents += cents(t, o.labour) + cents(t, o.parts) + cents(t, o.other)
	e.vehicles[o.vehicle] = true
	at, err := time.Parse("2006-01-02", o.opened)
	if err != nil {
		t.Fatal(err)
	}
	for h := range int64(max(1, o.hours)) {
		e.down[at.Unix()/3600+8+h] = true
	}
}

func sumsOf(t *testing.T, orders []workOrder, by func(workOrder) string) map[string]*expected {
	out := map[string]*expected{}
	for _, o := range orders {
		k := by(o)
		if out[k] == nil {
			out[k] = &expected{vehicles: map[string]bool{}, down: map[int64]bool{}}
		}
		out[k].add(t, o)
	}
	return out
}

// completed is when an order is said to be done.
func completed(t *testing.T, o workOrder) time.Time {
	at, err := time.Parse("2006-01-02T15:04", o.opened+"T08:00")
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(time.Duration(max(1, o.hours)) * time.Hour)
}

// A fleet's workshop brings in the work orders of sixteen years, its client
// reads them by a contract's grants, and the tables of cost, downtime and
// components are those that the orders give when they are added up apart.
// Every 25th vehicle; -whole-fleet takes all 250.
func TestFleetStory(t *testing.T) {
	t.Parallel()
	orders := workOrders(t)
	names := slices.Sorted(maps.Keys(sumsOf(t, orders, func(o workOrder) string { return o.vehicle })))
	if len(orders) != 19_498 || len(names) != 250 {
		t.Fatalf("%d orders of %d vehicles", len(orders), len(names))
	}
	vins := map[string]string{}
	for i, name := range names {
		if *wholeFleet || i%25 == 0 {
			vins[name] = fmt.Sprintf("VF1FLEET%09d", i+1)
		}
	}
	orders = slices.DeleteFunc(orders, func(o workOrder) bool { return vins[o.vehicle] == "" })

	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	text := readFile(t, "testdata/stories.toml")
	c, err := embed.Start(ctx, embed.Config{Dir: dir, Text: text, LastWord: writeCluster(dir, text)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()

	// The client's list, and the workshop's file.
	var list, file strings.Builder
	for _, name := range slices.Sorted(maps.Keys(vins)) {
		fmt.Fprintf(&list, "%s=%s\n", name, vins[name])
	}
	fmt.Fprintln(&file, "vehicle,order,in,out,miles,kind,reason,hours,labour,parts,other")
	for _, o := range orders {
		day, _ := time.Parse("2006-01-02", o.opened)
		miles := 1000 + 30*int(day.Sub(time.Date(2008, 1, 1, 0, 0, 0, 0, time.UTC)).Hours()/24)
		fmt.Fprintf(&file, "%s,%s,%sT08:00,%s,%d,%s,%s,%d,%s,%s,%s\n", o.vehicle, o.orderNo, o.opened, completed(t, o).Format("2006-01-02T15:04"), miles, o.kind, o.reason, o.hours, o.labour, o.parts, o.other)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{"cars.txt": list.String(), "orders.csv": file.String()} {
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cli := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if status := run(append(append([]string{"milepost"}, args...), "--config", at("cluster.toml")), strings.NewReader(""), &out, &errs); status != want {
			t.Fatalf("%v: status %d: %s%s", args, status, out.String(), errs.String())
		}
		return out.String()
	}
	began := time.Now()
	said := cli(exitDone, "record", "import", at("orders.csv"), "--as", "dealer.example/lyon", "--vehicles", at("cars.txt"), "--zone", "UTC", "--map",
		"vehicle=vehicle,event_time=out,opened_at=in,value=miles,unit=mi,order_no=order,service_type=kind,service_type.pm=maintenance,work_type=reason,pay=internal,hours=hours,cost=labour+parts+other,currency=USD")
	if want := fmt.Sprintf("%d rows acknowledged, 0 already on the log, 0 refused\n", len(orders)); said != want {
		t.Fatal(said)
	}
	t.Logf("%d orders, %d records in %.1f s", len(orders), 2*len(orders), time.Since(began).Seconds())

	ask := []string{"fleet", "--as", "fleet.example", "--vehicles", at("cars.txt"), "--json"}
	none := readFleet(t, cli(exitRefused, ask...))
	if none.Refused != len(vins) || none.Total.Lines != 0 || none.Vehicles[0].Refused != "no_access" {
		t.Errorf("without grants: %d refused, %+v", none.Refused, none.Total)
	}
	grantFleet(t, ctx, c, slices.Sorted(maps.Values(vins)))
	if r := readFleet(t, cli(exitDone, ask...)); r.Total.Lines != len(orders) || r.Total.Unopened != len(orders) || len(r.Total.Cost) != 0 {
		t.Errorf("without openings: %+v", r.Total)
	}
	r := readFleet(t, cli(exitDone, append(ask, "--openings", at("orders.csv.openings"), "--csv", at("tables"), "--xlsx", at("fleet.xlsx"))...))

	byVehicle := sumsOf(t, orders, func(o workOrder) string { return o.vehicle })
	all := sumsOf(t, orders, func(workOrder) string { return "" })[""]
	down := int64(0)
	for _, v := range r.Vehicles {
		e := byVehicle[v.Label]
		down += int64(len(e.down)) * 3600
		checkWork(t, v.Label, &v.Work, e)
		if v.VIN != vins[v.Label] || v.DownSeconds != int64(len(e.down))*3600 || v.Records != 2*e.lines {
			t.Errorf("%s: %+v, want %d hours down and %d records", v.Label, v, len(e.down), 2*e.lines)
		}
	}
	if len(r.Vehicles) != len(vins) || r.Down != down || r.Refused != 0 {
		t.Errorf("%d vehicles, %d seconds down, want %d", len(r.Vehicles), r.Down, down)
	}
	checkWork(t, "all", &r.Total, all)
	checkGroups(t, r.Work, sumsOf(t, orders, func(o workOrder) string { return o.reason }))
	checkGroups(t, r.Years, sumsOf(t, orders, func(o workOrder) string { return completed(t, o).Format("2006") }))
	for i := 1; i < len(r.Work); i++ {
		if r.Work[i-1].Repairs < r.Work[i].Repairs {
			t.Errorf("%s comes before %s", r.Work[i-1].Group, r.Work[i].Group)
		}
	}

	// A period, and the same figures on every kind of paper.
	in2015 := slices.Clone(orders)
	in2015 = slices.DeleteFunc(in2015, func(o workOrder) bool { return completed(t, o).Year() != 2015 })
	year := readFleet(t, cli(exitDone, append(ask, "--openings", at("orders.csv.openings"), "--from", "2015-01-01", "--to", "2015-12-31")...))
	checkWork(t, "2015", &year.Total, sumsOf(t, in2015, func(workOrder) string { return "" })[""])
	checkPapers(t, at("tables"), at("fleet.xlsx"), r, all.cents)
	shown := cli(exitDone, "fleet", "--as", "fleet.example", "--vehicles", at("cars.txt"), "--openings", at("orders.csv.openings"))
	for _, want := range []string{fmt.Sprintf("%d vehicles", len(vins)), fmt.Sprintf("cost: %d.%02d USD", all.cents/100, all.cents%100), "work types", "normal_wear_target"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	t.Log("\n" + shown)
}

func readFleet(t *testing.T, text string) *fleet.Report {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	r := new(fleet.Report)
	if err := d.Decode(r); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	return r
}

func checkWork(t *testing.T, name string, w *fleet.Work, e *expected) {
	t.Helper()
	if w.Visits != e.lines || w.Lines != e.lines || w.Hours100 != 100*e.hours || w.Cost["USD"] != e.cents || w.Unopened != 0 {
		t.Errorf("%s: %+v, want %d orders, %d hours, %d cents", name, *w, e.lines, e.hours, e.cents)
	}
}

func checkGroups(t *testing.T, rows []fleet.GroupRow, want map[string]*expected) {
	t.Helper()
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for _, row := range rows {
		e := want[row.Group]
		if e == nil {
			t.Errorf("%s is no group", row.Group)
			continue
		}
		checkWork(t, row.Group, &row.Work, e)
		if row.Repairs != e.repairs || row.Vehicles != len(e.vehicles) {
			t.Errorf("%s: %d repairs of %d vehicles, want %d of %d", row.Group, row.Repairs, row.Vehicles, e.repairs, len(e.vehicles))
		}
	}
}

// checkPapers adds up the costs again that stand in the CSV file and in the
// workbook.
func checkPapers(t *testing.T, tables, book string, r *fleet.Report, want int64) {
	t.Helper()
	f, err := os.Open(filepath.Join(tables, "vehicles.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inCSV, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	x, err := excelize.OpenFile(book)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if got := x.GetSheetList(); !slices.Equal(got, []string{"vehicles", "years", "models", "work_types", "part_groups", "services_due", "open_recalls", "open_claims"}) {
		t.Errorf("sheets %q", got)
	}
	inBook, err := x.GetRows("vehicles", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, rows := range map[string][][]string{"csv": inCSV, "xlsx": inBook} {
		at, sum := slices.Index(rows[0], "cost USD"), int64(0)
		if at < 0 || len(rows) != len(r.Vehicles)+1 {
			t.Errorf("%s: %d rows, columns %q", name, len(rows), rows[0])
			continue
		}
		for _, row := range rows[1:] {
			sum += cents(t, row[at])
		}
		if sum != want {
			t.Errorf("%s: the costs add up to %d, want %d", name, sum, want)
		}
	}
	if kind, err := x.GetCellType("vehicles", "F2"); err != nil || kind != excelize.CellTypeUnset && kind != excelize.CellTypeNumber {
		t.Errorf("a number is no number: %v %v", kind, err)
	}
}

// grantFleet has the workshop grant its client the histories by contract.
func grantFleet(t *testing.T, ctx context.Context, c *embed.Cluster, vins []string) {
	t.Helper()
	const member = "dealer.example/lyon"
	s, err := c.Signer(member)
	if err != nil {
		t.Fatal(err)
	}
	client, err := c.Client("lyon", member)
	if err != nil {
		t.Fatal(err)
	}
	origin, err := originOf(c.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var notes [][]byte
	for i, vin := range vins {
		body, err := jcs.Read([]byte(`{"basis":"fleet_contract","expires":"2990-01-01T00:00:00Z","grantee":{"member":"fleet.example"},"purpose":"fleet","types":"all"}`))
		if err != nil {
			t.Fatal(err)
		}
		text, err := record.Draft{
			Author: member, Origin: origin, Type: "access.granted/1", Subjects: []string{"access/" + vin}, Body: body, Precision: "second",
			ID:       record.FormatUUID(record.UUIDv7(now.UnixMilli(), [16]byte{14: byte(i), 15: byte(i >> 8)})),
			Captured: record.FormatUTC(now), EventTime: record.FormatUTC(now),
		}.Text()
		if err != nil {
			t.Fatal(err)
		}
		note, err := record.Sign(text, s)
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, note)
	}
	ans, err := client.Submit(ctx, notes...)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range ans.Records {
		if a.Status != "accepted" {
			t.Fatalf("%s: %+v", a.Status, a.Error)
		}
	}
}

// What is others' words can't become a formula of whoever opens the table.
func TestTablesHoldNoFormulas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tables := []table{{name: "x", columns: []string{"a", "b", "c"}, rows: [][]any{
		{`=HYPERLINK("http://evil.example")`, int64(-5), hundredths(-1)}, {"@SUM(A1)", (*int64)(nil), true}, {"+1", 0, "-"}, {"plain", 1, ""}}}}
	if err := writeTables(dir, tables); err != nil {
		t.Fatal(err)
	}
	want := "a,b,c\n\"'=HYPERLINK(\"\"http://evil.example\"\")\",-5,-0.01\n'@SUM(A1),,yes\n'+1,0,'-\nplain,1,\n"
	if got := readFile(t, filepath.Join(dir, "x.csv")); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	data, err := workbook(tables)
	if err != nil {
		t.Fatal(err)
	}
	x, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if f, err := x.GetCellFormula("x", "A2"); err != nil || f != "" {
		t.Errorf("formula %q: %v", f, err)
	}
	if v, err := x.GetCellValue("x", "A2"); err != nil || v != `=HYPERLINK("http://evil.example")` {
		t.Errorf("%q: %v", v, err)
	}
}
