package judge

import (
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
