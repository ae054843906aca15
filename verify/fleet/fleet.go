package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/answers"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

// Vehicle is the history of one vehicle, as its client may see it.
type Vehicle struct {
	Label   string // the client's own name of it; may be ""
	VIN     string
	Entries []judge.Entry
	Answers *answers.Answers
	Judged  *judge.Judgement
	Cases   []cases.Status
	Refused string // code of why it may not be read; "" if it may
}

// Period bounds what is added up: visits completed from the first day to the
// last, YYYY-MM-DD, each "" for no bound.
type Period struct{ From, To string }

// Costs opens the commitments to costs: amount by record id and commitment.
type Costs map[[2]string]Amount

// Amount is a sum of money.
type Amount struct {
	Hundredths int64
	Currency   string // ISO 4217
}

var amountForm = regexp.MustCompile(`^(-?[0-9]{1,12})\.([0-9]{2}) ([A-Z]{3})$`)

// ParseAmount reads an amount as the value of an opening has it: 567.00 USD,
// or -25.00 USD for a credit.
func ParseAmount(s string) (Amount, bool) {
	m := amountForm.FindStringSubmatch(s)
	if m == nil {
		return Amount{}, false
	}
	n, err := strconv.ParseInt(m[1]+m[2], 10, 64)
	return Amount{n, m[3]}, err == nil
}

// OpenCosts keeps those openings of a field that fit their commitments and
// hold an amount.
func OpenCosts(field string, openings []record.Opening) Costs {
	c := Costs{}
	for _, o := range openings {
		if a, ok := ParseAmount(o.Value); ok && o.Field == field && o.Fits() {
			c[[2]string{o.Record, o.Commitment}] = a
		}
	}
	return c
}

// Money is sums by currency, in hundredths.
type Money map[string]int64

func (m Money) add(a Amount) { m[a.Currency] += a.Hundredths }

// Text writes sums by currency: "567.00 USD".
func (m Money) Text() string {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(m)) {
		sign, n := "", m[c]
		if n < 0 {
			sign, n = "-", -n
		}
		parts = append(parts, fmt.Sprintf("%s%d.%02d %s", sign, n/100, n%100, c))
	}
	return strings.Join(parts, " + ")
}

// Work is what was done and what it took.
type Work struct {
	Visits   int   `json:"visits"`
	Lines    int   `json:"lines"`
	Hours100 int64 `json:"hours_100" doc:"hundredths of hours worked"`
	Cost     Money `json:"cost_100,omitempty" doc:"hundredths, by currency, of lines whose cost is opened"`
	Unopened int   `json:"costs_unopened,omitempty" doc:"lines that commit to a cost which the caller can't open"`
}

// VehicleRow is what the records say of one vehicle.
type VehicleRow struct {
	Label   string `json:"label,omitempty"`
	VIN     string `json:"vin"`
	Refused string `json:"refused,omitempty" doc:"code of the error: its history may not be read"`
	Make    string `json:"make,omitempty"`
	Model   string `json:"model,omitempty"`
	Records int    `json:"records"`
	KM      *int64 `json:"km,omitempty" doc:"at the newest reading that counts"`
	Read    string `json:"read,omitempty" doc:"day of that reading"`
	Work
	DownSeconds int64  `json:"down_seconds" doc:"in which at least one order was open"`
	NextDay     string `json:"next_service_day,omitempty"`
	NextKM      *int64 `json:"next_service_km,omitempty"`
	Overdue     bool   `json:"overdue,omitempty"`
	Marks       int    `json:"marks,omitempty" doc:"total loss, theft and the like"`
}

// GroupRow is work of one kind: of a year, a model, a type of work, a group of
// parts.
type GroupRow struct {
	Group    string `json:"group"`
	Vehicles int    `json:"vehicles"`
	Work
	Repairs int `json:"repairs" doc:"lines of visits that were neither maintenance, inspection nor recall"`
}

// Report is a fleet's figures.
type Report struct {
	AsOf     string       `json:"as_of"`
	From     string       `json:"from,omitempty"`
	To       string       `json:"to,omitempty"`
	Total    Work         `json:"total"`
	Down     int64        `json:"down_seconds"`
	Refused  int          `json:"refused,omitempty" doc:"vehicles whose histories may not be read"`
	Vehicles []VehicleRow `json:"vehicles" doc:"in the caller's order"`
	Years    []GroupRow   `json:"years" doc:"by year of completion"`
	Models   []GroupRow   `json:"models"`
	Work     []GroupRow   `json:"work_types" doc:"most repairs first"`
	Parts    []GroupRow   `json:"part_groups" doc:"by part number up to its first -, most repairs first"`
	Due      []DueRow     `json:"services_due" doc:"due or overdue, the longest overdue first"`

	Recalls []CaseRow `json:"open_recalls"`
	Claims  []CaseRow `json:"open_claims" doc:"warranty claims, of vehicles whose workshop histories the caller may read"`
}

// CaseRow is one open recall or claim.
type CaseRow struct {
	Label    string `json:"label,omitempty"`
	VIN      string `json:"vin"`
	Campaign string `json:"campaign,omitempty" doc:"of a recall"`
	Since    string `json:"since" doc:"day on which it was opened"`
	State    string `json:"state" doc:"in words"`
	Overdue  bool   `json:"overdue" doc:"something that it waits for is late"`
	Case     string `json:"case" doc:"leaf hash of the record that opened it"`
}

// DueRow is one service that is due.
type DueRow struct {
	Label   string `json:"label,omitempty"`
	VIN     string `json:"vin"`
	What    string `json:"what" doc:"plan and interval, or who said so"`
	Overdue bool   `json:"overdue"`
	Day     string `json:"day,omitempty"`
	KM      *int64 `json:"km,omitempty"`
}

// Of adds up. asOf is the day of the report.
func Of(vehicles []Vehicle, costs Costs, p Period, asOf string) *Report {
	s := &sums{costs: costs, period: p, groups: map[string]map[string]*group{}}
	r := &Report{AsOf: asOf, From: p.From, To: p.To, Vehicles: []VehicleRow{}, Due: []DueRow{}, Recalls: []CaseRow{}, Claims: []CaseRow{}}
	r.Total.Cost = Money{}
	for i := range vehicles {
		v := &vehicles[i]
		row := s.vehicle(v)
		r.Vehicles = append(r.Vehicles, row)
		r.Total.merge(&row.Work)
		r.Down += row.DownSeconds
		if v.Refused != "" {
			r.Refused++
			continue
		}
		r.Due = append(r.Due, due(v, asOf)...)
		r.Recalls, r.Claims = append(r.Recalls, v.open("recall")...), append(r.Claims, v.open("warranty")...)
	}
	r.Years, r.Models = s.rows("year"), s.rows("model")
	r.Work, r.Parts = s.rows("work"), s.rows("part")
	for _, worst := range [][]GroupRow{r.Work, r.Parts} {
		slices.SortStableFunc(worst, func(a, b GroupRow) int {
			return cmp.Or(cmp.Compare(b.Repairs, a.Repairs), cmp.Compare(b.Lines, a.Lines))
		})
	}
	slices.SortStableFunc(r.Due, func(a, b DueRow) int {
		return cmp.Or(-cmp.Compare(yes(a.Overdue), yes(b.Overdue)), cmp.Compare(a.Day, b.Day))
	})
	return r
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (w *Work) merge(o *Work) {
	w.Visits, w.Lines, w.Hours100, w.Unopened = w.Visits+o.Visits, w.Lines+o.Lines, w.Hours100+o.Hours100, w.Unopened+o.Unopened
	for c, n := range o.Cost {
		w.Cost[c] += n
	}
}

func dayOf(t time.Time) string { return t.Format(time.DateOnly) }

// open lists the open cases of a kind.
func (v *Vehicle) open(kind string) (rows []CaseRow) {
	for i := range v.Cases {
		c := &v.Cases[i]
		if c.Kind != kind || !c.Open {
			continue
		}
		row := CaseRow{Label: v.Label, VIN: v.VIN, Campaign: strings.TrimPrefix(c.Campaign, "campaign/"), Since: dayOf(time.UnixMilli(c.Opened).UTC()), State: c.Words, Case: c.Case}
		for _, t := range c.Clocks {
			row.Overdue = row.Overdue || t.Overdue != 0 && t.Met == 0 && t.Ended == 0
		}
		rows = append(rows, row)
	}
	return rows
}
