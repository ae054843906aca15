package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Caps of what is kept of one case and one target.
const (
	maxTargets   = 32
	maxDecisions = 64 // in force on one target, one after another
	maxClocks    = 64 // set in one case: some go back and forth
)

// State is what is kept of one case.
type State struct {
	ID      string `json:"id"` // leaf hash of the record that opened it, hex
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Subject string `json:"subject"`

	Opener   Party  `json:"opener"`
	For      string `json:"for,omitempty"` // self, owner, buyer or fleet
	Index    uint64 `json:"index"`         // of the record that opened it
	Time     int64  `json:"time"`          // its log time, ms
	Calendar string `json:"calendar"`      // id of the opener's calendar, then
	Zone     string `json:"zone"`          // and its zone

	Last       string      `json:"last"` // leaf hash of its newest record, hex
	LastIndex  uint64      `json:"last_index"`
	Targets    []Target    `json:"targets"`         // of corrections and disputes
	Claim      *Claim      `json:"claim,omitempty"` // of a correction
	Says       string      `json:"says,omitempty"`  // what a dispute claims
	Arbitrator string      `json:"arbitrator,omitempty"`
	Answered   []Party     `json:"answered,omitempty"`
	Decisions  []Decision  `json:"decisions,omitempty"`
	Clocks     []ClockTime `json:"clocks,omitempty"`
	Done       []string    `json:"done,omitempty"`     // what came that comes once: statuses of an order, in their order
	Missing    []string    `json:"missing,omitempty"`  // kinds of attachment that a claim lacks
	Lines      int         `json:"lines,omitempty"`    // of a warranty claim
	Version    int64       `json:"version,omitempty"`  // of a warranty claim
	Replaced   string      `json:"replaced,omitempty"` // the claim in its place, hex
	About      string      `json:"about,omitempty"`    // the claim of an order, the order of a return: hex
	Campaign   string      `json:"campaign,omitempty"` // of a recall: subject campaign/...
	Affected   int64       `json:"affected,omitempty"` // of a campaign: vehicles that it says it concerns
	Named      int64       `json:"named,omitempty"`    // and those that were named since
	// Unclear says that records of the case are hidden, so that its state is
	// what the newest shown record makes of it.
	Unclear bool `json:"unclear,omitempty"`
}

// Target is a record that a case is about.
type Target struct {
	Hash    string `json:"hash"` // leaf hash, hex
	Type    string `json:"type,omitempty"`
	Author  Party  `json:"author"` // empty if the record is hidden
	Index   uint64 `json:"index"`
	Time    int64  `json:"time"`              // log time, ms
	Reading string `json:"reading,omitempty"` // the reading that it is, or that it decided about; hex
	Decided string `json:"decided,omitempty"` // the case whose decision it is; hex
}

// Claim is what a correction asks for.
type Claim struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
	Counts
}

// Counts is what counts, of a reading, in the place of what was entered; only
// what differs.
type Counts struct {
	Value     *int64 `json:"value,omitempty"`
	Unit      string `json:"unit,omitempty"`
	EventTime string `json:"event_time,omitempty"`
}

// Decision is one that was taken in a case.
type Decision struct {
	Hash    string            `json:"hash"` // of its record, hex
	By      Party             `json:"by"`
	Index   uint64            `json:"index"`
	Time    int64             `json:"time"`
	Outcome string            `json:"outcome"`            // of a correction or an appeal
	Finding map[string]string `json:"findings,omitempty"` // by target
}

// ClockTime is a deadline or window of a case as it was set. Its bounds are
// those of the rules in force when it was set.
type ClockTime struct {
	Name   string `json:"name"`
	Set    int64  `json:"set"`              // ms
	Target int64  `json:"target"`           // last ms in time; of a window, its end
	Breach int64  `json:"breach,omitempty"` // last ms before the breach
	Window bool   `json:"window,omitempty"`
	Paused int64  `json:"paused,omitempty"` // since when it stands; 0 if it runs
	Rules  int64  `json:"rules"`            // version
	Met    int64  `json:"met,omitempty"`    // log time of the record that ended it
}

// Standing is what is kept of one target: the decisions about it, in their
// order.
type Standing struct {
	Hash    string   `json:"hash"`
	Open    string   `json:"open,omitempty"` // the correction that is not decided yet
	Last    string   `json:"last,omitempty"` // newest decision about it, in force or rejected
	Case    string   `json:"case,omitempty"` // of Last
	Effects []Effect `json:"effects,omitempty"`
}

// Store keeps cases by the subject of their history and their id, and the
// targets of a vehicle by its subject vehicle/... and leaf hash. What it
// returns is the caller's own; nil for nothing.
type Store interface {
	Case(subject, id string) *State
	SetCase(subject string, c *State)
	Target(vehicle, hash string) *Standing
	SetTarget(vehicle string, t *Standing)
}

// Book lists what a Store keeps of one subject, in any order.
type Book interface {
	Cases(subject string) []*State
	Targets(vehicle string) []*Standing
}

// Encode writes a State or a Standing; equal ones give equal bytes.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data only
	}
	return b
}

// DecodeState reads what Encode wrote of a State.
func DecodeState(b []byte) (*State, error) {
	c := new(State)
	if err := decode(b, c); err != nil {
		return nil, fmt.Errorf("state of a case: %w", err)
	}
	def := Lookup(c.Kind)
	if def == nil || def.States[c.State] == "" {
		return nil, fmt.Errorf("state of a case: %q is in no state that a %q has", c.State, c.Kind)
	}
	if n := len(c.Targets); (n > 0) != def.aboutRecords() || n > maxTargets || (c.Kind == correction.Name) != (c.Claim != nil) {
		return nil, fmt.Errorf("state of a case: a %s with %d targets, or without its claim", c.Kind, n)
	}
	return c, nil
}

// DecodeStanding reads what Encode wrote of a Standing.
func DecodeStanding(b []byte) (*Standing, error) {
	t := new(Standing)
	if err := decode(b, t); err != nil {
		return nil, fmt.Errorf("standing of a target: %w", err)
	}
	if len(t.Effects) > 2*maxDecisions {
		return nil, fmt.Errorf("standing of a target: it has %d effects", len(t.Effects))
	}
	return t, nil
}

// decode is strict: what it takes is written back byte for byte.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if !bytes.Equal(Encode(v), b) {
		return fmt.Errorf("not in its one form")
	}
	return nil
}

// Memory is a Store in maps. It is not safe for concurrent use.
type Memory struct {
	cases   map[string]map[string]*State // by subject and id
	targets map[string]map[string]*Standing
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{map[string]map[string]*State{}, map[string]map[string]*Standing{}}
}

// Case implements Store.
func (m *Memory) Case(subject, id string) *State { return m.cases[subject][id].clone() }

// SetCase implements Store.
func (m *Memory) SetCase(subject string, c *State) { put(m.cases, subject, c.ID, c.clone()) }

// Target implements Store.
func (m *Memory) Target(vehicle, hash string) *Standing { return m.targets[vehicle][hash].clone() }

// SetTarget implements Store.
func (m *Memory) SetTarget(vehicle string, t *Standing) { put(m.targets, vehicle, t.Hash, t.clone()) }

// Cases implements Book.
func (m *Memory) Cases(subject string) []*State {
	var all []*State
	for _, c := range m.cases[subject] {
		all = append(all, c.clone())
	}
	return all
}

// Targets implements Book.
func (m *Memory) Targets(vehicle string) []*Standing {
	var all []*Standing
	for _, t := range m.targets[vehicle] {
		all = append(all, t.clone())
	}
	return all
}

func put[V any](m map[string]map[string]V, vehicle, hash string, v V) {
	if m[vehicle] == nil {
		m[vehicle] = map[string]V{}
	}
	m[vehicle][hash] = v
}

// clone copies whatever a step may change.
func (c *State) clone() *State {
	if c == nil {
		return nil
	}
	n := *c
	n.Answered, n.Decisions, n.Clocks, n.Done = slices.Clone(c.Answered), slices.Clone(c.Decisions), slices.Clone(c.Clocks), slices.Clone(c.Done)
	return &n
}

func (t *Standing) clone() *Standing {
	if t == nil {
		return nil
	}
	n := *t
	n.Effects = slices.Clone(t.Effects)
	return &n
}
