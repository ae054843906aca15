package cases

import (
	"maps"
	"slices"
	"strings"
)

// Case is the definition of a kind of case: a state machine as data.
type Case struct {
	Name   string
	Steps  []Step
	Clocks []Clock
	States map[string]string // each state in words; those that end a case are in Closed
	Closed []string
	// settle does what a step that was taken decides.
	settle func(*move) error
}

// Step is one transition. Of several that fit a state and an event, the first
// whose condition holds is taken.
type Step struct {
	From  string // states, parted by |; "" opens a case
	On    string // event: type of a record, with the outcome that its body names, if any
	If    string // condition, by name; "" for always
	Who   string // parties, parted by |, one of which its author must be
	Not   string // parties, parted by |, none of which its author may be
	Else  string // party in the maker's place where Not excludes it, or there is none
	Needs string // what must be there, by name, parted by spaces
	To    string // "" stays where it is
}

// Clock is a deadline or a window. It runs while the case is in one of the
// states, from the log time of the record that brought it there. Its bounds
// stand in the rules under <case>_<name>_target and _breach, or _window.
type Clock struct {
	Name    string
	In      string // states, parted by |
	Working bool   // days of the calendar of the member that opened the case; else all days
	Window  bool   // ends a right; a deadline only marks what comes late
}

// Kinds lists the kinds of case by name.
func Kinds() []*Case { return []*Case{correction, dispute} }

// Lookup returns the kind of case of a name, or nil.
func Lookup(name string) *Case {
	for _, c := range Kinds() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Any is the record.Type.Case of types that serve every kind of case.
const Any = "any"

// Bounds of version 1 of the rules, in days unless the name says hours.
var defaultBounds = map[string]int64{
	"correction_self_window":      28,
	"correction_self_hours":       24,
	"correction_decide_target":    5,
	"correction_decide_breach":    7,
	"correction_appeal_window":    14,
	"dispute_answer_target":       5,
	"dispute_answer_breach":       7,
	"dispute_decide_target":       40,
	"dispute_decide_breach":       47,
	"dispute_appeal_window":       14,
	"dispute_final_target":        5,
	"dispute_final_breach":        7,
	"dispute_appeal_other_member": 0, // 1: an appeal is decided by another member than the decision
}

// DefaultBounds returns the bounds of version 1 of the rules, by name.
func DefaultBounds() map[string]int64 {
	return maps.Clone(defaultBounds)
}

// among reports whether a list parted by | holds a word.
func among(list, word string) bool {
	for w := range strings.SplitSeq(list, "|") {
		if w == word {
			return true
		}
	}
	return false
}

func (c *Case) closed(state string) bool { return slices.Contains(c.Closed, state) }

// opens reports whether records of a type open a case of this kind.
func (c *Case) opens(typ string) bool {
	return slices.ContainsFunc(c.Steps, func(s Step) bool { return s.From == "" && typeOf(s.On) == typ })
}

// typeOf is the record type of an event.
func typeOf(event string) string {
	typ, _, _ := strings.Cut(event, ":")
	return typ
}
