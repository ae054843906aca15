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
	Target string `json:"target,omitempty"` // leaf hash of the odometer.reading, hex; "" when admitted
	By     string `json:"by"`               // leaf hash of the record that decided, hex
	Case   string `json:"case"`             // id of the case, hex
	Index  uint64 `json:"index"`            // log index of By
	Kind   string `json:"kind"`
	Reason string `json:"reason,omitempty"` // of Excluded: not_actual, duplicate or wrong_vehicle

	// What counts, of Replaced only what differs; of Admitted all.
	Value     *int64 `json:"value,omitempty"`
	Unit      string `json:"unit,omitempty"`       // KMT or SMI
	Precision string `json:"precision,omitempty"`  // of Admitted: exact, rounded_10 ...
	EventTime string `json:"event_time,omitempty"` // with offset

	Author string `json:"author,omitempty"` // of Admitted: who decided
	Note   string `json:"note,omitempty"`   // of Reattributed to this vehicle: the target's note, verbatim
}
