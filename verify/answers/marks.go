package answers

import (
	"maps"
	"slices"
)

// Mark is something grave that befell the vehicle.
type Mark struct {
	Kind     string `json:"kind" enum:"total_loss|salvage|flood|theft|recovered|stolen|scrapped"`
	Day      string `json:"day"`
	Severity string `json:"severity,omitempty" enum:"minor|moderate|severe"`
	Author   string `json:"author"`
	Record   string `json:"record" doc:"leaf hash"`
}

var graveInsurance = []string{"total_loss", "salvage", "flood", "theft", "recovered"}
var graveOwnership = []string{"stolen", "recovered", "scrapped"}

// marks lists what insurers and others reported that stays with a vehicle for
// good: a repaired scratch is no mark, a total loss is one also after repair.
func (h *history) marks() (out []Mark) {
	for _, e := range h.of("insurance.event/1", "ownership.changed/1") {
		kind, grave := e.Body.Get("kind").Str, graveInsurance
		if e.Type == "ownership.changed/1" {
			grave = graveOwnership
		}
		if slices.Contains(grave, kind) {
			out = append(out, Mark{Kind: kind, Day: e.day, Severity: e.Body.Get("severity").Str, Author: e.Author, Record: e.hash})
		}
	}
	return out
}

// Software is the newest known software of one control unit.
type Software struct {
	ECU      string `json:"ecu"`
	Version  string `json:"version"`
	Day      string `json:"day"`
	Method   string `json:"method" enum:"shop|ota"`
	Campaign string `json:"campaign,omitempty"`
	Author   string `json:"author"`
	Record   string `json:"record" doc:"leaf hash"`
	Updates  int    `json:"updates" doc:"that the history shows"`
	Missing  bool   `json:"missing,omitempty" doc:"an update began from another version than the one before it left: one between them is not shown"`
}

// software is the state of each control unit as its last update left it.
func (h *history) software() (out []Software) {
	units := map[string]*Software{}
	for _, e := range h.of("software.updated/1") {
		ecu, before := e.Body.Get("ecu").Str, e.Body.Get("before").Str
		s := units[ecu]
		if s == nil {
			s = &Software{ECU: ecu}
			units[ecu] = s
		}
		s.Missing = s.Missing || s.Version != "" && before != "" && s.Version != before
		s.Version, s.Day, s.Method, s.Campaign = e.Body.Get("after").Str, e.day, e.Body.Get("method").Str, e.Body.Get("campaign").Str
		s.Author, s.Record = e.Author, e.hash
		s.Updates++
	}
	for _, ecu := range slices.Sorted(maps.Keys(units)) {
		out = append(out, *units[ecu])
	}
	return out
}
