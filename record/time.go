package record

import (
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// ParseTime reads YYYY-MM-DDThh:mm:ss followed by Z or ±hh:mm: |offset| at
// most 14:00, a zero offset only as Z, years 1900 to 2999, no fraction, no
// leap second (RFC 3339, narrowed to one form for each instant and offset).
func ParseTime(s string) (time.Time, error) {
	bad := func(why string) (time.Time, error) {
		return time.Time{}, fault.New("time_form", "", "not a time of the form YYYY-MM-DDThh:mm:ss±hh:mm or ...Z: "+why)
	}
	if len(s) != 20 && len(s) != 25 {
		return bad("its length is wrong")
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return bad("it does not exist")
	}
	_, offset := t.Zone()
	// Parse gives the machine's own zone where the offset happens to be that
	// of the machine; what follows from a record must not depend on where it
	// is read.
	t = t.In(time.FixedZone("", offset))
	if offset == 0 {
		t = t.UTC()
	}
	switch {
	case len(s) == 25 && offset == 0:
		return bad("a zero offset is written Z")
	case t.Format(time.RFC3339) != s:
		return bad("it is not in its one form")
	case offset > 14*3600 || offset < -14*3600:
		return bad("the offset is over 14 hours")
	case t.Year() < 1900 || t.Year() > 2999:
		return bad("the year is not within 1900 to 2999")
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

// FormatTime writes a time as records carry it, in its own offset.
func FormatTime(t time.Time) string { return t.Truncate(time.Second).Format(time.RFC3339) }

// FormatUTC writes a time in UTC.
func FormatUTC(t time.Time) string { return FormatTime(t.UTC()) }
