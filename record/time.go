package record

import (
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// ParseTime reads YYYY-MM-DDThh:mm:ss followed by Z or ±hh:mm: |offset| at
// most 14:00, a zero offset only as Z, years 1900 to 2999, no fraction, no
// leap second (RFC 3339, narrowed to one form for each instant and offset).
// The time package is not asked: it takes other forms too, may answer in the
// machine's own zone, and costs more than the rest of reading a record.
func ParseTime(s string) (time.Time, error) {
	bad := func(why string) (time.Time, error) {
		return time.Time{}, fault.New("time_form", "", "not a time of the form YYYY-MM-DDThh:mm:ss±hh:mm or ...Z: "+why)
	}
	form := "0000-00-00T00:00:00Z"
	if len(s) == len("0000-00-00T00:00:00+00:00") {
		form = "0000-00-00T00:00:00+00:00"
	}
	if len(s) != len(form) {
		return bad("its length is wrong")
	}
	for i, c := range []byte(form) {
		digit := s[i] >= '0' && s[i] <= '9'
		if c == '0' && !digit || c != '0' && s[i] != c && !(c == '+' && s[i] == '-') {
			return bad("it is not in its one form")
		}
	}
	two := func(at int) int { return int(s[at]-'0')*10 + int(s[at+1]-'0') }
	year, month, day := two(0)*100+two(2), time.Month(two(5)), two(8)
	hour, minute, second := two(11), two(14), two(17)
	zone := time.UTC
	if len(s) > 20 {
		offset := two(20)*3600 + two(23)*60
		switch {
		case two(23) > 59:
			return bad("it does not exist")
		case offset == 0:
			return bad("a zero offset is written Z")
		case offset > 14*3600:
			return bad("the offset is over 14 hours")
		}
		if s[19] == '-' {
			offset = -offset
		}
		zone = time.FixedZone("", offset)
	}
	if year < 1900 || year > 2999 {
		return bad("the year is not within 1900 to 2999")
	}
	t := time.Date(year, month, day, hour, minute, second, 0, zone)
	// What does not exist, such as 30 February or second 60, Date moves on.
	if y, m, d := t.Date(); y != year || m != month || d != day || hour > 23 || minute > 59 || second > 59 {
		return bad("it does not exist")
	}
	return t, nil
}

// ParseUTC is ParseTime for times that must end in Z.
func ParseUTC(s string) (time.Time, error) {
	t, err := ParseTime(s)
	if err == nil && len(s) != 20 {
		err = fault.New("time_form", "", "a time in UTC, ending in Z, is expected")
	}
	return t, err
}

// When reads the time of an event as people give it: a time with its offset,
// or a date, which is its midnight in a zone. precision is how precise that
// is, as records say it: date, minute (no seconds are given, or 0) or second.
func When(s string, zone *time.Location) (text, precision string, err error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return FormatTime(t), "date", nil
	}
	t, err := ParseTime(s)
	switch {
	case err != nil:
		return "", "", err
	case t.Second() == 0:
		return s, "minute", nil
	}
	return s, "second", nil
}

// FormatTime writes a time as records carry it, in its own offset.
func FormatTime(t time.Time) string { return t.Truncate(time.Second).Format(time.RFC3339) }

// FormatUTC writes a time in UTC.
func FormatUTC(t time.Time) string { return FormatTime(t.UTC()) }
