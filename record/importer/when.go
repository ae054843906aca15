package importer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a zone means the same on a machine without zone files

	"github.com/milepost-log/milepost/certs/fault"
)

// ParseZone returns the IANA time zone of a name such as Europe/London. The
// machine's own zone ("Local", or no name) is refused: what a file says must
// not depend on where it is imported. The error's code is import_zone.
func ParseZone(name string) (*time.Location, error) {
	bad := func(why string) (*time.Location, error) {
		return nil, fault.New("import_zone", "", fmt.Sprintf("%.60q %s", name, why)).
			WithHint("name the zone of the place where the odometer was read, such as Europe/London or America/Chicago")
	}
	if name == "" || name == "Local" {
		return bad("names no time zone")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return bad("is no time zone of the IANA list")
	}
	return zone, nil
}

// moment is when a reading was taken, as a record carries it.
type moment struct {
	text      string // YYYY-MM-DDThh:mm:ss and Z or ±hh:mm
	precision string // date, minute or second
	note      string // what was decided for an unclear time; mostly ""
}

// clock is a reading of calendar and clock, nowhere in particular.
type clock struct {
	year, month, day     int
	hour, minute, second int
}

func (c clock) String() string {
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day, c.hour, c.minute, c.second)
}

// in returns the instant at which a place with this offset shows c.
func (c clock) in(zone *time.Location) time.Time {
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, zone)
}

// parseMoment reads a date or a date and time. Without an offset in the text
// the time is that of the zone; with none at all it is refused.
func parseMoment(s string, order DateOrder, zone *time.Location) (moment, error) {
	if s == "" {
		return moment{}, errors.New("no date is given")
	}
	date, rest, dated := s, "", true
	if i := strings.IndexAny(s, "T "); i >= 0 {
		date, rest, dated = s[:i], s[i+1:], false
	}
	var c clock
	var err error
	if c.year, c.month, c.day, err = parseDate(date, order); err != nil {
		return moment{}, err
	}
	m := moment{precision: "date"}
	offset := ""
	if !dated {
		if offset, err = m.parseClock(rest, &c); err != nil {
			return moment{}, fmt.Errorf("%.40q is not understood: %w", s, err)
		}
	}
	if offset == "" {
		if zone == nil {
			return moment{}, errors.New("the time has no zone, and no zone is given for the file")
		}
		seconds, err := m.locate(c, zone, dated)
		if err != nil {
			return moment{}, err
		}
		if offset, err = offsetText(seconds); err != nil {
			return moment{}, fmt.Errorf("%s in %s: %w", c, zone, err)
		}
	}
	m.text = c.String() + offset
	return m, nil
}

// parseDate reads three numbers divided by -, . or /. A year has four digits.
func parseDate(s string, order DateOrder) (year, month, day int, err error) {
	unclear := func(why string) (int, int, int, error) {
		return 0, 0, 0, fmt.Errorf("%.40q is not a date that is understood: %s", s, why)
	}
	at := strings.IndexAny(s, "-./")
	if at < 0 {
		return unclear("YYYY-MM-DD is expected")
	}
	parts := strings.Split(s, s[at:at+1])
	if len(parts) != 3 {
		return unclear("YYYY-MM-DD is expected")
	}
	if len(parts[0]) != 4 {
		switch order {
		case DatesDMY:
			parts[0], parts[2] = parts[2], parts[0]
		case DatesMDY:
			parts[0], parts[1], parts[2] = parts[2], parts[0], parts[1]
		default:
			return unclear("the year does not come first; map it with dates=dmy or dates=mdy")
		}
	}
	var ok [3]bool
	year, ok[0] = digits(parts[0], 4, 4)
	month, ok[1] = digits(parts[1], 1, 2)
	day, ok[2] = digits(parts[2], 1, 2)
	if ok != [3]bool{true, true, true} {
		return unclear("year, month and day are expected")
	}
	if t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC); t.Month() != time.Month(month) || t.Day() != day {
		return unclear("there is no such day")
	}
	if year < 1900 || year > 2999 {
		return unclear("the year is not within 1900 to 2999")
	}
	return year, month, day, nil
}

// parseClock reads hh:mm or hh:mm:ss, a fraction, which is cut off, and an
// offset, which it returns as records write it; "" if there is none.
func (m *moment) parseClock(s string, c *clock) (offset string, err error) {
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != ':' })
	rest := ""
	if i >= 0 {
		s, rest = s[:i], s[i:]
	}
	parts := strings.Split(s, ":")
	m.precision = map[int]string{2: "minute", 3: "second"}[len(parts)]
	if m.precision == "" {
		return "", errors.New("the time of day is not hh:mm or hh:mm:ss")
	}
	into := []*int{&c.hour, &c.minute, &c.second}
	for i, p := range parts {
		n, ok := digits(p, 2, 2)
		if !ok || n > []int{23, 59, 59}[i] {
			return "", errors.New("there is no such time of day")
		}
		*into[i] = n
	}
	if strings.HasPrefix(rest, ".") && m.precision == "second" {
		fraction := strings.TrimLeft(rest[1:], "0123456789")
		if n := len(rest) - 1 - len(fraction); n == 0 || n > 9 {
			return "", errors.New("the fraction of a second has not 1 to 9 digits")
		} else if strings.Trim(rest[1:1+n], "0") != "" {
			m.note = "the fraction of a second was cut off"
		}
		rest = fraction
	}
	return parseOffset(strings.TrimPrefix(rest, " "))
}

// parseOffset reads nothing, Z, ±hh:mm, ±hhmm or ±hh.
func parseOffset(s string) (string, error) {
	if s == "" || s == "Z" {
		return s, nil
	}
	hhmm := strings.Replace(s[1:], ":", "", 1)
	if len(hhmm) == 2 && len(s) == 3 {
		hhmm += "00"
	}
	n, ok := digits(hhmm, 4, 4)
	if !ok || s[0] != '+' && s[0] != '-' || len(s) == 6 && s[3] != ':' {
		return "", errors.New("after the time an offset such as +02:00 or Z is expected, or nothing (no AM or PM)")
	}
	seconds := n/100*3600 + n%100*60
	if n%100 > 59 {
		return "", errors.New("the offset has over 59 minutes")
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return offsetText(seconds)
}

func offsetText(seconds int) (string, error) {
	sign, abs := '+', seconds
	if seconds < 0 {
		sign, abs = '-', -seconds
	}
	switch {
	case seconds == 0:
		return "Z", nil
	case abs%60 != 0: // local mean times of before about 1930
		return "", errors.New("the offset from UTC was no whole number of minutes")
	case abs > 14*3600:
		return "", errors.New("the offset is over 14 hours")
	}
	return fmt.Sprintf("%c%02d:%02d", sign, abs/3600, abs/60%60), nil
}

// locate finds the offset from UTC, in seconds, at which the zone showed c.
// A time that the clocks skipped is refused. Of one that they showed twice
// the first is taken. The midnight of a date is never refused: where the
// clocks skipped it, it is the instant at which they did.
func (m *moment) locate(c clock, zone *time.Location, dated bool) (int, error) {
	shown := c.in(time.UTC).Unix()
	// time.Date leaves open which of two offsets it uses beside a change, but
	// it is always one of these two, so that the change bounds t's period.
	t := c.in(zone)
	for _, change := range bounds(t) {
		_, before := change.Add(-1).In(zone).Zone()
		_, after := change.In(zone).Zone()
		from, to := change.Unix()+int64(before), change.Unix()+int64(after)
		switch {
		case from <= shown && shown < to && dated:
			m.note = fmt.Sprintf("%s began later than 00:00 in %s, the clocks went forward", c.String()[:10], zone)
			return before, nil
		case from <= shown && shown < to:
			return 0, fmt.Errorf("%s did not exist in %s: the clocks went forward from %s to %s", c, zone,
				time.Unix(from, 0).UTC().Format("15:04"), time.Unix(to, 0).UTC().Format("15:04"))
		case to <= shown && shown < from:
			m.note = fmt.Sprintf("%s came twice in %s, the clocks went back; the first is taken", c, zone)
			return before, nil
		}
	}
	_, offset := t.Zone()
	return offset, nil
}

func bounds(t time.Time) []time.Time {
	var changes []time.Time
	start, end := t.ZoneBounds()
	for _, change := range []time.Time{start, end} {
		if !change.IsZero() {
			changes = append(changes, change)
		}
	}
	return changes
}

// digits reads a number of min to max digits and nothing else.
func digits(s string, min, max int) (int, bool) {
	if len(s) < min || len(s) > max || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
