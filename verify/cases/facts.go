package cases

import (
	"slices"

	"github.com/milepost-log/milepost/record"
)

// Facts are what a step is decided from beside the case and the record: what
// the log says at the record's own place.
type Facts struct {
	Index uint64 // log index of the record
	Time  int64  // log time, ms since 1970 UTC

	Author   Party
	Kinds    []string // of the author's member; DEV alone for a device
	Roles    []string // of the author's actor
	Zone     string   // of the author's member
	Calendar string   // id of its calendar

	// Makers returns the members that stand for the maker of a vehicle, given
	// by its subject: those of kind MFR with its manufacturer identifier, else
	// the central support.
	Makers func(vehicle string) []string
	// Member returns the kinds of a member; known is false if there is none,
	// or, when Partial, if nothing is known of it.
	Member func(name string) (kinds []string, known bool)

	Rules     int64            // version in force
	Bounds    map[string]int64 // its cases; DefaultBounds where it says nothing
	Calendars []Calendar
	Tolerance map[string]int64 // by which readings may fall, mm by unit

	// Find looks for an earlier record by its leaf hash, hex, in a history that
	// the record stands in, or in all those of the vehicle if subject is "".
	Find func(subject, hash string) Found

	// Partial says that members and records may exist of which nothing is
	// known: the facts come from a proof file.
	Partial bool
	// Gap reports whether records of a history between two log indices are
	// withheld. nil: none ever is.
	Gap func(subject string, from, to uint64) bool
	// Doubts is filled by Apply: what could not be checked, in words. There
	// are none unless Partial.
	Doubts []string
}

// Party is who acts: a member, and the actor that its key is bound to.
type Party struct {
	Member string `json:"member"`
	Actor  string `json:"actor,omitempty"`
}

// Found is what is known of an earlier record.
type Found struct {
	Record *record.Record // nil unless it is there to read
	Index  uint64
	Time   int64 // log time, ms
	// Hidden says that the record is withheld, or that it may stand in a
	// history that the file lacks.
	Hidden bool
}

func (f *Facts) doubt(what string) {
	if !slices.Contains(f.Doubts, what) {
		f.Doubts = append(f.Doubts, what)
	}
}

func (f *Facts) bound(name string) int64 {
	if n, ok := f.Bounds[name]; ok {
		return n
	}
	return defaultBounds[name]
}
