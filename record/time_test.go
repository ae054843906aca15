package record

import (
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

func TestTimes(t *testing.T) {
	t.Parallel()
	for s, unix := range map[string]int64{
		"1970-01-01T00:00:00Z": 0, "2026-05-04T10:12:00+02:00": 1777882320, "2026-05-04T08:12:00Z": 1777882320, "2026-05-03T18:12:00-14:00": 1777882320,
		"2026-05-04T22:12:00+14:00": 1777882320, "2026-05-04T13:57:00+05:45": 1777882320, "2024-02-29T00:00:00Z": 1709164800,
		"1900-01-01T00:00:00Z": -2208988800, "2999-12-31T23:59:59Z": 32503679999, "1900-01-01T00:00:00+14:00": -2208988800 - 14*3600,
	} {
		got, err := ParseTime(s)
		if err != nil || got.Unix() != unix {
			t.Errorf("%s: %v, %v", s, got.Unix(), err)
		} else if FormatTime(got) != s {
			t.Errorf("%s came back as %s", s, FormatTime(got))
		}
		if got.Location() == time.Local && got.Location() != time.UTC {
			t.Errorf("%s depends on where it is read", s)
		}
	}
	for _, s := range []string{
		"", "2026-05-04", "2026-05-04T10:12:00", "2026-05-04T10:12Z", "2026-05-04 10:12:00Z", "2026-05-04t10:12:00Z", "2026-05-04T10:12:00z",
		"2026-05-04T10:12:00.0Z", "2026-05-04T10:12:00,5Z", "2026-05-04T10:12:00+00:00", "2026-05-04T10:12:00-00:00", "2026-05-04T10:12:00+0200", "2026-05-04T10:12:00+02",
		"2026-05-04T10:12:00+14:01", "2026-05-04T10:12:00-14:30", "2026-05-04T10:12:00+15:00", "2026-05-04T10:12:00+02:60", "2026-05-04T10:12:00+24:00", "2026-05-04T10:12:00 02:00",
		"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z",
		"2026-05-04T24:00:00Z", "2026-05-04T10:60:00Z", "2026-06-30T23:59:60Z", "1899-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
		"+026-05-04T10:12:00Z", "２０26-05-04T10:12Z", "2026-05-04T10:12:00Z ", " 2026-05-04T10:12:00", "2026-5-04T10:12:00+2:0", "2026-05-04T1:12:00+02:00",
	} {
		if got, err := ParseTime(s); fault.Code(err) != "time_form" {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if _, err := ParseUTC("2026-05-04T08:12:00Z"); err != nil {
		t.Error(err)
	}
	if _, err := ParseUTC("2026-05-04T10:12:00+02:00"); fault.Code(err) != "time_form" {
		t.Error(err)
	}
	if got := FormatUTC(time.Date(2026, 5, 4, 10, 12, 0, 999999999, time.FixedZone("", 7200))); got != "2026-05-04T08:12:00Z" {
		t.Error(got)
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"2026-05-04": true, "2024-02-29": true, "1900-01-01": true, "2999-12-31": true,
		"": false, "2026-5-4": false, "2026-02-29": false, "1899-12-31": false, "3000-01-01": false, "2026-05-04Z": false, "2026/05/04": false, "20260504": false, "2026-05-32": false, "+026-05-04": false,
	} {
		if isDate(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// byPackage is ParseTime by way of the time package, which takes more forms.
func byPackage(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, false
	}
	_, offset := t.Zone()
	t = t.In(time.FixedZone("", offset))
	if offset == 0 {
		t = t.UTC()
	}
	return t, t.Format(time.RFC3339) == s && len(s) <= 25 && (len(s) == 20) == (offset == 0) && offset <= 14*3600 && offset >= -14*3600 && t.Year() >= 1900 && t.Year() <= 2999
}

// A time has one form for each instant and offset.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-05-04T10:12:00+02:00", "2026-05-04T08:12:00Z", "2026-06-30T23:59:60Z", "2026-05-04T10:12:00.5Z", "1900-01-01T00:00:00+14:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s)
		if want, ok := byPackage(s); ok != (err == nil) || ok && !got.Equal(want) {
			t.Fatalf("%q is %v, %v; the time package has %v, %v", s, got, err, want, ok)
		}
		if err != nil {
			return
		}
		if FormatTime(got) != s || got.Year() < 1900 || got.Year() > 2999 {
			t.Fatalf("%q came back as %q", s, FormatTime(got))
		}
		if _, err := ParseUTC(FormatUTC(got)); err != nil && got.UTC().Year() >= 1900 && got.UTC().Year() <= 2999 {
			t.Fatalf("%q in UTC: %v", s, err)
		}
	})
}
