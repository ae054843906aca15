package fleet

import (
	"fmt"
	"slices"
	"testing"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/answers"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

func entry(t *testing.T, typ, id, at, body string) judge.Entry {
	t.Helper()
	when, err := record.ParseTime(at)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jcs.Read([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return judge.Entry{Hash: id, Record: &record.Record{Author: "dealer.example/lyon", ID: id, Type: typ, Body: v, EventTime: when, Precision: "minute"}}
}

func vehicle(label string, es ...judge.Entry) Vehicle {
	j := judge.Judge(&judge.History{Entries: es}, judge.ParamsOf(nil), 1_800_000_000_000)
	return Vehicle{Label: label, VIN: "VF1FLEET00000000" + label, Entries: es, Judged: j,
		Answers: answers.Of(&answers.Input{Entries: es, Judgement: j, AsOf: 1_800_000_000_000})}
}

// Costs are those that an opening shows, each currency for itself; overlapping
// orders hold a vehicle once; a part of a repair counts for its group.
func TestSums(t *testing.T) {
	t.Parallel()
	var openings []record.Opening
	cost := func(id, value string) string {
		o := record.NewOpening(record.CommitmentKey{1}, id, "cost", value)
		openings = append(openings, o)
		return o.Commitment
	}
	a := vehicle("1",
		entry(t, "vehicle.created/1", "0", "2020-01-01T00:00:00Z", `{"make":"Nissan","model":"Leaf"}`),
		entry(t, "odometer.reading/1", "r", "2024-03-01T08:00:00Z", `{"precision":"exact","purpose":"service_in","result":"read","source":"visual","unit":"SMI","value":1000}`),
		entry(t, "service.visit/1", "v1", "2024-03-02T08:00:00Z", `{"opened_at":"2024-03-01T08:00:00Z","service_type":"repair","lines":[`+
			`{"cost":"`+cost("v1", "10.50 EUR")+`","hours_100":150,"pay":"customer","work_type":"brakes","parts":[{"no":"41060-A","quantity_100":100},{"no":"41060-B","quantity_100":100}]},`+
			`{"cost":"`+cost("v1", "-0.75 EUR")+`","pay":"customer","work_type":"brakes"}]}`),
		entry(t, "service.visit/1", "v2", "2024-03-02T20:00:00Z", `{"opened_at":"2024-03-01T20:00:00+01:00","service_type":"maintenance","next_service":{"date":"2025-03-02","km":9000},"lines":[`+
			`{"cost":"`+cost("v2", "99.00 USD")+`","pay":"customer","work_type":"oil"}]}`))
	b := vehicle("2",
		entry(t, "service.visit/1", "v3", "2025-01-05T08:00:00Z", `{"service_type":"tyres","lines":[{"cost":"`+cost("other", "5.00 EUR")+`","pay":"customer","work_type":"tyres"}]}`),
		entry(t, "service.visit/1", "v4", "2023-12-31T23:00:00Z", `{"service_type":"repair","lines":[{"pay":"customer","work_type":"brakes"}]}`))
	c := Vehicle{Label: "3", VIN: "VF1FLEET000000003", Refused: "no_access"}
	a.Cases = []cases.Status{{Kind: "recall", Open: true, Campaign: "campaign/26V-014", Opened: 1_700_000_000_000, Words: "open", Clocks: []cases.ClockStatus{{Overdue: 5}}},
		{Kind: "recall", Campaign: "campaign/25V-001"}, {Kind: "dispute", Open: true}, {Kind: "warranty", Open: true, Clocks: []cases.ClockStatus{{Overdue: 5, Met: 6}}}}
	forged := record.NewOpening(record.CommitmentKey{2}, "v3", "cost", "1.00 EUR")
	forged.Value = "2.00 EUR"
	all := []Vehicle{a, b, c}
	r := Of(all, OpenCosts("cost", append(openings, forged)), Period{}, "2027-01-15")
	if got := fmt.Sprintf("%d %d %d %s %d %d %d", r.Total.Visits, r.Total.Lines, r.Total.Hours100, r.Total.Cost.Text(), r.Total.Unopened, r.Down, r.Refused); got != "4 5 150 9.75 EUR + 99.00 USD 1 129600 1" {
		t.Errorf("total: %s", got)
	}
	groups := func(rows []GroupRow) (out []string) {
		for _, g := range rows {
			out = append(out, fmt.Sprint(g.Group, ": ", g.Repairs, " repairs, ", g.Vehicles, " vehicles, ", g.Visits, " visits, ", g.Lines, " lines, ", g.Cost.Text()))
		}
		return out
	}
	for name, test := range map[string]struct{ got, want []string }{
		"work": {groups(r.Work), []string{"brakes: 3 repairs, 2 vehicles, 2 visits, 3 lines, 9.75 EUR", "tyres: 1 repairs, 1 vehicles, 1 visits, 1 lines, ",
			"oil: 0 repairs, 1 vehicles, 1 visits, 1 lines, 99.00 USD"}},
		"parts":  {groups(r.Parts), []string{"41060: 1 repairs, 1 vehicles, 1 visits, 1 lines, 10.50 EUR"}},
		"models": {groups(r.Models), []string{"Nissan Leaf: 2 repairs, 1 vehicles, 2 visits, 3 lines, 9.75 EUR + 99.00 USD", "not shown: 2 repairs, 1 vehicles, 2 visits, 2 lines, "}},
		"years": {groups(r.Years), []string{"2023: 1 repairs, 1 vehicles, 1 visits, 1 lines, ", "2024: 2 repairs, 1 vehicles, 2 visits, 3 lines, 9.75 EUR + 99.00 USD",
			"2025: 1 repairs, 1 vehicles, 1 visits, 1 lines, "}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s: %q", name, test.got)
		}
	}
	v := r.Vehicles[0]
	if v.Make != "Nissan" || *v.KM != 1609 || v.Read != "2024-03-01" || v.DownSeconds != 36*3600 || v.NextDay != "2025-03-02" || *v.NextKM != 9000 || !v.Overdue {
		t.Errorf("%+v", v)
	}
	if len(r.Due) != 1 || !r.Due[0].Overdue || r.Due[0].Label != "1" {
		t.Errorf("%+v", r.Due)
	}
	if len(r.Recalls) != 1 || r.Recalls[0].Campaign != "26V-014" || !r.Recalls[0].Overdue || r.Recalls[0].Since != "2023-11-14" || len(r.Claims) != 1 || r.Claims[0].Overdue {
		t.Errorf("%+v %+v", r.Recalls, r.Claims)
	}
	// The last and the first day of a period are in it.
	for _, test := range []struct {
		p    Period
		want int
	}{{Period{From: "2024-03-02"}, 4}, {Period{From: "2024-03-03"}, 1}, {Period{To: "2024-03-02"}, 4}, {Period{To: "2024-03-01"}, 1}, {Period{"2023-12-31", "2023-12-31"}, 1}} {
		if got := Of(all, nil, test.p, "2027-01-15").Total.Lines; got != test.want {
			t.Errorf("%+v: %d lines, want %d", test.p, got, test.want)
		}
	}
}

// Plans of the maker go before what a workshop said.
func TestDueByPlan(t *testing.T) {
	t.Parallel()
	v := vehicle("1", entry(t, "service.visit/1", "v", "2024-03-02T08:00:00Z", `{"service_type":"repair","next_service":{"km":1},"lines":[{"pay":"customer","work_type":"x"}]}`))
	km := int64(30_000)
	v.Answers.Plans = []answers.Plan{{Plan: "p", Intervals: []answers.Interval{
		{Operations: []string{"OIL"}, Services: []answers.Service{{Outcome: answers.Met}, {Outcome: answers.Overdue, DueDay: "2025-01-01", DueKM: &km}}},
		{Operations: []string{"BELT"}, Services: []answers.Service{{Outcome: answers.Ahead, DueDay: "2024-06-01"}}},
		{Operations: []string{"PUMP"}, Services: []answers.Service{{Outcome: answers.Due, DueDay: "2024-12-01"}}},
	}}}
	r := Of([]Vehicle{v}, nil, Period{}, "2025-01-02")
	var got []string
	for _, d := range r.Due {
		got = append(got, fmt.Sprint(d.What, " ", d.Overdue, " ", d.Day))
	}
	if want := []string{"p, OIL true 2025-01-01", "p, PUMP false 2024-12-01"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if row := r.Vehicles[0]; row.NextDay != "2024-06-01" || *row.NextKM != km || !row.Overdue {
		t.Errorf("%+v", row)
	}
}

func TestAmounts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Amount{"567.00 USD": {56700, "USD"}, "-0.05 EUR": {-5, "EUR"}} {
		if a, ok := ParseAmount(text); !ok || a != want || (Money{a.Currency: a.Hundredths}).Text() != text {
			t.Errorf("%s: %+v %v", text, a, ok)
		}
	}
	for _, text := range []string{"", "567 USD", "567.0 USD", "567.00", "567.00 usd", "567.00 USDX", "1e3.00 USD", "5,000.00 USD", " 5.00 USD", "1234567890123.00 USD"} {
		if a, ok := ParseAmount(text); ok {
			t.Errorf("%q is taken for %+v", text, a)
		}
	}
}
