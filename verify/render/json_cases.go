package render

import (
	"strings"

	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// Case is one case about the vehicle, for programs. Times are RFC 3339.
type Case struct {
	Case       string     `json:"case" doc:"leaf hash of the record that opened it"`
	Kind       string     `json:"kind" enum:"campaign|correction|dispute|order|recall|return|warranty"`
	State      string     `json:"state" doc:"docs/cases.md lists the states of each kind; if unclear, as the newest record shown left it"`
	Words      string     `json:"words" doc:"the state for a person"`
	Open       bool       `json:"open" doc:"something may still come of it"`
	Unclear    bool       `json:"unclear,omitempty" doc:"withheld records may belong to it: it may stand otherwise, and clocks say only what was set"`
	Index      uint64     `json:"index" doc:"log index of the record that opened it"`
	Opened     string     `json:"opened" doc:"its log time"`
	By         string     `json:"by"`
	Actor      string     `json:"actor,omitempty"`
	For        string     `json:"for,omitempty" doc:"self, owner, buyer or fleet"`
	Claim      *Claim     `json:"claim,omitempty" doc:"of a correction: what it asks for"`
	Says       string     `json:"says,omitempty" doc:"of a dispute: what it claims"`
	Arbitrator string     `json:"arbitrator,omitempty"`
	Targets    []string   `json:"targets" doc:"leaf hashes of the records that it is about: of corrections and disputes"`
	Campaign   string     `json:"campaign,omitempty" doc:"of a recall: its number"`
	About      string     `json:"about,omitempty" doc:"id of the claim that an order is for, or of the order whose part goes back"`
	Missing    []string   `json:"missing,omitempty" doc:"kinds of attachment that a warranty claim lacks"`
	Done       []string   `json:"done,omitempty" doc:"what was said of an order on its way, in that order"`
	Answered   []string   `json:"answered,omitempty" doc:"who answered a dispute"`
	Decisions  []Decision `json:"decisions,omitempty"`
	Clocks     []Clock    `json:"clocks,omitempty" doc:"deadlines and windows"`
	Lost       int        `json:"lost,omitempty" doc:"disputes about this vehicle that its opener withdrew or lost"`
}

// Claim is what a correction asks for; only what differs is there.
type Claim struct {
	Field     string `json:"field"`
	Reason    string `json:"reason"`
	Value     *int64 `json:"value,omitempty"`
	Unit      string `json:"unit,omitempty"`
	EventTime string `json:"event_time,omitempty"`
}

// Decision is one that was taken in a case.
type Decision struct {
	Record  string `json:"record" doc:"leaf hash"`
	Index   uint64 `json:"index"`
	Time    string `json:"time" doc:"log time"`
	By      string `json:"by"`
	Actor   string `json:"actor,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Findings are by target.
	Findings map[string]string `json:"findings,omitempty" doc:"by leaf hash of the target: actual, not_actual or undetermined"`
}

// Clock is a deadline or a window of a case.
type Clock struct {
	Name     string `json:"name"`
	Window   bool   `json:"window,omitempty" doc:"it ends a right; the others are deadlines, which end nothing"`
	Set      string `json:"set"`
	Target   string `json:"target" doc:"the last moment in time"`
	Breach   string `json:"breach,omitempty" doc:"the last moment before the breach"`
	Stands   string `json:"stands_since,omitempty" doc:"since when the clock stands: the case is suspended"`
	Met      string `json:"met,omitempty" doc:"when what it waited for came"`
	Ended    string `json:"ended,omitempty" doc:"when the case went on, or was withdrawn, without it: it never came"`
	Overdue  string `json:"overdue_since,omitempty" doc:"since when what it waits for was, or is, late"`
	Breached bool   `json:"breached,omitempty"`
	Over     bool   `json:"over,omitempty" doc:"the window has closed"`
	Rules    int64  `json:"rules" doc:"version of the rules that its bounds are from"`
}

func caseOf(s *cases.Status) Case {
	c := Case{
		Case: s.Case, Kind: s.Kind, State: s.State, Words: s.Words, Open: s.Open, Unclear: s.Unclear, Index: s.Index, Opened: instant(s.Opened),
		By: s.By.Member, Actor: s.By.Actor, For: s.For, Says: s.Says, Arbitrator: s.Arbitrator, Targets: append([]string{}, s.Targets...), Lost: s.Lost,
		Campaign: strings.TrimPrefix(s.Campaign, "campaign/"), About: s.About, Missing: s.Missing, Done: s.Done,
	}
	if l := s.Claim; l != nil {
		c.Claim = &Claim{l.Field, l.Reason, l.Value, l.Unit, l.EventTime}
	}
	for _, p := range s.Answered {
		c.Answered = append(c.Answered, p.Member)
	}
	for _, d := range s.Decisions {
		c.Decisions = append(c.Decisions, Decision{d.Hash, d.Index, instant(d.Time), d.By.Member, d.By.Actor, d.Outcome, d.Finding})
	}
	for _, t := range s.Clocks {
		c.Clocks = append(c.Clocks, Clock{t.Name, t.Window, instant(t.Set), instant(t.Target), instant(t.Breach), instant(t.Paused), instant(t.Met), instant(t.Ended),
			instant(t.Overdue), t.Breached, t.Over, t.Rules})
	}
	return c
}

// instant writes ms since 1970 UTC, "" for 0.
func instant(ms int64) string {
	if ms == 0 {
		return ""
	}
	return verify.FormatLogTime(ms)
}
