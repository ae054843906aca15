package cases

import (
	_ "embed"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// zoneTable is the program's own table of time zones. Whether a record comes
// too late decides what may stand in the log, so all nodes must agree on the
// end of a day, and two machines' tzdata need not. A change of the table
// moves deadlines: like any change of what may stand, it comes with a new
// feature level. What such a rule cannot say, as that Morocco leaves its
// summer time in Ramadan, is left out.
//
//go:embed zones.txt
var zoneTable string

var zones = sync.OnceValue(func() map[string]*time.Location {
	m := map[string]*time.Location{}
	for line := range strings.Lines(zoneTable) {
		rule, names, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if rule == "#" {
			continue
		}
		loc, err := time.LoadLocationFromTZData(rule, tzif(rule))
		if err != nil {
			panic("zones.txt: " + rule + ": " + err.Error())
		}
		for name := range strings.FieldsSeq(names) {
			m[name] = loc
		}
	}
	return m
})

// Zone returns the time zone of an IANA name, UTC if the table lacks it. It
// serves for times from 1970 on, by the rule that is in force today.
func Zone(name string) *time.Location {
	if loc := zones()[name]; loc != nil {
		return loc
	}
	return time.UTC
}

// tzif is a time zone file (RFC 9636) whose times all follow a rule.
func tzif(rule string) []byte {
	header := func(b []byte, times, types, chars uint32) []byte {
		b = append(append(b, "TZif2"...), make([]byte, 15)...)
		for _, n := range []uint32{0, 0, 0, times, types, chars} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	b := header(header(nil, 0, 0, 0), 1, 1, 4)
	b = append(b, make([]byte, 8)...) // one change, in 1970: the rule counts after the last
	b = append(b, 0)                  // to the first type of local time
	b = append(b, make([]byte, 6)...) // which is UTC
	b = append(b, "UTC\x00"...)
	return append(append(append(b, '\n'), rule...), '\n')
}
