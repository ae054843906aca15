package answers

import (
	"slices"
	"time"
)

// GapDays is from how many days on a time without a record is a gap: a year,
// by which a car that is driven is inspected or serviced in most countries,
// and five weeks on top.
const GapDays = 400

// Gap is a time in which nobody wrote about the vehicle.
type Gap struct {
	From string `json:"from" doc:"day of the record before it"`
	To   string `json:"to" doc:"day of the record after it, or as_of"`
	Days int64  `json:"days"`
	Open bool   `json:"open,omitempty" doc:"no record has come since"`
}

// Outage is a time in which a member says that it could enter no records.
type Outage struct {
	Member string `json:"member"`
	From   string `json:"from" doc:"UTC"`
	To     string `json:"to,omitempty" doc:"UTC; absent while it lasts"`
	Reason string `json:"reason"`
	Record string `json:"record" doc:"leaf hash of the outage.declared"`
}

// gaps are told by when things happened. What is withheld happened at a time
// that nobody can tell: then there is no gap to speak of.
func (h *history) gaps() (out []Gap) {
	if h.partial || len(h.events) == 0 {
		return nil
	}
	gap := func(from, to string, open bool) {
		if n := between(from, to); n >= GapDays {
			out = append(out, Gap{from, to, n, open})
		}
	}
	last := h.events[0].day
	for _, e := range h.events {
		gap(last, e.day, false)
		last = max(last, e.day)
	}
	gap(last, h.today, true)
	return out
}

// outages are those of members that wrote about the vehicle, from its first
// record on: work of that time may have come in late, or never.
func (h *history) outages() (out []Outage) {
	if len(h.events) == 0 {
		return nil
	}
	authors := map[string]bool{}
	for _, e := range h.events {
		authors[e.Author] = true
	}
	for _, n := range h.in.Notices {
		if n.Record == nil || n.Record.Type != "outage.declared/1" || !authors[n.Record.Author] {
			continue
		}
		b := n.Record.Body
		o := Outage{Member: n.Record.Author, From: b.Get("from").Str, To: b.Get("to").Str, Reason: b.Get("reason").Str, Record: n.Hash}
		if o.To != "" && o.To < h.events[0].EventTime.UTC().Format(time.RFC3339) {
			continue
		}
		// An outage that was declared while it lasted is declared again with its end.
		out = slices.DeleteFunc(out, func(p Outage) bool { return p.Member == o.Member && p.From == o.From && p.To == "" })
		out = append(out, o)
	}
	return out
}
