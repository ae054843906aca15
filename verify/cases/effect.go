package cases

// Kinds of effect.
const (
	Replaced     = "replaced"     // value, unit or event time count otherwise than entered
	Excluded     = "excluded"     // the reading leaves the judged set; Reason says why
	Admitted     = "admitted"     // a decision lets a reading in that is none of the log's
	Reattributed = "reattributed" // a reading entered for another vehicle belongs here
	Confirmed    = "confirmed"    // an arbitrator found the reading actual
)

// Effect is what a decision that is in force makes of a reading. The record
// itself never changes: what was entered stays beside what counts.
type Effect struct {
	Target string // leaf hash of the odometer.reading, hex; "" when admitted
	By     string // leaf hash of the record that decided, hex
	Case   string // id of the case, hex
	Index  uint64 // log index of By
	Kind   string
	Reason string // of Excluded: not_actual, duplicate or wrong_vehicle

	// What counts, of Replaced only what differs; of Admitted all.
	Value     *int64
	Unit      string // KMT or SMI
	Precision string // of Admitted: exact, rounded_10 ...
	EventTime string // with offset

	Author string // of Admitted: who decided
	Note   string // of Reattributed to this vehicle: the target's note, verbatim
}
