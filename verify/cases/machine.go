package cases

import (
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// Case is the definition of a kind of case: a state machine as data.
type Case struct {
	Name   string
	Steps  []Step
	Clocks []Clock
	States map[string]string // each state in words; those that end a case are in Closed
	Closed []string
	Rest   []string // states in which nothing is awaited, though a record may still come
	// Lapses says what a state becomes, without any record, once the window
	// that runs in it is over.
	Lapses map[string]string
	In     string // class of the subject whose history it is in
	Under  string // kind of the case whose id it shares; "" where its first record is its id
	// settle does what a step that was taken decides; nil if that is nothing.
	settle func(*move) error
}

// Step is one transition. Of several that fit a state and an event, the first
// whose condition holds is taken.
type Step struct {
	From  string // states, parted by |; "" opens a case
	On    string // event: type of a record, with the outcome or status that its body names, if any
	If    string // condition, by name, with what follows a colon; "" for always
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
	Stands  string // states, parted by |, in which it stands still
	If      string // condition for being set, by name; "" for always
	Working bool   // days of the calendar of the member that opened the case; else all days
	Window  bool   // ends a right; a deadline only marks what comes late
}

// Kinds lists the kinds of case by name.
func Kinds() []*Case { return []*Case{campaign, correction, dispute, order, recall, returns, warranty} }

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
	"warranty_register_target":    1,
	"warranty_register_breach":    2,
	"warranty_decide_target":      5,
	"warranty_decide_breach":      7,
	"warranty_appeal_window":      14,
	"warranty_final_target":       5,
	"warranty_final_breach":       7,
	"warranty_report_target":      14,
	"warranty_report_breach":      30,
	"warranty_pay_target":         14,
	"warranty_pay_breach":         30,
	"order_decide_target":         1,
	"order_decide_breach":         2,
	"order_unique_target":         14,
	"order_unique_breach":         30,
	"return_decide_target":        3,
	"return_decide_breach":        5,
	"return_credit_target":        14,
	"return_credit_breach":        30,
	"campaign_affects_target":     2,
	"campaign_affects_breach":     5,
	"recall_notify_target":        5,
	"recall_notify_breach":        20,
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

// opens reports whether a record opens a case of this kind: it is of a type
// that does, and follows no other.
func (c *Case) opens(r *record.Record) bool {
	return !r.Body.Has("prev") && slices.ContainsFunc(c.Steps, func(s Step) bool { return s.From == "" && typeOf(s.On) == r.Type })
}

// aboutRecords reports whether a case of this kind is about other records.
func (c *Case) aboutRecords() bool {
	return slices.ContainsFunc(c.Steps, func(s Step) bool { return s.From == "" && slices.Contains(strings.Fields(s.Needs), "target") })
}

// eventOf is what a record is to a case, whether a step asks for its outcome
// or not.
func eventOf(r *record.Record) string { return r.Type + ":" + outcomeOf(r.Body) }

// outcomeOf is the outcome or the status that a body names, "" if none.
func outcomeOf(body jcs.Value) string {
	if body.Has("outcome") {
		return body.Get("outcome").Str
	}
	return body.Get("status").Str
}

// Names is the field of a type's body that names the outcome of an event.
func Names(typ string) string {
	if def := record.Lookup(typ); def != nil && def.Field("status") != nil {
		return "status"
	}
	return "outcome"
}

// typeOf is the record type of an event.
func typeOf(event string) string {
	typ, _, _ := strings.Cut(event, ":")
	return typ
}
