package verify

import (
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// logTimeLayout is the one form of a log time: UTC, milliseconds, "Z".
const logTimeLayout = "2006-01-02T15:04:05.000Z"

// The log times that a seal can carry. Its lower end is 1970 because the
// index commits to log times as unsigned milliseconds; the upper end is that
// of every time in milepost.
const (
	minLogTime int64 = 0
	maxLogTime int64 = 32503680000000 - 1 // 2999-12-31T23:59:59.999Z
)

// FormatLogTime writes a log time, in milliseconds since 1970 UTC, as
// YYYY-MM-DDThh:mm:ss.mmmZ.
func FormatLogTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format(logTimeLayout)
}

// ParseLogTime reads a log time of the years 1970 to 2999 and returns it in
// milliseconds since 1970 UTC. There is one accepted form: no offset, no
// leap second, exactly three digits of fraction. Errors have the code
// "time_form".
func ParseLogTime(s string) (int64, error) {
	t, err := time.Parse(logTimeLayout, s)
	if err != nil || t.Format(logTimeLayout) != s {
		return 0, fault.New("time_form", "", "not a log time of the form YYYY-MM-DDThh:mm:ss.mmmZ")
	}
	ms := t.UnixMilli()
	if ms < minLogTime || ms > maxLogTime {
		return 0, fault.New("time_form", "", "a log time lies in the years 1970 to 2999")
	}
	return ms, nil
}
