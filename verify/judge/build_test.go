package judge

import (
	"fmt"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// row is a reading of a test, in km and taken by eye unless it says more.
type row struct {
	day       int64  // since 2020-01-01
	at        string // "hh:mm"; "" when only the day is known
	value     int64
	unit      string // "" is KMT
	author    string // "" is one of its own
	source    string // "" is visual
	precision string // "" is exact
	result    string // "" is read
	purpose   string // "" is periodic
	confirmed []string
}

var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func hashOf(i int) string { return fmt.Sprintf("%064x", i) }

// rows makes a history in which reading i has the hash of i.
func rows(rs ...row) *History {
	h := &History{}
	for i, r := range rs {
		h.Entries = append(h.Entries, r.entry(i))
	}
	return h
}

func (r row) entry(i int) Entry {
	when, precision := epoch.AddDate(0, 0, int(r.day)), "date"
	if r.at != "" {
		t, err := time.Parse("15:04", r.at)
		if err != nil {
			panic(err)
		}
		when, precision = when.Add(time.Duration(t.Hour())*time.Hour+time.Duration(t.Minute())*time.Minute), "minute"
	}
	body := []jcs.Field{
		text("purpose", or(r.purpose, "periodic")), text("result", or(r.result, "read")), text("source", or(r.source, "visual")),
	}
	if or(r.result, "read") == "read" {
		body = append(body, text("precision", or(r.precision, "exact")), text("unit", or(r.unit, "KMT")), number("value", r.value))
	}
	if len(r.confirmed) > 0 {
		body = append(body, field("confirmed", jcs.Texts(r.confirmed)))
	}
	return entry(i, readingType, or(r.author, fmt.Sprintf("author%d", i)), when, precision, body...)
}

// entry makes the record of number i, logged an hour after its event.
func entry(i int, typ, author string, when time.Time, precision string, body ...jcs.Field) Entry {
	return Entry{
		Index: uint64(i), Time: when.Add(time.Hour).UnixMilli(), Hash: hashOf(i),
		Record: &record.Record{
			Type: typ, Author: author, EventTime: when, Precision: precision, Body: jcs.Make(body...),
			Subjects: []string{"vehicle/WVWZZZ1JZXW000001"},
		},
	}
}

// series is readings of different authors, a hundred days apart.
func series(values ...int64) []row {
	var rs []row
	for i, v := range values {
		rs = append(rs, row{day: int64(i) * 100, value: v})
	}
	return rs
}

func judged(t testing.TB, h *History) *Judgement {
	t.Helper()
	return Judge(h, ParamsOf(nil), epoch.AddDate(10, 0, 0).UnixMilli())
}

// named lists the numbers of the readings named, listed those on two sides.
func named(j *Judgement) (named, listed []int) {
	for _, r := range j.Readings {
		var i int
		fmt.Sscanf(r.Hash, "%x", &i)
		if r.Named {
			named = append(named, i)
		}
		if r.BothSides {
			listed = append(listed, i)
		}
	}
	return named, listed
}
