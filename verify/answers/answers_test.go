package answers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/judge"
)

const (
	vin    = "1N4AZ0CP1DC900001"
	garage = "dealer.example/lyon"
	maker  = "maker.example"
)

// car is a history as a test tells it.
type car struct {
	t  *testing.T
	in Input
}

func newCar(t *testing.T) *car {
	return &car{t, Input{VIN: vin, Makers: []string{maker}}}
}

func (c *car) entry(author, typ, at, body string) judge.Entry {
	c.t.Helper()
	precision := "minute"
	if len(at) == len(time.DateOnly) {
		at, precision = at+"T00:00:00Z", "date"
	}
	when, err := record.ParseTime(at)
	if err != nil {
		c.t.Fatal(err)
	}
	v, err := jcs.Read([]byte(body))
	if err != nil {
		c.t.Fatal(err)
	}
	n := uint64(len(c.in.Entries) + len(c.in.Notices))
	return judge.Entry{Index: n, Time: when.UnixMilli(), Hash: fmt.Sprintf("%064x", n+1),
		Record: &record.Record{Author: author, Type: typ, Body: v, EventTime: when, Precision: precision, Def: record.Lookup(typ)}}
}

func (c *car) add(typ, at, body string) string {
	e := c.entry(garage, typ, at, body)
	c.in.Entries = append(c.in.Entries, e)
	return e.Hash
}

func (c *car) announce(author, typ, at, body string) {
	c.in.Notices = append(c.in.Notices, c.entry(author, typ, at, body))
}

func (c *car) read(at string, value int) string {
	return c.add("odometer.reading/1", at, fmt.Sprintf(`{"precision":"exact","purpose":"service_in","result":"read","source":"visual","unit":"KMT","value":%d}`, value))
}

func (c *car) visit(at string, value int, ops ...string) string {
	in := c.read(at, value)
	var lines []string
	for _, op := range ops {
		lines = append(lines, `{"op_code":"`+op+`","pay":"customer","work_type":"oil"}`)
	}
	return c.add("service.visit/1", at, `{"lines":[`+strings.Join(lines, ",")+`],"odometer_work":false,"order_no":"A","reading_in":"`+in+`","service_type":"maintenance"}`)
}

func (c *car) plan(author, name, intervals, wmi, vds string) {
	c.announce(author, "service.plan/1", "2019-12-01", `{"intervals":[`+intervals+`],"model_match":{"vds_pattern":"`+vds+`","wmi":"`+wmi+`"},"plan":"`+name+`"}`)
}

// ask answers as of a day.
func (c *car) ask(day string) *Answers {
	c.t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		c.t.Fatal(err)
	}
	c.in.AsOf = at.UnixMilli()
	c.in.Judgement = judge.Judge(&judge.History{Entries: c.in.Entries}, judge.ParamsOf(nil), c.in.AsOf)
	return Of(&c.in)
}

// said is a service in one line: outcome, when it was due, when it was done.
func said(s Service) string {
	num := func(n *int64) string {
		if n == nil {
			return "?"
		}
		return fmt.Sprint(*n)
	}
	return strings.TrimSpace(fmt.Sprintf("%s due %s/%s done %s/%s +%d/%d", s.Outcome, s.DueDay, num(s.DueKM), s.Day, num(s.KM), s.Days, s.OverKM))
}

func services(t *testing.T, a *Answers, interval int) (out []string) {
	t.Helper()
	if len(a.Plans) != 1 {
		t.Fatalf("%d plans", len(a.Plans))
	}
	for _, s := range a.Plans[0].Intervals[interval].Services {
		out = append(out, said(s))
	}
	return out
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

const yearly = `{"km":20000,"months":12,"op_codes":["OIL"],"tolerance_days":30,"tolerance_km":1500}`

// A service is due a year or 20,000 km after the last, whichever comes first,
// and in time up to the tolerance, the last day and kilometre of it included.
func TestServicesAreHeldAgainstThePlan(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, at string
		km       int
		want     string
	}{
		{"early", "2020-06-01", 9_000, "met due 2021-02-28/20000 done 2020-06-01/9000 +0/0"},
		{"on the last day of grace", "2021-03-30", 9_000, "met due 2021-02-28/20000 done 2021-03-30/9000 +0/0"},
		{"a day after it", "2021-03-31", 9_000, "late due 2021-02-28/20000 done 2021-03-31/9000 +1/0"},
		{"on the last kilometre of grace", "2020-06-01", 21_500, "met due 2021-02-28/20000 done 2020-06-01/21500 +0/0"},
		{"a kilometre after it", "2020-06-01", 21_501, "late due 2021-02-28/20000 done 2020-06-01/21501 +0/1"},
		{"too late in both", "2022-02-28", 40_000, "late due 2021-02-28/20000 done 2022-02-28/40000 +335/18500"},
	} {
		c := newCar(t)
		c.plan(maker, "p", yearly, "1N4", "AZ0CP?")
		c.add("vehicle.created/1", "2020-03-05", `{"first_registration":"2020-02-29","imported":false,"make":"M","model":"L"}`)
		c.visit(test.at, test.km, "OIL")
		got := services(t, c.ask("2022-03-01"), 0)
		if len(got) != 2 || got[0] != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// What is due next: not yet, due, overdue by the day or by the newest reading.
func TestTheNextService(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		asOf string
		km   int // of a reading on the day before
		want string
	}{
		{"2021-05-31", 25_000, "ahead due 2021-06-01/30000 done /? +0/0"},
		{"2021-06-01", 25_000, "due due 2021-06-01/30000 done /? +0/0"},
		{"2021-07-01", 25_000, "due due 2021-06-01/30000 done /? +0/0"},
		{"2021-07-02", 25_000, "overdue due 2021-06-01/30000 done /? +1/0"},
		{"2021-01-02", 30_000, "due due 2021-06-01/30000 done /? +0/0"},
		{"2021-01-02", 31_600, "overdue due 2021-06-01/30000 done /? +0/100"},
	} {
		c := newCar(t)
		c.plan(maker, "p", yearly, "1N4", "AZ0CP?")
		c.visit("2020-06-01", 10_000, "OIL")
		c.read("2021-01-01", test.km)
		got := services(t, c.ask(test.asOf), 0)
		// Nobody says when the car was new, so the first can't be judged by date.
		same(t, got, "unclear due /20000 done 2020-06-01/10000 +0/0", test.want)
	}
}

// An interval is kept by a visit that completes its operations, be it in
// several visits; other work doesn't count, and each interval counts alone.
func TestIntervalsCountTheirOwnOperations(t *testing.T) {
	t.Parallel()
	c := newCar(t)
	c.plan(maker, "p", yearly+`,{"km":40000,"op_codes":["BELT","PUMP"]}`, "1N4", "AZ0CP?")
	c.add("vehicle.sold/1", "2020-01-01", `{"kind":"first_sale","reading_ref":"`+c.read("2020-01-01", 5)+`"}`)
	c.visit("2020-12-01", 18_000, "OIL", "BELT", "WASH")
	c.visit("2021-11-01", 36_000, "OIL", "PUMP")
	c.visit("2022-10-01", 54_000, "WASH")
	a := c.ask("2022-11-15")
	same(t, services(t, a, 0),
		"met due 2021-01-01/20000 done 2020-12-01/18000 +0/0",
		"met due 2021-12-01/38000 done 2021-11-01/36000 +0/0",
		"due due 2022-11-01/56000 done /? +0/0")
	same(t, services(t, a, 1),
		"met due /40000 done 2021-11-01/36000 +0/0",
		"ahead due /76000 done /? +0/0")
}

// A distance goes on over an odometer that was replaced; where nobody read
// the old one, whether a service was in time by distance is not told.
func TestServicesAcrossAReplacedOdometer(t *testing.T) {
	t.Parallel()
	c := newCar(t)
	c.plan(maker, "p", `{"km":20000,"op_codes":["OIL"]}`, "1N4", "AZ0CP?")
	c.visit("2020-12-01", 18_000, "OIL")
	before, after := c.read("2021-01-01", 25_000), c.read("2021-01-02", 10)
	c.add("odometer.replaced/1", "2021-01-02", `{"after_ref":"`+after+`","before_ref":"`+before+`","kind":"replaced"}`)
	c.visit("2021-06-01", 9_010, "OIL")
	lost := c.read("2022-01-01", 5)
	c.add("odometer.replaced/1", "2022-01-01", `{"after_ref":"`+lost+`","kind":"replaced"}`)
	c.visit("2022-06-01", 7_005, "OIL")
	same(t, services(t, c.ask("2022-11-15"), 0),
		"met due /20000 done 2020-12-01/18000 +0/0",
		"met due /38000 done 2021-06-01/34000 +0/0",
		"unclear due /54000 done 2022-06-01/7005 +0/0",
		"ahead due /27005 done /? +0/0")
}

// A plan is for the vehicle if its maker published it for this VIN; of one
// name the newest counts.
func TestWhichPlansCount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		author, wmi, vds string
		counts           bool
	}{
		{maker, "1N4", "AZ0CP?", true}, {maker, "1N4", "??????", true}, {maker, "1N4", "AZ0CP1", true},
		{maker, "1N4", "AZ1CP?", false}, {maker, "1N6", "??????", false},
		{maker, "1N4900", "??????", true}, {maker, "1N4901", "??????", false},
		{"maker.example/other", "1N4", "??????", false},
	} {
		c := newCar(t)
		c.plan(test.author, "p", yearly, test.wmi, test.vds)
		if a := c.ask("2026-01-01"); (len(a.Plans) == 1) != test.counts {
			t.Errorf("%+v: %+v", test, a.Plans)
		}
	}
	c := newCar(t)
	c.plan(maker, "p", yearly, "1N4", "??????")
	c.plan(maker, "q", yearly, "1N4", "??????")
	c.plan(maker, "p", `{"months":6,"op_codes":["OIL"]}`, "1N4", "??????")
	if a := c.ask("2026-01-01"); len(a.Plans) != 2 || a.Plans[0].Intervals[0].Months != 6 || a.Plans[1].Plan != "q" {
		t.Errorf("%+v", a.Plans)
	}
	c.in.VIN = "short/ABC-1"
	if a := c.ask("2026-01-01"); len(a.Plans) != 0 {
		t.Errorf("an old-timer: %+v", a.Plans)
	}
}

// A lease is told from its start to its return, in distance covered; what the
// contract allows is for the caller to say.
func TestLeases(t *testing.T) {
	t.Parallel()
	const end = `{"kind":"lease_end"}`
	for _, test := range []struct {
		name string
		tell func(c *car)
		want string
	}{
		{"returned with its reading", func(c *car) {
			c.add("ownership.changed/1", "2023-01-31", `{"kind":"lease_end","reading_ref":"`+c.read("2023-01-31", 46_212)+`"}`)
		}, "2020-02-01 2023-01-31 46200 1200 false"},
		{"returned within", func(c *car) {
			c.add("ownership.changed/1", "2023-01-31", `{"kind":"lease_end","reading_ref":"`+c.read("2023-01-31", 45_012)+`"}`)
		}, "2020-02-01 2023-01-31 45000 0 false"},
		{"the reading taken the day before", func(c *car) {
			c.add("odometer.reading/1", "2023-01-30", `{"precision":"exact","purpose":"lease_end","result":"read","source":"visual","unit":"SMI","value":30000}`)
			c.add("ownership.changed/1", "2023-01-31", end)
		}, "2020-02-01 2023-01-31 48268 3268 false"},
		{"nobody read it", func(c *car) { c.read("2023-01-29", 46_000); c.add("ownership.changed/1", "2023-01-31", end) }, "2020-02-01 2023-01-31 ? 0 false"},
		{"unreadable", func(c *car) {
			c.add("ownership.changed/1", "2023-01-31", `{"kind":"lease_end","reading_ref":"`+
				c.add("odometer.reading/1", "2023-01-31", `{"purpose":"lease_end","result":"unreadable","source":"visual"}`)+`"}`)
		}, "2020-02-01 2023-01-31 ? 0 false"},
		{"it lasts", func(c *car) { c.read("2023-01-29", 46_212) }, "2020-02-01  46200 1200 false"},
		{"turned back before the return", func(c *car) {
			c.read("2022-01-01", 60_012)
			c.read("2022-06-01", 62_012)
			c.read("2022-07-01", 30_012)
			c.add("ownership.changed/1", "2023-01-31", `{"kind":"lease_end","reading_ref":"`+c.read("2023-01-31", 40_012)+`"}`)
		}, "2020-02-01 2023-01-31 40000 0 true"},
	} {
		c := newCar(t)
		c.in.LeaseKM = 45_000
		c.add("ownership.changed/1", "2019-02-01", end) // of a lease before this log
		c.add("vehicle.sold/1", "2020-02-01", `{"kind":"lease_start","reading_ref":"`+c.read("2020-02-01", 12)+`"}`)
		test.tell(c)
		a := c.ask("2024-01-01")
		if len(a.Leases) != 1 {
			t.Errorf("%s: %+v", test.name, a.Leases)
			continue
		}
		l, far := a.Leases[0], "?"
		if l.KM != nil {
			far = fmt.Sprint(*l.KM)
		}
		if got := fmt.Sprint(l.Begins, " ", l.Ends, " ", far, " ", l.Excess, " ", l.Doubt); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// Marks stay: a total loss is one after repair too. Damage is none.
func TestMarksAndSoftware(t *testing.T) {
	t.Parallel()
	c := newCar(t)
	for i, kind := range []string{"damage", "repair", "total_loss", "salvage", "flood", "theft", "recovered"} {
		c.add("insurance.event/1", fmt.Sprintf("2021-0%d-01", i+1), `{"claim":"x","kind":"`+kind+`","severity":"severe"}`)
	}
	for i, kind := range []string{"sale", "lease_end", "inheritance", "repossession", "scrapped", "stolen", "recovered"} {
		c.add("ownership.changed/1", fmt.Sprintf("2022-0%d-01", i+1), `{"from":"secret","kind":"`+kind+`","to":"secret"}`)
	}
	c.add("software.updated/1", "2022-05-01", `{"after":"2","before":"1","ecu":"VCM","method":"shop"}`)
	c.add("software.updated/1", "2022-04-01", `{"after":"1","ecu":"VCM","method":"ota"}`)
	c.add("software.updated/1", "2022-06-01", `{"after":"9","before":"7","campaign":"R1","ecu":"ABS","method":"shop"}`)
	c.add("software.updated/1", "2022-07-01", `{"after":"11","before":"10","ecu":"ABS","method":"ota"}`)
	a := c.ask("2023-01-01")
	var kinds []string
	for _, m := range a.Marks {
		kinds = append(kinds, m.Kind+" "+m.Day)
	}
	same(t, kinds, "total_loss 2021-03-01", "salvage 2021-04-01", "flood 2021-05-01", "theft 2021-06-01", "recovered 2021-07-01",
		"scrapped 2022-05-01", "stolen 2022-06-01", "recovered 2022-07-01")
	var units []string
	for _, s := range a.Software {
		units = append(units, fmt.Sprint(s.ECU, " ", s.Version, " ", s.Day, " ", s.Method, " ", s.Campaign, " ", s.Updates, " ", s.Missing))
	}
	same(t, units, "ABS 11 2022-07-01 ota  2 true", "VCM 2 2022-05-01 shop  2 false")
}

// A gap is 400 days without a record. With one withheld nobody can tell.
func TestGapsAndOutages(t *testing.T) {
	t.Parallel()
	c := newCar(t)
	c.read("2018-01-01", 10)
	c.read("2019-02-04", 9_000)  // 399 days
	c.read("2020-03-10", 18_000) // 400
	c.announce(garage, "outage.declared/1", "2017-01-03", `{"from":"2017-01-01T00:00:00Z","reason":"fire","to":"2017-01-02T00:00:00Z"}`)
	c.announce(garage, "outage.declared/1", "2019-05-02", `{"from":"2019-05-01T00:00:00Z","reason":"fire"}`)
	c.announce(garage, "outage.declared/1", "2019-05-09", `{"from":"2019-05-01T00:00:00Z","reason":"fire","to":"2019-05-08T00:00:00Z"}`)
	c.announce(maker, "outage.declared/1", "2019-06-09", `{"from":"2019-06-01T00:00:00Z","reason":"fire"}`)
	var gaps []string
	for _, g := range c.ask("2021-04-14").Gaps {
		gaps = append(gaps, fmt.Sprint(g.From, " ", g.To, " ", g.Days, " ", g.Open))
	}
	same(t, gaps, "2019-02-04 2020-03-10 400 false", "2020-03-10 2021-04-14 400 true")
	if a := c.ask("2021-04-13"); len(a.Gaps) != 1 || len(a.Outages) != 1 || a.Outages[0].To != "2019-05-08T00:00:00Z" {
		t.Errorf("%+v %+v", a.Gaps, a.Outages)
	}
	c.in.Entries = append(c.in.Entries, judge.Entry{Index: 99, Time: 1, Hash: strings.Repeat("f", 64)})
	if a := c.ask("2021-04-14"); len(a.Gaps) != 0 || !a.Partial {
		t.Errorf("%+v", a)
	}
}

// A cover is in force by date, and by the newest reading where it reaches to
// a distance; of one coverage the newest record counts.
func TestCovers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		asOf string
		km   int // 0: nobody has read it
		want string
	}{
		{"2020-01-31", 10, "ahead"}, {"2020-02-01", 10, "in_force"}, {"2023-01-31", 100_000, "in_force"}, {"2023-02-01", 10, "expired"},
		{"2022-01-01", 100_001, "exhausted"}, {"2022-01-01", 0, "unclear"},
	} {
		c := newCar(t)
		if test.km > 0 {
			c.read("2019-01-01", test.km)
		}
		for _, km := range []string{"5", "100000"} {
			c.in.Workshop = append(c.in.Workshop, c.entry(maker, "warranty.cover/1", "2020-01-01",
				`{"coverage":"whole","ends":"2023-01-31","limit_km":`+km+`,"parts_groups":["all"],"starts":"2020-02-01","transferable":true}`))
		}
		a := c.ask(test.asOf)
		if len(a.Covers) != 1 || a.Covers[0].State != test.want || a.Covers[0].LimitKM != 100_000 {
			t.Errorf("%+v: %+v", test, a.Covers)
		}
	}
}
