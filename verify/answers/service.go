package answers

import (
	"slices"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// What became of a service that a plan asks for.
const (
	Met     = "met"     // done in time, by date and by distance
	Late    = "late"    // done, later than the plan and its tolerance allow
	Unclear = "unclear" // done, but the records don't tell whether in time
	Ahead   = "ahead"   // not done, and not due yet
	Due     = "due"     // not shown as done, and within the tolerance
	Overdue = "overdue" // not shown as done, and beyond the tolerance
)

// Plan is a service plan for this vehicle, and how its history keeps it.
type Plan struct {
	Plan      string     `json:"plan"`
	Author    string     `json:"author" doc:"the maker that published it"`
	Record    string     `json:"record" doc:"leaf hash of the service.plan"`
	Begins    string     `json:"begins,omitempty" doc:"day from which months count: first registration or first sale; absent where neither is shown"`
	Intervals []Interval `json:"intervals"`
}

// Interval is one interval of a plan. It begins anew with each service that
// did all of its operations.
type Interval struct {
	No            int       `json:"no" doc:"its place in the plan; the first is 0, as in warranty.status"`
	KM            int64     `json:"km,omitempty"`
	Months        int64     `json:"months,omitempty"`
	ToleranceKM   int64     `json:"tolerance_km,omitempty"`
	ToleranceDays int64     `json:"tolerance_days,omitempty"`
	Operations    []string  `json:"op_codes"`
	Services      []Service `json:"services" doc:"those done, in order, and last the one that is open"`
}

// Service is one service that an interval asks for: due at a day or at a
// distance, whichever comes first.
type Service struct {
	Outcome string `json:"outcome" enum:"met|late|unclear|ahead|due|overdue"`
	DueDay  string `json:"due_day,omitempty"`
	DueKM   *int64 `json:"due_km,omitempty"`
	Day     string `json:"day,omitempty" doc:"when it was done"`
	KM      *int64 `json:"km,omitempty" doc:"and at which distance"`
	Record  string `json:"record,omitempty" doc:"leaf hash of the visit that completed it"`
	Days    int64  `json:"late_days,omitempty" doc:"beyond the tolerance"`
	OverKM  int64  `json:"late_km,omitempty" doc:"beyond the tolerance"`
}

// Next is when a workshop said that the next service is due.
type Next struct {
	Day    string `json:"day,omitempty"`
	KM     int64  `json:"km,omitempty" doc:"as it stands in the record: on the odometer"`
	Author string `json:"author"`
	Record string `json:"record" doc:"leaf hash of the visit"`
}

// plans holds the history against the newest plan of each name that matches
// the vehicle.
func (h *history) plans() (out []Plan) {
	var names []string
	newest := map[string]int{}
	for i, n := range h.in.Notices {
		if n.Record == nil || n.Record.Type != "service.plan/1" ||
			!slices.Contains(h.in.Makers, n.Record.Author) || !matches(n.Record.Body.Get("model_match"), h.in.VIN) {
			continue
		}
		name := n.Record.Author + "\n" + n.Record.Body.Get("plan").Str
		if _, seen := newest[name]; !seen {
			names = append(names, name)
		}
		newest[name] = i
	}
	begin := h.begins()
	for _, name := range names {
		n := h.in.Notices[newest[name]]
		p := Plan{Plan: n.Record.Body.Get("plan").Str, Author: n.Record.Author, Record: n.Hash, Begins: begin}
		for i, v := range n.Record.Body.Get("intervals").List {
			p.Intervals = append(p.Intervals, h.interval(i, v, begin))
		}
		out = append(out, p)
	}
	return out
}

// matches reports whether a plan is for a VIN. A WMI of six characters has
// its last three at positions 12 to 14 (ISO 3780).
func matches(match jcs.Value, vin string) bool {
	if _, err := record.ParseVIN(vin); err != nil {
		return false
	}
	wmi, pattern := match.Get("wmi").Str, match.Get("vds_pattern").Str
	if len(wmi) < 3 || wmi[:3] != vin[:3] || len(wmi) == 6 && wmi[3:] != vin[11:14] {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != '?' && pattern[i] != vin[3+i] {
			return false
		}
	}
	return true
}

// begins is the day from which a plan counts: the vehicle's first
// registration, else its first sale; "" where the history shows neither.
func (h *history) begins() string {
	for _, e := range h.of("vehicle.created/1") {
		if d := e.Body.Get("first_registration").Str; d != "" {
			return d
		}
	}
	for _, e := range h.of("vehicle.sold/1") {
		if k := e.Body.Get("kind").Str; k == "first_sale" || k == "lease_start" {
			return e.day
		}
	}
	return ""
}

// interval walks the visits and says of each service that the interval asks
// for whether it was done in time.
func (h *history) interval(no int, v jcs.Value, begin string) Interval {
	iv := Interval{
		No: no, KM: v.Get("km").Int, Months: v.Get("months").Int, Operations: v.Get("op_codes").Strings(),
		ToleranceKM: v.Get("tolerance_km").Int, ToleranceDays: v.Get("tolerance_days").Int, Services: []Service{},
	}
	// A new vehicle has covered nothing, on the counter that it came with.
	lastDay, last := begin, mileage{known: true}
	done := map[string]bool{}
	for _, e := range h.of("service.visit/1") {
		for _, line := range e.Body.Get("lines").List {
			if op := line.Get("op_code").Str; slices.Contains(iv.Operations, op) {
				done[op] = true
			}
		}
		if len(done) < len(distinct(iv.Operations)) {
			continue
		}
		at := h.at(e.Body.Get("reading_in").Str)
		s := iv.asked(lastDay, last)
		s.Day, s.KM, s.Record = e.day, at.km(), e.hash
		s.judge(&iv, at, last)
		iv.Services = append(iv.Services, s)
		lastDay, last = e.day, at
		clear(done)
	}
	s := iv.asked(lastDay, last)
	s.open(&iv, h.today, h.newest(), last)
	iv.Services = append(iv.Services, s)
	return iv
}

func distinct(codes []string) []string {
	codes = slices.Sorted(slices.Values(codes))
	return slices.Compact(codes)
}

// asked is the service that is due after the last one.
func (iv *Interval) asked(lastDay string, last mileage) (s Service) {
	if iv.Months > 0 {
		s.DueDay = months(lastDay, iv.Months)
	}
	if iv.KM > 0 && last.known {
		s.DueKM = km(last.mm + iv.KM*kilometre)
	}
	return s
}

// over is by how much a service at a day and a mileage is late, beyond the
// tolerance: 0 if it isn't. unknown says that one of them can't be compared.
func (s *Service) over(iv *Interval, day string, at, last mileage) (lateDays, lateKM int64, unknown bool) {
	if iv.Months > 0 {
		if s.DueDay == "" {
			unknown = true
		} else if limit := days(s.DueDay, iv.ToleranceDays); day > limit {
			lateDays = between(limit, day)
		}
	}
	if iv.KM > 0 {
		mm, known := at.since(last)
		if beyond := mm - (iv.KM+iv.ToleranceKM)*kilometre; !known || at.doubt {
			unknown = true
		} else if beyond > 0 {
			lateKM = (beyond + kilometre - 1) / kilometre
		}
	}
	return lateDays, lateKM, unknown
}

// judge says whether a service that was done was done in time.
func (s *Service) judge(iv *Interval, at, last mileage) {
	unknown := false
	s.Days, s.OverKM, unknown = s.over(iv, s.Day, at, last)
	switch {
	case s.Days > 0 || s.OverKM > 0:
		s.Outcome = Late
	case unknown:
		s.Outcome = Unclear
	default:
		s.Outcome = Met
	}
}

// open says how the service stands that is not shown as done.
func (s *Service) open(iv *Interval, today string, now, last mileage) {
	s.Days, s.OverKM, _ = s.over(iv, today, now, last)
	mm, known := now.since(last)
	switch {
	case s.Days > 0 || s.OverKM > 0:
		s.Outcome = Overdue
	case s.DueDay != "" && today >= s.DueDay, s.DueKM != nil && known && mm >= iv.KM*kilometre:
		s.Outcome = Due
	default:
		s.Outcome = Ahead
	}
}

// next is what the newest visit that names one says of the next service.
func (h *history) next() (n *Next) {
	for _, e := range h.of("service.visit/1") {
		if v := e.Body.Get("next_service"); v.Kind != 0 {
			n = &Next{Day: v.Get("date").Str, KM: v.Get("km").Int, Author: e.Author, Record: e.hash}
		}
	}
	return n
}
