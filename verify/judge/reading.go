package judge

import (
	"time"

	"github.com/milepost-log/milepost/record"
)

// Value is a mileage and when it was read.
type Value struct {
	Value     int64
	Unit      string // KMT or SMI
	EventTime string // with offset
}

// What became of a reading.
const (
	Judged     = "judged"
	Unreadable = "unreadable"   // the counter could not be read
	NoOdometer = "no_odometer"  // there is none
	Excluded   = "excluded"     // by a decision
	NotWeighed = "not_weighed"  // its source has no weight: shown, never judged
	Thinned    = "thinned"      // others of the author's day, or device's month, stand for it
	OutOfRange = "out_of_range" // no value that a record may hold
)

// Reading is one reading as the judgement sees it.
type Reading struct {
	Hash     string // leaf hash, hex; of admitted evidence that of the decision
	Index    uint64 // log index; of reattributed and admitted readings the decision's
	Author   string
	Source   string // visual, photo, obd, telematics, document, estimate; "" when admitted
	Rounding string // exact, rounded_10, ...
	DateOnly bool   // the time of day is unknown

	Entered   Value
	Effective Value // what counts; differs from Entered when Corrected

	Day     int64 // of Effective, in its own offset: days since 1970-01-01
	Seconds int64 // the same moment, s since 1970 UTC
	X       int64 // mm on the scale of its part: offsets of replaced counters are in
	Segment int   // number of replacements and rollovers before it
	Part    int   // only readings of one part can be compared
	Weight  int64

	Status    string
	By        string // leaf hash of the decision that changed, excluded, confirmed or admitted it
	Corrected bool
	Confirmed bool // an arbitrator found it actual

	Kept      bool // every heaviest series holds it
	Named     bool // suspect of an isolated break
	BothSides bool // listed on one of two sides, nobody being named
}

// point is a reading under judgement.
type point struct {
	Reading
	entry   *Entry // nil when it is no entry of this history
	rec     *record.Record
	reason  string // of an exclusion
	how     string // cases.Admitted or cases.Reattributed
	zone    time.Time
	mm      int64 // of Effective, on its own counter
	half    int64 // half the rounding step, mm
	slack   int64 // half the tolerance and half the rounding step, mm
	off     int64 // x - mm
	low, up int64 // x ∓ slack
	settled bool  // it contradicts no other of its part
	some    bool  // some heaviest series holds it
	rolled  int64 // offset of implied rollovers, part of off
}

// setTime takes the moment that counts.
func (r *point) setTime(t time.Time, dateOnly bool) {
	y, m, d := t.Date()
	r.Day = time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / daySeconds
	r.Seconds, r.DateOnly, r.zone = t.Unix(), dateOnly, t
}

// place puts the reading at a value of its counter; unit, rounding and
// offset stand.
func (r *point) place(p *Params, value int64, unit string) {
	r.mm = value * unitMM(unit)
	r.half = p.half(r.Rounding, unit)
	r.slack = p.tol(unit)/2 + r.half
	r.shift(r.off)
}

func (r *point) shift(off int64) {
	r.off = off
	r.X = r.mm + off
	r.low, r.up = r.X-r.slack, r.X+r.slack
}

// earlier is the order of readings. Readings of one day can't fall, for they
// are ordered by mileage; what is equal in both is parted by what the records
// themselves say, so that nothing depends on the order of submission.
func earlier(a, b *point) bool {
	switch {
	case a.Part != b.Part:
		return a.Part < b.Part
	case a.Day != b.Day:
		return a.Day < b.Day
	case a.X != b.X:
		return a.X < b.X
	case a.Seconds != b.Seconds:
		return a.Seconds < b.Seconds
	case a.Hash != b.Hash:
		return a.Hash < b.Hash
	}
	return a.Index < b.Index
}

func validTime(t time.Time) bool {
	y := t.Year()
	return y >= 1900 && y <= 2999
}
