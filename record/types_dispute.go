package record

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// Disputes before an arbitrator.
func init() {
	vehicle, anyone, arbitrator := []string{"vehicle"}, []string{WriterAny}, []string{"ARB"}
	costs := may("costs", digest, "commitment to who bears which costs")
	findings := need("findings", listOf(Object{
		may("effective", counts, "what counts of a reading that is not actual, if it is known"),
		need("finding", Enum{"actual", "not_actual", "undetermined"}, "what was found"),
		need("target", hexHash, "leaf hash of the disputed record"),
	}, 32), "what was found, for each record that the dispute names")
	const found = `"findings":[{"effective":{"event_time":"2026-05-04T10:12:00+02:00","unit":"KMT","value":131450},"finding":"not_actual","target":"` + exampleHash + `"}]`
	const findingsDemand = "Each target once; effective is not empty, and goes with not_actual only."
	checkFindings := func(r *Record) error {
		for i, f := range r.Body.Get("findings").List {
			at := indexed("body.findings", i) + ".effective"
			if f.Has("effective") && f.Get("finding").Str != "not_actual" {
				return badField(at, "it goes with the finding not_actual only")
			}
			if err := notEmpty(f.Get("effective"), at, "what counts"); err != nil {
				return err
			}
		}
		return once(r.Body.Get("findings"), "target", "body.findings")
	}
	define(
		Type{
			Name: "dispute.opened/1", Sentence: "somebody disputes records before an arbitrator",
			Subjects: vehicle, Writers: anyone, Fresh: "real time", Case: "dispute",
			Body: Object{
				need("arbitrator", name, "the member that is to decide"),
				need("claim", Enum{"reading_wrong", "rolled_back", "replaced_unrecorded", "work_not_done", "work_missing", "warranty", "other"}, "what is said to be wrong"),
				need("for", Enum{"self", "owner", "buyer", "fleet"}, "for whom it is opened"),
				need("remedy", Text{500}, "what is asked for"),
				need("targets", listOf(anyRecord, 32), "leaf hashes of the disputed records, all of this vehicle"),
			},
			Example: `{"arbitrator":"arbiter.example","claim":"rolled_back","for":"buyer","remedy":"that the reading of the sale does not count",` +
				`"targets":["` + exampleHash + `"]}`,
			Demands: "No target stands there twice.",
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("dispute opened for the %s: %s; records disputed: %d; arbitrator %s",
					strings.Replace(b.Get("for").Str, "self", "author", 1), word(b, "claim"), len(b.Get("targets").List), b.Get("arbitrator").Str), ""
			},
			Rule: func(r *Record) error { return once(r.Body.Get("targets"), "", "body.targets") },
		},
		Type{
			Name: "dispute.answered/1", Sentence: "the author of a disputed record answers",
			Subjects: vehicle, Writers: anyone, Fresh: "within the deadline of the case", Case: "dispute",
			Body:    Object{caseID, need("position", Enum{"admits", "denies", "no_knowledge"}, "what the author says to it"), casePrev},
			Example: `{"case":"` + exampleHash + `","position":"denies","prev":"` + exampleHash + `"}`,
			Say: func(b jcs.Value) (string, string) {
				return "answer to the dispute: " + map[string]string{"admits": "admitted", "denies": "denied", "no_knowledge": "no knowledge"}[b.Get("position").Str], ""
			},
		},
		Type{
			Name: "dispute.decided/1", Sentence: "the arbitrator decides a dispute",
			Subjects: vehicle, Writers: arbitrator, Fresh: "within the deadline of the case", Case: "dispute",
			Body:    Object{caseID, costs, findings, casePrev, reasons},
			Example: `{"case":"` + exampleHash + `","costs":"` + exampleB64 + `",` + found + `,"prev":"` + exampleHash + `","reasons":"the inspection of the year before shows more"}`,
			Demands: findingsDemand,
			Say:     func(b jcs.Value) (string, string) { return "dispute decided: " + sayFindings(b), "" },
			Rule:    checkFindings,
		},
		Type{
			Name: "dispute.appealed/1", Sentence: "a party appeals against the decision of a dispute",
			Subjects: vehicle, Writers: anyone, Fresh: "within the window of the case", Case: "dispute",
			Body:    Object{caseID, casePrev},
			Example: `{"case":"` + exampleHash + `","prev":"` + exampleHash + `"}`,
			Say:     func(jcs.Value) (string, string) { return "appeal against the decision of the dispute", "" },
		},
		Type{
			Name: "dispute.appeal_decided/1", Sentence: "another arbitrator decides the appeal of a dispute",
			Subjects: vehicle, Writers: arbitrator, Fresh: "within the deadline of the case", Case: "dispute",
			Body: Object{caseID, costs, findings, need("outcome", Enum{"upheld", "granted", "partly"}, "of the appeal; upheld: the decision stands"), casePrev, reasons},
			Example: `{"case":"` + exampleHash + `","costs":"` + exampleB64 + `",` + found + `,"outcome":"upheld","prev":"` + exampleHash + `",` +
				`"reasons":"the examination confirms it"}`,
			Demands: findingsDemand,
			Say: func(b jcs.Value) (string, string) {
				outcome := map[string]string{"upheld": "the decision stands", "granted": "the appeal succeeds", "partly": "the appeal succeeds in part"}
				return "appeal decided, " + outcome[b.Get("outcome").Str] + ": " + sayFindings(b), ""
			},
			Rule: checkFindings,
		},
	)
}

// sayFindings counts the findings by what was found, and says what counts.
func sayFindings(b jcs.Value) string {
	count := map[string]int{}
	for _, f := range b.Get("findings").List {
		count[f.Get("finding").Str]++
	}
	var parts []string
	for _, w := range [...]struct{ finding, one, many string }{
		{"actual", "1 record is true", "%d records are true"},
		{"not_actual", "1 record is not true", "%d records are not true"},
		{"undetermined", "of 1 record it cannot be told", "of %d records it cannot be told"},
	} {
		switch n := count[w.finding]; {
		case n == 1:
			parts = append(parts, w.one)
		case n > 1:
			parts = append(parts, fmt.Sprintf(w.many, n))
		}
	}
	for _, f := range b.Get("findings").List {
		if e := theRest(f.Get("effective")); e != "" {
			parts = append(parts, "of "+short(f.Get("target").Str)+" counts "+e)
		}
	}
	return strings.Join(parts, ", ")
}
