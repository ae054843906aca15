package cases

import (
	"cmp"
	"slices"
	"strings"
)

// Status tells how a case stands at a time.
type Status struct {
	Case  string `json:"case"` // id, hex
	Kind  string `json:"kind"`
	State string `json:"state"` // as in the table of the kind; if Unclear, as its newest shown record left it
	Words string `json:"words"` // the same for a person
	Open  bool   `json:"open"`  // something may still come of it
	// Unclear says that withheld records may belong to it: unless a record has
	// closed it, how it stands is not known, nor is what became of its clocks.
	Unclear bool `json:"unclear,omitempty"`

	Subject    string        `json:"subject"`
	Index      uint64        `json:"index"`  // log index of the record that opened it
	Opened     int64         `json:"opened"` // its log time, ms
	By         Party         `json:"by"`
	For        string        `json:"for,omitempty"`
	Claim      *Claim        `json:"claim,omitempty"` // of a correction
	Says       string        `json:"says,omitempty"`  // of a dispute
	Arbitrator string        `json:"arbitrator,omitempty"`
	Targets    []string      `json:"targets"`            // leaf hashes, hex
	Authors    []string      `json:"authors,omitempty"`  // members that wrote the targets, as far as they are shown
	Last       string        `json:"last"`               // leaf hash of its newest record: what the next one's prev must be
	Campaign   string        `json:"campaign,omitempty"` // of a recall: subject campaign/...
	Done       []string      `json:"done,omitempty"`     // what came of what comes once, in its order
	Missing    []string      `json:"missing,omitempty"`  // kinds of attachment that a claim lacks
	About      string        `json:"about,omitempty"`    // the claim of an order, the order of a return
	Answered   []Party       `json:"answered,omitempty"`
	Decisions  []Decision    `json:"decisions,omitempty"`
	Clocks     []ClockStatus `json:"clocks,omitempty"`
	// Lost counts the opener's disputes about this vehicle, this one too, that
	// it withdrew or in which nothing was found to be otherwise than recorded.
	Lost int `json:"lost,omitempty"`
	// Readings are those that a dispute in which no decision counts yet is
	// about: leaf hashes, hex.
	Readings []string `json:"-"`
}

// ClockStatus tells how a deadline or a window stands at a time. All times
// are in ms since 1970 UTC, 0 for never.
type ClockStatus struct {
	Name   string `json:"name"`
	Window bool   `json:"window,omitempty"` // ends a right; the rest are deadlines
	Set    int64  `json:"set"`
	Target int64  `json:"target"`           // last ms in time
	Breach int64  `json:"breach,omitempty"` // last ms before the breach; of deadlines
	Met    int64  `json:"met,omitempty"`    // when what it waited for came
	Ended  int64  `json:"ended,omitempty"`  // when the case went on, or was withdrawn, without it: it never came
	Paused int64  `json:"paused,omitempty"` // since when it stands still
	// Overdue is since when what it waits for was, or is, late.
	Overdue  int64 `json:"overdue,omitempty"`
	Breached bool  `json:"breached,omitempty"`
	Over     bool  `json:"over,omitempty"` // of a window: it has closed
	Rules    int64 `json:"rules"`          // version that its bounds are from
}

// Statuses lists the cases of a vehicle in the order of the log, as they
// stand at a time (ms) that is not before the newest record.
func Statuses(b Book, vehicle string, asOf int64) []Status {
	lost := map[string]int{}
	var all []Status
	ordered := inOrder(b, vehicle)
	for _, c := range ordered {
		if c.lost() {
			lost[c.Opener.Member]++
		}
	}
	for _, c := range ordered {
		s := c.status(asOf)
		if c.Kind == dispute.Name {
			s.Lost = lost[c.Opener.Member]
		}
		all = append(all, s)
	}
	return all
}

// notKnown is said of a case that withheld records may have moved on.
const notKnown = "how it stands is not known"

func (c *State) status(asOf int64) Status {
	def := Lookup(c.Kind)
	s := Status{
		Case: c.ID, Kind: c.Kind, State: c.stateAt(asOf), Unclear: c.Unclear, Subject: c.Subject, Index: c.Index, Opened: c.Time,
		By: c.Opener, For: c.For, Claim: c.Claim, Says: c.Says, Arbitrator: c.Arbitrator, Answered: c.Answered, Decisions: c.Decisions,
		Last: c.Last, Campaign: c.Campaign, Done: c.Done, Missing: c.Missing, About: c.About,
	}
	s.Words, s.Open = def.States[s.State], !def.closed(s.State) && (s.Unclear || !slices.Contains(def.Rest, s.State))
	if n := len(c.Done); n > 0 && s.Open {
		s.Words += ", " + strings.ReplaceAll(c.Done[n-1], "_", " ")
	}
	if s.Unclear && s.Open {
		s.Words = notKnown
	}
	if c.disputes(asOf) {
		s.Readings = c.readings()
	}
	for _, t := range c.Targets {
		s.Targets = append(s.Targets, t.Hash)
		if name := t.Author.Member; name != "" && !slices.Contains(s.Authors, name) {
			s.Authors = append(s.Authors, name)
		}
	}
	for i := range c.Clocks {
		s.Clocks = append(s.Clocks, c.clockAt(&c.Clocks[i], asOf))
	}
	return s
}

func (c *State) clockAt(t *ClockTime, asOf int64) ClockStatus {
	s := ClockStatus{Name: t.Name, Window: t.Window, Set: t.Set, Target: t.Target, Breach: t.Breach, Rules: t.Rules}
	if c.Unclear {
		return s // what it waited for may have come, and may be withheld
	}
	end := asOf
	if t.Paused != 0 {
		s.Paused, end = t.Paused, t.Paused
	}
	if t.Met != 0 {
		end = t.Met
		if c.came(t) {
			s.Met = t.Met
		} else {
			s.Ended = t.Met
		}
	}
	switch {
	case t.Window:
		s.Over = asOf > t.Target
	case end > t.Target:
		s.Overdue, s.Breached = t.Target+1, end > t.Breach
	}
	return s
}

// came reports whether what ended a clock is what it waited for: an answer
// may be passed over, and a case may be withdrawn.
func (c *State) came(t *ClockTime) bool {
	switch t.Name {
	case "answer":
		return len(c.Answered) > 0
	case "decide", "unique":
		return len(c.Decisions) > 0
	case "affects":
		return c.Named >= c.Affected
	}
	return c.State != "withdrawn"
}

// Without says what a case did when what a deadline waited for never came.
func (s *Status) Without() string {
	if s.State == "withdrawn" {
		return "was withdrawn without it"
	}
	return "went on without it"
}

// stateAt is the state of a case at a time (ms): a decision that nobody has
// appealed in time is final without a record that says so, unless the appeal
// may be withheld.
func (c *State) stateAt(asOf int64) string {
	def := Lookup(c.Kind)
	to := def.Lapses[c.State]
	for _, k := range def.Clocks {
		if t := c.clock(k.Name); to != "" && k.Window && among(k.In, c.State) && !c.Unclear && t != nil && asOf > t.Target {
			return to
		}
	}
	return c.State
}

// Closed reports whether a record has closed a case: none comes after it.
func (c *State) Closed() bool { return Lookup(c.Kind).closed(c.State) }

// lost reports whether a dispute came to nothing.
func (c *State) lost() bool {
	if c.Kind != dispute.Name {
		return false
	}
	if c.State == "withdrawn" {
		return true
	}
	d := c.inForce()
	if d == nil || c.State == "appealed" || c.Unclear && !c.Closed() {
		return false
	}
	for _, finding := range d.Finding {
		if finding == "not_actual" {
			return false
		}
	}
	return true
}

// inForce is the decision of a dispute whose findings count.
func (c *State) inForce() *Decision {
	return newest(c.Decisions, func(d *Decision) bool { return d.Outcome != "upheld" })
}

// Disputed lists the readings under a dispute that is open at a time (ms)
// not before the newest record, or may be: leaf hashes, hex, sorted.
func Disputed(b Book, vehicle string, asOf int64) []string {
	var all []string
	for _, c := range b.Cases(vehicle) {
		if c.disputes(asOf) {
			all = append(all, c.readings()...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *State) disputes(asOf int64) bool {
	return slices.Contains([]string{"opened", "answered", "appealed"}, c.stateAt(asOf))
}

func (c *State) readings() []string {
	var all []string
	for _, t := range c.Targets {
		if t.Reading != "" {
			all = append(all, t.Reading)
		}
	}
	return all
}

// Effects lists what the decisions in force make of a vehicle's readings, in
// the log order of the deciding records.
func Effects(b Book, vehicle string) []Effect {
	var all []Effect
	for _, t := range b.Targets(vehicle) {
		all = append(all, t.net()...)
	}
	slices.SortStableFunc(all, func(x, y Effect) int {
		return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Kind, y.Kind))
	})
	return all
}

func inOrder(b Book, vehicle string) []*State {
	all := b.Cases(vehicle)
	slices.SortFunc(all, func(x, y *State) int { return cmp.Compare(x.Index, y.Index) })
	return all
}
