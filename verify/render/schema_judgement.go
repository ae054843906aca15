package render

// The types below are the form of the judgement's JSON, which the room judge
// writes itself; the schema is made from them, and a test holds them against
// what that room writes.

type judgementForm struct {
	Format         string       `json:"format" enum:"milepost/judgement@v1"`
	AsOf           string       `json:"as_of" doc:"the time that it was made for"`
	Result         string       `json:"result" enum:"logical|logical_after_correction|illogical|no_judgement"`
	Reasons        []string     `json:"reasons" doc:"codes of two digits; the first decided"`
	Rules          string       `json:"rules" doc:"version of the rules whose parameters it is made with"`
	Range          []uint64     `json:"range" doc:"log indices of the first and the last record; empty if there is none"`
	Judged         int          `json:"judged" doc:"readings that were judged"`
	Withheld       int          `json:"withheld" doc:"records of the vehicle's history whose contents are withheld"`
	Breaks         []breakForm  `json:"breaks" doc:"where readings contradict each other"`
	Corrected      []corrected  `json:"corrected" doc:"readings of which another value counts than was entered"`
	Excluded       []excluded   `json:"excluded" doc:"readings that a decision sets aside"`
	Admitted       []admitted   `json:"admitted" doc:"readings that a decision lets in"`
	Flags          []flagForm   `json:"flags" doc:"what is worth knowing and never decides"`
	Distance       int64        `json:"distance_at_least_km" doc:"what the car has covered if nobody entered too high a figure"`
	ShownOnly      *shownForm   `json:"shown_only,omitempty" doc:"only with reason 12: what it would be for the records that are shown"`
	WithoutDispute *outcomeForm `json:"without_dispute,omitempty" doc:"only with reason 10: what it would be without the open dispute"`
}

type outcomeForm struct {
	Result  string   `json:"result"`
	Reasons []string `json:"reasons"`
}

type shownForm struct {
	Result         string       `json:"result"`
	Reasons        []string     `json:"reasons"`
	WithoutDispute *outcomeForm `json:"without_dispute,omitempty" doc:"only with reason 10: what it would be without the open dispute"`
}

type breakForm struct {
	Kind        string           `json:"kind" enum:"isolated|sustained|tied|both_sides" doc:"isolated names its readings; the others name nobody and list both sides"`
	Why         string           `json:"why" enum:"drop|too_fast|impossible_speed"`
	Readings    []string         `json:"readings" doc:"leaf hashes"`
	Against     []string         `json:"against" doc:"leaf hashes of the readings that contradict them"`
	From        string           `json:"from" doc:"leaf hash of the reading before the mileage changed"`
	To          string           `json:"to" doc:"and of the one after"`
	Amount      int64            `json:"amount_km"`
	Suggestions []suggestionForm `json:"suggestions" doc:"at most three a reading, the best first; nothing was changed"`
}

type suggestionForm struct {
	Kind   string `json:"kind" enum:"transposed|unit_mixed|extra_digit|missing_digit|digit_typo"`
	Record string `json:"record" doc:"leaf hash of the reading"`
	Unit   string `json:"unit" enum:"KMT|SMI"`
	Value  int64  `json:"value"`
}

type corrected struct {
	Record    string `json:"record"`
	By        string `json:"by" doc:"leaf hash of the decision"`
	Entered   Value  `json:"entered"`
	Effective Value  `json:"effective"`
}

type excluded struct {
	Record string `json:"record"`
	By     string `json:"by"`
	Reason string `json:"reason" enum:"not_actual|duplicate|wrong_vehicle"`
}

type admitted struct {
	Record string `json:"record"`
	By     string `json:"by"`
	Kind   string `json:"kind" enum:"admitted|reattributed"`
}

type flagForm struct {
	Code    string `json:"code"`
	Record  string `json:"record,omitempty" doc:"leaf hash; absent when it is about the vehicle"`
	By      string `json:"by,omitempty" doc:"leaf hash of the decision"`
	Days    int64  `json:"days,omitempty"`
	Seconds int64  `json:"seconds,omitempty"`
	Amount  int64  `json:"amount_km,omitempty"`
	Count   int64  `json:"count,omitempty"`
}
