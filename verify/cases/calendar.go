package cases

import (
	"slices"
	"sort"
	"time"
)

// Calendar says which days are working days.
type Calendar struct {
	ID      string   `json:"id"`
	Zone    string   `json:"zone"`
	Weekend []int64  `json:"weekend"` // ISO 8601: 1 Monday to 7 Sunday
	DaysOff []string `json:"days_off,omitempty"`
}

// calendar finds the one of an id among the rules'. For an id that the rules
// do not have it is the plain week in the zone.
func calendar(all []Calendar, id, zone string) *Calendar {
	c := Calendar{ID: id, Weekend: []int64{6, 7}}
	for i := range all {
		if all[i].ID == id {
			c = all[i]
		}
	}
	c.Zone = zone
	return &c
}

// Due is the last millisecond of the n-th day after the date that a log time
// (ms) falls on: of working days, or of all days. Day 0 is that date.
func (c *Calendar) Due(from int64, n int64, working bool) int64 {
	zone := Zone(c.Zone)
	// A date as the midnight of UTC: adding days to it never meets a change of the clock.
	y, m, d := time.UnixMilli(from).In(zone).Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	if !working || c.never() {
		return endOf(day.AddDate(0, 0, int(n)), zone)
	}
	for n > 0 {
		if day = day.AddDate(0, 0, 1); c.works(day) {
			n--
		}
	}
	return endOf(day, zone)
}

// Left is how many days, after the date that a log time (ms) falls on, end
// until another: 0 if both fall on one date. Of working days, or of all days.
func (c *Calendar) Left(from, until int64, working bool) (n int64) {
	zone := Zone(c.Zone)
	date := func(ms int64) time.Time {
		y, m, d := time.UnixMilli(ms).In(zone).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	last := date(until)
	if !working || c.never() {
		return int64(last.Sub(date(from)) / (24 * time.Hour))
	}
	for day := date(from).AddDate(0, 0, 1); !day.After(last); day = day.AddDate(0, 0, 1) {
		if c.works(day) {
			n++
		}
	}
	return n
}

func (c *Calendar) works(day time.Time) bool {
	weekday := int64((day.Weekday()+6)%7) + 1
	return !slices.Contains(c.Weekend, weekday) && !slices.Contains(c.DaysOff, day.Format(time.DateOnly))
}

// never reports whether no day of the week is a working day.
func (c *Calendar) never() bool {
	for d := int64(1); d <= 7; d++ {
		if !slices.Contains(c.Weekend, d) {
			return false
		}
	}
	return true
}

// endOf is the last millisecond of a date in a zone. It is searched for, and
// not made of a date and an hour, because some zones change their clocks at
// midnight.
func endOf(day time.Time, zone *time.Location) int64 {
	const reach = 16 * 3600 // seconds: no zone is farther from UTC
	next := day.AddDate(0, 0, 1)
	date := next.Format(time.DateOnly)
	first := next.Unix() - reach
	n := sort.Search(2*reach, func(i int) bool {
		return time.Unix(first+int64(i), 0).In(zone).Format(time.DateOnly) >= date
	})
	return (first+int64(n))*1000 - 1
}
