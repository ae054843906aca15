package answers

import "slices"

// Lease is one lease of the vehicle.
type Lease struct {
	Begins      string `json:"begins"`
	Ends        string `json:"ends,omitempty" doc:"absent while it lasts, as far as the history shows"`
	BeginRecord string `json:"begin_record" doc:"leaf hash of the vehicle.sold"`
	EndRecord   string `json:"end_record,omitempty" doc:"leaf hash of the ownership.changed"`
	From        *int64 `json:"from_km,omitempty"`
	To          *int64 `json:"to_km,omitempty" doc:"at the return; of a lease that lasts, at the newest reading"`
	KM          *int64 `json:"km,omitempty" doc:"covered on the lease; absent where the readings don't tell"`
	Allowed     int64  `json:"allowed_km,omitempty" doc:"what the caller says that the contract allows; no contract is on the log"`
	Excess      int64  `json:"excess_km,omitempty" doc:"covered beyond that"`
	Doubt       bool   `json:"doubt,omitempty" doc:"a reading that it rests on contradicts others, or was set aside"`
}

// leases finds each lease: from the record that begins it to the one that
// ends it, with the readings that they name. Where the record of the return
// names none, the reading that was taken for it that day or the day before
// stands in.
func (h *history) leases() (out []Lease) {
	var from mileage
	open := false
	for _, e := range h.of("vehicle.sold/1", "ownership.changed/1") {
		switch kind := e.Body.Get("kind").Str; {
		case kind == "lease_start":
			from = h.at(e.Body.Get("reading_ref").Str)
			out, open = append(out, Lease{Begins: e.day, BeginRecord: e.hash, Allowed: h.in.LeaseKM}), true
		case kind == "lease_end" && open:
			l := &out[len(out)-1]
			l.Ends, l.EndRecord = e.day, e.hash
			l.cover(from, h.returned(e))
			open = false
		}
	}
	if open {
		out[len(out)-1].cover(from, h.newest())
	}
	return out
}

// returned is the mileage at which a leased vehicle came back.
func (h *history) returned(e event) (m mileage) {
	if ref := e.Body.Get("reading_ref").Str; ref != "" {
		return h.at(ref)
	}
	for _, r := range h.of("odometer.reading/1") {
		if r.Body.Get("purpose").Str == "lease_end" && slices.Contains([]string{e.day, days(e.day, -1)}, r.day) {
			m = h.at(r.hash)
		}
	}
	return m
}

func (l *Lease) cover(from, to mileage) {
	l.From, l.To, l.Doubt = from.km(), to.km(), from.doubt || to.doubt
	mm, known := to.since(from)
	if !known || mm < 0 {
		return
	}
	l.KM = km(mm)
	if l.Allowed > 0 {
		l.Excess = max(0, *l.KM-l.Allowed)
	}
}
