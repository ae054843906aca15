package judge

import (
	"sort"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/cases"
)

// History is what is judged: the complete history of one vehicle.
type History struct {
	Entries  []Entry        // of vehicle/<VIN>, in log order
	Effects  []cases.Effect // of decisions in force, in log order
	Disputed []string       // leaf hashes, hex, of readings under a dispute that is open as of the judgement
}

// Entry is one record of the history.
type Entry struct {
	Index  uint64
	Time   int64          // log time, ms since 1970 UTC
	Hash   string         // leaf hash, hex
	Record *record.Record // nil when withheld
}

// Results.
const (
	NoJudgement            = "no_judgement"
	Illogical              = "illogical"
	LogicalAfterCorrection = "logical_after_correction"
	Logical                = "logical"
)

// Judgement is what the records allow to be inferred. Breaks, flags and
// distance are always those of the records at hand, also where Result is
// no_judgement: neither a dispute nor a withheld record hides a finding.
type Judgement struct {
	AsOf    int64 // ms since 1970 UTC
	Rules   int64 // version of the rules
	First   uint64
	Last    uint64 // log indices of the first and the last entry
	Entries int    // with those withheld

	Outcome
	ShownOnly *Outcome // what the rest gives, where records are withheld

	Breaks    []Break
	Corrected []Correction
	Excluded  []Exclusion
	Admitted  []Admission
	Flags     []Flag

	Judged   int
	Withheld int

	AtLeast int64 // mm that the car has covered if nobody entered too high a figure

	// Readings are all readings that the history shows, by event: what a
	// timeline or a plot needs. They are not part of JSON.
	Readings []Reading
}

// Outcome is a result and its reasons.
type Outcome struct {
	Result         string
	Reasons        []string // codes; the first one decided
	WithoutDispute *Outcome // what the readings give but for an open dispute, where that is the reason
}

// Correction is a reading that counts otherwise than it was entered.
type Correction struct {
	Record, By         string // leaf hashes: the reading, the decision
	Entered, Effective Value
}

// Exclusion is a reading that a decision took out of the judged set.
type Exclusion struct {
	Record, By string
	Reason     string // not_actual, duplicate or wrong_vehicle
}

// Admission is a reading that a decision let in.
type Admission struct {
	Record, By string // the reading; of outside evidence the decision itself
	Kind       string // cases.Admitted or cases.Reattributed
}

// maxJudged bounds the work, which grows with the square of the number of
// readings: some seconds at the bound, if they all contradict each other. No
// car comes near it.
const maxJudged = 20_000

// inquiry is the working state of one judgement. Nothing outlives it.
type inquiry struct {
	h      *History
	p      Params
	all    []*point          // every reading, in log order
	byHash map[string]*point // the first of each hash
	judged []*point          // in order: part, day, x
	parts  [][]*point        // judged, by part

	created    *Entry // of type vehicle.created, the first
	withheld   int
	unattested bool // a replacement nobody else vouches for, or an unreadable one
	rollovers  bool // a rollover nobody else vouches for, or an implied one
	ignored    []*event
	coarse     int // readings left out by maxJudged

	breaks []Break
	room   int // readings that a break may list as the other side
	out    *Judgement
}

// Judge infers what a history means. asOf is the time of the seal that closes
// it, ms since 1970 UTC. It never fails: what can't be used is listed and
// left out.
func Judge(h *History, p Params, asOf int64) *Judgement {
	q := &inquiry{h: h, p: p, out: &Judgement{AsOf: asOf, Rules: p.Rules, Entries: len(h.Entries)}}
	if n := len(h.Entries); n > 0 {
		q.out.First, q.out.Last = h.Entries[0].Index, h.Entries[n-1].Index
	}
	q.gather()
	q.decide()
	q.thin()
	q.layOut()
	for _, part := range q.parts {
		q.series(part)
	}
	q.findBreaks()
	q.flag()
	q.conclude()
	sort.SliceStable(q.all, func(i, j int) bool { return earlier(q.all[i], q.all[j]) })
	q.out.Readings = make([]Reading, 0, len(q.all))
	for _, r := range q.all {
		q.out.Readings = append(q.out.Readings, r.Reading)
	}
	return q.out
}
