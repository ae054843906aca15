package page

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/milepost-log/milepost/record"
)

// clean makes text that somebody else chose safe to set beside one's own: what
// cannot be seen, or turns the direction of what is around it, is written
// out. Markup is left to the template.
func clean(s string) string {
	ok := func(r rune) bool {
		return r == ' ' || r != unicode.ReplacementChar && unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case ok(r):
			b.WriteRune(r)
		case unicode.Is(unicode.Zs, r), r == '\n', r == '\t':
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// utc writes a time in ms since 1970.
func utc(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") + " UTC" }

// utcSeconds writes a time in seconds since 1970.
func utcSeconds(s int64) string {
	if s == 0 {
		return "at a time unknown"
	}
	return utc(s * 1000)
}

// happened writes an event time as exactly as its author gave it.
func happened(r *record.Record) string {
	zone := " UTC" + r.EventTime.Format("-07:00")
	if strings.HasSuffix(zone, "+00:00") {
		zone = " UTC"
	}
	switch r.Precision {
	case "date":
		return r.EventTime.Format("2006-01-02") + ", to the day (" + strings.TrimSpace(zone) + ")"
	case "minute":
		return r.EventTime.Format("2006-01-02 15:04") + zone
	}
	return r.EventTime.Format("2006-01-02 15:04:05") + zone
}

// span writes a number of seconds, at least 0, in its two largest units; from
// a month on in whole days.
func span(seconds int64) string {
	if days := seconds / 86400; days >= 30 {
		return count(days, "day")
	}
	units := []struct {
		n    int64
		name string
	}{{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}}
	for i, u := range units {
		if seconds < u.n && u.n > 1 {
			continue
		}
		s := count(seconds/u.n, u.name)
		if i+1 < len(units) {
			if rest := seconds % u.n / units[i+1].n; rest > 0 {
				s += " " + count(rest, units[i+1].name)
			}
		}
		return s
	}
	return ""
}

// count writes a number with its thing: "1 day", "2,000 records".
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return record.Thousands(n) + " " + thing
}

// words writes a code as a person reads it.
func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// quote writes a word of a command line for a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-/", r))
	}
	if s != "" && s[0] != '-' && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// unbroken keeps numbers and their units on one line.
func unbroken(mileage string) string {
	return strings.NewReplacer(" km", "\u00a0km", " mi", "\u00a0mi").Replace(mileage)
}
