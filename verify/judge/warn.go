package judge

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record"
)

// Warning is what a person should look at before a record is entered. It
// never blocks: an author who saw it and keeps the value puts the code into
// `confirmed`.
type Warning struct {
	Code        string
	Text        string
	Against     []string     // leaf hashes of the readings that it contradicts
	Suggestions []Suggestion // what may have been meant, best first
}

// Codes of warnings that are no flags.
const (
	WarnDrop           = "drop"
	WarnRate           = "rate"
	WarnRateImpossible = "rate_impossible"
	WarnSentinel       = "sentinel"
	WarnReplacement    = "replacement_unattested"
	WarnRollover       = "rollover_unattested"
)

var codeOf = map[string]string{Drop: WarnDrop, TooFast: WarnRate, ImpossibleSpeed: WarnRateImpossible}

// Warn tells what adding a record to a history would change: the break that
// it would make or take part in, and the flags that it would get. The record
// is judged as if it came onto the log when it was signed.
func Warn(h *History, r *record.Record, p Params) []Warning {
	hash := hex.EncodeToString(r.Hash[:])
	entry := Entry{Time: r.Captured.UnixMilli(), Hash: hash, Record: r}
	if n := len(h.Entries); n > 0 {
		entry.Index = h.Entries[n-1].Index + 1
	}
	before := Judge(h, p, entry.Time)
	next := *h
	next.Entries = append(slices.Clone(h.Entries), entry)
	after := Judge(&next, p, entry.Time)

	var ws []Warning
	for i := range after.Breaks {
		if w, ok := warnBreak(&after.Breaks[i], before.Breaks, hash, after); ok {
			ws = append(ws, w)
		}
	}
	if r.Type == readingType {
		if v := r.Body.Get("value").Int; r.Body.Get("result").Str == "read" && (v == 0 || v == 1 || v == 999_999) {
			ws = append(ws, Warning{Code: WarnSentinel, Text: fmt.Sprintf("%d looks like a default, not like a mileage", v)})
		}
	}
	for _, f := range after.Flags {
		if f.Record != hash {
			continue
		}
		switch f.Code {
		case "late", "very_late", "future_dated", "jump", "static", "duplicate", "unit_changed", "rollover_implausible":
			ws = append(ws, Warning{Code: f.Code, Text: f.text(r.Body.Get("unit").Str)})
		}
	}
	for _, c := range []struct{ typ, reason, code string }{{replacedType, "02", WarnReplacement}, {rolloverType, "01", WarnRollover}} {
		if r.Type == c.typ && after.gives(c.reason) && !before.gives(c.reason) {
			ws = append(ws, Warning{Code: c.code, Text: "no one else is on the log as having read the counter shortly before"})
		}
	}
	return ws
}

// warnBreak tells of a break that the record takes part in, or that was not
// there without it.
func warnBreak(b *Break, had []Break, hash string, j *Judgement) (Warning, bool) {
	mine := slices.Contains(b.Readings, hash)
	others := append(slices.Clone(b.Readings), b.Against...)
	others = slices.DeleteFunc(others, func(h string) bool { return h == hash })
	if mine {
		others = slices.Clone(b.Against)
		for _, h := range b.Readings {
			if h != hash && b.Kind != Isolated {
				others = append(others, h)
			}
		}
	}
	known := slices.ContainsFunc(had, func(o Break) bool { return slices.Equal(o.Readings, b.Readings) })
	if known || len(others) == 0 {
		return Warning{}, false
	}
	w := Warning{Code: codeOf[b.Why], Against: others, Text: j.moveText(b)}
	for _, s := range b.Suggestions {
		if s.Record == hash {
			w.Suggestions = append(w.Suggestions, s)
		}
	}
	if len(w.Suggestions) > 0 {
		var may []string
		for _, s := range w.Suggestions {
			may = append(may, s.Text())
		}
		w.Text += "; was it " + strings.Join(may, ", or ") + "?"
	}
	return w, true
}

func (j *Judgement) gives(reason string) bool {
	for _, o := range []*Outcome{&j.Outcome, j.ShownOnly} {
		for ; o != nil; o = o.WithoutDispute {
			if slices.Contains(o.Reasons, reason) {
				return true
			}
		}
	}
	return false
}
