package answers

import (
	"cmp"
	"slices"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/judge"
)

// Input is what the questions are put to.
type Input struct {
	VIN       string           // or short/<number>
	Entries   []judge.Entry    // the complete history of the vehicle, in log order
	Judgement *judge.Judgement // of these; says what each reading counts as
	AsOf      int64            // ms since 1970 UTC: what is due, or open, is so as of then
	Workshop  []judge.Entry    // its workshop history, in log order; nil where the caller may not see it, or has not got it
	LeaseKM   int64            // kilometres that a lease contract allows in all; 0 if nobody says

	// Makers are the members whose plans count for the vehicle. NoticesOf are
	// those of whom all notices are at hand, Notices these, in log order.
	Makers    []string
	NoticesOf []string
	Notices   []judge.Entry
}

// Answers are what a vehicle's history answers. Days are YYYY-MM-DD in the
// offset of the event; distances are whole kilometres that the vehicle had
// covered, which differ from its odometer once that was replaced.
type Answers struct {
	AsOf    string `json:"as_of" doc:"day (UTC) as of which something is due, overdue or open"`
	Partial bool   `json:"partial,omitempty" doc:"records are withheld, and these answers do not know what they say"`

	// Whoever isn't named here may have published a plan, or declared an outage.
	NoticesOf []string `json:"notices_of,omitempty" doc:"members of whom all notices, plans and declared outages, were at hand"`

	Plans    []Plan     `json:"plans,omitempty" doc:"service plans of the vehicle's maker"`
	Next     *Next      `json:"next_service,omitempty" doc:"the next service as the newest visit that names one says"`
	Software []Software `json:"software,omitempty" doc:"newest software by control unit"`
	Marks    []Mark     `json:"marks,omitempty" doc:"total loss, salvage, flood, theft, scrapping, and recoveries"`
	Leases   []Lease    `json:"leases,omitempty"`
	Gaps     []Gap      `json:"gaps,omitempty" doc:"times without any record; no data is not no work"`
	Outages  []Outage   `json:"outages,omitempty" doc:"times in which a member that wrote about the vehicle could enter no records"`

	Covers []Cover `json:"covers,omitempty" doc:"warranty cover, where the workshop history is at hand; claims are among the cases"`
}

// Of answers. It never fails: what can't be told is left out or said to be
// unknown.
func Of(in *Input) *Answers {
	h := newHistory(in)
	a := &Answers{AsOf: h.today, Partial: h.partial, NoticesOf: in.NoticesOf}
	a.Plans, a.Next = h.plans(), h.next()
	a.Software, a.Marks, a.Leases = h.software(), h.marks(), h.leases()
	a.Gaps, a.Outages, a.Covers = h.gaps(), h.outages(), h.covers()
	return a
}

// event is a record of the vehicle that is shown.
type event struct {
	*record.Record
	hash string
	day  string
}

// history is the input, laid out for questions.
type history struct {
	in       *Input
	events   []event // in the order in which things happened
	readings map[string]*judge.Reading
	today    string
	partial  bool
}

func newHistory(in *Input) *history {
	h := &history{in: in, readings: map[string]*judge.Reading{}, today: dayOf(time.UnixMilli(in.AsOf).UTC())}
	for i := range in.Judgement.Readings {
		h.readings[in.Judgement.Readings[i].Hash] = &in.Judgement.Readings[i]
	}
	for _, e := range in.Entries {
		if e.Record == nil {
			h.partial = true
			continue
		}
		h.events = append(h.events, event{e.Record, e.Hash, dayOf(e.Record.EventTime)})
	}
	slices.SortStableFunc(h.events, func(a, b event) int { return a.EventTime.Compare(b.EventTime) })
	return h
}

// of lists the events of some types.
func (h *history) of(types ...string) (out []event) {
	for _, e := range h.events {
		if slices.Contains(types, e.Type) {
			out = append(out, e)
		}
	}
	return out
}

// mileage is how far the vehicle had come at a reading, on the scale of the
// part that the reading belongs to.
type mileage struct {
	mm    int64
	part  int
	known bool
	doubt bool // the reading contradicts others, or a decision set it aside
	hash  string
}

// at is the mileage at a reading, by its leaf hash.
func (h *history) at(hash string) mileage {
	r := h.readings[hash]
	if r == nil || r.Status != judge.Judged && r.Status != judge.Thinned && r.Status != judge.Excluded {
		return mileage{}
	}
	return mileage{r.X, r.Part, true, r.Named || r.BothSides || r.Status == judge.Excluded, hash}
}

// newest is the mileage at the last reading that counts.
func (h *history) newest() (m mileage) {
	var last *judge.Reading
	for i := range h.in.Judgement.Readings {
		r := &h.in.Judgement.Readings[i]
		if r.Status == judge.Judged && !r.Named && (last == nil || cmp.Or(cmp.Compare(r.Day, last.Day), cmp.Compare(r.Seconds, last.Seconds), cmp.Compare(r.X, last.X)) >= 0) {
			last = r
		}
	}
	if last != nil {
		m = h.at(last.Hash)
	}
	return m
}

const kilometre = 1_000_000 // mm

// km writes a distance in whole kilometres, rounded half up.
func km(mm int64) *int64 {
	n := (mm + kilometre/2) / kilometre
	return &n
}

func (m mileage) km() *int64 {
	if !m.known {
		return nil
	}
	return km(m.mm)
}

// since is how far it is from one mileage to another, mm; not known across an
// odometer that was replaced unread.
func (m mileage) since(from mileage) (mm int64, known bool) {
	return m.mm - from.mm, m.known && from.known && m.part == from.part
}

func dayOf(t time.Time) string { return t.Format(time.DateOnly) }

// months is a day so many months later: the same day of the month, or its
// last. "" stays "".
func months(day string, n int64) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return dayOf(first.AddDate(0, 0, min(t.Day(), last)-1))
}

// days is a day so many days later.
func days(day string, n int64) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	return dayOf(t.AddDate(0, 0, int(n)))
}

// between counts the days from one day to another.
func between(from, to string) int64 {
	a, err := time.Parse(time.DateOnly, from)
	b, err2 := time.Parse(time.DateOnly, to)
	if err != nil || err2 != nil {
		return 0
	}
	return int64(b.Sub(a) / (24 * time.Hour))
}
