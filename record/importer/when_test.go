package importer

import (
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

func TestMoments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, in  string
		order     DateOrder
		want      string // "" if refused
		precision string
		why       string // part of the note or of the reason
	}{
		{"Europe/London", "2024-01-02", "", "2024-01-02T00:00:00Z", "date", ""},
		{"Europe/London", "2024-07-02", "", "2024-07-02T00:00:00+01:00", "date", ""},
		{"Europe/London", "2024-07-02T09:08", "", "2024-07-02T09:08:00+01:00", "minute", ""},
		{"Europe/London", "2024-07-02 09:08:07", "", "2024-07-02T09:08:07+01:00", "second", ""},
		{"Europe/London", "2024-07-02 09:08:00", "", "2024-07-02T09:08:00+01:00", "second", ""},
		{"Europe/London", "2013.11.03 09:33:08", "", "2013-11-03T09:33:08Z", "second", ""},
		{"Europe/London", "2024/7/2", "", "2024-07-02T00:00:00+01:00", "date", ""},
		{"Europe/London", "2024-07-02T09:08:07.000Z", "", "2024-07-02T09:08:07Z", "second", ""},
		{"Europe/London", "2024-07-02T09:08:07.999", "", "2024-07-02T09:08:07+01:00", "second", "cut off"},
		{"", "2024-07-02T09:08:07Z", "", "2024-07-02T09:08:07Z", "second", ""},
		{"", "2024-07-02T09:08:07+00:00", "", "2024-07-02T09:08:07Z", "second", ""},
		{"", "2024-07-02T09:08:07 -0500", "", "2024-07-02T09:08:07-05:00", "second", ""},
		{"", "2024-07-02T09:08:07+14:00", "", "2024-07-02T09:08:07+14:00", "second", ""},
		{"", "2024-07-02 09:08+05", "", "2024-07-02T09:08:00+05:00", "minute", ""},
		{"America/Chicago", "2014-07-07", "", "2014-07-07T00:00:00-05:00", "date", ""},
		{"Asia/Kathmandu", "2024-01-01", "", "2024-01-01T00:00:00+05:45", "date", ""},
		{"Europe/Paris", "24.12.2024", DatesDMY, "2024-12-24T00:00:00+01:00", "date", ""},
		{"Europe/Paris", "3/4/2024 10:11", DatesDMY, "2024-04-03T10:11:00+02:00", "minute", ""},
		{"America/Chicago", "3/4/2024 10:11", DatesMDY, "2024-03-04T10:11:00-06:00", "minute", ""},
		{"Europe/Paris", "2024-03-04", DatesDMY, "2024-03-04T00:00:00+01:00", "date", ""},

		// The clocks go forward: 01:00 to 02:00 are not there.
		{"Europe/London", "2024-03-31T00:59:59", "", "2024-03-31T00:59:59Z", "second", ""},
		{"Europe/London", "2024-03-31T01:00:00", "", "", "", "did not exist in Europe/London: the clocks went forward from 01:00 to 02:00"},
		{"Europe/London", "2024-03-31T01:59:59", "", "", "", "did not exist"},
		{"Europe/London", "2024-03-31T02:00:00", "", "2024-03-31T02:00:00+01:00", "second", ""},
		// With an offset in the text there is nothing to look up.
		{"Europe/London", "2024-03-31T01:30:00Z", "", "2024-03-31T01:30:00Z", "second", ""},
		// The clocks go back: 01:00 to 02:00 come twice.
		{"Europe/London", "2024-10-27T00:59:59", "", "2024-10-27T00:59:59+01:00", "second", ""},
		{"Europe/London", "2024-10-27T01:00:00", "", "2024-10-27T01:00:00+01:00", "second", "came twice"},
		{"Europe/London", "2024-10-27T01:59:59", "", "2024-10-27T01:59:59+01:00", "second", "came twice"},
		{"Europe/London", "2024-10-27T02:00:00", "", "2024-10-27T02:00:00Z", "second", ""},
		{"America/New_York", "2024-11-03 01:30", "", "2024-11-03T01:30:00-04:00", "minute", "came twice"},
		{"America/New_York", "2024-03-10 02:30", "", "", "", "did not exist"},
		{"Australia/Lord_Howe", "2024-10-06T02:15:00", "", "", "", "from 02:00 to 02:30"}, // half an hour only
		{"Australia/Lord_Howe", "2024-04-07T01:45:00", "", "2024-04-07T01:45:00+11:00", "second", "came twice"},
		// Midnight itself was skipped in Brazil, and a whole day in Samoa.
		{"America/Sao_Paulo", "2018-11-04", "", "2018-11-04T00:00:00-03:00", "date", "began later"},
		{"America/Sao_Paulo", "2018-11-04T00:30:00", "", "", "", "did not exist"},
		{"America/Sao_Paulo", "2018-02-17T23:30", "", "2018-02-17T23:30:00-02:00", "minute", "came twice"},
		{"Pacific/Apia", "2011-12-30T12:00:00", "", "", "", "did not exist"},

		// Offsets that no record can carry.
		{"Africa/Monrovia", "1971-01-01", "", "", "", "whole number of minutes"},
		{"", "2024-07-02T09:08:07+14:01", "", "", "", "over 14 hours"},
		{"", "2024-07-02T09:08:07+13:60", "", "", "", "59 minutes"},

		{"", "2024-07-02", "", "", "", "no zone"},
		{"", "2024-07-02T09:08:07", "", "", "", "no zone"},
		{"Europe/London", "", "", "", "", "no date"},
		{"Europe/London", "02/07/2024", "", "", "", "dates=dmy"},
		{"Europe/London", "13/13/2024", DatesMDY, "", "", "no such day"},
		{"Europe/London", "2024-02-30", "", "", "", "no such day"},
		{"Europe/London", "2023-02-29", "", "", "", "no such day"},
		{"Europe/London", "2024-00-10", "", "", "", "no such day"},
		{"Europe/London", "24-01-02", "", "", "", "year does not come first"},
		{"Europe/London", "24-01-02", DatesDMY, "", "", "year, month and day"},
		{"Europe/London", "2024-01.02", "", "", "", "YYYY-MM-DD"},
		{"Europe/London", "20240102", "", "", "", "YYYY-MM-DD"},
		{"Europe/London", "2024-01-02-03", "", "", "", "YYYY-MM-DD"},
		{"Europe/London", "1899-12-31", "", "", "", "1900 to 2999"},
		{"Europe/London", "3000-01-01", "", "", "", "1900 to 2999"},
		{"Europe/London", "2024-01-02T", "", "", "", "hh:mm"},
		{"Europe/London", "2024-01-02T9:08", "", "", "", "no such time"},
		{"Europe/London", "2024-01-02T09", "", "", "", "hh:mm"},
		{"Europe/London", "2024-01-02T24:00:00", "", "", "", "no such time"},
		{"Europe/London", "2024-01-02T23:59:60", "", "", "", "no such time"},
		{"Europe/London", "2024-01-02T09:08:07PM", "", "", "", "AM or PM"},
		{"Europe/London", "2024-01-02 09:08 PM", "", "", "", "AM or PM"},
		{"Europe/London", "2024-01-02T09:08:07z", "", "", "", "offset"},
		{"Europe/London", "2024-01-02T09:08:07+2:00", "", "", "", "offset"},
		{"Europe/London", "2024-01-02T09:08:07+02:0", "", "", "", "offset"},
		{"Europe/London", "2024-01-02T09:08:07.", "", "", "", "fraction"},
		{"Europe/London", "2024-01-02T09:08.5", "", "", "", "offset"},
		{"Europe/London", "Tuesday", "", "", "", "YYYY-MM-DD"},
		{"Europe/London", "٢٠٢٤-01-02", "", "", "", "year"},
	} {
		var zone *time.Location
		if c.zone != "" {
			var err error
			if zone, err = ParseZone(c.zone); err != nil {
				t.Fatal(err)
			}
		}
		m, err := parseMoment(c.in, c.order, zone)
		said := m.note
		if err != nil {
			m, said = moment{}, err.Error()
		}
		if m.text != c.want || m.precision != c.precision || !strings.Contains(said, c.why) || c.why == "" && said != "" {
			t.Errorf("%q in %q: %+v, %v; want %q, %s, %q", c.in, c.zone, m, err, c.want, c.precision, c.why)
		}
	}
}

func TestParseZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Local", "Europe/Atlantis", "../../etc/passwd", "GMT+25:00"} {
		if z, err := ParseZone(name); fault.Code(err) != "import_zone" || fault.Hint(err) == "" {
			t.Errorf("%q: %v, %v", name, z, err)
		}
	}
	if _, err := ParseZone("UTC"); err != nil {
		t.Error(err)
	}
}
