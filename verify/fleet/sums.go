package fleet

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/answers"
	"github.com/milepost-log/milepost/verify/judge"
)

// sums is a report in the making.
type sums struct {
	costs  Costs
	period Period
	groups map[string]map[string]*group // by kind of group and its name
}

// group is a row in the making; a visit, and a vehicle, count once in it.
type group struct {
	GroupRow
	visits, vehicles map[string]bool
}

func (s *sums) group(kind, name string) *group {
	if s.groups[kind] == nil {
		s.groups[kind] = map[string]*group{}
	}
	g := s.groups[kind][name]
	if g == nil {
		g = &group{GroupRow{Group: name, Work: Work{Cost: Money{}}}, map[string]bool{}, map[string]bool{}}
		s.groups[kind][name] = g
	}
	return g
}

// rows lists the groups of a kind by name.
func (s *sums) rows(kind string) []GroupRow {
	rows := []GroupRow{}
	for _, name := range slices.Sorted(maps.Keys(s.groups[kind])) {
		g := s.groups[kind][name]
		g.Visits, g.Vehicles = len(g.visits), len(g.vehicles)
		rows = append(rows, g.GroupRow)
	}
	return rows
}

// vehicle adds up one vehicle.
func (s *sums) vehicle(v *Vehicle) VehicleRow {
	row := VehicleRow{Label: v.Label, VIN: v.VIN, Refused: v.Refused, Records: len(v.Entries), Work: Work{Cost: Money{}}}
	if v.Refused != "" {
		return row
	}
	var down []span
	for _, e := range v.Entries {
		if e.Record != nil && e.Record.Type == "vehicle.created/1" {
			row.Make, row.Model = e.Record.Body.Get("make").Str, e.Record.Body.Get("model").Str
		}
	}
	for _, e := range v.Entries {
		if e.Record == nil || e.Record.Type != "service.visit/1" || !s.period.holds(dayOf(e.Record.EventTime)) {
			continue
		}
		s.visit(&row, e.Record)
		if opened, err := record.ParseTime(e.Record.Body.Get("opened_at").Str); err == nil && opened.Before(e.Record.EventTime) {
			down = append(down, span{opened, e.Record.EventTime})
		}
	}
	row.DownSeconds = int64(union(down) / time.Second)
	row.KM, row.Read = newest(v.Judged)
	row.next(v.Answers)
	row.Marks = len(v.Answers.Marks)
	return row
}

func (p Period) holds(day string) bool {
	return (p.From == "" || day >= p.From) && (p.To == "" || day <= p.To)
}

// upkeep are visits that no failure led to.
var upkeep = []string{"maintenance", "inspection", "recall"}

// visit adds up the lines of one visit, for its vehicle and in every group.
func (s *sums) visit(row *VehicleRow, r *record.Record) {
	row.Visits++
	repair := !slices.Contains(upkeep, r.Body.Get("service_type").Str)
	model := strings.TrimSpace(row.Make + " " + row.Model)
	if model == "" {
		model = "not shown"
	}
	for _, line := range r.Body.Get("lines").List {
		in := []*group{s.group("year", dayOf(r.EventTime)[:4]), s.group("model", model), s.group("work", line.Get("work_type").Str)}
		parts := map[string]bool{}
		for _, p := range line.Get("parts").List {
			no, _, _ := strings.Cut(p.Get("no").Str, "-")
			parts[no] = true
		}
		for no := range parts {
			in = append(in, s.group("part", no))
		}
		s.line(&row.Work, r, line)
		for _, g := range in {
			g.visits[r.Author+r.ID], g.vehicles[row.VIN] = true, true
			if repair {
				g.Repairs++
			}
			s.line(&g.Work, r, line)
		}
	}
}

func (s *sums) line(w *Work, r *record.Record, line jcs.Value) {
	w.Lines++
	w.Hours100 += line.Get("hours_100").Int
	if c := line.Get("cost").Str; c != "" {
		if a, ok := s.costs[[2]string{r.ID, c}]; ok {
			w.Cost.add(a)
		} else {
			w.Unopened++
		}
	}
}

type span struct{ from, to time.Time }

// union is how long at least one of some spans lasts.
func union(spans []span) (sum time.Duration) {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			sum += s.to.Sub(s.from)
			end = s.to
		}
	}
	return sum
}

// newest is what the newest reading that counts says, in kilometres covered.
func newest(j *judge.Judgement) (km *int64, day string) {
	var last *judge.Reading
	for i := range j.Readings {
		r := &j.Readings[i]
		if r.Status == judge.Judged && !r.Named && (last == nil || cmp.Or(cmp.Compare(r.Day, last.Day), cmp.Compare(r.Seconds, last.Seconds), cmp.Compare(r.X, last.X)) >= 0) {
			last = r
		}
	}
	if last == nil {
		return nil, ""
	}
	n := (last.X + 500_000) / 1_000_000
	return &n, last.Effective.EventTime[:10]
}

// next is the first service to come: by the maker's plans, else as the newest
// visit says.
func (row *VehicleRow) next(a *answers.Answers) {
	if n := a.Next; n != nil && len(a.Plans) == 0 {
		row.NextDay = n.Day
		if n.KM > 0 {
			row.NextKM = &n.KM
		}
		row.Overdue = n.Day != "" && n.Day < a.AsOf
	}
	for _, p := range a.Plans {
		for _, v := range p.Intervals {
			s := v.Services[len(v.Services)-1]
			row.Overdue = row.Overdue || s.Outcome == answers.Overdue
			if s.DueDay != "" && (row.NextDay == "" || s.DueDay < row.NextDay) {
				row.NextDay = s.DueDay
			}
			if s.DueKM != nil && (row.NextKM == nil || *s.DueKM < *row.NextKM) {
				row.NextKM = s.DueKM
			}
		}
	}
}

// due lists the services of a vehicle that are due as of a day.
func due(v *Vehicle, asOf string) (rows []DueRow) {
	for _, p := range v.Answers.Plans {
		for _, i := range p.Intervals {
			s := i.Services[len(i.Services)-1]
			if s.Outcome == answers.Due || s.Outcome == answers.Overdue {
				rows = append(rows, DueRow{v.Label, v.VIN, p.Plan + ", " + strings.Join(i.Operations, ", "), s.Outcome == answers.Overdue, s.DueDay, s.DueKM})
			}
		}
	}
	if n := v.Answers.Next; n != nil && len(v.Answers.Plans) == 0 && n.Day != "" && n.Day <= asOf {
		row := DueRow{Label: v.Label, VIN: v.VIN, What: "said " + n.Author, Overdue: n.Day < asOf, Day: n.Day}
		if n.KM > 0 {
			row.KM = &n.KM
		}
		rows = append(rows, row)
	}
	return rows
}
